"""What is true of the loss, where foreign code is asked about it?

Exact values come from the oracle, that is from the formula alone; each point is computed once and remembered, whoever
asks. The derived expressions serve as hypotheses about what somebody may have typed, never as the truth.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from ...derive.derivation import Derivation, derive
from ...derive.present import presented
from ...spec.domains import Domain, FiniteSet, Integers, Interval
from ...spec.model import Argument, Loss, SpecError
from ...spec.notation import text
from ..floats import evaluate
from ..points import Batch, switch_roots
from ..truth import OUTPUTS, Coordinates, TruthTable, coordinates, setting_of, truth_table
from ..ulps import Truth
from .writing import forms, stand_ins

Floats = NDArray[np.float64]

# A raw score beyond this is no concern of anybody's: what goes wrong there is noted, not counted as a fault.
WIDE = 1e4
# Where everybody's scores lie: here the formula is recognised.
ORDINARY = 6.0
_LADDER = (
    8.0, 12.0, 14.0, 16.0, 18.0, 20.0, 24.0, 28.0, 32.0, 36.0, 38.0, 40.0, 50.0, 64.0, 80.0, 90.0, 105.0, 128.0, 256.0,
    400.0, 512.0, 700.0, 709.5, 711.0, 746.0, 800.0, 1000.0, 2048.0, 9999.0, 1e5, 1e8, 1e16, 1e30, 1e100, 1e150, 1e155,
    1e300,
)  # fmt: skip
_NEAR_ZERO = (1e-1, 1e-2, 1e-3, 1e-5, 1e-8, 1e-12, 1e-20, 1e-100, 1e-300)


@dataclass(frozen=True, slots=True)
class Sample:
    """Points with the exact values there, rounded to float64, and by output also as `Truth`."""

    y: Floats
    f: Floats
    exact: Mapping[str, Floats]
    truths: Mapping[str, Truth]

    def __len__(self) -> int:
        return len(self.y)

    def take(self, which: Any) -> Sample:
        return Sample(self.y[which], self.f[which], {o: v[which] for o, v in self.exact.items()},
                      {o: t.take(which) for o, t in self.truths.items()})  # fmt: skip


@dataclass(eq=False)
class Ground:
    """A loss with its parameters bound: exact values anywhere, samples, and the derived expressions in floats."""

    loss: Loss
    parameters: Mapping[str, float]
    _known: dict[Coordinates, dict[str, Truth]] = field(default_factory=dict)

    @property
    def target(self) -> Argument:
        return self.loss.targets[0]

    @property
    def prediction(self) -> Argument:
        return self.loss.predictions[0]

    @functools.cached_property
    def derivation(self) -> Derivation:
        return derive(self.loss)

    @functools.cached_property
    def forms(self) -> dict[str, list[sp.Expr]]:
        """Each output in the ways that it may have been written down."""
        return forms(self.loss, self.derivation, self.parameters)

    def batch(self, y: Any, f: Any) -> Batch:
        columns = {self.target.name: np.asarray(y, np.float64), self.prediction.name: np.asarray(f, np.float64)}
        rounded = np.zeros(len(columns[self.target.name]), np.bool_)
        return Batch(dict(self.parameters), columns, ~rounded, rounded)

    def sample(self, y: Any, f: Any) -> Sample:
        """The exact loss, gradient and Hessian at these points."""
        batch = self.batch(y, f)
        keys = coordinates(self.loss, batch)
        missing = [i for i, k in enumerate(keys) if k not in self._known]
        if missing:
            part = Batch(batch.parameters, {n: v[missing] for n, v in batch.arguments.items()},
                         batch.single[missing], batch.rounded[missing])  # fmt: skip
            (found,) = truth_table(self.loss, [part]).truths
            for place, i in enumerate(missing):
                self._known[keys[i]] = {o: t.take([place]) for o, t in found.items()}
        truths = {o: joined([self._known[k][o] for k in keys]) for o in OUTPUTS}
        return Sample(*batch_columns(self, batch), {o: t.values() for o, t in truths.items()}, truths)

    def table(self, sample: Sample) -> TruthTable:
        return TruthTable(self.loss, (self.batch(sample.y, sample.f),), (dict(sample.truths),))

    def is_smooth(self, y: float, f: float) -> bool:
        """Whether no kink lies at the point."""
        setting = setting_of(self.loss, None)
        (point,) = coordinates(self.loss, self.batch([y], [f]))
        return setting.point(point).is_smooth(setting.axes[0].slot)

    def formula(self, e: sp.Expr, y: Floats, f: Floats, changed: Mapping[str, float] | None = None) -> Floats:
        """An expression in y, f, what stands for them, and the parameters, in plain floating point."""
        given = {**self.parameters, **(changed or {})}
        values: dict[str, Any] = {**stand_ins(self.loss, y, f, given), **given}
        values |= {self.target.name: y, self.prediction.name: f}
        values |= {"residual": {"r": f - y}, "margin": {"m": y * f}}.get(self.loss.base or "", {})
        return np.broadcast_to(np.asarray(evaluate(e, values), np.float64), y.shape)

    # Samples -----------------------------------------------------------------------------------------------------

    @functools.cached_property
    def fit(self) -> Sample:
        """Ordinary points, among which relations are looked for."""
        return self._ordinary(np.random.default_rng(1), 18)

    @functools.cached_property
    def fresh(self) -> Sample:
        """Other ordinary points, by which what was found is confirmed."""
        return self._ordinary(np.random.default_rng(2), 8)

    def _ordinary(self, rng: np.random.Generator, each: int) -> Sample:
        ys, fs = [], []
        for y in self.targets:
            f = ordinary_predictions(self.prediction.domain, each, rng)
            if self.loss.base == "residual":
                f = f + y
                # Parameters set the scale of the residual on which the formula changes.
                sizes = [v for v in self.parameters.values() if 2.0**-12 < abs(v) < 64]
                for place, size in enumerate(s * w for s in sizes for w in (-1.75, -0.5, 0.25, 0.75, 1.25, 3.0)):
                    f[place % each] = y + np.round(size * 2.0**14) / 2.0**14
            ys.append(np.full(len(f), y))
            fs.append(f)
        targets, predictions = np.concatenate(ys), np.concatenate(fs)
        rows = zip(targets.tolist(), predictions.tolist(), strict=True)
        keep = np.array([self.is_smooth(a, b) for a, b in rows])
        sample = self.sample(targets[keep], predictions[keep])
        known = np.all([np.isfinite(v) for v in sample.exact.values()], axis=0)
        return sample.take(known)

    @functools.cached_property
    def targets(self) -> list[float]:
        """A few ordinary targets."""
        return ordinary_targets(self.loss, self.target)

    @functools.cached_property
    def plainest(self) -> Sample:
        """Inputs that a person would try, the plainest first, then the ordinary ones."""
        numbers = (0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0, 0.25, 5.0, -5.0)
        base = self.loss.base == "residual"
        rows = [(y, y + f if base else f) for f in numbers for y in self.targets]
        rows = [(y, f) for y, f in rows if is_inside(self.prediction.domain, f) and self.is_smooth(y, f)]
        rows += list(zip(self.fit.y.tolist(), self.fit.f.tolist(), strict=True))
        rows += list(zip(self.fresh.y.tolist(), self.fresh.f.tolist(), strict=True))
        y, f = zip(*rows, strict=True)
        return self.sample(y, f)

    @functools.cached_property
    def shown(self) -> dict[str, str]:
        """The right formulas, for a reader."""
        d = self.derivation
        known = {
            "loss": self.loss.expression,
            "gradient": presented(d.gradients[0]),
            "hessian": presented(d.hessians[0]),
        }
        return {o: text(e) for o, e in known.items()}

    @functools.cached_property
    def kinks(self) -> list[tuple[float, float]]:
        """Points (y, f) at which a derivative of the loss jumps."""
        found = []
        for y in self.targets[:2]:
            values = {**self.parameters, self.target.name: y}
            expression = self.loss.full_expression
            for root in switch_roots(expression, self.prediction.name, values):
                if is_inside(self.prediction.domain, root) and not self.is_smooth(y, root):
                    found.append((y, root))
        return found[:12]

    def ladder(self) -> list[tuple[float, list[float]]]:
        """Ways outwards: a target, and predictions from the ordinary ones to the end of the domain, in order."""
        ways: list[tuple[float, list[float]]] = []
        domain = self.prediction.domain
        assert isinstance(domain, Interval)
        low, high = float(domain.low), float(domain.high)
        for y in self._plain_targets():
            base = y if self.loss.base == "residual" else 0.0
            for sign, end in ((1.0, high), (-1.0, low)):
                if np.isfinite(end):
                    span = high - low if np.isfinite(high - low) else 1.0
                    steps = [end - sign * span * 2.0**-k for k in (3, 5, 8, 10, 14, 20, 27, 34, 40, 47, 60, 200, 900)]
                    way = [s for s in dict.fromkeys(steps) if is_inside(domain, s)]
                else:
                    way = [base + sign * s for s in _LADDER]
                ways.append((y, way))
            if self.loss.base == "residual":
                ways += [(y, [base + sign * s for s in _NEAR_ZERO]) for sign in (1.0, -1.0) if y == 0]
        return ways

    def _plain_targets(self) -> list[float]:
        if self.loss.base == "residual":
            return [0.0]
        return self.targets[:3]


@functools.lru_cache(maxsize=128)
def _ground(loss: Loss, parameters: tuple[tuple[str, float], ...]) -> Ground:
    return Ground(loss, dict(parameters))


def ground_of(loss: Loss, parameters: Mapping[str, float]) -> Ground:
    """The ground of a loss, shared by all who ask for the same one.

    Raises SpecError for losses of several targets; those of several raw scores have a `several.Table`.
    """
    if len(loss.targets) != 1:
        raise SpecError(f"the audit takes losses of one target; {loss.name} has {len(loss.targets)}")
    return _ground(loss, tuple(sorted(parameters.items())))


def batch_columns(ground: Ground, batch: Batch) -> tuple[Floats, Floats]:
    return batch.arguments[ground.target.name], batch.arguments[ground.prediction.name]


def joined(parts: list[Truth]) -> Truth:
    def column(name: str) -> Any:
        return np.concatenate([getattr(p, name) for p in parts])

    return Truth(column("kind"), column("high"), column("low"), column("exponent"), column("radius"))


def is_inside(domain: Domain, value: float) -> bool:
    if not isinstance(domain, Interval):
        return True
    a, b = float(domain.low), float(domain.high)
    return (value > a if domain.low_open else value >= a) and (value < b if domain.high_open else value <= b)


def ordinary_targets(loss: Loss, target: Argument) -> list[float]:
    """A few targets that somebody may have."""
    match target.domain:
        case FiniteSet(values):
            return [float(v) for v in values]
        case Integers(low):
            return [float(max(low, 0)) + k for k in (0, 1, 2, 5)]
        case Interval(low, high, low_open, _):
            a, b = float(low), float(high)
            if np.isfinite(a) and np.isfinite(b):
                inner = [a + (b - a) * w for w in (0.25, 0.625)]
                return inner if low_open else [a, b, *inner]
            if np.isfinite(a):
                return [*([] if low_open else [a]), a + 0.5, a + 1, a + 2.5, a + 7]
            return [0.0, 1.5, -2.25, 4.0]
        case other:
            raise SpecError(f"the audit takes losses of one scalar target; that of {loss.name} is {other}")


def ordinary_predictions(domain: Domain, n: int, rng: np.random.Generator) -> Floats:
    """Short binary numbers, so that sums and differences with targets are exact."""
    assert isinstance(domain, Interval)
    a, b = float(domain.low), float(domain.high)
    if np.isfinite(a) and np.isfinite(b):
        values = a + (b - a) * rng.uniform(0.04, 0.96, n)
    elif np.isfinite(a):
        values = a + np.exp(rng.uniform(-2, 2.2, n))
    elif np.isfinite(b):
        values = b - np.exp(rng.uniform(-2, 2.2, n))
    else:
        # Both signs, evenly: half of the points beyond 1.5.
        values = np.where(np.arange(n) % 2, 1.0, -1.0) * rng.uniform(0.05, ORDINARY, n)
    return np.asarray(np.round(values * 2.0**14) / 2.0**14)


Hypothesis = Callable[[Floats, Floats], Floats]
