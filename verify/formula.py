"""How is a formula evaluated in intervals?

The SymPy tree is compiled once into nested closures, one a node; what stands
in it twice is computed once. Sums over classes are written out for a concrete
number of classes. There is no generated code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sympy as sp
from mpmath.libmp import from_int
from sympy.logic.boolalg import BooleanFunction
from sympy.tensor.indexed import Indexed

from . import intervals as iv
from .intervals import AmbiguousError, Interval, Raw, UndefinedError


class OracleError(ValueError):
    """The oracle cannot evaluate this kind of expression."""


@dataclass(slots=True)
class Frame:
    """One evaluation: where, how precisely, and what has been computed already.

    `strict` asks whether the formula is one analytic piece over the (wide)
    inputs: then a switch inside them is ambiguous.
    """

    values: Sequence[Interval]
    precision: int
    strict: bool = False
    memo: dict[int, Interval] = field(default_factory=dict)


Node = Callable[[Frame], Interval]
Condition = Callable[[Frame], bool]

_UNARY: dict[Any, Callable[[Interval, int], Interval]] = {
    sp.exp: iv.exp, sp.log: iv.log, sp.sinh: iv.sinh, sp.cosh: iv.cosh, sp.tanh: iv.tanh, sp.atan: iv.atan,
    sp.asinh: iv.asinh, sp.erf: iv.erf, sp.erfc: iv.erfc, sp.sin: iv.sin, sp.cos: iv.cos,
    sp.sech: lambda x, p: iv.reciprocal(iv.cosh(x, p), p),
}  # fmt: skip

_RELATIONS: dict[Any, Callable[[int], bool]] = {
    sp.StrictLessThan: lambda s: s < 0, sp.LessThan: lambda s: s <= 0, sp.StrictGreaterThan: lambda s: s > 0,
    sp.GreaterThan: lambda s: s >= 0, sp.Equality: lambda s: s == 0, sp.Unequality: lambda s: s != 0,
}  # fmt: skip


class Compiler:
    """Turns one tree into closures; `slots` says where the value of a symbol or entry stands."""

    def __init__(self, slots: Mapping[str, int], sizes: Mapping[sp.Symbol, int]) -> None:
        self.slots = slots
        self.sizes = sizes
        self.shared: dict[Any, Node] = {}

    def node(self, e: Any, indices: Mapping[sp.Symbol, int]) -> Node:
        """The closure of `e`; the same subexpression is computed once a frame."""
        bound = tuple(sorted((str(s), v) for s, v in indices.items() if e.has(s)))
        key = (e, bound)
        if key in self.shared:
            return self.shared[key]
        plain = self.build(e, indices)
        if e.is_Atom or isinstance(e, Indexed):
            self.shared[key] = plain
            return plain
        number = len(self.shared)

        def remembered(frame: Frame) -> Interval:
            if frame.strict:
                return plain(frame)
            found = frame.memo.get(number)
            if found is None:
                found = frame.memo[number] = plain(frame)
            return found

        self.shared[key] = remembered
        return remembered

    def build(self, e: Any, indices: Mapping[sp.Symbol, int]) -> Node:
        if e.is_Symbol:
            if e in indices or e in self.sizes:
                constant = iv.point(from_int(indices[e] if e in indices else self.sizes[e]))
                return lambda _: constant
            return self.slot(str(e))
        if isinstance(e, Indexed):
            index = int(e.indices[0].xreplace({k: sp.Integer(v) for k, v in {**self.sizes, **indices}.items()}))
            return self.slot(f"{e.base}[{index}]")
        if e.is_Rational:
            p, q = int(e.p), int(e.q)
            return lambda frame: iv.rational(p, q, frame.precision)
        if e.is_Float:
            exact = iv.point(tuple(e._mpf_))
            return lambda _: exact
        if e in (sp.oo, -sp.oo):
            infinite = iv.PLUS_INFINITY if e == sp.oo else iv.MINUS_INFINITY
            return lambda _: infinite
        if e.is_NumberSymbol:
            return lambda frame: _constant(e, frame.precision)
        if e.is_Pow:
            return self.power(e, indices)
        if isinstance(e, sp.Sum | sp.Product):
            return self.series(e, indices)
        if isinstance(e, sp.KroneckerDelta):
            i, j = (a.xreplace({k: sp.Integer(v) for k, v in indices.items()}) for a in e.args)
            delta = iv.ONE if int(i) == int(j) else iv.ZERO
            return lambda _: delta
        if isinstance(e, sp.Piecewise):
            return self.piecewise(e, indices)
        if e.is_Add and (rest := _complement(e)) is not None:
            return self.node(rest, indices)
        if e.is_Add and (growth := _growth(e)) is not None:
            sign, exponent = growth[0], self.node(growth[1], indices)
            return lambda frame: sign(iv.expm1(exponent(frame), frame.precision))
        if (tail := _normal_tail(e)) is not None:
            function, argument = tail[0], self.node(tail[1], indices)
            return lambda frame: function(argument(frame), frame.precision)
        arguments = [self.node(a, indices) for a in e.args]
        if e.is_Add:
            return lambda frame: _fold(iv.add, arguments, frame)
        if e.is_Mul:
            return lambda frame: _product(arguments, frame)
        if isinstance(e, sp.Max):
            return lambda frame: _largest(arguments, frame, negate=False)
        if isinstance(e, sp.Min):
            return lambda frame: _largest(arguments, frame, negate=True)
        if isinstance(e, sp.Abs):
            return lambda frame: _absolute(arguments[0], frame)
        if isinstance(e, sp.sign):
            return lambda frame: iv.point(from_int(iv.compare(arguments[0](frame), iv.ZERO)))
        if type(e) in _UNARY:
            function, argument = _UNARY[type(e)], arguments[0]
            return lambda frame: function(argument(frame), frame.precision)
        known = ", ".join(sorted(f.__name__ for f in _UNARY))
        raise OracleError(f"the oracle knows no {type(e).__name__}, found in {e}; "
                          f"it knows {known}, Abs, sign, Max, Min, Piecewise, Sum, Product")  # fmt: skip

    def slot(self, name: str) -> Node:
        if name not in self.slots:
            raise OracleError(f"{name} is neither an argument nor a parameter; known: {', '.join(self.slots)}")
        index = self.slots[name]
        return lambda frame: frame.values[index]

    def power(self, e: Any, indices: Mapping[sp.Symbol, int]) -> Node:
        base = self.node(e.base, indices)
        if e.exp.is_Integer:
            n = int(e.exp)
            return lambda frame: iv.power(base(frame), n, frame.precision)
        if e.exp.is_Rational and e.exp.q == 2:
            odd = int(e.exp.p)
            return lambda frame: _half_power(base, odd, frame)
        exponent = self.node(e.exp, indices)
        return lambda frame: _real_power(base(frame), exponent(frame), frame)

    def series(self, e: Any, indices: Mapping[sp.Symbol, int]) -> Node:
        body: Any = e.function
        combine = iv.add if isinstance(e, sp.Sum) else iv.multiply
        bindings: list[dict[sp.Symbol, int]] = [dict(indices)]
        for index, low, high in reversed(e.limits):
            ends = [int(a.xreplace({s: sp.Integer(v) for s, v in self.sizes.items()})) for a in (low, high)]
            bindings = [{**b, index: i} for b in bindings for i in range(ends[0], ends[1] + 1)]
        nodes = [self.node(body, b) for b in bindings]
        return lambda frame: _fold(combine, nodes, frame)

    def piecewise(self, e: Any, indices: Mapping[sp.Symbol, int]) -> Node:
        pieces = [(self.condition(c, indices), self.node(v, indices)) for v, c in e.args]

        def choose(frame: Frame) -> Interval:
            for condition, value in pieces:
                if condition(frame):
                    return value(frame)
            raise UndefinedError("no piece applies")

        return choose

    def condition(self, c: Any, indices: Mapping[sp.Symbol, int]) -> Condition:
        if c in (sp.true, sp.false):
            truth = bool(c)
            return lambda _: truth
        if type(c) in _RELATIONS:
            test, left, right = _RELATIONS[type(c)], self.node(c.lhs, indices), self.node(c.rhs, indices)

            def compared(frame: Frame) -> bool:
                if frame.strict:  # a kink of the compared values does not matter, only whether they cross
                    frame = Frame(frame.values, frame.precision)
                return test(iv.compare(left(frame), right(frame)))

            return compared
        if isinstance(c, BooleanFunction):
            parts = [self.condition(a, indices) for a in c.args]
            if isinstance(c, sp.Not):
                return lambda frame: not parts[0](frame)
            if isinstance(c, sp.And):
                return lambda frame: _every(parts, frame, True)
            if isinstance(c, sp.Or):
                return lambda frame: not _every(parts, frame, False)
        raise OracleError(f"the oracle knows no condition such as {c}; use comparisons, And, Or and Not")


def _complement(e: Any) -> Any:
    """1 - 1/(1 + x) as x/(1 + x), an identity that spares the digits of 1/x; None for any other sum."""
    for sign in (1, -1):
        inverse = sp.expand_mul(sign - e) if len(e.args) == 2 else e
        inverse = sign * inverse
        if inverse.is_Pow and inverse.exp == -1 and inverse.base.is_Add and len(inverse.base.args) == 2:
            x = inverse.base - 1
            if not x.is_Add:
                return sp.Mul(sign, x, inverse, evaluate=False)
    return None


def _growth(e: Any) -> tuple[Callable[[Interval], Interval], Any] | None:
    """exp(x) - 1 and 1 - exp(x), as a sign and x: evaluated as one function, it spares the digits of x; else None."""
    for sign, apply in ((1, lambda v: v), (-1, iv.negate)):
        rest = sign * (e + sign)
        if len(e.args) == 2 and isinstance(rest, sp.exp):
            return apply, rest.args[0]
    return None


def _normal_tail(e: Any) -> tuple[Callable[[Interval, int], Interval], Any] | None:
    """erfc(x)/2 and its logarithm, also where SymPy writes 1 - erfc(-x)/2 for it: the function and x; else None."""
    if isinstance(e, sp.log):
        inner = _normal_tail(e.args[0])
        return None if inner is None else (iv.log_half_erfc, inner[1])
    for rest, sign in ((2 * e, 1), (2 - 2 * e, -1)) if e.is_Add or e.is_Mul else ():
        if isinstance(rest, sp.erfc):
            return iv.half_erfc, sign * rest.args[0]
    return None


def _every(parts: Iterable[Condition], frame: Frame, wanted: bool) -> bool:
    """Whether every part has the wanted truth; one that has not settles it, an open one stays open."""
    open_question: AmbiguousError | None = None
    for part in parts:
        try:
            if part(frame) != wanted:
                return False
        except AmbiguousError as e:
            open_question = e
    if open_question is not None:
        raise open_question
    return True


def _fold(combine: Callable[[Interval, Interval, int], Interval], nodes: Sequence[Node], frame: Frame) -> Interval:
    result = nodes[0](frame)
    for node in nodes[1:]:
        result = combine(result, node(frame), frame.precision)
    return result


def _product(nodes: Sequence[Node], frame: Frame) -> Interval:
    """A product in which an exact 0 annihilates what stands after it, defined or not."""
    values: list[Interval] = []
    failure: ArithmeticError | None = None
    for node in nodes:
        try:
            value = node(frame)
        except (AmbiguousError, UndefinedError) as e:
            failure = e
            continue
        if iv.is_zero(value):
            return iv.ZERO
        values.append(value)
    if failure is not None:
        raise failure
    result = values[0]
    for value in values[1:]:
        result = iv.multiply(result, value, frame.precision)
    return result


def _half_power(base: Node, odd: int, frame: Frame) -> Interval:
    value = base(frame)
    if frame.strict and iv.contains_zero(value) and value[0] != value[1]:
        raise AmbiguousError("a square root around 0")
    return iv.power(iv.sqrt(value, frame.precision), odd, frame.precision)


def _real_power(base: Interval, exponent: Interval, frame: Frame) -> Interval:
    if frame.strict and iv.contains_zero(base) and base[0] != base[1]:
        raise AmbiguousError("a power of a base around 0")
    return iv.real_power(base, exponent, frame.precision)


def _absolute(argument: Node, frame: Frame) -> Interval:
    value = argument(frame)
    if frame.strict and iv.contains_zero(value) and value[0] != value[1]:
        raise AmbiguousError("an absolute value around 0")
    return iv.absolute(value)


def _largest(nodes: Sequence[Node], frame: Frame, negate: bool) -> Interval:
    values = [node(frame) for node in nodes]
    if negate:
        values = [iv.negate(v) for v in values]
    result = values[0]
    for value in values[1:]:
        if frame.strict and not (result[0] == result[1] and value[0] == value[1]):
            result = result if iv.compare(result, value) > 0 else value
        else:
            result = iv.maximum(result, value)
    return iv.negate(result) if negate else result


def _constant(e: Any, precision: int) -> Interval:
    """pi, E and their kin; SymPy evaluates them to the precision asked for."""
    raw: Raw = tuple(sp.Float(e, precision=precision + 12)._mpf_)
    return iv._widen_ends(iv.point(raw), precision)
