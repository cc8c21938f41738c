"""What would the usual checks have shown?

Central differences in float64 (h = 1e-6 max(1, |f|)) and the complex step
(h = 1e-20), both applied to the formula as written: their own relative errors
against the exact derivatives, so that a reader sees what such a check can
notice at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .floats import FloatError, evaluate
from .truth import TruthTable
from .ulps import FINITE, Floats


@dataclass(frozen=True, slots=True)
class NaiveRow:
    """The relative errors of one method for one output, over finite inputs of the default parameters."""

    output: str
    method: str
    median: float
    worst: float
    share_wrong: float


def naive_rows(table: TruthTable) -> Iterator[NaiveRow]:
    """One row for each method and output; none for losses of several predictions or of vectors."""
    loss, batch = table.loss, table.batches[0]
    if len(loss.predictions) != 1 or loss.size is not None:
        return
    prediction = loss.predictions[0].name
    rows = np.array(table.coordinates(batch))
    names = [a.name for a in loss.arguments] + [p.name for p in loss.parameters]
    values = {name: rows[:, i] for i, name in enumerate(names)}
    f = values[prediction]

    def at(moved: object, complex_step: bool = False) -> Floats:
        return np.asarray(evaluate(loss.full_expression, {**values, prediction: moved}, complex_step))

    try:
        with np.errstate(all="ignore"):
            h = 1e-6 * np.maximum(1.0, np.abs(f))
            k = 1e-4 * np.maximum(1.0, np.abs(f))
            methods = [
                ("gradient", "central difference, h = 1e-6", (at(f + h) - at(f - h)) / (2 * h)),
                ("gradient", "complex step, h = 1e-20", np.imag(at(f + 1e-20j, True)) / 1e-20),
                ("hessian", "second difference, h = 1e-4", (at(f + k) - 2 * at(f) + at(f - k)) / k**2),
            ]
    except FloatError:
        return
    for output, method, found in methods:
        truth = table.truths[0][output]
        exact = truth.values()
        usable = np.isfinite(f) & (truth.kind == FINITE) & np.isfinite(exact)
        with np.errstate(all="ignore"):
            off = np.abs(np.broadcast_to(found, exact.shape) - exact) / np.maximum(np.abs(exact), 2.0**-1022)
        off = np.where(np.isnan(off), np.inf, off)[usable]
        if off.size:
            yield NaiveRow(output, method, float(np.median(off)), float(off.max()), float(np.mean(off > 1e-6)))
