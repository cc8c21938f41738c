"""What does the text of a formula say? Its value at 40 digits or any other number of them, or as a fraction.

Python's `ast` reads the text, closures over mpmath's raw numbers evaluate it. Where the formula changes its form, it
keeps what changes its sign there. No SymPy, no derivative.
"""

from __future__ import annotations

import ast
import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from itertools import pairwise

from mpmath import libmp, mp, mpf

from .functions import (
    BODIES,
    COMPARE,
    INFINITE,
    UNARY,
    Number,
    Raw,
    TooLargeError,
    UndefinedError,
    UnreadableError,
    parsed,
    power,
)


class InexactError(ArithmeticError):
    """A value is not found as a fraction."""


class Frame:
    """One evaluation: the values of the names, the precision, and what has been computed already."""

    __slots__ = ("memo", "prec", "values")

    def __init__(self, values: Mapping[str, Raw], prec: int) -> None:
        self.values, self.prec, self.memo = values, prec, dict[int, Raw]()


# What a wary formula may meet, at 1000 digits (3322 bits): sizes from 2**-MODERATE to 2**MODERATE, whose sums cannot
# swallow one another, and arguments at which a function differs from its limits by more than 2**-MODERATE.
MODERATE = 1400
MARGIN = 100  # bits by which two roundings of one number may differ
TELLABLE = {"exp": 900, "sinh": 900, "cosh": 900, "tanh": 450, "erf": 30, "erfc": 30}
Node = Callable[[Frame], Raw]
Test = Callable[[Frame], bool]
FAILURES = (ValueError, ZeroDivisionError, OverflowError, UndefinedError)


