"""Are the curvatures of a loss what they are called, and is what is proved of them true?

The oracle knows the formulas alone: a majorizer is held against values of the loss, by its definition; an expected
Hessian against the exact Hessian at the mean for the target; a smooth variant against the loss that it stands in for.
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Iterator
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy as sp
from extent import about, some

import lossforge as lf
from lossforge.cli.facts import FACTS
from lossforge.codegen.compile import compile_proved
from lossforge.derive.certificates import loads, review_lemma
from lossforge.runtime.domains import contains, read_domain
from lossforge.runtime.function import LossFunction
from lossforge.runtime.objectives.curvature import choose
from lossforge.spec.atoms import define_atoms
from lossforge.spec.catalog.smoothed import SMOOTHED
from lossforge.spec.text import parse_expression
from lossforge.verify.oracle import Oracle

CATALOG = lf.catalog
Known = dict[str, Any]


def facts(name: str) -> Known:
    known: Known = json.loads((FACTS / f"{name}.json").read_text(encoding="utf-8"))
    return known


def having(curvature: str) -> list[str]:
    return [name for name in CATALOG if "formula" in facts(name)["curvatures"].get(curvature, {})]


def bound(name: str) -> LossFunction:
    """The loss with its default parameters, computed by NumPy."""
    return lf.losses[name](backend="numpy")


def exact(name: str) -> Any:
    """The loss as a function of mpmath numbers, from the author's formula and the definitions of its atoms."""
    loss, parameters = CATALOG[name], bound(name).parameters
    names = [a.symbol for a in loss.arguments]
    values = {p.symbol: sp.nsimplify(parameters[p.name]) for p in loss.parameters}
    return sp.lambdify(names, define_atoms(loss.full_expression).xreplace(values), "mpmath")


def samples(name: str, count: int) -> list[tuple[list[float], float, float]]:
    """Targets, and two raw scores."""
    rng = np.random.default_rng(5)
    reals: dict[str, Any] = {"(-oo, oo)": rng.normal, "(0, oo)": rng.gamma, "[0, oo)": rng.gamma}
    labels = {"{-1, 1}": [-1.0, 1.0], "{0, 1}": [0.0, 1.0]}

    def target(domain: str) -> float:
        if domain == "(1, oo)":
            return 1 + float(rng.gamma(2.0))
        return float(reals[domain](2.0) if domain in reals else rng.choice(labels.get(domain, [0.0, 0.3, 1.0])))

    def score() -> float:
        return float(rng.normal() * 10 ** rng.uniform(-1, 1))

    return [([target(t.domain.text) for t in CATALOG[name].targets], score(), score()) for _ in range(count)]


def excess(name: str, factor: float = 1.0) -> float:
    """By how much the loss rises above its quadratics at the worst of some points, in parts of the terms' size."""
    loss, function = exact(name), bound(name)
    far = 6.0 if define_atoms(CATALOG[name].full_expression).has(sp.erf, sp.erfc) else 1e3  # as mpmath can add 1 - erfc
    worst = -mpmath.inf
    with mpmath.workdps(40):
        for targets, *scores in samples(name, about(60, 3)):
            f, other = (max(-far, min(far, score)) for score in scores)
            y = [mpmath.mpf(t) for t in targets]
            centre = y[0] if CATALOG[name].base == "residual" else 0
            w = float(function.curvature("majorizer", np.array([targets[0]]), np.array([f]))[0]) * factor
            slope = mpmath.diff(lambda x, y=y: loss(*y, x), f)
            for at in (mpmath.mpf(other), 2 * centre - f, f + (f - centre) / 8):
                step, here = at - f, loss(*y, mpmath.mpf(f))
                quadratic = here + slope * step + w * step**2 / 2
                size = abs(here) + abs(slope * step) + w * step**2
                worst = max(worst, (loss(*y, at) - quadratic) / (size or 1))
    return float(worst)


@pytest.mark.parametrize("name", some(having("majorizer"), 3))
def test_no_loss_rises_above_its_majorizer(name: str) -> None:
    assert excess(name) < 1e-12


@pytest.mark.parametrize("name", ["pseudo_huber", "logistic", "welsch", "smooth_pinball", "binary_sparsemax", "barron"])
def test_a_curvature_a_little_smaller_is_no_majorizer(name: str) -> None:
    assert excess(name, 0.999) > 1e-9  # those of even functions are the least ones there are


