"""Are sample weights multiplied exactly once?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from .agreement import CLOSE, Answers, fits
from .ground import Floats
from .report import Finding

SAMPLE = (1.0, 2.0, 0.5, 3.0, 0.25)
# What is multiplied instead of the weights: a power of them.
_POWERS = (
    ("weights ignored", "sample weights are not applied at all", 0.0),
    ("weights twice", "sample weights are applied twice", 2.0),
    ("weights rooted", "the square root of the sample weights is applied", 0.5),
)
_UNKNOWN = ("weights", "sample weights change it in an unknown way")


def weight_findings(plain: Mapping[str, Floats], weighed: Mapping[str, Floats], w: Floats, form: str
                    ) -> Iterator[Finding]:  # fmt: skip
    """What is wrong with the weights in each output. Of a data set, those that are ignored may be meant so."""
    for output, values in plain.items():
        if fault := _fault(values, weighed[output], w):
            kind, words = fault
            if kind == "weights ignored" and "d" in form:
                yield Finding("note", kind, output, f"{words} (of the data set: no library does it instead)")
            else:
                yield Finding("fault", kind, output, words)


def reduced_weight_findings(rows: Floats, together: float, w: Floats) -> Iterator[Finding]:
    """What is wrong with the weights in a sum or a mean, of which `rows` are the summands without weights."""
    if not np.isfinite([*rows, together]).all() or not rows.any():
        return
    tolerance = 1e-6 if Answers(rows).tolerance == CLOSE else 1e-4
    for kind, words, power in (("", "", 1.0), *_POWERS):
        weight = w**power
        total = float((weight * rows).sum())
        if any(abs(together - total / by) <= tolerance * abs(together) for by in (1, len(w), w.sum(), weight.sum())):
            if kind:
                yield Finding("fault", kind, "loss", words)
            return
    kind, words = _UNKNOWN
    yield Finding("fault", kind, "loss", words)


def refused(name: str, said: str) -> Finding:
    """The note on code that an array of one weight a row, given by name, makes raise."""
    words = f"no array of sample weights is taken as {name}: {said}"
    return Finding("note", "weights", "call", words)


def _fault(plain: Floats, weighed: Floats, w: Floats) -> tuple[str, str] | None:
    """What was done with the weights instead, as a kind and a sentence; None where they are multiplied once.

    `plain` are the answers for weights of 1. Of several raw scores a row, all entries of a row have its weight.
    """
    by = w.reshape(-1, *[1] * (plain.ndim - 1))
    if not np.isfinite(plain).all() or not plain.any() or _same(weighed, plain * by):
        return None
    known = (
        *((kind, words, plain * by**power) for kind, words, power in _POWERS),
        ("weights normalised", "sample weights are divided by their mean", plain * by / w.mean()),
        ("weights normalised", "sample weights are divided by their sum", plain * by / w.sum()),
    )
    return next(((kind, words) for kind, words, expected in known if _same(weighed, expected)), _UNKNOWN)


def _same(found: Floats, expected: Floats) -> bool:
    """Whether the numbers agree: those of single precision to four digits of their usual size, as some may cancel."""
    if Answers(found).tolerance == CLOSE:
        return bool(fits(found, expected, 1e-6).all())
    usual = np.maximum(np.abs(expected), np.median(np.abs(expected)))
    return bool((np.abs(found - expected) <= 1e-4 * usual).all())
