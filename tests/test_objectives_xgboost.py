"""Does XGBoost train right with our objectives? Weights, intercepts, shapes, metrics, errors: each by training."""

from __future__ import annotations

import pickle
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import scipy.special
from boosting_data import BINARY, CASES, CLASSES, COUNTS, NAMES, REAL, ROWS, WEIGHT, N, X
from boosting_data import objective as shared_objective
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score

import lossforge as lf
from lossforge.runtime import DomainViolation
from lossforge.runtime.objectives.core import BadNumber

PARAMETERS = {"nthread": 1, "max_depth": 3, "min_child_weight": 0, "eta": 0.3}
WRAPPER = {"n_jobs": 1, "max_depth": 3, "min_child_weight": 0, "learning_rate": 0.3, "n_estimators": 10}
objective = partial(shared_objective, "xgboost")


def train(xgboost: ModuleType, own: Any, y: Any, weight: Any = None, rows: Any = slice(None), **more: Any) -> Any:
    """Raw scores for all rows, trained on some."""
    w = None if weight is None else weight[rows]
    data = xgboost.DMatrix(X[rows], y[rows], weight=w)
    start = own.parameters(y[rows], w)
    booster = xgboost.train({**PARAMETERS, **start, **more}, data, 10, obj=own)
    return booster.predict(xgboost.DMatrix(X), output_margin=True)


@pytest.mark.parametrize(("name", "y"), CASES, ids=NAMES)
def test_a_weight_of_2_is_a_row_twice_and_0_is_no_row(xgboost: ModuleType, name: str, y: Any) -> None:
    own = objective(name)
    weighted = train(xgboost, own, y, WEIGHT)
    np.testing.assert_allclose(weighted, train(xgboost, own, y, rows=ROWS), atol=2e-5)
    assert np.abs(weighted - train(xgboost, own, y)).max() > 0.01
    assert weighted.shape == ((N,) if own.outputs == 1 else (N, 3 if own.outputs is None else 2))


@pytest.mark.parametrize(("name", "y"), CASES[:3], ids=NAMES[:3])
def test_both_interfaces_are_the_same_model(xgboost: ModuleType, name: str, y: Any) -> None:
    own = objective(name)
    for weight in (None, WEIGHT, np.ones(N)):
        model = xgboost.XGBRegressor(objective=own, **WRAPPER, **own.parameters(y, weight))
        found = model.fit(X, y, sample_weight=weight).predict(X)
        np.testing.assert_array_equal(found, train(xgboost, own, y, weight))


@pytest.mark.parametrize(
    ("name", "y", "built_in", "link"),
    [
        ("half_squared_error", REAL, "reg:squarederror", lambda c: c),
        ("logistic", BINARY, "binary:logistic", scipy.special.expit),
        ("softmax_cross_entropy", CLASSES, "multi:softprob", lambda c: c),
    ],
)
def test_the_built_in_objective_is_the_same(xgboost: ModuleType, name: str, y: Any, built_in: str, link: Any) -> None:
    """Where the curvatures are the same; docs/parity.md has the others."""
    own = objective(name)
    start = own.parameters(y, WEIGHT)
    start |= {"objective": built_in, "base_score": np.asarray(link(start["base_score"])).tolist()}
    booster = xgboost.train({**PARAMETERS, **start}, xgboost.DMatrix(X, y, weight=WEIGHT), 10)
    theirs = booster.predict(xgboost.DMatrix(X), output_margin=True)
    np.testing.assert_allclose(train(xgboost, own, y, WEIGHT), theirs, atol=2e-6)