def test_a_smoothness_constant_that_may_be_0_is_not_called_positive() -> None:
    """With a = b = 0 the asymmetric square is no loss at all, and so is its constant max(2*a, 2*b)."""
    assert "majorizer" not in facts("asymmetric_squared")["curvatures"]
    assert choose(lf.losses.asymmetric_squared(a=1, b=2), None).name == "exact"
    with pytest.raises(ValueError, match="positive only if a > 0 and b > 0"):
        choose(lf.losses.asymmetric_squared(a=0, b=0), None)


def test_what_is_not_proved_is_not_offered() -> None:
    """E(sqrt(s)) is not concave, or the quotient is infinite at 0, or the odd part bends."""
    for name in ("tolerant", "absolute_error", "power_error", "linex", "exponential", "poisson_log_link"):
        assert name not in having("majorizer")
    assert facts("asymmetric_huber")["curvatures"]["majorizer"]["rule"] == "smooth"
    with pytest.raises(ValueError, match="tolerant has no curvature 'majorizer'"):
        bound("tolerant").curvature("majorizer", 0.0, 1.0)


@pytest.mark.parametrize("name", having("fisher"))
def test_the_expected_hessian(name: str) -> None:
    function = bound(name)
    f = np.linspace(-8, 8, 41)
    mean = function.inverse_link(f)
    expected = function.hessian(mean, f)
    rounding = 2 * np.abs(function.hessian(np.nextafter(mean, 0), f) - expected)  # of the mean, where it is all but 1
    assert np.all(np.abs(function.curvature("fisher", mean, f) - expected) <= 1e-11 * expected + rounding)
    if CATALOG[name].targets[0].domain.text == "[0, 1]":  # the expectation over labels 0 and 1
        ends = [function.hessian(np.full(41, label), f) for label in (0.0, 1.0)]
        mixed = (1 - mean) * ends[0] + mean * ends[1]
        slack = 2.0**-52 * np.abs(ends[0]) + 1e-9 * mixed  # 1 - mean is rounded to a multiple of 2**-53
        assert np.all(np.abs(function.curvature("fisher", mean, f) - mixed) <= slack)


@pytest.mark.parametrize("name", having("gauss_newton"))
def test_gauss_and_newton(name: str) -> None:
    """The second derivative in the mean, by mpmath, times the squared slope of the mean."""
    function, loss = bound(name), exact(name)
    logit = "sigmoid" in CATALOG[name].inverse_link.__repr__() or "1/(1" in str(CATALOG[name].inverse_link)
    back = (lambda m: mpmath.log(m / (1 - m))) if logit else mpmath.log
    forth = (lambda f: 1 / (1 + mpmath.exp(-f))) if logit else mpmath.exp
    with mpmath.workdps(40):
        for (y, *_), anywhere, _ in samples(name, 20):
            f = max(-6.0, min(6.0, anywhere))
            bend = mpmath.diff(lambda m, y=y: loss(mpmath.mpf(y), back(m)), forth(mpmath.mpf(f)), 2)
            expected = bend * mpmath.diff(forth, f) ** 2
            found = function.curvature("gauss_newton", np.array([y]), np.array([f]))[0]
            assert abs(found - expected) <= 1e-11 * (abs(expected) + abs(function.hessian(y, f)))


