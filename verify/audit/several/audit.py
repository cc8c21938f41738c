"""What is wrong with foreign code of several raw scores? The audit, step by step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from ....derive.present import presented
from ....spec.model import Loss
from ....spec.notation import text
from ...truth import OUTPUTS
from ..agreement import fits
from ..child import Message
from ..conventions import Oracle
from ..ground import Floats, is_inside
from ..relations import Diagnosis
from ..report import Finding, Report, Right, Verdict
from ..weights import SAMPLE, refused, weight_findings
from .layout import Asker, find
from .range import beyond
from .relations import diagnosed
from .table import Table, domains_of, entry_of, given_at, table_of, tolerance_of, truth_of


def examine(oracle: Oracle, about: Message, name: str, loss: Loss, parameters: Mapping[str, float],
            library: str | None, output: Sequence[str], keywords: Mapping[str, Any]) -> Report:  # fmt: skip
    """The layout, each output at ordinary points, then further out, weights and the other rows. Raises ChildDied."""
    table = table_of(loss, parameters)
    trial, said = find(oracle, table, about, library, output, keywords)
    if trial is None:
        line = f", in {said['line']}" if said.get("line") else ""
        words = f"no way of calling it works; the first one raised {said.get('error')}: {said.get('message')}{line}"
        return Report(name, loss.name, dict(parameters), (), (), (Finding("fault", "raises", "call", words),))
    asker = Asker(oracle, trial.layout, keywords)
    verdicts: list[Verdict] = []
    findings: list[Finding] = []
    for o in trial.layout.outputs:
        verdict, found = _judge(table, asker, o, trial.answers[o])
        verdicts.append(verdict)
        findings += found
    right = [v.output for v in verdicts if v.verdict in ("right", "nearly right")]
    findings += beyond(table, asker, right, trial.answers)
    findings += _weights(table, asker)
    findings += _other_rows(table, asker)
    if asker.changed:
        findings.append(Finding("fault", "changes its inputs", "call", "it writes into the arrays that it is given"))
    ranked = sorted(findings, key=lambda f: f.severity != "fault")
    return Report(name, loss.name, dict(parameters), tuple(trial.layout.words), tuple(verdicts), tuple(ranked),
                  _formulas(table, trial.layout.outputs), points=len(table.ordinary) + len(table.others))  # fmt: skip


def _judge(table: Table, asker: Asker, output: str, answers: Floats) -> tuple[Verdict, list[Finding]]:
    """Is one output right at ordinary points, and if not, what is it?"""
    rows = table.ordinary
    truth = truth_of(rows, output, answers)
    tolerance = tolerance_of(answers)
    right = fits(answers, truth, tolerance)
    if right.all():
        worst = float(np.nanmax(np.where(np.abs(truth.reshape(-1)) > 1e-6, rows.ulps(output, answers), 0)))
        words = f"right to {worst:.2g} ulp over ordinary inputs" if tolerance < 1e-8 else \
            "right to single precision over ordinary inputs"  # fmt: skip
        return Verdict(output, "right", worst, words), []
    where = _first(table, asker, output, tolerance)
    scale = float(np.median(np.abs(truth)))
    off = float(np.max(np.abs(answers - truth) / np.maximum(np.abs(truth), scale)))
    if off < 1e-4:
        words = f"nearly right: off by {off:.1e} of its size at worst, as an added epsilon or a difference quotient is"
        severity: Literal["fault", "note"] = "fault" if off > 1e-6 and tolerance < 1e-8 else "note"
        return Verdict(output, "nearly right", None, words), [
            replace(Finding(severity, "approximate", output, words), **where)]  # fmt: skip
    diagnoses = diagnosed(table, output, answers)
    if not diagnoses:
        bad = ~np.isfinite(answers)
        words = f"NaN or infinite at {bad.mean():.0%} of ordinary inputs" if bad.any() else \
            "no known relation to the truth explains it"  # fmt: skip
        diagnoses = [Diagnosis("NaN" if bad.any() else "unknown", words)]
    found = [replace(Finding("fault", d.kind, output, d.words if n == 0 or d.words.startswith("by ")
                             else f"in other words, {d.words}"), **(where if n == 0 else {}))
             for n, d in enumerate(diagnoses)]  # fmt: skip
    first = diagnoses[0]
    factor = len(diagnoses) == 1 and first.kind in ("sign", "factor", "sign and factor") and first.words[:3] != "by "
    if factor:
        return Verdict(output, "right up to a factor", None, f"right up to a factor: {first.words}"), found
    share = float(np.mean(~right))
    return Verdict(output, "wrong", None, f"wrong at {share:.0%} of ordinary entries: {first.words}"), found


def _first(table: Table, asker: Asker, output: str, tolerance: float) -> dict[str, Any]:
    """The plainest input at which an entry is wrong, with both values."""
    plain = [np.zeros(table.width), *np.eye(table.width), *-np.eye(table.width)]
    plain = [f for f in plain if all(is_inside(d, v) for d, v in zip(domains_of(table), f, strict=True))]
    pairs = [(y, f) for f in plain for y in table.targets if table.is_smooth(y, f)]
    tried = [table.rows(*(np.array(v) for v in zip(*pairs, strict=True)))] if pairs else []
    for rows in (*tried, table.ordinary):
        values = asker.at(rows.y, rows.f)[output]
        truth = truth_of(rows, output, values)
        wrong = np.argwhere(~fits(values, truth, tolerance) & np.isfinite(truth))
        if len(wrong):
            place = tuple(wrong[0])
            return {"given": given_at(table, rows, int(place[0])), "computed": float(values[place]),
                    "expected": float(truth[place]), "entry": entry_of(table, place[1:])}  # fmt: skip
    return {}


def _weights(table: Table, asker: Asker) -> Iterator[Finding]:
    """Are sample weights multiplied exactly once?"""
    c = asker.layout
    if not c.weighable or c.split:
        return
    rows = table.others
    w = np.resize(SAMPLE, len(rows))
    plain = asker.at(rows.y, rows.f, np.ones(len(rows)))
    if asker.said and c.weighable != "form":
        yield refused(c.weighable, asker.said)
    else:
        yield from weight_findings(plain, asker.at(rows.y, rows.f, w), w, c.form)


def _other_rows(table: Table, asker: Asker) -> Iterator[Finding]:
    """Does a row's answer depend on the rows beside it, or on chance?"""
    if asker.layout.split:
        return
    rows = table.ordinary
    half = len(rows) // 2
    whole, part = asker.at(rows.y, rows.f), asker.at(rows.y[:half], rows.f[:half])
    again = asker.at(rows.y, rows.f)
    for o in asker.layout.outputs:
        if not np.array_equal(whole[o], again[o], equal_nan=True):
            yield Finding("fault", "random", o, "the same inputs give different answers")
        elif np.isfinite(whole[o]).all() and not fits(part[o], whole[o][:half], 1e-6).all():
            mean = fits(part[o], whole[o][:half] * len(rows) / half, 1e-6).all()
            words = "it is divided by the number of rows" if mean else "a row's answer depends on the other rows"
            yield Finding("fault", "mean reduction" if mean else "depends on other rows", o, words)


def _formulas(table: Table, outputs: Sequence[str]) -> tuple[Right, ...]:
    d = table.derivation
    shown = {"loss": text(table.loss.expression)}
    if table.classes:
        shown |= {"gradient": text(d.gradients[0]), "hessian": text(d.hessians[0])}
    else:
        matrix = d.hessian
        names = table.names
        pairs = [(i, k) for i in range(len(names)) for k in range(i, len(names))]
        shown["gradient"] = "; ".join(f"by {n}: {text(presented(g))}" for n, g in zip(names, d.gradients, strict=True))
        shown["hessian"] = "; ".join(f"by {names[i]} and {names[k]}: {text(presented(matrix[i, k]))}" if i != k else
                                     f"twice by {names[i]}: {text(presented(matrix[i, i]))}"
                                     for i, k in pairs)  # fmt: skip
    return tuple(Right(o, shown[o]) for o in OUTPUTS if o in outputs)