def test_a_wrong_sign_or_factor_would_be_seen(xgboost: ModuleType) -> None:
    """The comparison above, with errors planted into the objective."""
    own, y = objective("half_squared_error", "exact"), REAL
    right = train(xgboost, own, y, WEIGHT)
    for planted in (lambda p, d: (2 * own(p, d)[0], own(p, d)[1]), lambda p, d: (-own(p, d)[0], own(p, d)[1])):
        data = xgboost.DMatrix(X, y, weight=WEIGHT)
        booster = xgboost.train({**PARAMETERS, **own.parameters(y, WEIGHT)}, data, 10, obj=planted)
        assert np.abs(booster.predict(xgboost.DMatrix(X)) - right).max() > 0.01


def test_training_begins_at_the_intercept(xgboost: ModuleType) -> None:
    """With a learning rate of almost nothing that is all there is, in every interface."""
    for name, y in CASES:
        own = objective(name)
        start = np.broadcast_to(own.intercept(y, WEIGHT), train(xgboost, own, y, WEIGHT, eta=1e-7).shape)
        np.testing.assert_allclose(train(xgboost, own, y, WEIGHT, eta=1e-7), start, atol=1e-4)
    for name, y in (("logistic", BINARY), ("softmax_cross_entropy", CLASSES)):
        own = objective(name)
        start = own.parameters(y, classifier=True)
        model = xgboost.XGBClassifier(objective=own, n_jobs=1, learning_rate=1e-7, n_estimators=1, **start).fit(X, y)
        np.testing.assert_allclose(model.predict_proba(X)[0], np.bincount(y.astype(int)) / N, atol=1e-5)


def test_a_classifier_answers_with_probabilities_and_labels(xgboost: ModuleType) -> None:
    for name, y in (("logistic", BINARY), ("softmax_cross_entropy", CLASSES)):
        own = objective(name)
        start = own.parameters(y, WEIGHT, classifier=True)
        model = xgboost.XGBClassifier(objective=own, **WRAPPER, **start).fit(X, y, sample_weight=WEIGHT)
        raw = train(xgboost, own, y, WEIGHT)
        np.testing.assert_allclose(model.predict(X, output_margin=True), raw, atol=1e-5)
        means = own.predict(raw)
        found = model.predict_proba(X)
        np.testing.assert_allclose(found if means.ndim > 1 else found[:, 1], means, atol=1e-5)
        np.testing.assert_array_equal(model.predict(X), raw.argmax(axis=1) if raw.ndim > 1 else raw > 0)
    own = objective("squared_hinge")
    model = xgboost.XGBClassifier(objective=own, **WRAPPER, **own.parameters(BINARY, classifier=True)).fit(X, BINARY)
    np.testing.assert_array_equal(model.predict(X), train(xgboost, own, BINARY) > 0)


