"""The losses for two classes against independent references: mpmath, scikit-learn, and each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from sklearn._loss import loss as sklearn_loss
from sklearn.metrics import brier_score_loss

import lossforge as lf
from lossforge.spec.catalog import CATALOG

Reference = Callable[..., Any]
M = mpmath.mpf


def p_of(z: Any) -> Any:
    return 1 / (1 + mpmath.exp(-z))


def asl(y: Any, z: Any, gamma_pos: Any, gamma_neg: Any, shift: Any) -> Any:
    """Ridnik et al. (2021), equations 7 and 5."""
    p = p_of(z)
    p_m = max(p - shift, M(0))
    return -mpmath.log(p) * (1 - p) ** gamma_pos if y == 1 else -mpmath.log(1 - p_m) * p_m**gamma_neg


# Of the margin m, written anew from the papers.
MARGIN: dict[str, tuple[dict[str, float], Reference]] = {
    "smoothed_hinge": (
        {"gamma": 0.75},
        lambda m, gamma: 0 if m >= 1 else (1 - m - gamma / 2 if m <= 1 - gamma else (1 - m) ** 2 / gamma / 2),
    ),
    "squared_margin": ({}, lambda m: (m - 1) ** 2),
    "log2_logistic": ({}, lambda m: mpmath.log(1 + mpmath.exp(-m), 2)),
    "sigmoid_loss": ({}, lambda m: p_of(-m)),
    "ramp": ({}, lambda m: max(M(0), 1 - m) - max(M(0), -m)),
    "tanh_loss": ({}, lambda m: 1 - mpmath.tanh(m)),
    "savage": ({}, lambda m: p_of(-m) ** 2),
    "tangent": ({}, lambda m: (2 * mpmath.atan(m) - 1) ** 2),
    "distance_weighted_discrimination": (
        {"q": 1.5},
        lambda m, q: 1 - m if m <= q / (q + 1) else q**q / (q + 1) ** (q + 1) / m**q,
    ),
    "binary_sparsemax": ({}, lambda m: 0 if m >= 1 else (-m if m <= -1 else (1 - m) ** 2 / 4)),
    "unhinged": ({}, lambda m: 1 - m),
}

# Of a label and a logit or a probability.
LABEL: dict[str, tuple[dict[str, float], Reference]] = {
    "weighted_binary_cross_entropy_logits": (
        {"w_pos": 2.5},
        lambda y, z, w_pos: -w_pos * y * mpmath.log(p_of(z)) - (1 - y) * mpmath.log(p_of(-z)),
    ),
    "label_smoothed_binary_cross_entropy": (
        {"epsilon": 0.125},
        lambda y, z, epsilon: (
            -sum(
                t * mpmath.log(q)
                for t, q in (
                    (y * (1 - epsilon) + epsilon / 2, p_of(z)),
                    (1 - y * (1 - epsilon) - epsilon / 2, p_of(-z)),
                )
            )
        ),
    ),
    "poly1_cross_entropy": (
        {"epsilon": -0.5},
        lambda y, z, epsilon: -mpmath.log(p_of(z if y else -z)) + epsilon * p_of(-z if y else z),
    ),
    "brier_logits": ({}, lambda y, z: (y - p_of(z)) ** 2),
    "focal_probability": (
        {"gamma": 1.5},
        lambda y, p, gamma: -((1 - (p if y else 1 - p)) ** gamma) * mpmath.log(p if y else 1 - p),
    ),
    "brier": ({}, lambda y, p: (y - p) ** 2),
    "asymmetric_focal": ({"gamma_pos": 1.0, "gamma_neg": 4.0, "shift": 0.0625}, asl),
}
LABEL = {name: row for name, row in LABEL.items() if name in CATALOG}

rng = np.random.default_rng(20261123)
SCORES = np.concatenate([rng.normal(0, 2, 40), rng.normal(0, 12, 20), [-30.0, 30.0]])
UNIT = np.concatenate([rng.random(40), [1e-9, 1 - 1e-9]])


def derivatives(reference: Callable[[Any], Any], at: float) -> tuple[float, float, float]:
    """Value and derivatives by central differences at 120 digits."""
    with mpmath.workdps(120):
        h = mpmath.mpf(10) ** -30
        low, middle, high = (reference(mpmath.mpf(at) + d) for d in (-h, 0, h))
        return float(middle), float((high - low) / (2 * h)), float((high - 2 * middle + low) / h**2)


def agrees(name: str, y: float, points: np.ndarray, parameters: dict[str, float], reference: Reference) -> None:
    want = np.array([derivatives(reference, v) for v in points.tolist()]).T
    for backend in ("c", "numpy"):
        found = lf.losses[name](backend=backend, **parameters).loss_gradient_hessian(np.full(points.size, y), points)
        for output, expected in zip(found, want, strict=True):
            np.testing.assert_allclose(output, expected, rtol=1e-11, atol=1e-28)


@pytest.mark.parametrize("name", MARGIN)
@pytest.mark.parametrize("y", [-1.0, 1.0])
def test_margin_losses(name: str, y: float) -> None:
    parameters, reference = MARGIN[name]
    agrees(name, y, SCORES, parameters, lambda f: reference(int(y) * f, **{k: M(v) for k, v in parameters.items()}))


@pytest.mark.parametrize("name", LABEL)
@pytest.mark.parametrize("y", [0.0, 1.0])
def test_label_losses(name: str, y: float) -> None:
    parameters, reference = LABEL[name]
    points = UNIT if CATALOG[name].predictions[0].name == "p" else SCORES
    agrees(name, y, points, parameters, lambda f: reference(int(y), f, **{k: M(v) for k, v in parameters.items()}))


def test_cost_sensitive_hinge() -> None:
    loss = lf.losses.cost_sensitive_hinge(c_pos=3.0, c_neg=0.5)
    hinge = lf.losses.hinge()
    for y, cost in ((1.0, 3.0), (-1.0, 0.5)):
        found, plain = (function.loss_gradient_hessian(y, SCORES) for function in (loss, hinge))
        for a, b in zip(found, plain, strict=True):
            np.testing.assert_allclose(a, cost * b, rtol=1e-15)
    np.testing.assert_array_equal(loss.gradient([1.0, -1.0], [1.0, -1.0]), [-1.5, 0.25])


SIGNS = np.where(rng.random(SCORES.size) < 0.5, -1.0, 1.0)
BINARY = (SIGNS + 1) / 2


@pytest.mark.parametrize(
    ("ours", "theirs", "y", "scale"),
    [
        (lf.losses.binary_sparsemax(), lf.losses.modified_huber(), SIGNS, 1 / 4),
        (lf.losses.squared_margin(), lf.losses.squared_error(), SIGNS, 1),
        (lf.losses.log2_logistic(), lf.losses.logistic(), SIGNS, 1 / np.log(2)),
        (lf.losses.weighted_binary_cross_entropy_logits(), lf.losses.binary_cross_entropy_logits(), BINARY, 1),
        (lf.losses.label_smoothed_binary_cross_entropy(epsilon=0), lf.losses.binary_cross_entropy_logits(), BINARY, 1),
        (lf.losses.poly1_cross_entropy(epsilon=0), lf.losses.binary_cross_entropy_logits(), BINARY, 1),
        (lf.losses.focal_probability(gamma=0), lf.losses.binary_cross_entropy(), (UNIT > 0.5) * 1.0, 1),
    ],
    ids=lambda v: getattr(v, "name", ""),
)
def test_stated_equivalents(ours: Any, theirs: Any, y: np.ndarray, scale: float) -> None:
    f = SCORES if y.size == SCORES.size else UNIT
    found, expected = ours.loss_gradient_hessian(y, f), theirs.loss_gradient_hessian(y, f)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, scale * b, rtol=2e-15)


def test_scaled_margins() -> None:
    tanh, sigmoid = lf.losses.tanh_loss(), lf.losses.sigmoid_loss()
    np.testing.assert_allclose(tanh.loss(SIGNS, SCORES), 2 * sigmoid.loss(SIGNS, 2 * SCORES), rtol=2e-15)
    np.testing.assert_allclose(lf.losses.savage().loss(SIGNS, SCORES), sigmoid.loss(SIGNS, SCORES) ** 2, rtol=2e-15)
    ramp = lf.losses.ramp()
    np.testing.assert_allclose(ramp.loss(1.0, SCORES) + ramp.loss(1.0, 1 - SCORES), 1.0, rtol=1e-15)
    # The smoothed hinge tends to the hinge, generalized DWD likewise.
    hinge = lf.losses.hinge().loss(SIGNS, SCORES)
    np.testing.assert_allclose(lf.losses.smoothed_hinge(gamma=1e-6).loss(SIGNS, SCORES), hinge, atol=1e-6)
    sharp = lf.losses.distance_weighted_discrimination(q=1e4).loss(SIGNS, SCORES)
    np.testing.assert_allclose(sharp, hinge, atol=1e-3)


def close(a: np.ndarray, b: np.ndarray) -> None:
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_scikit_learn() -> None:
    """Half the deviance with weights for the positive class, and the Brier score.

    scikit-learn's loss is log(1 + exp(z)) - y*z, which cancels for y = 1: absolute digits only.
    """
    weights = np.where(BINARY == 1, 2.5, 1.0)
    theirs = sklearn_loss.HalfBinomialLoss()
    ours = lf.losses.weighted_binary_cross_entropy_logits(w_pos=2.5)
    close(ours.loss(BINARY, SCORES), theirs.loss(BINARY, SCORES, sample_weight=weights))
    gradient, hessian = theirs.gradient_hessian(BINARY, SCORES, sample_weight=weights)
    close(ours.gradient(BINARY, SCORES), gradient)
    close(ours.hessian(BINARY, SCORES), hessian)
    smooth = lf.losses.label_smoothed_binary_cross_entropy(epsilon=0.2)
    close(smooth.loss(BINARY, SCORES), theirs.loss(0.8 * BINARY + 0.1, SCORES))
    labels = (UNIT > 0.3) * 1.0
    score = brier_score_loss(labels, UNIT)
    assert lf.losses.brier().loss(labels, UNIT).mean() == pytest.approx(score, rel=1e-14)
