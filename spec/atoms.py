"""Which elementary functions keep their accuracy, and how are they written?

One row an atom: its exact definition (what the oracle evaluates), its
derivatives in atoms (so that stable forms stay stable under differentiation),
its domain, and `stable`, the form that code uses, built of the primitives that
every target knows; an atom without one is itself such a primitive. `stable`
is put in when the expression is lowered, not before: SymPy would merge
x*(x/(1 + h)) into x**2/(1 + h), and the square overflows.

The vector atoms (softmax and its kin) act on an IndexedBase of symbolic length
and stand at the end; `derive.vector` differentiates them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy import Abs, Eq, Expr, Function, Integer, Max, Min, Piecewise, exp, log, sqrt


@dataclass(frozen=True, slots=True)
class Atom:
    """One row of the table. `definition`, `derivatives` and `stable` take the arguments."""

    name: str
    function: Any
    definition: Callable[..., Expr]
    derivatives: tuple[Callable[..., Expr], ...]
    domain: str
    stable: Callable[..., Expr] | None = None


class AtomFunction(Function):
    """A SymPy function whose derivative is looked up in the table of atoms."""

    is_real = True

    def fdiff(self, argindex: int = 1) -> Expr:
        return ATOMS[self.func.__name__].derivatives[argindex - 1](*self.args)

    def _eval_evalf(self, prec: int) -> Expr:
        return define_atoms(self)._eval_evalf(prec)


class PositiveAtom(AtomFunction):
    is_positive = True


class softplus(PositiveAtom):
    """log(1 + exp(x))."""


class sigmoid(PositiveAtom):
    """1/(1 + exp(-x))."""


class log1p(AtomFunction):
    """log(1 + x)."""


class expm1(AtomFunction):
    """exp(x) - 1."""


class tanh(AtomFunction):
    """The hyperbolic tangent, with a derivative that does not cancel."""


class arctan(AtomFunction):
    """The inverse tangent, with a derivative whose square does not overflow."""


class sech(PositiveAtom):
    """1/cosh(x)."""


class log_cosh(AtomFunction):
    """log(cosh(x))."""

    is_nonnegative = True


class hypot1(PositiveAtom):
    """sqrt(1 + x**2)."""


class hypot1m1(AtomFunction):
    """sqrt(1 + x**2) - 1."""

    is_nonnegative = True


class half_tangent(AtomFunction):
    """x/(1 + sqrt(1 + x**2)), the tangent of half the angle whose tangent is x."""


class algebraic_sigmoid(AtomFunction):
    """x/sqrt(1 + x**2)."""


class log1p_square(AtomFunction):
    """log(1 + x**2)."""

    is_nonnegative = True


class lorentzian(PositiveAtom):
    """1/(1 + x**2)."""


class lorentzian_odd(AtomFunction):
    """x/(1 + x**2)."""


class xlogy(AtomFunction):
    """x*log(y), and 0 where x is 0."""


class xlog1py(AtomFunction):
    """x*log(1 + y), and 0 where x is 0."""


class xdivy(AtomFunction):
    """x/y, and 0 where x is 0."""


class hypot(AtomFunction):
    """sqrt(x**2 + y**2) without overflow; a primitive of the targets."""


_HALF = sp.Rational(1, 2)


def _exp_minus(x: Expr) -> Expr:
    """exp(-|x|): never overflows, and shared by every form that uses it."""
    return exp(-Abs(x))


def _odd(x: Expr, near: Callable[[Expr], Expr], far: Callable[[Expr], Expr]) -> Expr:
    """An odd function by its form in |x| up to 1, and in 1/|x| beyond: no square overflows, and oo has a value."""
    a = Abs(x)
    return sp.sign(x) * Piecewise((near(Min(a, 1)), a <= 1), (far(1 / Max(a, 1)), True))


def _zero_if_zero(x: Expr, otherwise: Expr) -> Expr:
    return Piecewise((Integer(0), Eq(x, 0)), (otherwise, True))


ATOMS: dict[str, Atom] = {
    atom.name: atom
    for atom in (
        Atom("log1p", log1p, lambda x: log(1 + x), (lambda x: 1 / (1 + x),), "(-1, oo)"),
        Atom("expm1", expm1, lambda x: exp(x) - 1, (lambda x: exp(x),), "(-oo, oo)"),
        Atom("tanh", tanh, lambda x: sp.tanh(x), (lambda x: sech(x) ** 2,), "(-oo, oo)"),
        Atom("arctan", arctan, lambda x: sp.atan(x), (lambda x: lorentzian(x),), "(-oo, oo)"),
        Atom(
            "hypot",
            hypot,
            lambda x, y: sqrt(x**2 + y**2),
            (lambda x, y: x / hypot(x, y), lambda x, y: y / hypot(x, y)),
            "(-oo, oo)",
        ),
        Atom(
            "softplus",
            softplus,
            lambda x: log(1 + exp(x)),
            (lambda x: sigmoid(x),),
            "(-oo, oo)",
            lambda x: Max(x, 0) + log1p(_exp_minus(x)),
        ),
        Atom(
            "sigmoid",
            sigmoid,
            lambda x: 1 / (1 + exp(-x)),
            (lambda x: sigmoid(x) * sigmoid(-x),),
            "(-oo, oo)",
            lambda x: Piecewise((Integer(1), x >= 0), (_exp_minus(x), True)) / (1 + _exp_minus(x)),
        ),
        Atom(
            "sech",
            sech,
            lambda x: 1 / sp.cosh(x),
            (lambda x: -sech(x) * tanh(x),),
            "(-oo, oo)",
            lambda x: 2 * _exp_minus(x) / (1 + _exp_minus(x) ** 2),
        ),
        # Below 1 the sum of large terms would cancel; there log cosh = log1p(sinh^2)/2.
        Atom(
            "log_cosh",
            log_cosh,
            lambda x: log(sp.cosh(x)),
            (lambda x: tanh(x),),
            "(-oo, oo)",
            lambda x: Piecewise(
                (log1p(sp.sinh(Min(Abs(x), 1)) ** 2) * _HALF, Abs(x) <= 1),
                (Abs(x) - log(2) + log1p(_exp_minus(x) ** 2), True),
            ),
        ),
        Atom(
            "hypot1",
            hypot1,
            lambda x: sqrt(1 + x**2),
            (lambda x: algebraic_sigmoid(x),),
            "(-oo, oo)",
            lambda x: hypot(1, x),
        ),
        # x*(x/(1 + h)), not x**2/(1 + h): the square would overflow.
        Atom(
            "hypot1m1",
            hypot1m1,
            lambda x: sqrt(1 + x**2) - 1,
            (lambda x: algebraic_sigmoid(x),),
            "(-oo, oo)",
            lambda x: x * half_tangent(x),
        ),
        Atom(
            "half_tangent",
            half_tangent,
            lambda x: x / (1 + sqrt(1 + x**2)),
            (lambda x: 1 / (hypot1(x) * (1 + hypot1(x))),),
            "(-oo, oo)",
            lambda x: _odd(x, lambda a: a / (1 + hypot(1, a)), lambda v: 1 / (v + hypot(1, v))),
        ),
        Atom(
            "algebraic_sigmoid",
            algebraic_sigmoid,
            lambda x: x / sqrt(1 + x**2),
            (lambda x: 1 / hypot1(x) ** 3,),
            "(-oo, oo)",
            lambda x: _odd(x, lambda a: a / hypot(1, a), lambda v: 1 / hypot(1, v)),
        ),
        # x**2 overflows long before log(1 + x**2) = 2*log|x| does; 1/x takes its place beyond 1.
        Atom(
            "log1p_square",
            log1p_square,
            lambda x: log(1 + x**2),
            (lambda x: 2 * lorentzian_odd(x),),
            "(-oo, oo)",
            lambda x: Piecewise(
                (log1p(Min(Abs(x), 1) ** 2), Abs(x) <= 1), (log1p(Max(Abs(x), 1) ** -2) + 2 * log(Max(Abs(x), 1)), True)
            ),
        ),
        Atom(
            "lorentzian",
            lorentzian,
            lambda x: 1 / (1 + x**2),
            (lambda x: -2 * lorentzian(x) * lorentzian_odd(x),),
            "(-oo, oo)",
            lambda x: Piecewise(
                (1 / (1 + Min(Abs(x), 1) ** 2), Abs(x) <= 1), (Max(Abs(x), 1) ** -2 / (1 + Max(Abs(x), 1) ** -2), True)
            ),
        ),
        # (1 - x**2)/(1 + x**2)**2 without a square that could overflow.
        Atom(
            "lorentzian_odd",
            lorentzian_odd,
            lambda x: x / (1 + x**2),
            (lambda x: lorentzian(x) * (2 * lorentzian(x) - 1),),
            "(-oo, oo)",
            lambda x: _odd(x, lambda a: a / (1 + a**2), lambda v: v / (1 + v**2)),
        ),
        Atom(
            "xlogy",
            xlogy,
            lambda x, y: _zero_if_zero(x, x * log(y)),
            (lambda x, y: log(y), lambda x, y: xdivy(x, y)),
            "[0, oo)",
            lambda x, y: _zero_if_zero(x, x * log(y)),
        ),
        Atom(
            "xlog1py",
            xlog1py,
            lambda x, y: _zero_if_zero(x, x * log(1 + y)),
            (lambda x, y: log1p(y), lambda x, y: xdivy(x, 1 + y)),
            "[0, oo)",
            lambda x, y: _zero_if_zero(x, x * log1p(y)),
        ),
        Atom(
            "xdivy",
            xdivy,
            lambda x, y: _zero_if_zero(x, x / y),
            (lambda x, y: 1 / y, lambda x, y: -xdivy(xdivy(x, y), y)),
            "(-oo, oo)",
            lambda x, y: _zero_if_zero(x, x / y),
        ),
    )
}


class VectorAtom(Function):
    """A function of a whole vector of scores and an index into it."""

    is_real = True


class log_softmax(VectorAtom):
    """Element k of log(softmax(f)): f[k] - log(sum(exp(f)))."""

    def _eval_derivative(self, by: Expr) -> Expr:
        f, k = self.args
        return sp.KroneckerDelta(by.indices[0], k) - softmax(f, by.indices[0]) if _is_element(by, f) else sp.S.Zero


class softmax(VectorAtom):
    """Element k of softmax(f): exp(f[k])/sum(exp(f))."""

    is_positive = True

    def _eval_derivative(self, by: Expr) -> Expr:
        f, k = self.args
        if not _is_element(by, f):
            return sp.S.Zero
        return self * (sp.KroneckerDelta(by.indices[0], k) - softmax(f, by.indices[0]))


def _is_element(by: Expr, f: Expr) -> bool:
    return isinstance(by, sp.Indexed) and by.base == f


def define_atoms(expression: Expr) -> Expr:
    """Replace every atom by its exact definition; what the oracle evaluates."""
    if not expression.has(AtomFunction):
        return expression
    arguments = [define_atoms(a) for a in expression.args]
    if isinstance(expression, AtomFunction):
        return define_atoms(ATOMS[expression.func.__name__].definition(*arguments))
    return expression.func(*arguments)


def exact_values(expression: Expr) -> Expr:
    """Replace the atoms of numbers by their exact values: hypot1(0) is 1."""
    return expression.replace(
        lambda e: isinstance(e, AtomFunction) and all(a.is_number for a in e.args), lambda e: define_atoms(e)
    )


# What an author may write, in Python and in text; name -> SymPy function.
FUNCTIONS: dict[str, Any] = {
    "exp": sp.exp, "log": sp.log, "sqrt": sp.sqrt, "abs": sp.Abs, "sign": sp.sign, "min": sp.Min, "max": sp.Max,
    "sin": sp.sin, "cos": sp.cos, "atan": sp.atan, "arctan": arctan, "sinh": sp.sinh, "cosh": sp.cosh, "erf": sp.erf,
    "log1p": log1p, "expm1": expm1, "tanh": tanh, "sech": sech, "softplus": softplus, "sigmoid": sigmoid,
    "log_cosh": log_cosh, "xlogy": xlogy, "xlog1py": xlog1py, "hypot": hypot,
    "hypot1": hypot1, "hypot1m1": hypot1m1, "half_tangent": half_tangent, "log1p_square": log1p_square,
    "lorentzian": lorentzian, "lorentzian_odd": lorentzian_odd, "algebraic_sigmoid": algebraic_sigmoid, "xdivy": xdivy,
}  # fmt: skip
