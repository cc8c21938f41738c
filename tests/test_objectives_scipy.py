"""Are the derivatives that SciPy's minimisers get right, and are the models that they find those of scikit-learn?"""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import check_grad, minimize
from scipy.optimize._numdiff import approx_derivative
from sklearn.linear_model import HuberRegressor, LogisticRegression, PoissonRegressor, Ridge

import lossforge as lf
from lossforge.runtime.objectives.core import BadNumber
from lossforge.runtime.objectives.scipy import ScipyObjective

Array = NDArray[Any]

N, P = 300, 5
RNG = np.random.default_rng(30)
X = RNG.normal(size=(N, P))
Z = X @ RNG.normal(size=P) / 2
WEIGHTS = RNG.uniform(0.2, 2.0, N)
TARGETS: dict[str, Array] = {
    "logistic": (Z + RNG.normal(size=N) > 0).astype(int),
    "poisson_log_link": RNG.poisson(np.exp(Z)),
    "huber": Z + RNG.standard_t(2, N),
    "welsch": Z + RNG.standard_t(2, N),
    "gaussian_nll": Z + RNG.normal(size=N),
    "softmax_cross_entropy": np.digitize(Z, [-1, 1]),
}
METHODS = ("BFGS", "L-BFGS-B", "trust-ncg", "trust-exact", "Newton-CG")


def objective(name: str, curvature: str | None = None, **options: Any) -> ScipyObjective:
    options = {"X": X, "y": TARGETS.get(name), "sample_weight": WEIGHTS, "l2": 0.1} | options
    made: ScipyObjective = lf.objective(name, "scipy", curvature, **options)
    return made


def fitted(o: ScipyObjective, method: str = "trust-ncg", tol: float = 1e-9) -> Any:
    second: dict[str, Any] = {"trust-ncg": {"hessp": o.hessp}, "Newton-CG": {"hessp": o.hessp}}.get(method, {})
    second = {"hess": o.hess} if method == "trust-exact" else second
    return minimize(o.fun, o.start(), jac=True, method=method, tol=tol, **second)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.coo_matrix], ids=["dense", "csr", "coo"])
