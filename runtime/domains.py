"""Do these numbers lie where the loss is defined?

The facts of a loss write its domains as text: `(0, oo)`, `[0, 1]`, `{-1, 1}`,
`integers [0, oo)`, `(-oo, oo)^K`, `simplex(K)`, `one_hot(K)`. Each is read into
a value with two questions: `holds` is one or two reductions and answers for
the whole array; `inside` answers element by element (row by row for `simplex`
and `one_hot`) and is asked only when `holds` says no, to name the offender.
NaN lies in no domain. The ends of an interval are rounded to the precision of
the data, so that the float32 number 0.1 lies in `[0, 0.1]`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import ArtifactError

Array = NDArray[Any]
BoolArray = NDArray[np.bool_]

# How far a probability row may sum from 1: rows normalised in float32 and then widened are off by a few 1e-7,
# and by up to 1e-6 with ten thousand classes.
SIMPLEX_TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class Interval:
    """A real interval; an infinite end is always open."""

    text: str
    low: float
    high: float
    low_open: bool
    high_open: bool
    vector: bool = False  # a box: every entry of a row lies in the interval

    def holds(self, x: Array) -> bool:
        if x.size == 0:
            return True
        if self.low == -inf and self.high == inf:  # a finite sum has finite terms; an overflow only asks `inside`
            return bool(np.isfinite(np.add.reduce(x, axis=None)))
        return bool(self.inside(np.minimum.reduce(x, axis=None)) and self.inside(np.maximum.reduce(x, axis=None)))

    def inside(self, x: Any) -> BoolArray:
        low, high = x.dtype.type(self.low), x.dtype.type(self.high)
        above = x > low if self.low_open else x >= low
        below = x < high if self.high_open else x <= high
        return np.asarray(above & below)


@dataclass(frozen=True, slots=True)
class FiniteSet:
    text: str
    values: tuple[float, ...]
    vector: bool = False

    def holds(self, x: Array) -> bool:
        return bool(self.inside(x).all())

    def inside(self, x: Array) -> BoolArray:
        found = x == x.dtype.type(self.values[0])
        for value in self.values[1:]:
            found |= x == x.dtype.type(value)
        return np.asarray(found)


@dataclass(frozen=True, slots=True)
class Integers:
    text: str
    low: float
    vector: bool = False

    def holds(self, x: Array) -> bool:
        return bool(self.inside(x).all())

    def inside(self, x: Array) -> BoolArray:
        return np.asarray((x >= x.dtype.type(self.low)) & (x == np.floor(x)) & np.isfinite(x))


@dataclass(frozen=True, slots=True)
class Rows:
    """`simplex(K)`: entries in [0, 1] that sum to 1 within `SIMPLEX_TOLERANCE`; `one_hot(K)`: one 1, else 0."""

    text: str
    one_hot: bool
    vector: bool = True

    def holds(self, x: Array) -> bool:
        return bool(self.inside(x).all())

    def inside(self, x: Array) -> BoolArray:
        if self.one_hot:
            entries, tolerance = (x == 0) | (x == 1), 0.0
        else:
            entries, tolerance = (x >= 0) & (x <= 1), SIMPLEX_TOLERANCE
        total = np.add.reduce(x, axis=-1, dtype=np.float64)
        return np.asarray(entries.all(axis=-1) & (np.abs(total - 1) <= tolerance))


Domain = Interval | FiniteSet | Integers | Rows

_NUMBER = r"[^\s,{}()\[\]]+"
_INTERVAL = re.compile(rf"(integers )?([(\[])({_NUMBER}), ({_NUMBER})([)\]])(\^\w+)?")
_ROWS = re.compile(r"(simplex|one_hot)\(\w+\)")


def number(text: str) -> float:
    """The nearest float to an exact number such as `3`, `-1/2` or `oo`."""
    return {"oo": inf, "-oo": -inf}.get(text) or float(Fraction(text))


@cache
def read_domain(text: str) -> Domain:
    """The domain that a text of the facts stands for."""
    try:
        if match := _ROWS.fullmatch(text):
            return Rows(text, match[1] == "one_hot")
        if text.startswith("{") and text.endswith("}"):
            return FiniteSet(text, tuple(number(part.strip()) for part in text[1:-1].split(",")))
        if match := _INTERVAL.fullmatch(text):
            low, high = number(match[3]), number(match[4])
            if match[1]:
                return Integers(text, low)
            return Interval(
                text, low, high, match[2] == "(" or low == -inf, match[5] == ")" or high == inf, match[6] is not None
            )
    except (ValueError, ZeroDivisionError):
        pass
    raise ArtifactError(f"the facts hold a domain that cannot be read, {text!r}; regenerate them: lossforge build")


def contains(domain: Domain, value: float, dtype: Any = np.float64) -> bool:
    """Whether one number, rounded to `dtype`, lies in a scalar domain."""
    with np.errstate(all="ignore"):
        return bool(domain.inside(np.asarray([value]).astype(dtype))[0])


def outside(domain: Domain, x: Array) -> BoolArray | None:
    """None when all of x lies in the domain, else the mask of what does not (NaN never does).

    The mask has the shape of x, or of its rows for `simplex` and `one_hot`.
    Call it under `np.errstate(all="ignore")`: infinite values warn on the way.
    """
    if domain.holds(x):
        return None
    mask = ~domain.inside(x)
    return mask if mask.any() else None
