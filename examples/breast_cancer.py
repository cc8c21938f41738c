"""Does the curvature matter for a classifier? The breast cancer data of scikit-learn, five losses of a label.

569 tumours, thirty features, malignant or benign. Five-fold: the mean loss on what was held out, and how many labels
were wrong, of 50 rounds of XGBoost, LightGBM and CatBoost, with our default curvature, the exact one (floored at 1e-6,
where it may vanish or be negative), ones, and the library's own objective. It has one for the logistic loss alone.

    python examples/breast_cancer.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import catboost
import lightgbm
import numpy as np
import xgboost
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import StratifiedKFold

import lossforge as lf

Array = NDArray[np.float64]
ROUNDS = 50
LOSSES = ("logistic", "focal", "exponential", "squared_hinge", "smoothed_hinge")
CURVATURES = {"default": None, "exact": "floored", "ones": "constant", "built in": ""}
XGBOOST = {"max_depth": 3, "eta": 0.1, "nthread": 1}
LIGHTGBM = {"num_leaves": 7, "learning_rate": 0.1, "num_threads": 1, "deterministic": True, "verbose": -1}
CATBOOST = {
    "iterations": ROUNDS, "depth": 3, "learning_rate": 0.1, "thread_count": 1, "random_seed": 0, "verbose": False,
    "allow_writing_files": False, "leaf_estimation_iterations": 1, "bootstrap_type": "No",
}  # fmt: skip
Train = Callable[[Any, Array, Array, Array], Array]


def by_xgboost(objective: Any, X: Array, y: Array, fresh: Array) -> Array:
    """Raw scores of fresh rows; of the built-in logistic objective for None."""
    own = {"objective": "binary:logistic"} if objective is None else objective.parameters(y)
    booster = xgboost.train(XGBOOST | own, xgboost.DMatrix(X, y), ROUNDS, obj=objective)
    return np.asarray(booster.predict(xgboost.DMatrix(fresh), output_margin=True), np.float64)


def by_lightgbm(objective: Any, X: Array, y: Array, fresh: Array) -> Array:
    own = {"objective": "binary"} if objective is None else objective.parameters(y)
    start = 0.0 if objective is None else objective.intercept(y)
    begin = None if objective is None else objective.init_score(y)
    booster = lightgbm.train(LIGHTGBM | own, lightgbm.Dataset(X, y, init_score=begin), ROUNDS)
    return start + np.asarray(booster.predict(fresh, raw_score=True), np.float64)


def by_catboost(objective: Any, X: Array, y: Array, fresh: Array) -> Array:
    own = {"loss_function": "Logloss"}
    start, begin = 0.0, None
    if objective is not None:
        own = {"loss_function": objective, "eval_metric": objective.metric}
        start, begin = objective.intercept(y), objective.baseline(y)
    model = catboost.CatBoostClassifier(**CATBOOST, **own).fit(catboost.Pool(X, y, baseline=begin))
    return start + np.asarray(model.predict(fresh, prediction_type="RawFormulaVal"), np.float64)


TRAIN: dict[str, Train] = {"xgboost": by_xgboost, "lightgbm": by_lightgbm, "catboost": by_catboost}


def results(name: str, library: str, curvature: str | None) -> tuple[float, int]:
    """The mean loss of what is held out, and the number of wrong labels."""
    X, y = load_breast_cancer(return_X_y=True)
    loss, signs, total, wrong = lf.losses[name](), 2 * y - 1, 0.0, 0
    labels = {"{-1, 1}": signs}.get(next(iter(loss.facts["arguments"].values()))["domain"], y)
    for fit, held in StratifiedKFold(5, shuffle=True, random_state=0).split(X, y):
        own = None if curvature == "" else lf.objective(loss, library=library, curvature=curvature)
        raw = TRAIN[library](own, X[fit], y[fit], X[held])
        total += loss.sum(labels[held], raw)
        wrong += int(np.sum(np.where(raw > 0, 1, -1) != signs[held]))
    return total / len(y), wrong


def main() -> None:
    print(f"breast cancer: mean loss held out, and wrong labels of 569, {ROUNDS} rounds, five folds")
    print(f"{'':<9} {'loss':<15} {'default':<11}" + "".join(f"{c:>14}" for c in CURVATURES))
    for library in TRAIN:
        for name in LOSSES:
            default = lf.objective(name, library=library).curvature
            cells = ""
            for curvature in CURVATURES.values():
                known = curvature != "" or name == "logistic"
                cells += f"{'{:.4f} {:>3}'.format(*results(name, library, curvature)) if known else '-':>14}"
            print(f"{library:<9} {name:<15} {default!s:<11}{cells}")


if __name__ == "__main__":
    main()