@pytest.mark.parametrize("name", having("reweighted"))
def test_the_reweighted_cross_entropy(name: str) -> None:
    """The gradient of the loss over that of the cross entropy, times the Hessian of the cross entropy."""
    function, cross_entropy = bound(name), lf.losses.logistic()
    f = np.linspace(-30, 30, 61) + 0.01
    for label in CATALOG[name].targets[0].domain.values:  # type: ignore[union-attr]
        y, sign = np.full(61, float(label)), np.full(61, 1.0 if label == 1 else -1.0)
        gradient, hessian = cross_entropy.gradient_hessian(sign, f)
        expected = function.gradient(y, f) / gradient * hessian
        np.testing.assert_allclose(function.curvature("reweighted", y, f), expected, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("name", some(CATALOG, 3))
def test_the_signs_that_are_proved_are_seen(name: str) -> None:
    for curvature, c in facts(name)["curvatures"].items():
        if "formula" not in c or not (c["positive"]["verdict"] == "proved" or c["positive"].get("nonnegative")):
            continue
        function = bound(name)
        for targets, f, _ in samples(name, 40):
            gradient, value = function.gradient_curvature(curvature, np.array(targets[:1]), np.array([f]))
            assert value[0] >= 0
            tiny = c["rule"] == "share"  # less than the smallest number, where the share is all but 0 or 1
            assert value[0] > 0 or gradient[0] == 0 or tiny, (curvature, targets, f)


def settings(name: str) -> Iterator[dict[str, float]]:
    """Values of the parameters: ordinary ones and the ends that belong to their ranges, in all combinations."""
    columns = []
    for p in CATALOG[name].parameters:
        ends = [float(e) for e in (p.domain.low, p.domain.high) if e.is_finite]  # type: ignore[union-attr]
        columns.append([v for v in {*ends, 0.3, 1.0, 2.5, -1.0} if contains(read_domain(p.domain.text), v)])
    for values in itertools.product(*columns):
        yield dict(zip([p.name for p in CATALOG[name].parameters], values, strict=True))


@pytest.mark.parametrize("name", some(CATALOG, 3))
def test_what_is_proved_positive_is_so_at_the_ends_of_the_parameters_too(name: str) -> None:
    f = np.array([-3.0, -0.25, 0.0, 0.5, 2.0])
    for parameters in settings(name):
        function = lf.losses[name](backend="numpy", **parameters)
        for curvature, c in facts(name)["curvatures"].items():
            if "formula" not in c or c["positive"]["verdict"] != "proved" or len(CATALOG[name].targets) != 1:
                continue
            try:
                choose(function, curvature)
            except ValueError:  # it does not hold with these parameters
                continue
            for targets, *_ in samples(name, 5):
                assert (function.curvature(curvature, np.full(5, targets[0]), f) > 0).all(), (parameters, targets)


@pytest.mark.parametrize("name", some(CATALOG, 3))
def test_no_curvature_is_lost_far_out(name: str) -> None:
    """No NaN for scores up to 1e150, nor a sign that is refuted; what is positive may round to 0."""
    sizes = [0.0, 5e-324, 1e-160, 1e-8, 1.0, 37.0, 354.0, 356.0, 709.0, 711.0, 1e4, 1e8, 1e16, 1e150]
    f = np.array([sign * size for size in sizes for sign in (1, -1)])
    targets = {"{-1, 1}": (-1.0, 1.0), "{0, 1}": (0.0, 1.0), "[0, 1]": (0.0, 0.3, 1.0), "(-oo, oo)": (0.0,)}
    for curvature, c in facts(name)["curvatures"].items():
        if "formula" not in c or len(CATALOG[name].targets) != 1:
            continue
        signed = c["positive"]["verdict"] == "proved" or c["positive"].get("nonnegative")
        for y in targets.get(CATALOG[name].targets[0].domain.text, (1e-8, 1.0, 1e8)):
            found = bound(name).curvature(curvature, np.full(f.shape, y), f)
            assert not np.isnan(found).any(), (curvature, y, f[np.isnan(found)])
            assert not signed or (found >= 0).all()


def test_a_curvature_that_is_refuted_is_negative_somewhere() -> None:
    assert bound("gamma_log_link").curvature("gauss_newton", 1.0, 3.0) < 0
    assert bound("poisson_log_link").curvature("gauss_newton", 0.0, 3.0) == 0


# Proofs ------------------------------------------------------------------------------------------

LEMMAS = sorted(path for path in (FACTS / "certificates").glob("*.*.json"))


def test_every_lemma_is_shown_and_spoilt_ones_are_refused() -> None:
    seen = 0
    for path in some(LEMMAS, 4):
        made = loads(path.read_text(encoding="utf-8"))
        assert made is not None
        assert review_lemma(made) is None
        ((name, shown),) = made["claims"].items()
        if shown["claim"]["verdict"] not in ("proved", "refuted"):
            continue
        other = copy.deepcopy(made)
        other["about"]["formula"] = f"-({made['about']['formula']})"
        assert review_lemma(other) == "the digest is that of another statement"
        turned = copy.deepcopy(made)
        turned["claims"][name]["claim"] = {"property": name, "verdict": "refuted"}
        if shown["claim"]["verdict"] == "proved":
            assert review_lemma(turned) is not None
            seen += 1
    assert seen > 10


def test_lemmas_are_about_the_formula_of_the_loss() -> None:
    """Made by substitution alone: the value of the statement is that of the loss, at the places it speaks of."""
    made = json.loads((FACTS / "certificates" / "pseudo_huber.majorizer.concave.json").read_text(encoding="utf-8"))
    loss = CATALOG["pseudo_huber"]
    (r,), (delta,) = [d.symbol for d in loss.definitions], [p.symbol for p in loss.parameters]
    s = sp.Symbol("s", positive=True)
    stated = parse_expression(made["about"]["formula"], {"s": s, "delta": delta})
    assert sp.simplify(stated + loss.expression.subs(r, sp.sqrt(s))) == 0


# Choices -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "curvature"),
    [
        (lf.losses.pseudo_huber(), "majorizer"),
        (lf.losses.logistic(), "exact"),
        (lf.losses.poisson_log_link(), "exact"),
        (lf.losses.tweedie_log_link(), "fisher"),
        (lf.losses.brier_logits(), "fisher"),
        (lf.losses.focal(gamma=2), "reweighted"),
        (lf.losses.focal(gamma=0), "exact"),
        (lf.losses.barron(alpha=1), "majorizer"),
        (lf.losses.barron(alpha=3), "exact"),
        (lf.losses.softmax_cross_entropy(), "diagonal_bound"),
    ],
)
def test_the_best_curvature_that_is_positive(loss: LossFunction, curvature: str) -> None:
    assert choose(loss, None).name == curvature


