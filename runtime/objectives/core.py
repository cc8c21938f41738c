"""What is every library given? Gradient and curvature in the raw score, checked, an intercept, and a metric.

An `Objective` knows no library. The adapters beside this file put it into the order, sign and shape that theirs
expects. It asks a loss for the methods of `LossFunction` alone, so that a file written by `lossforge build --target`
can carry this text with a loss of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .curvature import Curvature, choose
from .intercept import intercept

Array = NDArray[np.float64]


class BadNumber(ValueError):
    """A target, a raw score, a weight, a derivative is not a number that can be trained on."""


class Objective:
    """A loss as what is minimised: derivatives for a Newton step, an intercept, and the mean loss as metric.

    `loss` has its parameters bound. `curvature` names what stands for the second derivative, such as "exact",
    "majorizer", "floored(1e-6)", "constant(2)"; by default it is the best one that is proved positive for this loss.
    Targets are those of the loss; where it asks for labels -1 and 1, labels 0 and 1 are understood, and the other way
    round. Raw scores have shape (n,), or (n, K) for K classes or predictions. Everything is computed in float64.

    Pickles as the loss (formula and parameters) and the name of the curvature.
    """

    OPTIONS: tuple[str, ...] = ()  # the names that `objective` hands to the constructor
    higher_is_better = False
    precision: type[np.floating[Any]] = np.float64  # in which the library keeps the derivatives

    def __init__(self, loss: Any, curvature: str | None = None) -> None:
        self.loss = loss
        self.curvature: Curvature = choose(loss, curvature)

    @property
    def name(self) -> str:
        """The name of the loss."""
        return str(self.loss.name)

    @property
    def metric_name(self) -> str:
        """Never one that begins as XGBoost's metrics that shall rise do: auc, pre, map, ndcg."""
        return f"mean_{self.name}"

    @property
    def outputs(self) -> int | None:
        """How many raw scores a sample has; None where it is the number of classes."""
        predictions = [a for a in self.loss.facts["arguments"].values() if a["role"] == "prediction"]
        return None if self.loss.facts["size"] else len(predictions)

    def derivatives(self, y: Any, f: Any, weight: Any = None) -> tuple[Array, Array]:
        """Gradient and curvature of each sample, both times its weight, of the shape of f.

        Raises BadNumber, with the row, the value and the cause, where one of them is not finite.
        """
        y, f, weight = self._inputs(y, f, weight)
        gradient, curvature = self.curvature.derivatives(self.loss, y, f)
        gradient, curvature = weighted(gradient, weight), weighted(curvature, weight)
        for what, found in (("gradient", gradient), (f"curvature ({self.curvature})", curvature)):
            self._refuse_not_finite(what, found, y, f)
        return gradient, curvature

    def mean_loss(self, y: Any, f: Any, weight: Any = None) -> float:
        """The weighted mean of the loss: the metric that this objective improves by falling."""
        y, f, weight = self._inputs(y, f, weight)
        losses = np.asarray(self.loss.loss(y, f), np.float64)
        return float(np.average(losses, weights=weight))

    def intercept(self, y: Any, weight: Any = None) -> Any:
        """The constant raw score with the least mean loss: a float, or an array (K,)."""
        found = intercept(self.loss, self.targets(y), weights(weight))
        return float(found) if np.ndim(found) == 0 else found

    def predict(self, f: Any) -> Array:
        """What the raw score f stands for: the mean, by the inverse link; f itself where the loss has no link."""
        return np.asarray(self.loss.inverse_link(scores(f)), np.float64)

    def targets(self, y: Any) -> Array:
        """Targets as float64 in the labels of the loss, classes as integers. Raises BadNumber."""
        y = np.asarray(y, np.float64)
        row = _first(~np.isfinite(y))
        if row is not None:
            raise BadNumber(f"{self.name}: the target in row {row} is {y[row]}; drop such rows, or fill them in")
        if self.loss.facts["size"] and y.ndim == 1:
            row = _first((y != np.floor(y)) | (y < 0))
            if row is not None:
                raise BadNumber(f"{self.name}: the target in row {row} is {y[row]:g}; classes are 0, 1, 2 and so on")
            return y.astype(np.int64)
        domains = [a["domain"] for a in self.loss.facts["arguments"].values() if a["role"] == "target"]
        if domains == ["{-1, 1}"] and np.isin(y, (0, 1)).all():
            return 2 * y - 1
        if domains in (["{0, 1}"], ["[0, 1]"]) and np.isin(y, (-1, 1)).all():
            return (y + 1) / 2
        return y

    def _inputs(self, y: Any, f: Any, weight: Any) -> tuple[Array, Array, Array | None]:
        """Targets, raw scores and weights, looked through. Raises BadNumber."""
        f = scores(f)
        if self.outputs != 1:
            f = f.reshape(len(f), -1)
        y, weight = self.targets(y), weights(weight)
        row = _first(~np.isfinite(f))
        if row is not None:
            raise BadNumber(
                f"{self.name}: the raw score in row {row} is {f[row]} (y = {y[row]}): an earlier step went "
                "astray, or what it began from"
            )
        return y, f, weight

    def _refuse_not_finite(self, what: str, found: Array, y: Array, f: Array) -> None:
        with np.errstate(over="ignore"):
            row = _first(~np.isfinite(found.astype(self.precision)))
        if row is not None:
            raise BadNumber(
                f"{self.name}: the {what} in row {row} is {found[row]} at y = {y[row]}, f = {f[row]}, out of the range "
                f"of {np.dtype(self.precision)}; a smaller learning rate, an intercept or another scale of y helps"
            )

    def __repr__(self) -> str:
        bound = "".join(f", {name}={value!r}" for name, value in self.loss.parameters.items())
        return f"{type(self).__name__}({self.name}{bound}, curvature={str(self.curvature)!r})"


def scores(f: Any) -> Array:
    """Raw scores as float64."""
    return np.asarray(f, np.float64)


def weights(weight: Any) -> Array | None:
    """Weights as float64. Raises BadNumber for one that is negative or not finite."""
    if weight is None:
        return None
    found = np.asarray(weight, np.float64).ravel()
    if found.size == 0:  # what XGBoost and LightGBM hand over where no weights are given
        return None
    row = _first(~((found >= 0) & (found < np.inf)))
    if row is not None:
        raise BadNumber(f"the weight in row {row} is {found[row]}; a weight is a finite number of 0 or more")
    return found


def weighted(values: Array, weight: Array | None) -> Array:
    """Each row times its weight; a row of weight 0 counts for nothing, whatever is in it."""
    if weight is None:
        return values
    factor = weight.reshape(-1, *[1] * (values.ndim - 1))
    return np.multiply(values, factor, out=np.zeros_like(values), where=factor != 0)


def _first(bad: NDArray[np.bool_]) -> int | None:
    """The first row with something bad in it."""
    if not bad.any():
        return None
    return int(np.flatnonzero(bad.reshape(len(bad), -1).any(axis=1))[0]) if bad.ndim else 0
