"""Which SymPy expression does the tree of a formula mean?

`build` makes ordinary evaluated SymPy, one node after the other, with two
cares. Sums and products are handed over whole, with their signs, so that
`r**2/(2*(c**2 + r**2))` keeps the shape its author gave it. And before SymPy
computes with numbers their size is known: a constant must fit a float64, a
numeric exponent stays within 1000, so that no text can make SymPy work for
long.
"""

from __future__ import annotations

import functools
import math
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import sympy as sp
from sympy import Add, Expr, Mul, Piecewise, Pow, Rational, S, bottom_up
from sympy.core.function import Application
from sympy.core.relational import Relational
from sympy.logic.boolalg import And, Boolean, Not, Or

from .atoms import ATOMS, FUNCTIONS
from .grammar import MAX_DECIMAL_EXPONENT, MAX_DIGITS, Node, TextError, nearest

MAX_EXPONENT = 1000
MAX_BITS = 4096  # of a number that SymPy is about to compute
MAX_TERMS = 300  # of a product or power that is multiplied out
MAX_CHOICES = 24  # arguments of one min or max, branches of one if
CONSTANTS: dict[str, Expr] = {"pi": S.Pi, "e": S.Exp1}
MEANT = {"ln": "log", "fabs": "abs", "arctan": "atan", "logistic": "sigmoid", "expit": "sigmoid", "pow": "**"}

_KNOWN = {*FUNCTIONS.values(), Piecewise}
_COMPARE: dict[str, Any] = {"<": sp.Lt, "<=": sp.Le, ">": sp.Gt, ">=": sp.Ge, "==": sp.Eq, "!=": sp.Ne}


def arity(name: str) -> tuple[int, int]:
    """The least and the greatest number of arguments of a function."""
    if name in ("min", "max"):
        return 2, MAX_CHOICES
    count = len(ATOMS[name].derivatives) if name in ATOMS else 1
    return count, count


class _Refusal(Exception):
    """Why a number or a result cannot be used; becomes a TextError with a place."""


def build(tree: Node, source: str, symbols: Mapping[str, Expr]) -> Expr:
    """The expression that `tree` means, its names looked up in `symbols`."""
    builder = _Builder(source, symbols)
    result = builder.build(tree)
    if not isinstance(result, Expr):
        raise TextError("expected a number, got a condition; write A if C else B", source, tree.start, tree.end)
    return result


