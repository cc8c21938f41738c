"""Where may a variable live?

A domain is a value: an interval with open or closed ends, a finite set, the
integers from a bound on, or, for vector losses with a symbolic number of
classes K, a box, the probability simplex, one-hot rows or class labels.
Each domain has one text form, which `parse_domain` reads back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from sympy import Expr, Rational, S, Symbol, oo


class DomainError(ValueError):
    """A domain could not be read, or cannot be what was asked of it."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A real interval; `oo` marks a missing end, which is always open."""

    low: Expr
    high: Expr
    low_open: bool = True
    high_open: bool = True

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise DomainError(f"the interval {self.text} is empty: its low end must be below its high end")

    @property
    def text(self) -> str:
        return f"{'(' if self.low_open else '['}{self.low}, {self.high}{')' if self.high_open else ']'}"


@dataclass(frozen=True, slots=True)
class FiniteSet:
    """A finite set of rational numbers, in increasing order."""

    values: tuple[Expr, ...]

    @property
    def text(self) -> str:
        return "{" + ", ".join(str(v) for v in self.values) + "}"


@dataclass(frozen=True, slots=True)
class Integers:
    """The integers from `low` on (all of them when `low` is `-oo`)."""

    low: Expr

    @property
    def text(self) -> str:
        return f"integers {'(' if self.low == -oo else '['}{self.low}, oo)"


@dataclass(frozen=True, slots=True)
class Box:
    """Vectors of length `size` whose entries all lie in one interval."""

    entries: Interval
    size: Symbol

    @property
    def text(self) -> str:
        return f"{self.entries.text}^{self.size}"


@dataclass(frozen=True, slots=True)
class Simplex:
    """Probability vectors of length `size`: entries in [0, 1] that sum to 1."""

    size: Symbol

    @property
    def text(self) -> str:
        return f"simplex({self.size})"


@dataclass(frozen=True, slots=True)
class OneHot:
    """A class out of `size`: a one-hot vector, or its index 0 … size-1."""

    size: Symbol

    @property
    def text(self) -> str:
        return f"one_hot({self.size})"


Domain = Interval | FiniteSet | Integers | Box | Simplex | OneHot
VectorDomain = Box | Simplex | OneHot

REALS = Interval(-oo, oo)

_NUMBER = r"[+-]?(?:\d{1,40}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,3})?(?:/\d{1,40})?|oo|inf)"
_INTERVAL = re.compile(rf"\s*([(\[])\s*({_NUMBER})\s*,\s*({_NUMBER})\s*([)\]])\s*")
_SET = re.compile(rf"\s*\{{\s*({_NUMBER}(?:\s*,\s*{_NUMBER})*)\s*\}}\s*")
_VECTOR = re.compile(r"\s*(simplex|one_hot)\s*\(\s*([A-Za-z]\w{0,30})\s*\)\s*")
_EXAMPLES = '"(0, oo)", "[0, 1]", "{-1, 1}", "integers [0, oo)", "(-oo, oo)^K", "simplex(K)", "one_hot(K)"'


def parse_number(text: str) -> Expr:
    """An exact number from text such as `3`, `-1/2`, `0.25`, `1e-3`, `oo`."""
    body = text.strip()
    sign = -1 if body.startswith("-") else 1
    if body.lstrip("+-") in ("oo", "inf"):
        return oo if sign > 0 else -oo
    numerator, _, denominator = body.partition("/")
    try:
        value = Fraction(numerator) / (Fraction(denominator) if denominator else 1)
    except (ValueError, ZeroDivisionError):
        raise DomainError(f"expected a number such as 3, -1/2, 0.25 or oo, got {text!r}") from None
    return Rational(value.numerator, value.denominator)


def size_symbol(name: str = "K") -> Symbol:
    """The symbolic length of a vector: a positive integer."""
    return Symbol(name, integer=True, positive=True)


def parse_domain(text: str) -> Domain:
    """Read a domain from its text form.

    Raises DomainError, naming the accepted forms, when the text is none of them.
    """
    body = text.strip()
    if len(body) > 200:
        raise DomainError(f"a domain is at most 200 characters long, got {len(body)}")
    if body in ("real", "reals"):
        return REALS
    if match := _VECTOR.fullmatch(body):
        size = size_symbol(match[2])
        return Simplex(size) if match[1] == "simplex" else OneHot(size)
    if match := _SET.fullmatch(body):
        values = sorted({parse_number(part) for part in match[1].split(",")}, key=lambda v: Rational(v))
        if oo in values or -oo in values:
            raise DomainError(f"a finite set holds finite numbers, got {text!r}")
        return FiniteSet(tuple(values))
    head, caret, size_name = body.partition("^")
    if caret:
        entries = parse_domain(head)
        if not isinstance(entries, Interval) or not size_name.strip().isidentifier():
            raise DomainError(f"expected an interval and a length such as (-oo, oo)^K, got {text!r}")
        return Box(entries, size_symbol(size_name.strip()))
    integers = body.startswith("integers")
    if match := _INTERVAL.fullmatch(body.removeprefix("integers")):
        low, high = parse_number(match[2]), parse_number(match[3])
        if integers:
            if high != oo or not (low == -oo or low.is_Integer):
                raise DomainError(f"expected integers from a bound on, such as integers [0, oo), got {text!r}")
            return Integers(low)
        return Interval(low, high, match[1] == "(" or low == -oo, match[4] == ")" or high == oo)
    raise DomainError(f"expected a domain such as {_EXAMPLES}, got {text!r}")


def scalar_symbol(name: str, domain: Domain) -> Symbol:
    """A symbol that carries the domain as SymPy assumptions."""
    assumptions: dict[str, bool] = {"real": True}
    low: Expr
    if isinstance(domain, Interval):
        low, high, open_ = domain.low, domain.high, domain.low_open
        if low > 0 or (low == 0 and open_):
            assumptions["positive"] = True
        elif low == 0:
            assumptions["nonnegative"] = True
        elif high < 0 or (high == 0 and domain.high_open):
            assumptions["negative"] = True
        elif high == 0:
            assumptions["nonpositive"] = True
    elif isinstance(domain, FiniteSet):
        if all(v.is_Integer for v in domain.values):
            assumptions["integer"] = True
        if all(v > 0 for v in domain.values):
            assumptions["positive"] = True
        elif all(v >= 0 for v in domain.values):
            assumptions["nonnegative"] = True
        elif S.Zero not in domain.values:
            assumptions["nonzero"] = True
    elif isinstance(domain, Integers):
        assumptions["integer"] = True
        if domain.low > 0:
            assumptions["positive"] = True
        elif domain.low == 0:
            assumptions["nonnegative"] = True
    return Symbol(name, **assumptions)


def contains(domain: Domain, value: Expr) -> bool:
    """Whether an exact number lies in a scalar domain."""
    match domain:
        case Interval(low, high, low_open, high_open):
            above = value > low if low_open else value >= low
            below = value < high if high_open else value <= high
            return bool(above) and bool(below)
        case FiniteSet(values):
            return value in values
        case Integers(low):
            return bool(value.is_Integer) and bool(value >= low)
    raise DomainError(f"{domain.text} is a domain of vectors")
