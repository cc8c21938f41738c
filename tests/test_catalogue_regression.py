"""The regression losses against their textbook formulas in mpmath, libraries that have them, and what they elicit."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.optimize
import scipy.special
import scipy.stats
import sklearn.metrics
from extent import some
from mpmath import mp, mpf

import lossforge as lf
from lossforge.derive.derivation import derive
from lossforge.spec.catalog import CATALOG

RESIDUALS = [-60.0, -7.3, -2.5, -1.25, -0.4, -1e-3, -1e-8, 1e-8, 1e-3, 0.3, 1.0625, 2.7, 5.5, 45.0]


def huber(r: Any, delta: Any) -> Any:
    return r**2 / 2 if abs(r) <= delta else delta * (abs(r) - delta / 2)


def hampel(r: Any, a: Any, b: Any, c: Any) -> Any:
    """By integrating the influence, which is straight between its corners."""
    corners = [mpf(0), a, a + b, a + b + c]

    def influence(t: Any) -> Any:
        return min(t, a, max(a * (corners[3] - t) / c, mpf(0)))

    ends = [min(abs(r), t) for t in corners] + [abs(r)]
    return sum((high - low) * (influence(low) + influence(high)) / 2 for low, high in itertools.pairwise(ends))


def barron(r: Any, alpha: Any, c: Any) -> Any:
    s = (r / c) ** 2
    if alpha == 2:
        return s / 2
    if alpha == 0:
        return mp.log(s / 2 + 1)
    return abs(alpha - 2) / alpha * ((s / abs(alpha - 2) + 1) ** (alpha / 2) - 1)


def pinball(r: Any, tau: Any) -> Any:
    return max(-tau * r, (1 - tau) * r)


Textbook = Callable[..., Any]
# name -> (the formula, some parameters)
BY_RESIDUAL: dict[str, tuple[Textbook, list[dict[str, float]]]] = {
    "power_error": (lambda r, q: abs(r) ** q, [{"q": 1.0}, {"q": 1.25}, {"q": 2.0}, {"q": 3.5}]),
    "smooth_l1": (lambda r, beta: huber(r, beta) / beta, [{"beta": 0.7}]),
    "charbonnier": (lambda r, epsilon: mp.sqrt(r**2 + epsilon**2), [{"epsilon": 1e-3}, {"epsilon": 2.0}]),
    "logistic_distance": (lambda r: -mp.log(4 * mp.exp(r) / (1 + mp.exp(r)) ** 2), [{}]),
    "epsilon_insensitive": (lambda r, epsilon: max(0, abs(r) - epsilon), [{"epsilon": 0.1}]),
    "squared_epsilon_insensitive": (lambda r, epsilon: max(mpf(0), abs(r) - epsilon) ** 2, [{"epsilon": 0.1}]),
    "smooth_pinball": (
        lambda r, tau, alpha: alpha * mp.log(1 + mp.exp(r / alpha)) - tau * r,
        [{"tau": 0.25, "alpha": 0.5}, {"tau": 0.96875, "alpha": 2.0}],
    ),
    "huber_pinball": (
        # The Moreau envelope: the least of pinball(s) + (r - s)**2/(2*delta), attained where the slope vanishes.
        lambda r, tau, delta: min(pinball(s, tau) + (r - s) ** 2 / (2 * delta)
                                  for s in (mpf(0), max(r - (1 - tau) * delta, 0), min(r + tau * delta, 0))),
        [{"tau": 0.25, "delta": 1.0}, {"tau": 0.75, "delta": 3.0}],
    ),
    "expectile": (lambda r, tau: abs(tau - (1 if r > 0 else 0)) * r**2, [{"tau": 0.25}, {"tau": 0.9}]),
    "asymmetric_squared": (lambda r, a, b: (a if r > 0 else b) * r**2, [{"a": 3.0, "b": 0.5}]),
    "asymmetric_huber": (
        lambda r, tau, delta: abs(tau - (1 if r > 0 else 0)) * huber(r, delta), [{"tau": 0.25, "delta": 1.5}]
    ),
    "linex": (lambda r, a: mp.exp(a * r) - a * r - 1, [{"a": 1.0}, {"a": -0.5}, {"a": 0.0}]),
    "fair": (lambda r, c: c**2 * (abs(r) / c - mp.log(1 + abs(r) / c)), [{"c": 1.5}]),
    "cauchy": (lambda r, c: c**2 / 2 * mp.log(1 + (r / c) ** 2), [{"c": 1.5}]),
    "student_t": (lambda r, nu: (nu + 1) / 2 * mp.log(1 + r**2 / nu), [{"nu": 1.0}, {"nu": 4.5}]),
    "welsch": (lambda r, c: c**2 / 2 * (1 - mp.exp(-((r / c) ** 2))), [{"c": 1.5}]),
    "geman_mcclure": (lambda r, c: r**2 / (2 * (c**2 + r**2)), [{"c": 1.5}]),
    "tukey_biweight": (lambda r, c: c**2 / 6 * (1 - max(mpf(0), 1 - (r / c) ** 2) ** 3), [{"c": 4.0}]),
    "hampel": (hampel, [{"a": 1.5, "b": 1.0, "c": 3.5}]),
    "andrews_wave": (lambda r, c: c**2 * (1 - mp.cos(min(abs(r) / c, mp.pi))), [{"c": 1.5}]),
    "ramsay": (lambda r, a: (1 - mp.exp(-a * abs(r)) * (1 + a * abs(r))) / a**2, [{"a": 0.25}]),
    "truncated_squared": (lambda r, c: min(r**2, c**2) / 2, [{"c": 2.75}]),
    "dead_zone": (lambda r, c: max(mpf(0), r**2 - c**2) / 2, [{"c": 0.5}]),
    "arctan_loss": (lambda r, c: c**2 / 2 * mp.atan((r / c) ** 2), [{"c": 1.5}]),
    "tolerant": (
        lambda r, a, b: b * (mp.log(1 + mp.exp((r**2 - a) / b)) - mp.log(1 + mp.exp(-a / b))),
        [{"a": 1.0, "b": 0.5}, {"a": 0.0, "b": 4.0}, {"a": 6.0, "b": 0.125}],
    ),
    "periodic": (lambda r, c: 1 - mp.cos(2 * mp.pi * r / c), [{"c": 1.0}, {"c": 360.0}]),
    "barron": (barron, [{"alpha": a, "c": 1.5} for a in (-2.0, -1e-9, 0.0, 1e-9, 1.0, 1.999999, 2.0, 2.5, 4.0)]),
}  # fmt: skip
CASES = [(name, values) for name, (_, sets) in BY_RESIDUAL.items() for values in sets]


def expected(formula: Callable[[Any], Any], at: float) -> tuple[float, float, float]:
    """Value and derivatives, from the value alone."""
    with mpmath.workdps(160):
        x, h = mpf(at), mpf(10) ** -20 * min(1, abs(mpf(at)))
        low, middle, high = formula(x - h), formula(x), formula(x + h)
        return float(middle), float((high - low) / (2 * h)), float((high - 2 * middle + low) / h**2)


def assert_close(found: Any, exact: Any, what: str) -> None:
    np.testing.assert_allclose(np.asarray(found), np.asarray(exact), rtol=2e-13, atol=1e-300, err_msg=what)


@pytest.mark.parametrize("backend", ["c", "numpy"])
@pytest.mark.parametrize(("name", "values"), some(CASES, 3), ids=lambda v: v if isinstance(v, str) else str(v))
def test_textbook_formula(name: str, values: dict[str, float], backend: str) -> None:
    formula, _ = BY_RESIDUAL[name]
    exact = [expected(lambda x: formula(x, **{k: mpf(v) for k, v in values.items()}), r) for r in RESIDUALS]
    found = lf.losses[name](backend=backend, **values).loss_gradient_hessian(np.zeros(len(RESIDUALS)), RESIDUALS)
    for output, computed, wanted in zip(("loss", "gradient", "hessian"), found, zip(*exact, strict=True), strict=True):
        # Where the true value is 0 differences leave their own rounding.
        wanted_array = np.array(wanted)
        small = np.abs(wanted_array) < 1e-30
        assert_close(computed[~small], wanted_array[~small], f"{name} {output}")
        assert (np.abs(computed[small]) < 1e-14).all(), f"{name} {output}"


PAIRS: dict[str, Textbook] = {
    "squared_log_error": lambda y, f: (mp.log(1 + f) - mp.log(1 + y)) ** 2,
    "absolute_percentage_error": lambda y, f: abs(f - y) / abs(y),
    "squared_percentage_error": lambda y, f: ((f - y) / y) ** 2,
    "symmetric_absolute_percentage_error": lambda y, f: 2 * abs(f - y) / (abs(y) + abs(f)),
    "log_quantile": lambda y, f: pinball(mp.exp(f) - y, mpf("0.5")),
}


@pytest.mark.parametrize("name", PAIRS)
def test_textbook_formula_of_two_arguments(name: str) -> None:
    y = np.array([0.5, 3.0, 3.0, 1e3, 2.0, 1e-6, 7.0, 40.0])
    f = np.array([0.25, 3.0 + 1e-9, 3.5, 1e-3, -0.5, 1e3, 6.0, 4.0])
    formula = PAIRS[name]
    exact = [expected(lambda x, t=t: formula(mpf(t), x), at) for t, at in zip(y, f, strict=True)]
    found = lf.losses[name]().loss_gradient_hessian(y, f)
    for computed, wanted in zip(found, zip(*exact, strict=True), strict=True):
        np.testing.assert_allclose(computed, wanted, rtol=2e-13, atol=1e-15, err_msg=name)


def test_every_loss_is_held_against_its_textbook_formula() -> None:
    earlier = {"squared_error", "half_squared_error", "absolute_error", "huber", "pseudo_huber", "log_cosh", "pinball"}
    regression = {name for name, loss in CATALOG.items() if loss.family == "regression"}
    assert regression == earlier | set(BY_RESIDUAL) | set(PAIRS)


# Libraries -------------------------------------------------------------------------------------------

rng = np.random.default_rng(20261123)
R = np.concatenate([rng.normal(0, 3, 200), [0.0, 1e-6, -1e-6, 80.0, -80.0]])
ZERO = np.zeros_like(R)


@pytest.mark.parametrize(("name", "theirs"), [("cauchy", "cauchy"), ("arctan_loss", "arctan")])
def test_scipy_least_squares(name: str, theirs: str) -> None:
    """SciPy's cost of one residual after the other."""
    for r in R[::17]:
        # A derivative of 0 keeps the solver where it starts.
        theirs_at = scipy.optimize.least_squares(
            lambda x, r=r: np.full(1, r), [0.0], jac=lambda x: np.zeros((1, 1)), loss=theirs, f_scale=1.5
        )
        found = lf.losses[name](c=1.5).loss(np.zeros(1), np.array([r]))
        np.testing.assert_allclose(found, theirs_at.cost, rtol=1e-11, atol=1e-18)


