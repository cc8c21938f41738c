"""What should every output be, at every point?

The exact values are dear and the same for every back end, precision and
planted error, so they are computed once into a `TruthTable`. Each point is
independent of the others: more processes give the same table.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from mpmath.libmp import from_float

from ..spec.domains import Box, Domain, Interval
from ..spec.model import Loss
from .differences import Axis, Estimate, Point, all_derivatives, derivative, value
from .intervals import Raw
from .oracle import Oracle
from .points import Batch, KinkHints, points
from .ulps import Truth, pack

OUTPUTS = ("loss", "gradient", "hessian")
Coordinates = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """An oracle with the coordinates to differentiate in."""

    oracle: Oracle
    axes: tuple[Axis, ...]

    @classmethod
    def of(cls, loss: Loss, size: int | None = None) -> Setting:
        oracle = Oracle.of(loss, size)
        axes: list[Axis] = []
        for a in loss.predictions:
            low, high = _ends(a.domain)
            names = [a.name] if a.size is None else [f"{a.name}[{k}]" for k in range(1, (size or 0) + 1)]
            axes += [Axis(oracle.slot(name), low, high) for name in names]
        return cls(oracle, tuple(axes))

    def point(self, coordinates: Coordinates) -> Point:
        return Point(self.oracle, [from_float(c) for c in coordinates])

    def estimates(self, coordinates: Coordinates) -> list[Estimate | None]:
        """Loss, gradient entries, upper triangle of the Hessian."""
        return all_derivatives(self.point(coordinates), self.axes)

    def component(self, output: str, entry: int, coordinates: Coordinates) -> Estimate | None:
        """One entry of one output, the Hessian counted row by row as a full matrix."""
        point = self.point(coordinates)
        if output == "loss":
            return value(point)
        p = len(self.axes)
        axes = (self.axes[entry],) if output == "gradient" else (self.axes[entry // p], self.axes[entry % p])
        return derivative(point, axes)


def _ends(domain: Domain) -> tuple[Raw | None, Raw | None]:
    entries = domain.entries if isinstance(domain, Box) else domain
    if not isinstance(entries, Interval):
        return None, None
    low, high = (from_float(float(e)) if e.is_finite else None for e in (entries.low, entries.high))
    return low, high


@dataclass(frozen=True, slots=True)
class TruthTable:
    """Points and, batch by batch, the exact values of loss, gradient and Hessian.

    A truth has `width` entries a point: 1 for the loss, P for the gradient,
    P*P for the Hessian (row by row) with P predictions or classes.
    """

    loss: Loss
    batches: tuple[Batch, ...]
    truths: tuple[dict[str, Truth], ...]

    def setting(self, batch: Batch) -> Setting:
        return setting_of(self.loss, batch.size)

    def coordinates(self, batch: Batch) -> list[Coordinates]:
        return coordinates(self.loss, batch)

    @property
    def count(self) -> int:
        return sum(len(b) for b in self.batches)


@lru_cache(maxsize=64)
def setting_of(loss: Loss, size: int | None) -> Setting:
    """`Setting.of`, remembered."""
    return Setting.of(loss, size)


def coordinates(loss: Loss, batch: Batch) -> list[Coordinates]:
    """The points as the oracle takes them; of a residual loss y = 0 and f = fl(f - y)."""
    columns = [batch.arguments[a.name].reshape(len(batch), -1) for a in loss.arguments]
    if loss.base == "residual":
        f, y = (batch.arguments[side[0].name] for side in (loss.predictions, loss.targets))
        with np.errstate(all="ignore"):
            r = f - y
        columns = [(r if a.role == "prediction" else np.zeros_like(r))[:, None] for a in loss.arguments]
    parameters = [np.full((len(batch), 1), batch.parameters[p.name]) for p in loss.parameters]
    return [tuple(row) for row in np.hstack([*columns, *parameters]).tolist()]


def truth_table(loss: Loss, batches: Sequence[Batch] | None = None, *, n: int = 1600, kinks: KinkHints | None = None,
                jobs: int = 1) -> TruthTable:  # fmt: skip
    """Compute the exact values at the points given, or at `n` chosen ones.

    `kinks` gives, for parameter values, positions in the variable of the
    formula; switches in the formula are found without it. `jobs` processes
    share the work, and do not change the result.
    """
    chosen = tuple(points(loss, n, kinks) if batches is None else batches)
    rows = [coordinates(loss, b) for b in chosen]
    wanted = list(dict.fromkeys((b.size, c) for b, cs in zip(chosen, rows, strict=True) for c in cs))
    if jobs > 1 and len(wanted) > 32:
        # Small strided parts: hard points cluster.
        parts = [wanted[i :: jobs * 4] for i in range(jobs * 4)]
        with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:  # safe beside threads
            found = dict(pair for part in pool.map(_compute, [loss] * len(parts), parts) for pair in part)
    else:
        found = dict(_compute(loss, wanted))
    truths = tuple(_batch_truths(loss, b, [found[b.size, c] for c in cs]) for b, cs in zip(chosen, rows, strict=True))
    return TruthTable(loss, chosen, truths)


Key = tuple[int | None, Coordinates]


def _compute(loss: Loss, keys: Sequence[Key]) -> list[tuple[Key, list[Estimate | None]]]:
    return [(key, setting_of(loss, key[0]).estimates(key[1])) for key in keys]


def _batch_truths(loss: Loss, batch: Batch, estimates: Sequence[list[Estimate | None]]) -> dict[str, Truth]:
    p = len(setting_of(loss, batch.size).axes)
    upper = {(a, b): 1 + p + i for i, (a, b) in enumerate((a, b) for a in range(p) for b in range(a, p))}
    full = [upper[min(a, b), max(a, b)] for a in range(p) for b in range(p)]
    return {
        "loss": pack([e[0] for e in estimates]),
        "gradient": pack([e[1 + i] for e in estimates for i in range(p)]),
        "hessian": pack([e[i] for e in estimates for i in full]),
    }
