"""How does a loss train in CatBoost? As `loss_function` and `eval_metric` of CatBoostRegressor and CatBoostClassifier.

CatBoost climbs: it wants the derivatives of minus the loss. It asks for ranges of objects with one raw score each
(`calc_ders_range`), and object by object where there are several (`calc_ders_multi`, with a K×K matrix). It leaves the
weights to the objective, begins at 0, and changes the order of the rows, so that a row named in an error is one of the
range that CatBoost asked for. It hands an error on as the first kilobytes of its traceback.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import numpy as np

from .core import Array, Objective

Method = TypeVar("Method", bound=Callable[..., Any])


def _briefly(method: Method) -> Method:
    """An error from inside is raised anew from here, so that its message survives being cut off."""

    @wraps(method)
    def wrapped(*arguments: Any) -> Any:
        try:
            return method(*arguments)
        except ValueError as error:
            raise error.with_traceback(None) from None

    return cast(Method, wrapped)


class CatBoostObjective(Objective):
    """A loss as `loss_function` of CatBoost.

        objective = lf.objective("pseudo_huber", library="catboost", delta=2)
        model = CatBoostRegressor(loss_function=objective, eval_metric=objective.metric)
        model.fit(Pool(X, y, baseline=objective.baseline(y)))
        model.set_scale_and_bias(1, objective.intercept(y))

    `metric` is the mean loss. What CatBoost predicts is the raw score (`prediction_type="RawFormulaVal"`); `predict`
    turns it into the mean. A CatBoostClassifier needs `class_names`, or it cannot name the class that it predicts.

    For K classes the curvature "exact" is the whole matrix, and what is taken unless another is named, if the loss is
    convex; any other one is a diagonal. CatBoost asks for the classes object by object, which is slow. Raises
    ValueError for a loss with several raw scores that are no classes: CatBoost has no place for them.
    """

    no_jit = True  # CatBoost would try to compile the methods with Numba, and warn that it cannot

    def __init__(self, loss: Any, curvature: str | None = None) -> None:
        convex = loss.facts["properties"].get("convex", {}).get("verdict") == "proved"
        super().__init__(loss, "exact" if curvature is None and loss.facts["size"] and convex else curvature)
        if self.outputs not in (1, None):
            raise ValueError(
                f"{self.name} has {self.outputs} raw scores a sample; CatBoost gives a custom objective one, or one "
                "for each class; take LightGBM or XGBoost"
            )

    @_briefly
    def calc_ders_range(self, approxes: Any, targets: Any, weights: Any) -> Array:
        """Minus gradient and minus curvature of each object, (n, 2). Raises BadNumber."""
        gradient, curvature = self.derivatives(targets, approxes, weights)
        return np.column_stack([-gradient, -curvature])

    @_briefly
    def calc_ders_multi(self, approx: Any, target: Any, weight: Any) -> tuple[Array, Array]:
        """Minus gradient (K,) and minus curvature (K, K) of one object. Raises BadNumber."""
        y, f = [target], np.asarray(approx, np.float64)[np.newaxis]
        if self.curvature.name != "exact":
            gradient, curvature = self.derivatives(y, f, None if weight is None else [weight])
            return -gradient[0], -np.diag(curvature[0])
        gradient, hessian = self.loss.gradient_hessian(self.targets(y), f)
        factor = -1.0 if weight is None else -weight
        if not np.isfinite(hessian).all():
            self.derivatives(y, f)  # says what is wrong
        return factor * gradient[0], factor * hessian[0]

    @property
    def metric(self) -> Metric:
        """The mean loss, for `eval_metric`."""
        return Metric(self)

    def baseline(self, y: Any, weight: Any = None, rows: int | None = None) -> Array:
        """The intercept of the targets y for each of `rows` rows (by default as many as y has), for a Pool.

        Shape (n,), or (n, K). Raises ValueError where there is no finite intercept.
        """
        start = np.asarray(self.intercept(y, weight))
        return np.broadcast_to(start, (len(y) if rows is None else rows, *start.shape)).copy()

    def __deepcopy__(self, memo: Any) -> CatBoostObjective:
        return self  # it never changes; scikit-learn's `clone` wants to find in the clone what it put there


class Metric:
    """The mean loss, as CatBoost asks for a metric: a sum and a weight, then their quotient."""

    no_jit = True

    def __init__(self, objective: CatBoostObjective) -> None:
        self.objective = objective

    def __deepcopy__(self, memo: Any) -> Metric:
        return self

    def is_max_optimal(self) -> bool:
        return self.objective.higher_is_better

    @_briefly
    def evaluate(self, approxes: Any, target: Any, weight: Any) -> tuple[float, float]:
        """The sum of the losses times the weights, and the sum of the weights; approxes is (K, n)."""
        f = np.asarray(approxes, np.float64)
        total = float(len(target)) if weight is None else float(np.sum(weight, dtype=np.float64))
        if not total:
            return 0.0, 0.0
        mean = self.objective.mean_loss(target, f[0] if self.objective.outputs == 1 else f.T, weight)
        return mean * total, total

    def get_final_error(self, error: float, weight: float) -> float:
        return error / weight if weight else float("nan")
