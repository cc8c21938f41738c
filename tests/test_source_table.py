"""What the source notes describe: one test for each row, through the public interface."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from sympy import Rational

import lossforge as lf
from lossforge.derive.compare import compare
from lossforge.derive.derivation import derive
from lossforge.derive.forms import proved_base
from lossforge.spec.catalog import CATALOG
from lossforge.spec.text import parse

MARGIN = ("zero_one", "perceptron", "hinge", "squared_hinge", "modified_huber", "logistic", "exponential")


def verdict(name: str, claim: str) -> str:
    return derive(CATALOG[name]).properties[claim].verdict


def test_one_variable() -> None:
    """Regression in the residual y - f(x), classification in the margin y*f(x): declared, and proved."""
    for name in ("squared_error", "absolute_error", "huber", "pinball", "log_cosh", "pseudo_huber"):
        assert CATALOG[name].base == "residual" == proved_base(CATALOG[name])
        loss = getattr(lf.losses, name)()
        values = loss.loss([0.0, 1.0, 2.0, 5.0], [3.0, 4.0, 5.0, 8.0])
        assert np.all(values == values[0])
        assert np.all(values >= 0)
    for name in MARGIN:
        assert CATALOG[name].base == "margin" == proved_base(CATALOG[name])
        loss = getattr(lf.losses, name)()
        assert loss.loss(1, 0.7) == loss.loss(-1, -0.7) >= 0


def test_several_outputs() -> None:
    """The mean of the losses of several outputs is a loss again, with a gradient for every output."""
    both = lf.combine({"height": CATALOG["huber"], "kind": CATALOG["logistic"]})
    loss = lf.compile(both, delta_height=2)
    y, f = np.array([[0.5, 1.0], [3.0, -1.0]]), np.array([[4.0, 0.2], [2.5, 0.3]])
    parts = lf.losses.huber(delta=2), lf.losses.logistic()
    alone = [p.loss_gradient(y[:, i], f[:, i]) for i, p in enumerate(parts)]
    value, gradient = loss.loss_gradient(y, f)
    np.testing.assert_allclose(value, (alone[0][0] + alone[1][0]) / 2, rtol=1e-15)
    np.testing.assert_allclose(gradient, np.stack([alone[0][1], alone[1][1]], axis=1) / 2, rtol=1e-15)


def test_margin_picture() -> None:
    """Decreasing in m, derived; the picture's numbers come from the formulas."""
    m = np.linspace(-2, 3, 501)
    for name in MARGIN:
        assert verdict(name, "monotone") == "proved"
        values = getattr(lf.losses, name)().loss(1.0, m)
        assert all(b <= a for a, b in pairwise(values))


def test_zero_one_loss() -> None:
    derivation = derive(CATALOG["zero_one"])
    (kink,) = derivation.kinks
    assert (kink.at, kink.order) == (0, 0)
    assert derivation.gradients == (0,)
    convex = derivation.properties["convex"]
    assert convex.verdict == "refuted"
    assert dict(convex.witness) == {"at": "m = 0", "what": "the value jumps"}
    before, at, after = lf.losses.zero_one().loss(1, [-0.25, 0.0, 0.25])
    assert (before, at, after) == (1, 1, 0) and at > (before + after) / 2  # above the chord
    assert lf.losses.zero_one().loss([1, 1, -1], [-3.0, 3.0, -3.0]).tolist() == [1, 0, 0]
    bounds = {name: verdict(name, "upper_bounds_zero_one") for name in MARGIN}
    assert bounds == {
        "zero_one": "proved", "perceptron": "refuted", "hinge": "proved", "squared_hinge": "proved",
        "modified_huber": "proved", "logistic": "refuted", "exponential": "proved",
    }  # fmt: skip
    for name in MARGIN[1:]:
        assert verdict(name, "calibrated") == ("refuted" if name == "perceptron" else "proved")


def test_perceptron_and_support_vectors() -> None:
    for name, at in (("perceptron", 0), ("hinge", 1)):
        (kink,) = derive(CATALOG[name]).kinks
        assert (kink.at, kink.order, kink.left, kink.right) == (at, 1, -1, 0)
        assert getattr(lf.losses, name)().gradient(1, [at - 1.0, at, at + 1.0]).tolist() == [-1, -0.5, 0]


