"""Over which range is right code right, to how many ulps, and what happens beyond?

Predictions are followed outwards until an answer is NaN, an infinity, a wrong number, or has lost all its digits; the
place is then narrowed down. What is wrong at scores that somebody may have, by more than rounding of ordinary values,
is a fault. A tiny number that has lost its digits, and trouble beyond any score, are notes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..compare import CONDITION_FACTOR, condition
from ..ulps import FINITE, FLOAT64, INFINITE, errors
from .agreement import Answers, fits
from .conventions import Asker
from .ground import WIDE, Floats, Ground, Sample
from .process import ChildDied
from .relations import Relations
from .report import Finding

# Relative to ordinary values of the output: what a clipped probability at 1e-7 does is seen, rounding is not.
HARM, HARM_SINGLE = 1e-9, 1e-5
_EXAMINED = 12


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with one number."""

    kind: str
    words: str
    harmful: bool


_TROUBLES = {
    "nan": Trouble("NaN", "NaN", True),
    "inf": Trouble("infinite", "infinite", True),
    "raised": Trouble("raises", "raises", True),
    "wrong": Trouble("wrong tail", "wrong", True),
    "zero": Trouble("underflow", "exactly 0, where the truth is not", False),
    "digits": Trouble("digits", "loses all digits", False),
    "half": Trouble("digits", "keeps less than half of its digits", False),
}


def ulps(ground: Ground, sample: Sample, output: str, values: Floats) -> float:
    """The largest error in ulps, less what moving the inputs by an ulp explains."""
    truth = sample.truths[output]
    error = np.nan_to_num(errors(truth, values, FLOAT64), nan=0.0, posinf=np.inf)
    table = ground.table(sample)
    (batch,) = table.batches
    points = table.coordinates(batch)
    order = np.argsort(-error)
    best = 0.0
    for i in order[:_EXAMINED].tolist():
        if error[i] <= 64:
            return max(best, float(error[i]))
        ulp = 2.0 ** float(np.maximum(truth.exponent[i] - FLOAT64.bits, FLOAT64.tiniest))
        allowed = CONDITION_FACTOR * condition(table, batch, output, 0, points[i], FLOAT64) / ulp
        best = max(best, float(error[i]) * 64 / (64 + allowed))
    return best


def beyond(ground: Ground, asker: Asker, relations: dict[str, Relations], answers: dict[str, Answers]
           ) -> Iterator[Finding]:  # fmt: skip
    """What goes wrong on the way outwards, for each output the worst of each kind and side."""
    found: dict[tuple[str, str, bool], tuple[float, Finding]] = {}
    for y, way in ground.ladder():
        sample = ground.sample(np.full(len(way), y), np.array(way))
        try:
            values, raised = asker.at(sample.y, sample.f)
        except ChildDied as death:
            yield crash(asker, sample, f"{death}", ground)
            continue
        up = way[-1] > way[0]
        for output, known in answers.items():
            states = _states(relations[output], known, sample, output, values[output], raised)
            seen: set[str] = set()
            for i, state in enumerate(states):
                if not state or state in seen:
                    continue
                seen.add(state)
                start = way[i - 1] if i and not states[i - 1] else None
                f = way[i] if start is None else _narrowed(ground, asker, relations[output], known, output,
                                                           state, y, start, way[i])  # fmt: skip
                finding = _finding(ground, asker, relations[output], known, output, state, y, f, up,
                                   raised.get(i, ""))  # fmt: skip
                size = abs(f - (y if ground.loss.base == "residual" else 0))
                key = (output, finding.kind, up)
                rank = (finding.severity != "fault", size)
                if key not in found or rank < (found[key][1].severity != "fault", found[key][0]):
                    found[key] = (size, finding)
    shown: dict[tuple[str, str], list[Finding]] = {}
    for (output, kind, _), (_, finding) in found.items():
        shown.setdefault((output, kind), []).append(finding)
    for group in shown.values():
        faults = [f for f in group if f.severity == "fault"]
        yield from faults or group


