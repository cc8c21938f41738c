"""How does a loss train in XGBoost? In `xgboost.train` and in XGBRegressor and XGBClassifier, by one object.

`train` calls its objective with (raw scores, DMatrix), the scikit-learn wrappers with (targets, raw scores); weights
come from the DMatrix, or by name. XGBoost applies none of them to a custom objective's derivatives, begins at 1/2 (a
classifier at the logit of 1/2) unless told, and keeps derivatives as float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .core import Array, Objective


class XGBoostObjective(Objective):
    """A loss as `obj` of `xgboost.train`, or as `objective` of XGBRegressor and XGBClassifier.

        objective = lf.objective("pseudo_huber", library="xgboost", delta=2)
        booster = xgboost.train(objective.parameters(y), xgboost.DMatrix(X, y), obj=objective)
        model = XGBRegressor(objective=objective, **objective.parameters(y)).fit(X, y)

    `metric` is the mean loss, as `custom_metric` of `train` or as `eval_metric` of the wrappers. What XGBoost predicts
    is the raw score (`output_margin=True`, or any prediction of `train` and XGBRegressor); `predict` turns it into the
    mean. An XGBClassifier puts the sigmoid (for K classes the softmax) on the raw scores and takes the likeliest class:
    probabilities for losses with that link, and the right side of 0 for the others.
    """

    precision = np.float32

    def __call__(self, first: Any, second: Any, sample_weight: Any = None) -> tuple[Array, Array]:
        """Gradient and curvature, from (raw scores, DMatrix) or from (targets, raw scores).

        Shape (n,), or (n, K) where a sample has several raw scores. Raises BadNumber.
        """
        return self.derivatives(*_given(first, second, sample_weight))

    @property
    def metric(self) -> Metric:
        """The mean loss, for `custom_metric` and `eval_metric`; early stopping knows that it shall fall."""
        return Metric(self)

    def parameters(self, y: Any, weight: Any = None, classifier: bool = False) -> dict[str, Any]:
        """What XGBoost needs beside the objective: where to begin, how many raw scores, and no metric of its own.

        `classifier` is for XGBClassifier, whose `base_score` is a probability where there are two classes. Raises
        ValueError where there is no finite intercept.
        """
        start = self.intercept(y, weight)
        found: dict[str, Any] = {"disable_default_eval_metric": True}
        if self.outputs is None:
            found["base_score"] = start.tolist()
            if not classifier:
                found |= {"num_class": len(start), "objective": "multi:softprob"}
        elif self.outputs > 1:
            found |= {"base_score": start.tolist(), "num_target": self.outputs}
        else:
            found["base_score"] = 1 / (1 + float(np.exp(-start))) if classifier else start
        return found


class Metric:
    """The mean loss, called as an objective is: `train` takes its name and value, the wrappers its value."""

    def __init__(self, objective: XGBoostObjective) -> None:
        self.objective = objective
        self.__name__ = objective.metric_name

    def __call__(self, first: Any, second: Any, sample_weight: Any = None) -> Any:
        value = self.objective.mean_loss(*_given(first, second, sample_weight))
        return (self.__name__, value) if hasattr(second, "get_label") else value


def _given(first: Any, second: Any, weight: Any) -> tuple[Any, Any, Any]:
    """Targets, raw scores and weights, in whichever way XGBoost gave them."""
    if hasattr(second, "get_label"):
        return second.get_label(), first, second.get_weight()
    return first, second, weight
