"""What do the losses of many samples add up to?

Blocks of rows are summed in float64 by adding halves to each other, here as in
bridge.c, and the sums of blocks exactly (Shewchuk 1997, Adaptive precision
floating-point arithmetic: `math.fsum`). The order is fixed, so the sum depends
on neither threads nor memory layout.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def block_sums(x: Array, rows: int) -> list[float]:
    """The sums of x, (n,), over blocks of so many rows, a power of two."""
    padded: Array = np.zeros(-(-len(x) // rows) * rows)
    padded[: len(x)] = x
    work = padded.reshape(-1, rows)
    with np.errstate(all="ignore"):
        while rows > 1:
            rows //= 2
            work = work[:, :rows] + work[:, rows:]
    sums: list[float] = work[:, 0].tolist()
    return sums


def total(blocks: Sequence[float]) -> float:
    """The exact sum, rounded once; inf or NaN where the numbers or a partial sum of theirs are not finite."""
    try:
        return fsum(blocks) + 0.0  # +0.0 for a sum of negative zeros
    except (OverflowError, ValueError):  # beyond the largest number; inf - inf
        return sum(blocks)
