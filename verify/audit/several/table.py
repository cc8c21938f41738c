"""What is true of a loss of several raw scores, where foreign code is asked about it?"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sympy as sp

from ....derive.derivation import Derivation, derive
from ....spec.domains import Box, OneHot, Simplex
from ....spec.model import Loss, SpecError
from ....spec.notation import text
from ...floats import FloatError, evaluate
from ...points import Batch
from ...truth import OUTPUTS, Coordinates, coordinates, setting_of, truth_table
from ...ulps import FLOAT64, Truth, errors
from ..agreement import Answers
from ..ground import Floats, joined, ordinary_predictions, ordinary_targets

CLASSES = 3


@dataclass(frozen=True, slots=True)
class Rows:
    """Points with the exact values there: loss (n,), gradient (n, P), Hessian (n, P, P)."""

    y: Floats
    f: Floats
    exact: Mapping[str, Floats]
    ulps: Callable[[str, Floats], Floats]

    def __len__(self) -> int:
        return len(self.f)


@dataclass(eq=False)
class Table:
    """A loss of several raw scores with its parameters bound, and exact values anywhere."""

    loss: Loss
    parameters: Mapping[str, float]
    _known: dict[Coordinates, dict[str, Truth]] = field(default_factory=dict)

    @property
    def classes(self) -> bool:
        """Whether the raw scores are one vector, of an entry for each class."""
        return self.loss.size is not None

    @functools.cached_property
    def width(self) -> int:
        return CLASSES if self.classes else len(self.loss.predictions)

    @functools.cached_property
    def names(self) -> list[str]:
        """Of the raw scores, counted from 0 as code does."""
        if self.classes:
            return [f"{self.loss.predictions[0].name}[{k}]" for k in range(self.width)]
        return [p.name for p in self.loss.predictions]

    @functools.cached_property
    def derivation(self) -> Derivation:
        return derive(self.loss)

    @property
    def softmax(self) -> bool:
        return self.classes and text(self.derivation.inverse_link or sp.S.Zero).startswith("softmax(")

    def batch(self, y: Floats, f: Floats) -> Batch:
        target = self.loss.targets[0]
        given = np.eye(self.width)[y.astype(int)] if isinstance(target.domain, OneHot) else y
        columns = {target.name: given}
        if self.classes:
            columns[self.loss.predictions[0].name] = f
        else:
            columns |= {p.name: f[:, k].copy() for k, p in enumerate(self.loss.predictions)}
        plain = np.zeros(len(f), np.bool_)
        return Batch(dict(self.parameters), columns, ~plain, plain, self.width if self.classes else None)

    def rows(self, y: Any, f: Any) -> Rows:
        """The exact values at these points."""
        y, f = np.asarray(y, np.float64), np.asarray(f, np.float64)
        n, p = f.shape
        keys = coordinates(self.loss, self.batch(y, f))
        missing = [i for i, k in enumerate(keys) if k not in self._known]
        if missing:
            (found,) = truth_table(self.loss, [self.batch(y[missing], f[missing])]).truths
            for place, i in enumerate(missing):
                at = {
                    o: np.arange(place * w, (place + 1) * w)
                    for o, w in (("loss", 1), ("gradient", p), ("hessian", p * p))
                }
                self._known[keys[i]] = {o: found[o].take(at[o]) for o in OUTPUTS}
        truths = {o: joined([self._known[k][o] for k in keys]) for o in OUTPUTS}
        shapes = {"loss": (n,), "gradient": (n, p), "hessian": (n, p, p)}

        def ulps(output: str, values: Floats) -> Floats:
            truth = truths[output]
            if output == "hessian" and values.ndim == 2:
                truth = truth.take(np.arange(n * p * p).reshape(n, p, p)[:, range(p), range(p)].reshape(-1))
            return errors(truth, values.reshape(-1), FLOAT64)

        return Rows(y, f, {o: truths[o].values().reshape(shape) for o, shape in shapes.items()}, ulps)

    @functools.cached_property
    def targets(self) -> list[Any]:
        target = self.loss.targets[0]
        if isinstance(target.domain, OneHot):
            return [float(k) for k in range(self.width)]
        if isinstance(target.domain, Simplex):
            return [np.eye(self.width)[0], np.array([0.25, 0.75, 0.0]), np.array([0.125, 0.5, 0.375])]
        return list(ordinary_targets(self.loss, target))

    def _ordinary(self, rng: np.random.Generator, each: int) -> Rows:
        ys = [y for y in self.targets for _ in range(each)]
        n = len(ys)
        if self.classes:
            domain = self.loss.predictions[0].domain
            assert isinstance(domain, Box)
            columns = [rng.permutation(ordinary_predictions(domain.entries, n, rng)) for _ in range(self.width)]
        else:
            # A scale of exp(6) times another is nobody's: a third of the usual width.
            columns = [rng.permutation(ordinary_predictions(p.domain, n, rng)) for p in self.loss.predictions]
            columns = [np.round(c / 3 * 2.0**14) / 2.0**14 if p.domain.text == "(-oo, oo)" else c
                       for c, p in zip(columns, self.loss.predictions, strict=True)]  # fmt: skip
        f = np.stack(columns, axis=1)
        keep = np.array([self.is_smooth(y, row) for y, row in zip(ys, f, strict=True)])
        rows = self.rows(np.array(ys)[keep], f[keep])
        known = np.all([np.isfinite(v).reshape(len(rows), -1).all(axis=1) for v in rows.exact.values()], axis=0)
        return self.rows(rows.y[known], rows.f[known])

    def is_smooth(self, y: Any, f: Floats) -> bool:
        batch = self.batch(np.array([y]), f[None, :])
        setting = setting_of(self.loss, batch.size)
        point = setting.point(coordinates(self.loss, batch)[0])
        return all(point.is_smooth(axis.slot) for axis in setting.axes)

    @functools.cached_property
    def ordinary(self) -> Rows:
        """Ordinary points, by which relations are found and confirmed: they are more than any relation has numbers."""
        return self._ordinary(np.random.default_rng(1), 14)

    @functools.cached_property
    def others(self) -> Rows:
        return self._ordinary(np.random.default_rng(2), 5)

    def formula(self, e: sp.Expr, changed: Mapping[str, float] | None = None) -> Floats:
        """An expression of scalar raw scores, at the ordinary points, in plain floating point."""
        rows = self.ordinary
        values: dict[str, Any] = {**self.parameters, **(changed or {}), self.loss.targets[0].name: rows.y}
        values |= {p.name: rows.f[:, k] for k, p in enumerate(self.loss.predictions)}
        try:
            return np.broadcast_to(np.asarray(evaluate(e, values), np.float64), rows.y.shape)
        except (FloatError, TypeError, KeyError, ZeroDivisionError):
            return np.full(len(rows), np.nan)


@functools.lru_cache(maxsize=32)
def _table(loss: Loss, parameters: tuple[tuple[str, float], ...]) -> Table:
    return Table(loss, dict(parameters))


def table_of(loss: Loss, parameters: Mapping[str, float]) -> Table:
    """The table of a loss of several raw scores and one target, shared by all who ask for the same one."""
    if len(loss.targets) != 1:
        raise SpecError(f"the audit takes losses of one target; {loss.name} has {len(loss.targets)}")
    return _table(loss, tuple(sorted(parameters.items())))


def tolerance_of(values: Floats) -> float:
    return Answers(values.reshape(-1)).tolerance


def truth_of(rows: Rows, output: str, answers: Floats) -> Floats:
    """The exact values in the shape of the answers: of a Hessian the diagonal, where that is what was answered."""
    truth = rows.exact[output]
    return np.einsum("nii->ni", truth) if truth.ndim > answers.ndim else truth


def domains_of(table: Table) -> list[Any]:
    domains = [p.domain for p in table.loss.predictions]
    return [domains[0].entries] * table.width if isinstance(domains[0], Box) else domains


def given_at(table: Table, rows: Rows, i: int) -> dict[str, float]:
    target = table.loss.targets[0].name
    ys = (
        {target: float(rows.y[i])}
        if rows.y.ndim == 1
        else {f"{target}[{k}]": float(v) for k, v in enumerate(rows.y[i])}
    )
    return {**ys, **dict(zip(table.names, rows.f[i].tolist(), strict=True)), **table.parameters}


def entry_of(table: Table, place: tuple[Any, ...]) -> str:
    return ", ".join(table.names[int(k)] for k in place)
