"""Does CatBoost train right with our objectives? Weights, intercepts, shapes, metrics, errors: each by training."""

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

# l2_leaf_reg: CatBoost scales it with the mean weight of a row, which is another when rows are repeated.
PARAMETERS = {
    "iterations": 10, "depth": 3, "learning_rate": 0.3, "l2_leaf_reg": 0, "boosting_type": "Plain",
    "bootstrap_type": "No", "random_strength": 0, "leaf_estimation_iterations": 1, "leaf_estimation_method": "Newton",
    "allow_writing_files": False, "verbose": False, "thread_count": 1, "random_seed": 0,
}  # fmt: skip
ONE = CASES[:4]  # without gaussian_nll: CatBoost has no place for several raw scores that are no classes
objective = partial(shared_objective, "catboost")


def model_for(catboost: ModuleType, own: Any, y: Any, **more: Any) -> Any:
    kind = catboost.CatBoostRegressor if own.outputs == 1 else catboost.CatBoostClassifier
    classes = {} if own.outputs == 1 else {"class_names": sorted({int(k) for k in y})}
    return kind(loss_function=own, eval_metric=own.metric, **{**PARAMETERS, **classes, **more})


def train(catboost: ModuleType, own: Any, y: Any, weight: Any = None, rows: Any = slice(None), **more: Any) -> Any:
    """Raw scores for all rows, with the intercept, trained on some."""
    w = None if weight is None else weight[rows]
    pool = catboost.Pool(X[rows], y[rows], weight=w, baseline=own.baseline(y[rows], w))
    model = model_for(catboost, own, y, **more).fit(pool)
    return own.intercept(y[rows], w) + model.predict(X, prediction_type="RawFormulaVal")


@pytest.mark.parametrize("method", ["Newton", "Gradient"])
@pytest.mark.parametrize(("name", "y"), ONE, ids=NAMES[:4])
def test_a_weight_of_2_is_a_row_twice_and_0_is_no_row(catboost: ModuleType, name: str, y: Any, method: str) -> None:
    own, more = objective(name), {"leaf_estimation_method": method, "iterations": 3}
    weighted = train(catboost, own, y, WEIGHT, **more)
    np.testing.assert_allclose(weighted, train(catboost, own, y, rows=ROWS, **more), atol=1e-6)
    assert np.abs(weighted - train(catboost, own, y, **more)).max() > 0.01
    assert weighted.shape == ((N,) if own.outputs == 1 else (N, 3))


@pytest.mark.parametrize(
    ("name", "y", "built_in"),
    [
        ("half_squared_error", REAL, "RMSE"),
        ("logistic", BINARY, "Logloss"),
        ("softmax_cross_entropy", CLASSES, "MultiClass"),
    ],
)
def test_the_built_in_loss_is_the_same(catboost: ModuleType, name: str, y: Any, built_in: str) -> None:
    """With a regularisation too, and the whole matrix for several classes; docs/parity.md has others."""
    own, more = objective(name, "exact"), {**PARAMETERS, "l2_leaf_reg": 3}
    kind = catboost.CatBoostRegressor if built_in == "RMSE" else catboost.CatBoostClassifier
    pool = catboost.Pool(X, y, weight=WEIGHT, baseline=own.baseline(y, WEIGHT))
    theirs = kind(loss_function=built_in, **more).fit(pool).predict(X, prediction_type="RawFormulaVal")
    ours = train(catboost, own, y, WEIGHT, l2_leaf_reg=3)
    np.testing.assert_allclose(ours, own.intercept(y, WEIGHT) + theirs, atol=1e-8)