def _states(relations: Relations, answers: Answers, sample: Sample, output: str, values: Floats,
            raised: dict[int, str]) -> list[str]:  # fmt: skip
    """What is wrong at each point, "" where nothing is."""
    truth, exact = sample.truths[output], sample.exact[output]
    # What is known to be rough is not wrong for being so.
    single = answers.tolerance > 1e-8 or not relations.is_right(answers).all()
    scale = float(np.median(np.abs(relations.truth))) or float(np.max(np.abs(relations.truth))) or 1.0
    states = []
    for i in range(len(sample)):
        t, u = float(exact[i]), float(values[i])
        if truth.kind[i] not in (FINITE, INFINITE) or np.isnan(t):
            states.append("")
            continue
        gap = abs(u - t) if np.isfinite(t) and np.isfinite(u) else np.inf
        relative = gap / abs(t) if t else np.inf if gap else 0.0
        harm = gap / max(abs(t), scale)
        if i in raised and np.isfinite(t):
            state = "raised"
        elif not np.isfinite(t):
            state = "nan" if np.isnan(u) else ""
        elif np.isnan(u):
            state = "nan"
        elif np.isinf(u):
            state = "inf" if abs(t) < 1e308 else ""
        elif harm > (HARM_SINGLE if single else HARM):
            state = "wrong"
        elif abs(t) < 1e-290:
            state = ""
        elif u == 0 and t != 0:
            state = "zero"
        elif relative > 0.5:
            state = "digits"
        elif relative > (1e-2 if single else 1e-7):
            state = "half"
        else:
            state = ""
        states.append(state)
    return states


def _narrowed(ground: Ground, asker: Asker, relations: Relations, answers: Answers, output: str, state: str, y: float,
              good: float, bad: float) -> float:  # fmt: skip
    """The first prediction that fails, to four digits or so."""
    base = y if ground.loss.base == "residual" else 0.0
    for _ in range(3):
        a, b = good - base, bad - base
        spread = np.geomspace(a, b, 10) if a * b > 0 else np.linspace(a, b, 10)
        inner = np.unique(base + spread[1:-1])
        inner = inner if bad > good else inner[::-1]
        sample = ground.sample(np.full(len(inner), y), inner)
        try:
            values, raised = asker.at(sample.y, sample.f)
        except ChildDied:
            return bad
        states = _states(relations, answers, sample, output, values[output], raised)
        first = next((i for i, s in enumerate(states) if s == state), None)
        if first is None:
            good = float(inner[-1])
        else:
            bad = float(inner[first])
            good = float(inner[first - 1]) if first else good
    return _rounded(ground, asker, relations, answers, output, state, y, good, bad)


def _rounded(ground: Ground, asker: Asker, relations: Relations, answers: Answers, output: str, state: str, y: float,
             good: float, bad: float) -> float:  # fmt: skip
    """A short number near `bad` that fails as well."""
    for digits in (3, 4, 5):
        short = float(f"{bad:.{digits}g}")
        if min(good, bad) < short and abs(short - bad) <= 0.01 * abs(bad):
            sample = ground.sample([y], [short])
            try:
                values, raised = asker.at(sample.y, sample.f)
            except ChildDied:
                return bad
            if _states(relations, answers, sample, output, values[output], raised) == [state]:
                return short
    return bad


