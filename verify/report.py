"""Is the code of a loss right, and how exact is it?

`check` compares every output of every back end, in both precisions, with the
exact values. What rounding explains (`compare`) is an error in ulps; what it
does not is a finding: a NaN or a wrong infinity for finite input, a value at
an infinite input that is neither the limit nor NaN, a NaN that gets lost, or
an error beyond the bound. A second, independent check compares the code's
gradient and Hessian with central differences of the code's own loss and
gradient; where they disagree, the exact values say which of both is wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from mpmath import libmp

from ..spec.domains import OneHot
from ..spec.model import Loss
from .compare import REPORTED, Factory, Finding, Row, arrays, compare, evaluate, given, selection
from .naive import NaiveRow, naive_rows
from .points import Batch, KinkHints
from .truth import OUTPUTS, TruthTable, truth_table
from .ulps import FLOAT64, FORMATS, Floats, Format


@dataclass(frozen=True, slots=True)
class Report:
    """What `check` found out about one loss."""

    loss: str
    points: int
    rows: tuple[Row, ...]
    differences: tuple[NaiveRow, ...]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return not self.findings

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; infinities and NaN become text."""
        data: dict[str, Any] = _plain({
            "schema": 1, "loss": self.loss, "ok": self.ok, "points": self.points,
            "rows": [asdict(r) for r in self.rows], "differences": [asdict(d) for d in self.differences],
            "findings": [{**asdict(f), "message": f.message} for f in self.findings],
        })  # fmt: skip
        return data

    def lines(self) -> Iterator[str]:
        """The report as lines of plain text."""
        yield f"{self.loss}: {self.points} points, {len(self.findings)} finding{'s' * (len(self.findings) != 1)}"
        heads = (f"{'max ulp':>10}", f"{'scaled':>8}", f"{'own':>8}", f"{'rounded':>8}", f"{'failed':>6}",
                 f"{'open':>5}", " worst at")  # fmt: skip
        yield f"  {'output':9} {'backend':13} {'precision':9} {' '.join(heads)}"
        for r in self.rows:
            worst = ", ".join(f"{k}={v}" for k, v in r.worst.items())
            sizes = f"{r.max_ulp:10.3g} {r.scaled_ulp:8.3g} {r.own.ulp:8.3g} {r.rounded_ulp:8.3g}"
            yield f"  {r.output:9} {r.backend:13} {r.precision:9} {sizes} {r.failures:6d} {r.undecided:5d}  {worst}"
        for d in self.differences:
            spread = f"median {d.median:.1e}, worst {d.worst:.1e}, beyond 1e-6 at {d.share_wrong:.0%}"
            yield f"  {d.output:9} {d.method:30} relative error: {spread}"
        for f in self.findings:
            yield f"  FINDING {f.message}"

    def text(self) -> str:
        return "\n".join(self.lines())


def check(loss: Loss, backends: Mapping[str, Factory], *, n: int = 1600, kinks: KinkHints | None = None, jobs: int = 1,
          table: TruthTable | None = None, formats: Sequence[Format] = FORMATS, naive: bool = True
          ) -> Report:  # fmt: skip
    """Check the code of a loss.

    `backends` maps a name such as "c" to a function that binds parameters:
    given {"delta": 1.5} it answers with an object that has
    loss_gradient_hessian(y, f, check_domain=False). `table` reuses exact values
    from `truth_table`; otherwise about `n` points are computed by `jobs`
    processes. `kinks` adds known positions in the variable of the formula.
    `naive` adds what float64 differences of the formula would have shown.
    """
    table = truth_table(loss, n=n, kinks=kinks, jobs=jobs) if table is None else table
    rows: list[Row] = []
    findings: list[Finding] = []
    for name, factory in backends.items():
        wrong: set[str] = set()
        for format_ in formats:
            for labels in (False, True) if isinstance(table.loss.targets[0].domain, OneHot) else (False,):
                results = [evaluate(table, b, factory(b.parameters), format_, labels) for b in table.batches]
                for output in OUTPUTS:
                    backend = name + " labels" * labels
                    row, found = compare(table, output, [r[output] for r in results], format_, backend)
                    rows.append(row)
                    findings += found
                    wrong |= {output} if found and format_ is FLOAT64 else set()
            findings += _lost_nans(table, factory, format_, name)
        findings += _inconsistent(table, factory, name, wrong)
    differences = tuple(naive_rows(table)) if naive else ()
    return Report(table.loss.name, table.count, tuple(rows), differences, tuple(findings))


