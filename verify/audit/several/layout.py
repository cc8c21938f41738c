"""How does foreign code of several raw scores want to be called, and how does it lay out what it answers?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ....spec.domains import OneHot
from ..agreement import fits, multiple
from ..child import Message, packed, unpacked
from ..conventions import Oracle, forms_of, interpretations, ways_of, weight_of, weights_asked
from ..ground import Floats
from .relations import diagnosed
from .table import Table, tolerance_of, truth_of


@dataclass(frozen=True, slots=True)
class Layout:
    """How the code is called, and how raw scores, labels and derivatives are laid out."""

    form: str
    container: str = "numpy"
    split: bool = False
    scores: str = "matrix"
    labels: str = ""
    outputs: tuple[str, ...] = ()
    whole: bool = False
    sign: int = 1
    weighable: str = ""

    @property
    def words(self) -> list[str]:
        letters = {"y": "targets", "f": "predictions", "w": "weights", "d": "data set"}
        if self.form == "catboost_multi":
            said = ["called as CatBoost does, calc_ders_multi(approx, target, weight)"]
        else:
            said = [f"called with ({', '.join(letters.get(x, x) for x in self.form)})"]
        if self.container != "numpy":
            said.append(f"on {({'torch': 'PyTorch tensors', 'jax': 'JAX arrays'})[self.container]}")
        if self.split:
            said.append("row by row")
        if self.form != "catboost_multi":
            said.append(_SCORES[self.scores])
        if self.labels:
            said.append(f"with {self.labels}")
        if self.sign < 0:
            said.append("derivatives negated, as CatBoost wants them")
        names = {"hessian": "whole Hessian" if self.whole else "diagonal of the Hessian"}
        said.append(f"answers with {', '.join(names.get(o, o) for o in self.outputs)}")
        return said


_SCORES = {
    "matrix": "raw scores as a matrix of a row for each sample",
    "by row": "raw scores in one array, sample after sample",
    "by class": "raw scores in one array, class after class",
    "transposed": "raw scores as a matrix of a row for each class",
}
_LABELS = ("classes", "classes as integers", "one-hot rows")


@dataclass(slots=True)
class Asker:
    """Foreign code in one layout: `at(y, f)` gives each output in the shape of `Rows.exact`, the diagonal as (n, P)."""

    oracle: Oracle
    layout: Layout
    keywords: Mapping[str, Any]
    changed: bool = False
    said: str = ""  # what the last call raised

    def ask(self, y: Floats, f: Floats, w: Any = None) -> Message:
        c = self.layout
        n, p = f.shape
        labels = np.eye(p)[y.astype(int)] if c.labels == "one-hot rows" else y
        arranged = {"matrix": f, "by row": f.reshape(-1), "by class": f.T.reshape(-1), "transposed": f.T}[c.scores]
        request = {"form": c.form, "container": c.container, "split": c.split, "keywords": dict(self.keywords),
                   "y": packed(labels), "f": packed(arranged),
                   "integers": c.labels == "classes as integers"}  # fmt: skip
        return self.oracle.ask(request | weights_asked(c.form, c.weighable, n, w))

    def at(self, y: Floats, f: Floats, w: Any = None) -> dict[str, Floats]:
        """NaN where something was raised or has another shape. Raises ChildDied when the process ends."""
        c, (n, p) = self.layout, f.shape
        shapes = {"loss": (n,), "gradient": (n, p), "hessian": (n, p, p) if c.whole else (n, p)}
        missing = {o: np.full(shapes[o], np.nan) for o in c.outputs}
        message = self.ask(y, f, w)
        self.said = f"{message['error']}: {message['message']}" if "error" in message else ""
        if self.said:
            return missing
        self.said = next(iter(message.get("raised", {}).values()), "")
        self.changed |= bool(message.get("changed"))
        found = dict(missing)
        for o, data in zip(c.outputs, message["outputs"], strict=False):
            values = unpacked(data)
            if values.size == int(np.prod(shapes[o])):
                found[o] = (c.sign if o != "loss" else 1) * _in_rows(values, shapes[o], c.scores)
        return found


def _in_rows(values: Floats, shape: tuple[int, ...], scores: str) -> Floats:
    """What was answered, as a row for each sample."""
    if len(shape) == 2 and scores in ("by class", "transposed") and values.shape != shape:
        return values.reshape(shape[::-1]).T
    return values.reshape(shape)


def _layouts(about: Message, table: Table, library: str | None, parameters: Mapping[str, Any]) -> Iterator[Layout]:
    if about["kind"] == "catboost_multi":
        yield Layout("catboost_multi", sign=-1)
        return
    forms, _ = forms_of(about, library, parameters)
    labels = _LABELS if isinstance(table.loss.targets[0].domain, OneHot) else ("",)
    for scores in _SCORES:
        for form in forms:
            for container in ways_of(about, library):
                for label in labels:
                    yield Layout(form, container, scores=scores, labels=label)


@dataclass(frozen=True, slots=True)
class Trial:
    layout: Layout
    answers: Mapping[str, Floats]
    score: float


def find(oracle: Oracle, table: Table, about: Message, library: str | None, wanted: Sequence[str],
         keywords: Mapping[str, Any]) -> tuple[Trial | None, Message]:  # fmt: skip
    """The layout that fits best, or None and what was raised by the first call."""
    best: Trial | None = None
    said: Message = {}
    tried = []
    for order, layout in enumerate(_layouts(about, table, library, {**table.parameters, **keywords})):
        for t in _tried(oracle, table, layout, wanted, keywords, said):
            tried.append(replace(t, score=t.score - 0.01 * order))
        best = max(tried, key=lambda t: t.score, default=None)
        if best is not None and best.score >= len(best.answers) - 0.5:
            break
    if best is not None and best.score < 0.5:
        # Nothing fits at once: whichever layout makes a known mistake of it.
        closer = [replace(t, score=t.score + sum(bool(diagnosed(table, o, a)) for o, a in t.answers.items()))
                  for t in tried]  # fmt: skip
        best = max(closer, key=lambda t: t.score)
    if best is not None:
        weight = weight_of(about, best.layout.form, {**table.parameters, **keywords})
        best = replace(best, layout=replace(best.layout, weighable=weight))
    return best, said


def _tried(oracle: Oracle, table: Table, layout: Layout, wanted: Sequence[str], keywords: Mapping[str, Any],
           said: Message) -> Iterator[Trial]:  # fmt: skip
    rows = table.ordinary
    n, p = rows.f.shape
    message = Asker(oracle, layout, keywords).ask(rows.y, rows.f)
    if "error" not in message and layout.scores == "matrix":
        sizes = [int(np.prod(o["shape"])) for o in message["outputs"]]
        if 1 in sizes:  # a number for all rows: a sum or a mean
            layout = replace(layout, split=True)
            message = Asker(oracle, layout, keywords).ask(rows.y, rows.f)
    if "error" in message:
        for key, value in message.items():
            said.setdefault(key, value)
        return
    sizes = [int(np.prod(o["shape"])) for o in message["outputs"]]
    known = {n: ("loss",), n * p: ("gradient", "hessian"), n * p * p: ("hessian",)}
    if not sizes or any(s not in known for s in sizes):
        said.setdefault("error", "ValueError")
        said.setdefault("message", f"its outputs have {sizes} numbers for {n} rows of {p} raw scores")
        return
    for names in interpretations(len(sizes), bool(message.get("automatic")) and len(sizes) == 3, wanted):
        if all(o in known[s] for o, s in zip(names, sizes, strict=False)):
            whole = any(o == "hessian" and s == n * p * p for o, s in zip(names, sizes, strict=False))
            shown = replace(layout, outputs=names, whole=whole)
            answers = Asker(oracle, shown, keywords).at(rows.y, rows.f)
            yield Trial(shown, answers, sum(_nearness(table, o, a) for o, a in answers.items()))


def _nearness(table: Table, output: str, answers: Floats) -> float:
    """1 for the truth, less for what is like it."""
    truth = truth_of(table.ordinary, output, answers)
    right = fits(answers, truth, tolerance_of(answers))
    if right.all():
        return 1.0
    if multiple(answers.reshape(-1), truth.reshape(-1), 1e-7) is not None:
        return 0.7
    return 0.6 * float(right.mean()) if right.mean() > 0.3 else 0.0
