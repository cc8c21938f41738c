"""The likelihood losses against independent references: mpmath, scipy, scikit-learn, and each other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special
import sympy as sp
from extent import some
from sklearn._loss import loss as sklearn_loss
from sklearn.metrics import mean_gamma_deviance, mean_tweedie_deviance

import lossforge as lf
from lossforge.spec.atoms import ATOMS, define_atoms
from lossforge.spec.catalog import CATALOG

M = mpmath.mpf
rng = np.random.default_rng(20261125)
SCORES = np.concatenate([rng.normal(0, 2, 30), rng.normal(0, 6, 10), [-12.0, 12.0]])
MEANS = np.concatenate([rng.exponential(2, 40), [1e-6, 1e5]])
UNIT = np.concatenate([rng.random(40), [1e-9, 1 - 1e-9]])


def phi(z: Any) -> Any:
    return mpmath.erfc(-z / mpmath.sqrt(2)) / 2


def survival(cdf: Callable[[Any], Any], kind: str) -> Callable[..., Any]:
    """-log of the probability that the event came after, before or between, of a standardised log time."""

    def reference(y: Any, f: Any, sigma: Any, ratio: Any = None) -> Any:
        z = (mpmath.log(y) - f) / sigma
        if kind == "right":
            return -mpmath.log(1 - cdf(z))
        return -mpmath.log(cdf(z) if kind == "left" else cdf(z + mpmath.log(ratio) / sigma) - cdf(z))

    return reference


LOGISTIC: Callable[[Any], Any] = lambda z: 1 / (1 + mpmath.exp(-z))  # noqa: E731
EXTREME: Callable[[Any], Any] = lambda z: 1 - mpmath.exp(-mpmath.exp(z))  # noqa: E731

# name -> targets, points, parameters, the reference written anew from the densities; all up to what f does not enter
ROWS: dict[str, tuple[tuple[Any, ...], np.ndarray, dict[str, float], Callable[..., Any]]] = {
    "poisson": ((0.0, 3.0), MEANS, {}, lambda y, f: f - y * mpmath.log(f)),
    "gamma_log_link": ((0.5, 3.0), SCORES, {}, lambda y, f: f + y * mpmath.exp(-f)),
    "gamma": ((0.5, 3.0), MEANS, {}, lambda y, f: mpmath.log(f) + y / f),
    "inverse_gaussian": ((0.5, 3.0), MEANS, {}, lambda y, f: (y - f) ** 2 / (2 * y * f**2)),
    "negative_binomial": (
        (0.0, 3.0),
        SCORES,
        {"alpha": 0.375},
        # P(y) = q**(1/alpha) (1 - q)**y with q = 1/(1 + alpha*m)
        lambda y, f, alpha: mpmath.log(1 + alpha * mpmath.exp(f)) * (1 / alpha + y) - y * f,
    ),
    "exponential_nll": ((0.0, 3.0), MEANS, {}, lambda y, f: -mpmath.log(f * mpmath.exp(-f * y))),
    "binomial_probit": (
        (0.0, 0.25, 1.0), SCORES, {}, lambda y, f: -y * mpmath.log(phi(f)) - (1 - y) * mpmath.log(phi(-f))
    ),
    "binomial_cloglog": (
        (0.0, 0.25, 1.0),
        np.minimum(SCORES, 4),
        {},
        lambda y, f: -y * mpmath.log(EXTREME(f)) - (1 - y) * mpmath.log(1 - EXTREME(f)),
    ),
    "binomial_cauchit": (
        (0.0, 0.25, 1.0),
        SCORES,
        {},
        lambda y, f: (
            -y * mpmath.log(M(1) / 2 + mpmath.atan(f) / mpmath.pi)
            - (1 - y) * mpmath.log(M(1) / 2 - mpmath.atan(f) / mpmath.pi)
        ),
    ),
    "aft_normal": ((0.5, 3.0), SCORES, {"sigma": 0.75}, lambda y, f, sigma: ((mpmath.log(y) - f) / sigma) ** 2 / 2),
    "aft_normal_right": ((0.5, 3.0), SCORES, {"sigma": 0.75}, survival(phi, "right")),
    "aft_normal_left": ((0.5, 3.0), SCORES, {"sigma": 0.75}, survival(phi, "left")),
    "aft_logistic": (
        (0.5, 3.0),
        SCORES,
        {"sigma": 0.75},
        lambda y, f, sigma: -mpmath.log(mpmath.diff(LOGISTIC, (mpmath.log(y) - f) / sigma)),
    ),
    "aft_logistic_right": ((0.5, 3.0), SCORES, {"sigma": 0.75}, survival(LOGISTIC, "right")),
    "aft_logistic_left": ((0.5, 3.0), SCORES, {"sigma": 0.75}, survival(LOGISTIC, "left")),
    "aft_logistic_interval": (((0.5, 3.0),), SCORES, {"sigma": 0.75}, survival(LOGISTIC, "between")),
    "aft_extreme": (
        (0.5, 3.0),
        SCORES,
        {"sigma": 2.0},
        lambda y, f, sigma: mpmath.exp((mpmath.log(y) - f) / sigma) - (mpmath.log(y) - f) / sigma,
    ),
    "aft_extreme_right": ((0.5, 3.0), np.maximum(SCORES, -6), {"sigma": 2.0}, survival(EXTREME, "right")),
    "aft_extreme_left": ((0.5, 3.0), SCORES, {"sigma": 2.0}, survival(EXTREME, "left")),
    "aft_extreme_interval": (((0.5, 3.0),), np.maximum(SCORES, -6), {"sigma": 2.0}, survival(EXTREME, "between")),
    "weibull_aft": (
        (0.5, 3.0), SCORES, {"shape": 0.5}, lambda y, f, shape: (y / mpmath.exp(f)) ** shape + shape * f
    ),
    "loglogistic_aft": (
        (0.5, 3.0),
        SCORES,
        {"shape": 0.5},
        lambda y, f, shape: shape * f + 2 * mpmath.log(1 + (y / mpmath.exp(f)) ** shape),
    ),
    "ordinal_logit_class": (
        ((-0.5, 2.0),),
        SCORES,
        {},
        lambda low, f, width: -mpmath.log(LOGISTIC(low + width - f) - LOGISTIC(low - f)),
    ),
    "kl_divergence": (
        (0.25,), UNIT, {}, lambda y, f: y * mpmath.log(y / f) + (1 - y) * mpmath.log((1 - y) / (1 - f))
    ),
    "generalised_kl": ((0.25, 3.0), MEANS, {}, lambda y, f: y * mpmath.log(y / f) - y + f),
    "jensen_shannon": (
        (0.25, 3.0),
        MEANS,
        {},
        lambda y, f: (y * mpmath.log(2 * y / (y + f)) + f * mpmath.log(2 * f / (y + f))) / 2,
    ),
    "itakura_saito": ((0.25, 3.0), MEANS, {}, lambda y, f: y / f - mpmath.log(y / f) - 1),
    "hellinger": ((0.0, 3.0), MEANS, {}, lambda y, f: (mpmath.sqrt(y) - mpmath.sqrt(f)) ** 2 / 2),
    "chi_squared": ((0.0, 3.0), MEANS, {}, lambda y, f: (y - f) ** 2 / f),
    "tweedie_log_link": (
        (0.0, 3.0),
        SCORES,
        {"p": 3.5},
        lambda y, f, p: -y * mpmath.exp((1 - p) * f) / (1 - p) + mpmath.exp((2 - p) * f) / (2 - p),
    ),
    "tweedie": ((0.0, 3.0), MEANS, {"p": 0.5}, lambda y, f, p: -y * f ** (1 - p) / (1 - p) + f ** (2 - p) / (2 - p)),
}  # fmt: skip


def derivatives(reference: Callable[[Any], Any], at: float) -> tuple[float, float, float]:
    """Value and derivatives by central differences at 160 digits."""
    with mpmath.workdps(160):
        h = mpmath.mpf(10) ** -40
        low, middle, high = (reference(mpmath.mpf(at) + d) for d in (-h, 0, h))
        return tuple(float(v) for v in (middle, (high - low) / (2 * h), (high - 2 * middle + low) / h**2))


@pytest.mark.parametrize("name", some(ROWS, 3))
def test_against_the_density(name: str) -> None:
    """Gradient and Hessian as the density has them; of the loss, differences between predictions."""
    targets, points, parameters, reference = ROWS[name]
    exact = {k: M(v) for k, v in parameters.items()}
    for target in targets:
        row = target if isinstance(target, tuple) else (target,)
        extra = {} if len(row) == 1 else {CATALOG[name].targets[1].name: M(row[1])}
        at_target = partial(reference, M(row[0]), **exact, **extra)
        want = np.array([derivatives(at_target, v) for v in points.tolist()])
        y = np.full(points.size, row[0]) if len(row) == 1 else np.tile(row, (points.size, 1))
        for backend in ("c", "numpy"):
            found = lf.losses[name](backend=backend, **parameters).loss_gradient_hessian(y, points)
            for output, expected, offset in zip(found, want.T, (True, False, False), strict=True):
                shift = expected[0] - output[0] if offset else 0.0
                size = np.max(np.abs(expected)) if offset else 0.0
                np.testing.assert_allclose(output + shift, expected, rtol=1e-10, atol=1e-13 * (1 + size))


def test_all_are_covered() -> None:
    here = {name for name, loss in CATALOG.items() if loss.family == "likelihood"}
    assert here - set(ROWS) == {"poisson_log_link", "quantile_loglik"}


@pytest.mark.parametrize("power", [0.0, 1.0, 1.5, 2.0, 3.0])
def test_scikit_learn(power: float) -> None:
    y = rng.exponential(2, SCORES.size) + 0.01
    pairs = (
        (lf.losses.tweedie_log_link(p=power), sklearn_loss.HalfTweedieLoss(power=power), np.clip(SCORES, -5, 5)),
        (lf.losses.tweedie(p=power), sklearn_loss.HalfTweedieLossIdentity(power=power), np.clip(MEANS, 0.05, 50)),
    )
    for ours, theirs, f in pairs:
        # scikit-learn keeps terms in y alone, not the same for every power.
        found, expected = (loss.loss(y, f) - loss.loss(y, np.ones_like(f)) for loss in (ours, theirs))
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(ours.gradient(y, f), theirs.gradient(y, f), rtol=1e-10, atol=1e-10)


def test_the_special_powers_are_the_losses_of_their_own() -> None:
    y = rng.exponential(2, SCORES.size) + 0.01
    for power, link, identity in ((1.0, "poisson_log_link", "poisson"), (2.0, "gamma_log_link", "gamma")):
        pairs = ((lf.losses.tweedie_log_link, link, SCORES), (lf.losses.tweedie, identity, MEANS))
        for tweedie, name, f in pairs:
            found, expected = tweedie(p=power), lf.losses[name]()
            for a, b in zip(found.loss_gradient_hessian(y, f), expected.loss_gradient_hessian(y, f), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-14, atol=1e-14)


def test_deviances_of_scikit_learn() -> None:
    y, f = np.array([2.5]), np.array([0.75])
    gamma = lf.losses.gamma()
    assert gamma.loss(y, f)[0] - gamma.loss(y, y)[0] == pytest.approx(mean_gamma_deviance(y, f) / 2, rel=1e-13)
    assert lf.losses.itakura_saito().loss(y, f)[0] == pytest.approx(mean_gamma_deviance(y, f) / 2, rel=1e-13)
    kl = lf.losses.generalised_kl().loss(y, f)[0]
    assert kl == pytest.approx(mean_tweedie_deviance(y, f, power=1) / 2, rel=1e-13)
    gauss = lf.losses.inverse_gaussian()
    expected = mean_tweedie_deviance(y, f, power=3) / 2
    assert gauss.loss(y, f)[0] - gauss.loss(y, y)[0] == pytest.approx(expected, rel=1e-13)


def test_scipy() -> None:
    y = rng.exponential(2, MEANS.size)
    np.testing.assert_allclose(lf.losses.generalised_kl().loss(y, MEANS), scipy.special.kl_div(y, MEANS), rtol=1e-9)
    q = rng.random(UNIT.size)
    both = scipy.special.rel_entr(q, UNIT) + scipy.special.rel_entr(1 - q, 1 - UNIT)
    np.testing.assert_allclose(lf.losses.kl_divergence().loss(q, UNIT), both, rtol=1e-9, atol=1e-12)
    ones = np.ones(SCORES.size)
    np.testing.assert_allclose(
        lf.losses.binomial_probit().loss(ones, SCORES), -scipy.special.log_ndtr(SCORES), rtol=1e-13
    )


def test_no_digit_is_lost_beside_the_target() -> None:
    """Divergences are about (f - y)**2 there; the difference of logarithms alone would lose all of it."""
    y = 0.3
    f = y * (1 + 2.0**-24)
    for name in ("generalised_kl", "itakura_saito", "jensen_shannon", "hellinger", "chi_squared"):
        with mpmath.workdps(80):
            want = float(ROWS[name][3](M(y), M(f)))
        np.testing.assert_allclose(lf.losses[name]().loss(y, f), want, rtol=1e-14)


def test_stated_equivalents() -> None:
    y = rng.exponential(2, SCORES.size) + 0.01
    for name, other in (("weibull_aft", "aft_extreme"), ("loglogistic_aft", "aft_logistic")):
        pair = lf.losses[name](shape=0.5), lf.losses[other](sigma=2.0)
        for a, b in zip(*(loss.loss_gradient_hessian(y, SCORES) for loss in pair), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-15)
    pinball, laplace = lf.losses.pinball(tau=0.25), lf.losses.quantile_loglik(tau=0.25, scale=4.0)
    np.testing.assert_allclose(laplace.loss(y, SCORES), pinball.loss(y, SCORES) / 4, rtol=1e-15)


ATOM_POINTS = (sp.Rational(-7, 3), sp.Rational(-1, 9), sp.Rational(2, 7), sp.Rational(13, 4))
ONE_ARGUMENT = (
    "ndtr", "log_ndtr", "normal_density", "inverse_mills", "mills_excess", "mills_bend", "log_cloglog",
    "cloglog_slope", "cloglog_excess", "cloglog_bend", "log_expm1", "log_cauchit", "cauchit_slope",
)  # fmt: skip
MORE = (
    "log_exp_plus", "softplus_pair", "sigmoid_gap", "exp_pair", "power_pair", "quotient", "root_ratio", "entropy_gap",
    "log_ratio_gap", "chi_squared_gap", "hellinger_gap", "jensen_gap", "log_share",
)  # fmt: skip


def exact(e: sp.Expr, at: dict[Any, Any]) -> Any:
    return sp.N(define_atoms(e).subs(at), 60)


@pytest.mark.parametrize("name", some(ONE_ARGUMENT + MORE, 3))
def test_stable_form_and_derivatives_are_those_of_the_definition(name: str) -> None:
    row = ATOMS[name]
    symbols = [sp.Symbol(f"v{i}", real=True) for i in range(len(row.derivatives))]
    positive = name in MORE or name == "log_expm1"
    for point in ATOM_POINTS:
        values = [(abs(point) if positive else point) + sp.Rational(i, 5) for i in range(len(symbols))]
        at = dict(zip(symbols, values, strict=True))
        definition = row.definition(*symbols)
        assert row.stable is not None
        assert abs(exact(row.stable(*symbols), at) / exact(definition, at) - 1) < 1e-15
        h = sp.Rational(1, 10**20)
        for i, derivative in enumerate(row.derivatives):
            moved = [{**at, symbols[i]: at[symbols[i]] + d} for d in (-h, h)]
            slope = (exact(definition, moved[1]) - exact(definition, moved[0])) / (2 * h)
            assert abs(exact(derivative(*symbols), at) - slope) < 1e-15 * (1 + abs(slope)), (name, i)
