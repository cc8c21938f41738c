"""Which constant raw score has the least mean loss?

A mean, a median or a quantile where the loss is proved to elicit one; otherwise the root of the derived gradient, in a
bracket for one raw score, by damped Newton steps for several.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DOUBLINGS = 1100  # from 1 to beyond the largest number
NEWTON_STEPS = 2000  # a log scale moves by 1/2 in a step from far below
SHORTEST = 1e-100  # of the whole Newton step
VANISHED = 1e-30  # a slope below this is on its way to 0 at infinity, not at a minimum
STARTS = 33  # quantiles of the targets, where a loss may have several minima


def intercept(loss: Any, y: Array, weight: Array | None = None) -> Any:
    """The constant raw score with the least weighted mean loss: a float, or an array (K,).

    `y` has the targets of the loss, (n,), or (n, T) or (n, K) where it has several. Raises ValueError where there is no
    such constant: without samples, or where it would be infinite, as for labels that are all alike.
    """
    y = np.asarray(y, np.float64)
    weight = np.ones(len(y)) if weight is None else weight
    if not weight.sum() > 0:
        raise ValueError(f"{loss.name}: no intercept, because there are no samples of a positive weight")
    if loss.facts["size"] or sum(a["role"] == "prediction" for a in loss.facts["arguments"].values()) > 1:
        return _several(loss, y, weight)
    known = loss.facts.get("intercept") or {}
    found = _known(loss, known, y, weight) if y.ndim == 1 else None
    return found if found is not None else _root(loss, y, weight)


def weighted_quantile(y: Array, weight: Array, level: float) -> float:
    """The middle of all numbers with at most `level` of the weight below and at most 1 - `level` above."""
    order = np.argsort(y)
    y, total = y[order], np.cumsum(weight[order])
    goal = level * total[-1]
    near = total[-1] * 4e-16 * len(y)  # what adding up the weights may have lost
    low = min(np.searchsorted(total, goal - near), len(y) - 1)
    high = min(np.searchsorted(total, goal + near, side="right"), len(y) - 1)
    return float(y[low] + (y[high] - y[low]) / 2)


def _known(loss: Any, known: Any, y: Array, weight: Array) -> float | None:
    """The intercept by the statistic that the loss elicits."""
    statistic = known.get("statistic")
    if statistic == "mean":
        value = float(np.average(y, weights=weight))
    elif statistic in ("median", "quantile"):
        level = known.get("level", 0.5)
        value = weighted_quantile(y, weight, float(loss.parameters.get(level, level)))
    else:
        return None
    with np.errstate(all="ignore"):
        found = float(loss.link(value)) if known.get("link") else value
    if not np.isfinite(found):
        raise ValueError(_infinite(loss, y, found))
    return found


def _infinite(loss: Any, y: Array, found: float) -> str:
    return (
        f"{loss.name}: the best constant raw score is {found:g}, because the targets, from {y.min():g} to {y.max():g}, "
        "lie at an end of what the loss can reach; give a finite intercept yourself"
    )


def _root(loss: Any, y: Array, weight: Array) -> float:
    """A root of the mean gradient where the mean loss is least, to the last place or nearly so."""
    low, high = _ends(loss)
    weight = weight / weight.sum()
    if y.ndim == 1:  # labels and counts are few, and what is sorted has its quantiles at hand
        y, rows = np.unique(y, return_inverse=True)
        weight = np.bincount(rows, weight).astype(np.float64)

    def slope(c: float) -> float:
        with np.errstate(all="ignore"):
            return float(np.sum(weight * loss.gradient(y, np.full(len(y), c))))

    def height(c: float) -> float:
        with np.errstate(all="ignore"):
            return float(np.sum(weight * loss.loss(y, np.full(len(y), c))))

    starts = _starts(loss, y, weight, low, high)
    start = min(starts, key=lambda c: (not np.isfinite(height(c)), height(c)))
    return _bracketed(slope, *_bracket(loss, slope, height, start, low, high, y))


def _starts(loss: Any, y: Array, weight: Array, low: float, high: float) -> list[float]:
    """Where to begin: at quantiles of the targets, where they are of the kind of the raw score, else at one place."""
    middle = 0.0 if low < 0 < high else low + 1 if np.isfinite(low) else high - 1
    if np.isfinite(low) and np.isfinite(high):
        middle = low + (high - low) / 2
    if y.ndim > 1:
        return [middle]
    convex = loss.facts["properties"].get("convex", {}).get("verdict") == "proved"
    levels = [0.5] if convex else np.linspace(0, 1, STARTS)  # where there is one minimum, any start leads to it
    quantiles = y[np.minimum(np.searchsorted(np.cumsum(weight), levels), len(y) - 1)]
    return [float(q) for q in [*quantiles, middle] if low < q < high] or [middle]


def _ends(loss: Any) -> tuple[float, float]:
    (domain,) = [a["domain"] for a in loss.facts["arguments"].values() if a["role"] == "prediction"]
    low, high = domain.strip("[]()").split(", ")
    return float(low.replace("oo", "inf")), float(high.replace("oo", "inf"))


def _bracket(
    loss: Any,
    slope: Callable[[float], float],
    height: Callable[[float], float],
    start: float,
    low: float,
    high: float,
    y: Array,
) -> tuple[float, float]:
    """Two places around a minimum, downhill from the start in steps that double.

    A step that leads uphill without a slope that turns has jumped over a minimum, as into the flat tail of a loss that
    redescends: it is taken again, shorter.
    """
    here = slope(start)
    if here == 0:
        return start, start
    way = -math.copysign(1.0, here)
    end = high if way > 0 else low
    step, before, place, level = 1e-3 * max(1.0, abs(start)), start, start, height(start)
    for _ in range(DOUBLINGS):
        place = before + way * step if np.isinf(end) else end - (end - before) * 0.5 ** (step / 1e-3)
        value = slope(place) if np.isfinite(place) and place not in (end, before) else np.nan
        if np.isnan(value) or (value == 0 and abs(here) < VANISHED):
            break
        reached = height(place)
        if value * way > 0 or (value == 0 and reached <= level):
            return (before, place) if way > 0 else (place, before)
        if value == 0 or reached > level:
            step /= 8
            continue
        before, here, step, level = place, value, step * 2, reached
    raise ValueError(_infinite(loss, y, float(end)))


def _bracketed(slope: Callable[[float], float], low: float, high: float) -> float:
    """A root between two places with slopes of opposite signs, by bisection with secants (Illinois)."""
    a, b, at_a, at_b = low, high, slope(low), slope(high)
    if at_a == 0:
        return a
    if at_b == 0:
        return b
    for turn in range(2200):
        width = b - a
        secant = b - at_b * (b - a) / (at_b - at_a) if np.isfinite(at_b - at_a) else np.nan
        c = secant if turn % 3 and a < secant < b else a + width / 2
        if not a < c < b:
            break
        value = slope(c)
        if value == 0:
            return c
        if (value < 0) == (at_a < 0):
            a, at_a = c, value
        else:
            b, at_b = c, value
    return a if abs(at_a) <= abs(at_b) else b


def _several(loss: Any, y: Array, weight: Array) -> Array:
    """A minimum over several raw scores, from 0 by damped Newton steps; of K classes the one that sums to 0."""
    weight = weight / weight.sum()
    size = y.shape[1] if y.ndim > 1 and loss.facts["size"] else int(y.max()) + 1
    if not loss.facts["size"]:
        size = sum(a["role"] == "prediction" for a in loss.facts["arguments"].values())
    if y.ndim == 1 and loss.facts["size"]:  # one row a class
        targets, weight = np.eye(size), np.bincount(y.astype(int), weight, size).astype(np.float64)
    else:
        targets = y
    if loss.facts["size"] and not np.all(weight @ targets > 0):
        absent = int(np.flatnonzero(~(weight @ targets > 0))[0])
        raise ValueError(f"{loss.name}: no finite intercept, because class {absent} does not occur; give one yourself")
    f = np.zeros(size)

    def mean_loss(f: Array) -> float:
        with np.errstate(all="ignore"):
            return float(weight @ loss.loss(targets, np.broadcast_to(f, (len(targets), size)).copy()))

    for _ in range(NEWTON_STEPS):
        gradients, hessians = loss.gradient_hessian(targets, np.broadcast_to(f, (len(targets), size)).copy())
        gradient, hessian = weight @ gradients, np.tensordot(weight, hessians, 1)
        # In units in which every raw score bends by 1, so that a mean of 1e7 and a logarithm stand beside each other.
        bends = np.abs(np.diagonal(hessian))
        units = np.sqrt(np.where(bends > 0, bends, 1.0))
        with np.errstate(all="ignore"):
            values, vectors = np.linalg.eigh(np.nan_to_num(hessian / np.outer(units, units)))
        parts = vectors.T @ (gradient / units)
        # A direction in which nothing bends and nothing slopes, such as (1, ..., 1) of a softmax, is left alone.
        parts[(np.abs(values) <= 1e-9) & (np.abs(parts) <= 1e-9)] = 0.0
        step = -(vectors @ (parts / np.maximum(np.abs(values), 1e-3))) / units
        here, scale = mean_loss(f), 1.0
        while scale > SHORTEST and not mean_loss(f + scale * step) <= here:
            scale /= 2
        if scale <= SHORTEST or np.all(np.abs(scale * step) <= 1e-15 * np.maximum(1.0, np.abs(f))):
            break
        f = f + scale * step
    if not np.abs(gradient / units).max() <= 1e-2:  # what rounding leaves where the mean is 1e13 deviations
        raise ValueError(
            f"{loss.name}: no finite intercept is found, the mean loss still falls at {f}; give one yourself"
        )
    return f - f.mean() if loss.facts["size"] else f
