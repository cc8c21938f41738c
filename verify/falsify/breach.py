"""When is a violation of a claim believed?

Only if it has the same size at 80 and at 160 digits, also if every rounding is made worse at random: 160 digits lose
the exponential in log(1 - exp(-1000)) as 80 digits do, but then what is left is no longer 0. That two numbers are equal
is believed of fractions, or at 1000 digits if nothing on the way is so small that it could be lost in a sum:
exp(-620000) is not 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from mpmath import mp, mpf

from .functions import Number, UndefinedError
from .lines import Line
from .reading import InexactError
from .study import Study

CONFIRM = (80, 160)  # digits at which a violation must have the same size
EQUAL_DIGITS = 1000  # at which what is not a fraction is compared for equality
SLACK = mpf(10) ** -20  # relative, of every bound


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
        try:
            for digits in CONFIRM:
                with mp.workdps(digits):
                    found.append(self.margin())
            if not min(found) > 0 or not _same(found):
                return False
            with mp.workdps(CONFIRM[-1]), self.line.study.shaking():
                found.append(self.margin())
        except UndefinedError:
            return False
        return _same(found)

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
                size = max([abs(self.line.wary(x)) for x in self.points], default=mpf(1)) + 1
                value = partial(_read, self.line)
                return bool(abs(self.null(self.line.wary, value)) <= size * mpf(10) ** (60 - EQUAL_DIGITS))
            except UndefinedError:
                return False


def _same(found: Sequence[Number]) -> bool:
    return bool(max(found) - min(found) <= max(found) * mpf(10) ** -6)


def _read(line: Line, text: str) -> Number:
    return line.study.value(text, line.names, wary=True)


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


def any_confirmed(breaches: Breaches) -> bool:
    return any(b.confirmed() for b in breaches)


def shown(x: Number) -> str:
    return str(mp.nstr(x, 17)).removesuffix(".0")
