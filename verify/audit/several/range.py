"""What happens further out, where one raw score or all of them together grow?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..agreement import fits
from ..ground import WIDE, Floats, is_inside
from ..process import ChildDied
from ..range import HARM, HARM_SINGLE
from ..report import Finding
from .layout import Asker
from .table import Table, domains_of, entry_of, given_at, tolerance_of, truth_of

_LADDER = (8.0, 16.0, 24.0, 36.0, 40.0, 90.0, 400.0, 700.0, 711.0, 746.0, 1000.0, 9999.0, 1e5, 1e16, 1e300)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Way:
    """From an ordinary point outwards: all raw scores together, or one of them."""

    y: Any
    start: Floats
    direction: Floats
    words: str

    def at(self, t: float) -> Floats:
        return self.start + t * self.direction


def _ways(table: Table) -> Iterator[_Way]:
    start = np.array([0.0, 1.0, -0.5])[: table.width] if table.classes else np.full(table.width, 0.5)
    for y in table.targets[:2]:
        for sign in (1.0, -1.0):
            if table.classes:
                yield _Way(y, start, np.full(table.width, sign), "all raw scores")
                yield _Way(y, start, sign * np.eye(table.width)[0], table.names[0])
            else:
                for k, name in enumerate(table.names):
                    yield _Way(y, start, sign * np.eye(table.width)[k], name)


def beyond(table: Table, asker: Asker, outputs: Sequence[str], answers: Mapping[str, Floats]) -> list[Finding]:
    """What goes wrong on the way outwards: for each output and kind the place that is nearest."""
    found: dict[tuple[str, str, str, bool], tuple[float, Finding]] = {}
    for way in _ways(table):
        steps = [t for t in _LADDER if all(is_inside(d, v) for d, v in zip(domains_of(table), way.at(t), strict=True))]
        if not steps or not outputs:
            continue
        try:
            states = _states(table, asker, way, steps, outputs, answers)
        except ChildDied as death:
            key = ("call", "crash", way.words, True)
            found.setdefault(key, (0.0, _crash(table, asker, way, steps, f"{death}")))
            continue
        for output in outputs:
            for i, state in enumerate(states[output]):
                if not state or state in states[output][:i]:
                    continue
                low = steps[i - 1] if i else 0.0
                t = _narrowed(table, asker, way, output, answers, state, low, steps[i])
                up = bool(way.direction.sum() > 0)
                key = (output, state, way.words, up)
                if key not in found or t < found[key][0]:
                    found[key] = (t, _finding(table, asker, way, output, state, t, up))
    # One place of each kind is enough: where it is a fault, if it is one anywhere.
    nearest: dict[tuple[str, str], tuple[bool, float, Finding]] = {}
    for (output, state, _, _), (t, finding) in found.items():
        rank = (finding.severity != "fault", t, finding)
        if (output, state) not in nearest or rank[:2] < nearest[output, state][:2]:
            nearest[output, state] = rank
    return [f for _, _, f in nearest.values()]


def _crash(table: Table, asker: Asker, way: _Way, steps: Sequence[float], how: str) -> Finding:
    """The first step that ends the process."""
    kind = "hangs" if "took more" in how else "crash"
    for t in steps:
        rows = table.rows(np.array([way.y]), way.at(t)[None, :])
        try:
            asker.at(rows.y, rows.f)
        except ChildDied:
            return Finding("fault", kind, "call", how, given_at(table, rows, 0))
    return Finding("fault", kind, "call", how)


def _states(table: Table, asker: Asker, way: _Way, steps: Sequence[float], outputs: Sequence[str],
            answers: Mapping[str, Floats]) -> dict[str, list[str]]:  # fmt: skip
    """What is wrong at each step, "" where nothing is."""
    rows = table.rows(np.array([way.y] * len(steps)), np.stack([way.at(t) for t in steps]))
    values = asker.at(rows.y, rows.f)
    if asker.said:  # something was raised: which row it was
        alone = [asker.at(rows.y[i : i + 1], rows.f[i : i + 1]) for i in range(len(rows))]
        values = {o: np.concatenate([a[o] for a in alone]) for o in values}
    found = {}
    for o in outputs:
        truth = truth_of(rows, o, values[o])
        usual = truth_of(table.ordinary, o, answers[o])
        scale = float(np.median(np.abs(usual))) or float(np.max(np.abs(usual))) or 1.0
        rough = tolerance_of(answers[o]) > 1e-8 or not fits(answers[o], usual, tolerance_of(answers[o])).all()
        found[o] = [_state(values[o][i], truth[i], scale, rough) for i in range(len(steps))]
    return found


def _state(values: Any, truth: Any, scale: float, rough: bool) -> str:
    u, t = np.atleast_1d(values).reshape(-1), np.atleast_1d(truth).reshape(-1)
    known = ~np.isnan(t)
    u, t = u[known], t[known]
    if np.isnan(u).any():
        return "NaN"
    finite = np.isfinite(t)
    if np.isinf(u[finite & (np.abs(t) < 1e308)]).any():
        return "infinite"
    u, t = u[finite & np.isfinite(u)], t[finite & np.isfinite(u)]
    off = ~(np.abs(u - t) <= (HARM_SINGLE if rough else HARM) * np.maximum(np.abs(t), scale))
    if off.any():
        floored = off.sum() > 0 and np.ptp(u[off]) == 0 and (u[off] > t[off]).all() and 0 < u[off][0] < 1e-2 * scale
        return "floored" if floored else "wrong"
    lost = (np.abs(u - t) > 0.5 * np.abs(t)) & (np.abs(t) > 1e-290)
    return "digits" if lost.any() else ""


def _narrowed(table: Table, asker: Asker, way: _Way, output: str, answers: Mapping[str, Floats], state: str,
              low: float, high: float) -> float:  # fmt: skip
    """The first step with this state, to three digits or so."""
    for _ in range(2):
        inner = np.geomspace(max(low, 0.5), high, 10)[1:-1].tolist()
        if low >= high:
            break
        states = _states(table, asker, way, inner, (output,), answers)[output]
        first = next((i for i, s in enumerate(states) if s == state), None)
        low, high = (inner[-1], high) if first is None else (inner[first - 1] if first else low, inner[first])
    short = float(f"{high:.4g}")
    same = _states(table, asker, way, [short], (output,), answers)[output] == [state]
    return short if same else high


def _finding(table: Table, asker: Asker, way: _Way, output: str, state: str, t: float, up: bool) -> Finding:
    rows = table.rows(np.array([way.y]), way.at(t)[None, :])
    values = asker.at(rows.y, rows.f)[output]
    truth = truth_of(rows, output, values)
    with np.errstate(all="ignore"):
        gap = np.where(np.isnan(values), np.inf, np.abs(values - truth)) / (1.0 if state != "digits" else np.abs(truth))
    place = np.unravel_index(int(np.argmax(np.nan_to_num(gap, nan=-1, posinf=np.inf))), values.shape)
    bound = way.at(t)[int(np.argmax(np.abs(way.direction)))] if way.words != "all raw scores" else (t if up else -t)
    where = f"{way.words} {'>' if up else '<'} {bound:.6g}"
    words = {"NaN": f"NaN for {where}", "infinite": f"infinite for {where}", "wrong": f"wrong for {where}",
             "floored": f"never less than {float(values[place]):.6g}, from {where} on",
             "digits": f"loses all digits beyond {where}; its size is harmless"}[state]  # fmt: skip
    harmful = state in ("NaN", "infinite", "wrong") and t <= WIDE
    kind = {"wrong": "wrong tail"}.get(state, state)
    if asker.said and state == "NaN":
        kind, words = "raises", f"raises for {where} ({asker.said})"
    return Finding("fault" if harmful else "note", kind, output, words, given_at(table, rows, 0),
                   float(values[place]), float(truth[place]), entry_of(table, place[1:]))  # fmt: skip
