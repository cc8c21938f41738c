"""Which of the claims about a loss are false? Knows only the text of the formula, and looks for what contradicts it.

The formula is evaluated by an evaluator of this module (Python's `ast` on the text, mpmath's numbers at 40 digits): no
SymPy, no derivative, nothing that the prover or the checker knows. For values of the parameters and targets that are
random, extreme, equal to one another, at the ends of their domains and on both sides of every number that a text
mentions, f is sampled once along a line: at powers of ten, near both ends, at breakpoints (found by bisection of the
formula's own comparisons) and on both sides of them, and at random. All claims are held against these values.

What is found is believed only if it has the same size at 80 and at 160 digits, so that rounding fakes nothing; that
two numbers are equal is believed of fractions, or at 1000 digits. What is *not* found (a refutation, a least constant)
is reported under a kind of its own: it is a doubt, no proof.
"""

from __future__ import annotations

import ast
import bisect
import contextlib
import hashlib
import json
import math
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from mpmath import libmp, mp, mpf

DIGITS = 40  # of the samples
CONFIRM = (80, 160)  # digits at which a violation must have the same size
EQUAL_DIGITS = 1000  # at which what is not a fraction is compared for equality
TOO_LARGE = 41  # exp(2**41) is neither computed nor needed; exp(-2**41) counts as 0
SLACK = mpf(10) ** -20  # relative, of every bound
Raw = Any  # mpmath's tuples; its numbers have no types either
Number = Any


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A claim, and what speaks against it.

    `kind` is "contradicted" (points that violate it, confirmed at 160 digits), "unreached" (a value said to be the
    best that is not approached within 5 %, or a bound said to be attained that is not), "unconfirmed" (no violation of
    a property that is said not to hold), "unreadable" (a claim that says nothing that can be tested).
    """

    property: str
    kind: str
    message: str
    at: Mapping[str, str] = field(default_factory=dict)


INFINITE = "oo"  # what an UndefinedError says where a claim speaks of infinity


class UndefinedError(ArithmeticError):
    """The formula has no value here, or none that can be computed."""


class UnreadableError(ValueError):
    """A text is not a formula in the known names."""


class InexactError(ArithmeticError):
    """A value is not found as a fraction."""


# The evaluator -----------------------------------------------------------------------------------

# The atoms of spec/atoms.py, in words of this module's own.
DEFINED: dict[str, tuple[str, str]] = {
    "log1p": ("x", "log(1 + x)"),
    "expm1": ("x", "exp(x) - 1"),
    "sech": ("x", "1/cosh(x)"),
    "softplus": ("x", "log(1 + exp(x))"),
    "sigmoid": ("x", "1/(1 + exp(-x))"),
    "log_cosh": ("x", "log(cosh(x))"),
    "xlogy": ("x y", "0 if x == 0 else x*log(y)"),
    "xlog1py": ("x y", "0 if x == 0 else x*log(1 + y)"),
    "xdivy": ("x y", "0 if x == 0 else x/y"),
    "hypot": ("x y", "sqrt(x**2 + y**2)"),
    "hypot1": ("x", "sqrt(1 + x**2)"),
    "hypot1m1": ("x", "sqrt(1 + x**2) - 1"),
    "half_tangent": ("x", "x/(1 + sqrt(1 + x**2))"),
    "log1p_square": ("x", "log(1 + x**2)"),
    "lorentzian": ("x", "1/(1 + x**2)"),
    "lorentzian_odd": ("x", "x/(1 + x**2)"),
    "algebraic_sigmoid": ("x", "x/sqrt(1 + x**2)"),
    "arctan": ("x", "atan(x)"),
    "ndtr": ("x", "erfc(-x/sqrt(2))/2"),
}


def _bits(x: Raw) -> int:
    """|x| < 2**_bits(x)."""
    return int(x[2] + x[3]) if x[1] else 0


def _exp(x: Raw, prec: int) -> Raw:
    if _bits(x) > TOO_LARGE:
        if x[0]:
            return libmp.fzero
        raise UndefinedError("an exponential is too large")
    return libmp.mpf_exp(x, prec, "n")


def _hyperbolic(function: Callable[..., Raw], x: Raw, prec: int) -> Raw:
    if _bits(x) > TOO_LARGE:
        raise UndefinedError("an exponential is too large")
    return function(x, prec, "n")


def _tanh(x: Raw, prec: int) -> Raw:
    if _bits(x) > TOO_LARGE:
        return libmp.fnone if x[0] else libmp.fone
    return libmp.mpf_tanh(x, prec, "n")


def _periodic(function: Callable[..., Raw], x: Raw, prec: int) -> Raw:
    if _bits(x) > 4000:
        raise UndefinedError("a sine of what is too large")
    return function(x, prec, "n")


def _erfc(x: Raw, prec: int) -> Raw:
    if _bits(x) > 20:
        return libmp.from_int(2) if x[0] else libmp.fzero
    return libmp.mpf_erfc(x, prec, "n")


def _sqrt(x: Raw, prec: int) -> Raw:
    return libmp.mpf_sqrt(x, prec, "n")


def _power(base: Raw, exponent: Raw, prec: int) -> Raw:
    if exponent == libmp.fzero:
        return libmp.fone
    if base == libmp.fzero:
        if libmp.mpf_sign(exponent) > 0:
            return libmp.fzero
        raise UndefinedError("a negative power of 0")
    if _bits(exponent) + (abs(_bits(base)) + 1).bit_length() > TOO_LARGE:
        size = libmp.mpf_mul(libmp.mpf_log(libmp.mpf_abs(base), 53, "n"), exponent, 53, "n")
        if _bits(size) > TOO_LARGE:
            if size[0]:
                return libmp.fzero
            raise UndefinedError("a power is too large")
    return libmp.mpf_pow(base, exponent, prec, "n")


UNARY: dict[str, Callable[[Raw, int], Raw]] = {
    "exp": _exp,
    "log": lambda x, prec: libmp.mpf_log(x, prec, "n"),
    "sqrt": _sqrt,
    "abs": lambda x, prec: libmp.mpf_abs(x),
    "sign": lambda x, prec: libmp.from_int(libmp.mpf_sign(x)),
    "sin": partial(_periodic, libmp.mpf_sin),
    "cos": partial(_periodic, libmp.mpf_cos),
    "atan": lambda x, prec: libmp.mpf_atan(x, prec, "n"),
    "sinh": partial(_hyperbolic, libmp.mpf_sinh),
    "cosh": partial(_hyperbolic, libmp.mpf_cosh),
    "tanh": _tanh,
    "erf": lambda x, prec: (
        libmp.mpf_sub(libmp.fone, _erfc(x, prec), prec, "n") if _bits(x) > 0 else libmp.mpf_erf(x, prec, "n")
    ),
    "erfc": _erfc,
}
COMPARE: dict[type[ast.cmpop], Callable[[int], bool]] = {
    ast.Lt: lambda s: s < 0,
    ast.LtE: lambda s: s <= 0,
    ast.Gt: lambda s: s > 0,
    ast.GtE: lambda s: s >= 0,
    ast.Eq: lambda s: s == 0,
    ast.NotEq: lambda s: s != 0,
}


class Frame:
    """One evaluation: the values of the names, the precision, and what has been computed already."""

    __slots__ = ("memo", "prec", "values")

    def __init__(self, values: Mapping[str, Raw], prec: int) -> None:
        self.values, self.prec, self.memo = values, prec, dict[int, Raw]()


Node = Callable[[Frame], Raw]
Test = Callable[[Frame], bool]
_FAILURES = (ValueError, ZeroDivisionError, OverflowError, UndefinedError)


def _tree(text: str) -> ast.expr:
    if len(text) > 20_000:
        raise UnreadableError("a formula of more than 20000 characters")
    try:
        return ast.parse(re.sub(r"\blambda\b", "lambda_", text.strip()), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UnreadableError(f"{text!r} is not a formula: {error}") from None


BODIES = {name: (arguments.split(), _tree(text)) for name, (arguments, text) in DEFINED.items()}


class Formula:
    """A text, compiled into closures over mpmath's raw numbers.

    `switches` are what changes its sign where the formula changes its form.
    """

    def __init__(self, text: str, names: Iterable[str], definitions: Mapping[str, str] | None = None) -> None:
        self.switches: list[Node] = []
        self.shared: dict[str, Node] = {}
        self.number = 0
        self.known: dict[str, Node] = {n: self.slot(n) for n in names}
        self.defined = {n: _tree(t) for n, t in (definitions or {}).items()}
        for name, tree in self.defined.items():
            self.known[name] = self.remembered(self.build(tree, self.known))
        self.text, self.tree = text, _tree(text)
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
        except _FAILURES as error:
            raise UndefinedError(str(error)) from None

    @staticmethod
    def evaluate(node: Node, values: Mapping[str, Raw]) -> Raw:
        try:
            found = node(Frame(values, mp.prec))
        except _FAILURES as error:
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
            return lambda frame: libmp.mpf_add(left(frame), right(frame), frame.prec, "n")
        if op is ast.Sub:
            return lambda frame: libmp.mpf_sub(left(frame), right(frame), frame.prec, "n")
        if op is ast.Mult:
            return lambda frame: _product(left, right, frame)
        if op is ast.Div:
            return lambda frame: libmp.mpf_div(left(frame), right(frame), frame.prec, "n")
        if op is ast.Pow:
            try:
                n = exact_value(y, {})
            except (InexactError, UnreadableError):
                n = Fraction(1, 2)
            if n.denominator == 1 and abs(n) < 1000:
                whole = int(n)
                return lambda frame: libmp.mpf_pow_int(left(frame), whole, frame.prec, "n")
            self.switches.append(left)
            return lambda frame: _power(left(frame), right(frame), frame.prec)
        raise UnreadableError(f"no operator {op.__name__}")

    def call(self, name: str, arguments: Sequence[Node]) -> Node:
        if name in UNARY and len(arguments) == 1:
            inner, function = arguments[0], UNARY[name]
            if name in ("abs", "sign", "sqrt", "log"):
                self.switches.append(inner)
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


def _extreme(a: Node, b: Node, least: bool, frame: Frame) -> Raw:
    x, y = a(frame), b(frame)
    return x if libmp.mpf_lt(x, y) == least else y


def _product(left: Node, right: Node, frame: Frame) -> Raw:
    """0 times anything is 0, defined or not: 0*log(0) in a formula means 0."""
    try:
        a = left(frame)
    except _FAILURES:
        if right(frame) == libmp.fzero:
            return libmp.fzero
        raise
    if a == libmp.fzero:
        return a
    b = right(frame)
    return b if b == libmp.fzero else libmp.mpf_mul(a, b, frame.prec, "n")


# Functions whose value at one place is a fraction: name -> (place, value).
KNOWN_VALUES: dict[str, tuple[int, int | Fraction]] = {
    "exp": (0, 1), "log": (1, 0), "sin": (0, 0), "cos": (0, 1), "atan": (0, 0), "sinh": (0, 0), "cosh": (0, 1),
    "tanh": (0, 0), "erf": (0, 0), "erfc": (0, 1), "ndtr": (0, Fraction(1, 2)),
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


# Where to look -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Range:
    """A domain: a finite set, an interval (an end that is None is missing), or integers in one."""

    low: Number | None = None
    high: Number | None = None
    has_low: bool = False
    has_high: bool = False
    values: tuple[Number, ...] = ()
    whole: bool = False

    @classmethod
    def of(cls, text: str) -> Range:
        body = text.removeprefix("integers").strip()
        parts = [_end(p.strip()) for p in body[1:-1].split(",")]
        if body[0] == "{":
            return cls(values=tuple(p for p in parts if p is not None))
        if len(parts) != 2 or body[0] not in "([" or body[-1] not in ")]":
            raise UnreadableError(f"{text!r} is no domain")
        return cls(parts[0], parts[1], body[0] == "[", body[-1] == "]", (), text.startswith("integers"))

    @property
    def inner(self) -> Range:
        """Without its ends."""
        return Range(self.low, self.high)

    def has(self, x: Number) -> bool:
        if self.values:
            return x in self.values
        if self.whole and x != mp.floor(x):
            return False
        above = self.low is None or x > self.low or (self.has_low and x == self.low)
        return above and (self.high is None or x < self.high or (self.has_high and x == self.high))

    def width(self) -> Number:
        return mpf(1) if self.low is None or self.high is None else min(mpf(1), self.high - self.low)

    def hostile(self) -> list[Number]:
        """Ends, points near them, small and large numbers."""
        if self.values:
            return list(self.values)
        out: list[Number] = [mpf(0), *(s * mpf(float(f"1e{k}")) for k in range(-6, 7) for s in (1, -1))]
        out += [mpf(n) / 2 for n in (1, -1, 4, -4, 3, 5)]
        for end, way in ((self.low, 1), (self.high, -1)):
            if end is not None:
                out += [end, *(end + way * self.width() * mpf(2) ** -k for k in (1, 2, 3, 5, 10, 20, 40))]
                out += [end + way * mpf(10) ** k for k in range(-6, 7)]
        return [x for x in dict.fromkeys(out) if self.has(x)]

    def draw(self, rng: random.Random) -> Number:
        """An ordinary random number."""
        if self.values:
            return rng.choice(self.values)
        if self.whole:
            return (self.low if self.low is not None else mpf(0)) + rng.choice((0, 1, 2, 3, 5, 8, 20))
        if self.low is not None and self.high is not None:
            return self.low + (self.high - self.low) * mpf(rng.uniform(0.02, 0.98))
        size = mpf(round(10 ** rng.uniform(-1.2, 1.2), 6))
        if self.low is not None:
            return self.low + size
        return self.high - size if self.high is not None else size * rng.choice((1, -1))

    def ordinary(self, x: Number) -> bool:
        """Not extreme: where equality may be judged at 1000 digits."""
        if self.low is not None and self.high is not None:
            margin = (self.high - self.low) / 64
            return bool(self.low + margin <= x <= self.high - margin) or bool(x in (self.low, self.high))
        return bool(abs(x) <= 4 and (x == 0 or abs(x) >= mpf(1) / 4))


def _end(text: str) -> Number | None:
    if text in ("oo", "-oo"):
        return None
    value = Fraction(text)
    return mp.make_mpf(libmp.from_rational(value.numerator, value.denominator, 700, "n"))


def constants(texts: Iterable[str]) -> list[Number]:
    """Every number that the texts mention."""
    found = {
        Fraction(m) for t in texts for m in re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?:/\d+)?(?![\w.])", t) if "/0" not in m
    }
    return [mp.make_mpf(libmp.from_rational(f.numerator, f.denominator, 700, "n")) for f in sorted(found) if f < 10**6]


@dataclass(slots=True)
class Kink:
    """A place where the formula switches: exact, or between two numbers at which `switch` has different signs."""

    at: Number
    switch: Node | None = None
    low: Number = None
    high: Number = None


class Line:
    """f as a function of its variable alone, for given parameters and targets, with its samples."""

    def __init__(self, study: Study, names: Mapping[str, Number], n: int, extra: Iterable[Number], seed: int) -> None:
        self.study, self.names = study, dict(names)
        self.values: dict[str, Raw] = {name: v._mpf_ for name, v in names.items()}
        self.domain = study.domain
        self.kinks: list[Kink] = []
        self.tail_memo: list[Tail] | None = None
        self.ordinary = all(study.ranges[n].ordinary(v) for n, v in names.items())
        self.sample(n, list(extra), random.Random(seed))

    def f(self, x: Number) -> Number:
        """At the current precision; UndefinedError where there is no value."""
        self.values[self.study.variable] = x._mpf_
        return mp.make_mpf(self.study.formula(self.values))

    def try_f(self, x: Number) -> Number | None:
        try:
            return self.f(x)
        except UndefinedError:
            return None

    def exact(self, x: Number) -> Fraction:
        known = {n: fraction(v) for n, v in self.names.items()}
        return self.study.formula.exact({**known, self.study.variable: fraction(x)})

    def switch(self, node: Node, x: Number) -> int | None:
        """The sign of a switch; 0 only if it is 0 to many more digits too, as 1 - 1/(1 + exp(-500)) is not."""
        self.values[self.study.variable] = x._mpf_
        try:
            sign = libmp.mpf_sign(Formula.evaluate(node, self.values))
            if sign == 0:
                with mp.workprec(2 * mp.prec + 1200):
                    sign = libmp.mpf_sign(Formula.evaluate(node, self.values))
            return int(sign)
        except UndefinedError:
            return None

    # Sampling

    def sample(self, n: int, extra: list[Number], rng: random.Random) -> None:
        domain, scales = self.domain, [abs(v) for v in self.names.values() if v]
        pool = domain.hostile() + [x for x in extra if domain.has(x)]
        for v in self.names.values():
            pool += [v, -v, 2 * v, -2 * v, v / 2, -v / 2, v * v, -v * v, 1 - v]
            pool += [s * mp.log(v) for s in (1, -1) if v > 0]
            pool += [s * k / v for s in (1, -1) for k in (1, 10, 100) if v]
        pool += [self.random(rng, scales) for _ in range(24)]
        pool = [x for x in pool if domain.has(x)]
        if domain.low is None and domain.high is None:
            pool += [-x for x in pool]
        pool = sorted(set(pool))
        self.find_kinks(pool)
        for k in self.kinks:
            w = min(
                [abs(k.at) or mpf(1), *scales, *(abs(k.at - e) for e in (domain.low, domain.high) if e is not None)]
            )
            pool += [k.at, *(k.at + s * w * mpf(2) ** -j for j in (2, 4, 8, 20, 40) for s in (1, -1))]
        more = max(8, n - len(pool))
        fill = [self.random(rng, scales) for _ in range(more if domain.low is not None else more // 2)]
        fill += [-x for x in fill] if domain.low is None and domain.high is None else []
        points = sorted({x for x in pool + fill if domain.has(x)})
        pairs = [(x, y) for x in points if (y := self.try_f(x)) is not None]
        self.x, self.y = [p[0] for p in pairs], [p[1] for p in pairs]
        defined = set(self.x)
        self.undefined = [x for x in points if x not in defined] if len(pairs) < len(points) else []
        self.bends_memo: list[tuple[Number, int, int, int]] | None = None
        self.slopes_memo: list[Number] | None = None

    def random(self, rng: random.Random, scales: Sequence[Number]) -> Number:
        domain, way = self.domain, rng.random()
        if domain.low is not None and domain.high is not None:
            t = rng.random() if way < 0.7 else 10 ** rng.uniform(-6, 0) if way < 0.85 else 1 - 10 ** rng.uniform(-6, 0)
            return domain.low + (domain.high - domain.low) * mpf(t)
        scale = rng.choice(scales) if scales and way < 0.5 else mpf(1)
        size = (
            mpf(rng.uniform(0, 5)) if way < 0.35 or way > 0.75 else mpf(10 ** rng.uniform(-6, 6 if way > 0.7 else 1.5))
        )
        if domain.low is not None:
            return domain.low + size * scale
        return domain.high - size * scale if domain.high is not None else rng.choice((1, -1)) * size * scale

    def find_kinks(self, points: Sequence[Number]) -> None:
        found: dict[Number, Kink] = {}
        for node in self.study.formula.switches:
            signs = [(x, s) for x in points if (s := self.switch(node, x)) is not None]
            if sum(s == 0 for _, s in signs) * 3 > len(signs):
                continue
            found |= {x: Kink(x) for x, s in signs if s == 0}
            for (a, s), (b, t) in pairwise(signs):
                if s * t < 0:
                    k = self.bisect(Kink(a, node, a, b))
                    near = [x for x in found if abs(x - k.at) <= abs(k.at) * mpf(2) ** -100]
                    if not near or k.switch is None:
                        for x in near:
                            del found[x]
                        found[k.at] = k
            if len(found) > 40:
                break
        self.kinks = [found[x] for x in sorted(found)][:40]

    def bisect(self, k: Kink) -> Kink:
        """The place of a change of sign, to the current precision, or exactly where it is a short number."""
        if k.switch is None:
            return k
        low, high, sign = k.low, k.high, self.switch(k.switch, k.low)
        for _ in range(3 * mp.prec):
            middle = (low + high) / 2
            if high - low <= abs(middle) * mpf(2) ** (8 - mp.prec) or not low < middle < high:
                break
            s = self.switch(k.switch, middle)
            if s is None:
                break
            if s == 0:
                return Kink(middle)
            low, high = (middle, high) if s == sign else (low, middle)
        middle = (low + high) / 2
        with mp.workprec(60):
            short = +middle
        if self.switch(k.switch, short) == 0:
            return Kink(short)
        return Kink(middle, k.switch, low, high)

    def kinks_here(self) -> list[Kink]:
        """The breakpoints, to the current precision."""
        return [self.bisect(k) for k in self.kinks]

    def scale(self, at: Number) -> Number:
        """A length that is small against everything around a point."""
        others = [abs(k.at - at) for k in self.kinks if abs(k.at - at) > abs(at) * mpf(10) ** -30]
        others += [abs(at - e) for e in (self.domain.low, self.domain.high) if e is not None]
        return min([mpf(1), *(abs(v) for v in self.names.values() if v), *others, *([abs(at)] if at else [])])

    # What is made of the samples

    def slopes(self) -> list[Number]:
        if self.slopes_memo is None:
            self.slopes_memo = [
                (self.y[i + 1] - self.y[i]) / (self.x[i + 1] - self.x[i]) for i in range(len(self.x) - 1)
            ]
        return self.slopes_memo

    def bends(self) -> list[tuple[Number, int, int, int]]:
        """Twice the second divided differences, which are averages of f'', of near and of far triples."""
        if self.bends_memo is None:
            self.bends_memo, x, y = [], self.x, self.y
            for stride in (1, 4, 16, 64):
                index = range(0, len(x), stride)
                rates = self.slopes() if stride == 1 else [
                    (y[j] - y[i]) / (x[j] - x[i]) for i, j in pairwise(index)
                ]  # fmt: skip
                for n in range(len(rates) - 1):
                    i, j, k = index[n], index[n + 1], index[n + 2]
                    self.bends_memo.append((2 * (rates[n + 1] - rates[n]) / (x[k] - x[i]), i, j, k))
        return self.bends_memo

    def noise(self, *indices: int) -> Number:
        """About what rounding may do to a second divided difference of these samples."""
        x, size = [self.x[i] for i in indices], max(abs(self.y[i]) for i in indices) + 1
        gap = min(b - a for a, b in pairwise(x))
        return size * mpf(10) ** (2 - DIGITS) / (gap * (x[-1] - x[0] if len(x) > 2 else 1))

    def tails(self) -> list[Tail]:
        """The way to each end of the domain, and to each breakpoint from both sides."""
        if self.tail_memo is None:
            with mp.workdps(100):
                out = []
                for end, way in ((self.domain.low, 1), (self.domain.high, -1)):
                    if end is None:
                        xs = [-way * mpf(10) ** k for k in (1, 3, 6, 12, 30, 100, 1000, 10_000)]
                        out.append(Tail(self, xs, None, end is None))
                    else:
                        w = min(self.domain.width(), self.scale(end + way * self.domain.width() / 2))
                        out.append(Tail(self, [end + way * w * mpf(10) ** -k for k in (2, 3, 6, 12, 30)], end, False))
                for k in self.kinks_here()[:8]:
                    w = self.scale(k.at)
                    for way in (1, -1):
                        out.append(Tail(self, [k.at + way * w * mpf(10) ** -j for j in (2, 3, 6, 12, 30)], k.at, False))
                self.tail_memo = out
        return self.tail_memo


class Tail:
    """f, its slopes and bends on the way to a place (None: to infinity)."""

    def __init__(self, line: Line, xs: Sequence[Number], place: Number | None, infinite: bool) -> None:
        self.infinite, self.xs = infinite, list[Number]()
        self.f, self.slope, self.bend, self.local = list[Number](), list[Number](), list[Number](), list[Number]()
        self.swings = False  # whether a wide step hides the slopes within it
        for x in xs:
            h = (abs(x) if place is None else abs(x - place)) * mpf(2) ** -20
            a, b, c = (line.try_f(x + i * h) for i in (-1, 0, 1))
            if a is not None and b is not None and c is not None:
                self.xs.append(x)
                self.f.append(b)
                self.slope.append((c - a) / (2 * h))
                self.bend.append((a - 2 * b + c) / h**2)
                if infinite and abs(x) < 10**13:  # what oscillates: the slope within a step that does not grow
                    small = mpf(2) ** -20
                    local = [(line.try_f(x + i), line.try_f(x + i + small)) for i in (0, 1, 2, 4, 5.5, 13, 40.25)]
                    steps = [abs(v - u) / small for u, v in local if u is not None and v is not None]
                    self.local.append(max(steps, default=mpf(0)))
                    self.swings = self.local[-1] > 10 * abs(self.slope[-1])


def grows(v: Sequence[Number]) -> bool:
    """Whether a sequence along a tail tends to infinity: its steps grow (so does a logarithm's)."""
    if len(v) < 3:
        return False
    a, b, c = v[-3:]
    return bool(b > a and c - b >= (b - a) * 6 / 5)


def vanishes(v: Sequence[Number]) -> bool:
    """Whether a sequence along a tail tends to 0: its logarithm tends to -oo."""
    return len(v) > 2 and bool(v[-1] == 0 or (0 not in v[-3:] and grows([-mp.log(abs(u)) for u in v[-3:]])))


@dataclass(slots=True)
class Setting:
    """Values of the parameters, and a line for each choice of targets."""

    names: dict[str, Number]
    lines: list[Line]


@dataclass(slots=True)
class Breach:
    """Something that must not be: a number that must not be positive, or one that must not be 0."""

    line: Line
    points: tuple[Number, ...]
    margin: Callable[[], Number]
    what: str
    # Of f and of what reads a text (None where f gives fractions): must not be 0.
    null: Callable[[Any, Any], Any] | None = None

    def confirmed(self) -> bool:
        if self.null is not None:
            return self.is_null()
        found: list[Number] = []
        for digits in CONFIRM:
            with mp.workdps(digits):
                try:
                    found.append(self.margin())
                except UndefinedError:
                    return False
        a, b = found
        return bool(a > 0 and b > 0 and abs(a - b) <= b * mpf(10) ** -6)

    def is_null(self) -> bool:
        assert self.null is not None
        try:
            return bool(self.null(self.line.exact, None) == 0)
        except (InexactError, ZeroDivisionError):
            pass
        if not self.line.ordinary or any(abs(x) > 4 for x in self.points):
            return False
        with mp.workdps(EQUAL_DIGITS):
            try:
                size = max([abs(self.line.f(x)) for x in self.points], default=mpf(1)) + 1
                value = partial(_read, self.line)
                return bool(abs(self.null(self.line.f, value)) <= size * mpf(10) ** (60 - EQUAL_DIGITS))
            except UndefinedError:
                return False


def _read(line: Line, text: str) -> Number:
    return line.study.value(text, line.names)


class Study:
    """A loss: its formula, its samples for many settings, and the texts of claims compiled over it."""

    def __init__(self, statement: Mapping[str, Any], claims: Mapping[str, Any], points: int, seed: int) -> None:
        self.statement, self.points = statement, points
        self.variable, self.base = _plain(statement["variable"]), statement.get("base")
        self.domain = Range.of(statement["domain"]).inner
        self.inputs = {_plain(n): Range.of(d) for n, d in statement["inputs"].items()}
        self.parameters = {_plain(n): Range.of(d) for n, d in statement["parameters"].items()}
        self.ranges = {**self.parameters, **self.inputs}
        self.everything = [*self.parameters, *self.inputs, self.variable]
        definitions = {_plain(n): t for n, t in statement["definitions"].items()}
        self.formula = Formula(statement["formula"], self.everything, definitions)
        self.compiled: dict[tuple[str, tuple[str, ...]], Formula] = {}
        body = json.dumps([dict(statement), seed], sort_keys=True)
        self.seed = int.from_bytes(hashlib.sha256(body.encode()).digest()[:8], "big")
        self.rng = random.Random(self.seed)
        texts = [
            statement["formula"],
            *(str(c.get(k, "")) for c in claims.values() for k in ("value", "condition", "bound")),
        ]
        self.constants = constants(texts)
        self.hints = self.hinted(claims)
        self.rough: dict[tuple[int, int], list[tuple[Kink, bool | None]]] = {}
        self.settings = self.make(claims)

    def compile(self, text: str, more: tuple[str, ...] = ()) -> Formula:
        key = (text, more)
        if key not in self.compiled:
            self.compiled[key] = Formula(text, [*self.everything, *more])
        return self.compiled[key]

    def value(self, text: str, names: Mapping[str, Number]) -> Number:
        """A text over parameters and targets; UndefinedError where it has no value."""
        formula = self.compile(text)
        try:
            return mp.make_mpf(formula({n: v._mpf_ for n, v in names.items()}))
        except KeyError as error:
            raise UnreadableError(f"{text!r} depends on {error}") from None

    def holds(self, text: str, names: Mapping[str, Number]) -> bool | None:
        formula = self.compile(text)
        if not formula.logical:
            raise UnreadableError(f"{text!r} is no condition")
        try:
            return formula.holds({n: v._mpf_ for n, v in names.items()})
        except UndefinedError:
            return None
        except KeyError as error:
            raise UnreadableError(f"{text!r} depends on {error}") from None

    def hinted(self, claims: Mapping[str, Any]) -> list[str]:
        """Texts of places that claims speak of: minimizers, ends of sets, witnesses."""
        found: list[str] = []
        value = str(claims.get("minimizer", {}).get("value", ""))
        found += [p.strip() for p in value[1:-1].split(",")] if value[:1] in ("[", "(") else [value]
        for claim in claims.values():
            for v in _leaves(claim.get("witness")):
                found += [v, f"-({v})"]
        out = []
        for text in dict.fromkeys(found):
            try:
                if text not in ("", "none", "oo", "-oo"):
                    self.compile(text)
                    out.append(text)
            except UnreadableError:
                pass
        return out

    def places(self, names: Mapping[str, Number]) -> list[Number]:
        out = []
        for text in self.hints:
            with contextlib.suppress(UndefinedError, UnreadableError):
                out.append(self.value(text, names))
        return out

    def special(self, domain: Range) -> list[Number]:
        """Closed ends, and the numbers that are mentioned."""
        ends = [e for e, has in ((domain.low, domain.has_low), (domain.high, domain.has_high)) if has]
        return [v for v in dict.fromkeys([*ends, mpf(0), mpf(0.5), mpf(1), mpf(2), *self.constants]) if domain.has(v)]

    def pool(self, domain: Range) -> list[Number]:
        """Hard values of one parameter: both sides of every number that is mentioned, ends, extremes."""
        out = []
        for c in self.constants:
            for s in (1, -1):
                out += [s * c, s * c * mpf(65) / 64, s * c * mpf(63) / 64]
        out += [
            c + d
            for c in (domain.low, domain.high, *self.constants)
            if c is not None
            for d in (mpf(1) / 64, mpf(-1) / 64)
        ]
        out += [a + (b - a) / 2 for a, b in pairwise(sorted({*self.constants, mpf(0)}))]
        out += [mpf(v) for v in (1, 2, 0.5, 3)] + domain.hostile()
        return [v for v in dict.fromkeys(out) if domain.has(v)]

    def make(self, claims: Mapping[str, Any]) -> list[Setting]:
        rng, chosen = self.rng, list[dict[str, Number]]()
        names = list(self.parameters)
        if not names:
            chosen.append({})
        else:
            pools = {n: self.pool(self.parameters[n]) for n in names}
            chosen += [{n: d.draw(rng) for n, d in self.parameters.items()} for _ in range(5)]
            musts = [(n, v) for n, d in self.parameters.items() for v in self.special(d)]
            rng.shuffle(musts)
            more = 10 if len(names) == 1 else 16
            # Ends and numbers that are mentioned first, then hard values of some, ordinary ones of others.
            hard = musts[:more] + [(n, rng.choice(pools[n])) for n in (names * more)[: max(5, more - len(musts))]]
            for name, v in hard:
                row = {
                    m: rng.choice(p) if rng.random() < 0.3 else self.parameters[m].draw(rng) for m, p in pools.items()
                }
                chosen.append(row | {name: v})
            if len(names) > 1:
                for _ in range(2):
                    v = rng.choice(pools[names[0]])
                    equal = dict.fromkeys(names, v)
                    chosen += [equal] if all(d.has(v) for d in self.parameters.values()) else []
            for claim in claims.values():
                chosen += self.around(claim.get("condition"))
                given = claim.get("witness") if isinstance(claim.get("witness"), dict) else {}
                chosen += self.witnessed(dict(given or {}))
        unique = list({tuple(sorted((n, str(v)) for n, v in row.items())): row for row in chosen}.values())
        targets = 1
        for d in self.inputs.values():
            targets *= len(d.values) or 5
        targets = min(targets, 8)
        many = max(130 if len(unique) > 1 else 200, -(-self.points // (len(unique) * targets)))
        return [self.setting(row, targets, many) for row in unique]

    def around(self, condition: str | None) -> list[dict[str, Number]]:
        """Values at which a condition holds and does not, and on both sides of its boundary."""
        if not condition:
            return []
        found: dict[bool, list[dict[str, Number]]] = {True: [], False: []}
        pools = {n: self.pool(d) for n, d in self.parameters.items()}
        for i in range(60):
            row = {n: self.rng.choice(pools[n]) if (i + j) % 2 else d.draw(self.rng)
                   for j, (n, d) in enumerate(self.parameters.items())}  # fmt: skip
            truth = self.holds(condition, row)
            if truth is not None and all(abs(v) <= 1000 for v in row.values()):
                found[truth].append(row)
        out = found[True][:3] + found[False][:3]
        for yes, no in zip(found[True][:2], found[False][:2], strict=False):
            a, b = mpf(0), mpf(1)

            def mix(t: Number, yes: dict[str, Number] = yes, no: dict[str, Number] = no) -> dict[str, Number]:
                return {n: yes[n] + (no[n] - yes[n]) * t for n in yes}

            for _ in range(30):
                t = (a + b) / 2
                a, b = (t, b) if self.holds(condition, mix(t)) else (a, t)
            rows = [mix(t) for t in (a - mpf(1) / 64, b + mpf(1) / 16)]
            out += [row for row in rows if all(self.parameters[n].has(v) for n, v in row.items())]
        return out

    def witnessed(self, witness: Mapping[str, Any]) -> list[dict[str, Number]]:
        flat = dict(_entries(witness))
        row = {n: d.draw(self.rng) for n, d in self.parameters.items()}
        try:
            given = {n: self.value(str(flat[n]), {}) for n in self.parameters if n in flat}
        except (UndefinedError, UnreadableError):
            return []
        row |= given
        return [row] if given and all(self.parameters[n].has(v) for n, v in row.items()) else []

    def setting(self, row: dict[str, Number], targets: int, n: int) -> Setting:
        return Setting(row, [self.line(row, i, n) for i in range(targets)])

    def line(self, row: Mapping[str, Number], i: int, n: int) -> Line:
        """The i-th choice of targets: hard values first, then mixed."""
        names, rest = dict(row), i
        for name, d in self.inputs.items():
            pool = list(d.values)
            if not pool:
                pool = [d.draw(self.rng) for _ in range(2)]
                pool += [e for e, has in ((d.low, d.has_low), (d.high, d.has_high)) if has]
                pool += [mpf(1)] if d.has(mpf(1)) else []
                pool += self.rng.sample(hostile := d.hostile(), min(3, len(hostile)))
            names[name], rest = pool[rest % len(pool)], rest // len(pool) + (0 if d.values else i)
        return Line(self, names, n, self.places(names), self.seed + i)


def _plain(name: str) -> str:
    return "lambda_" if name == "lambda" else name


def _entries(witness: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(witness, Mapping):
        for key, v in witness.items():
            if isinstance(v, Mapping):
                yield from _entries(v)
            else:
                yield str(key), v


def _leaves(witness: Any) -> Iterator[str]:
    if isinstance(witness, Mapping):
        for v in witness.values():
            yield from _leaves(v)
    elif isinstance(witness, list | tuple):
        for v in witness:
            yield from _leaves(v)
    elif isinstance(witness, str | int | float) and not isinstance(witness, bool):
        yield str(witness)


# What must not be found where a property holds ---------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim: the property, its verdict and its texts."""

    name: str
    verdict: str
    value: Any = None
    bound: str | None = None
    condition: str | None = None

    @property
    def limit(self) -> str | None:
        """The best value, or else the bound."""
        return self.bound if self.value is None else str(self.value)


Breaches = Iterator[Breach]
TOP = 3  # violations of a line that are looked at more closely


def worst(found: list[tuple[Number, Breach]]) -> Breaches:
    """The violations that stand out most from the rounding."""
    clear = [f for f in found if f[0] > 100]
    yield from (breach for _, breach in sorted(clear, key=lambda f: f[0], reverse=True)[:TOP])


def bend_at(line: Line, points: Sequence[Number]) -> Number:
    a, b, c = points
    fa, fb, fc = (line.f(x) for x in points)
    return 2 * ((fc - fb) / (c - b) - (fb - fa) / (b - a)) / (c - a)


def slope_at(line: Line, points: Sequence[Number]) -> Number:
    a, b = points
    return (line.f(b) - line.f(a)) / (b - a)


def goal_of(study: Study, line: Line, text: str | None) -> Callable[[], Number]:
    """A value over parameters and targets, at whatever precision is set."""
    return lambda: mpf(0) if text is None else study.value(text, line.names)


def bent(study: Study, s: Setting, goal: str | None, sign: int, what: str) -> Breaches:
    """Second divided differences below a goal (sign 1), or above it (-1)."""
    for line in s.lines:
        target = goal_of(study, line, goal)
        try:
            least = target()
        except UndefinedError:
            continue

        def margin(points: Sequence[Number], line: Line = line, target: Callable[[], Number] = target) -> Number:
            goal = target()
            return sign * (goal - bend_at(line, points)) - SLACK * abs(goal)

        found = []
        for d, *index in line.bends():
            excess = sign * (least - d) - SLACK * abs(least)
            if excess > 0:
                points = tuple(line.x[i] for i in index)
                found.append((excess / line.noise(*index), Breach(line, points, partial(margin, points), what)))
        yield from worst(found)
        far = []
        for tail in line.tails():
            for x, d in zip(tail.xs, tail.bend, strict=True):
                if sign * (least - d) > SLACK * abs(least):
                    h = abs(x) * mpf(2) ** -20
                    points = (x - h, x, x + h)
                    if all(study.domain.has(p) for p in points):
                        far.append(Breach(line, points, partial(margin, points), what))
        yield from far[:TOP]


def convex(study: Study, s: Setting, claim: Claim) -> Breaches:
    return bent(study, s, None, 1, "f at the middle point lies above the chord")


def strictly_convex(study: Study, s: Setting, claim: Claim) -> Breaches:
    yield from convex(study, s, claim)
    for line in s.lines:
        flat = [index for d, *index in line.bends() if abs(d) <= 100 * line.noise(*index)]
        flat.sort(key=lambda index: max(abs(line.x[i]) for i in index))
        for index in flat[:: max(1, len(flat) // (2 * TOP))][: 2 * TOP + 1]:
            a, b, c = points = tuple(line.x[i] for i in index)

            def null(f: Any, value: Any, a: Number = a, b: Number = b, c: Number = c) -> Any:
                u, v, w = (fraction(x) if value is None else x for x in (a, b, c))
                return (f(c) - f(b)) * (v - u) - (f(b) - f(a)) * (w - v)

            yield Breach(line, points, lambda: mpf(0), "three points of f lie on a straight line", null)


def strongly_convex(study: Study, s: Setting, claim: Claim) -> Breaches:
    return bent(study, s, claim.limit, 1, "f less value*x**2/2 is not convex")


def weakly_convex(study: Study, s: Setting, claim: Claim) -> Breaches:
    return bent(study, s, f"-({claim.limit})" if claim.limit else "0", 1, "f plus value*x**2/2 is not convex")


def steep(study: Study, s: Setting, goal: str, within: bool, what: str) -> Breaches:
    """Difference quotients larger than a goal; `within`: only between neighbouring breakpoints."""
    for line in s.lines:
        target = goal_of(study, line, goal)
        try:
            most = target() * (1 + SLACK)
        except UndefinedError:
            continue

        def margin(points: Sequence[Number], line: Line = line, target: Callable[[], Number] = target) -> Number:
            return abs(slope_at(line, points)) - target() * (1 + SLACK)

        kinks = [k.at for k in line.kinks] if within else []
        found = []
        for i, d in enumerate(line.slopes()):
            excess = abs(d) - most
            if excess > 0 and not any(line.x[i] <= k <= line.x[i + 1] for k in kinks):
                points = (line.x[i], line.x[i + 1])
                found.append((excess / line.noise(i, i + 1), Breach(line, points, partial(margin, points), what)))
        yield from worst(found)
        for tail in line.tails():
            for x, d in zip(tail.xs, tail.slope, strict=True):
                points = (x, x * (1 + mpf(2) ** -20))
                if abs(d) > most and study.domain.has(points[1]) and not within:
                    yield Breach(line, points, partial(margin, points), what)
                    break


def unlimited(lines: Iterable[Line], kind: str, what: str) -> Breaches:
    """A quotient or value that grows without limit towards a place, though no bound is given."""
    for line in lines:
        for tail in line.tails():
            values = [abs(v) for v in getattr(tail, kind)] if kind != "f" else tail.f
            if grows(values):
                yield Breach(line, tuple(tail.xs[-2:]), lambda: mpf(1), what)


def lipschitz(study: Study, s: Setting, claim: Claim) -> Breaches:
    if claim.limit is not None:
        yield from steep(study, s, claim.limit, False, "a difference quotient is larger")
    else:
        yield from rough_up_to(study, s, 0)
        yield from unlimited(s.lines, "slope", "difference quotients grow without limit")


def bounded_influence(study: Study, s: Setting, claim: Claim) -> Breaches:
    if claim.limit is not None:
        return steep(study, s, claim.limit, True, "a difference quotient is larger")
    return unlimited(s.lines, "slope", "difference quotients grow without limit")


def smooth(study: Study, s: Setting, claim: Claim) -> Breaches:
    yield from rough_up_to(study, s, 1)
    if claim.limit is None:
        yield from unlimited(s.lines, "bend", "second differences grow without limit")
    else:
        yield from bent(study, s, claim.limit, -1, "a second difference is larger")
        yield from bent(study, s, f"-({claim.limit})", 1, "a second difference is smaller than -value")


def values_beyond(
    study: Study, s: Setting, text: str, sign: int, what: str, where: Callable[[Number], bool]
) -> Breaches:
    """f below a goal (sign 1), or above it (-1)."""
    for line in s.lines:
        target = goal_of(study, line, text)
        try:
            goal = target()
        except UndefinedError:
            continue

        def margin(x: Number, line: Line = line, target: Callable[[], Number] = target) -> Number:
            return sign * (target() - line.f(x))

        found = [
            (sign * (goal - y), x) for x, y in zip(line.x, line.y, strict=True) if sign * (goal - y) > 0 and where(x)
        ]
        for tail in line.tails():
            found += [(e, x) for x, y in zip(tail.xs, tail.f, strict=True) if (e := sign * (goal - y)) > 0 and where(x)]
        found.sort(key=lambda f: f[0], reverse=True)
        yield from (Breach(line, (x,), partial(margin, x), what) for _, x in found[:TOP])


def everywhere(x: Number) -> bool:
    return True


def nonnegative(study: Study, s: Setting, claim: Claim) -> Breaches:
    return values_beyond(study, s, "0", 1, "f is negative", everywhere)


def bounded(study: Study, s: Setting, claim: Claim) -> Breaches:
    if claim.limit is None:
        return unlimited(s.lines, "f", "f grows without limit")
    return values_beyond(study, s, claim.limit, -1, "f is larger than the value", everywhere)


def upper_bounds_zero_one(study: Study, s: Setting, claim: Claim) -> Breaches:
    yield from values_beyond(study, s, "1", 1, "f is below 1 at a margin of at most 0", lambda x: x <= 0)
    yield from nonnegative(study, s, claim)


def halves(text: str) -> tuple[str, str, bool, bool]:
    """The ends of "[a, b)", and whether each belongs to it; commas within a and b do not count."""
    body, depth = text.strip(), 0
    for i, c in enumerate(body[1:-1], 1):
        depth += (c in "([") - (c in ")]")
        if c == "," and depth == 0 and body[0] in "([" and body[-1] in ")]":
            return body[1:i].strip(), body[i + 1 : -1].strip(), body[0] == "[", body[-1] == "]"
    raise UnreadableError(f"{text!r} is not of the form [a, b)")


def range_(study: Study, s: Setting, claim: Claim) -> Breaches:
    low, high, has_low, has_high = halves(str(claim.value))
    for text, closed, sign in ((low, has_low, 1), (high, has_high, -1)):
        if text in ("oo", "-oo"):
            continue
        yield from values_beyond(study, s, text, sign, f"f goes beyond {text}", everywhere)
        if not closed:
            for line in s.lines:
                try:
                    goal = study.value(text, line.names)
                except UndefinedError:
                    continue
                near = [
                    x for x, y in zip(line.x, line.y, strict=True) if abs(y - goal) <= mpf(10) ** -34 * (1 + abs(goal))
                ]
                for x in sorted(near, key=abs)[:TOP]:
                    yield Breach(line, (x,), lambda: mpf(0), f"f attains {text}", partial(_meets, study, line, text, x))


def _meets(study: Study, line: Line, text: str, x: Number, f: Any, value: Any) -> Any:
    """f(x) less the value of a text; value is None where fractions are asked for."""
    if value is None:
        return f(x) - study.compile(text).exact({n: fraction(v) for n, v in line.names.items()})
    return f(x) - value(text)


def symmetric(study: Study, s: Setting, claim: Claim) -> Breaches:
    for line in s.lines:
        at = dict(zip(line.x, line.y, strict=True))
        found = []
        for x, y in at.items():
            if x > 0 and -x in at and abs(y - at[-x]) > mpf(10) ** -30 * (abs(y) + mpf(10) ** -10):
                margin = lambda x=x, line=line: abs(line.f(x) - line.f(-x))  # noqa: E731
                found.append(
                    (
                        abs(y - at[-x]) / (abs(y) + 1) * mpf(10) ** 36,
                        Breach(line, (x,), margin, "f(x) and f(-x) differ"),
                    )
                )
        yield from worst(found)


def monotone(study: Study, s: Setting, claim: Claim) -> Breaches:
    for line in s.lines:
        found = []
        for i, d in enumerate(line.slopes()):
            if d > 0:
                points = (line.x[i], line.x[i + 1])
                breach = Breach(line, points, partial(slope_at, line, points), "f rises")
                found.append((d / line.noise(i, i + 1), breach))
        yield from worst(found)


def quasiconvex(study: Study, s: Setting, claim: Claim) -> Breaches:
    for line in s.lines:
        n = len(line.x)
        before, after = list(range(n)), list(range(n))
        for i in range(1, n):
            before[i] = i if line.y[i] < line.y[before[i - 1]] else before[i - 1]
            after[n - 1 - i] = n - 1 - i if line.y[n - 1 - i] < line.y[after[n - i]] else after[n - i]
        found = []
        for j in range(n):
            i, k = before[j], after[j]
            excess = line.y[j] - max(line.y[i], line.y[k])
            if excess > 0:
                points = (line.x[i], line.x[j], line.x[k])

                def margin(points: Sequence[Number] = points, line: Line = line) -> Number:
                    a, b, c = (line.f(x) for x in points)
                    return b - max(a, c)

                size = (abs(line.y[j]) + 1) * mpf(10) ** -38
                found.append((excess / size, Breach(line, points, margin, "f is higher between two points")))
        yield from worst(found)


def rough(line: Line, k: Kink, order: int) -> bool | None:
    """Whether a one-sided derivative of this order jumps, or diverges, at a breakpoint; None: not seen."""
    found = rough_at(line, k, order, 350)
    return found if not found or rough_at(line, k, order, 600) else None


def rough_at(line: Line, k: Kink, order: int, digits: int) -> bool | None:
    with mp.workdps(digits):
        b = line.bisect(k)
        w = line.scale(b.at)
        try:
            sides = [[quotient(line, b.at, side * w * mpf(10) ** -j, order) for side in (-1, 1)] for j in (20, 60)]
            noise = (
                mpf(10) ** (25 - digits) * (abs(line.f(b.at + w * mpf(10) ** -60)) + 1) / (w * mpf(10) ** -60) ** order
            )
            if order == 0 and b.switch is None:
                here = line.f(b.at)
                sides = [[*row, here] for row in sides]
        except UndefinedError:
            return None
        (far, near), (size, least) = (
            [max(row) - min(row) for row in sides],
            [max(abs(v) for v in row) for row in sides],
        )
        if near <= noise and least <= noise:
            return False
        if least > size * 3 / 2 and least > noise:
            return True
        if near <= far * mpf(10) ** -10 or near <= least * mpf(10) ** -25 or near <= noise:
            return False
        return True if abs(near - far) <= far * mpf(0.03) else None


def quotient(line: Line, b: Number, h: Number, order: int) -> Number:
    """The forward difference quotient of an order, from b + h on."""
    total = sum((-1) ** (order - i) * mp.binomial(order, i) * line.f(b + (i + 1) * h) for i in range(order + 1))
    return total / h**order


def roughness(study: Study, line: Line, order: int) -> list[tuple[Kink, bool | None]]:
    key = (id(line), order)
    if key not in study.rough:
        study.rough[key] = [(k, rough(line, k, order)) for k in line.kinks[:12]]
    return study.rough[key]


def rough_up_to(study: Study, s: Setting, order: int) -> Breaches:
    """Breakpoints at which f is not of class C^order."""
    for line in s.lines[:6]:
        for n in range(order + 1):
            for k, found in roughness(study, line, n):
                if found:
                    yield Breach(line, (k.at,), lambda: mpf(1), f"derivative {n} jumps" if n else "f jumps")
                    return


def continuous(study: Study, s: Setting, claim: Claim) -> Breaches:
    yield from rough_up_to(study, s, 0)
    for line in s.lines:
        missing = [x for x in line.undefined if abs(x) <= 20]
        if missing and line.ordinary:
            yield Breach(line, (missing[0],), lambda: mpf(1), "f is not defined here")


def differentiable(study: Study, s: Setting, claim: Claim) -> Breaches:
    if str(claim.value) not in ("oo", "None") and not str(claim.value).isdigit():
        raise UnreadableError(f"{claim.value!r} is neither oo nor a number")
    return rough_up_to(
        study, s, 4 if claim.value == "oo" else 1 if claim.value is None else min(int(str(claim.value)), 6)
    )


def redescending(study: Study, s: Setting, claim: Claim) -> Breaches:
    for line in s.lines:
        for tail in line.tails():
            sizes = [abs(v) for v in tail.slope]
            if (
                tail.infinite
                and len(sizes) > 2
                and not (vanishes(sizes) and (not tail.swings or tail.local[-1] < max(tail.local) / 100))
            ):
                yield Breach(line, (tail.xs[-1],), lambda: mpf(1), "the slope does not tend to 0")


def minimizer(study: Study, s: Setting, claim: Claim) -> Breaches:
    text = str(claim.value)
    if text == "none":
        yield from attained(study, s)
        return
    low, high = (
        halves(text)[:2]
        if text[:1] == "[" or (text[:1] == "(" and text[-1:] in ")]" and _is_pair(text))
        else (text, text)
    )
    base = low if low != "-oo" else high if high != "oo" else None
    for line in s.lines:
        try:
            ends = [None if t in ("-oo", "oo") else study.value(t, line.names) for t in (low, high)]
            level = line.f(study.value(base, line.names)) if base else line.y[len(line.y) // 2]
        except (UndefinedError, IndexError):
            continue

        def reference(line: Line = line) -> Number:
            return line.f(study.value(base, line.names)) if base else line.f(line.x[len(line.x) // 2])

        lower: list[tuple[Number, Breach]] = []
        equal: list[Breach] = []
        for x, y in zip(line.x, line.y, strict=True):
            inside = (ends[0] is None or x >= ends[0]) and (ends[1] is None or x <= ends[1])
            if y < level:
                margin = lambda x=x, line=line, reference=reference: reference() - line.f(x)  # noqa: E731
                size = (abs(level) + 1) * mpf(10) ** -38
                lower.append(((level - y) / size, Breach(line, (x,), margin, f"f is lower than at {text}")))
            elif inside and y > level and low != high:
                margin = lambda x=x, line=line, reference=reference: line.f(x) - reference()  # noqa: E731
                size = (abs(level) + 1) * mpf(10) ** -38
                lower.append(
                    ((y - level) / size, Breach(line, (x,), margin, "f is higher within the set of minimizers"))
                )
            elif not inside and base and y - level <= mpf(10) ** -30 * (abs(level) + mpf(10) ** -5) and line.ordinary:
                null = partial(_level, study, line, base, x)
                if min(abs(x - e) for e in ends if e is not None) > mpf(10) ** -6:
                    equal.append(Breach(line, (x,), lambda: mpf(0), f"f is as low as at {text}", null))
        yield from worst(lower)
        yield from sorted(equal, key=lambda b: abs(b.points[0]))[:TOP]


def _is_pair(text: str) -> bool:
    try:
        return bool(halves(text))
    except UnreadableError:
        return False


def _level(study: Study, line: Line, base: str, x: Number, f: Any, value: Any) -> Any:
    if value is None:
        known = {n: fraction(v) for n, v in line.names.items()}
        return f(x) - study.formula.exact({**known, study.variable: study.compile(base).exact(known)})
    return f(x) - f(value(base))


def attained(study: Study, s: Setting) -> Breaches:
    """A place at which f is lower than at every end, though no minimum is said to be attained."""
    for line in s.lines:
        if len(line.x) < 5:
            continue
        x = lowest(line)[0]
        ways = [t for t in line.tails() if t.f]
        if any(k.at != x and abs(k.at - x) <= line.scale(k.at) / 100 for k in line.kinks):
            continue
        others = [t.xs[-1] for t in ways if not any(k.at == x for k in line.kinks) or t.infinite] + [
            line.x[0],
            line.x[-1],
        ]
        margin = lambda x=x, line=line, others=others: min(line.f(o) for o in others) - line.f(x)  # noqa: E731
        yield Breach(line, (x,), margin, "f is lower here than towards every end")
        i = min(range(len(line.x)), key=lambda i: (line.y[i], abs(line.x[i])))
        far = (line.x[0], line.x[-1])
        same = [o for o in far if line.y[i] == line.f(o) and o != line.x[i]]
        for o in same:
            null = lambda f, value, i=i, o=o, line=line: f(line.x[i]) - f(o)  # noqa: E731
            yield Breach(line, (line.x[i],), lambda: mpf(0), "f is here as low as at the end", null)


def climb(g: Callable[[Number], Number | None], a: Number, b: Number, steps: int = 60) -> tuple[Number, Number]:
    """The largest value found of a function with one peak between two points, and its place."""
    ratio = (mp.sqrt(5) - 1) / 2
    least = mpf("-1e1000000")

    def value(x: Number) -> Number:
        found = g(x)
        return least if found is None else found

    c, d = b - ratio * (b - a), a + ratio * (b - a)
    gc, gd = value(c), value(d)
    for _ in range(steps):
        if gc > gd:
            b, d, gd = d, c, gc
            c = b - ratio * (b - a)
            gc = value(c)
        else:
            a, c, gc = c, d, gd
            d = a + ratio * (b - a)
            gd = value(d)
    return (c, gc) if gc > gd else (d, gd)


def lowest(line: Line, sign: int = 1) -> tuple[Number, Number]:
    """The place of the lowest (sign -1: highest) value found, also between the samples, and the value."""
    n = len(line.x)
    i = min(range(n), key=lambda i: (sign * line.y[i], abs(line.x[i])))
    best = (line.x[i], line.y[i])
    if 0 < i < n - 1:
        x, y = climb(lambda x: None if (v := line.try_f(x)) is None else -sign * v, line.x[i - 1], line.x[i + 1], 100)
        if -y < sign * best[1]:
            best = (x, -sign * y)
    return best


def self_concordant(study: Study, s: Setting, claim: Claim) -> Breaches:
    yield from convex(study, s, claim)
    yield from rough_up_to(study, s, 2)
    if claim.limit is None:
        return
    for line in s.lines:
        found = []
        for x in line.x:
            if abs(x) > 1000 or any(abs(x - k.at) <= abs(k.at) * mpf(10) ** -6 for k in line.kinks):
                continue
            margin = partial(concordance, study, line, x, claim.limit)
            with mp.workdps(90):
                try:
                    excess = margin()
                except UndefinedError:
                    continue
            if excess > 0:
                found.append((excess, Breach(line, (x,), margin, "the third derivative is larger")))
        found.sort(key=lambda f: f[0], reverse=True)
        yield from (b for _, b in found[: 2 * TOP])


def concordance(study: Study, line: Line, x: Number, text: str) -> Number:
    """By how much |f'''|/f''**1.5 exceeds 2*value, by central differences; 0 where f'' is not seen to be positive."""
    h = line.scale(x) * mpf(10) ** -(mp.dps // 5)
    a, b, c, d, e = (line.f(x + i * h) for i in (-2, -1, 0, 1, 2))
    second, third = (b - 2 * c + d) / h**2, (e - 2 * d + 2 * b - a) / (2 * h**3)
    if second <= (abs(c) + 1) * mpf(10) ** -(mp.dps // 10):
        return mpf(0)
    most = 2 * study.value(text, line.names)
    excess = abs(third) / second ** mpf(1.5) - most
    return excess if excess > mpf(10) ** -8 * (most + mpf(10) ** -4) else mpf(0)


ETAS = (mpf(33) / 64, mpf(3) / 4, mpf(15) / 16, mpf(9) / 16, mpf(127) / 128)


def calibrated(study: Study, s: Setting, claim: Claim) -> Breaches:
    """For P(Y = 1) > 1/2, no margin above 0 has a lower conditional risk than the best of those up to 0."""
    if claim.value is not None:
        yield from transformed(study, s, str(claim.value))
    for line in s.lines[:1]:
        at = dict(zip(line.x, line.y, strict=True))
        for tail in line.tails():
            at |= {x: y for x, y in zip(tail.xs, tail.f, strict=True) if tail.infinite}
        both = [(x, y, at[-x]) for x, y in at.items() if -x in at]
        for eta in ETAS:
            risk = [(eta * y + (1 - eta) * z, x) for x, y, z in both]
            if not any(x <= 0 for _, x in risk) or not any(x > 0 for _, x in risk):
                continue
            wrong, right = min(r for r in risk if r[1] <= 0), min(r for r in risk if r[1] > 0)
            if right[0] < wrong[0] - mpf(10) ** -36 * (abs(wrong[0]) + 1):
                continue

            def risk_at(x: Number, eta: Number = eta, line: Line = line) -> Number:
                return eta * line.f(x) + (1 - eta) * line.f(-x)

            def negative(x: Number, risk_at: Callable[[Number], Number] = risk_at) -> Number | None:
                try:
                    return -risk_at(x)
                except UndefinedError:
                    return None

            with mp.workdps(80):
                tries = [climb(negative, right[1] / 2, right[1] * 2)[0], *(mpf(10) ** -k for k in (1, 3, 9, 15))]
                bar = risk_at(wrong[1])
                better = [
                    x for x in tries if (v := negative(x)) is not None and -v < bar - mpf(10) ** -70 * (abs(bar) + 1)
                ]
            if not better:
                what = f"at P(Y = 1) = {mp.nstr(eta, 6)} no margin above 0 has a lower risk than this one"
                yield Breach(line, (wrong[1],), lambda: mpf(1), what)
                break


THETAS = (mpf(0), mpf(1) / 16, mpf(3) / 8, mpf(3) / 4, mpf(31) / 32)


def transformed(study: Study, s: Setting, text: str) -> Breaches:
    """f(0) less the least conditional risk at P(Y = 1) = (1 + theta)/2 is not the claimed psi(theta)."""
    formula = study.compile(text, ("theta",))
    for line in s.lines[:1]:
        base = {n: v._mpf_ for n, v in line.names.items()}
        for theta in THETAS:

            def gain(x: Number, theta: Number = theta, line: Line = line) -> Number:
                return line.f(mpf(0)) - ((1 + theta) * line.f(x) + (1 - theta) * line.f(-x)) / 2

            def told(theta: Number = theta, base: dict[str, Raw] = base) -> Number:
                return mp.make_mpf(formula({**base, "theta": theta._mpf_}))

            def tried(x: Number, gain: Callable[[Number], Number] = gain) -> Number | None:
                try:
                    return gain(x)
                except UndefinedError:
                    return None

            try:
                goal = told()
            except UndefinedError:
                yield Breach(line, (mpf(0),), lambda: mpf(1), f"no value at theta = {_show(theta)}")
                continue
            rows = [(v, x) for x in line.x if x >= 0 and (v := tried(x)) is not None]
            best, place = max(rows)
            what = f"more is gained than psi at theta = {_show(theta)}"
            yield Breach(line, (place,), lambda x=place, gain=gain, told=told: gain(x) - told(), what)  # type: ignore[misc]
            near = [x for _, x in rows]
            i = near.index(place)
            low, high = near[max(0, i - 1)], near[min(len(near) - 1, i + 1)]
            best = max(best, climb(tried, low, high)[1])
            if goal - best > (abs(goal) + mpf(10) ** -6) / 1000:
                what = f"no margin gains as much as psi = {_show(goal)} at theta = {_show(theta)}"
                yield Breach(line, (place,), lambda: mpf(1), what)


def weighed(study: Study, s: Setting, text: str) -> Breaches:
    """The slope of the loss for the label 1 is not -(1 - p) times the claimed weight (times dp/dz, on logits)."""
    (label,), line = study.inputs, s.lines[0]
    formula, logit = study.compile(text), study.domain.low is None
    base = {n: v._mpf_ for n, v in s.names.items()}

    def wrong(x: Number) -> Number:
        h = mpf(10) ** -(mp.dps // 3) * (1 if logit else x * (1 - x))
        a, b = (
            mp.make_mpf(study.formula({**base, label: libmp.from_int(1), study.variable: (x + d)._mpf_}))
            for d in (-h, h)
        )
        p = 1 / (1 + mp.exp(-x)) if logit else x
        told = -(1 - p) * mp.make_mpf(formula({**base, study.variable: x._mpf_})) * (p * (1 - p) if logit else 1)
        off = abs((b - a) / (2 * h) - told) / (abs(told) + mpf(10) ** -30)
        return off if off > mpf(10) ** -4 else mpf(0)

    for p in (mpf(k) / 16 for k in (1, 5, 8, 11, 15)):
        x = 8 * p - 4 if logit else p
        yield Breach(line, (x,), partial(wrong, x), "the slope for the label 1 is not that of the weight")


def proper(study: Study, s: Setting, claim: Claim) -> Breaches:
    """Some other prediction has a lower expected loss than the true probability (strictly: none as low)."""
    if claim.value is not None:
        yield from weighed(study, s, str(claim.value))
    strict = claim.name == "strictly_proper"
    if len(study.inputs) != 1:
        raise UnreadableError(f"{claim.name} speaks of one target")
    (label, labels), line = *study.inputs.items(), s.lines[0]
    if not (labels.has(mpf(0)) and labels.has(mpf(1))):
        raise UnreadableError(f"{claim.name} speaks of the labels 0 and 1")
    logit = study.domain.low is None
    n = max(40, -(-study.points // (17 * len(study.settings))))
    xs = [x for x in line.x if not logit or abs(x) <= 40]
    xs = xs[:: max(1, len(xs) // n)]
    base = {n: v._mpf_ for n, v in s.names.items()}

    def loss(y: int, x: Number) -> Number:
        return mp.make_mpf(study.formula({**base, label: libmp.from_int(y), study.variable: x._mpf_}))

    def expected(q: Number, x: Number) -> Number:
        return q * loss(1, x) + (1 - q) * loss(0, x)

    def probability(x: Number) -> Number:
        return 1 / (1 + mp.exp(-x)) if logit else x

    both = []
    for x in xs:
        try:
            both.append((x, loss(1, x), loss(0, x)))
        except UndefinedError:
            continue
    found, flat = [], []
    for x, one, zero in both[:: max(1, len(both) // 17)]:
        q = probability(x)
        here = q * one + (1 - q) * zero
        beside = []
        for d in [s * mpf(10) ** -k for k in (2, 4, 6, 9, 12, 14) for s in (1, -1)]:
            if study.domain.has(x + d):
                with contextlib.suppress(UndefinedError):
                    beside.append((x + d, loss(1, x + d), loss(0, x + d)))
        for other, a, b in both + beside:
            gap = here - (q * a + (1 - q) * b)
            if gap > 0:
                margin = lambda x=x, other=other: expected(probability(x), x) - expected(probability(x), other)  # noqa: E731
                what = f"the expected loss under the probability at {_show(x)} is lower here"
                found.append((gap / (abs(here) + 1) * mpf(10) ** 36, Breach(line, (other,), margin, what)))
            elif strict and abs(gap) <= mpf(10) ** -30 and abs(x - other) > mpf(1) / 64 and max(abs(x), abs(other)) < 4:
                null = lambda f, value, x=x, other=other: expected(probability(x), x) - expected(probability(x), other)  # noqa: E731
                flat.append(Breach(line, (other,), lambda: mpf(0), f"as low as the loss at the true {_show(x)}", null))
    yield from worst(found)
    for breach in flat[:TOP]:
        with mp.workdps(EQUAL_DIGITS):
            if breach.null and abs(breach.null(None, None)) <= mpf(10) ** (60 - EQUAL_DIGITS):
                yield Breach(breach.line, breach.points, lambda: mpf(1), breach.what)


STATISTICS = ("mean", "median", "quantile", "expectile")
LINKS = {"identity": "t", "log": "log(t)", "logit": "log(t/(1 - t))", "": "t"}


def elicits(study: Study, s: Setting, claim: Claim) -> Breaches:
    """The mean loss of a small sample is lower elsewhere than at its statistic."""
    value = claim.value if isinstance(claim.value, Mapping) else {"statistic": claim.value}
    statistic = str(value.get("statistic"))
    if statistic == "equation":
        text = str(value.get("equation"))
        if not (text.startswith("E[") and text.endswith("] = 0")):
            raise UnreadableError(f"{text!r} is not of the form E[...] = 0")
        yield from sloped(study, s, lambda told, x: told(x), text[2:-5])
        return
    if study.base == "margin":
        return
    if statistic not in STATISTICS or (not study.base and len(study.inputs) != 1):
        raise UnreadableError(f"the falsifier knows the statistics {', '.join(STATISTICS)}, not {statistic!r}")
    link = str(value.get("link") or "identity")
    link = LINKS.get(link, link)
    free = {n.id for n in ast.walk(_tree(link)) if isinstance(n, ast.Name)} - set(study.parameters) - {"pi", "E"}
    free -= {*UNARY, *BODIES, "max", "min"}
    if len(free) != 1:
        raise UnreadableError(f"{link!r} is no function of one name")
    (name,) = free
    inverse = name == study.variable and link != "t"
    line = s.lines[0]
    level: Callable[[], Number] = partial(study.value, str(value.get("level") or "1/2"), s.names)
    domain = next(iter(study.inputs.values()), Range())
    rng = random.Random(study.seed)
    compiled = study.compile(link, (name,))
    for size in (3, 4, 7):
        ys = sorted(domain.draw(rng) for _ in range(size))

        def target(ys: Sequence[Number] = ys) -> Number:
            t = stat(statistic, ys, level())
            return t if inverse else mp.make_mpf(compiled({**{n: v._mpf_ for n, v in s.names.items()}, name: t._mpf_}))

        def total(x: Number, ys: Sequence[Number] = ys) -> Number:
            if study.base:
                return sum(line.f(x - y) for y in ys)
            label = next(iter(study.inputs))
            rows = [{**line.values, label: y._mpf_, study.variable: x._mpf_} for y in ys]
            return sum(mp.make_mpf(study.formula(row)) for row in rows)

        try:
            best = target()
            if inverse:
                best = unlinked(study, compiled, s, name, best)
            here = total(best) if best is not None else None
        except UndefinedError:
            continue
        if here is None or best is None:
            continue
        many = max(24, -(-study.points // (14 * len(study.settings))))
        tries = [
            best + w * mpf(10) ** mpf(rng.uniform(-5, 2)) * rng.choice((1, -1)) for w in [ys[-1] - ys[0]] * many
        ] + list(ys)
        found = []
        for x in tries:
            try:
                gap = here - total(x) if study.domain.has(x) else mpf(0)
            except UndefinedError:
                continue
            if gap > 0:
                margin = lambda x=x, total=total, best=best, target=target: (  # noqa: E731
                    total(best if inverse else target()) - total(x)
                )
                sample = ", ".join(map(_show, ys))
                what = f"the sample {sample} has a lower loss here than at its {statistic} ({_show(best)})"
                found.append((gap / (abs(here) + 1) * mpf(10) ** 30, Breach(line, (x,), margin, what)))
        yield from worst(found)


def unlinked(study: Study, link: Formula, s: Setting, name: str, wanted: Number) -> Number | None:
    """The prediction that an inverse link maps to a statistic, by bisection; None where it is not found."""
    base = {n: v._mpf_ for n, v in s.names.items()}
    a, b = (mpf(e) if e is not None else mpf(d) for e, d in ((study.domain.low, -500), (study.domain.high, 500)))
    g: Callable[[Number], Number] = lambda x: mp.make_mpf(link({**base, name: x._mpf_})) - wanted  # noqa: E731
    try:
        with mp.workdps(170):
            rising = g(b) > 0
            if (g(a) > 0) == rising:
                return None
            for _ in range(600):
                m = (a + b) / 2
                a, b = (a, m) if (g(m) > 0) == rising else (m, b)
            return a
    except UndefinedError:
        return None


def stat(name: str, ys: Sequence[Number], level: Number) -> Number:
    """A statistic of a sorted sample; of a set of quantiles the lowest."""
    n = len(ys)
    if name == "mean":
        return sum(ys) / n
    if name == "expectile":  # (1 - level)*sum of what is below = level*sum of what is above, between two values
        for a, b in pairwise(ys):
            weights = [level if y > a else 1 - level for y in ys]
            e = sum(w * y for w, y in zip(weights, ys, strict=True)) / sum(weights)
            if a <= e <= b:
                return e
        return ys[0]
    level = mpf(1) / 2 if name == "median" else level
    return ys[min(n - 1, max(0, int(mp.ceil(n * level)) - 1))]


Told = Callable[..., Number]


def sloped(
    study: Study, s: Setting, slope: Callable[[Told, Number], Number], text: str, more: tuple[str, ...] = ()
) -> Breaches:
    """What is said to be the slope of a convex loss is larger than a chord on its right, or smaller than one before."""
    formula = study.compile(text, more)
    for line in s.lines:
        base = {n: v._mpf_ for n, v in line.names.items()}

        def told(x: Number, base: dict[str, Raw] = base, **others: Number) -> Number:
            known = {**base, study.variable: x._mpf_, **{n: v._mpf_ for n, v in others.items()}}
            return mp.make_mpf(formula(known))

        found = []
        for a, b in pairwise(line.x):
            for x, way in ((a, 1), (b, -1)):

                def excess(
                    x: Number = x, way: int = way, a: Number = a, b: Number = b, line: Line = line, told: Told = told
                ) -> Number:
                    return way * (slope(told, x) - slope_at(line, (a, b)))

                try:
                    size, gap = abs(slope(told, x)) + abs(x) / STEEP + (abs(line.f(a)) + 1) / (b - a), excess()
                except UndefinedError:
                    continue
                if gap > 0:
                    what = f"what is said to be the slope at {_show(x)} is not that of this chord"
                    found.append((gap / size * mpf(10) ** 36, Breach(line, (a, b), excess, what)))
        yield from worst(found)


STEEP = mpf(2) ** 20  # a step of the proximal map at which its equation shows the slope


def left_side(value: Mapping[str, Any], right: str) -> str:
    left, _, end = str(value.get("equation")).rpartition(" = ")
    if end != right:
        raise UnreadableError(f"no equation for {right}: {dict(value)}")
    return left


def conjugate(study: Study, s: Setting, claim: Claim) -> Breaches:
    """s*x - f(x) exceeds the claimed supremum."""
    if isinstance(claim.value, Mapping):
        yield from sloped(study, s, lambda told, x: told(x), left_side(claim.value, "s"))
        return
    formula = study.compile(str(claim.value), ("s",))
    for line in s.lines:
        base = {n: v._mpf_ for n, v in line.names.items()}
        for slope in dual_points(line):

            def goal(slope: Number = slope, base: dict[str, Raw] = base) -> Number:
                return mp.make_mpf(formula({**base, "s": slope._mpf_}))

            try:
                top = goal()
            except UndefinedError as error:
                beside = [slope + w * (abs(slope) + 1) * mpf(10) ** -20 for w in (1, -1)]
                own = min(line.slopes()) <= slope <= max(line.slopes())
                if own and str(error) == INFINITE and all(infinite(goal, b) for b in beside):
                    what = f"s*x - f(x) is bounded at s = {_show(slope)}, a slope of f"
                    yield Breach(line, (line.x[0],), lambda: mpf(1), what)
                continue
            found = []
            for x, y in zip(line.x, line.y, strict=True):
                excess = slope * x - y - top
                if excess > 0:
                    margin = lambda x=x, slope=slope, line=line, goal=goal: slope * x - line.f(x) - goal()  # noqa: E731
                    breach = Breach(line, (x,), margin, f"s*x - f(x) is larger at s = {_show(slope)}")
                    found.append((excess / (abs(top) + 1) * mpf(10) ** 36, breach))
            yield from worst(found)
            best = max(range(len(line.x)), key=lambda i: slope * line.x[i] - line.y[i])
            if 0 < best < len(line.x) - 1:

                def dual(x: Number, slope: Number = slope, line: Line = line) -> Number | None:
                    v = line.try_f(x)
                    return None if v is None else slope * x - v

                reached = climb(dual, line.x[best - 1], line.x[best + 1])[1]
                if top - reached > (abs(top) + 1) / 1000:
                    what = f"s*x - f(x) at s = {_show(slope)} stays below {_show(top)}"
                    yield Breach(line, (line.x[best],), lambda: mpf(1), what)


def infinite(goal: Callable[[Number], Number], at: Number) -> bool:
    try:
        goal(at)
    except UndefinedError as error:
        return str(error) == INFINITE
    return False


def dual_points(line: Line) -> list[Number]:
    """Slopes of f between samples of ordinary size, and two that are steeper."""
    some = [d for x, d in zip(line.x, line.slopes(), strict=False) if mpf(10) ** -3 < abs(x) < 50]
    steeper = [min(some) - 1, max(some) + 1] if some else []
    return some[:: max(1, len(some) // 8)] + steeper


def prox(study: Study, s: Setting, claim: Claim) -> Breaches:
    """f(x) + (x - v)**2/(2*lambda) is lower elsewhere."""
    if isinstance(claim.value, Mapping):
        left = left_side(claim.value, "v")
        yield from sloped(study, s, lambda told, x: (told(x, lambda_=STEEP) - x) / STEEP, left, ("lambda_",))
        return
    formula = study.compile(str(claim.value), ("v", "lambda_"))
    for line in s.lines:
        base = {n: v._mpf_ for n, v in line.names.items()}
        some = [x for x in line.x if mpf(10) ** -3 < abs(x) < 50]
        for i, v in enumerate(some[:: max(1, len(some) // 8)]):
            step = mpf((0.5, 1, 3, 0.0625)[i % 4])

            def where(v: Number = v, step: Number = step, base: dict[str, Raw] = base) -> Number:
                return mp.make_mpf(formula({**base, "v": v._mpf_, "lambda_": step._mpf_}))

            def objective(x: Number, v: Number = v, step: Number = step, line: Line = line) -> Number:
                return line.f(x) + (x - v) ** 2 / (2 * step)

            try:
                here = objective(where())
            except UndefinedError:
                continue
            found = []
            for x, y in zip(line.x, line.y, strict=True):
                excess = here - y - (x - v) ** 2 / (2 * step)
                if excess > 0:
                    margin = lambda x=x, objective=objective, where=where: objective(where()) - objective(x)  # noqa: E731
                    breach = Breach(
                        line,
                        (x,),
                        margin,
                        f"lower than at the proximal point of v = {_show(v)}, lambda = {_show(step)}",
                    )
                    found.append((excess / (abs(here) + 1) * mpf(10) ** 36, breach))
            yield from worst(found)


Check = Callable[[Study, Setting, Claim], Breaches]
CHECKS: tuple[Check, ...] = (
    convex, strictly_convex, strongly_convex, weakly_convex, quasiconvex, continuous, differentiable, lipschitz,
    smooth, bounded, range_, nonnegative, symmetric, monotone, minimizer, bounded_influence, redescending,
    upper_bounds_zero_one, calibrated, self_concordant, proper, elicits, conjugate, prox,
)  # fmt: skip
BREACHES: dict[str, Check] = {c.__name__.strip("_"): c for c in CHECKS} | {"strictly_proper": proper}


# What must be found where a property fails -------------------------------------------------------


def any_confirmed(breaches: Breaches) -> bool:
    return any(b.confirmed() for b in breaches)


def tail_grows(s: Setting, *kinds: str) -> bool:
    return any(
        grows([v if kind == "f" else abs(v) for v in getattr(tail, kind)])
        for line in s.lines
        for tail in line.tails()
        for kind in kinds
    )


def flat_somewhere(s: Setting) -> bool:
    """Second differences that vanish along a tail, or are far smaller than usual somewhere."""
    for line in s.lines:
        bends = sorted(d for d, *_ in line.bends())
        if not bends or bends[0] <= abs(bends[len(bends) // 2]) / 1000:
            return True
        usual = abs(bends[len(bends) // 2])
        if any(vanishes(tail.bend) or any(d <= usual / 10**9 for d in tail.bend) for tail in line.tails()):
            return True
    return False


def sinks(s: Setting) -> bool:
    """Second differences that tend to -oo."""
    if any(grows([-v for v in tail.bend]) for line in s.lines for tail in line.tails()):
        return True
    rows = [[d for d, *_ in line.bends()] for line in s.lines if line.bends()]
    return any(min(row) < -(10**9) * (1 + sorted(map(abs, row))[len(row) // 2]) for row in rows)


def breaks(study: Study, s: Setting, order: int) -> bool:
    return any(True for _ in rough_up_to(study, s, order))


EVIDENCE: dict[str, Callable[[Study, Setting], bool]] = {
    "strongly_convex": lambda study, s: flat_somewhere(s),
    "weakly_convex": lambda study, s: sinks(s) or breaks(study, s, 0),
    "differentiable": lambda study, s: breaks(study, s, 1),
    "lipschitz": lambda study, s: tail_grows(s, "slope") or breaks(study, s, 0),
    "bounded_influence": lambda study, s: tail_grows(s, "slope") or breaks(study, s, 0),
    "smooth": lambda study, s: tail_grows(s, "bend", "slope") or breaks(study, s, 1),
    "bounded": lambda study, s: tail_grows(s, "f"),
    "self_concordant": lambda study, s: breaks(study, s, 2) or unbounded_ratio(s),
}
UNSEEN = ("range", "minimizer", "elicits")  # whose refutation says nothing that could be sampled


def unbounded_ratio(s: Setting) -> bool:
    """Whether |f'''|/f''**1.5 grows along a tail."""
    for line in s.lines:
        for tail in line.tails():
            ratios = []
            with mp.workdps(150):
                way = mp.sign(tail.xs[0]) if tail.infinite and tail.xs else None
                for x in tail.xs if way is None else [way * k for k in (1, 5, 20, 60)]:
                    h = (abs(x) if tail.infinite else line.scale(x) * mpf(10) ** -3) * mpf(10) ** -20
                    try:
                        a, b, c, d, e = (line.f(x + i * h) for i in (-2, -1, 0, 1, 2))
                    except UndefinedError:
                        continue
                    second, third = (b - 2 * c + d) / h**2, (e - 2 * d + 2 * b - a) / (2 * h**3)
                    if second > 0:
                        ratios.append(abs(third) / second ** mpf(1.5))
            if grows(ratios):
                return True
    return False


def evident(study: Study, s: Setting, claim: Claim) -> bool:
    """Whether something contradicts the property, for these values of the parameters."""
    plain = Claim(claim.name, claim.verdict)
    if claim.name in ("conjugate", "prox"):  # they fail where f is not convex
        return any_confirmed(convex(study, s, Claim("convex", claim.verdict)))
    if claim.name in EVIDENCE:
        if EVIDENCE[claim.name](study, s):
            return True
        if claim.name in ("lipschitz", "bounded_influence", "smooth", "bounded"):
            return False
        if claim.name == "differentiable":
            return False
        plain = Claim("convex", claim.verdict) if claim.name != "weakly_convex" else plain
        return claim.name != "weakly_convex" and any_confirmed(convex(study, s, plain))
    return any_confirmed(BREACHES[claim.name](study, s, plain))


def looked_again(study: Study, s: Setting) -> Setting:
    """More lines with other targets, and more points."""
    count = 4 if study.inputs else 1
    return Setting(s.names, [study.line(s.names, 7 + 3 * i, 600) for i in range(count)])


# Whether the best values are approached ----------------------------------------------------------


def steepest(s: Setting) -> Number:
    """The largest slope found."""
    best, where = mpf(0), None
    for line in s.lines:
        for i, d in enumerate(line.slopes()):
            if abs(d) > best:
                best, where = abs(d), (line, i)
        best = max([best, *(abs(d) for tail in line.tails() for d in tail.slope)])
    if where is not None:
        line, i = where
        best = max(best, local(line, (i, i + 1), lambda x, h: abs(slope_at(line, (x, x + h)))))
    return best


def local(line: Line, index: Sequence[int], quotient: Callable[[Number, Number], Number]) -> Number:
    """The largest quotient over a tiny step, searched from a pair or triple of samples, and from samples everywhere."""
    n = len(line.x)
    a, b = line.x[max(0, index[0] - 1)], line.x[min(n - 1, index[-1] + 1)]
    with mp.workdps(80):
        h = (b - a) * mpf(10) ** -15

        def g(x: Number) -> Number | None:
            try:
                return quotient(x, h)
            except UndefinedError:
                return None

        near = [a + (b - a) * k / 16 for k in range(1, 16)]
        tries = [(v, x) for x in near + line.x[1 : n - 1 : max(1, n // 60)] if (v := g(x)) is not None]
        if not tries:
            return mpf(0)
        v, x = max(tries)
        low, high = line.domain.low, line.domain.high
        if x in near:
            left, right = x - (b - a) / 8, x + (b - a) / 8
        else:
            i = bisect.bisect(line.x, x)
            left, right = line.x[max(0, i - 3)], line.x[min(n - 1, i + 2)]
        narrow = min([right - left, *(abs(p) / 4 for p in line.names.values() if p)]) / 2
        for a, b in ((left, right), (x - narrow, x + narrow)):
            start, end = a if low is None else max(a, low + 2 * h), b if high is None else min(b, high - 2 * h)
            v = max(v, climb(g, start, end, 40)[1])
        return v


def most_bent(s: Setting, sign: int) -> Number:
    """The largest second difference (sign 1), or the largest of the negated ones (-1)."""
    best, where = mpf("-1e1000000"), None
    for line in s.lines:
        for d, *index in line.bends():
            if sign * d > best and line.noise(*index) < abs(d) / 1000:
                best, where = sign * d, (line, index)
            elif sign * d > best and line.noise(*index) < mpf(10) ** -9:
                best = sign * d
        best = max([best, *(sign * d for tail in line.tails() for d in tail.bend)])
    if where is not None:
        line, index = where
        best = max(best, local(line, index, lambda x, h: sign * bend_at(line, (x - h, x, x + h))))
    return best


BEST = ("lipschitz", "bounded_influence", "smooth", "strongly_convex", "weakly_convex")


def unreached(study: Study, s: Setting, claim: Claim) -> Iterator[str]:
    """What is said to be the best value, or attained, and is not approached."""
    name = claim.name
    if name in ("range", "bounded") and claim.value is not None:
        yield from ends_unreached(study, s, claim)
    if claim.value is None or name not in BEST:
        return
    try:
        wanted = study.value(str(claim.value), s.names)
    except UndefinedError:
        return
    if name in ("lipschitz", "bounded_influence"):
        got = steepest(s)
    elif name == "smooth":
        got = max(most_bent(s, 1), most_bent(s, -1))
    elif name == "weakly_convex":
        got = most_bent(s, -1)
    else:
        got = -most_bent(s, -1)
        slow = any(vanishes([v - wanted for v in tail.bend]) for line in s.lines for tail in line.tails())
        if got * 20 > wanted * 21 and not slow:
            yield f"the least second difference found is {_show(got)}, the value is {_show(wanted)}"
        return
    kind = "slope" if name in ("lipschitz", "bounded_influence") else "bend"
    tails = [tail for line in s.lines for tail in line.tails()]
    if (
        wanted > 0
        and got * 20 < wanted * 19
        and not any(vanishes([abs(v) - wanted for v in getattr(tail, kind)]) for tail in tails)
    ):
        yield f"the largest found is {_show(got)}, the value is {_show(wanted)}"


def ends_unreached(study: Study, s: Setting, claim: Claim) -> Iterator[str]:
    text = str(claim.value) if claim.name == "range" else f"(-oo, {claim.value})"
    low, high, has_low, has_high = halves(text)
    for line in s.lines:
        if len(line.x) < 10:
            continue
        for text, closed, sign in ((low, has_low, 1), (high, has_high, -1)):
            tails = [y for tail in line.tails() for y in tail.f]
            if text in ("-oo", "oo"):
                growing = any(grows([-sign * y for y in tail.f]) for tail in line.tails())
                if not growing and claim.name == "range":
                    yield f"f is not seen to tend to {text}"
                continue
            try:
                goal = study.value(text, line.names)
            except UndefinedError:
                continue
            place, best = lowest(line, sign)
            size = abs(goal) or max(abs(max(line.y) - min(line.y)), mpf(10) ** -30)
            near = min(abs(best - goal), *(abs(y - goal) for y in tails)) if tails else abs(best - goal)
            if any(vanishes([y - goal for y in tail.f]) for tail in line.tails()):
                near = mpf(0)
            if near > size / 20:
                yield f"f stays away from {text} = {_show(goal)}: the nearest value differs by {_show(near)}"
            elif closed and (abs(best - goal) > size * mpf(10) ** -20 or not turns(study, line, text, place, sign)):
                yield f"{text} is not seen to be attained: the nearest value differs by {_show(abs(best - goal))}"


def turns(study: Study, line: Line, text: str, place: Number, sign: int) -> bool:
    """Whether f is a fraction equal to the end of its range at some place, or turns there, worse on both sides."""
    best = line.try_f(place)
    near = [x for x, y in zip(line.x, line.y, strict=True) if best is not None and abs(y - best) <= mpf(10) ** -30]
    near.sort(key=lambda x: abs(x - place))
    for x in near[:3] + near[3 :: max(1, len(near) // 8)]:
        if Breach(line, (x,), lambda: mpf(0), "", partial(_meets, study, line, text, x)).is_null():
            return True
    apart = min([mpf(1), *(abs(v) for v in line.names.values() if v)]) * mpf(10) ** -9
    before = max((x for x in line.x if x < place - apart), default=None)
    after = min((x for x in line.x if x > place + apart), default=None)
    if before is None or after is None:
        return False
    with mp.workdps(150):
        try:
            a, b, c = (sign * line.f(x) for x in (before, place, after))
        except UndefinedError:
            return False
        return bool(b < a and b < c)


# The whole ---------------------------------------------------------------------------------------


def _show(x: Number) -> str:
    return str(mp.nstr(x, 17)).removesuffix(".0")


def _place(study: Study, names: Mapping[str, Number], points: Sequence[Number] = ()) -> dict[str, str]:
    out = {n: _show(v) for n, v in names.items()}
    if points:
        out[study.variable] = ", ".join(_show(x) for x in points)
    return out


def judge(study: Study, claim: Claim) -> Iterator[Contradiction]:
    """Hold one claim against the samples."""
    name = claim.name
    for s in study.settings:
        expected: bool | None = {"proved": True, "refuted": False}.get(claim.verdict)
        if claim.verdict == "conditional":
            expected = study.holds(str(claim.condition), s.names)
        if expected is None:
            continue
        if not expected:
            if name in UNSEEN or evident(study, s, claim) or evident(study, looked_again(study, s), claim):
                continue
            message = "nothing was found that contradicts the property"
            yield Contradiction(name, "unconfirmed", message, _place(study, s.names))
            continue
        for breach in BREACHES[name](study, s, claim):
            if breach.confirmed():
                yield Contradiction(name, "contradicted", breach.what, _place(study, breach.line.names, breach.points))
                break
        else:
            for message in unreached(study, s, claim):
                yield Contradiction(name, "unreached", message, _place(study, s.names))
                break
            if name == "differentiable" and str(claim.value).isdigit() and int(str(claim.value)) < 6:
                order = int(str(claim.value)) + 1
                seen = [r for line in s.lines[:6] for _, r in roughness(study, line, order)]
                if not any(seen) and None not in seen:
                    message = f"no jump of derivative {order} was found"
                    yield Contradiction(name, "unreached", message, _place(study, s.names))


MOST = 3  # contradictions reported of one claim


def falsify(
    statement: Mapping[str, Any], claims: Mapping[str, Any], points: int = 10_000, seed: int = 0
) -> list[Contradiction]:
    """Hold claims about a loss against samples of its formula.

    `statement` has the keys formula, definitions, variable, base, domain, inputs and parameters (see
    `derive.checker.statement`); `claims` maps a property to its verdict, value, bound, condition and witness, as the
    `properties` of generated/facts do. At least `points` places are sampled, which all claims share. At most three
    contradictions of a claim are returned; of true claims, none.
    """
    found: list[Contradiction] = []
    live = {n: c for n, c in claims.items() if c.get("verdict") in ("proved", "refuted", "conditional")}
    with mp.workdps(DIGITS):
        try:
            study = Study(statement, live, points, seed)
        except UnreadableError as error:
            return [Contradiction("formula", "unreadable", str(error))]
        for name, c in live.items():
            if name not in BREACHES:
                found.append(Contradiction(name, "unreadable", f"the falsifier knows no property {name}"))
                continue
            claim = Claim(name, c["verdict"], c.get("value"), c.get("bound"), c.get("condition"))
            kept: list[Contradiction] = []
            try:
                for contradiction in judge(study, claim):
                    kept.append(contradiction)
                    if len(kept) == MOST:
                        break
            except UnreadableError as error:
                kept.append(Contradiction(name, "unreadable", str(error)))
            found += kept
    return found


def statement_of(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """The statement of a file of generated/facts; None for losses of vectors or of several predictions."""
    predictions = [n for n, a in facts["arguments"].items() if a["role"] == "prediction"]
    if facts.get("size") is not None or len(predictions) != 1:
        return None
    base = {"residual": "r", "margin": "m"}.get(facts["base"])
    targets = {n: a["domain"] for n, a in facts["arguments"].items() if a["role"] == "target"}
    return {
        "formula": facts["formula"]["text"],
        "definitions": {} if base else dict(facts["definitions"]),
        "variable": base or predictions[0],
        "base": facts["base"],
        "domain": "(-oo, oo)" if base else facts["arguments"][predictions[0]]["domain"],
        "inputs": {} if base else targets,
        "parameters": {n: p["domain"] for n, p in facts["parameters"].items()},
    }


def _falsify_file(path: Path, points: int, seed: int) -> tuple[str, list[Contradiction]]:
    facts = json.loads(path.read_text(encoding="utf-8"))
    statement = statement_of(facts) if "properties" in facts else None
    return path.stem, [] if statement is None else falsify(statement, facts["properties"], points, seed)


def falsify_facts(folder: Path, points: int = 10_000, seed: int = 0, jobs: int = 2) -> dict[str, list[Contradiction]]:
    """`falsify` for every loss of a folder such as generated/facts, in `jobs` processes: loss -> contradictions."""
    paths = sorted(p for p in Path(folder).glob("*.json") if p.name != "index.json")
    if jobs < 2:
        return dict(_falsify_file(p, points, seed) for p in paths)
    with ProcessPoolExecutor(jobs) as pool:
        return dict(pool.map(partial(_falsify_file, points=points, seed=seed), paths))