def test_the_metric_is_the_mean_loss_and_falls(xgboost: ModuleType) -> None:
    own, seen = objective("pseudo_huber"), {}
    half, data = slice(0, N // 2), xgboost.DMatrix(X[N // 2 :], REAL[N // 2 :], weight=WEIGHT[N // 2 :])
    parameters = {**PARAMETERS, **own.parameters(REAL[half])}
    booster = xgboost.train(
        parameters, xgboost.DMatrix(X[half], REAL[half]), 300, obj=own, custom_metric=own.metric,
        evals=[(data, "v")], evals_result=seen, early_stopping_rounds=5, verbose_eval=False,
    )  # fmt: skip
    assert list(seen["v"]) == ["mean_pseudo_huber"]
    history = seen["v"]["mean_pseudo_huber"]
    assert booster.best_iteration == int(np.argmin(history)) and 0 < booster.best_iteration < len(history) - 1 < 299
    raw = booster.predict(data, iteration_range=(0, booster.best_iteration + 1))
    assert booster.best_score == pytest.approx(own.mean_loss(REAL[N // 2 :], raw, WEIGHT[N // 2 :]), abs=1e-5)
    model = xgboost.XGBRegressor(
        objective=own, eval_metric=own.metric, **{**WRAPPER, "n_estimators": 300}, early_stopping_rounds=5,
        **own.parameters(REAL[half]),
    )  # fmt: skip
    rest = slice(N // 2, N)
    model.fit(
        X[half], REAL[half], eval_set=[(X[rest], REAL[rest])], sample_weight_eval_set=[WEIGHT[rest]], verbose=False
    )
    assert model.evals_result()["validation_0"]["mean_pseudo_huber"] == pytest.approx(history, abs=1e-6)
    assert model.best_iteration == booster.best_iteration


def test_a_metric_never_has_a_name_that_xgboost_maximises(xgboost: ModuleType) -> None:
    """It guesses the direction from the name: auc..., pre..., map..., ndcg... are to rise."""
    precise = lf.compile(lf.parse("sqrt(1 + r**2) - 1", name="precise"), backend="numpy")
    seen: dict[str, Any] = {}
    own = lf.objective(precise, library="xgboost", curvature="floored")
    data = xgboost.DMatrix(X, REAL)
    booster = xgboost.train(
        {**PARAMETERS, **own.parameters(REAL)}, data, 8, obj=own, custom_metric=own.metric, evals=[(data, "t")],
        evals_result=seen, early_stopping_rounds=2, verbose_eval=False,
    )  # fmt: skip
    assert booster.num_boosted_rounds() == 8 and booster.best_iteration == 7


def test_a_quantile_matrix_serves(xgboost: ModuleType) -> None:
    own = objective("pseudo_huber")
    data = xgboost.QuantileDMatrix(X, REAL, weight=WEIGHT)
    booster = xgboost.train({**PARAMETERS, **own.parameters(REAL, WEIGHT)}, data, 10, obj=own)
    np.testing.assert_allclose(booster.predict(xgboost.DMatrix(X)), train(xgboost, own, REAL, WEIGHT), atol=1e-5)


def test_bad_numbers_reach_the_user(xgboost: ModuleType) -> None:
    own = objective("poisson_log_link")
    bad = COUNTS.copy()
    bad[7] = -1
    for fit in (
        lambda: xgboost.train(PARAMETERS, xgboost.DMatrix(X, bad), 3, obj=own),
        lambda: xgboost.XGBRegressor(objective=own, **WRAPPER).fit(X, bad),
    ):
        with pytest.raises(DomainViolation, match=r"poisson_log_link: y\[7\] = -1.0 lies outside \[0, oo\)"):
            fit()
    bad[7] = np.nan
    with pytest.raises(BadNumber, match="the target in row 7 is nan"):
        own.parameters(bad)
    with pytest.raises(xgboost.core.XGBoostError, match="Label contains NaN"):  # XGBoost looks at labels itself
        xgboost.DMatrix(X, bad)
    start = np.where(np.arange(N) == 7, np.nan, 0.0)
    with pytest.raises(BadNumber, match="the raw score in row 7 is nan"):
        xgboost.train(PARAMETERS, xgboost.DMatrix(X, COUNTS, base_margin=start), 3, obj=own)
    with pytest.raises(BadNumber, match=r"linex: the gradient in row \d+ is .* out of the range of float32"):
        xgboost.train(PARAMETERS, xgboost.DMatrix(X, REAL), 3, obj=objective("linex", a=-100.0))


def test_scikit_learn_may_clone_search_and_pickle(xgboost: ModuleType) -> None:
    own = objective("pseudo_huber")
    model = xgboost.XGBRegressor(objective=own, eval_metric=own.metric, **WRAPPER, **own.parameters(REAL))
    assert repr(clone(model).get_params()["objective"]) == repr(own)
    assert cross_val_score(model, X, REAL, cv=3).min() > 0.2
    search = GridSearchCV(model, {"objective": [own, objective("half_squared_error")]}, cv=3).fit(X, REAL)
    assert search.best_params_["objective"].name in ("pseudo_huber", "half_squared_error")
    again = pickle.loads(pickle.dumps(model.fit(X, REAL)))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    np.testing.assert_array_equal(again.fit(X, REAL).predict(X), model.predict(X))