@pytest.mark.parametrize("name", TARGETS)
def test_derivatives(name: str, form: Any) -> None:
    o, dense = objective(name, X=form(X)), objective(name)
    theta = o.start() + 0.3 * RNG.normal(size=o.shape[0] * o.shape[1])
    assert check_grad(lambda t: o.fun(t)[0], lambda t: o.fun(t)[1], theta) < 1e-4
    by_differences = approx_derivative(lambda t: o.fun(t)[1], theta, method="3-point")
    hessian = o.hess(theta)
    np.testing.assert_allclose(hessian, by_differences, atol=1e-6 * np.abs(hessian).max())
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-12, atol=1e-15)
    v = RNG.normal(size=theta.size)
    np.testing.assert_allclose(o.hessp(theta, v), hessian @ v, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(o.fun(theta)[1], dense.fun(theta)[1], rtol=1e-12, atol=1e-15)


def test_a_planted_error_is_seen() -> None:
    """Weights that are applied twice to the gradient: the checks above would see it."""
    o = objective("poisson_log_link")
    theta = o.start()
    assert check_grad(lambda t: o.fun(t)[0], lambda t: o.fun(t)[1] * 1.01, theta + 0.1) > 1e-4


@pytest.mark.parametrize("name", TARGETS)
def test_methods_agree(name: str) -> None:
    o = objective(name)
    found = {method: fitted(o, method, tol=1e-7) for method in METHODS}
    for method, result in found.items():
        assert result.fun == pytest.approx(found["trust-ncg"].fun, rel=1e-8), method
        assert np.abs(result.jac).max() < 1e-4, method


def test_logistic_regression() -> None:
    strength = 2.0
    theirs = LogisticRegression(C=strength, tol=1e-10, max_iter=10_000).fit(X, TARGETS["logistic"], WEIGHTS)
    o = objective("logistic", l2=1 / (strength * WEIGHTS.sum()))
    coefficients, b = o.split(fitted(o).x)
    np.testing.assert_allclose(coefficients, theirs.coef_[0], atol=1e-6)
    assert b == pytest.approx(theirs.intercept_[0], abs=1e-6)
    np.testing.assert_allclose(o.predict(o.scores(fitted(o).x)), theirs.predict_proba(X)[:, 1], atol=1e-6)


def test_multinomial_regression() -> None:
    y = TARGETS["softmax_cross_entropy"]
    theirs = LogisticRegression(C=0.5, tol=1e-12, max_iter=10_000).fit(X, y)
    o = objective("softmax_cross_entropy", sample_weight=None, l2=1 / (0.5 * N))
    coefficients, b = o.split(fitted(o).x)
    np.testing.assert_allclose(o.predict(o.scores(fitted(o).x)), theirs.predict_proba(X), atol=1e-6)
    np.testing.assert_allclose(coefficients.T, theirs.coef_, atol=1e-6)
    np.testing.assert_allclose(b - np.mean(b), theirs.intercept_ - theirs.intercept_.mean(), atol=1e-6)


def test_poisson_regression() -> None:
    theirs = PoissonRegressor(alpha=0.3, tol=1e-12, max_iter=10_000).fit(X, TARGETS["poisson_log_link"], WEIGHTS)
    o = objective("poisson_log_link", l2=0.3)
    coefficients, b = o.split(fitted(o).x)
    np.testing.assert_allclose(coefficients, theirs.coef_, atol=1e-6)
    assert b == pytest.approx(theirs.intercept_, abs=1e-6)


def test_huber_regression() -> None:
    """HuberRegressor also estimates the scale of the residuals; with the scale that it found the weights are ours."""
    y = TARGETS["huber"]
    theirs = HuberRegressor(alpha=0.01, tol=1e-7, max_iter=10_000).fit(X, y)
    o = objective("huber", delta=1.35 * theirs.scale_, sample_weight=None, l2=theirs.scale_ * 0.01 / N)
    found = fitted(o, tol=1e-12)
    at_theirs = o.fun(np.append(theirs.coef_, theirs.intercept_))[0]
    assert found.fun <= at_theirs and at_theirs - found.fun < 1e-9
    np.testing.assert_allclose(o.split(found.x)[0], theirs.coef_, atol=1e-4)


def test_ridge_regression_without_intercept() -> None:
    theirs = Ridge(alpha=3.0, fit_intercept=False, tol=1e-12).fit(X, TARGETS["huber"])
    o = objective("half_squared_error", y=TARGETS["huber"], sample_weight=None, l2=3.0 / N, fit_intercept=False)
    coefficients, b = o.split(fitted(o).x)
    np.testing.assert_allclose(coefficients, theirs.coef_, atol=1e-9)
    assert b == 0


def test_a_majorizer_descends_where_the_hessian_is_not_positive() -> None:
    exact, majorizer = objective("welsch", l2=0.0), objective("welsch", "majorizer", l2=0.0)
    theta = np.full(P + 1, 3.0)
    assert np.linalg.eigvalsh(exact.hess(theta)).min() < 0 < np.linalg.eigvalsh(majorizer.hess(theta)).min()
    value = majorizer.fun(theta)[0]
    for _ in range(20):
        theta = theta - np.linalg.solve(majorizer.hess(theta), majorizer.fun(theta)[1])
        assert majorizer.fun(theta)[0] < value
        value = majorizer.fun(theta)[0]


def test_raw_scores_outside_the_domain_turn_a_line_search_back() -> None:
    y = RNG.gamma(2, np.exp(Z))
    o = objective("itakura_saito", y=y)  # its predictions are positive
    assert o.fun(np.full(P + 1, -5.0))[0] == np.inf
    assert o.fun(np.full(P + 1, np.nan))[0] == np.inf
    found = fitted(o, "trust-exact")
    assert np.abs(found.jac).max() < 1e-6 and np.all(o.scores(found.x) > 0)


def test_shapes_and_numbers_are_looked_through() -> None:
    with pytest.raises(ValueError, match=r"X has shape \(300,\); expected \(n, p\)"):
        objective("huber", X=X[:, 0])
    with pytest.raises(ValueError, match="X has 300 rows, y 299, sample_weight 300; expected as many of each"):
        objective("huber", y=TARGETS["huber"][1:])
    with pytest.raises(ValueError, match=r"the weights sum to 0\.0; expected a positive number"):
        objective("huber", sample_weight=np.zeros(N))
    with pytest.raises(ValueError, match="l2 is -1; expected a number of 0 or more"):
        objective("huber", l2=-1)
    with pytest.raises(ValueError, match="theta has 5 entries; expected 6 times 1, as start"):
        objective("huber").fun(np.zeros(5))
    bad = X.copy()
    bad[17, 2] = np.nan
    for form in (np.asarray, sparse.csr_array):
        with pytest.raises(BadNumber, match=r"X\[17, 2\] is nan; drop such rows"):
            objective("huber", X=form(bad))
    with pytest.raises(BadNumber, match="the target in row 3 is inf"):
        objective("huber", y=np.where(np.arange(N) == 3, np.inf, 0.0))


def test_new_rows_and_pickle() -> None:
    o = objective("gaussian_nll")
    theta = RNG.normal(size=2 * (P + 1))
    assert o.shape == (P + 1, 2)
    np.testing.assert_array_equal(o.scores(theta, X[:7]), o.scores(theta)[:7])
    again = pickle.loads(pickle.dumps(o))
    assert again.fun(theta)[0] == o.fun(theta)[0] == o(theta)[0]