class _Builder:
    def __init__(self, source: str, symbols: Mapping[str, Expr]) -> None:
        self.source = source
        self.symbols = symbols
        self.values: dict[int, Any] = {}
        self.factors: dict[int, list[Expr]] = {}
        self.sound: set[Any] = set()

    def build(self, tree: Node) -> Any:
        for node in tree.walk():
            try:
                value = self.value(node)
                self.check(value)
            except TextError:
                raise
            except _Refusal as refusal:
                raise self.error(str(refusal), node) from None
            except (RecursionError, OverflowError, MemoryError):
                raise self.error("SymPy cannot work this out; write it in a simpler form", node) from None
            except Exception as error:  # whatever SymPy meets, the author is told the place
                raise self.error(f"SymPy refuses this: {type(error).__name__}: {error}", node) from error
            self.values[id(node)] = value
        return self.values[id(tree)]

    def error(self, problem: str, node: Node) -> TextError:
        return TextError(problem, self.source, node.start, node.end)

    def value(self, node: Node) -> Any:
        match node.kind:
            case "number":
                number = Fraction(node.words[0])
                return Rational(number.numerator, number.denominator)
            case "name":
                return self.name(node)
            case "call":
                return self.call(node)
            case "negative" | "product":
                return _powers_of_fractions(Mul(*self.product(node)))
            case "sum":
                terms = [self.number(child) for child in node.children]
                signed = (-t if sign == "-" else t for sign, t in zip(node.words, terms, strict=True))
                return _powers_of_fractions(Add(*signed))
            case "power":
                base, exponent = (self.number(child) for child in node.children)
                return power(base, exponent)
            case "compare":
                sides = [self.number(child) for child in node.children]
                for a, b in pairwise(sides):
                    if not (a.free_symbols or b.free_symbols):  # SymPy may not come back from comparing them
                        raise self.error("this compares two constants, so it decides nothing; write a variable", node)
                for side, child in zip(sides, node.children, strict=True):
                    if side.has(Piecewise):  # SymPy multiplies the cases out, and their number explodes
                        raise self.error("a comparison cannot contain an if; join conditions with and, or", child)
                return And(*(_COMPARE[s](a, b) for s, a, b in zip(node.words[1:], sides, sides[1:], strict=False)))
            case "and" | "or":
                return (And if node.kind == "and" else Or)(*(self.condition(child) for child in node.children))
            case "not":
                return Not(self.condition(node.children[0]))
            case "if":
                return self.choice(node)

    def number(self, node: Node) -> Expr:
        value = self.values[id(node)]
        if not isinstance(value, Expr):
            raise self.error("expected a number, got a condition; write A if C else B", node)
        return value

    def condition(self, node: Node) -> Boolean:
        value: Boolean | Expr = self.values[id(node)]
        if isinstance(value, Expr):
            raise self.error("expected a condition such as r > 0, got a number", node)
        return value

    def name(self, node: Node) -> Expr:
        (name,) = node.words
        if (value := self.symbols.get(name, CONSTANTS.get(name))) is not None:
            return value
        if name in FUNCTIONS:
            arguments = "x, y" if arity(name)[0] == 2 else "x"
            raise self.error(f"{name} is a function; write {name}({arguments})", node)
        known = ", ".join(sorted(self.symbols)) or "none"
        hint = nearest(name, {*self.symbols, *CONSTANTS})
        raise self.error(f"unknown name {name!r}{hint} (known names: {known}){_letters(name)}", node)

    def call(self, node: Node) -> Expr:
        (name,) = node.words
        if name not in FUNCTIONS:
            known = name in self.symbols or name in CONSTANTS
            if known:
                raise self.error(f"{name} is not a function; write {name}*(…) for a product", node)
            hint = f"; did you mean {MEANT[name]!r}?" if name in MEANT else nearest(name, FUNCTIONS)
            place = (node.start, node.start + len(name))
            raise TextError(f"unknown function {name!r}{hint}{_letters(name)}", self.source, *place)
        (low, high), count = arity(name), len(node.children)
        if not low <= count <= high:
            wanted = f"{low} to {high} arguments" if low < high else f"{low} argument{'s' * (low > 1)}"
            raise self.error(f"{name} takes {wanted}, got {count}", node)
        arguments = [self.number(child) for child in node.children]
        _check_powers(name, arguments)
        if not any(a.free_symbols for a in arguments):
            _float_call(name, [approximate(a) for a in arguments])
        result: Expr = FUNCTIONS[name](*arguments)
        return _settled(result) if name in ("abs", "sqrt") else result

    def product(self, node: Node) -> list[Expr]:
        """The factors of a product, those of its own products included."""
        if node.kind not in ("product", "negative"):
            return [self.number(node)]
        if id(node) not in self.factors:
            if node.kind == "negative":
                factors = [S.NegativeOne, *self.product(node.children[0])]
            else:
                factors = []
                for sign, child in zip(node.words, node.children, strict=True):
                    mine = self.product(child)
                    if sign == "/" and (S.Zero in mine or self.number(child).is_zero):
                        raise self.error("division by zero", child)
                    factors += [power(f, S.NegativeOne) for f in mine] if sign == "/" else mine
            self.factors[id(node)] = factors
        return self.factors[id(node)]

    def choice(self, node: Node) -> Expr:
        values, conditions = node.children[::2], [self.condition(c) for c in node.children[1::2]]
        if len(conditions) >= MAX_CHOICES:
            raise self.error(f"one if has fewer than {MAX_CHOICES} branches, got {len(conditions) + 1}", node)
        branches = [self.number(v) for v in values]
        return _settled(Piecewise(*zip(branches, [*conditions, S.true], strict=True)))

    def check(self, value: Any) -> None:
        """Refuse what is not a real number, or too large; each part is looked at once."""
        stack = [value]
        while stack:
            part = stack.pop()
            if part in self.sound:
                continue
            self.sound.add(part)
            stack.extend(part.args)
            if part in (S.ImaginaryUnit, S.ComplexInfinity, S.NaN, S.Infinity, S.NegativeInfinity):
                what = "not real" if part is S.ImaginaryUnit else "not finite"
                raise _Refusal(f"the result is {what}: {value}; a loss is a real number wherever it is defined")
            if _terms(part) > MAX_TERMS:
                raise _Refusal(f"multiplied out, this has more than {MAX_TERMS} terms; write it in a simpler form")
            if isinstance(part, Rational):
                _check_digits(part)
            elif isinstance(part, Pow):
                _check_exponent(part.exp)
            elif isinstance(part, Application) and not isinstance(part, Boolean) and part.func not in _KNOWN:
                raise _Refusal(f"SymPy needs {part.func.__name__} for this, which formulas do not have")
            if isinstance(part, Expr) and not part.free_symbols:
                approximate(part)


