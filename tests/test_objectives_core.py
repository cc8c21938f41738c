"""Is what every library is given right? Intercepts, curvatures, labels, weights, and bad numbers by their row."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import scipy.optimize
import scipy.special

import lossforge as lf
from lossforge.runtime import DomainViolation
from lossforge.runtime.objectives import LIBRARIES
from lossforge.runtime.objectives.core import BadNumber, Objective
from lossforge.runtime.objectives.intercept import weighted_quantile

N = 300
rng = np.random.default_rng(20261126)
WEIGHT = rng.integers(0, 4, N).astype(float)
TARGETS = {
    "(-oo, oo)": rng.standard_t(3, N) + 1,
    "(0, oo)": rng.gamma(2, size=N) + 0.01,
    "(-1, oo)": rng.gamma(2, size=N),
    "[0, oo)": rng.poisson(2, N).astype(float),
    "{-1, 1}": np.where(rng.random(N) < 0.7, 1.0, -1.0),
    "{0, 1}": (rng.random(N) < 0.7).astype(float),
    "[0, 1]": (rng.random(N) < 0.7).astype(float),
}
WHERE = {"(-oo, oo)": (-8.0, 12.0), "(0, oo)": (1e-3, 20.0), "(-1, oo)": (-0.999, 20.0), "[0, 1]": (1e-4, 1 - 1e-4)}


def domains(name: str, role: str) -> list[str]:
    return [a["domain"] for a in lf.losses[name]().facts["arguments"].values() if a["role"] == role]


SCALAR = [name for name in lf.losses if domains(name, "target")[0] in TARGETS and len(domains(name, "target")) == 1]
SCALAR = [name for name in SCALAR if len(domains(name, "prediction")) == 1 and domains(name, "prediction")[0] in WHERE]
# With these targets the mean loss falls for ever: all times are censored on one side, or a step for each class counts.
ENDLESS = ["unhinged", "sigmoid_loss", "tanh_loss", *(n for n in SCALAR if n.endswith(("_left", "_right")))]


def core(name: str, curvature: str | None = "exact", **parameters: float) -> Objective:
    """By NumPy: compiling a hundred losses takes a minute."""
    return Objective(lf.losses[name](backend="numpy", **parameters), curvature)


def test_most_of_the_catalogue_is_looked_at() -> None:
    assert len(SCALAR) > 80


@pytest.mark.parametrize("name", [name for name in SCALAR if name not in ENDLESS])
def test_no_constant_has_a_smaller_mean_loss_than_the_intercept(name: str) -> None:
    """Against a search by values alone: a grid, and golden sections about the best of it."""
    objective, y = core(name), TARGETS[domains(name, "target")[0]]

    def height(c: float) -> float:
        return objective.mean_loss(y, np.full(N, c), WEIGHT)

    low, high = WHERE[domains(name, "prediction")[0]]
    grid = np.linspace(low, high, 401)
    best = min(grid, key=height)
    width = grid[1] - grid[0]
    bounds = (max(low, best - width), min(high, best + width))
    found = scipy.optimize.minimize_scalar(height, bounds=bounds, method="bounded", options={"xatol": 1e-10})
    least = min(found.fun, height(best))
    assert height(objective.intercept(y, WEIGHT)) <= least + 1e-12 * max(1.0, abs(least))


@pytest.mark.parametrize("name", ENDLESS)
def test_a_mean_loss_that_falls_for_ever_has_no_intercept(name: str) -> None:
    objective, y = core(name), TARGETS[domains(name, "target")[0]]
    with pytest.raises(ValueError, match=r"the best constant raw score is -?inf") as refused:
        objective.intercept(y, WEIGHT)
    way = -1 if "is -inf" in str(refused.value) else 1
    heights = [objective.mean_loss(y, np.full(N, way * c), WEIGHT) for c in (0.0, 2.0, 5.0, 10.0)]
    assert heights == sorted(heights, reverse=True) and len(set(heights)) == 4


@pytest.mark.parametrize(
    ("name", "parameters", "statistic"),
    [
        ("squared_error", {}, lambda y, w: np.average(y, weights=w)),
        ("absolute_error", {}, lambda y, w: np.median(np.repeat(y, w.astype(int)))),
        ("pinball", {"tau": 0.9}, lambda y, w: weighted_quantile(y, w, 0.9)),
        ("poisson_log_link", {}, lambda y, w: np.log(np.average(y, weights=w))),
        ("gamma_log_link", {}, lambda y, w: np.log(np.average(y, weights=w))),
        ("tweedie_log_link", {"p": 1.3}, lambda y, w: np.log(np.average(y, weights=w))),
        ("logistic", {}, lambda y, w: scipy.special.logit(np.average(y > 0, weights=w))),
        ("exponential", {}, lambda y, w: scipy.special.logit(np.average(y > 0, weights=w)) / 2),
        ("binomial_probit", {}, lambda y, w: scipy.special.ndtri(np.average(y, weights=w))),
    ],
)
def test_intercepts_in_closed_form(name: str, parameters: dict[str, float], statistic: Any) -> None:
    y = TARGETS[domains(name, "target")[0]]
    assert core(name, **parameters).intercept(y, WEIGHT) == pytest.approx(statistic(y, WEIGHT), rel=1e-12)


def test_a_weighted_quantile_is_that_of_repeated_rows() -> None:
    y = np.round(TARGETS["(-oo, oo)"], 1)
    repeated = np.repeat(y, WEIGHT.astype(int))
    for level in (0.1, 0.25, 0.5, 0.9):
        inner = weighted_quantile(y, WEIGHT, level)
        assert np.mean(repeated < inner) <= level + 1e-12 and np.mean(repeated > inner) <= 1 - level + 1e-12
    assert weighted_quantile(np.array([1.0, 2.0, 4.0, 9.0]), np.ones(4), 0.5) == 3.0


def test_the_intercept_of_several_raw_scores() -> None:
    labels = rng.integers(0, 4, N)
    shares = np.bincount(labels, WEIGHT) / WEIGHT.sum()
    found = core("softmax_cross_entropy").intercept(labels, WEIGHT)
    np.testing.assert_allclose(found, np.log(shares) - np.log(shares).mean(), atol=1e-12)
    y = TARGETS["(-oo, oo)"]
    mean, log_sigma = core("gaussian_nll").intercept(y, WEIGHT)
    assert mean == pytest.approx(np.average(y, weights=WEIGHT))
    assert np.exp(2 * log_sigma) == pytest.approx(np.average((y - mean) ** 2, weights=WEIGHT))


@pytest.mark.parametrize(
    ("name", "y", "what"),
    [
        ("logistic", [1.0, 1.0], "the best constant raw score is inf"),
        ("poisson_log_link", [0.0, 0.0], "the best constant raw score is -inf"),
        ("binomial_cauchit", [0.0, 0.0], "the best constant raw score is -inf"),
        ("unhinged", [1.0, 1.0, -1.0], "the best constant raw score is inf"),
        ("softmax_cross_entropy", [0.0, 2.0], "class 1 does not occur"),
        ("huber", [], "no samples of a positive weight"),
    ],
)
def test_an_intercept_that_is_not_there_is_said_so(name: str, y: list[float], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        core(name).intercept(np.array(y))


def test_weights_multiply_gradient_and_curvature_once() -> None:
    objective, y, f = core("pseudo_huber"), TARGETS["(-oo, oo)"], rng.normal(size=N)
    plain, weighted = objective.derivatives(y, f), objective.derivatives(y, f, WEIGHT)
    for once, times in zip(plain, weighted, strict=True):
        np.testing.assert_array_equal(times, WEIGHT * once)
    expected = np.sum(WEIGHT * (np.sqrt(1 + (f - y) ** 2) - 1)) / WEIGHT.sum()
    assert objective.mean_loss(y, f, WEIGHT) == pytest.approx(expected, rel=1e-13)


def test_a_row_of_weight_0_counts_for_nothing() -> None:
    objective = core("linex", a=1.0)
    gradient, curvature = objective.derivatives([0.0, 0.0], [1.0, 800.0], [1.0, 0.0])
    np.testing.assert_allclose(gradient, [np.expm1(1.0), 0.0])
    np.testing.assert_allclose(curvature, [np.exp(1.0), 0.0])
    with pytest.raises(BadNumber, match=r"linex: the gradient in row 1 is inf at y = 0.0, f = 800.0, out of the range"):
        objective.derivatives([0.0, 0.0], [1.0, 800.0], [1.0, 1.0])


def test_empty_weights_are_none() -> None:
    objective = core("squared_error")
    np.testing.assert_array_equal(objective.derivatives([1.0], [3.0], np.array([], np.float32))[0], [4.0])


@pytest.mark.parametrize(
    ("y", "f", "weight", "message"),
    [
        ([0.0, np.nan], [0.0, 0.0], None, r"the target in row 1 is nan; drop such rows, or fill them in"),
        ([0.0, 1.0], [0.0, np.nan], None, r"the raw score in row 1 is nan \(y = 1.0\): an earlier step went astray"),
        ([0.0, 1.0], [-np.inf, 0.0], None, r"the raw score in row 0 is -inf"),
        ([0.0, 1.0], [0.0, 0.0], [1.0, -2.0], r"the weight in row 1 is -2.0; a weight is a finite number of 0 or more"),
        ([0.0, 1.0], [0.0, 0.0], [np.nan, 1.0], r"the weight in row 0 is nan"),
    ],
)
def test_bad_numbers_are_named(y: list[float], f: list[float], weight: Any, message: str) -> None:
    with pytest.raises(BadNumber, match=message):
        core("pseudo_huber").derivatives(y, f, weight)
    with pytest.raises(BadNumber, match=message):
        core("pseudo_huber").mean_loss(y, f, weight)


def test_a_derivative_too_large_for_the_library_is_named() -> None:
    """1e50 is a number in float64, and infinite where a library keeps float32."""
    y, f = [0.0], [np.log(1e50)]
    core("linex", a=1.0).derivatives(y, f)
    with pytest.raises(BadNumber, match=r"gradient in row 0 is .*e\+50 .* out of the range of float32"):
        lf.objective(lf.losses.linex(a=1.0, backend="numpy"), library="xgboost", curvature="exact").derivatives(y, f)


def test_a_target_outside_the_domain_is_named() -> None:
    with pytest.raises(DomainViolation, match=r"poisson_log_link: y\[1\] = -1.0 lies outside \[0, oo\)"):
        core("poisson_log_link").derivatives([0.0, -1.0], [0.0, 0.0])


@pytest.mark.parametrize(("y", "message"), [([0.0, 0.5], "row 1 is 0.5; classes are 0, 1, 2"), ([-1.0, 0], "row 0")])
def test_classes_are_whole_numbers(y: list[float], message: str) -> None:
    with pytest.raises(BadNumber, match=message):
        core("softmax_cross_entropy").derivatives(y, np.zeros((2, 3)))


def test_labels_of_either_kind() -> None:
    ones, signs, f = np.array([0.0, 1.0, 1.0]), np.array([-1.0, 1.0, 1.0]), np.array([0.3, -0.2, 2.0])
    for name in ("logistic", "binary_cross_entropy_logits", "focal", "hinge"):
        first, second = (core(name).derivatives(y, f)[0] for y in (ones, signs))
        np.testing.assert_array_equal(first, second)
        assert core(name).mean_loss(ones, f) == core(name).mean_loss(signs, f)


def test_multi_class_shapes() -> None:
    y, f = rng.integers(0, 3, N), rng.normal(size=(N, 3))
    p = scipy.special.softmax(f, axis=1)
    gradient, curvature = core("softmax_cross_entropy", None).derivatives(y.astype(np.float32), f)
    np.testing.assert_allclose(gradient, p - np.eye(3)[y], atol=1e-14)
    np.testing.assert_allclose(curvature, 2 * p * (1 - p), rtol=1e-12)  # the bound is that of XGBoost
    np.testing.assert_allclose(core("softmax_cross_entropy").derivatives(y, f)[1], p * (1 - p), rtol=1e-12)
    assert core("softmax_cross_entropy").outputs is None and core("gaussian_nll").outputs == 2


def test_a_diagonal_bound_lies_above_the_hessian() -> None:
    for name, y in (("softmax_cross_entropy", rng.integers(0, 3, N)), ("gaussian_nll", TARGETS["(-oo, oo)"])):
        f = rng.normal(size=(N, 3 if name.startswith("soft") else 2))
        _, bound = core(name, "diagonal_bound").derivatives(y, f)
        hessian = lf.losses[name](backend="numpy").hessian(y, f)
        least = np.linalg.eigvalsh(bound[:, :, None] * np.eye(f.shape[1]) - hessian)[:, 0]
        assert least.min() > -1e-12
        assert np.linalg.eigvalsh(0.4 * bound[:, :, None] * np.eye(f.shape[1]) - hessian)[:, 0].min() < 0


def test_curvatures_by_name() -> None:
    y, f = TARGETS["(-oo, oo)"], rng.normal(size=N)
    cauchy = lf.losses.cauchy(backend="numpy")
    exact = cauchy.hessian(y, f)
    assert exact.min() < 0
    for given, shown, expected in [
        ("exact", "exact", exact),
        ("floored", "floored(1e-06)", np.maximum(exact, 1e-6)),
        ("floored( 0.25 )", "floored(0.25)", np.maximum(exact, 0.25)),
        ("constant", "constant(1)", np.ones(N)),
        ("constant(3)", "constant(3)", np.full(N, 3.0)),
    ]:
        objective = core("cauchy", given)
        assert str(objective.curvature) == shown
        np.testing.assert_array_equal(objective.derivatives(y, f)[1], expected)
        np.testing.assert_array_equal(objective.derivatives(y, f)[0], cauchy.gradient(y, f))


@pytest.mark.parametrize(
    ("curvature", "message"),
    [
        ("exakt", "curvature is 'exakt'; expected one of exact, .*constant"),
        ("floored(-1)", "expected a positive number"),
        ("constant(zero)", "expected a positive number"),
        ("exact(2)", "exact takes no number"),
        ("", "expected one of"),
        (3, "expected one of"),
    ],
)
def test_a_curvature_that_is_none(curvature: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        core("huber", curvature)


def test_a_curvature_that_this_loss_lacks_is_refused_with_the_reason() -> None:
    with pytest.raises(
        ValueError, match="pinball has no curvature 'majorizer': no quadratic above it that touches it is known"
    ):
        core("pinball", "majorizer")
    with pytest.raises(ValueError, match="huber has no curvature 'diagonal_bound': it has one raw score a sample"):
        core("huber", "diagonal_bound")


def without_default() -> list[str]:
    """Losses that `choose` finds nothing for that is proved positive."""
    found = []
    for name in SCALAR:
        try:
            core(name, None)
        except ValueError:
            found.append(name)
    return found


def test_a_loss_that_bends_nowhere_has_no_default_curvature() -> None:
    """The message names losses of the catalogue that have one."""
    names = without_default()
    assert {"pinball", "absolute_error", "quantile_loglik"} <= set(names) and len(names) < 25
    for name in names:
        with pytest.raises(ValueError, match=f"{name}: .* no other curvature .*such as 'constant'") as refused:
            core(name, None)
        for instead in lf.losses[name]().facts.get("smoothed", ()):
            assert instead in str(refused.value) and core(instead, None).curvature.name != "exact"
        y = TARGETS[domains(name, "target")[0]][:1]
        assert core(name, "constant").derivatives(y, [0.5])[1] == 1


@pytest.mark.parametrize("name", SCALAR)
def test_the_default_curvature_is_never_below_0(name: str) -> None:
    objective, y = core(name, None if name not in without_default() else "floored"), TARGETS[domains(name, "target")[0]]
    low, high = WHERE[domains(name, "prediction")[0]]
    for f in (np.full(N, low), np.linspace(low, high, N), np.full(N, high)):
        assert objective.derivatives(y, f)[1].min() >= 0


@pytest.mark.parametrize("name", [n for n in SCALAR if "majorizer" in lf.losses[n]().facts.get("curvatures", {})])
def test_a_majorizer_lies_above_the_loss(name: str) -> None:
    """Of the quadratic that touches at f, with this curvature, no place lies below the loss: by values alone."""
    objective, y = core(name, "majorizer"), TARGETS[domains(name, "target")[0]]
    low, high = WHERE[domains(name, "prediction")[0]]
    for _ in range(30):
        f, g = rng.uniform(low, high, (2, N))
        gradient, curvature = objective.derivatives(y, f)
        terms = np.array([objective.loss.loss(y, f), gradient * (g - f), curvature * (g - f) ** 2 / 2])
        assert np.all(objective.loss.loss(y, g) <= terms.sum(axis=0) + 1e-12 * np.abs(terms).sum(axis=0) + 1e-12)


def test_predictions_are_means() -> None:
    f = rng.normal(size=N)
    np.testing.assert_allclose(core("logistic").predict(f), scipy.special.expit(f))
    np.testing.assert_allclose(core("poisson_log_link").predict(f), np.exp(f))
    np.testing.assert_array_equal(core("huber").predict(f), f)


def test_an_objective_pickles_small() -> None:
    y, f = TARGETS["(-oo, oo)"], rng.normal(size=N)
    objective = lf.objective("pseudo_huber", library="xgboost", curvature="floored(0.5)", delta=2.0)
    text = pickle.dumps(objective)
    again = pickle.loads(text)
    assert repr(again) == repr(objective) == "XGBoostObjective(pseudo_huber, delta=2.0, curvature='floored(0.5)')"
    np.testing.assert_array_equal(again.derivatives(y, f), objective.derivatives(y, f))
    assert len(text) < 600


def test_a_compiled_loss_is_an_objective_too() -> None:
    welsch = lf.compile(lf.parse("c**2/2*(1 - exp(-(r/c)**2))", {"c": "(0, oo)"}, name="mine"), c=2.0)
    objective = lf.objective(welsch, library="lightgbm", curvature="floored")
    assert objective.metric_name == "mean_mine"
    again = pickle.loads(pickle.dumps(objective))
    np.testing.assert_array_equal(again.derivatives([0.0], [1.0]), objective.derivatives([0.0], [1.0]))
    with pytest.raises(TypeError, match="the parameters of mine are bound already, got c as well"):
        lf.objective(welsch, library="lightgbm", c=1.0)


@pytest.mark.parametrize("library", ["xgboost", "lightgbm", "catboost"])
def test_several_targets_are_refused_where_a_library_has_one(library: str) -> None:
    with pytest.raises(ValueError, match=r"aft_logistic_interval has 2 targets, y, ratio; .* is given one a sample"):
        lf.objective("aft_logistic_interval", library=library)
    interval = core("aft_logistic_interval", "exact")
    assert interval.derivatives([[1.0, 2.0]], [0.5])[0].shape == (1,)


def test_a_library_that_is_none() -> None:
    with pytest.raises(ValueError, match=r"library is 'xgbost'; expected one of .*; did you mean 'xgboost'"):
        lf.objective("huber", library="xgbost")
    assert list(LIBRARIES)[:3] == ["xgboost", "lightgbm", "catboost"]


@pytest.mark.parametrize(
    ("name", "message"),
    [("focall", "did you mean 'focal'"), ("delta**2*r", r"pass lf\.parse")],
)
def test_a_loss_that_is_not_there(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lf.objective(name, library="xgboost")


@pytest.mark.parametrize(
    ("mean", "deviation"), [(0, 1), (5e6, 1e7), (1e-7, 1e-8), (1e12, 1), (-3, 1e-12), (0, 1e150), (1e-40, 1e-30)]
)
def test_a_mean_and_a_deviation_of_any_size(mean: float, deviation: float) -> None:
    """The normal distribution with the least negative log-likelihood has the mean and the deviation of the sample."""
    y = mean + deviation * np.random.default_rng(0).normal(size=50)
    found = Objective(lf.losses.gaussian_nll(), "constant").intercept(y)
    assert abs(found[0] - y.mean()) <= 1e-6 * y.std() + 2 * np.spacing(abs(y.mean()))
    assert abs(found[1] - np.log(y.std())) <= 1e-6


def test_a_deviation_of_0_has_no_finite_logarithm() -> None:
    with pytest.raises(ValueError, match="no finite intercept"):
        Objective(lf.losses.gaussian_nll(), "constant").intercept(np.full(3, 2.0))


@pytest.mark.parametrize("name", ["welsch", "tukey_biweight", "cauchy", "geman_mcclure", "truncated_squared"])
@pytest.mark.parametrize("scale", [1.0, 1e3, 1e6, 1e9])
def test_no_minimum_is_jumped_over(name: str, scale: float) -> None:
    """Two close targets far from a third: a step that lands in the flat tail behind them must not be taken for one."""
    y = np.array([0.0, scale, scale + 1.0])
    objective = Objective(lf.losses[name]())
    best = min(objective.mean_loss(y, np.full(3, c)) for c in scale + np.linspace(-2, 3, 501))
    assert objective.mean_loss(y, np.full(3, objective.intercept(y))) <= best + 1e-9
