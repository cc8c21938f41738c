"""How is an objective trained in each library, few rounds and always the same way?

Imported by the tests here; and run as a program where no lossforge is, to train what `build --target` wrote:

    python training.py FOLDER LIBRARY RESULTS

which trains `objective()` of every FOLDER/NAME_LIBRARY.py and writes the predictions, by the names of the losses.
"""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

RNG = np.random.default_rng(40)
X = RNG.normal(size=(200, 3))
Z = X[:, 0] + np.sin(2 * X[:, 1])
WEIGHTS = RNG.uniform(0.5, 1.5, 200)
TARGETS: dict[str, Array] = {
    "logistic": (Z + RNG.normal(size=200) > 0).astype(float),
    "poisson_log_link": RNG.poisson(np.exp(Z)).astype(float),
    "softmax_cross_entropy": np.digitize(Z, [-1.0, 1.0]).astype(float),
}
REAL = Z + RNG.standard_t(2, 200)

Make = Callable[..., Any]  # options of the adapter -> an objective


def xgboost(make: Make, y: Array) -> Array:
    import xgboost

    objective, data = make(), xgboost.DMatrix(X, y, weight=WEIGHTS, nthread=1)
    booster = xgboost.train({"nthread": 1} | objective.parameters(y), data, num_boost_round=5, obj=objective)
    raw: Array = booster.predict(data, output_margin=True)
    return raw


def lightgbm(make: Make, y: Array) -> Array:
    import lightgbm

    objective = make()
    data = lightgbm.Dataset(X, y, weight=WEIGHTS, init_score=objective.init_score(y))
    settings = {"num_threads": 1, "deterministic": True, "verbosity": -1}
    raw: Array = lightgbm.train(objective.parameters(y) | settings, data, num_boost_round=5).predict(X)
    return raw


def catboost(make: Make, y: Array) -> Array:
    from catboost import CatBoostClassifier, CatBoostRegressor, Pool

    objective = make()
    settings = {"iterations": 5, "thread_count": 1, "verbose": False, "allow_writing_files": False, "random_seed": 0}
    several = objective.outputs != 1
    model = (CatBoostClassifier if several else CatBoostRegressor)(
        loss_function=objective, eval_metric=objective.metric, **settings, **({"classes_count": 3} if several else {})
    )
    raw: Array = model.fit(Pool(X, y, weight=WEIGHTS)).predict(X, prediction_type="RawFormulaVal")
    return raw


def sklearn(make: Make, y: Array) -> Array:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    classes = y is TARGETS["softmax_cross_entropy"]
    loss = make(n_classes=3) if classes else make()
    model = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    with threadpool_limits(1):
        fitted = model(loss=loss, max_iter=5, early_stopping=False).fit(X, y, WEIGHTS)
        found: Array = fitted.decision_function(X) if classes else fitted.predict(X)
    return found


def scipy(make: Make, y: Array) -> Array:
    from scipy.optimize import minimize

    o = make(X=X, y=y, sample_weight=WEIGHTS, l2=0.1)
    found: Array = minimize(o.fun, o.start(), jac=True, hessp=o.hessp, method="trust-ncg").x
    return found


TRAIN: dict[str, Callable[[Make, Array], Array]] = {
    "xgboost": xgboost, "lightgbm": lightgbm, "catboost": catboost, "sklearn": sklearn, "scipy": scipy,
}  # fmt: skip


class Absent(MetaPathFinder):
    """Neither lossforge nor what it derives formulas with can be imported."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] in {"lossforge", "sympy", "mpmath", "flint", "jinja2", "click"}:
            raise ModuleNotFoundError(f"{name} is not to be had here", name=name)


def main(folder: str, library: str, results: str) -> None:
    sys.meta_path.insert(0, Absent())
    sys.path.insert(0, folder)
    found = {}
    for path in sorted(Path(folder).glob(f"*_{library}.py")):
        module = importlib.import_module(path.stem)
        name = path.stem.removesuffix(f"_{library}")
        make = lambda **options: pickle.loads(pickle.dumps(module.objective(**options)))  # noqa: B023, E731
        found[name] = TRAIN[library](make, TARGETS.get(name, REAL))
    assert not {"lossforge", "sympy"} & set(sys.modules)
    np.savez(results, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
