"""Do objectives train on two worker processes as on one, and are losses evaluated over Dask arrays, chunk by chunk?

The cluster is a real one: processes of its own, so that everything that a worker needs is pickled and rebuilt there.
"""

from __future__ import annotations

import math
import os
import runpy
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from conftest import optional
from numpy.typing import NDArray

import lossforge as lf
from lossforge.runtime.objectives.core import BadNumber

Array = NDArray[Any]

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
INSTALL = "python3 -m pip install -e '.[dask]'"
N, CHUNK, ROUNDS = 1200, 600, 6
RNG = np.random.default_rng(50)
# Few distinct values: every sketch of quantiles, on one machine or on two, finds the same bins.
X = RNG.integers(0, 16, size=(N, 3)).astype(float)
Z = 3 * np.sin(X[:, 0]) + X[:, 1] / 4
WEIGHTS = RNG.uniform(0.5, 1.5, N)
REAL = Z + RNG.standard_t(2, N)
CLASSES = np.digitize(Z + RNG.normal(size=N), [1.0, 3.0]).astype(float)
FORMULA = "c**2*(sqrt(1 + (r/c)**2) - 1)"

pytestmark = [
    pytest.mark.filterwarnings("ignore:Parameter n_jobs will be ignored.:UserWarning"),  # LightGBM, of its own default
]


@pytest.fixture(scope="module")
def da() -> ModuleType:
    optional("distributed", INSTALL)
    return optional("dask.array", INSTALL)


@pytest.fixture(scope="module")
def client(da: ModuleType) -> Iterator[Any]:
    """Two worker processes of one thread each; no dashboard, and ports that are free.

    NumPy computes, here and there, except where C is asked for: what takes time is compiling.
    """
    from distributed import Client, LocalCluster

    settings = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOSSFORGE_BACKEND", "numpy")
        with LocalCluster(**settings) as cluster, Client(cluster) as found:
            yield found


@pytest.fixture
def chunked(da: ModuleType) -> Any:
    """What cuts an array into the chunks of two workers."""
    return lambda a: da.from_array(a, chunks=(CHUNK, *a.shape[1:]))


def mine() -> Any:
    """A formula of one's own, which only its text and its parameters can bring to a worker."""
    return lf.parse(FORMULA, parameters={"c": "(0, oo)"})


# Boosting ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "y"),
    [
        (lambda: lf.objective("pseudo_huber", "xgboost", delta=2), REAL),
        (lambda: lf.objective(mine(), "xgboost", c=2), REAL),
        (lambda: lf.objective("softmax_cross_entropy", "xgboost"), CLASSES),
    ],
    ids=["catalogue", "formula", "classes"],
)
def test_xgboost_on_two_workers_and_on_one(client: Any, chunked: Any, xgboost: ModuleType, make: Any, y: Array) -> None:
    import xgboost.dask as distributed_xgboost

    objective = make()
    settings = {"nthread": 1, "max_depth": 3, "tree_method": "hist", **objective.parameters(y, WEIGHTS)}
    matrix = xgboost.DMatrix(X, y, weight=WEIGHTS, nthread=1)
    one = xgboost.train(settings, matrix, num_boost_round=ROUNDS, obj=objective).predict(matrix, output_margin=True)
    data = distributed_xgboost.DaskDMatrix(client, chunked(X), chunked(y), weight=chunked(WEIGHTS))
    booster = distributed_xgboost.train(client, settings, data, num_boost_round=ROUNDS, obj=objective)
    two = distributed_xgboost.predict(client, booster["booster"], data, output_margin=True).compute()
    assert np.ptp(one) > 1
    np.testing.assert_allclose(two, one, rtol=1e-5, atol=1e-5)


def test_xgboost_regressor_on_two_workers(client: Any, chunked: Any, xgboost: ModuleType) -> None:
    import xgboost.dask as distributed_xgboost

    objective = lf.objective("pseudo_huber", "xgboost", delta=2)
    settings = {"n_estimators": ROUNDS, "max_depth": 3, "tree_method": "hist", "n_jobs": 1, "objective": objective}
    settings |= objective.parameters(REAL, WEIGHTS)
    one = xgboost.XGBRegressor(**settings).fit(X, REAL, sample_weight=WEIGHTS).predict(X)
    model = distributed_xgboost.DaskXGBRegressor(**settings)
    model.client = client
    two = model.fit(chunked(X), chunked(REAL), sample_weight=chunked(WEIGHTS)).predict(chunked(X)).compute()
    np.testing.assert_allclose(two, one, rtol=1e-5, atol=1e-5)


def test_lightgbm_on_two_workers_and_on_one(client: Any, chunked: Any, lightgbm: ModuleType) -> None:
    for objective in (lf.objective("pseudo_huber", "lightgbm", delta=2), lf.objective(mine(), "lightgbm", c=2)):
        settings = {"objective": objective, "n_estimators": ROUNDS, "num_leaves": 7, "verbosity": -1}
        start = objective.init_score(REAL, WEIGHTS)
        one = lightgbm.LGBMRegressor(**settings, n_jobs=1)
        one.fit(X, REAL, sample_weight=WEIGHTS, init_score=start)
        two = lightgbm.DaskLGBMRegressor(**settings, client=client, tree_learner="data")
        two.fit(chunked(X), chunked(REAL), sample_weight=chunked(WEIGHTS), init_score=chunked(start))
        assert np.ptp(one.predict(X)) > 1
        np.testing.assert_allclose(two.predict(chunked(X)).compute(), one.predict(X), rtol=1e-9, atol=1e-9)


