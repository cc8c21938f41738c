"""Which differences from the exact values does rounding explain?

An error is allowed up to

    64 ulp + 16 * sum over the inputs x of |change of the output when x moves by an ulp|
           + the smallest normal number

The second term is what any backward stable computation may lose; an input
that stands exactly at a kink is not moved, so the value there must be right.
The third is what underflow on the way may lose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from mpmath import libmp
from numpy.typing import NDArray

from ..spec.model import Loss
from . import intervals as iv
from .limits import limit_of
from .points import Batch
from .truth import OUTPUTS, Coordinates, TruthTable, setting_of
from .ulps import FINITE, INFINITE, Floats, Format, Truth, errors

# Rounding of a few dozen operations; what exceeds it must be explained by the inputs' own rounding.
ULP_BOUND = 64.0
CONDITION_FACTOR = 16.0
# So many suspicious entries of one row are looked at, the worst first and spread over the others.
_EXAMINED = 40
REPORTED = 5


class Evaluator(Protocol):
    """What is checked: a loss with its parameters bound, as the runtime's LossFunction."""

    def loss_gradient_hessian(self, y: Any, f: Any, *, check_domain: bool = ...) -> tuple[Any, Any, Any]: ...


Factory = Callable[[Mapping[str, float]], Evaluator]