def test_a_wrong_sign_or_factor_would_be_seen(catboost: ModuleType) -> None:
    """The comparison above, with errors planted: derivatives of the loss itself, weights not at all or twice."""
    own = objective("half_squared_error", "exact")
    right = train(catboost, own, REAL, WEIGHT)

    class Planted:
        no_jit = True

        def __init__(self, factor: Any) -> None:
            self.factor = factor

        def calc_ders_range(self, approxes: Any, targets: Any, weights: Any) -> Any:
            return own.calc_ders_range(approxes, targets, weights) * self.factor(weights)

    for factor in (
        lambda w: np.array([-1.0, 1.0]),
        lambda w: np.array([2.0, 1.0]),
        lambda w: w[:, None],
        lambda w: 1 / np.maximum(w, 0.5)[:, None],
    ):
        pool = catboost.Pool(X, REAL, weight=WEIGHT, baseline=own.baseline(REAL, WEIGHT))
        model = catboost.CatBoostRegressor(loss_function=Planted(factor), eval_metric="RMSE", **PARAMETERS).fit(pool)
        assert np.abs(model.predict(X) + own.intercept(REAL, WEIGHT) - right).max() > 0.01


def test_a_model_can_carry_its_intercept(catboost: ModuleType) -> None:
    own = objective("pseudo_huber")
    model = model_for(catboost, own, REAL).fit(catboost.Pool(X, REAL, baseline=own.baseline(REAL)))
    before = model.predict(X)
    model.set_scale_and_bias(1, own.intercept(REAL))
    np.testing.assert_allclose(model.predict(X), before + own.intercept(REAL), rtol=1e-12)
    np.testing.assert_allclose(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


def test_training_begins_at_the_intercept(catboost: ModuleType) -> None:
    for name, y in ONE:
        own = objective(name)
        raw = train(catboost, own, y, WEIGHT, learning_rate=1e-4)
        np.testing.assert_allclose(raw, np.broadcast_to(own.intercept(y, WEIGHT), raw.shape), atol=1e-2)


def test_a_classifier_needs_the_names_of_the_classes(catboost: ModuleType) -> None:
    own = objective("logistic")
    model = catboost.CatBoostClassifier(loss_function=own, eval_metric=own.metric, **PARAMETERS)
    with pytest.raises(IndexError):  # CatBoost's own, of a classifier that has not been told them
        model.copy().fit(X, BINARY).predict(X)
    model.set_params(class_names=[0, 1]).fit(X, BINARY)
    raw = model.predict(X, prediction_type="RawFormulaVal")
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], scipy.special.expit(raw), rtol=1e-12)
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], own.predict(raw), rtol=1e-12)
    np.testing.assert_array_equal(model.predict(X), raw > 0)


def test_the_matrix_of_several_classes(catboost: ModuleType) -> None:
    """One object: minus gradient, minus Hessian, both times the weight; with a bound, its diagonal."""
    f, p = [0.5, -1.0, 0.25], scipy.special.softmax([0.5, -1.0, 0.25])
    gradient, matrix = objective("softmax_cross_entropy", "exact").calc_ders_multi(f, 2.0, 3.0)
    np.testing.assert_allclose(gradient, 3 * (np.array([0, 0, 1]) - p), atol=1e-15)
    np.testing.assert_allclose(matrix, 3 * (np.outer(p, p) - np.diag(p)), atol=1e-15)
    gradient, matrix = objective("softmax_cross_entropy", "diagonal_bound").calc_ders_multi(f, 2.0, None)
    np.testing.assert_allclose(matrix, -np.diag(2 * p * (1 - p)), atol=1e-15)


def test_several_raw_scores_that_are_no_classes_are_refused(catboost: ModuleType) -> None:
    with pytest.raises(
        ValueError, match="gaussian_nll has 2 raw scores a sample; CatBoost gives a custom objective one"
    ):
        objective("gaussian_nll")
    assert str(objective("softmax_cross_entropy").curvature) == "exact"


