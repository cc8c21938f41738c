"""Agreement with libraries that have the same losses, on the same inputs."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest
import scipy.special
from sklearn._loss import loss as sklearn_loss

import lossforge as lf

rng = np.random.default_rng(20261122)
F = np.concatenate([rng.normal(0, 2, 400), [0.0, -3.0, 3.0, 20.0, -20.0]])
REAL = np.concatenate([rng.normal(0, 2, 404), [1.0]])
BINARY = (rng.random(F.size) < 0.5).astype(float)
SIGNS = 2 * BINARY - 1
COUNTS = rng.poisson(2.0, F.size).astype(float)
UNIT = rng.random(F.size)
SCORES = rng.normal(0, 3, (50, 7))
LABELS = rng.integers(0, 7, 50)


def close(a: Any, b: Any, rtol: float = 1e-12) -> None:
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=rtol, atol=1e-14)


@pytest.mark.parametrize(
    ("ours", "theirs", "y", "scale"),
    [
        (lf.losses.half_squared_error(), sklearn_loss.HalfSquaredError(), REAL, 1),
        (lf.losses.squared_error(), sklearn_loss.HalfSquaredError(), REAL, 2),
        (lf.losses.absolute_error(), sklearn_loss.AbsoluteError(), REAL, 1),
        (lf.losses.huber(delta=1.35), sklearn_loss.HuberLoss(quantile=0.9, delta=1.35), REAL, 1),
        (lf.losses.pinball(tau=0.3), sklearn_loss.PinballLoss(quantile=0.3), REAL, 1),
        (lf.losses.binary_cross_entropy_logits(), sklearn_loss.HalfBinomialLoss(), BINARY, 1),
        (lf.losses.poisson_log_link(), sklearn_loss.HalfPoissonLoss(), COUNTS, 1),
    ],
    ids=lambda v: getattr(v, "name", type(v).__name__),
)
def test_scikit_learn(ours: Any, theirs: Any, y: np.ndarray, scale: float) -> None:
    w = rng.random(F.size)
    value, gradient, hessian = ours.loss_gradient_hessian(y, F, sample_weight=w)
    close(value, scale * theirs.loss(y, F, sample_weight=w))
    expected = theirs.gradient_hessian(y, F, sample_weight=w)
    close(gradient, scale * expected[0])
    if theirs.approx_hessian:
        return  # scikit-learn returns a constant in place of these second derivatives
    close(hessian, scale * expected[1])


def test_scikit_learn_multinomial() -> None:
    theirs = sklearn_loss.HalfMultinomialLoss(n_classes=7)
    ours = lf.losses.softmax_cross_entropy()
    value, gradient = ours.loss_gradient(LABELS, SCORES)
    scores, labels = np.asfortranarray(SCORES), LABELS.astype(float)
    close(value, theirs.loss(labels, scores))
    close(gradient, theirs.gradient(labels, scores))
    hessian = ours.hessian(LABELS, SCORES)
    close(np.einsum("njj->nj", hessian), theirs.gradient_hessian(labels, scores)[1])


def test_scipy() -> None:
    r = F - REAL
    close(lf.losses.pseudo_huber(delta=1.7).loss(REAL, F), scipy.special.pseudo_huber(1.7, r))
    close(lf.losses.huber(delta=1.7).loss(REAL, F), scipy.special.huber(1.7, r))
    close(lf.losses.softmax_cross_entropy().inverse_link(SCORES), scipy.special.softmax(SCORES, axis=1))
    close(lf.losses.logistic().inverse_link(F), scipy.special.expit(F))
    entropy = -(scipy.special.xlogy(BINARY, UNIT) + scipy.special.xlog1py(1 - BINARY, -UNIT))
    close(lf.losses.binary_cross_entropy().loss(BINARY, UNIT), entropy)


def _focal(t: Any, f: Any, y: Any) -> Any:
    bce = t.nn.functional.binary_cross_entropy_with_logits(f, y, reduction="none")
    p = t.sigmoid(f)
    p_t = p * y + (1 - p) * (1 - y)
    return (0.25 * y + 0.75 * (1 - y)) * (1 - p_t) ** 2 * bce


TORCH = {
    "squared_error": (REAL, F, {}, lambda t, f, y: t.nn.functional.mse_loss(f, y, reduction="none")),
    "absolute_error": (REAL, F, {}, lambda t, f, y: t.nn.functional.l1_loss(f, y, reduction="none")),
    "huber": (REAL, F, {"delta": 1.35}, lambda t, f, y: t.nn.functional.huber_loss(f, y, reduction="none", delta=1.35)),
    "logistic": (SIGNS, F, {}, lambda t, f, y: t.nn.functional.soft_margin_loss(f, y, reduction="none")),
    "exponential": (SIGNS, F, {}, lambda t, f, y: t.exp(-y * f)),
    "hinge": (SIGNS, F, {}, lambda t, f, y: t.relu(1 - y * f)),
    "squared_hinge": (SIGNS, F, {}, lambda t, f, y: t.relu(1 - y * f) ** 2),
    "perceptron": (SIGNS, F + 0.01, {}, lambda t, f, y: t.relu(-y * f)),
    "binary_cross_entropy": (
        BINARY, UNIT, {}, lambda t, f, y: t.nn.functional.binary_cross_entropy(f, y, reduction="none")
    ),
    "binary_cross_entropy_logits": (
        UNIT, F, {}, lambda t, f, y: t.nn.functional.binary_cross_entropy_with_logits(f, y, reduction="none")
    ),
    "poisson_log_link": (COUNTS, F, {}, lambda t, f, y: t.nn.functional.poisson_nll_loss(f, y, reduction="none")),
    "focal": (BINARY, F, {}, _focal),
    "log_cosh": (REAL, F, {}, lambda t, f, y: t.log(t.cosh(f - y))),
    "pseudo_huber": (REAL, F, {"delta": 1.5}, lambda t, f, y: 1.5**2 * (t.sqrt(1 + ((f - y) / 1.5) ** 2) - 1)),
    "pinball": (REAL, F, {"tau": 0.3}, lambda t, f, y: t.maximum(-0.3 * (f - y), 0.7 * (f - y))),
}  # fmt: skip


@pytest.mark.parametrize("name", list(TORCH))
def test_torch(name: str, torch: ModuleType) -> None:
    """Value, gradient and second derivative by automatic differentiation."""
    t = torch
    y, f, parameters, function = TORCH[name]
    inside = np.abs(f) < 15 if name in ("focal", "log_cosh") else np.ones(f.size, dtype=bool)
    y, f = y[inside], f[inside]
    value, gradient, hessian = lf.losses[name](**parameters).loss_gradient_hessian(y, f)
    tensor = t.tensor(f, dtype=t.float64, requires_grad=True)
    theirs = function(t, tensor, t.tensor(y, dtype=t.float64))
    (first,) = t.autograd.grad(theirs.sum(), tensor, create_graph=True)
    second = t.autograd.grad(first.sum(), tensor)[0] if first.requires_grad else t.zeros_like(first)
    # PyTorch's own derivatives lose digits in these: 1 - tanh**2, (1 - p)**2, and p - y over p*(1 - p) plus 1e-12.
    loose = 1e-6 if name in ("focal", "log_cosh", "pseudo_huber", "binary_cross_entropy") else 1e-11
    close(value, theirs.detach(), rtol=loose)
    close(gradient, first.detach(), rtol=loose)
    np.testing.assert_allclose(hessian, second.detach().numpy(force=True), rtol=loose, atol=1e-12)


def test_torch_categorical(torch: ModuleType) -> None:
    t = torch
    scores = t.tensor(SCORES, requires_grad=True)
    theirs = t.nn.functional.cross_entropy(scores, t.tensor(LABELS), reduction="none")
    (first,) = t.autograd.grad(theirs.sum(), scores)
    value, gradient = lf.losses.softmax_cross_entropy().loss_gradient(LABELS, SCORES)
    close(value, theirs.detach())
    close(gradient, first)