@dataclass(frozen=True, slots=True)
class Own:
    """The largest error of which half an ulp on each input explains nothing beside roots, see `limits`.

    Half an ulp on each of these inputs `moves` the output by so many ulps; that is looked at where the error exceeds
    the limit, which is `kept` where `ulp` does not.
    """

    ulp: float = 0.0
    worst: Mapping[str, Any] = field(default_factory=dict)
    moves: float = 0.0
    kept: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """The errors of one output of one back end in one precision.

    `max_ulp` is the largest error as it is, also next to roots of the output,
    where it is unbounded for every method; `scaled_ulp` leaves out what the
    rounding of the inputs explains. `rounded_ulp` is the largest among points
    whose residual is rounded. `own` is what the code itself answers for, where
    the exact value is a normal number, `faint` where it is subnormal or 0.
    """

    output: str
    backend: str
    precision: str
    points: int
    max_ulp: float
    scaled_ulp: float
    rounded_ulp: float
    worst: dict[str, Any]
    failures: int
    undecided: int
    own: Own
    faint: Own


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that rounding does not explain, with the input that shows it."""

    kind: str
    output: str
    backend: str
    precision: str
    given: dict[str, Any]
    computed: float
    expected: float
    ulps: float

    @property
    def message(self) -> str:
        given = ", ".join(f"{k}={v!r}" for k, v in self.given.items())
        return (f"{self.backend} {self.precision} {self.output}: {self.kind} at {given}: "
                f"computed {self.computed!r}, expected {self.expected!r}")  # fmt: skip


def evaluate(table: TruthTable, batch: Batch, function: Evaluator, format_: Format, labels: bool = False
             ) -> dict[str, NDArray[Any]]:  # fmt: skip
    """Every output at the batch's points, flat; float32 sees the single points only.

    With `labels`, one-hot targets are given as class labels 0 … K-1.
    """
    which = selection(batch, format_)
    y, f = arrays(table, batch, format_)
    if labels:
        y = np.argmax(y, axis=-1)
    if not which.any():
        return {output: np.empty(0, format_.dtype) for output in OUTPUTS}
    with np.errstate(all="ignore"):
        found = function.loss_gradient_hessian(y, f, check_domain=False)
    return {output: np.asarray(a).reshape(-1) for output, a in zip(OUTPUTS, found, strict=True)}


def selection(batch: Batch, format_: Format) -> NDArray[np.bool_]:
    return batch.single if format_.bits < 53 else np.ones(len(batch), np.bool_)


def arrays(table: TruthTable, batch: Batch, format_: Format) -> tuple[NDArray[Any], NDArray[Any]]:
    """Targets and predictions as the public functions take them; several of a kind stand on the last axis."""
    which = selection(batch, format_)

    def stacked(names: Sequence[str]) -> NDArray[Any]:
        parts = [batch.arguments[name][which].astype(format_.dtype) for name in names]
        return parts[0] if len(parts) == 1 else np.stack(parts, axis=-1)

    return stacked([a.name for a in table.loss.targets]), stacked([a.name for a in table.loss.predictions])


def compare(table: TruthTable, output: str, computed: Sequence[NDArray[Any]], format_: Format, backend: str = "",
            limit: int = REPORTED) -> tuple[Row, list[Finding]]:  # fmt: skip
    """Errors and findings of one output; `computed` has a flat array for each batch."""
    findings: list[Finding] = []
    worst, scaled, rounded, failures, undecided, count = 0.0, 0.0, 0.0, 0, 0, 0
    worst_given: dict[str, Any] = {}
    own, faint = Own(), Own()
    for number, (batch, values) in enumerate(zip(table.batches, computed, strict=True)):
        truth, where, entry = _entries(table, number, output, format_)
        if not len(truth):
            continue
        error = _judged(table, batch, truth, where, values, format_)
        known = ~np.isnan(error)
        count, undecided = count + len(error), undecided + int(np.sum(truth.kind > INFINITE))
        normal = truth.exponent > format_.tiniest + format_.bits - 1
        found = (table, batch, output, truth, where, entry, values)
        own = _own(*found, np.where(normal, error, 0.0), format_, backend, own)
        faint = _own(*found, np.where(normal, 0.0, error), format_, backend, faint)
        excused = known & (error <= ULP_BOUND)
        explained: dict[int, float] = {}
        for i, share in _explanations(table, batch, output, truth, where, entry, values, error, format_):
            explained[i] = share
            if share <= 1:
                excused[i] = True
            elif len(findings) < limit:
                findings.append(_finding(table, batch, output, backend, format_, int(where[i]), int(entry[i]),
                                         float(values[i]), truth.take([i]), float(error[i])))  # fmt: skip
        failures += int(np.sum(known & ~np.isfinite(error) & ~excused))
        small = known & (error <= ULP_BOUND)
        scaled = max([scaled, *error[small].tolist(), *(ULP_BOUND * s for s in explained.values())])
        finite = np.where(known & np.isfinite(error), error, 0.0)
        rounded = max(rounded, float(np.max(np.where(batch.rounded[where], finite, 0.0))))
        if (top := float(finite.max())) > worst:
            at = int(finite.argmax())
            worst, worst_given = top, given(table, batch, int(where[at]), output, int(entry[at]))
    return Row(output, backend, format_.name, count, worst, scaled, rounded, worst_given, failures, undecided,
               own, faint), findings  # fmt: skip


def is_caught(table: TruthTable, output: str, computed: Sequence[NDArray[Any]], format_: Format) -> bool:
    """Whether `compare` would find anything; stops at the first finding."""
    for number, (batch, values) in enumerate(zip(table.batches, computed, strict=True)):
        truth, where, entry = _entries(table, number, output, format_)
        if len(truth):
            error = _judged(table, batch, truth, where, values, format_)
            found = _explanations(table, batch, output, truth, where, entry, values, error, format_)
            if any(share > 1 for _, share in found):
                return True
    return False


def _judged(table: TruthTable, batch: Batch, truth: Truth, where: NDArray[np.int64], values: NDArray[Any],
            format_: Format) -> Floats:  # fmt: skip
    """Errors in ulps; NaN where nothing is known, and where an infinite input gave NaN, which it may."""
    may_be_nan = _touches_infinity(table, batch)[where] & np.isnan(values)
    return np.where(may_be_nan, np.nan, errors(truth, values, format_))


def _entries(table: TruthTable, number: int, output: str, format_: Format
             ) -> tuple[Truth, NDArray[np.int64], NDArray[np.int64]]:  # fmt: skip
    """The exact values that `format_` is compared with, and the point and entry each belongs to."""
    batch, truth = table.batches[number], table.truths[number][output]
    width = len(truth) // len(batch)
    which = np.repeat(selection(batch, format_), width)
    everything = np.arange(len(truth))[which]
    return truth.take(which), everything // width, everything % width


def _touches_infinity(table: TruthTable, batch: Batch) -> NDArray[np.bool_]:
    return np.asarray(~np.isfinite(np.array(table.coordinates(batch))).all(axis=1))


def _explanations(table: TruthTable, batch: Batch, output: str, truth: Truth, where: NDArray[np.int64],
                  entry: NDArray[np.int64], values: NDArray[Any], error: Floats, format_: Format
                  ) -> Iterator[tuple[int, float]]:  # fmt: skip
    """Of suspicious entries, the error as a share of what rounding may explain (above 1: it does not)."""
    suspicious = np.flatnonzero(~np.isnan(error) & (error > ULP_BOUND))
    if len(suspicious) > _EXAMINED:
        order = suspicious[np.argsort(-error[suspicious], kind="stable")]
        chosen = np.concatenate([order[: _EXAMINED // 2], order[:: max(1, 2 * len(order) // _EXAMINED)]])
        suspicious = np.unique(chosen)
    coordinates = table.coordinates(batch)
    for i in suspicious.tolist():
        point, component = coordinates[where[i]], int(entry[i])
        if truth.kind[i] == INFINITE or np.isnan(values[i]) or not np.isfinite(point).all():
            yield i, np.inf
            continue
        moved = condition(table, batch, output, component, point, format_)
        ulp = 2.0 ** float(np.maximum(truth.exponent[i] - format_.bits, format_.tiniest))
        allowed = CONDITION_FACTOR * moved
        if np.isinf(values[i]) or truth.exponent[i] > format_.largest:
            # One of the two is an infinity: the other may be as far from the largest number as inputs explain.
            finite = abs(float(truth.take([i]).values()[0])) if np.isinf(values[i]) else abs(float(values[i]))
            within = allowed >= float(np.finfo(format_.dtype).max) - finite
            yield i, 1.0 if within and np.signbit(values[i]) == np.signbit(truth.high[i]) else np.inf
            continue
        smallest_normal = float(np.finfo(format_.dtype).tiny)
        if np.isinf(error[i]):
            # Both are finite; beside an exact value of nearly 0 they are more ulps apart than a float can count.
            gap = abs(float(values[i]) - float(truth.take([i]).values()[0]))
            yield i, gap / (ULP_BOUND * ulp + allowed + smallest_normal)
            continue
        yield i, float(error[i]) / (ULP_BOUND + (allowed + smallest_normal) / ulp)


def _own(table: TruthTable, batch: Batch, output: str, truth: Truth, where: NDArray[np.int64],
         entry: NDArray[np.int64], values: NDArray[Any], error: Floats, format_: Format, backend: str, known: Own
         ) -> Own:  # fmt: skip
    """The largest error that is the code's own, here or among what is `known`."""
    limit = limit_of(table.loss.name, backend, table.loss.size is not None)
    allowed, coordinates = limit.of(output), table.coordinates(batch)
    for i in np.argsort(-np.nan_to_num(error, posinf=np.inf), kind="stable").tolist():
        found, moves = float(error[i]), 0.0
        if not found > known.ulp:
            break
        point, component = coordinates[where[i]], int(entry[i])
        if found > allowed and truth.kind[i] == FINITE and np.isfinite(point).all():
            ulp = 2.0 ** float(np.maximum(truth.exponent[i] - format_.bits, format_.tiniest))
            moved = condition(table, batch, output, component, point, format_) / 2
            moves = moved / ulp
            if moves > limit.steep:
                # Beside an exact value of nearly 0, both are more ulps than a float can count.
                gap = abs(float(values[i]) - float(truth.take([i]).values()[0]))
                found = max(0.0, found - moves if np.isfinite(found) else (gap - moved) / ulp)
        if found > known.ulp:
            given_ = given(table, batch, int(where[i]), output, component)
            known = Own(found, given_, moves, bool(found <= allowed))
    return known