def test_the_metric_is_the_mean_loss_and_falls(catboost: ModuleType) -> None:
    own = objective("pseudo_huber")
    half, rest = slice(0, N // 2), slice(N // 2, N)
    pool = catboost.Pool(X[half], REAL[half], baseline=own.baseline(REAL[half]))
    start = own.baseline(REAL[half], rows=N - N // 2)
    held = catboost.Pool(X[rest], REAL[rest], weight=WEIGHT[rest], baseline=start)
    model = model_for(catboost, own, REAL, iterations=300).fit(pool, eval_set=held, early_stopping_rounds=5)
    (history,) = model.evals_result_["validation"].values()
    assert model.get_best_iteration() == int(np.argmin(history)) and 0 < int(np.argmin(history)) < len(history) < 300
    raw = start + model.predict(X[rest])  # of the best iteration: CatBoost shrinks the model to it
    assert min(history) == pytest.approx(own.mean_loss(np.float32(REAL[rest]), raw, WEIGHT[rest]), rel=1e-9)


def test_the_metric_of_several_classes(catboost: ModuleType) -> None:
    own = objective("softmax_cross_entropy")
    model = model_for(catboost, own, CLASSES).fit(catboost.Pool(X, CLASSES, weight=WEIGHT))
    (history,) = model.evals_result_["learn"].values()
    raw = model.predict(X, prediction_type="RawFormulaVal")
    assert history[-1] == pytest.approx(own.mean_loss(CLASSES, raw, WEIGHT), rel=1e-9)
    assert history == sorted(history, reverse=True)
    assert own.metric.evaluate(np.zeros((3, 2)), [0, 1], [0.0, 0.0]) == (0.0, 0.0)
    assert np.isnan(own.metric.get_final_error(0.0, 0.0)) and not own.metric.is_max_optimal()


def test_blocks_and_threads_change_nothing(catboost: ModuleType) -> None:
    """CatBoost asks for a thousand objects at a time, from several threads."""
    big = np.tile(X, (20, 1))
    y = np.tile(REAL, 20)
    own = objective("pseudo_huber")
    found = [model_for(catboost, own, y, thread_count=n).fit(big, y).predict(X) for n in (1, 2)]
    np.testing.assert_allclose(*found, atol=1e-10)


def test_bad_numbers_reach_the_user(catboost: ModuleType) -> None:
    """As the text of a CatBoostError; what CatBoost cuts off of a long traceback is not the message."""
    own = objective("poisson_log_link")
    bad = COUNTS.copy()
    bad[7] = -1
    error = catboost.CatBoostError
    with pytest.raises(error, match=r"DomainViolation: poisson_log_link: y\[7\] = -1.0 lies outside \[0, oo\)"):
        model_for(catboost, own, bad).fit(X, bad)
    bad = REAL.copy()
    bad[7] = 1e4
    with pytest.raises(error, match=r"BadNumber: linex: the gradient in row 7 is -?inf at y = 10000.0, f = 0.0"):
        model_for(catboost, objective("linex", a=-1.0), bad).fit(X, bad)
    bad[7] = np.nan
    with pytest.raises(error, match="does not allow nan values in target data"):  # CatBoost looks at targets itself
        model_for(catboost, objective("pseudo_huber"), bad).fit(X, bad)


def test_scikit_learn_may_clone_search_and_pickle(catboost: ModuleType) -> None:
    own = objective("pseudo_huber")
    model = model_for(catboost, own, REAL, iterations=30)
    assert clone(model).get_params()["loss_function"] is own
    assert cross_val_score(model, X, REAL, cv=3).min() > 0.2
    search = GridSearchCV(model, {"depth": [2, 3]}, cv=3).fit(X, REAL)
    assert search.best_params_["depth"] in (2, 3)
    again = pickle.loads(pickle.dumps(model.fit(X, REAL)))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    np.testing.assert_array_equal(again.copy().fit(X, REAL).predict(X), model.predict(X))


def test_no_method_is_given_to_numba(catboost: ModuleType) -> None:
    """CatBoost would try, warn that it cannot, and replace the methods of the object by what does not pickle."""
    own = objective("pseudo_huber")
    model_for(catboost, own, REAL).fit(X, REAL)
    assert not vars(own).keys() - {"loss", "curvature"}
    assert repr(lf.objective("pseudo_huber", library="catboost", curvature="exact")).startswith("CatBoostObjective(")