@pytest.mark.parametrize("alpha", [-3.0, -1e-3, 0.5, 1.0, 1.5, 3.0])
def test_scipy_box_cox(alpha: float) -> None:
    theirs = abs(alpha - 2) / 2 * scipy.special.boxcox1p((R / 1.5) ** 2 / abs(alpha - 2), alpha / 2)
    np.testing.assert_allclose(lf.losses.barron(alpha=alpha, c=1.5).loss(ZERO, R), theirs, rtol=1e-12)


def test_scikit_learn_metrics() -> None:
    y, f = np.exp(rng.normal(0, 1, 300)), np.exp(rng.normal(0, 1, 300))
    for name, metric in (
        ("absolute_percentage_error", sklearn.metrics.mean_absolute_percentage_error),
        ("squared_log_error", sklearn.metrics.mean_squared_log_error),
    ):
        np.testing.assert_allclose(lf.losses[name]().loss(y, f).mean(), metric(y, f), rtol=1e-12)
    tau = 0.3
    theirs = sklearn.metrics.mean_pinball_loss(y, f, alpha=tau)
    np.testing.assert_allclose(lf.losses.log_quantile(tau=tau).loss(y, np.log(f)).mean(), theirs, rtol=1e-12)


def test_torch_smooth_l1(torch: ModuleType) -> None:
    theirs = torch.nn.functional.smooth_l1_loss(torch.tensor(R), torch.tensor(ZERO), reduction="none", beta=0.7)
    np.testing.assert_allclose(lf.losses.smooth_l1(beta=0.7).loss(ZERO, R), theirs.numpy(), rtol=1e-12)


