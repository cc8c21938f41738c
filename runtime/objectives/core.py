"""What is every library given? Gradient and curvature in the raw score, checked, an intercept, and a metric.

An `Objective` knows no library. The adapters beside this file put it into the order, sign and shape of theirs.
It asks a loss for the methods of `LossFunction` alone, so that a file written by `lossforge build --target` can carry
this text with a loss of its own.
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

    higher_is_better = False

    def __init__(self, loss: Any, curvature: str | None = None) -> None:
        self.loss = loss
        self.curvature: Curvature = choose(loss, curvature)

    @property
    def name(self) -> str:
        """The name of the loss, and of the metric."""
        return str(self.loss.name)

    @property
    def outputs(self) -> int | None:
        """How many raw scores a sample has; None where it is the number of classes."""
        predictions = [a for a in self.loss.facts["arguments"].values() if a["role"] == "prediction"]
        return None if self.loss.facts["size"] else len(predictions)

    def derivatives(self, y: Any, f: Any, weight: Any = None) -> tuple[Array, Array]:
        """Gradient and curvature of each sample, both times its weight, of the shape of f.

        Raises BadNumber, with the row, the value and the cause, where one of them is not finite.
        """
        y, f, weight = self.targets(y), scores(f), weights(weight)
        if self.outputs != 1:
            f = f.reshape(len(f), -1)
        gradient, curvature = self.curvature.derivatives(self.loss, y, f)
        if weight is not None:
            factor = weight.reshape(-1, *[1] * (gradient.ndim - 1))
            gradient, curvature = gradient * factor, curvature * factor
        for what, found in (("gradient", gradient), (f"curvature ({self.curvature})", curvature)):
            self._refuse_not_finite(what, found, y, f, weight)
        return gradient, curvature

    def mean_loss(self, y: Any, f: Any, weight: Any = None) -> float:
        """The weighted mean of the loss: the metric that this objective improves by falling."""
        y, f, weight = self.targets(y), scores(f), weights(weight)
        if self.outputs != 1:
            f = f.reshape(len(f), -1)
        losses = np.asarray(self.loss.loss(y, f), np.float64)
        return float(np.average(losses, weights=weight))

    def intercept(self, y: Any, weight: Any = None) -> Any:
        """The constant raw score with the least mean loss: a float, or an array (K,)."""
        return intercept(self.loss, self.targets(y), weights(weight))

    def predict(self, f: Any) -> Array:
        """What the raw score f stands for: the mean, by the inverse link; f itself where the loss has no link."""
        return np.asarray(self.loss.inverse_link(scores(f)), np.float64)

    def targets(self, y: Any) -> Array:
        """Targets as float64 in the labels of the loss. Raises BadNumber for what is not finite."""
        y = np.asarray(y, np.float64)
        bad = np.flatnonzero(~np.isfinite(y.reshape(len(y), -1)).all(axis=1))
        if len(bad):
            raise BadNumber(f"{self.name}: the target in row {bad[0]} is {y[bad[0]]}; drop such rows, or fill them in")
        domains = [a["domain"] for a in self.loss.facts["arguments"].values() if a["role"] == "target"]
        if domains == ["{-1, 1}"] and np.isin(y, (0, 1)).all():
            return 2 * y - 1
        if domains in (["{0, 1}"], ["[0, 1]"]) and np.isin(y, (-1, 1)).all():
            return (y + 1) / 2
        return y

    def _refuse_not_finite(self, what: str, found: Array, y: Array, f: Array, weight: Array | None) -> None:
        if np.isfinite(found).all():
            return
        row = int(np.flatnonzero(~np.isfinite(found.reshape(len(found), -1)).all(axis=1))[0])
        value = found[row]
        if not np.isfinite(f[row]).all():
            cause = f"the raw score there is {f[row]}: an earlier step went astray"
        elif weight is not None and not np.isfinite(weight[row]):
            cause = f"the weight there is {weight[row]}"
        else:
            cause = (
                "the derivative is out of the range of float64 there; a smaller learning rate, or an intercept, helps"
            )
        raise BadNumber(f"{self.name}: the {what} in row {row} is {value} at y = {y[row]}, f = {f[row]}; {cause}")

    def __repr__(self) -> str:
        bound = "".join(f", {name}={value!r}" for name, value in self.loss.parameters.items())
        return f"{type(self).__name__}({self.name}{bound}, curvature={str(self.curvature)!r})"


def scores(f: Any) -> Array:
    """Raw scores as float64."""
    return np.asarray(f, np.float64)


def weights(weight: Any) -> Array | None:
    """Weights as float64. Raises BadNumber for one that is negative or not a number."""
    if weight is None:
        return None
    found = np.asarray(weight, np.float64).ravel()
    if found.size == 0:  # what XGBoost and LightGBM hand over where no weights are given
        return None
    bad = np.flatnonzero(~(found >= 0))
    if len(bad):
        raise BadNumber(f"the weight in row {bad[0]} is {found[bad[0]]}; a weight is a number of 0 or more")
    return found