@pytest.mark.parametrize(
    ("loss", "curvature", "message"),
    [
        (lf.losses.pinball(), None, "not positive where r < 0|take a smooth loss .* smooth_pinball or huber_pinball"),
        (lf.losses.poisson(), None, "for y = 0"),
        (lf.losses.huber(), "hessian", "expected one of exact, majorizer, floored, constant"),
        (lf.losses.huber(), "fisher", "huber has no curvature 'fisher': no expected Hessian"),
        (lf.losses.huber(), "floored(-1)", "expected a positive number"),
        (lf.losses.huber(), "exact(2)", "exact takes no number"),
        (lf.losses.barron(alpha=3), "majorizer", "only if alpha <= 2"),
        (lf.losses.huber(), "floored(1e-3", "expected one of"),
    ],
)
def test_what_cannot_be_chosen(loss: LossFunction, curvature: str | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        choose(loss, curvature)


def test_a_condition_is_read_and_not_executed() -> None:
    loss = lf.losses.barron()
    loss.facts["curvatures"]["majorizer"]["holds"].update(condition="__import__('os').system('true') == 0")
    try:
        with pytest.raises(ValueError, match="cannot be read"):
            choose(loss, "majorizer")
    finally:
        loss.facts["curvatures"]["majorizer"]["holds"].update(condition="alpha <= 2")


def test_a_formula_of_ones_own_gets_proofs_too() -> None:
    welsch = lf.parse("c**2/2*(1 - exp(-(r/c)**2))", parameters={"c": {"domain": "(0, oo)", "default": 2}})
    made = compile_proved(welsch)
    assert choose(made, None).name == "majorizer"
    np.testing.assert_allclose(made.curvature("majorizer", 0.0, 3.0), np.exp(-9 / 4), rtol=1e-15)
    with pytest.raises(ValueError, match=r"give lf\.objective the formula itself"):
        choose(lf.compile(welsch), None)


@pytest.mark.parametrize(("name", "variant"), [(n, v) for n, variants in SMOOTHED.items() for v in variants])
def test_smooth_variants_tend_to_the_loss(name: str, variant: str) -> None:
    kinked, smooth = CATALOG[name], CATALOG[variant]
    shared = {p.name: 0.3 for p in kinked.parameters}
    last = smooth.parameters[-1].name
    base = {a.name: 0.0 for a in kinked.targets if kinked.base == "residual"} or {"y": 1.0}
    for f in (-3.0, -0.5, 0.0, 0.25, 1.0, 4.0):
        one = Oracle.of(kinked).at(**base, f=f, **shared)
        other = Oracle.of(smooth).at(**base, f=f, **shared, **{last: 2.0**-30})
        assert one is not None and other is not None
        assert abs(float(mpmath.mpf(one[0])) - float(mpmath.mpf(other[0]))) < 2.0**-29
    assert set(facts(name)["smoothed"]) == set(SMOOTHED[name])