def test_a_bad_number_in_a_worker_is_named_here(client: Any) -> None:
    objective = lf.objective(mine(), "lightgbm", c=2)
    with pytest.raises(BadNumber, match=r"the target in row 7 is nan; drop such rows"):
        client.submit(objective.derivatives, np.where(np.arange(N) == 7, np.nan, REAL), Z).result()


# Dask arrays -------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["catalogue", "compiled"])
def test_losses_map_over_blocks(client: Any, chunked: Any, da: ModuleType, which: str) -> None:
    loss = lf.losses.pseudo_huber(delta=1.5) if which == "catalogue" else lf.compile(mine(), c=1.5)
    y, f = chunked(REAL), chunked(Z)
    for method in (loss.loss, loss.gradient, loss.hessian):
        np.testing.assert_array_equal(da.map_blocks(method, y, f).compute(), method(REAL, Z))
        np.testing.assert_array_equal(da.blockwise(method, "i", y, "i", f, "i", dtype=float).compute(), method(REAL, Z))
    mean = da.map_blocks(loss.loss, y, f).mean().compute()
    assert mean == pytest.approx(loss.mean(REAL, Z), rel=1e-13)
    weighted = da.map_blocks(lambda y, f, w: loss.loss(y, f, sample_weight=w), y, f, chunked(WEIGHTS), dtype=float)
    np.testing.assert_array_equal(weighted.compute(), loss.loss(REAL, Z, sample_weight=WEIGHTS))


def test_losses_of_classes_go_blockwise(client: Any, chunked: Any, da: ModuleType) -> None:
    loss, scores, labels = lf.losses.softmax_cross_entropy(), RNG.normal(size=(N, 3)), CLASSES.astype(int)
    y, f = chunked(labels), chunked(scores)
    gradient = da.blockwise(loss.gradient, "ik", y, "i", f, "ik", dtype=float)
    np.testing.assert_array_equal(gradient.compute(), loss.gradient(labels, scores))
    losses = da.blockwise(loss.loss, "i", y, "i", f, "ik", dtype=float, concatenate=True)
    np.testing.assert_array_equal(losses.compute(), loss.loss(labels, scores))


def test_the_same_loss_gives_the_same_keys(chunked: Any, da: ModuleType) -> None:
    """Dask computes once what has one name: so equal losses have one, and others have others."""
    y, f = chunked(REAL), chunked(Z)

    def key(loss: lf.LossFunction) -> str:
        name: str = da.map_blocks(loss.gradient, y, f).name
        return name

    assert key(lf.losses.huber(delta=1.5)) == key(lf.losses.huber(delta=1.5))
    assert key(lf.losses.huber(delta=1.5)) != key(lf.losses.huber(delta=1.6))
    assert key(lf.compile(mine(), c=1)) == key(lf.compile(mine(), c=1)) != key(lf.compile(mine(), c=2))


def test_workers_compile_into_one_cache(client: Any) -> None:
    """Both workers compute by C, with one library, which none of them compiled a second time."""
    loss = lf.compile(mine(), backend="c", c=3)

    def served(loss: lf.LossFunction) -> tuple[str, str, float]:
        library = loss.backend_reason.rpartition(", ")[2]
        return loss.backend, library, os.stat(library).st_mtime

    here = served(loss)
    assert here[0] == "c" and set(client.run(served, loss).values()) == {here}


# Examples ----------------------------------------------------------------------------------------


def test_sums_over_chunks_are_those_of_the_whole(client: Any, chunked: Any) -> None:
    evaluate = runpy.run_path(str(EXAMPLES / "dask_out_of_core.py"))["evaluate"]
    loss = lf.losses.pseudo_huber(delta=1)
    mean, norm = evaluate(loss, chunked(REAL), chunked(Z))
    assert mean == pytest.approx(math.fsum(loss.loss(REAL, Z)) / N, rel=1e-14)
    assert norm == pytest.approx(math.sqrt(math.fsum(loss.gradient(REAL, Z) ** 2)), rel=1e-14)


def test_the_example_trains_on_a_scheduler_that_is_named(
    client: Any, xgboost: ModuleType, lightgbm: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    example = runpy.run_path(str(EXAMPLES / "dask_cluster.py"))
    monkeypatch.setattr("sys.argv", ["dask_cluster.py", "--scheduler", client.scheduler.address])
    monkeypatch.setitem(example["main"].__globals__, "ROWS", 4000)
    monkeypatch.setitem(example["main"].__globals__, "CHUNK", 2000)
    monkeypatch.setitem(example["main"].__globals__, "ROUNDS", 8)
    example["main"]()
    printed = [line.split() for line in capsys.readouterr().out.splitlines() if "mean loss" in line]
    start, by_xgboost, by_lightgbm = (float(line[-1]) for line in printed)
    assert by_xgboost < start / 2 and by_lightgbm < start / 2
