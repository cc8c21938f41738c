"""Which known mistake gives the numbers of foreign code of several raw scores?"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sympy as sp

from ....derive.present import presented
from ....spec.domains import OneHot
from ..agreement import fits, multiple
from ..ground import Floats
from ..mistakes import mistakes
from ..relations import Diagnosis
from .table import Table, tolerance_of, truth_of


def diagnosed(table: Table, output: str, answers: Floats) -> list[Diagnosis]:
    """The relations to the truth that give the numbers, the plainest first."""
    truth = truth_of(table.ordinary, output, answers)
    if not np.isfinite(answers).all():
        return []
    tolerance = max(tolerance_of(answers), 1e-8)
    u, t = answers.reshape(-1), truth.reshape(-1)
    if not u.any():
        return [Diagnosis("zero", "it is 0 everywhere")]
    found = [Diagnosis(h.kind, h.words) for h in _hypotheses(table, output, answers.ndim)
             if fits(answers, h.values, tolerance).all()]  # fmt: skip
    c = multiple(u, t, tolerance)
    if c is not None:
        if np.isclose(c, -1):
            return [Diagnosis("sign", "it is -1 times the truth", -1.0), *found]
        kind = "factor" if c > 0 else "sign and factor"
        return [*found, Diagnosis(kind, f"it is {_constant(table, c)} times the truth", c)]
    if np.ptp(u) <= tolerance * abs(float(u[0])):
        return [*found, Diagnosis("constant", f"it is the constant {u[0]:.6g}")]
    searches = (_by_score, _part, _recombined)
    return found[:3] or next((d for search in searches for d in [search(table, output, answers, tolerance)] if d), [])


@dataclass(frozen=True, slots=True)
class _Hypothesis:
    kind: str
    words: str
    values: Floats


@functools.lru_cache(maxsize=64)
def _hypotheses(table: Table, output: str, dimensions: int) -> list[_Hypothesis]:
    """What somebody may have computed instead, the most telling first."""
    rows = table.ordinary
    truth = truth_of(rows, output, np.empty((1,) * dimensions))
    found = []
    with np.errstate(all="ignore"):
        for kind, words, values in _guesses(table, output, dimensions):
            if values.shape == truth.shape and np.isfinite(values).all() and not fits(values, truth).all():
                found.append(_Hypothesis(kind, words, values))
    return found


def _guesses(table: Table, output: str, dimensions: int) -> Iterator[tuple[str, str, Floats]]:
    rows = table.ordinary
    g, h = rows.exact["gradient"], rows.exact["hessian"]
    n, p = rows.f.shape
    diagonal = np.einsum("nii->ni", h)
    if table.softmax:
        yield from _of_softmax(output, dimensions, rows.f, *_shares(table), g)
    if output == "gradient":
        yield "outputs exchanged", "it is the diagonal of the Hessian", diagonal
        yield "absolute value", "it is the absolute value of the truth", np.abs(g)
        yield "signs alone", "it is the sign of the truth alone", np.sign(g)
        yield "layout", "its numbers stand in the order of the other layout", g.T.reshape(n, p)
        if isinstance(table.loss.targets[0].domain, OneHot):
            for shift in (1, 2):
                there = table.rows((rows.y + shift) % p, rows.f).exact["gradient"]
                yield "target convention", f"the classes are off by {shift if shift == 1 else -1}", there
        for k in range(p - 1):
            swapped = g.copy()
            swapped[:, [k, k + 1]] = swapped[:, [k + 1, k]]
            yield (
                "outputs exchanged",
                f"the entries of {table.names[k]} and {table.names[k + 1]} are exchanged",
                swapped,
            )
    elif output == "hessian" and dimensions == 2:
        yield "diagonal bound", ("it is the sum of the sizes in a row of the Hessian: a diagonal that bounds the whole "
                                 "Hessian, a good curvature and not the Hessian"), np.abs(h).sum(axis=2)  # fmt: skip
        yield "diagonal bound", f"it is K/(K - 1) times the diagonal, for K = {p} classes", diagonal * p / (p - 1)
        yield "squared gradient", "it is the squared gradient", g**2
        yield "absolute value", "it is the absolute value of the gradient", np.abs(g)
        yield "outputs exchanged", "it is the gradient", g
        yield "absolute value", "it is the absolute value of the truth", np.abs(diagonal)
        yield "layout", "its numbers stand in the order of the other layout", diagonal.T.reshape(n, p)
    elif output == "hessian":
        eye = np.eye(p)
        yield "missing entries", "the entries off the diagonal are 0", h * eye
        yield "sign of a term", "the entries off the diagonal have the wrong sign", h * (2 * eye - 1)
        yield "squared gradient", "it is the outer product of the gradient with itself", g[:, :, None] * g[:, None, :]
    elif output == "loss":
        yield "outputs exchanged", "it is exp(-loss), the probability of the target", np.exp(-rows.exact["loss"])


def _shares(table: Table) -> tuple[Floats, Floats]:
    """The softmax of the ordinary raw scores, and the targets as distributions."""
    rows = table.ordinary
    e = np.exp(rows.f - rows.f.max(axis=1, keepdims=True))
    y = np.eye(table.width)[rows.y.astype(int)] if rows.y.ndim == 1 else rows.y
    return e / e.sum(axis=1, keepdims=True), y


def _of_softmax(output: str, dimensions: int, f: Floats, q: Floats, y: Floats, g: Floats
                ) -> Iterator[tuple[str, str, Floats]]:  # fmt: skip
    """What is typed in place of softmax(f)[k] - y[k] and softmax(f)[k]*(1 - softmax(f)[k])."""
    s = 1 / (1 + np.exp(-f))
    twice = np.exp(q) / np.exp(q).sum(axis=1, keepdims=True)
    if output == "gradient":
        yield "missing term", "the term y[k] is missing: it is the probability", q
        yield "sign of a term", "the term y[k] has the wrong sign", q + y
        yield "missing term", "the term softmax(f)[k] is missing: it is -y[k]", -y
        yield "with respect to the probability", ("it is taken with respect to the probabilities instead of the raw "
                                                  "scores"), -y / q  # fmt: skip
        yield "chain factor", "it is multiplied by p*(1 - p) once too often", g * q * (1 - q)
        yield "missing entries", "only the entry of the row's own class is there", g * y
        yield "missing entries", "the entry of the row's own class is missing", g * (1 - y)
        yield "wrong function", "the sigmoid of each raw score stands where their softmax belongs", s - y
        yield "prediction convention", "the raw scores are put through softmax twice", twice - y
        yield "prediction convention", "the raw scores are taken for probabilities", f - y
        yield "wrong function", "exp(f) is not divided by its sum", np.exp(f) - y
    elif output == "hessian" and dimensions == 2:
        yield "missing factor", "the factor (1 - softmax(f)[k]) is missing: it is the probability", q
        yield "missing factor", "the factor softmax(f)[k] is missing", 1 - q
        yield "exponent", "it is the squared probability", q * q
        yield "wrong function", "the sigmoid of each raw score stands where their softmax belongs", s * (1 - s)
        yield "prediction convention", "the raw scores are put through softmax twice", twice * (1 - twice)
        yield "sign of a term", "the term softmax(f)[k] in 1 - softmax(f)[k] has the wrong sign", q * (1 + q)
        yield "missing entries", "only the entry of the row's own class is there", q * (1 - q) * y
    elif output == "hessian":
        eye = np.eye(q.shape[1])
        yield "missing term", "the diagonal of probabilities is missing", -q[:, :, None] * q[:, None, :]
        yield "missing term", "the term -softmax(f)[j]*softmax(f)[k] is missing", q[:, :, None] * eye
    elif output == "loss":
        yield "missing term", "the logarithm of the sum of exponentials is missing", -(f * y).sum(axis=1)


def _by_score(table: Table, output: str, answers: Floats, tolerance: float) -> list[Diagnosis]:
    """Of a mean and a scale: what is wrong with the derivatives by each."""
    if table.classes or output == "loss" or answers.ndim != 2:
        return []
    truth = truth_of(table.ordinary, output, answers)
    found = []
    for k, name in enumerate(table.names):
        u, t = answers[:, k], truth[:, k]
        if fits(u, t, tolerance).all():
            continue
        c = multiple(u, t, tolerance)
        if c is not None:
            kind = "sign" if np.isclose(c, -1) else "factor" if c > 0 else "sign and factor"
            found.append(Diagnosis(kind, f"by {name}, it is {_constant(table, c)} times the truth", c))
        elif slip := _slip(table, output, k, u, tolerance):
            found.append(replace(slip, words=f"by {name}: {slip.words}"))
        else:
            found.append(Diagnosis("unknown", f"by {name}, no known relation to the truth explains it"))
    return found


def _slip(table: Table, output: str, k: int, u: Floats, tolerance: float) -> Diagnosis | None:
    """One slip of the pen in the derivative by one raw score, or the derivative by what its exponential is."""
    rows = table.ordinary
    prediction = table.loss.predictions[k]
    g, h = rows.exact["gradient"][:, k], rows.exact["hessian"][:, k, k]
    slope = np.exp(rows.f[:, k])
    if prediction.name.startswith("log_"):
        by = f"with respect to {prediction.name.removeprefix('log_')} instead of its logarithm"
        through = g / slope if output == "gradient" else (h - g) / slope**2
        if fits(u, through, tolerance).all():
            return Diagnosis("with respect to the probability", f"it is taken {by}")
    if np.ptp(u) <= tolerance * abs(float(u[0])):
        return Diagnosis("constant", f"it is the constant {u[0]:.6g}")
    for m in mistakes(_forms(table)[output, k], [p.symbol for p in table.loss.parameters]):
        v = table.formula(m.typed)
        if np.isfinite(v).all() and fits(u, v, tolerance).all():
            return Diagnosis(m.kind, m.words)
    truth = g if output == "gradient" else h
    for j, name in enumerate(table.names):
        for power in (1, 2, -1, -2):
            if fits(u, truth * np.exp(power * rows.f[:, j]), tolerance).all():
                kind, verb = ("extra", "one too many") if power > 0 else ("missing", "missing")
                factor = f"exp({name})" if abs(power) == 1 else f"exp(2*{name})"
                return Diagnosis(f"{kind} factor", f"the factor {factor} is {verb}")
    if output == "hessian":
        for kind, words, v in (("squared gradient", "it is the squared gradient", g**2),
                               ("outputs exchanged", "it is the gradient", g),
                               ("absolute value", "it is the absolute value of the truth", np.abs(h))):  # fmt: skip
            if fits(u, v, tolerance).all():
                return Diagnosis(kind, words)
    return None


@functools.lru_cache(maxsize=32)
def _forms(table: Table) -> dict[tuple[str, int], list[sp.Expr]]:
    """The derivatives by each scalar raw score: as derived, and as SymPy differentiates and expands."""
    d = table.derivation
    found: dict[tuple[str, int], list[sp.Expr]] = {}
    matrix = d.hessian
    for k, p in enumerate(table.loss.predictions):
        for output, own, order in (("gradient", d.gradients[k], 1), ("hessian", matrix[k, k], 2)):
            typed = sp.diff(table.loss.full_expression, p.symbol, order)
            forms = [presented(own), own, typed, sp.expand(typed), sp.factor(typed)]
            found[output, k] = list(dict.fromkeys(e for e in forms if not e.has(sp.Derivative)))
    return found


def _part(table: Table, output: str, answers: Floats, tolerance: float) -> list[Diagnosis]:
    """The entries at which the numbers are wrong, where they are a part with a name."""
    if answers.ndim != 2:
        return []
    rows = table.ordinary
    truth = truth_of(rows, output, answers)
    off = ~fits(answers, truth, tolerance)
    parts: list[tuple[str, Any]] = [(f"in the entry of {name}", np.broadcast_to(np.arange(len(table.names)) == k,
                                                                                 off.shape))
                                    for k, name in enumerate(table.names)]  # fmt: skip
    if isinstance(table.loss.targets[0].domain, OneHot):
        own = np.eye(answers.shape[1])[rows.y.astype(int)] == 1
        parts += [("in the entry of the row's own class", own), ("in the entries of the other classes", ~own)]
        parts += [(f"for y = {k}", np.broadcast_to((rows.y == k)[:, None], off.shape)) for k in range(off.shape[1])]
    for words, where in parts:
        if off[where].mean() > 0.5 and not off[~where].any():
            c = multiple(answers[where], truth[where], tolerance)
            more = f"; there, it is {_constant(table, c)} times the truth" if c is not None else ""
            return [Diagnosis("part", f"it is wrong {words} only{more}")]
    return []


def _recombined(table: Table, output: str, answers: Floats, tolerance: float) -> list[Diagnosis]:
    """Other coefficients of the probabilities, the targets and their products."""
    if not table.softmax or output == "loss" or answers.ndim != 2:
        return []
    q, y = _shares(table)
    basis = {"p": q, "y": y, "p**2": q * q, "p*y": q * y, "1": np.ones_like(q)}
    columns = np.stack([v.reshape(-1) for v in basis.values()], axis=1)
    u = answers.reshape(-1)
    c = np.linalg.lstsq(columns, u, rcond=1e-10)[0]
    c = np.where(np.abs(c) < 1e-8 * np.abs(c).max(), 0, c)
    if not fits(u, columns @ c, max(tolerance, 1e-7)).all():
        return []
    shown = " ".join(f"{'-' if v < 0 else '+'} {_constant(table, abs(v))}*{b}" for v, b in zip(c, basis, strict=True)
                     if v)  # fmt: skip
    return [Diagnosis("terms mixed up", f"what it computes is {shown.removeprefix('+ ')}, p the softmax")]


def _constant(table: Table, c: float) -> str:
    known = [("1", 1.0), ("2", 2.0), ("1/2", 0.5), ("4", 4.0), ("1/4", 0.25)]
    known += [(f"{table.width}" + (", the number of classes," if table.classes else ""), float(table.width))]
    known += [(f"1/{table.width}", 1 / table.width)]
    known += [x for n, v in table.parameters.items() for x in ((n, v), (f"1/{n}", 1 / v if v else np.inf))]
    for shown, value in known:
        for sign, mark in ((1, ""), (-1, "-")):
            if np.isclose(c, sign * value, rtol=1e-7):
                return mark + shown
    return f"{c:.6g}"
