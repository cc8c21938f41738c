"""What does scikit-learn's histogram gradient boosting ask of a loss? Its private loss interface, spoken here.

Experimental: `HistGradientBoostingRegressor(loss=...)` takes a loss object, but scikit-learn promises neither that nor
the interface of the object, `sklearn._loss.loss.BaseLoss`. So the interface is compared with the one spoken here when
this module is imported, and a difference is an ImportError that names it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .core import Objective

try:
    import sklearn
    from sklearn._loss.link import BaseLink
    from sklearn._loss.link import Interval as Values
    from sklearn._loss.loss import BaseLoss
except ModuleNotFoundError as error:
    if error.name == "sklearn":
        raise
    raise ImportError(f"scikit-learn {sklearn.__version__} has no {error.name}, through which a loss trains") from error

# The methods that gradient boosting calls, with their arguments.
_DATA = ("self", "y_true", "raw_prediction", "sample_weight")
_INTERFACE: dict[str, tuple[str, ...]] = {
    "loss": (*_DATA, "loss_out", "n_threads"),
    "gradient": (*_DATA, "gradient_out", "n_threads"),
    "loss_gradient": (*_DATA, "loss_out", "gradient_out", "n_threads"),
    "gradient_hessian": (*_DATA, "gradient_out", "hessian_out", "n_threads"),
    "__call__": (*_DATA, "n_threads"),
    "fit_intercept_only": ("self", "y_true", "sample_weight"),
    "init_gradient_and_hessian": ("self", "n_samples", "dtype", "order"),
}


def expect_interface(base: type) -> None:
    """Raise ImportError, with the first difference, unless a class has the interface that is spoken here."""
    for name, expected in _INTERFACE.items():
        method = getattr(base, name, None)
        found = None if method is None else tuple(inspect.signature(method).parameters)
        if found != expected:
            has = "is absent" if found is None else f"takes ({', '.join(found)})"
            raise ImportError(
                f"{base.__name__}.{name} of scikit-learn {sklearn.__version__} {has}; expected "
                f"({', '.join(expected)}): its private loss interface has changed, so this objective cannot serve it; "
                "install a scikit-learn from 1.5 to 1.9"
            )


expect_interface(BaseLoss)


class SklearnLoss(BaseLoss):
    """A loss for `HistGradientBoostingRegressor(loss=...)` and `HistGradientBoostingClassifier(loss=...)`.

    Experimental: it speaks a private interface of scikit-learn. For K classes say `n_classes`, which scikit-learn asks
    of a loss object, and K is at least 3: of two classes it fits one raw score, which a loss of labels 0 and 1, or -1
    and 1, takes.

    Leaves are Newton steps, gradient by curvature, unless `line_search`: then each is the constant with the least loss
    of the residuals in it, as for scikit-learn's own absolute and pinball losses. That is possible where a loss depends
    on the residual alone, and the default for those of them that have a kink, with the curvature `constant`.

    A regressor predicts by the inverse link, a classifier its probabilities; a loss without a link has none.
    `objective` is what computes. Raises ValueError for a loss of several targets or predictions.
    """

    OPTIONS = ("n_classes", "line_search")

    def __init__(
        self, loss: Any, curvature: str | None = None, n_classes: int | None = None, line_search: bool | None = None
    ) -> None:
        facts = loss.facts
        residual = facts.get("base") == "residual"
        if line_search and not residual:
            raise ValueError(f"line_search needs a loss of the residual alone, and {loss.name} is none")
        if line_search is None:
            line_search = residual and any(kink["order"] < 2 for kink in facts.get("kinks", ()))
        # Where the values of the leaves come from a line search, the curvature only decides on the splits.
        self.objective = Objective(loss, curvature or ("constant" if line_search else None))
        size = self.objective.outputs
        roles = [a["role"] for a in facts["arguments"].values()]
        if size not in (1, None) or roles.count("target") != 1:
            raise ValueError(
                f"{loss.name} has {roles.count('target')} targets and {roles.count('prediction')} predictions; "
                "scikit-learn's histogram gradient boosting trains one target, by one raw score or one a class"
            )
        if (size is None) != (n_classes is not None) or (n_classes is not None and not n_classes >= 3):
            expected = "the number of classes, at least 3" if size is None else "None: it has one raw score a sample"
            raise ValueError(f"n_classes is {n_classes!r}; for {loss.name} expected {expected}")
        self._labels = n_classes is not None or facts.get("base") == "margin"
        target = next(a["domain"] for a in facts["arguments"].values() if a["role"] == "target")
        self._labels = self._labels or target in ("{0, 1}", "[0, 1]", "{-1, 1}")
        super().__init__(closs=None, link=_Link(self.objective), n_classes=n_classes or (2 if self._labels else None))
        self.is_multiclass = n_classes is not None
        self.differentiable = not line_search
        self.approx_hessian = self.objective.curvature.name != "exact"
        self.interval_y_true = _interval(target)

    @property
    def name(self) -> str:
        """The name of the loss."""
        return self.objective.name

    def loss(
        self, y_true: Any, raw_prediction: Any, sample_weight: Any = None, loss_out: Any = None, n_threads: int = 1
    ) -> Any:
        """The loss of each sample, times its weight: (n,)."""
        y, f = self.objective.targets(y_true), self._scores(raw_prediction)
        losses = np.asarray(self.objective.loss.loss(y, f), np.float64)
        return _filled(loss_out, losses if sample_weight is None else losses * sample_weight)

    def loss_gradient(
        self,
        y_true: Any,
        raw_prediction: Any,
        sample_weight: Any = None,
        loss_out: Any = None,
        gradient_out: Any = None,
        n_threads: int = 1,
    ) -> tuple[Any, Any]:
        """Loss and gradient of each sample, times its weight."""
        loss = self.loss(y_true, raw_prediction, sample_weight, loss_out)
        return loss, self.gradient(y_true, raw_prediction, sample_weight, gradient_out)

    def gradient(
        self, y_true: Any, raw_prediction: Any, sample_weight: Any = None, gradient_out: Any = None, n_threads: int = 1
    ) -> Any:
        """The gradient of each sample, times its weight: (n,), or (n, K) of K classes."""
        gradient, _ = self.objective.derivatives(y_true, self._scores(raw_prediction), sample_weight)
        return _filled(gradient_out, gradient)

    def gradient_hessian(
        self,
        y_true: Any,
        raw_prediction: Any,
        sample_weight: Any = None,
        gradient_out: Any = None,
        hessian_out: Any = None,
        n_threads: int = 1,
    ) -> tuple[Any, Any]:
        """Gradient and curvature of each sample, times its weight."""
        gradient, curvature = self.objective.derivatives(y_true, self._scores(raw_prediction), sample_weight)
        return _filled(gradient_out, gradient), _filled(hessian_out, curvature)

    def fit_intercept_only(self, y_true: Any, sample_weight: Any = None) -> Any:
        """The constant raw score with the least mean loss: a NumPy scalar, or (K,)."""
        return np.asarray(self.objective.intercept(y_true, sample_weight), np.float64)[()]

    @property
    def predict_proba(self) -> Callable[[Any], Any]:
        """Probabilities of the classes, (n, 2) or (n, K), of raw scores; absent where the loss has no link to them.

        scikit-learn also asks whether it is there, to know a classification from a regression.
        """
        if not self._labels or not self.objective.loss.facts.get("inverse_link"):
            raise AttributeError(f"{self.name} has no link from raw scores to probabilities; use decision_function")
        return self._probabilities

    def _probabilities(self, raw_prediction: Any) -> NDArray[np.float64]:
        p = self.objective.predict(self._scores(raw_prediction))
        return p if self.is_multiclass else np.stack([1 - p, p], axis=-1)

    def _scores(self, raw_prediction: Any) -> NDArray[np.float64]:
        f = np.asarray(raw_prediction, np.float64)
        return np.ascontiguousarray(f) if self.is_multiclass else f.reshape(len(f))

    def __repr__(self) -> str:
        return repr(self.objective).replace("Objective", type(self).__name__, 1)


class _Link(BaseLink):
    """The link of an objective; the identity where it has none."""

    def __init__(self, objective: Objective) -> None:
        self.objective = objective

    def link(self, y_pred: Any, out: Any = None) -> Any:
        return _filled(out, np.asarray(self.objective.loss.link(y_pred), np.float64))

    def inverse(self, raw_prediction: Any, out: Any = None) -> Any:
        return _filled(out, self.objective.predict(raw_prediction))


def _filled(out: Any, values: NDArray[np.float64]) -> Any:
    """The values, in the array that was handed over for them, if one was: (n,), or (n, 1) for one raw score."""
    if out is None:
        return values
    out[...] = values.reshape(out.shape)
    return out


def _interval(domain: str) -> Values:
    """The domain of a target, as scikit-learn writes it; labels become 0, 1, ..."""
    if domain == "{-1, 1}":
        return Values(-1.0, 1.0, True, True)
    if domain == "{0, 1}":
        return Values(0.0, 1.0, True, True)
    if "(K)" in domain:
        return Values(0.0, np.inf, True, False)
    low, high = domain.removeprefix("integers ")[1:-1].split(", ")
    ends = [float(end.replace("oo", "inf")) for end in (low, high)]
    return Values(ends[0], ends[1], "[" in domain, domain.endswith("]"))
