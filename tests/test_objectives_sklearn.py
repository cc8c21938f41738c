"""Does scikit-learn's histogram gradient boosting train with our losses as with its own?

The oracle is scikit-learn: the same data, the same trees, the built-in loss of the same formula.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn._loss.loss import BaseLoss, HalfBinomialLoss, HalfMultinomialLoss, HalfPoissonLoss
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

import lossforge as lf
from lossforge.runtime.objectives.core import BadNumber
from lossforge.runtime.objectives.sklearn import SklearnLoss, expect_interface

Array = NDArray[Any]

N = 401  # odd, so that the median is one of the targets
RNG = np.random.default_rng(20)
X = RNG.normal(size=(N, 4))
Z = X[:, 0] + np.sin(2 * X[:, 1])
WEIGHTS = RNG.uniform(0.2, 2.0, N)
REAL = Z + RNG.standard_t(3, N)
COUNTS = RNG.poisson(np.exp(Z)).astype(float)
POSITIVE = RNG.gamma(2.0, np.exp(Z)) + 1e-3
BINARY = (Z + RNG.normal(size=N) > 0).astype(int)
CLASSES = np.digitize(Z + RNG.normal(size=N), [-1, 1])


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """On a busy machine the threads of trees this small only wait for each other."""
    with threadpool_limits(1):
        yield


SETTINGS: dict[str, Any] = {"max_iter": 8, "early_stopping": False}


def objective(name: str, curvature: str | None = None, **options: Any) -> SklearnLoss:
    made: SklearnLoss = lf.objective(name, "sklearn", curvature, **options)
    return made


def regress(loss: Any, y: Array, weight: Array | None, **more: Any) -> Array:
    predicted: Array = HistGradientBoostingRegressor(loss=loss, **SETTINGS, **more).fit(X, y, weight).predict(X)
    return predicted


@pytest.mark.parametrize("weight", [None, WEIGHTS], ids=["unweighted", "weighted"])
@pytest.mark.parametrize(
    ("built_in", "name", "y"),
    [
        ("squared_error", "half_squared_error", REAL),
        ("poisson", "poisson_log_link", COUNTS),
        ("gamma", "gamma_log_link", POSITIVE),
    ],
)
def test_predictions_are_those_of_the_built_in_loss(built_in: str, name: str, y: Array, weight: Array | None) -> None:
    ours = regress(objective(name, "exact"), y, weight)
    np.testing.assert_allclose(ours, regress(built_in, y, weight), rtol=1e-6)


def test_leaves_of_kinked_losses_are_medians_and_quantiles() -> None:
    """Weighted, for of equal weights scikit-learn interpolates between two targets, where any between them is best.

    Few splits, far apart: at the kink itself our gradient is the middle of both slopes, scikit-learn's one of them.
    """

    def fit(loss: Any, **more: Any) -> Array:
        model = HistGradientBoostingRegressor(loss=loss, max_depth=2, **SETTINGS, **more)
        fitted: Array = model.fit(X > 0, REAL, WEIGHTS).predict(X > 0)
        return fitted

    assert objective("absolute_error").differentiable is False
    np.testing.assert_allclose(fit(objective("absolute_error")), fit("absolute_error"), rtol=1e-9)
    expected = fit("quantile", quantile=0.8)
    np.testing.assert_allclose(fit(objective("pinball", tau=0.8)), expected, rtol=1e-9)
    newton = fit(objective("pinball", "constant", tau=0.8, line_search=False))
    assert np.abs(newton - expected).max() > 0.1


@pytest.mark.parametrize("weight", [None, WEIGHTS], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("name", ["logistic", "binary_cross_entropy_logits"])
def test_classifier(name: str, weight: Array | None) -> None:
    ours, theirs = (
        HistGradientBoostingClassifier(loss=loss, max_iter=12, early_stopping=True, random_state=0).fit(X, y, weight)
        for loss, y in ((objective(name, "exact"), BINARY), ("log_loss", BINARY))
    )
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-6)
    np.testing.assert_allclose(ours.validation_score_, theirs.validation_score_, rtol=1e-6)
    assert np.array_equal(ours.predict(X), theirs.predict(X))


def test_classifier_of_several_classes() -> None:
    theirs = HistGradientBoostingClassifier(**SETTINGS).fit(X, CLASSES, WEIGHTS)
    for curvature, close in (("exact", True), (None, False)):  # the default bounds the whole matrix, not its diagonal
        loss = objective("softmax_cross_entropy", curvature, n_classes=3)
        ours = HistGradientBoostingClassifier(loss=loss, **SETTINGS).fit(X, CLASSES, WEIGHTS)
        assert np.allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-5) is close
        np.testing.assert_allclose(ours.predict_proba(X).sum(axis=1), 1)


def test_a_classifier_of_a_loss_without_link_has_no_probabilities() -> None:
    model = HistGradientBoostingClassifier(loss=objective("squared_hinge"), **SETTINGS).fit(X, BINARY)
    assert model.score(X, BINARY) > 0.75
    with pytest.raises(AttributeError, match="squared_hinge has no link from raw scores to probabilities"):
        model.predict_proba(X)


def test_early_stopping_of_a_regression_is_not_stratified() -> None:
    loss = objective("pseudo_huber", delta=1)
    model = HistGradientBoostingRegressor(loss=loss, max_iter=12, early_stopping=True, random_state=0).fit(X, REAL)
    assert model.validation_score_[-1] > model.validation_score_[0]


@pytest.mark.parametrize(
    ("name", "base", "y", "options"),
    [
        ("poisson_log_link", HalfPoissonLoss(), COUNTS, {}),
        ("binary_cross_entropy_logits", HalfBinomialLoss(), BINARY.astype(float), {}),
        ("softmax_cross_entropy", HalfMultinomialLoss(n_classes=3), CLASSES.astype(float), {"n_classes": 3}),
    ],
)
def test_every_method_answers_as_scikit_learns(name: str, base: BaseLoss, y: Array, options: dict[str, Any]) -> None:
    ours = objective(name, "exact", **options)
    raw = RNG.normal(size=(N, 3)) if options else RNG.normal(size=N)
    arguments = {"y_true": y, "raw_prediction": raw, "sample_weight": WEIGHTS}
    for method in ("loss", "gradient", "loss_gradient", "gradient_hessian"):
        np.testing.assert_equal(len(getattr(ours, method)(**arguments)), len(getattr(base, method)(**arguments)))
        for mine, its in zip(getattr(ours, method)(**arguments), getattr(base, method)(**arguments), strict=True):
            np.testing.assert_allclose(mine, its, rtol=1e-7, atol=1e-12)
    assert ours(y, raw, WEIGHTS) == pytest.approx(base(y, raw, WEIGHTS), rel=1e-12)
    start, its_start = ours.fit_intercept_only(y, WEIGHTS), base.fit_intercept_only(y, WEIGHTS)
    np.testing.assert_allclose(start - start.mean(), its_start - its_start.mean(), atol=1e-9)
    np.testing.assert_allclose(start, its_start, atol=1e-9)
    assert ours.interval_y_true.includes(y) == base.interval_y_true.includes(y)
    gradient, curvature = ours.init_gradient_and_hessian(N, np.float32)
    assert ours.gradient_hessian(y, raw, None, gradient, curvature)[1] is curvature and curvature.dtype == np.float32
    np.testing.assert_allclose(gradient, base.gradient(y, raw), rtol=1e-5, atol=1e-6)


def test_curvature_is_a_choice() -> None:
    """Far from the targets the Hessian of the pseudo-Huber loss is nearly 0, and a Newton step goes far astray."""
    far = 50 * REAL
    errors = {
        name: np.abs(regress(objective("pseudo_huber", name), far, None) - far).mean()
        for name in ("exact", "majorizer")
    }
    assert errors["exact"] > 10 * errors["majorizer"]


def test_clone_and_pickle() -> None:
    model = clone(HistGradientBoostingRegressor(loss=objective("poisson_log_link"), **SETTINGS)).fit(X, COUNTS)
    again = pickle.loads(pickle.dumps(model))
    assert repr(again.loss) == repr(model.loss) and "SklearnLoss(poisson_log_link, curvature='exact')" in repr(model)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_what_cannot_be_trained_is_refused() -> None:
    with pytest.raises(ValueError, match="gaussian_nll has 1 targets and 2 predictions; scikit-learn's histogram"):
        objective("gaussian_nll")
    with pytest.raises(ValueError, match="n_classes is None; for softmax_cross_entropy expected the number of classes"):
        objective("softmax_cross_entropy")
    with pytest.raises(ValueError, match="n_classes is 3; for huber expected None"):
        objective("huber", n_classes=3)
    with pytest.raises(ValueError, match="line_search needs a loss of the residual alone, and logistic is none"):
        objective("logistic", line_search=True)
    with pytest.raises(BadNumber, match=r"the target in row 7 is inf"):
        objective("huber").gradient(np.where(np.arange(N) == 7, np.inf, REAL), Z)


def test_a_changed_interface_is_named() -> None:
    expect_interface(BaseLoss)

    class Changed(BaseLoss):
        def gradient(self, y_true: Any, raw_prediction: Any) -> None:
            """What a later scikit-learn might ask."""

    with pytest.raises(
        ImportError, match=r"Changed\.gradient of scikit-learn .* takes \(self, y_true, raw_prediction\)"
    ):
        expect_interface(Changed)
    with pytest.raises(ImportError, match=r"object\.loss of scikit-learn .* is absent; expected \(self, y_true"):
        expect_interface(object)
