"""Are conjugates, proximal maps, calibration transforms and elicited statistics what is claimed of them?

The oracle minimises the formula itself by brute force, in mpmath, and knows nothing of the engine. Wrong claims with
the certificates of right ones must be refused, and a checker in which a step is left out must be seen to accept one.
"""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from extent import some
from mpmath import mp, mpf

from lossforge.derive import duality
from lossforge.derive.checker import check
from lossforge.derive.derivation import derive
from lossforge.derive.properties import statement_of
from lossforge.derive.prove import Prover, applicable
from lossforge.derive.reading import Unproved
from lossforge.spec.catalog import CATALOG
from lossforge.verify.falsify import falsify

mp.dps = 30
FUNCTIONS: dict[str, Any] = {
    "sqrt": mp.sqrt, "exp": mp.exp, "log": mp.log, "cosh": mp.cosh, "abs": abs, "max": max, "min": min, "oo": mp.inf,
    "sign": mp.sign,
}  # fmt: skip


@functools.cache
def statement(name: str) -> dict[str, Any]:
    made = statement_of(derive(CATALOG[name]))
    assert made is not None
    return made


@functools.cache
def proved(name: str, prop: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A claim and its certificate, as it is read from a file."""
    claim, certificate = Prover(statement(name), prop).claim()
    assert certificate is not None, (name, prop, claim)
    return claim, json.loads(json.dumps(certificate))


def value(text: str, **names: Any) -> Any:
    return eval(text, {"__builtins__": {}}, {**FUNCTIONS, **names})


def lowest(f: Callable[[Any], Any], reach: float = 200.0) -> tuple[Any, Any]:
    """The least value of a convex function within a reach, and its place, by golden section."""
    ratio = (mp.sqrt(5) - 1) / 2
    a, b = mpf(-reach), mpf(reach)
    for _ in range(140):
        c, d = b - ratio * (b - a), a + ratio * (b - a)
        a, b = (a, d) if f(c) <= f(d) else (c, b)
    return f((a + b) / 2), (a + b) / 2


def fraction(x: float) -> Any:
    return mpf(round(x * 64)) / 64


# Values against brute force ----------------------------------------------------------------------

CONVEX: dict[str, dict[str, float]] = {  # parameters
    "squared_error": {}, "half_squared_error": {}, "absolute_error": {}, "huber": {"delta": 1.25}, "hinge": {},
    "squared_hinge": {}, "modified_huber": {}, "perceptron": {}, "logistic": {}, "exponential": {},
    "pinball": {"tau": 0.25}, "expectile": {"tau": 0.75}, "epsilon_insensitive": {"epsilon": 0.5},
    "squared_epsilon_insensitive": {"epsilon": 0.5}, "linex": {"a": -1.5}, "log_cosh": {}, "logistic_distance": {},
    "pseudo_huber": {"delta": 2.0}, "charbonnier": {"epsilon": 0.5}, "fair": {"c": 1.5},
    "smoothed_hinge": {"gamma": 0.5},
    "power_error": {"q": 1.5}, "dead_zone": {"c": 0.75}, "smooth_pinball": {"tau": 0.25, "alpha": 0.5},
    "distance_weighted_discrimination": {"q": 2.0}, "asymmetric_huber": {"tau": 0.25, "delta": 1.0}, "unhinged": {},
}  # fmt: skip


@functools.cache
def formula(name: str) -> Callable[[Any], Any]:
    about, given = statement(name), {n: mpf(v) for n, v in CONVEX[name].items()}
    return lambda x: value(about["formula"], **given, **{about["variable"]: x})


@pytest.mark.parametrize("name", some(CONVEX, 6))
def test_the_conjugate_is_the_supremum(name: str) -> None:
    claim, _ = proved(name, "conjugate")
    assert claim["verdict"] == "proved"
    assert isinstance(claim["value"], str)
    f, compared = formula(name), 0
    for s in (-3, -1.25, -1, -0.875, -0.5, -0.25, 0, 0.125, 0.5, 0.75, 1, 2.5):
        told = value(claim["value"], s=mpf(s), **{n: mpf(v) for n, v in CONVEX[name].items()})
        least, place = lowest(lambda x, s=s: f(x) - s * x)  # type: ignore[misc]
        if told == mp.inf:  # the supremum grows with the reach
            further, _ = lowest(lambda x, s=s: f(x) - s * x, 400.0)  # type: ignore[misc]
            assert further < least - 1, (name, s)
        else:
            # at an end of the slopes the supremum is approached, far out
            edge = abs(place) > 199
            assert abs(told + least) < (mpf("0.05") if edge else mpf(10) ** -12), (name, s, told, -least)
            compared += not edge
    assert compared or name == "unhinged"


@pytest.mark.parametrize("name", some(CONVEX, 6))
def test_the_proximal_point_is_the_minimizer(name: str) -> None:
    claim, _ = proved(name, "prox")
    assert claim["verdict"] == "proved"
    f, given = formula(name), {n: mpf(v) for n, v in CONVEX[name].items()}
    variable = statement(name)["variable"]
    for step in (mpf(1) / 4, mpf(2)):
        for v in (-5, -2.25, -1, -0.25, 0, 0.5, 0.75, 1.75, 6):
            _, place = lowest(lambda x, v=v, step=step: f(x) + (x - v) ** 2 / (2 * step), 40.0)  # type: ignore[misc]
            names = {**given, "lambda_": step}
            if isinstance(claim["value"], str):
                assert abs(value(claim["value"], v=mpf(v), **names) - place) < mpf(10) ** -6
                continue
            left, _, right = claim["value"]["equation"].rpartition(" = ")
            assert right == "v"
            before, after = (value(left, **names, **{variable: place + d * mpf(10) ** -6}) - v for d in (-1, 1))
            assert before <= 0 <= after


def test_most_conjugates_have_a_formula() -> None:
    assert proved("huber", "conjugate")[0]["value"] == "s**2/2 if abs(s) <= delta else oo"
    assert proved("hinge", "conjugate")[0]["value"] == "s if -1 <= s <= 0 else oo"
    assert proved("absolute_error", "prox")[0]["value"] == (
        "v + lambda_ if v < -lambda_ else 0 if v <= lambda_ else v - lambda_"
    )
    s = mpf(-1) / 3  # the conjugate of the logistic loss is the negative entropy
    told = value(proved("logistic", "conjugate")[0]["value"], s=s)
    assert abs(told - (-s * mp.log(-s) + (1 + s) * mp.log(1 + s))) < mpf(10) ** -25


@pytest.mark.parametrize("name", ["tukey_biweight", "truncated_squared", "ramp", "zero_one", "savage"])
def test_a_loss_that_is_not_convex_has_neither(name: str) -> None:
    for prop in ("conjugate", "prox"):
        claim, _ = proved(name, prop)
        assert claim["verdict"] == "refuted"
        assert "value" not in claim
        assert falsify(statement(name), {prop: claim}, 1500) == []


# The calibration transform -----------------------------------------------------------------------

PSI: dict[str, Callable[[Any], Any]] = {
    "hinge": lambda t: t,
    "squared_hinge": lambda t: t**2,
    "squared_margin": lambda t: t**2,
    "modified_huber": lambda t: t**2,
    "binary_sparsemax": lambda t: t**2 / 4,
    "exponential": lambda t: 1 - mp.sqrt(1 - t**2),
    "logistic": lambda t: ((1 + t) * mp.log(1 + t) + ((1 - t) * mp.log(1 - t) if t < 1 else 0)) / 2,
    "log2_logistic": lambda t: ((1 + t) * mp.log(1 + t) + ((1 - t) * mp.log(1 - t) if t < 1 else 0)) / 2 / mp.log(2),
}


@pytest.mark.parametrize("name", PSI)
def test_psi_is_the_known_one(name: str) -> None:
    claim, _ = proved(name, "calibrated")
    for k in range(17):
        theta = mpf(k) / 16
        assert abs(value(claim["value"], theta=theta) - PSI[name](theta)) < mpf(10) ** -25, theta


@pytest.mark.parametrize("name", ["distance_weighted_discrimination", "smoothed_hinge"])
def test_psi_is_what_the_margin_gains(name: str) -> None:
    claim, _ = proved(name, "calibrated")
    about = statement(name)
    (parameter,) = about["parameters"]
    for p in (mpf(1) / 2, mpf(1), mpf(7) / 4, mpf(2), mpf(3)):
        f = lambda m, p=p: value(about["formula"], m=m, **{parameter: p})  # noqa: E731
        for theta in (mpf(1) / 8, mpf(1) / 2, mpf(7) / 8):
            least, _ = lowest(lambda a, t=theta, f=f: ((1 + t) * f(a) + (1 - t) * f(-a)) / 2)  # type: ignore[misc]
            told = value(claim["value"], theta=theta, **{parameter: p})
            assert abs(told - (f(mpf(0)) - least)) < mpf(10) ** -12, (p, theta)


def test_no_psi_is_claimed_of_a_loss_that_is_not_convex() -> None:
    assert "value" not in proved("sigmoid_loss", "calibrated")[0]
    assert "value" not in proved("unhinged", "calibrated")[0]  # theta = 0 alone has a minimizer


# What is elicited --------------------------------------------------------------------------------

STATISTICS: dict[str, dict[str, str]] = {
    "squared_error": {"statistic": "mean"},
    "absolute_error": {"statistic": "median"},
    "pinball": {"statistic": "quantile", "level": "tau"},
    "expectile": {"statistic": "expectile", "level": "tau"},
    "brier": {"statistic": "mean"},
    "binary_cross_entropy": {"statistic": "mean"},
    "poisson_log_link": {"statistic": "mean", "link": "exp(f)"},
    "log_quantile": {"statistic": "quantile", "level": "tau", "link": "exp(f)"},
    "binary_cross_entropy_logits": {"statistic": "mean", "link": "exp(z)/(exp(z) + 1)"},
}


@pytest.mark.parametrize("name", some(STATISTICS, 6))
def test_the_statistic_is_the_known_one(name: str) -> None:
    claim, _ = proved(name, "elicits")
    assert (claim["verdict"], claim["value"]) == ("proved", STATISTICS[name])
    assert falsify(statement(name), {"elicits": claim}, 2000) == []


@pytest.mark.parametrize("name", ["huber", "linex", "log_cosh", "epsilon_insensitive", "squared_percentage_error"])
def test_the_mean_slope_vanishes_at_the_minimizer(name: str) -> None:
    claim, _ = proved(name, "elicits")
    inner = claim["value"]["equation"].removeprefix("E[").removesuffix("] = 0")
    about, rng = statement(name), random.Random(5)
    given = {n: mpf(3) / 4 for n in about["parameters"]}
    ys = [fraction(rng.uniform(0.5, 6)) for _ in range(7)]

    def at(text: str, f: Any, y: Any) -> Any:
        return value(text, **given, f=f, y=y, r=f - y)

    _, place = lowest(lambda f: sum(at(about["formula"], f, y) for y in ys), 20.0)
    before, after = (sum(at(inner, place + d * mpf(10) ** -6, y) for y in ys) for d in (-1, 1))
    assert before <= 0 <= after
    assert falsify(about, {"elicits": claim}, 2000) == []


@pytest.mark.parametrize("name", ["cauchy", "tukey_biweight", "truncated_squared", "geman_mcclure"])
def test_a_vanishing_mean_slope_may_mislead(name: str) -> None:
    claim, certificate = proved(name, "elicits")
    assert claim["verdict"] == "refuted"
    check(statement(name), claim, certificate)


def test_properties_are_absent_where_they_have_no_meaning() -> None:
    assert {"conjugate", "prox", "elicits"} <= {*applicable(statement("huber"))}
    assert "elicits" not in applicable(statement("hinge"))
    assert not {"conjugate", "prox"} & {*applicable(statement("poisson_log_link"))}


# The weight of a proper loss ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "weight"),
    [
        ("brier", lambda p: 2),
        ("binary_cross_entropy", lambda p: 1 / (p * (1 - p))),
        ("brier_logits", lambda p: 2),
        ("binary_cross_entropy_logits", lambda p: 1 / (p * (1 - p))),
    ],
)
def test_the_weight_is_the_known_one(name: str, weight: Callable[[Any], Any]) -> None:
    claim, _ = proved(name, "proper")
    for k in range(1, 16):
        p = mpf(k) / 16
        told = value(claim["value"], p=p, z=mp.log(p / (1 - p)))
        assert abs(told - weight(p)) < mpf(10) ** -20
    assert falsify(statement(name), {"proper": claim}, 2000) == []
    wrong = {**claim, "value": f"2*({claim['value']})"}
    assert falsify(statement(name), {"proper": wrong}, 2000)


# Wrong claims ------------------------------------------------------------------------------------

WRONG: dict[str, tuple[str, str, Any]] = {  # loss, property, the value that is claimed instead
    "a factor": ("huber", "conjugate", "s**2 if abs(s) <= delta else oo"),
    "too small a range": ("huber", "conjugate", "s**2/2 if abs(s) <= delta/2 else oo"),
    "too large a range": ("huber", "conjugate", "s**2/2 if abs(s) <= 2*delta else oo"),
    "no end of the range": ("huber", "conjugate", "s**2/2"),
    "an open end where it is closed": ("huber", "conjugate", "s**2/2 if abs(s) < delta else oo"),
    "another value at one slope": ("hinge", "conjugate", "1 if s == -1/2 else s if -1 <= s <= 0 else oo"),
    "another value at the end": (
        "logistic", "conjugate",
        "oo if s < -1 else 1 if s == -1 else log(s + 1)*s + log(s + 1) - log(-s)*s if s < 0 else 0 if s == 0 else oo",
    ),
    "an undefined end": ("exponential", "conjugate", "s*(1 - log(-s)) if s < 0 else log(s) if s == 0 else oo"),
    "infinite within the range": ("squared_error", "conjugate", "oo if s > 7 else s**2/4"),
    "the definition itself": ("squared_error", "conjugate", "s*r - r**2"),
    "no value": ("squared_error", "conjugate", None),
    "an equation of another loss": ("log_cosh", "conjugate", {"equation": "2*r = s"}),
    "an equation of its own answer": ("log_cosh", "conjugate", {"equation": "s = s"}),
    "an equation for something else": ("log_cosh", "conjugate", {"equation": "(exp(2*r) - 1)/(exp(2*r) + 1) = v"}),
    "an equation and more": ("log_cosh", "conjugate", {"equation": "(exp(2*r) - 1)/(exp(2*r) + 1) = s", "at": "0"}),
    "the step forgotten": ("squared_error", "prox", "v/3"),
    "the step inverted": ("squared_error", "prox", "v*lambda_/(lambda_ + 2)"),
    "no rest at the kink": ("absolute_error", "prox", "v + lambda_ if v < 0 else v - lambda_"),
    "another threshold": ("absolute_error", "prox", "v + lambda_ if v < -1 else 0 if v <= 1 else v - lambda_"),
    "wrong at one centre": (
        "absolute_error", "prox",
        "v + lambda_ if v < -lambda_ else 1 if v == 0 else 0 if v <= lambda_ else v - lambda_",
    ),
    "the proximal map of a half": ("huber", "prox", "v/(1 + lambda_)"),
    "an equation without the step": ("logistic", "prox", {"equation": "m - 1/(exp(m) + 1) = v"}),
    "another psi": ("hinge", "calibrated", "theta**2"),
    "psi of half the excess": ("exponential", "calibrated", "1 - sqrt(1 - theta**2/4)"),
    "psi wrong at 1": ("logistic", "calibrated", "log(1 - theta)/2 + log(theta + 1)/2 if theta < 1 else 1"),
    "psi wrong at 0": ("hinge", "calibrated", "1 if theta == 0 else theta"),
    "the other quantile": ("pinball", "elicits", {"statistic": "quantile", "level": "1 - tau"}),
    "the median": ("pinball", "elicits", {"statistic": "median"}),
    "no level": ("pinball", "elicits", {"statistic": "quantile"}),
    "the mean": ("expectile", "elicits", {"statistic": "mean"}),
    "the mean of a robust loss": ("huber", "elicits", {"statistic": "mean"}),
    "a level beyond 1": ("pinball", "elicits", {"statistic": "quantile", "level": "2"}),
    "a word more": ("pinball", "elicits", {"statistic": "quantile", "level": "tau", "link": "f"}),
    "another statistic": ("pinball", "elicits", {"statistic": "mode"}),
    "a statistic as text": ("squared_error", "elicits", "mean"),
    "another equation": ("huber", "elicits", {"statistic": "equation", "equation": "E[r] = 0"}),
    "an equation for 1": ("linex", "elicits", {"statistic": "equation", "equation": "E[a*(exp(r*a) - 1)] = 1"}),
    "no link": ("poisson_log_link", "elicits", {"statistic": "mean"}),
    "a link that falls": ("poisson_log_link", "elicits", {"statistic": "mean", "link": "exp(-f)"}),
    "the median through a link": ("log_quantile", "elicits", {"statistic": "median", "link": "exp(f)"}),
    "the quantile without its link": ("log_quantile", "elicits", {"statistic": "quantile", "level": "tau"}),
    "another weight": ("brier", "proper", "1"),
}  # fmt: skip


@pytest.mark.parametrize("kind", some(WRONG, 3))
def test_a_wrong_value_is_refused(kind: str) -> None:
    name, prop, told = WRONG[kind]
    claim, certificate = proved(name, prop)
    check(statement(name), claim, certificate)
    wrong = {k: v for k, v in claim.items() if k != "value"} | ({} if told is None else {"value": told})
    with pytest.raises(Unproved):
        check(statement(name), wrong, certificate)


SEEN = [k for k in WRONG if k not in (
    "an open end where it is closed", "another value at one slope", "another value at the end", "an undefined end",
    "the definition itself", "no value", "an equation of its own answer", "an equation for something else",
    "an equation and more", "wrong at one centre", "psi wrong at 1", "no level", "a word more", "another statistic",
    "a statistic as text", "an equation for 1", "no link", "a link that falls", "infinite within the range",
    "a level beyond 1", "too large a range",
)]  # fmt: skip


@pytest.mark.parametrize("kind", some(SEEN, 3))
def test_the_falsifier_contradicts_what_points_can_show(kind: str) -> None:
    name, prop, told = WRONG[kind]
    assert falsify(statement(name), {prop: {"verdict": "proved", "value": told}}, 2000)


Change = Callable[[dict[str, Any]], object]


def leaf(certificate: dict[str, Any]) -> dict[str, Any]:
    node = certificate["tree"]
    while "split" in node:
        node = next(p for p in node["parts"] if p is not None)
    assert isinstance(node, dict)
    return node


def without(node: dict[str, Any], j: int) -> None:
    """A breakpoint less."""
    del node["at"][j]
    del node["charts"][j]
    if "zero" in node:
        node["zero"] = node["at"].index("0") if "0" in node["at"] else 0


SPOILT: dict[str, tuple[str, str, Change]] = {
    "a kink forgotten": ("hinge", "conjugate", lambda c: without(leaf(c), leaf(c)["at"].index("1"))),
    "a kink of the proximal map forgotten": ("hinge", "prox", lambda c: without(leaf(c), leaf(c)["at"].index("1"))),
    "a breakpoint too many, out of order": ("hinge", "prox", lambda c: leaf(c).update(at=["1", "0"])),
    "another chart": ("huber", "conjugate", lambda c: leaf(c).update(charts=[["log", "delta", False]] * 3)),
    "no tree": ("huber", "conjugate", lambda c: c.update(tree=None)),
    "of another property": ("huber", "conjugate", lambda c: c.update(property="prox")),
    "a stratum left out": ("huber", "prox", lambda c: c["tree"].update(parts=[])),
    "zero of another breakpoint": ("hinge", "calibrated", lambda c: leaf(c).update(zero=2)),
    "not shown to be convex": ("hinge", "calibrated", lambda c: leaf(c).pop("convex")),
    "a target left out": ("squared_percentage_error", "elicits", lambda c: leaf(c).update(targets=[])),
    "an end of the targets left out": (
        "label_smoothed_binary_cross_entropy", "elicits", lambda c: leaf(c)["targets"].pop(),
    ),
    "evidence of the wrong side": (
        "cauchy", "elicits", lambda c: leaf(c)["evidence"].__setitem__(1, leaf(c)["evidence"][2]),
    ),
    "evidence in a negative cell": (
        "truncated_squared", "elicits", lambda c: leaf(c)["evidence"].__setitem__(2, [-1, "low"]),
    ),
    "evidence of another kind": ("truncated_squared", "elicits", lambda c: leaf(c)["evidence"].__setitem__(0, "seen")),
}  # fmt: skip


@pytest.mark.parametrize("kind", some(SPOILT, 3))
def test_a_spoilt_certificate_is_refused(kind: str) -> None:
    name, prop, change = SPOILT[kind]
    claim, certificate = proved(name, prop)
    spoilt = json.loads(json.dumps(certificate))
    change(spoilt)
    assert spoilt != certificate
    with pytest.raises(Unproved):
        check(statement(name), claim, spoilt)


def test_a_part_of_the_targets_shows_nothing_of_all() -> None:
    """The mean of y > 1 alone: a tree that cuts the targets of `elicits` is refused."""
    claim, certificate = proved("poisson_log_link", "elicits")
    node = certificate["tree"]
    cut = {"split": "y", "at": [], "weak": True, "parts": [node]}
    with pytest.raises(Unproved):
        check(statement("poisson_log_link"), claim, {**certificate, "tree": cut})


def test_a_parameter_with_the_name_of_the_variable_is_refused() -> None:
    about = {**statement("huber"), "parameters": {"s": "(0, oo)"}}
    about["formula"] = about["formula"].replace("delta", "s")
    assert Prover(about, "conjugate").claim()[0]["verdict"] == "undecided"
    assert Prover(about, "prox").claim()[0]["verdict"] == "proved"


def test_the_claims_of_a_loss_that_is_not_convex_cannot_be_proved() -> None:
    """The certificate of a convex loss, bound to another formula, does not go through."""
    from lossforge.derive.checker import digest

    claim, certificate = proved("huber", "conjugate")
    for name in ("tukey_biweight", "cauchy"):
        about = {**statement("huber"), "formula": statement(name)["formula"].replace("c", "delta")}
        about["formula"] = about["formula"].replace("delta", "c") if name == "cauchy" else about["formula"]
        about["parameters"] = {"c" if name == "cauchy" else "delta": "(0, oo)"}
        forged = json.loads(json.dumps(certificate).replace("delta", "c" if name == "cauchy" else "delta"))
        told = {**claim, "value": claim["value"].replace("delta", "c" if name == "cauchy" else "delta")}
        with pytest.raises(Unproved):
            check(about, told, {**forged, "loss": digest(about)})


# A checker that leaves something out -------------------------------------------------------------

FAULTS: dict[str, tuple[str, Callable[..., Any], str]] = {  # what is left out, and the wrong claim that then passes
    "rest at the kinks": ("resting", lambda *a, **k: None, "another value at one slope"),
    "the cells": ("along", lambda *a, **k: None, "wrong between kinks"),
    "open intervals": ("between", lambda *a, **k: None, "too large a range"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_step_left_out_is_seen(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    part, without_it, kind = FAULTS[fault]
    told = "s**2/2 if s == delta or s == -delta or s == 0 else s**2 if abs(s) < delta else oo"
    wrongs = {**WRONG, "wrong between kinks": ("huber", "conjugate", told)}
    name, prop, told = wrongs[kind]
    claim, certificate = proved(name, prop)
    wrong = {**claim, "value": told}
    with pytest.raises(Unproved):
        check(statement(name), wrong, certificate)
    monkeypatch.setattr(duality, part, without_it)
    check(statement(name), wrong, certificate)


def test_the_transform_is_not_claimed_from_a_part_of_theta(monkeypatch: pytest.MonkeyPatch) -> None:
    name, prop, told = WRONG["another psi"]
    claim, certificate = proved(name, prop)
    monkeypatch.setattr(duality, "resting", lambda *a, **k: None)
    check(statement(name), {**claim, "value": told}, certificate)  # the faulty checker takes theta**2 for |theta|
    assert falsify(statement(name), {prop: {**claim, "value": told}}, 1500)
