"""Does LightGBM train right with our objectives? Weights, intercepts, shapes, metrics, errors: each by training."""

from __future__ import annotations

import pickle
import re
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from boosting_data import BINARY, CASES, CLASSES, COUNTS, NAMES, REAL, ROWS, WEIGHT, N, X
from boosting_data import objective as shared_objective
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score

import lossforge as lf
from lossforge.runtime import DomainViolation
from lossforge.runtime.objectives.core import BadNumber

# LightGBM estimates from the curvatures how many rows a leaf has: no limit on that, where rows are to be repeated.
PARAMETERS = {
    "num_threads": 1, "num_leaves": 7, "learning_rate": 0.3, "min_data_in_leaf": 0, "min_sum_hessian_in_leaf": 1,
    "min_data_in_bin": 1, "feature_pre_filter": False, "deterministic": True, "force_col_wise": True, "verbose": -1,
}  # fmt: skip
RAW = "ignore:Cannot compute class probabilities:UserWarning"
EVALUATION = "ignore:The argument 'eval_set' is deprecated"  # since 4.7; its successor is not there before
objective = partial(shared_objective, "lightgbm")


def train(lightgbm: ModuleType, own: Any, y: Any, weight: Any = None, rows: Any = slice(None), **more: Any) -> Any:
    """Raw scores for all rows, with the intercept, trained on some."""
    w = None if weight is None else weight[rows]
    data = lightgbm.Dataset(X[rows], y[rows], weight=w, init_score=own.init_score(y[rows], w))
    booster = lightgbm.train({**PARAMETERS, **own.parameters(y[rows]), **more}, data, 10)
    return own.intercept(y[rows], w) + booster.predict(X)


@pytest.mark.parametrize(("name", "y"), CASES, ids=NAMES)
def test_a_weight_of_2_is_a_row_twice_and_0_is_no_row(lightgbm: ModuleType, name: str, y: Any) -> None:
    own = objective(name)
    weighted = train(lightgbm, own, y, WEIGHT)
    np.testing.assert_allclose(weighted, train(lightgbm, own, y, rows=ROWS), atol=2e-4)
    assert np.abs(weighted - train(lightgbm, own, y)).max() > 0.01
    assert weighted.shape == ((N,) if own.outputs == 1 else (N, 3 if own.outputs is None else 2))


def test_leaves_are_counted_by_curvature(lightgbm: ModuleType) -> None:
    """LightGBM's own way, why PARAMETERS asks for no least number of rows: with curvatures that vary it is missed."""

    def smallest(curvature: str) -> int:
        own = objective("pseudo_huber", curvature)
        data = lightgbm.Dataset(X, REAL, init_score=own.init_score(REAL))
        booster = lightgbm.train({**PARAMETERS, **own.parameters(REAL), "min_data_in_leaf": 40}, data, 10)
        counts = re.findall(r"^leaf_count=(.*)$", booster.model_to_string(), re.MULTILINE)
        return min(int(count) for line in counts for count in line.split())

    assert smallest("exact") < 40 <= smallest("constant")


@pytest.mark.parametrize(("name", "y"), CASES[:3], ids=NAMES[:3])
def test_both_interfaces_are_the_same_model(lightgbm: ModuleType, name: str, y: Any) -> None:
    own = objective(name)
    for weight in (None, WEIGHT, np.ones(N)):
        model = lightgbm.LGBMRegressor(objective=own, n_estimators=10, **PARAMETERS)
        model.fit(X, y, sample_weight=weight, init_score=own.init_score(y, weight))
        found = own.intercept(y, weight) + model.predict(X)
        np.testing.assert_array_equal(found, train(lightgbm, own, y, weight))


def test_weights_that_are_all_1_arrive_as_none(lightgbm: ModuleType) -> None:
    """And others as they are: what the objective is called with."""
    seen = []

    def spy(y: Any, f: Any, weight: Any) -> Any:
        seen.append(weight)
        return objective("half_squared_error")(y, f, weight)

    for weight in (np.ones(N), WEIGHT):
        lightgbm.LGBMRegressor(objective=spy, n_estimators=1, **PARAMETERS).fit(X, REAL, sample_weight=weight)
    assert seen[0] is None
    np.testing.assert_array_equal(seen[1], WEIGHT)


