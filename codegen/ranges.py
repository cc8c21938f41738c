"""Between which numbers does a value lie?

A range has two ends, which may be infinite, and the smallest magnitude of the values in it, so that a target in
{-1, 1} is known to have magnitude 1. Ranges decide how much an operation amplifies errors; the last digit of an end
does not matter there, so ends are rounded to nearest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

INF = math.inf


@dataclass(frozen=True, slots=True)
class Range:
    """Values from `low` to `high`, none of a magnitude less than `least`."""

    low: float = -INF
    high: float = INF
    least: float = 0.0

    @property
    def most(self) -> float:
        """The largest magnitude."""
        return max(abs(self.low), abs(self.high))

    @property
    def sign(self) -> int:
        """1 where no value is negative, -1 where none is positive, else 0."""
        return 1 if self.low >= 0 else -1 if self.high <= 0 else 0


EVERYTHING = Range()


def between(low: float, high: float, least: float = 0.0) -> Range:
    """A range from its ends in order; what is not a number is not known."""
    if math.isnan(low) or math.isnan(high):
        return EVERYTHING
    away = max(low, -high, 0.0)
    return Range(low, high, max(away, least if least == least else 0.0))


def hull(a: Range, b: Range) -> Range:
    return Range(min(a.low, b.low), max(a.high, b.high), min(a.least, b.least))


def negative(a: Range) -> Range:
    return Range(-a.high, -a.low, a.least)


def magnitude(a: Range) -> Range:
    return Range(a.least, a.most, a.least)


def added(a: Range, b: Range) -> Range:
    apart = a.least + b.least if a.sign * b.sign > 0 else max(a.least - b.most, b.least - a.most)
    low = -INF if -INF in (a.low, b.low) else a.low + b.low
    high = INF if INF in (a.high, b.high) else a.high + b.high
    return between(low, high, apart)


def multiplied(a: Range, b: Range) -> Range:
    ends = [_times(x, y) for x in (a.low, a.high) for y in (b.low, b.high)]
    return between(min(ends), max(ends), a.least * b.least if 0.0 not in (a.least, b.least) else 0.0)


def squared(a: Range) -> Range:
    return between(_times(a.least, a.least), _times(a.most, a.most))


def inverse(a: Range) -> Range:
    if a.sign < 0:
        return negative(inverse(negative(a)))
    largest = _over(1.0, a.least)
    return between(0.0 if a.sign else -largest, largest, _over(1.0, a.most))


def _sign(x: float) -> float:
    return float((x > 0) - (x < 0))


def _times(x: float, y: float) -> float:
    return 0.0 if 0.0 in (x, y) else x * y  # 0 times infinity: the value is finite


def _over(x: float, y: float) -> float:
    return INF if y == 0 else x / y


def _bounded(function: Callable[[float], float], x: float) -> float:
    """A growing function, infinite where it overflows and beyond its domain."""
    try:
        return function(x)
    except OverflowError:
        return INF if x > 0 else -INF
    except ValueError:
        return -INF


_GROWING: Mapping[str, Callable[[float], float]] = {
    "exp": math.exp, "expm1": math.expm1, "log": math.log, "log1p": math.log1p, "tanh": math.tanh,
    "sinh": math.sinh, "atan": math.atan, "arctan": math.atan, "erf": math.erf,
}  # fmt: skip


def applied(function: str, arguments: tuple[Range, ...]) -> Range:
    """The range of a function of the IR."""
    a = arguments[0] if arguments else EVERYTHING
    match function, arguments:
        case "infinity", _:
            return Range(INF, INF, INF)
        case "abs", _:
            return magnitude(a)
        case "sign", _:
            return between(_sign(a.low), _sign(a.high), abs(_sign(a.least)))
        case "max", (_, b):
            return between(max(a.low, b.low), max(a.high, b.high), min(a.least, b.least))
        case "min", (_, b):
            return between(min(a.low, b.low), min(a.high, b.high), min(a.least, b.least))
        case "sqrt", _:
            return between(*(_bounded(math.sqrt, max(x, 0.0)) for x in (a.low, a.high)))
        case "sin" | "cos", _:
            return Range(-1.0, 1.0)
        case "cosh", _:
            return between(_bounded(math.cosh, a.least), abs(_bounded(math.cosh, a.most)))
        case "nearest", _:
            return between(*(x if math.isinf(x) else float(round(x)) for x in (a.low, a.high)))
        case "fmod", (_, b):
            most = min(a.most, b.most)
            return between(-most if a.low < 0 else 0.0, most if a.high > 0 else 0.0)
        case "hypot", (_, b):
            return between(math.hypot(a.least, b.least), math.hypot(a.most, b.most))
        case "pow", (_, b):
            return applied("exp", (multiplied(applied("log", (a,)), b),)) if a.low >= 0 else EVERYTHING
    if function in _GROWING:
        return between(*(_bounded(_GROWING[function], x) for x in (a.low, a.high)))
    return EVERYTHING
