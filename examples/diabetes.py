"""Does the curvature matter on real measurements? The diabetes data of scikit-learn, five robust or asymmetric losses.

442 patients, ten features; the target, a score of the disease's progression after a year, from 25 to 346, in units of
its median absolute deviation. Five-fold: the mean loss on what was held out, of 50 rounds of XGBoost and of LightGBM,
with our default curvature, the exact one (floored at 1e-6, where it may vanish), ones, and the library's own objective.

    python examples/diabetes.py
"""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import xgboost
from numpy.typing import NDArray
from sklearn.datasets import load_diabetes
from sklearn.model_selection import KFold

import lossforge as lf

Array = NDArray[np.float64]
ROUNDS = 50
XGBOOST = {"max_depth": 3, "eta": 0.1, "nthread": 1}
LIGHTGBM = {"num_leaves": 7, "learning_rate": 0.1, "num_threads": 1, "deterministic": True, "verbose": -1}
# loss -> parameters, and the libraries' own objective of the same loss
LOSSES: dict[str, tuple[dict[str, float], dict[str, Any], dict[str, Any]]] = {
    "half_squared_error": ({}, {"objective": "reg:squarederror"}, {"objective": "regression"}),
    "pseudo_huber": ({"delta": 0.5}, {"objective": "reg:pseudohubererror", "huber_slope": 0.5}, {}),
    "huber": ({"delta": 0.5}, {}, {"objective": "huber", "alpha": 0.5}),
    "fair": ({"c": 0.5}, {}, {"objective": "fair", "fair_c": 0.5}),
    "smooth_pinball": (
        {"tau": 0.9, "alpha": 0.1},
        {"objective": "reg:quantileerror", "quantile_alpha": 0.9},
        {"objective": "quantile", "alpha": 0.9},
    ),
}
CURVATURES = ("default", "exact", "ones", "built in")


def objective(name: str, library: str, curvature: str) -> Any:
    named = {"default": None, "exact": "floored", "ones": "constant"}[curvature]
    return lf.objective(name, library=library, curvature=named, **LOSSES[name][0])


def by_xgboost(name: str, curvature: str, X: Array, y: Array, fresh: Array) -> Array | None:
    """Raw scores of fresh rows; None where the library has no such objective."""
    own: Any = None
    if curvature == "built in":
        parameters = LOSSES[name][1]
        if not parameters:
            return None
    else:
        own = objective(name, "xgboost", curvature)
        parameters = own.parameters(y)
    booster = xgboost.train(XGBOOST | parameters, xgboost.DMatrix(X, y), ROUNDS, obj=own)
    return np.asarray(booster.predict(xgboost.DMatrix(fresh)), np.float64)


def by_lightgbm(name: str, curvature: str, X: Array, y: Array, fresh: Array) -> Array | None:
    """Raw scores of fresh rows; None where the library has no such objective."""
    if curvature == "built in":
        start, begin, parameters = 0.0, None, LOSSES[name][2]
        if not parameters:
            return None
    else:
        own = objective(name, "lightgbm", curvature)
        start, begin, parameters = own.intercept(y), own.init_score(y), own.parameters(y)
    booster = lightgbm.train(LIGHTGBM | parameters, lightgbm.Dataset(X, y, init_score=begin), ROUNDS)
    return start + np.asarray(booster.predict(fresh), np.float64)


def results(name: str, train: Any) -> list[float]:
    """The mean loss of what is held out, by curvature; NaN where the library has no objective of its own."""
    X, y = load_diabetes(return_X_y=True)
    y = (y - np.median(y)) / np.median(np.abs(y - np.median(y)))
    loss, found = lf.losses[name](**LOSSES[name][0]), []
    for curvature in CURVATURES:
        total = 0.0
        for fit, held in KFold(5, shuffle=True, random_state=0).split(X):
            raw = train(name, curvature, X[fit], y[fit], X[held])
            total += np.nan if raw is None else loss.sum(y[held], raw)
        found.append(total / len(y))
    return found


def main() -> None:
    print(f"diabetes: mean loss held out, {ROUNDS} rounds, five folds")
    print(f"{'':<10} {'loss':<20} {'default':<12}" + "".join(f"{c:>10}" for c in CURVATURES))
    for library, train in (("XGBoost", by_xgboost), ("LightGBM", by_lightgbm)):
        for name in LOSSES:
            default = str(objective(name, library.lower(), "default").curvature)
            cells = "".join(f"{'-' if np.isnan(v) else f'{v:.4f}':>10}" for v in results(name, train))
            print(f"{library:<10} {name:<20} {default:<12}{cells}")


if __name__ == "__main__":
    main()