def power(base: Expr, exponent: Expr) -> Expr:
    """base**exponent, refused before it is computed when a number would be huge."""
    _check_exponent(exponent)
    if isinstance(exponent, Rational):
        for factor in Mul.make_args(base):
            inner, outer = factor.as_base_exp()
            if isinstance(inner, Rational) and isinstance(outer, Rational):
                bits = max(abs(inner.p).bit_length(), inner.q.bit_length())
                if inner not in (S.One, S.NegativeOne) and (bits - 1) * abs(outer * exponent) > MAX_BITS:
                    raise _Refusal(f"this power has more than {MAX_BITS} bits")
            _check_exponent(outer * exponent)
        if _terms(base, abs(exponent)) > MAX_TERMS:
            raise _Refusal(f"multiplied out, this power has more than {MAX_TERMS} terms")
    if base.is_zero and exponent.is_negative:
        raise _Refusal("division by zero")
    if not base.free_symbols and not exponent.free_symbols:
        _float_power(approximate(base), approximate(exponent))
    return base**exponent if exponent.is_Integer else _settled(base**exponent)


def _terms(expression: Any, exponent: Rational = S.One) -> int:
    """How many terms SymPy meets when it multiplies a power out, which Max and Abs make it try."""
    if isinstance(expression, Add):
        count = sum(_terms(a) for a in expression.args)
    elif isinstance(expression, Mul):
        count = math.prod(_terms(a) for a in expression.args)
    elif isinstance(expression, Pow) and isinstance(expression.exp, Rational):
        count = _terms(expression.base, abs(expression.exp))
    else:
        return 1
    power = min(int(exponent), MAX_EXPONENT)
    return count if power <= 1 or count == 1 else min(math.comb(power + min(count, 64) - 1, power), 10**9)


def _settled(expression: Expr) -> Expr:
    """Abs, roots and Piecewise leave parts such as -(a - b), which SymPy writes otherwise once they are rebuilt."""
    result: Expr = bottom_up(expression, lambda e: e.func(*e.args) if e.args else e)
    return result


def _powers_of_fractions(expression: Expr) -> Expr:
    """A product with (1/2)**a is one with 2**(-a) to SymPy, unless it comes from -(1 + (1/2)**a): one form for both."""
    factors = [(term, Mul.make_args(term)) for term in Add.make_args(expression)]
    if any(isinstance(f, Pow) and isinstance(f.base, Rational) and f.base.p == 1 for _, fs in factors for f in fs):
        return Add(*(Mul(*fs) if len(fs) > 1 else term for term, fs in factors))
    return expression


def _check_exponent(exponent: Expr) -> None:
    for number in exponent.atoms(Rational):
        if abs(number) > MAX_EXPONENT:
            raise _Refusal(f"a number in an exponent is at most {MAX_EXPONENT}")


def _check_powers(name: str, arguments: Sequence[Expr]) -> None:
    """The powers inside an atom have exponents like those of the text."""
    if name in ATOMS:
        variables, exponents = _exponents(name)
        for exponent in exponents:
            _check_exponent(exponent.xreplace(dict(zip(variables, arguments, strict=True))))


@functools.cache
def _exponents(name: str) -> tuple[tuple[Expr, ...], frozenset[Expr]]:
    """Variables for the arguments of an atom, and what stands in exponents of its definition, in them."""
    variables = tuple(sp.Dummy(real=True) for _ in range(arity(name)[0]))
    powers = ATOMS[name].definition(*variables).atoms(Pow)
    return variables, frozenset(p.exp for p in powers if p.exp.free_symbols)