@pytest.mark.parametrize("backend", ["c", "numpy"])
def test_binary_cross_entropy(backend: str) -> None:
    loss = lf.losses.binary_cross_entropy(backend=backend)
    single = loss.loss(np.zeros((1, 1, 1)), np.full((1, 1, 1), 0.5))
    assert single.shape == (1, 1, 1)
    assert single.item() == pytest.approx(0.693147180559945309, rel=1e-15)
    y, p = np.array([0.0] + [1.0] * 9), np.array([0.2] + [0.8] * 9)
    assert loss.loss(y, p).mean() == pytest.approx(0.223143551314209755, rel=1e-15)


@pytest.mark.parametrize("backend", ["c", "numpy"])
def test_softmax(backend: str) -> None:
    loss = lf.losses.softmax_cross_entropy(backend=backend)
    p = loss.inverse_link([[44.0, 10.0, 22.0, 5.0], [1e4, -1e4, 0.0, 1.0], [-1e4, -1e4, -1e4, -1e4]])
    assert np.all(np.isfinite(p))
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-15)
    assert p[0, 0] == pytest.approx(1 - 2.78946809286892e-10, rel=1e-15)
    assert p[1].tolist() == [1, 0, 0, 0]
    assert p[2].tolist() == [0.25] * 4


@pytest.mark.parametrize("backend", ["c", "numpy"])
def test_categorical_cross_entropy(backend: str) -> None:
    on_probabilities = lf.losses.categorical_cross_entropy(backend=backend)
    assert on_probabilities.loss([0.0, 1.0], [0.4, 0.6]) == pytest.approx(0.510825623765990683, rel=1e-15)
    on_scores = lf.losses.softmax_cross_entropy(backend=backend)
    scores = np.log([0.4, 0.6])
    assert on_scores.loss(np.array([0.0, 1.0]), scores) == pytest.approx(0.510825623765990683, rel=1e-14)
    assert on_scores.loss(np.array(1), scores) == pytest.approx(0.510825623765990683, rel=1e-14)
    for classes in (2, 5, 1000):
        f = np.linspace(-3, 3, classes)[None, :]
        expected = np.log(np.exp(f).sum()) - f[0, -1]
        assert on_scores.loss(np.array([classes - 1]), f) == pytest.approx(expected, rel=1e-13)


def test_mean_square_error() -> None:
    assert verdict("squared_error", "strongly_convex") == "proved"
    assert derive(CATALOG["squared_error"]).properties["strongly_convex"].value == "2"
    assert verdict("squared_error", "bounded_influence") == "refuted"


def test_mean_absolute_error() -> None:
    derivation = derive(CATALOG["absolute_error"])
    (kink,) = derivation.kinks
    assert (kink.at, kink.left, kink.right) == (0, -1, 1)
    assert derivation.properties["lipschitz"].value == "1"
    assert np.abs(lf.losses.absolute_error().gradient(0.0, [1e-300, -1e-5, 3.0, -1e300])).tolist() == [1, 1, 1, 1]


def test_huber() -> None:
    derivation = derive(CATALOG["huber"])
    claims = derivation.properties
    assert claims["convex"].verdict == "proved"
    assert (claims["differentiable"].verdict, claims["differentiable"].value) == ("proved", "1")
    assert (claims["lipschitz"].verdict, claims["lipschitz"].value) == ("proved", "delta")
    assert [(str(k.at), k.order) for k in derivation.kinks] == [("-delta", 2), ("delta", 2)]


def test_huber_is_the_moreau_envelope() -> None:
    """min over u of delta*|u| + (r - u)**2/2, at its minimiser, the soft threshold of r."""
    u = "(r - delta if r > delta else (r + delta if r < -delta else 0))"
    envelope = parse(f"delta*abs({u}) + (r - {u})**2/2", parameters={"delta": "(0, oo)"})
    assert compare(envelope, CATALOG["huber"]).verdict == "equal"
    # The minimiser is one: 0 is a subgradient there, exactly.
    for delta in (Rational(1, 2), Rational(3)):
        for r in (Rational(n, 4) for n in range(-20, 21)):
            at = r - delta if r > delta else r + delta if r < -delta else Rational(0)
            slope = at - r
            assert (slope + delta * (1 if at > 0 else -1) == 0) if at != 0 else abs(slope) <= delta


def test_choosing() -> None:
    """MSE where outliers matter, MAE where they are corruption, Huber between: from derived properties."""
    influence = {
        n: derive(CATALOG[n]).properties["bounded_influence"] for n in ("squared_error", "absolute_error", "huber")
    }
    assert [c.verdict for c in influence.values()] == ["refuted", "proved", "proved"]
    assert verdict("absolute_error", "differentiable") == "refuted"
    assert verdict("huber", "differentiable") == "proved"
