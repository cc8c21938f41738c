"""Which curvature does a robust loss need in a booster, when the noise has heavy tails?

Trains the pseudo-Huber loss with XGBoost and LightGBM for 50 rounds on data whose noise has no variance, and shows the
mean loss on fresh rows. The exact second derivative nearly vanishes far from the minimum, and a step, gradient over
curvature, goes much too far there. The majorizer rho'(r)/r never goes further than the loss falls. With lambda = 1, a
constant that XGBoost adds to every sum of curvatures by default, the exact one is kept from running away, too.

    python examples/heavy_tails.py
"""

from __future__ import annotations

import argparse
from typing import Any

import lightgbm
import numpy as np
import xgboost
from numpy.typing import NDArray

import lossforge as lf

Array = NDArray[np.float64]
ROWS, ROUNDS = 2000, 50
# Alike as far as the two libraries allow; lambda is set below.
XGBOOST = {"max_depth": 5, "eta": 0.3, "min_child_weight": 1e-3, "nthread": 1}
LIGHTGBM = {"num_leaves": 31, "learning_rate": 0.3, "num_threads": 1, "deterministic": True, "verbose": -1}
CURVATURES = {"majorizer": None, "exact": "exact", "ones": "constant"}  # the first is the default


def data(seed: int) -> tuple[Array, Array, Array, Array]:
    """Training rows and as many fresh ones: a smooth function of three of five features, and Student's t, 2 degrees."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(2 * ROWS, 5))
    y = 5 * (np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2]) + rng.standard_t(2, 2 * ROWS)
    return X[:ROWS], y[:ROWS], X[ROWS:], y[ROWS:]


def by_xgboost(objective: Any, ridge: float, X: Array, y: Array, fresh: Array) -> Array:
    """Raw scores of fresh rows; of the built-in objective for None."""
    own = {"objective": "reg:pseudohubererror"} if objective is None else objective.parameters(y)
    booster = xgboost.train(XGBOOST | own | {"lambda": ridge}, xgboost.DMatrix(X, y), ROUNDS, obj=objective)
    return np.asarray(booster.predict(xgboost.DMatrix(fresh)), np.float64)


def by_lightgbm(objective: Any, ridge: float, X: Array, y: Array, fresh: Array) -> Array:
    """Raw scores of fresh rows; for None of the built-in Huber loss, as LightGBM has no pseudo-Huber."""
    own = {"objective": "huber", "alpha": 1.0} if objective is None else objective.parameters(y)
    start = 0.0 if objective is None else objective.intercept(y)
    begin = None if objective is None else objective.init_score(y)
    booster = lightgbm.train(
        LIGHTGBM | own | {"lambda_l2": ridge}, lightgbm.Dataset(X, y, init_score=begin), num_boost_round=ROUNDS
    )
    return start + np.asarray(booster.predict(fresh), np.float64)


TRAIN = {"xgboost": by_xgboost, "lightgbm": by_lightgbm}


def results(seed: int, ridge: float) -> dict[str, list[float]]:
    """Curvature -> the mean loss on fresh rows with XGBoost and with LightGBM."""
    X, y, fresh, truth = data(seed)
    loss = lf.losses.pseudo_huber(delta=1.0)

    def tested(library: str, objective: Any) -> float:
        return float(loss.mean(truth, TRAIN[library](objective, ridge, X, y, fresh)))

    found = {
        shown: [tested(library, lf.objective(loss, library=library, curvature=curvature)) for library in TRAIN]
        for shown, curvature in CURVATURES.items()
    }
    return found | {"built in": [tested(library, None) for library in TRAIN]}


def main() -> None:
    parser = argparse.ArgumentParser(description="pseudo-Huber and heavy tails: which curvature?")
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    print(f"pseudo-Huber, {ROWS} rows, {ROUNDS} rounds, mean loss on fresh rows")
    for ridge in (0.0, 1.0):
        print(f"\nlambda = {ridge:g}   {'XGBoost':>10} {'LightGBM':>10}")
        for name, (first, second) in results(seed, ridge).items():
            print(f"{name:<12} {first:>10.2f} {second:>10.2f}")


if __name__ == "__main__":
    main()
