"""When are two rows of numbers the same, but for rounding or a factor?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# The same number, but for a dozen roundings; and for what single precision makes of one.
CLOSE, SINGLE, ROUGH = 1e-9, 3e-6, 2e-6


@dataclass(frozen=True, slots=True)
class Answers:
    """What the foreign code said of one output at the points to fit, then at the fresh ones; `rough` asks for less."""

    values: Floats
    rough: bool = False

    @property
    def tolerance(self) -> float:
        """What rounding explains: much more, if all numbers are those of single precision."""
        if self.rough:
            return ROUGH
        finite = self.values[np.isfinite(self.values)]
        with np.errstate(over="ignore"):
            single = np.array_equal(finite.astype(np.float32).astype(np.float64), finite)
            plain = np.array_equal(np.round(finite * 2.0**12), finite * 2.0**12)
        return SINGLE if single and not plain else CLOSE


def fits(found: Floats, expected: Floats, tolerance: float = CLOSE) -> Any:
    """Where the numbers agree, relative to themselves and a little to the largest."""
    with np.errstate(all="ignore"):
        finite = np.abs(expected[np.isfinite(expected)])
        scale = float(np.median(finite)) if finite.size else 0.0
        gap = np.abs(found - expected)
        return (gap <= tolerance * (np.abs(expected) + 1e-3 * scale)) | ((found == expected) & np.isfinite(found))


def multiple(u: Floats, t: Floats, tolerance: float) -> float | None:
    """The c with u = c*t, if there is one."""
    with np.errstate(all="ignore"):
        size = float(np.max(np.abs(t))) if len(t) else 0.0
        big = np.abs(t) > 1e-6 * size
        if size == 0 or not np.isfinite(size) or big.sum() < 2:
            return None
        c = float(np.median(u[big] / t[big]))
    if not np.isfinite(c) or c == 0 or not fits(u, c * t, max(tolerance, 1e-8)).all():
        return None
    return c


def agree(u: Floats, table: Floats, tolerance: float) -> Any:
    """Which rows of the table the numbers agree with, as `fits` has it."""
    if not len(table):
        return np.zeros(0, np.bool_)
    with np.errstate(all="ignore"):
        scale = np.median(np.nan_to_num(np.abs(table), posinf=np.inf), axis=1, keepdims=True)
        near = np.abs(u - table) <= tolerance * (np.abs(table) + 1e-3 * scale)
        return np.all(near | (u == table) | (np.isnan(u) & np.isnan(table)), axis=1)


def multiples(u: Floats, table: Floats, tolerance: float) -> list[tuple[int, float]]:
    """The rows of which the numbers are a multiple, with the constants."""
    if not len(table) or len(u) < 3:
        return []
    places = np.argmax(np.abs(np.nan_to_num(table, posinf=0, neginf=0)), axis=1)
    with np.errstate(all="ignore"):
        constants = u[places] / table[np.arange(len(table)), places]
        constants = np.where(np.isfinite(constants), constants, 0.0)
    right = agree(u, constants[:, None] * table, max(tolerance, 1e-8)) & (constants != 0)
    return [(int(i), float(constants[i])) for i in np.flatnonzero(right)]


def minimum(off: Callable[[float], float], low: float, high: float) -> float:
    """Golden section."""
    ratio = (5**0.5 - 1) / 2
    a, b = low, high
    c, d = b - ratio * (b - a), a + ratio * (b - a)
    fc, fd = off(c), off(d)
    for _ in range(60):
        if fc < fd:
            b, d, fd = d, c, fc
            c = b - ratio * (b - a)
            fc = off(c)
        else:
            a, c, fc = c, d, fd
            d = a + ratio * (b - a)
            fd = off(d)
    return (a + b) / 2


__all__ = ["CLOSE", "SINGLE", "Answers", "agree", "fits", "minimum", "multiple", "multiples"]