# What a loss elicits ---------------------------------------------------------------------------------

SAMPLE = np.exp(rng.normal(0, 1, 4001))


@pytest.mark.parametrize("tau", [0.2, 0.5, 0.85])
def test_expectile_elicits_the_expectile(tau: float) -> None:
    at = scipy.stats.expectile(SAMPLE, tau)
    loss = lf.losses.expectile(tau=tau)
    slope, steepness = (o.mean() for o in loss.loss_gradient_hessian(SAMPLE, np.full_like(SAMPLE, at))[1:])
    assert abs(slope / steepness) < 1e-8 * at
    mirrored = scipy.stats.expectile(SAMPLE, 1 - tau)
    assert tau == 0.5 or abs(loss.gradient(SAMPLE, np.full_like(SAMPLE, mirrored)).mean()) > 0.1


@pytest.mark.parametrize("tau", [0.2, 0.85])
@pytest.mark.parametrize(
    ("name", "parameters"),
    [("smooth_pinball", {"alpha": 1e-4}), ("huber_pinball", {"delta": 1e-3}), ("log_quantile", {})],
)
def test_smoothed_pinballs_elicit_the_quantile(name: str, parameters: dict[str, float], tau: float) -> None:
    low, high = np.quantile(SAMPLE, [tau - 0.01, tau + 0.01])
    ends = np.log([low, high]) if name == "log_quantile" else (low, high)
    slopes = [lf.losses[name](tau=tau, **parameters).gradient(SAMPLE, np.full_like(SAMPLE, e)).mean() for e in ends]
    assert slopes[0] < 0 < slopes[1]