class Formula:
    """A text, compiled into closures over mpmath's raw numbers.

    `switches` are what changes its sign where the formula changes its form. A `wary` formula serves to judge whether
    two numbers are equal: it has no value where a number is so small or large that a sum could swallow another. In a
    `shaken` one, what is rounded is off by a few units more, at random: what only rounding makes so, does not stay so.
    """

    def __init__(
        self,
        text: str,
        names: Iterable[str],
        definitions: Mapping[str, str] | None = None,
        wary: bool = False,
        shaken: bool = False,
    ) -> None:
        self.wary = wary
        self.chance = random.Random(0) if shaken else None
        self.switches: list[Node] = []
        self.shared: dict[str, Node] = {}
        self.number = 0
        self.known: dict[str, Node] = {n: self.slot(n) for n in names}
        self.defined = {n: parsed(t) for n, t in (definitions or {}).items()}
        for name, tree in self.defined.items():
            self.known[name] = self.remembered(self.build(tree, self.known))
        self.text, self.tree = text, parsed(text)
        self.logical = isinstance(self.tree, ast.Compare | ast.BoolOp) or (
            isinstance(self.tree, ast.UnaryOp) and isinstance(self.tree.op, ast.Not)
        )
        self.node = libmp.fzero if self.logical else self.build(self.tree, self.known)
        self.test = self.condition(self.tree, self.known) if self.logical else None

    @staticmethod
    def slot(name: str) -> Node:
        return lambda frame: frame.values[name]

    def __call__(self, values: Mapping[str, Raw]) -> Raw:
        """The value at the precision that mpmath is set to."""
        return self.evaluate(self.node, values)

    def holds(self, values: Mapping[str, Raw]) -> bool:
        try:
            return bool(self.test(Frame(values, mp.prec))) if self.test else False
        except FAILURES as error:
            raise UndefinedError(str(error)) from None

    @staticmethod
    def evaluate(node: Node, values: Mapping[str, Raw]) -> Raw:
        try:
            found = node(Frame(values, mp.prec))
        except FAILURES as error:
            raise UndefinedError(str(error)) from None
        if not found[1] and found != libmp.fzero:
            raise UndefinedError("infinite")
        return found

    def remembered(self, node: Node) -> Node:
        self.number += 1
        key = self.number

        def once(frame: Frame) -> Raw:
            found = frame.memo.get(key)
            if found is None:
                found = frame.memo[key] = node(frame)
            return found

        return once

    def build(self, e: ast.expr, names: Mapping[str, Node]) -> Node:
        if names is not self.known or not isinstance(e, ast.Call | ast.BinOp):
            return self.plain(e, names)
        key = ast.dump(e)
        if key not in self.shared:
            node = self.plain(e, names)
            self.shared[key] = self.remembered(node) if isinstance(e, ast.Call) or isinstance(e.op, ast.Pow) else node
        return self.shared[key]

    def plain(self, e: ast.expr, names: Mapping[str, Node]) -> Node:
        match e:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                return _constant(Fraction(repr(value)))
            case ast.Name(id="pi") if "pi" not in names:
                return lambda frame: libmp.mpf_pi(frame.prec)
            case ast.Name(id="E") if "E" not in names:
                return lambda frame: libmp.mpf_e(frame.prec)
            case ast.Name(id="oo") if "oo" not in names:
                return _unbounded
            case ast.Name(id=name) if name in names:
                return names[name]
            case ast.UnaryOp(op=ast.USub(), operand=x):
                inner = self.build(x, names)
                return lambda frame: libmp.mpf_neg(inner(frame))
            case ast.UnaryOp(op=ast.UAdd(), operand=x):
                return self.build(x, names)
            case ast.BinOp(left=x, op=op, right=y):
                return self.binary(type(op), x, y, names)
            case ast.IfExp(test=c, body=x, orelse=y):
                test, yes, no = self.condition(c, names), self.build(x, names), self.build(y, names)
                return lambda frame: yes(frame) if test(frame) else no(frame)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self.call(name, [self.build(a, names) for a in arguments])
        raise UnreadableError(f"no formula in the names {', '.join(sorted(names))}: {ast.unparse(e)}")

    def binary(self, op: type[ast.operator], x: ast.expr, y: ast.expr, names: Mapping[str, Node]) -> Node:
        left, right = self.build(x, names), self.build(y, names)
        if op is ast.Add:
            return partial(_sum, libmp.mpf_add, left, right, self.wary, self.chance)
        if op is ast.Sub:
            return partial(_sum, libmp.mpf_sub, left, right, self.wary, self.chance)
        if op is ast.Mult:
            return self.moderate(lambda frame: _product(left, right, frame))
        if op is ast.Div:
            return self.moderate(lambda frame: libmp.mpf_div(left(frame), right(frame), frame.prec, "n"))
        if op is ast.Pow:
            try:
                n = exact_value(y, {})
            except (InexactError, UnreadableError):
                n = Fraction(1, 2)
            if n.denominator == 1 and abs(n) < 1000:
                whole = int(n)
                return self.moderate(lambda frame: libmp.mpf_pow_int(left(frame), whole, frame.prec, "n"))
            self.switches.append(left)
            return self.moderate(partial(_powered, left, right, self.chance), left)
        raise UnreadableError(f"no operator {op.__name__}")

    def moderate(self, node: Node, base: Node | None = None) -> Node:
        """A node that, if the formula is wary, has a value only where that is 0 or of moderate size.

        Given the base of a power, 0 is a value only where the base is 0; elsewhere it stands for what is tiny.
        """
        if not self.wary:
            return node

        def moderately(frame: Frame) -> Raw:
            found = node(frame)
            if abs(found[2] + found[3]) > MODERATE or (found == libmp.fzero and base and base(frame) != libmp.fzero):
                raise UndefinedError("a number too small or too large to be told from its neighbours in a sum")
            return found

        return moderately

    def call(self, name: str, arguments: Sequence[Node]) -> Node:
        if name in UNARY and len(arguments) == 1:
            inner, function = arguments[0], UNARY[name]
            if name in ("abs", "sign", "sqrt", "log"):
                self.switches.append(inner)
            if self.wary and name in TELLABLE:
                inner = partial(_tellable, inner, TELLABLE[name])
            if self.chance and name not in ("abs", "sign"):
                return partial(_shaken, name, inner, self.chance)
            return lambda frame: function(inner(frame), frame.prec)
        if name in ("max", "min") and arguments:
            found, least = arguments[0], name == "min"
            for other in arguments[1:]:
                self.switches.append(partial(_difference, found, other))
                found = self.remembered(partial(_extreme, found, other, least))
            return found
        if name in BODIES and len(arguments) == len(BODIES[name][0]):
            parts, body = BODIES[name]
            return self.build(body, dict(zip(parts, arguments, strict=True)))
        raise UnreadableError(f"no function {name} of {len(arguments)} arguments")

    def condition(self, e: ast.expr, names: Mapping[str, Node]) -> Test:
        match e:
            case ast.Compare(left=x, ops=ops, comparators=others):
                nodes = [self.build(o, names) for o in (x, *others)]
                gaps = [partial(_difference, a, b) for a, b in pairwise(nodes)]
                self.switches += gaps
                checks = [(COMPARE[type(op)], gap) for op, gap in zip(ops, gaps, strict=True)]
                return lambda frame: all(test(libmp.mpf_sign(gap(frame))) for test, gap in checks)
            case ast.BoolOp(op=op, values=values):
                parts = [self.condition(v, names) for v in values]
                if isinstance(op, ast.And):
                    return lambda frame: all(part(frame) for part in parts)
                return lambda frame: any(part(frame) for part in parts)
            case ast.UnaryOp(op=ast.Not(), operand=x):
                inner = self.condition(x, names)
                return lambda frame: not inner(frame)
            case ast.Constant(value=bool() as value):
                return lambda frame: value
        raise UnreadableError(f"no condition: {ast.unparse(e)}")

    def exact(self, values: Mapping[str, Fraction]) -> Fraction:
        """The value as a fraction; InexactError where it is none."""
        known = dict(values)
        for name, tree in self.defined.items():
            known[name] = exact_value(tree, known)
        return exact_value(self.tree, known)