def _check_digits(number: Rational) -> None:
    """Every number of a formula can be written down again: 40 digits and an exponent."""
    for integer in (abs(number.p), number.q):
        digits = str(integer) if integer.bit_length() <= MAX_BITS else "9" * MAX_BITS
        mantissa = digits.rstrip("0")
        if len(mantissa) > MAX_DIGITS or len(digits) - len(mantissa) > MAX_DECIMAL_EXPONENT:
            raise _Refusal(f"a number of the result has more than {MAX_DIGITS} digits")


def _letters(name: str) -> str:
    """Name the letters of other alphabets: they may look like ours."""
    foreign = [unicodedata.name(c, f"U+{ord(c):04X}") for c in name if not c.isascii()]
    return f"; it contains {', '.join(foreign[:3])}" if foreign else ""


_FLOATS: dict[str, Callable[..., float]] = {
    "exp": math.exp, "log": math.log, "Abs": abs, "sign": lambda x: float((x > 0) - (x < 0)), "Min": min, "Max": max,
    "sin": math.sin, "cos": math.cos, "atan": math.atan, "sinh": math.sinh, "cosh": math.cosh, "erf": math.erf,
    "log1p": math.log1p, "expm1": math.expm1, "tanh": math.tanh, "hypot": math.hypot, "arctan": math.atan,
    "fmod": math.fmod, "nearest": lambda x: float(round(x)),
}  # fmt: skip
_SYMPY_NAME = {"abs": "Abs", "min": "Min", "max": "Max"}


def _float_call(name: str, arguments: list[float]) -> float:
    shown = f"{name}({', '.join(f'{a:.6g}' for a in arguments)})"
    try:
        if name == "sqrt":
            return math.sqrt(*arguments)
        if (known := _FLOATS.get(_SYMPY_NAME.get(name, name))) is not None:
            return known(*arguments)
        stable = ATOMS[name].stable
        assert stable is not None
        exact = [Rational(*a.as_integer_ratio()) for a in arguments]
        _check_powers(name, exact)
        return approximate(stable(*exact))
    except OverflowError:
        raise _Refusal(f"{shown} is too large for a float64") from None
    except ValueError:
        raise _Refusal(f"{shown} is not a real number") from None


def _float_power(base: float, exponent: float) -> float:
    try:
        value: Any = base**exponent
    except OverflowError:
        raise _Refusal(f"{base:.6g}**{exponent:.6g} is too large for a float64") from None
    except ZeroDivisionError:
        raise _Refusal("division by zero") from None
    if isinstance(value, complex):
        raise _Refusal(f"({base:.6g})**({exponent:.6g}) is not a real number")
    if value == 0 != base:
        raise _Refusal(f"{base:.6g}**{exponent:.6g} is too small for a float64")
    return float(value)


def approximate(expression: Expr) -> float:
    """A constant as a float, by our own means: SymPy's `evalf` may not come back.

    Raises _Refusal where the constant is not real or does not fit a float64.
    """
    match expression:
        case Rational():
            if max(abs(expression.p).bit_length(), expression.q.bit_length()) > MAX_BITS:
                raise _Refusal(f"a number has more than {MAX_BITS} bits")
            try:
                return float(Fraction(expression.p, expression.q))
            except OverflowError:
                raise _Refusal("a number is too large for a float64") from None
        case sp.NumberSymbol():
            return float(expression)
        case Add() | Mul():
            values = [approximate(a) for a in expression.args]
            total = math.fsum(values) if isinstance(expression, Add) else math.prod(values)
            if not math.isfinite(total):
                raise _Refusal("a constant is too large for a float64")
            return total
        case Pow():
            return _float_power(approximate(expression.base), approximate(expression.exp))
        case Piecewise():
            return next((approximate(e) for e, c in expression.args if _holds(c)), 0.0)
        case Application():
            return _float_call(expression.func.__name__, [approximate(a) for a in expression.args])
    raise _Refusal(f"the constant {expression} is not a finite real number")


def _holds(condition: Any) -> bool:
    match condition:
        case Relational():
            left, right = approximate(condition.lhs), approximate(condition.rhs)
            return bool(condition.func(Rational(*left.as_integer_ratio()), Rational(*right.as_integer_ratio())))
        case And():
            return all(_holds(a) for a in condition.args)
        case Or():
            return any(_holds(a) for a in condition.args)
        case Not():
            return not _holds(condition.args[0])
    return bool(condition)