def test_two_and_three_arguments_are_enough(lightgbm: ModuleType) -> None:
    """The wrappers count the arguments; a user's own function around the objective may have fewer."""
    own = objective("pseudo_huber")
    two, three = (lambda y, f: own(y, f)), (lambda y, f, weight: own(y, f, weight))
    found = [
        lightgbm.LGBMRegressor(objective=o, n_estimators=5, **PARAMETERS).fit(X, REAL, sample_weight=w).predict(X)
        for o, w in ((own, None), (two, None), (two, WEIGHT), (own, WEIGHT), (three, WEIGHT))
    ]
    np.testing.assert_array_equal(found[0], found[1])
    assert np.abs(found[2] - found[3]).max() > 0.01  # two arguments know nothing of weights
    np.testing.assert_array_equal(found[3], found[4])


@pytest.mark.filterwarnings(RAW)
def test_the_multi_class_wrapper_is_the_same_model(lightgbm: ModuleType) -> None:
    own = objective("softmax_cross_entropy")
    model = lightgbm.LGBMClassifier(objective=own, n_estimators=10, **PARAMETERS)
    model.fit(X, CLASSES, sample_weight=WEIGHT, init_score=own.init_score(CLASSES, WEIGHT), eval_metric=own.metric)
    raw = own.intercept(CLASSES, WEIGHT) + model.predict(X)
    np.testing.assert_array_equal(raw, train(lightgbm, own, CLASSES, WEIGHT))
    np.testing.assert_allclose(own.predict(raw).sum(axis=1), 1)


def test_a_classifier_answers_with_raw_scores(lightgbm: ModuleType) -> None:
    """LightGBM says so, and gives them as labels and as probabilities alike."""
    own = objective("logistic")
    model = lightgbm.LGBMClassifier(objective=own, n_estimators=10, **PARAMETERS)
    model.fit(X, BINARY, init_score=own.init_score(BINARY))
    raw = train(lightgbm, own, BINARY) - own.intercept(BINARY)
    for ask in (model.predict, model.predict_proba):
        with pytest.warns(UserWarning, match="Cannot compute class probabilities or labels"):
            np.testing.assert_allclose(ask(X), raw, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "y", "built_in"),
    [("half_squared_error", REAL, "regression"), ("logistic", BINARY, "binary")],
)
def test_the_built_in_objective_is_the_same(lightgbm: ModuleType, name: str, y: Any, built_in: str) -> None:
    """Where the curvatures are the same; docs/parity.md has the others."""
    own = objective(name, "exact")
    data = lightgbm.Dataset(X, y, weight=WEIGHT, init_score=own.init_score(y, WEIGHT))
    booster = lightgbm.train({**PARAMETERS, "objective": built_in, "boost_from_average": False}, data, 10)
    theirs = own.intercept(y, WEIGHT) + booster.predict(X, raw_score=True)
    np.testing.assert_allclose(train(lightgbm, own, y, WEIGHT), theirs, atol=1e-4)


def test_a_wrong_sign_or_factor_would_be_seen(lightgbm: ModuleType) -> None:
    """The comparison above, with errors planted into the objective."""
    own, y = objective("half_squared_error", "exact"), REAL
    right = train(lightgbm, own, y, WEIGHT)
    for planted in (lambda p, d: (2 * own(p, d)[0], own(p, d)[1]), lambda p, d: (-own(p, d)[0], own(p, d)[1])):
        found = train(lightgbm, own, y, WEIGHT, objective=planted)
        assert np.abs(found - right).max() > 0.01


def test_training_begins_at_the_intercept(lightgbm: ModuleType) -> None:
    for name, y in CASES:
        own = objective(name)
        raw = train(lightgbm, own, y, WEIGHT, learning_rate=1e-7)
        np.testing.assert_allclose(raw, np.broadcast_to(own.intercept(y, WEIGHT), raw.shape), atol=1e-5)
    own = objective("half_squared_error")
    plain = lightgbm.train({**PARAMETERS, **own.parameters(REAL), "learning_rate": 1e-7}, lightgbm.Dataset(X, REAL), 1)
    assert np.abs(plain.predict(X)).max() < 1e-4  # boost_from_average, on by default, does nothing here