def _unbounded(frame: Frame) -> Raw:
    raise UndefinedError(INFINITE)


def _constant(value: Fraction) -> Node:
    memo: dict[int, Raw] = {}

    def node(frame: Frame) -> Raw:
        found = memo.get(frame.prec)
        if found is None:
            found = memo[frame.prec] = libmp.from_rational(value.numerator, value.denominator, frame.prec, "n")
        return found

    return node


def _difference(a: Node, b: Node, frame: Frame) -> Raw:
    return libmp.mpf_sub(a(frame), b(frame), frame.prec, "n")


def _sum(function: Callable[..., Raw], a: Node, b: Node, wary: bool, chance: random.Random | None, frame: Frame) -> Raw:
    """A sum or a difference; what a wary formula finds to cancel up to its last digits is 0."""
    x, y = a(frame), b(frame)
    found = function(x, y, frame.prec, "n")
    if chance and x[1] and y[1]:
        near = abs(x[2] - y[2]) < 4 * frame.prec  # else the exact sum would have too many digits to be computed
        return found if near and function(x, y) == found else _off(found, frame.prec, chance)
    if wary and found[1] and found[2] + found[3] < max(x[2] + x[3], y[2] + y[3]) - frame.prec + 2 * MARGIN:
        return libmp.fzero
    return found


def _off(found: Raw, prec: int, chance: random.Random) -> Raw:
    """A number, changed by a few units of its last place."""
    if not found[1]:
        return found
    units = chance.choice((-4, -3, -2, 2, 3, 4))
    return libmp.mpf_add(found, libmp.mpf_shift(libmp.from_int(units), found[2] + found[3] - prec), prec + 8, "n")


def _shaken(name: str, inner: Node, chance: random.Random, frame: Frame) -> Raw:
    x = inner(frame)
    found = UNARY[name](x, frame.prec)
    exact = x == (libmp.fone if name == "log" else libmp.fzero)
    if exact or (name == "sqrt" and libmp.mpf_mul(found, found) == x):
        return found
    return _off(found, frame.prec, chance)


def _powered(base: Node, exponent: Node, chance: random.Random | None, frame: Frame) -> Raw:
    x, y = base(frame), exponent(frame)
    found = power(x, y, frame.prec)
    return _off(found, frame.prec, chance) if chance and x != libmp.fone and y != libmp.fzero else found


def _tellable(inner: Node, most: int, frame: Frame) -> Raw:
    found = inner(frame)
    if libmp.mpf_gt(libmp.mpf_abs(found), libmp.from_int(most)):
        raise UndefinedError("a function too near its limit to be told from it")
    return found


def _extreme(a: Node, b: Node, least: bool, frame: Frame) -> Raw:
    x, y = a(frame), b(frame)
    return x if libmp.mpf_lt(x, y) == least else y


def _product(left: Node, right: Node, frame: Frame) -> Raw:
    """0 times anything is 0, defined or not: 0*log(0) in a formula means 0. But exp(-exp(x))*exp(exp(x)) is not."""
    try:
        a = left(frame)
    except TooLargeError:
        raise
    except FAILURES:
        if right(frame) == libmp.fzero:
            return libmp.fzero
        raise
    try:
        b = right(frame)
    except TooLargeError:
        raise
    except FAILURES:
        if a == libmp.fzero:
            return a
        raise
    if a == libmp.fzero:
        return a
    return b if b == libmp.fzero else libmp.mpf_mul(a, b, frame.prec, "n")


