"""How does a loss train in LightGBM? In `lightgbm.train` and in LGBMRegressor and LGBMClassifier, by one object.

`train` calls its objective with (raw scores, Dataset), the scikit-learn wrappers with as many of (targets, raw scores,
weights, groups) as it has arguments: four here. Weights that are all 1 arrive as None. LightGBM applies none of them to
a custom objective's derivatives, begins at 0 whatever `boost_from_average` says, does not remember an init_score, and
keeps derivatives as float32. How many rows a leaf has it guesses from the sum of their curvatures.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .core import Array, Objective


class LightGBMObjective(Objective):
    """A loss as `objective` of `lightgbm.train`, LGBMRegressor or LGBMClassifier.

        objective = lf.objective("pseudo_huber", library="lightgbm", delta=2)
        data = lightgbm.Dataset(X, y, init_score=objective.init_score(y))
        booster = lightgbm.train(objective.parameters(y), data)
        raw = objective.intercept(y) + booster.predict(X)

        model = LGBMRegressor(objective=objective).fit(X, y, init_score=objective.init_score(y))
        raw = objective.intercept(y) + model.predict(X)

    `metric` is the mean loss, as `feval` of `train` or as `eval_metric` of the wrappers' `fit`. What LightGBM predicts
    is the raw score without the init_score, also in LGBMClassifier, whose `predict` and `predict_proba` both answer
    with raw scores where the objective is custom; `predict` of this object turns raw scores into means.
    """

    precision = np.float32

    def __call__(self, first: Any, second: Any, weight: Any = None, group: Any = None) -> tuple[Array, Array]:
        """Gradient and curvature, from (raw scores, Dataset) or from (targets, raw scores, weights, groups).

        Shape (n,), or (n, K) where a sample has several raw scores. Raises BadNumber.
        """
        return self.derivatives(*_given(first, second, weight))

    def metric(self, first: Any, second: Any, weight: Any = None, group: Any = None) -> tuple[str, float, bool]:
        """Name and value of the mean loss, and that higher is not better; called as the objective is."""
        value = self.mean_loss(*_given(first, second, weight))
        return self.metric_name, value, self.higher_is_better

    def init_score(self, y: Any, weight: Any = None, rows: int | None = None) -> Array:
        """The intercept of the targets y for each of `rows` rows (for validation data; by default as many as y has).

        Shape (n,), or (n, K). Raises ValueError where there is no finite intercept.
        """
        start = np.asarray(self.intercept(y, weight))
        return np.broadcast_to(start, (len(y) if rows is None else rows, *start.shape)).copy()

    def parameters(self, y: Any) -> dict[str, Any]:
        """What `lightgbm.train` needs: the objective, how many raw scores, and no metric of LightGBM's own."""
        found: dict[str, Any] = {"objective": self, "metric": "none"}
        if self.outputs != 1:
            found["num_class"] = len(self.intercept(y))
        return found


def _given(first: Any, second: Any, weight: Any) -> tuple[Any, Any, Any]:
    """Targets, raw scores and weights, in whichever way LightGBM gave them."""
    if hasattr(second, "get_label"):
        return second.get_label(), first, second.get_weight()
    return first, second, weight
