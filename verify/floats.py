"""What does a formula give in plain floating point?

A small evaluator of SymPy trees over NumPy arrays, real or complex, without
generated code. It serves what users know of checking (central differences at
1e-6, the complex step) and finds where switches change sign. Atoms with a
stable form use it; NumPy's own functions do the rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache, reduce
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from ..spec.atoms import ATOMS, AtomFunction

Array = NDArray[Any]

_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "exp": np.exp, "log": np.log, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "atan": np.arctan,
    "sin": np.sin, "cos": np.cos, "asinh": np.arcsinh, "log1p": np.log1p, "expm1": np.expm1, "sign": np.sign,
    "sech": lambda x: 1 / np.cosh(x), "nearest": np.rint,
}  # fmt: skip

_RELATIONS: dict[Any, Callable[[Any, Any], Any]] = {
    sp.StrictLessThan: np.less, sp.LessThan: np.less_equal, sp.StrictGreaterThan: np.greater,
    sp.GreaterThan: np.greater_equal, sp.Equality: np.equal, sp.Unequality: np.not_equal,
}  # fmt: skip


class FloatError(ValueError):
    """The evaluator does not know this kind of expression."""


def evaluate(expression: Any, values: Mapping[str, Any], complex_step: bool = False) -> Array:
    """The expression at arrays given by the names of its symbols.

    With `complex_step` the values may be complex: comparisons look at the real
    part and Abs keeps the imaginary part's sign, as the complex step needs.
    """
    memo: dict[Any, Any] = {}

    def real(x: Any) -> Any:
        return np.real(x) if complex_step else x

    def number(e: Any) -> Any:
        found = memo.get(e)
        if found is None:
            found = memo[e] = build(e)
        return found

    def build(e: Any) -> Any:
        if e.is_Symbol:
            return values[str(e)]
        if e.is_Number or e.is_NumberSymbol:
            return np.float64(float(e))
        if e.is_Add:
            return reduce(np.add, map(number, e.args))
        if e.is_Mul:
            return product(e)
        if e.is_Pow:
            return power(e)
        if isinstance(e, sp.Piecewise):
            result: Any = np.nan
            for value, condition in reversed(e.args):
                result = np.where(truth(condition), number(value), result)
            return result
        arguments = [number(a) for a in e.args]
        if isinstance(e, sp.Max | sp.Min):
            better = np.greater_equal if isinstance(e, sp.Max) else np.less_equal
            return reduce(lambda a, b: np.where(better(real(a), real(b)) | np.isnan(real(a)), a, b), arguments)
        if isinstance(e, sp.Abs):
            return np.where(np.signbit(real(arguments[0])), -arguments[0], arguments[0])
        if e.func.__name__ == "hypot" and not complex_step:
            return np.hypot(*arguments)
        if e.func.__name__ == "fmod" and not complex_step:
            return np.fmod(*arguments)
        if e.func.__name__ in _FUNCTIONS:
            if complex_step and e.func.__name__ == "sign":
                return np.sign(np.real(arguments[0]))
            return _FUNCTIONS[e.func.__name__](arguments[0])
        if e.func.__name__ in ("erf", "erfc"):
            return _erf(arguments[0], e.func.__name__)
        if isinstance(e, AtomFunction):
            form = _stable_form(e.func.__name__, len(e.args))
            return evaluate(form, {f"x{i}": a for i, a in enumerate(arguments)}, complex_step)
        raise FloatError(f"no floating-point rule for {e.func.__name__}, found in {e}")

    def product(e: Any) -> Any:
        """Numerator over denominator: x*(1/y) would round twice."""
        above: list[Any] = []
        below: list[Any] = []
        for a in e.args:
            (below if a.is_Pow and a.exp.is_Rational and a.exp < 0 else above).append(a)
        top = reduce(np.multiply, map(number, above), np.float64(1.0))
        if not below:
            return top
        return top / reduce(np.multiply, (number(1 / b) for b in below))

    def power(e: Any) -> Any:
        base = number(e.base)
        if e.exp.is_Integer and abs(int(e.exp)) <= 4:
            result = reduce(np.multiply, [base] * abs(int(e.exp)))
            return result if e.exp > 0 else 1 / result
        if e.exp == sp.Rational(1, 2):
            return np.sqrt(base)
        if e.exp == -sp.Rational(1, 2):
            return 1 / np.sqrt(base)
        return np.power(base, number(e.exp))

    def truth(c: Any) -> Any:
        if c in (sp.true, sp.false):
            return bool(c)
        if type(c) in _RELATIONS:
            return _RELATIONS[type(c)](real(number(c.lhs)), real(number(c.rhs)))
        parts = [truth(a) for a in c.args]
        if isinstance(c, sp.Not):
            return np.logical_not(parts[0])
        if isinstance(c, sp.ITE):
            return np.where(*parts)
        if isinstance(c, sp.And | sp.Or):
            return reduce(np.logical_and if isinstance(c, sp.And) else np.logical_or, parts)
        raise FloatError(f"no rule for the condition {c}")

    with np.errstate(all="ignore"):
        return np.asarray(number(sp.sympify(expression)))


@lru_cache(maxsize=64)
def _stable_form(name: str, arity: int) -> Any:
    """What code computes for an atom, in opaque arguments x0, x1: SymPy would rearrange real ones with the form."""
    atom = ATOMS[name]
    return (atom.stable or atom.definition)(*(sp.Symbol(f"x{i}", real=True) for i in range(arity)))


def _erf(x: Any, name: str) -> Any:
    function = math.erf if name == "erf" else math.erfc
    if np.iscomplexobj(x):  # first order in the imaginary part, all that a complex step asks for
        sign = 1 if name == "erf" else -1
        plain = np.vectorize(function)(np.real(x))
        return plain + 1j * np.imag(x) * sign * 2 / math.sqrt(math.pi) * np.exp(-(np.real(x) ** 2))
    return np.vectorize(function)(x)