# Functions whose value at one place is a fraction: name -> (place, value).
KNOWN_VALUES: dict[str, tuple[int, int | Fraction]] = {
    "exp": (0, 1), "log": (1, 0), "sin": (0, 0), "cos": (0, 1), "tan": (0, 0), "atan": (0, 0), "sinh": (0, 0),
    "cosh": (0, 1), "tanh": (0, 0), "erf": (0, 0), "erfc": (0, 1), "ndtr": (0, Fraction(1, 2)),
}  # fmt: skip


def exact_value(e: ast.expr, names: Mapping[str, Fraction]) -> Fraction:
    """The value of a formula as a fraction; InexactError where it is none that is found here."""
    match e:
        case ast.Constant(value=int() | float() as value):
            return Fraction(repr(value))
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -exact_value(inner, names)
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            return exact_value(inner, names)
        case ast.BinOp(left=left, op=op, right=right):
            try:
                x = exact_value(left, names)
            except InexactError:
                if isinstance(op, ast.Mult) and exact_value(right, names) == 0:
                    return Fraction(0)
                raise
            if isinstance(op, ast.Mult) and x == 0:
                return Fraction(0)
            y = exact_value(right, names)
            if isinstance(op, ast.Pow):
                return _exact_power(x, y)
            if isinstance(op, ast.Div) and y == 0:
                raise InexactError
            if isinstance(op, ast.Add | ast.Sub | ast.Mult | ast.Div):
                return {ast.Add: Fraction.__add__, ast.Sub: Fraction.__sub__, ast.Mult: Fraction.__mul__,
                        ast.Div: Fraction.__truediv__}[type(op)](x, y)  # fmt: skip
        case ast.IfExp(test=c, body=yes, orelse=no):
            return exact_value(yes if exact_truth(c, names) else no, names)
        case ast.Call(func=ast.Name(id=name), args=arguments):
            if name in BODIES and name != "ndtr":
                parts, body = BODIES[name]
                return exact_value(body, {p: exact_value(a, names) for p, a in zip(parts, arguments, strict=True)})
            values = [exact_value(a, names) for a in arguments]
            if name in ("max", "min"):
                return max(values) if name == "max" else min(values)
            if name == "abs":
                return abs(values[0])
            if name == "sign":
                return Fraction((values[0] > 0) - (values[0] < 0))
            if name == "sqrt":
                return _exact_power(values[0], Fraction(1, 2))
            if name in KNOWN_VALUES and values[0] == KNOWN_VALUES[name][0]:
                return Fraction(KNOWN_VALUES[name][1])
    raise InexactError


def _exact_power(x: Fraction, y: Fraction) -> Fraction:
    if y == 0 or x == 1:
        return Fraction(1)
    if x == 0 and y > 0:
        return Fraction(0)
    if y == Fraction(1, 2) and x > 0:
        p, q = math.isqrt(x.numerator), math.isqrt(x.denominator)
        if Fraction(p * p, q * q) == x:
            return Fraction(p, q)
    if x == 0 or y.denominator != 1 or abs(y) > 64:
        raise InexactError
    n = abs(y.numerator)
    power = math.prod([x] * n, start=Fraction(1))
    return power if y > 0 else 1 / power


def exact_truth(e: ast.expr, names: Mapping[str, Fraction]) -> bool:
    match e:
        case ast.Compare(left=x, ops=ops, comparators=others):
            signs = [exact_order(a, b, names) for a, b in pairwise([x, *others])]
            return all(COMPARE[type(op)](s) for op, s in zip(ops, signs, strict=True))
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(exact_truth(p, names) for p in parts)
        case ast.BoolOp(values=parts):
            return any(exact_truth(p, names) for p in parts)
        case ast.UnaryOp(op=ast.Not(), operand=x):
            return not exact_truth(x, names)
    raise InexactError


def exact_order(left: ast.expr, right: ast.expr, names: Mapping[str, Fraction]) -> int:
    """Whether the left is more (1), less (-1), or the same (0); what is no fraction must differ clearly."""
    try:
        a, b = exact_value(left, names), exact_value(right, names)
        return (a > b) - (a < b)
    except InexactError:
        gap = Formula(f"({ast.unparse(left)}) - ({ast.unparse(right)})", names)
        with mp.workdps(60):
            values = {n: libmp.from_rational(v.numerator, v.denominator, mp.prec, "n") for n, v in names.items()}
            try:
                found = mp.make_mpf(gap(values))
            except UndefinedError:
                raise InexactError from None
            if abs(found) < mpf(10) ** -20:
                raise InexactError from None
            return 1 if found > 0 else -1


def fraction(x: Number) -> Fraction:
    """A number of mpmath, exactly."""
    p, q = libmp.to_rational(x._mpf_)
    return Fraction(int(p), int(q))