def _lost_nans(table: TruthTable, factory: Factory, format_: Format, backend: str) -> list[Finding]:
    """A NaN prediction must show in every output that is not the same number everywhere."""
    findings = []
    for number, batch in enumerate(table.batches):
        which = selection(batch, format_)
        if not which.any():
            continue
        y, f = (a[:1].copy() for a in arrays(table, batch, format_))
        f[...] = np.nan
        with np.errstate(all="ignore"):
            found = factory(batch.parameters).loss_gradient_hessian(y, f, check_domain=False)
        for output, values in zip(OUTPUTS, found, strict=True):
            truth = table.truths[number][output].values()
            constant = np.unique(truth[~np.isnan(truth)]).size <= 1 or (output == "hessian" and _is_stepwise(truth))
            # Of a vector, entries without weight (0/p) may stay 0.
            if not constant and not np.isnan(values).any():
                name = table.loss.predictions[0].name
                findings.append(Finding("a lost NaN", output, backend, format_.name,
                                        {name: float("nan"), **batch.parameters},
                                        float(np.asarray(values).ravel()[0]), float("nan"), float("inf")))  # fmt: skip
    return findings[:1]


def _is_stepwise(values: Floats) -> bool:
    """Whether only a few values occur, as in the Hessian of a piecewise quadratic loss."""
    return bool(np.unique(values[np.isfinite(values)]).size <= 3)


def _inconsistent(table: TruthTable, factory: Factory, backend: str, wrong: Collection[str] = ()) -> list[Finding]:
    """The code's gradient and Hessian against central differences of the code's own loss and gradient.

    Where both disagree, the exact values say which of them is wrong. Differences of
    values that were found `wrong` themselves are no further finding.
    """
    if len(table.loss.predictions) != 1 or table.loss.size is not None:
        return []
    prediction, target = table.loss.predictions[0].name, [a.name for a in table.loss.targets]
    if len(target) != 1:
        return []
    findings: list[Finding] = []
    for number, batch in enumerate(table.batches):
        f, y = batch.arguments[prediction], batch.arguments[target[0]]
        function = factory(batch.parameters)
        with np.errstate(all="ignore"):
            h = 2.0**-17 * np.maximum(2.0 ** np.floor(np.log2(np.clip(np.abs(f), 2.0**-900, 2.0**1000))), 2.0**-6)
            if oscillates := table.setting(batch).oracle.oscillates:
                h = np.full_like(h, 2.0**-23)  # a step that grows with f would span whole periods
            steps = [function.loss_gradient_hessian(y, f + k * h, check_domain=False) for k in (-2, -1, 0, 1, 2)]
            domain = np.array([_in_domain(table, a) and _in_domain(table, b)
                               for a, b in zip(f - 2 * h, f + 2 * h, strict=True)])  # fmt: skip
            if oscillates:
                domain &= np.abs(f) <= 2.0**10  # beyond, rounding moves the step itself
            for order in (1, 2):
                values = [np.asarray(s[order - 1], np.float64) for s in steps]
                near, far = (values[3] - values[1]) / (2 * h), (values[4] - values[0]) / (4 * h)
                size = np.max(np.abs(values), axis=0)
                tolerance = 40 * np.abs(near - far) + 2.0**-44 * size / h + 1e-5 * np.abs(near) + 1e-290
                claimed = np.asarray(steps[2][order], np.float64)
                off = domain & np.isfinite(tolerance) & np.isfinite(claimed) & (np.abs(claimed - near) > tolerance)
                off[off] = [_is_smooth(table, batch, int(i), 3 * float(h[i])) for i in np.flatnonzero(off)]
                truth = table.truths[number][OUTPUTS[order]].values()
                for i in np.flatnonzero(off):
                    at = given(table, batch, int(i))
                    if abs(claimed[i] - truth[i]) <= tolerance[i]:
                        if OUTPUTS[order - 1] in wrong:
                            continue
                        kind, output = f"its differences are not the formula's {OUTPUTS[order]}", OUTPUTS[order - 1]
                        computed, expected = near[i], truth[i]
                    else:
                        kind, output = f"inconsistent with differences of its own {OUTPUTS[order - 1]}", OUTPUTS[order]
                        computed, expected = claimed[i], near[i]
                        if np.isfinite(truth[i]):
                            kind, expected = f"not the formula's, and {kind}", truth[i]
                    findings.append(Finding(kind, output, backend, "float64", at, float(computed), float(expected),
                                            float("nan")))  # fmt: skip
    return findings[:REPORTED]


def _is_smooth(table: TruthTable, batch: Batch, index: int, reach: float) -> bool:
    """Whether no kink lies within `reach` of the point, shown by the oracle."""
    setting = table.setting(batch)
    point = setting.point(table.coordinates(batch)[index])
    slot = setting.axes[0].slot
    step = libmp.from_float(reach)
    point.values[slot] = (libmp.mpf_sub(point.raw[slot], step), libmp.mpf_add(point.raw[slot], step))
    return setting.oracle.is_smooth(point.values)


def _in_domain(table: TruthTable, value: float) -> bool:
    axis = table.setting(table.batches[0]).axes[0]
    if not np.isfinite(value):
        return False
    low, high = (None if end is None else libmp.to_float(end) for end in (axis.low, axis.high))
    return (low is None or value > low) and (high is None or value < high)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    return value