@pytest.mark.filterwarnings(EVALUATION)
def test_the_metric_is_the_mean_loss_and_falls(lightgbm: ModuleType) -> None:
    own = objective("pseudo_huber")
    half, rest = slice(0, N // 2), slice(N // 2, N)
    start, later = own.init_score(REAL[half]), own.init_score(REAL[half], rows=N - N // 2)
    data = lightgbm.Dataset(X[half], REAL[half], init_score=start)
    held = lightgbm.Dataset(X[rest], REAL[rest], weight=WEIGHT[rest], init_score=later, reference=data)
    seen: dict[str, Any] = {}
    stop = [lightgbm.early_stopping(5, verbose=False), lightgbm.record_evaluation(seen)]
    parameters = {**PARAMETERS, **own.parameters(REAL[half])}
    booster = lightgbm.train(parameters, data, 300, valid_sets=[held], feval=own.metric, callbacks=stop)
    history = seen["valid_0"]["mean_pseudo_huber"]
    assert list(seen["valid_0"]) == ["mean_pseudo_huber"]
    assert booster.best_iteration - 1 == int(np.argmin(history)) and 1 < booster.best_iteration < len(history) < 300
    raw = later + booster.predict(X[rest], num_iteration=booster.best_iteration)
    assert min(history) == pytest.approx(own.mean_loss(REAL[rest], raw, WEIGHT[rest]), rel=1e-6)
    model = lightgbm.LGBMRegressor(objective=own, n_estimators=300, metric="none", **PARAMETERS)
    model.fit(
        X[half], REAL[half], init_score=start, eval_set=[(X[rest], REAL[rest])], eval_sample_weight=[WEIGHT[rest]],
        eval_init_score=[later], eval_metric=own.metric, callbacks=[lightgbm.early_stopping(5, verbose=False)],
    )  # fmt: skip
    assert model.evals_result_["valid_0"]["mean_pseudo_huber"] == history
    assert model.best_iteration_ == booster.best_iteration


def test_bad_numbers_reach_the_user(lightgbm: ModuleType) -> None:
    own = objective("poisson_log_link")
    bad = COUNTS.copy()
    bad[7] = -1
    for fit in (
        lambda: lightgbm.train({**PARAMETERS, "objective": own}, lightgbm.Dataset(X, bad), 3),
        lambda: lightgbm.LGBMRegressor(objective=own, **PARAMETERS).fit(X, bad),
    ):
        with pytest.raises(DomainViolation, match=r"poisson_log_link: y\[7\] = -1.0 lies outside \[0, oo\)"):
            fit()
    with pytest.raises(BadNumber, match=r"linex: the gradient in row \d+ is .* out of the range of float32"):
        lightgbm.train({**PARAMETERS, "objective": objective("linex", a=-100.0)}, lightgbm.Dataset(X, REAL), 3)
    negative = np.where(np.arange(N) == 7, -1.0, 1.0)
    with pytest.raises(BadNumber, match=r"the weight in row 7 is -1.0"):
        lightgbm.train({**PARAMETERS, "objective": own}, lightgbm.Dataset(X, COUNTS, weight=negative), 3)


def test_lightgbm_takes_a_target_that_is_nan_for_0(lightgbm: ModuleType) -> None:
    """Before an objective sees it: only the intercept, which is asked for beforehand, can say so."""
    bad = COUNTS.copy()
    bad[7] = np.nan
    data = lightgbm.Dataset(X, bad)
    lightgbm.train({**PARAMETERS, "objective": objective("poisson_log_link")}, data, 1)
    assert data.get_field("label")[7] == 0
    with pytest.raises(BadNumber, match="poisson_log_link: the target in row 7 is nan"):
        objective("poisson_log_link").init_score(bad)


def test_scikit_learn_may_clone_search_and_pickle(lightgbm: ModuleType) -> None:
    own = objective("pseudo_huber")
    model = lightgbm.LGBMRegressor(objective=own, n_estimators=20, **{**PARAMETERS, "min_data_in_leaf": 20})
    assert repr(clone(model).get_params()["objective"]) == repr(own)
    assert cross_val_score(model, X, REAL, cv=3).min() > 0.2
    search = GridSearchCV(model, {"objective": [own, objective("half_squared_error")]}, cv=3).fit(X, REAL)
    assert search.best_params_["objective"].name in ("pseudo_huber", "half_squared_error")
    again = pickle.loads(pickle.dumps(model.fit(X, REAL)))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    np.testing.assert_array_equal(again.fit(X, REAL).predict(X), model.predict(X))


def test_groups_are_taken_and_ignored(lightgbm: ModuleType) -> None:
    own = objective("half_squared_error")
    np.testing.assert_array_equal(own(REAL, np.zeros(N), None, np.array([N]))[0], own(REAL, np.zeros(N))[0])
    with pytest.raises(ValueError, match="curvature is 'ones'"):
        lf.objective("huber", library="lightgbm", curvature="ones")