def condition(table: TruthTable, batch: Batch, output: str, entry: int, point: Sequence[float], format_: Format
              ) -> float:  # fmt: skip
    """How much the exact output changes in all when each input moves by an ulp; kinks and ends are not moved from."""
    return _condition(table.loss, batch.size, output, entry, tuple(point), format_)


@lru_cache(maxsize=20_000)
def _condition(loss: Loss, size: int | None, output: str, entry: int, point: Coordinates, format_: Format) -> float:
    setting = setting_of(loss, size)
    here = setting.component(output, entry, point)
    if here is None or iv.is_infinite(here[0]):
        return 0.0
    exact = {a.name for a in loss.targets} if loss.base == "residual" else set()
    smooth = setting.point(point)
    total = 0.0
    for slot, name in enumerate(setting.oracle.coordinates):
        if name.partition("[")[0] in exact or not smooth.is_smooth(slot):
            continue
        largest = 0.0
        for direction in (-np.inf, np.inf):
            with np.errstate(all="ignore"):
                neighbour = float(np.nextafter(format_.dtype(point[slot]), format_.dtype(direction)))
            if not np.isfinite(neighbour):
                continue
            there = setting.component(output, entry, (*point[:slot], neighbour, *point[slot + 1 :]))
            if there is not None and not iv.is_infinite(there[0]):
                largest = max(largest, abs(libmp.to_float(libmp.mpf_sub(there[0], here[0], 60, "n"))))
        total += largest
    return total


def given(table: TruthTable, batch: Batch, index: int, output: str = "loss", entry: int = 0) -> dict[str, Any]:
    """The input at one point, by name, as plain numbers; of a vector output also the entry, counted from 0."""
    found: dict[str, Any] = {}
    for a in table.loss.arguments:
        value = batch.arguments[a.name][index]
        found[a.name] = value.tolist()
    found.update(batch.parameters)
    p = len(table.setting(batch).axes)
    if p > 1 and output != "loss":
        found["entry"] = entry if output == "gradient" else [entry // p, entry % p]
    return found


def _finding(table: TruthTable, batch: Batch, output: str, backend: str, format_: Format, index: int, entry: int,
             computed: float, truth: Truth, error: float) -> Finding:  # fmt: skip
    infinite = not np.isfinite(table.coordinates(batch)[index]).all()
    if np.isnan(computed):
        kind = "not a number"
    elif infinite:
        kind = "wrong limit"
    elif np.isinf(computed) or truth.kind[0] != FINITE:
        kind = "wrong infinity"
    else:
        kind = "wrong value"
    return Finding(kind, output, backend, format_.name, given(table, batch, index, output, entry), computed,
                   float(truth.values()[0]), error)  # fmt: skip
