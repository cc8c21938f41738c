"""What values takes a formula, with its derivatives, on a box? Enclosures by ball arithmetic (Arb, in python-flint).

A box gives every variable an interval. The formula is read in power series around the prediction whose coefficients are
balls, so that the k-th coefficient encloses f^(k)/k! on all of the box (interval Taylor arithmetic: Moore, Kearfott,
Cloud, Introduction to Interval Analysis, chapter 9). Where a sign is wanted, boxes are halved until every one tells.

The checker and the prover both stand on this module; it knows neither SymPy nor them.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Sequence
from fractions import Fraction
from math import factorial
from typing import Any

from flint import arb, arb_series, fmpq

from .reading import COMPARISONS, Reader, Unproved
from .tower import Budget, Sign

ORDER = 6  # derivatives up to the fifth
BOXES = 3000  # looked at for one sign
_COST = 300  # of one box, in terms made


class Series(Reader):
    """Power series in the prediction with balls as coefficients.

    Comparisons are not decided here: their `outcomes` on a cell are those that the exact arithmetic found there, in the
    order of reading. Without outcomes they are decided by the balls.
    """

    def __init__(self, outcomes: Sequence[bool] | None = None) -> None:
        self.outcomes = None if outcomes is None else list(outcomes)

    def number(self, value: Any) -> Any:
        return _number(value)

    @staticmethod
    def constant(ball: Any) -> Any:
        return arb_series([ball], prec=ORDER)

    def pi(self) -> Any:
        return self.constant(arb.pi())

    def sign(self, e: Any) -> Sign:
        return 2 if e[0] > 0 else -2 if e[0] < 0 else None

    def compared(self, e: Any, op: type, test: ast.expr) -> bool:
        if self.outcomes is not None:
            return self.outcomes.pop(0)
        s = self.sign(e)
        if s is None:
            raise Unproved("a comparison that the balls do not decide")
        return s in COMPARISONS[op][0]

    def exponent_met(self) -> None:
        """Of no consequence: here a formula is read on the inside of a cell, or where nothing is met by chance."""

    def power(self, base: Any, q: Any) -> Any:
        n = q[0].unique_fmpz() if q.length() <= 1 and q[0].is_exact() else None
        if n is not None and abs(n) <= 64:
            out = self.number(1)
            for _ in range(abs(int(n))):
                out = out * base
            if n < 0 and self.sign(base) is None:
                raise Unproved("a negative power of what may vanish")
            return out if n >= 0 else self.number(1) / out
        if not base[0] > 0:
            raise Unproved("a power of what may not be positive")
        return base.sqrt() if q.length() == 1 and q[0] == arb("0.5") else (base.log() * q).exp()

    def exp(self, u: Any) -> Any:
        return u.exp()

    def log(self, a: Any) -> Any:
        if not a[0] > 0:
            raise Unproved("log of what may not be positive")
        return a.log()

    def atan(self, u: Any) -> Any:
        return u.atan()

    def tan(self, u: Any) -> Any:
        if not abs(u[0]) < arb.pi() / 2:
            raise Unproved("tan beyond pi/2")
        return u.tan()

    def ndtr(self, u: Any) -> Any:
        return (u * -arb(2).rsqrt()).erfc() / 2

    def sine(self, u: Any, quarters: int) -> Any:
        v = u.cos() if quarters % 2 else u.sin()
        return -v if quarters % 4 >= 2 else v


@functools.lru_cache(4096)
def _number(value: Any) -> Any:
    q = Fraction(value)
    return Series.constant(arb(fmpq(q.numerator, q.denominator)))


class Box:
    """A formula on a box, with the interface of a `Cell`: derivatives by the prediction, and other texts, as balls.

    `places` are the names of the variables with the texts of their ends, the prediction last; `sides` the part of each
    interval, as a ball within [0, 1].
    """

    def __init__(
        self,
        loss: dict[str, Any],
        places: Sequence[tuple[str, str, str]],
        sides: Sequence[Any],
        outcomes: Sequence[bool] | None,
    ) -> None:
        plain = Series()
        self.names: dict[str, Any] = {}
        for (name, low, high), side in zip(places, sides, strict=True):
            a = plain.read(low, self.names)
            x = a if low == high else a + (plain.read(high, self.names) - a) * side
            self.names[name] = arb_series([x[0], 1], prec=ORDER) if name == loss["variable"] else x
        self.tower = Series(outcomes)
        names = dict(self.names)
        for name, text in loss["definitions"].items():
            names[name] = self.tower.read(text, names)
        self.series = self.tower.read(loss["formula"], names)
        if self.tower.outcomes:
            raise Unproved("outcomes of comparisons that were not met")
        self.tower.outcomes = None

    def derivative(self, k: int) -> Any:
        if k >= ORDER:
            raise Unproved("a derivative too high for balls")
        return Series.constant(self.series[k] * factorial(k))


def sign(
    loss: dict[str, Any],
    places: Sequence[tuple[str, str, str]],
    outcomes: Sequence[bool] | None,
    make: Callable[[Any], Any],
) -> Sign:
    """The sign of what is made of a box, the same on all parts of the box; Unproved where the balls do not tell."""
    if any("oo" in (low.lstrip("-"), high) for _, low, high in places):
        raise Unproved("balls cannot reach infinity")
    free = [i for i, (_, low, high) in enumerate(places) if low != high]
    waiting: list[tuple[int, list[tuple[Fraction, Fraction]]]] = [(0, [(Fraction(0), Fraction(1))] * len(places))]
    found: set[int] = set()
    for corner in {_LOW, _HIGH} if free else ():  # where most that fail do so
        if _sign(make, loss, places, [_ball(*corner)] * len(places), outcomes) is None:
            raise Unproved("the balls do not tell the sign at an end")
    for _ in range(BOXES):
        if not waiting:
            return found.pop()
        depth, sides = waiting.pop()
        Budget.spend(_COST)
        s = _sign(make, loss, places, [_ball(a, b) for a, b in sides], outcomes)
        if s is not None:
            found.add(s)
            if len(found) > 1:
                raise Unproved("the balls show both signs")
            continue
        if not free or depth > 24 * len(free):
            raise Unproved("the balls do not tell the sign")
        i = free[depth % len(free)]
        a, b = sides[i]
        half = (a + b) / 2
        waiting += [(depth + 1, [*sides[:i], part, *sides[i + 1 :]]) for part in ((half, b), (a, half))]
    raise Unproved("too many boxes")


_LOW, _HIGH = (Fraction(0), Fraction(1, 2**30)), (1 - Fraction(1, 2**30), Fraction(1))


def _sign(make: Callable[[Any], Any], loss: Any, places: Any, sides: list[Any], outcomes: Any) -> Sign:
    try:
        value = make(Box(loss, places, sides, outcomes))[0]
    except (Unproved, ZeroDivisionError):
        return None
    return 2 if value > 0 else -2 if value < 0 else None


def _ball(a: Fraction, b: Fraction) -> Any:
    """A ball that contains [a, b], for dyadic numbers of few digits the interval itself."""
    middle, radius = (a + b) / 2, (b - a) / 2
    return arb(fmpq(middle.numerator, middle.denominator), fmpq(radius.numerator, radius.denominator))