def test_limits() -> None:
    r = np.array([-3.0, -0.5, 0.25, 2.0])
    y = np.zeros_like(r)
    for name, parameters in (("smooth_pinball", {"alpha": 1e-6}), ("huber_pinball", {"delta": 1e-6})):
        np.testing.assert_allclose(
            lf.losses[name](tau=0.3, **parameters).loss(y, r), lf.losses.pinball(tau=0.3).loss(y, r), atol=1e-5
        )
    c = 1.5
    special = {
        2.0: lf.losses.half_squared_error().loss(y, r) / c**2,
        1.0: lf.losses.pseudo_huber(delta=1.0).loss(y, r / c),
        0.0: lf.losses.cauchy(c=c * 2**0.5).loss(y, r) / c**2,
        -2.0: 4 * lf.losses.geman_mcclure(c=2 * c).loss(y, r),
    }
    for alpha, limit in special.items():
        for near in (alpha - 1e-9, alpha, alpha + 1e-9):
            np.testing.assert_allclose(lf.losses.barron(alpha=near, c=c).loss(y, r), limit, rtol=1e-7)
    towards = lf.losses.barron(alpha=-1e7, c=c).loss(y, r)
    np.testing.assert_allclose(towards, lf.losses.welsch(c=c * 2**0.5).loss(y, r) / c**2, rtol=1e-5)


def test_dead_zone_is_not_the_epsilon_insensitive_loss() -> None:
    r = np.array([0.5, 1.5, 3.0])
    gradient = lf.losses.dead_zone(c=1.0).gradient(np.zeros(3), r)
    np.testing.assert_array_equal(gradient, [0.0, 1.5, 3.0])


KINKS = {
    "smooth_l1": [2, 2], "charbonnier": [], "squared_epsilon_insensitive": [2, 2], "huber_pinball": [2, 2],
    "expectile": [2], "truncated_squared": [1, 1], "hampel": [2, 2, 2, 2, 2, 2], "fair": [3], "ramsay": [3],
    "dead_zone": [1, 1], "tukey_biweight": [3, 3], "andrews_wave": [2, 2], "barron": [],
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(KINKS))
def test_kinks(name: str) -> None:
    assert [k.order for k in derive(CATALOG[name]).kinks] == KINKS[name]
