"""How does an objective train on several machines? XGBoost and LightGBM on a Dask cluster, yours or two processes here.

    python3 examples/dask_cluster.py --scheduler tcp://scheduler:8786
    python3 examples/dask_cluster.py

The workers need lossforge, NumPy and the booster. An objective travels to them as its formula and parameters, and each
machine compiles the loss once. The targets have heavy tails, where a Newton step with the Hessian itself goes astray;
the objectives take the majorizer.
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack

import dask
import dask.array as da
import lightgbm
import numpy as np
import xgboost.dask
from distributed import Client, LocalCluster

import lossforge as lf

ROWS, FEATURES, CHUNK, ROUNDS = 40_000, 5, 10_000, 30


def connect(scheduler: str | None, stack: ExitStack) -> Client:
    """The cluster at an address, or two worker processes of this machine."""
    if scheduler is None:
        local = LocalCluster(n_workers=2, processes=True, threads_per_worker=1, dashboard_address=None)
        scheduler = stack.enter_context(local).scheduler_address
    return stack.enter_context(Client(scheduler))


def data() -> tuple[da.Array, da.Array]:
    """Features of few distinct values, and targets with outliers; made chunk by chunk on the workers."""
    rng = da.random.default_rng(7)
    X = rng.integers(0, 32, size=(ROWS, FEATURES), chunks=(CHUNK, FEATURES)).astype(float)
    noise = rng.standard_t(1.5, size=ROWS, chunks=CHUNK)
    return X, 40 * da.sin(X[:, 0] / 4) + X[:, 1] + noise


def main() -> None:
    parser = argparse.ArgumentParser(description="Train custom objectives on a Dask cluster.")
    parser.add_argument("--scheduler", help="address of a running scheduler, such as tcp://10.0.0.5:8786")
    loss = lf.losses.pseudo_huber(delta=2)
    with ExitStack() as stack:
        client = connect(parser.parse_args().scheduler, stack)
        X, y = dask.persist(*data())
        targets = y.compute()  # where the model begins takes all targets at once, 8 bytes a row

        objective = lf.objective(loss, "xgboost")
        matrix = xgboost.dask.DaskDMatrix(client, X, y)
        settings = {"max_depth": 4, "tree_method": "hist", **objective.parameters(targets)}
        booster = xgboost.dask.train(client, settings, matrix, num_boost_round=ROUNDS, obj=objective)
        raw = {"xgboost": xgboost.dask.predict(client, booster, X)}

        objective = lf.objective(loss, "lightgbm")
        init = da.full(ROWS, objective.intercept(targets), chunks=CHUNK)
        model = lightgbm.DaskLGBMRegressor(client=client, objective=objective, n_estimators=ROUNDS, verbosity=-1)
        raw["lightgbm"] = model.fit(X, y, init_score=init).predict(X) + objective.intercept(targets)

        start = da.full(ROWS, objective.intercept(targets), chunks=CHUNK)
        for name, f in {"the best constant": start, **raw}.items():
            print(
                f"{name:<18} mean loss {float(da.map_blocks(loss.loss, y, f, dtype=np.float64).mean().compute()):.3f}"
            )


if __name__ == "__main__":
    main()
