"""How far is a computed number from the exact one, in units in the last place?

The exact value is kept as m * 2**e with 1/2 <= |m| < 1 in two float64 parts,
so that the difference to a computed number is exact where it matters, down to
the smallest subnormal. An ulp is that of the exact value's binade, and never
less than the smallest subnormal of the format.

Beyond the largest finite number the exact value counts as infinite; the right
infinity has error 0, a wrong one, or a NaN, an infinite error. Next to the
border both sides are compared as if the exponent range went on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mpmath import libmp
from numpy.typing import NDArray

from . import intervals as iv
from .differences import Estimate

Floats = NDArray[np.float64]

FINITE, INFINITE, UNDECIDED = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Format:
    """A binary floating-point format: its digits and the exponents of its ends."""

    name: str
    dtype: Any
    bits: int
    tiniest: int
    largest: int

    def ulp_exponents(self, exponents: NDArray[np.int64]) -> NDArray[np.int64]:
        """The exponent of an ulp, for values m * 2**e with 1/2 <= |m| < 1."""
        return np.maximum(exponents - self.bits, self.tiniest)


FLOAT64 = Format("float64", np.float64, 53, -1074, 1024)
FLOAT32 = Format("float32", np.float32, 24, -149, 128)
FORMATS = (FLOAT64, FLOAT32)


@dataclass(frozen=True, slots=True)
class Truth:
    """Exact values of one output at n points: kind, m = high + low, e, and the radius in units of 2**e."""

    kind: NDArray[np.int8]
    high: Floats
    low: Floats
    exponent: NDArray[np.int64]
    radius: Floats

    def __len__(self) -> int:
        return len(self.kind)

    def take(self, which: Any) -> Truth:
        return Truth(self.kind[which], self.high[which], self.low[which], self.exponent[which], self.radius[which])

    def values(self) -> Floats:
        """The nearest float64, NaN where undecided."""
        with np.errstate(over="ignore", under="ignore"):
            finite = np.ldexp(self.high, np.clip(self.exponent, -3000, 3000).astype(np.int32))
        signs = np.where(self.kind == INFINITE, np.copysign(np.inf, self.high), finite)
        return np.where(self.kind == UNDECIDED, np.nan, signs)


def pack(estimates: Sequence[Estimate | None]) -> Truth:
    """Exact values as arrays."""
    n = len(estimates)
    kind = np.zeros(n, np.int8)
    high, low, radius = np.zeros(n), np.zeros(n), np.zeros(n)
    exponent = np.full(n, -1074, np.int64)
    for i, estimate in enumerate(estimates):
        if estimate is None:
            kind[i], high[i] = UNDECIDED, np.nan
            continue
        centre, bound = estimate
        # Beyond every format; such exponents may not even fit into an integer of NumPy's.
        if iv.is_infinite(centre) or (centre[1] and iv.magnitude(centre) > 1100):
            kind[i], high[i] = INFINITE, -1.0 if iv.is_negative(centre) else 1.0
            continue
        if centre[1] and iv.magnitude(centre) > -1200:
            exponent[i] = e = iv.magnitude(centre)
            mantissa = libmp.mpf_shift(centre, -e)
            high[i] = libmp.to_float(mantissa, rnd="n")
            low[i] = libmp.to_float(libmp.mpf_sub(mantissa, libmp.from_float(high[i]), 60, "n"), rnd="n")
        if bound[1] and iv.magnitude(bound) > -1200:
            radius[i] = libmp.to_float(libmp.mpf_shift(bound, -int(exponent[i])), rnd="u")
    return Truth(kind, high, low, exponent, radius)


def errors(truth: Truth, computed: NDArray[Any], format_: Format) -> Floats:
    """The error of each computed number in ulps; NaN where the exact value is undecided."""
    c = computed.astype(np.float64)
    with np.errstate(all="ignore"):
        scale = np.clip(-truth.exponent, -2200, 2200)
        bounded = np.where(np.isinf(c), np.copysign(1.0, c), c)
        # In two steps: 2**2200 is no float64.
        half = (scale // 2).astype(np.int32)
        scaled = np.ldexp(np.ldexp(bounded, half), (scale - half).astype(np.int32))
        border = np.ldexp(1.0, np.clip(format_.largest - truth.exponent, -2200, 1023).astype(np.int32))
        scaled = np.where(np.isinf(c), np.copysign(border, c), scaled)
        gap = np.abs((scaled - truth.high) - truth.low) - truth.radius
        units = (format_.ulp_exponents(np.minimum(truth.exponent, format_.largest)) - truth.exponent).astype(np.float64)
        result = np.maximum(gap, 0.0) * np.exp2(-units)
    # At and beyond the border: an infinity is right where the exact value rounds to one.
    rounds_up = (truth.kind == INFINITE) | (truth.exponent > format_.largest) | (
        (truth.exponent == format_.largest) & (np.abs(truth.high) >= 1 - 2.0 ** -(format_.bits + 1)))  # fmt: skip
    same_sign = np.signbit(c) == np.signbit(truth.high)
    near = (truth.kind == FINITE) & (result <= 64)
    wrong = (np.isinf(c) != rounds_up) & ~near
    right = np.isinf(c) & rounds_up & same_sign
    result = np.where(right, 0.0, np.where(wrong | (np.isinf(c) & ~same_sign) | np.isnan(c), np.inf, result))
    return np.where(truth.kind == UNDECIDED, np.nan, result)


def error(estimate: Estimate | None, computed: float, format_: Format = FLOAT64) -> float:
    """The error of one computed number in ulps."""
    return float(errors(pack([estimate]), np.array([computed]), format_)[0])