def _finding(ground: Ground, asker: Asker, relations: Relations, answers: Answers, output: str, state: str, y: float,
             f: float, up: bool, said: str) -> Finding:  # fmt: skip
    trouble = _TROUBLES[state]
    sample = ground.sample([y], [f])
    values, _ = asker.at(sample.y, sample.f)
    residual = ground.loss.base == "residual"
    name = "r = f - y" if residual else ground.prediction.name
    size = f - y if residual else f
    near = residual and abs(size) < 1
    place = f"{name} {'>' if up else '<'} {size:.6g}" if not near else f"{name} near 0 (from {size:.3g} on)"
    where = place if residual else f"{place} (y = {y:g})"
    words = f"{trouble.words} {'for' if state in ('nan', 'inf', 'raised', 'wrong') else 'beyond'} {where}"
    if said:
        words += f" ({said})"
    if not trouble.harmful:
        words += "; its size is harmless" if state != "zero" else ""
    harmful = trouble.harmful and (near or abs(size) <= WIDE) and not _at_an_end(ground, f)
    given = {ground.target.name: y, ground.prediction.name: f, **ground.parameters}
    return Finding("fault" if harmful else "note", trouble.kind, output, words, given,
                   float(values[output][0]), float(sample.exact[output][0]))  # fmt: skip


def _at_an_end(ground: Ground, f: float) -> bool:
    """Whether a prediction stands so near to the finite end of its domain that nobody means it."""
    ends = [float(e) for e in (ground.prediction.domain.low, ground.prediction.domain.high)]  # type: ignore[union-attr]
    return any(np.isfinite(e) and abs(f - e) < 1e-9 for e in ends)


def at_kinks(ground: Ground, asker: Asker, outputs: Sequence[str], tolerance: float) -> Iterator[Finding]:
    """At a kink any value between the one-sided ones is right; which one it is, is worth a note."""
    if not ground.kinks:
        return
    y, f = (np.array(v) for v in zip(*ground.kinks, strict=True))
    here = ground.sample(y, f)
    step = 2.0**-20 * np.maximum(np.abs(f), 1)
    left, right = ground.sample(y, f - step), ground.sample(y, f + step)
    try:
        values, _ = asker.at(y, f)
    except ChildDied as death:
        yield crash(asker, here, f"{death}", ground)
        return
    for output in outputs:
        noted: set[str] = set()
        for i in range(len(y)):
            u, t = float(values[output][i]), float(here.exact[output][i])
            sides = [t, float(left.exact[output][i]), float(right.exact[output][i])]
            if not np.isfinite(sides).all() or fits(np.array([u]), np.array([t]), max(tolerance, 1e-12)).all():
                continue
            slack = 1e-4 * max(map(abs, sides)) + tolerance
            given = {ground.target.name: float(y[i]), ground.prediction.name: float(f[i]), **ground.parameters}
            if min(sides) - slack <= u <= max(sides) + slack:
                side = "left" if abs(u - sides[1]) <= slack else "right" if abs(u - sides[2]) <= slack else ""
                words = f"at the kink it takes the derivative of the {side} side, which is one of the right values" \
                    if side else "at the kink it takes a value between the one-sided derivatives"  # fmt: skip
                finding = Finding("note", "value at the kink", output, words, given, u, t)
            else:
                what = "NaN" if np.isnan(u) else "infinite" if np.isinf(u) else "wrong"
                kind = "NaN" if np.isnan(u) else "infinite" if np.isinf(u) else "wrong at the kink"
                finding = Finding("fault", kind, output, f"{what} at the kink", given, u, t)
            if finding.kind not in noted:
                noted.add(finding.kind)
                yield finding


def crash(asker: Asker, sample: Sample, how: str, ground: Ground) -> Finding:
    """The smallest input that ends the process, by halving the rows."""
    rows: Any = np.arange(len(sample))
    for _ in range(12):
        if len(rows) <= 1:
            break
        half = rows[: len(rows) // 2]
        rows = half if _dies(asker, sample, half) else rows[len(rows) // 2 :]
    dies = len(rows) == 1 and _dies(asker, sample, rows)
    given = {ground.target.name: float(sample.y[rows[0]]), ground.prediction.name: float(sample.f[rows[0]])}
    kind = "hangs" if "took more" in how else "crash"
    return Finding("fault", kind, "call", how, {**given, **ground.parameters} if dies else {})


def _dies(asker: Asker, sample: Sample, rows: Any) -> bool:
    try:
        asker.at(sample.y[rows], sample.f[rows])
    except ChildDied:
        return True
    return False
