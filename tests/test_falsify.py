"""Does the falsifier contradict what is false, and nothing that is true? The claims here are written by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from extent import some

from lossforge.cli.facts import FACTS
from lossforge.cli.main import lossforge
from lossforge.verify.falsify import Contradiction, falsify, falsify_facts, falsify_loss, joint
from lossforge.verify.falsify.study import Study

REALS = "(-oo, oo)"
POINTS = 1200  # a claim that needs more to be contradicted would be a poor one to plant

FORMULAS = {
    "squared": "r**2",
    "absolute": "abs(r)",
    "huber": "r**2/2 if abs(r) <= delta else delta*(abs(r) - delta/2)",
    "log_cosh": "log(cosh(r))",
    "pinball": "max(-tau*r, (1 - tau)*r)",
    "expectile": "abs(tau - (1 if r > 0 else 0))*r**2",
    "pseudo_huber": "delta**2*(sqrt(1 + (r/delta)**2) - 1)",
    "squared_insensitive": "max(abs(r) - epsilon, 0)**2",
    "insensitive": "max(abs(r) - epsilon, 0)",
    "cubic": "abs(r)**3",
    "welsch": "c**2/2*(1 - exp(-r**2/c**2))",
    "cauchy": "c**2/2*log(1 + r**2/c**2)",
    "truncated": "min(r**2, c**2)/2",
    "power": "abs(r)**q",
    "barron": "r**2/(2*c**2) if alpha == 2 else log(1 + r**2/(2*c**2)) if alpha == 0 "
    "else abs(alpha - 2)/alpha*((1 + (r/c)**2/abs(alpha - 2))**(alpha/2) - 1)",
    "linex": "exp(a*r) - a*r - 1",
    "periodic": "1 - cos(2*pi*r/c)",
    "zero_one": "1 if m <= 0 else 0",
    "perceptron": "max(0, -m)",
    "hinge": "max(0, 1 - m)",
    "squared_hinge": "max(0, 1 - m)**2",
    "logistic": "log(1 + exp(-m))",
    "exponential": "exp(-m)",
    "sigmoid": "1/(1 + exp(m))",
    "unhinged": "1 - m",
    "squared_margin": "(1 - m)**2",
    "dwd": "1 - m if m <= q/(q + 1) else q**q/(q + 1)**(q + 1)/m**q",
    "probit": "-log(ndtr(m))",
}
PARAMETERS = {
    "delta": "(0, oo)",
    "tau": "(0, 1)",
    "epsilon": "(0, oo)",
    "c": "(0, oo)",
    "q": "[1, oo)",
    "alpha": "(-oo, oo)",
    "a": "(0, oo)",
    "p": "(0, 3)",
}


def loss(name: str) -> dict[str, Any]:
    """The statement of a loss of the table above, or of one of the few with targets."""
    if name in WITH_TARGETS:
        return WITH_TARGETS[name]
    text = FORMULAS[name]
    words = {w for w in PARAMETERS if w in "".join(c if c.isalnum() or c == "_" else " " for c in text).split()}
    variable = "r" if "r" in "".join(c if c.isalnum() or c == "_" else " " for c in text).split() else "m"
    return statement(text, variable, {w: PARAMETERS[w] for w in sorted(words)})


def statement(
    text: str,
    variable: str,
    parameters: dict[str, str] | None = None,
    inputs: dict[str, str] | None = None,
    domain: str = REALS,
) -> dict[str, Any]:
    base = {"r": "residual", "m": "margin"}.get(variable)
    return {
        "formula": text,
        "definitions": {},
        "variable": variable,
        "base": base,
        "domain": domain,
        "inputs": inputs or {},
        "parameters": parameters or {},
    }


WITH_TARGETS = {
    "tweedie": statement(
        "exp(f) - y*f if p == 1 else y*exp(-f) + f if p == 2 else exp((2 - p)*f)/(2 - p) - y*exp((1 - p)*f)/(1 - p)",
        "f",
        {"p": "(0, 3)"},
        {"y": "[0, oo)"},
    ),
    "poisson": statement("exp(f) - y*f", "f", {}, {"y": "(0, oo)"}),
    "cross_entropy": statement("-y*log(p) - (1 - y)*log(1 - p)", "p", {}, {"y": "{0, 1}"}, "[0, 1]"),
    "brier": statement("(y - p)**2", "p", {}, {"y": "{0, 1}"}, "[0, 1]"),
    "absolute_probability": statement("abs(y - p)", "p", {}, {"y": "{0, 1}"}, "[0, 1]"),
    "logits": statement("log(1 + exp(z)) - y*z", "z", {}, {"y": "{0, 1}"}),
    "constant_score": statement("1 + 0*p + 0*y", "p", {}, {"y": "{0, 1}"}, "[0, 1]"),
    "barrier": statement("y*x - log(x)", "x", {}, {"y": "(0, oo)"}, "(0, oo)"),
}


def proved(value: Any = None, **more: Any) -> dict[str, Any]:
    return {"verdict": "proved"} | ({} if value is None else {"value": value}) | more


REFUTED: dict[str, Any] = {"verdict": "refuted"}


def when(condition: str, value: str | None = None) -> dict[str, Any]:
    return {"verdict": "conditional", "condition": condition} | ({} if value is None else {"value": value})


TRUE: dict[str, dict[str, dict[str, Any]]] = {
    "squared": {
        "convex": proved(),
        "strictly_convex": proved(),
        "strongly_convex": proved("2"),
        "smooth": proved("2"),
        "lipschitz": REFUTED,
        "bounded": REFUTED,
        "symmetric": proved(),
        "range": proved("[0, oo)"),
        "minimizer": proved("0"),
        "differentiable": proved("oo"),
        "quasiconvex": proved(),
        "redescending": REFUTED,
        "elicits": proved({"statistic": "mean"}),
        "conjugate": proved("s**2/4"),
        "prox": proved("v/(1 + 2*lambda)"),
        "self_concordant": proved("0"),
        "weakly_convex": proved("0"),
        "bounded_influence": REFUTED,
    },
    "absolute": {
        "convex": proved(),
        "strictly_convex": REFUTED,
        "strongly_convex": REFUTED,
        "lipschitz": proved("1"),
        "smooth": REFUTED,
        "differentiable": REFUTED,
        "continuous": proved(),
        "symmetric": proved(),
        "minimizer": proved("0"),
        "range": proved("[0, oo)"),
        "elicits": proved({"statistic": "median"}),
        "prox": proved("sign(v)*max(abs(v) - lambda, 0)"),
        "self_concordant": REFUTED,
    },
    "huber": {
        "convex": proved(),
        "strictly_convex": REFUTED,
        "strongly_convex": REFUTED,
        "lipschitz": proved("delta"),
        "smooth": proved("1"),
        "differentiable": proved("1"),
        "minimizer": proved("0"),
        "bounded_influence": proved("delta"),
        "redescending": REFUTED,
        "bounded": REFUTED,
        "symmetric": proved(),
        "conjugate": proved("s**2/2 if abs(s) <= delta else 1/0"),
    },
    "log_cosh": {
        "convex": proved(),
        "strictly_convex": proved(),
        "strongly_convex": REFUTED,
        "lipschitz": proved("1"),
        "smooth": proved("1"),
        "differentiable": proved("oo"),
        "range": proved("[0, oo)"),
        "bounded": REFUTED,
    },
    "pinball": {
        "convex": proved(),
        "lipschitz": proved("max(tau, 1 - tau)"),
        "minimizer": proved("0"),
        "symmetric": when("tau == 1/2"),
        "elicits": proved({"statistic": "quantile", "level": "tau"}),
        "differentiable": REFUTED,
    },
    "expectile": {
        "strongly_convex": proved("2*min(tau, 1 - tau)"),
        "smooth": proved("2*max(tau, 1 - tau)"),
        "elicits": proved({"statistic": "expectile", "level": "tau"}),
        "symmetric": when("tau == 1/2"),
    },
    "pseudo_huber": {
        "convex": proved(),
        "strictly_convex": proved(),
        "strongly_convex": REFUTED,
        "lipschitz": proved("delta"),
        "smooth": proved("1"),
        "differentiable": proved("oo"),
        "nonnegative": proved(),
    },
    "squared_insensitive": {
        "convex": proved(),
        "strictly_convex": REFUTED,
        "minimizer": proved("[-epsilon, epsilon]"),
        "differentiable": proved("1"),
        "smooth": proved("2"),
        "lipschitz": REFUTED,
    },
    "cubic": {
        "convex": proved(),
        "strictly_convex": proved(),
        "strongly_convex": REFUTED,
        "differentiable": proved("2"),
        "smooth": REFUTED,
    },
    "welsch": {
        "convex": REFUTED,
        "quasiconvex": proved(),
        "range": proved("[0, c**2/2)"),
        "bounded": proved("c**2/2"),
        "redescending": proved(),
        "weakly_convex": proved("2*exp(-3/2)"),
        "lipschitz": proved("c*exp(-1/2)/sqrt(2)"),
        "smooth": proved("1"),
        "bounded_influence": proved(),
    },
    "cauchy": {
        "convex": REFUTED,
        "weakly_convex": proved("1/8"),
        "redescending": proved(),
        "bounded": REFUTED,
        "lipschitz": proved("c/2"),
        "quasiconvex": proved(),
    },
    "truncated": {
        "range": proved("[0, c**2/2]"),
        "continuous": proved(),
        "differentiable": REFUTED,
        "weakly_convex": REFUTED,
        "lipschitz": proved("c"),
        "redescending": proved(),
        "quasiconvex": proved(),
    },
    "power": {
        "convex": proved(),
        "strictly_convex": when("q > 1"),
        "strongly_convex": when("q == 2", "2"),
        "lipschitz": when("q == 1", "1"),
        "smooth": when("q == 2", "2"),
        "minimizer": proved("0"),
    },
    "barron": {
        "convex": when("alpha >= 1"),
        "lipschitz": when("alpha <= 1"),
        "redescending": when("alpha < 1"),
        "bounded": when("alpha < 0", "-(2 - alpha)/alpha"),
        "minimizer": proved("0"),
    },
    "linex": {
        "convex": proved(),
        "strictly_convex": proved(),
        "lipschitz": REFUTED,
        "symmetric": REFUTED,
        "strongly_convex": REFUTED,
        "minimizer": proved("0"),
    },
    "periodic": {
        "quasiconvex": REFUTED,
        "convex": REFUTED,
        "bounded": proved("2"),
        "redescending": REFUTED,
        "lipschitz": proved("2*pi/c"),
        "weakly_convex": proved("4*pi**2/c**2"),
    },
    "zero_one": {
        "continuous": REFUTED,
        "lipschitz": REFUTED,
        "convex": REFUTED,
        "quasiconvex": proved(),
        "monotone": proved(),
        "upper_bounds_zero_one": proved(),
        "calibrated": proved(),
        "bounded": proved("1"),
        "range": proved("[0, 1]"),
        "minimizer": proved("(0, oo)"),
    },
    "perceptron": {
        "convex": proved(),
        "calibrated": REFUTED,
        "minimizer": proved("[0, oo)"),
        "upper_bounds_zero_one": REFUTED,
    },
    "hinge": {
        "convex": proved(),
        "calibrated": proved(),
        "upper_bounds_zero_one": proved(),
        "monotone": proved(),
        "minimizer": proved("[1, oo)"),
        "lipschitz": proved("1"),
        "range": proved("[0, oo)"),
    },
    "logistic": {
        "convex": proved(),
        "strictly_convex": proved(),
        "strongly_convex": REFUTED,
        "lipschitz": proved("1"),
        "smooth": proved("1/4"),
        "minimizer": proved("none"),
        "range": proved("(0, oo)"),
        "calibrated": proved(),
        "upper_bounds_zero_one": REFUTED,
        "monotone": proved(),
        "differentiable": proved("oo"),
        "self_concordant": REFUTED,
    },
    "exponential": {
        "calibrated": proved(),
        "minimizer": proved("none"),
        "lipschitz": REFUTED,
        "smooth": REFUTED,
        "upper_bounds_zero_one": proved(),
        "conjugate": proved("-s*log(-s) + s"),
    },
    "sigmoid": {
        "convex": REFUTED,
        "calibrated": proved(),
        "range": proved("(0, 1)"),
        "lipschitz": proved("1/4"),
        "redescending": proved(),
        "monotone": proved(),
        "quasiconvex": proved(),
    },
    "squared_margin": {"calibrated": proved(), "monotone": REFUTED, "upper_bounds_zero_one": proved()},
    "dwd": {
        "convex": proved(),
        "differentiable": proved("1"),
        "lipschitz": proved("1"),
        "calibrated": proved(),
        "monotone": proved(),
    },
    "probit": {"convex": proved(), "calibrated": proved(), "monotone": proved(), "smooth": proved("1")},
    "tweedie": {"convex": when("1 <= p and p <= 2")},
    "poisson": {
        "convex": proved(),
        "minimizer": proved("log(y)"),
        "elicits": proved({"statistic": "mean", "link": "log"}),
        "range": proved("[y - y*log(y), oo)"),
        "lipschitz": REFUTED,
        "strongly_convex": REFUTED,
    },
    "cross_entropy": {"proper": proved(), "strictly_proper": proved(), "convex": proved(), "nonnegative": proved()},
    "brier": {"proper": proved(), "strictly_proper": proved(), "strongly_convex": proved("2"), "bounded": proved("1")},
    "absolute_probability": {"proper": REFUTED, "strictly_proper": REFUTED},
    "logits": {"proper": proved(), "strictly_proper": proved(), "convex": proved(), "smooth": proved("1/4")},
    "constant_score": {"proper": proved(), "strictly_proper": REFUTED},
    "barrier": {"self_concordant": proved("1"), "convex": proved(), "minimizer": proved("1/y"), "smooth": REFUTED},
}

# Statements with claims that hold, across the catalogue.
C = "(0, oo)"
MORE: dict[str, tuple[dict[str, Any], dict[str, dict[str, Any]]]] = {
    "geman": (
        statement("r**2/(2*(c**2 + r**2))", "r", {"c": C}),
        {
            "bounded": proved("1/2"),
            "range": proved("[0, 1/2)"),
            "redescending": proved(),
            "convex": REFUTED,
            "quasiconvex": proved(),
            "lipschitz": proved("3*sqrt(3)/(16*c)"),
            "smooth": proved("1/c**2"),
            "weakly_convex": proved("1/(4*c**2)"),
        },
    ),
    "tukey": (
        statement("c**2/6*(1 - (1 - r**2/c**2)**3) if abs(r) <= c else c**2/6", "r", {"c": C}),
        {
            "bounded": proved("c**2/6"),
            "range": proved("[0, c**2/6]"),
            "redescending": proved(),
            "convex": REFUTED,
            "quasiconvex": proved(),
            "differentiable": proved("2"),
            "smooth": proved("1"),
            "weakly_convex": proved("4/5"),
            "lipschitz": proved("16*sqrt(5)*c/125"),
            "minimizer": proved("0"),
        },
    ),
    "fair": (
        statement("c**2*(abs(r)/c - log(1 + abs(r)/c))", "r", {"c": C}),
        {
            "convex": proved(),
            "strictly_convex": proved(),
            "lipschitz": proved("c"),
            "smooth": proved("1"),
            "differentiable": proved("2"),
            "strongly_convex": REFUTED,
            "bounded": REFUTED,
            "symmetric": proved(),
        },
    ),
    "arctan": (
        statement("c**2/2*atan(r**2/c**2)", "r", {"c": C}),
        {
            "range": proved("[0, pi*c**2/4)"),
            "bounded": proved("pi*c**2/4"),
            "redescending": proved(),
            "convex": REFUTED,
            "quasiconvex": proved(),
            "lipschitz": proved(bound="c"),
        },
    ),
    "andrews": (
        statement("c**2*(1 - cos(r/c)) if abs(r) <= pi*c else 2*c**2", "r", {"c": C}),
        {
            "range": proved("[0, 2*c**2]"),
            "bounded": proved("2*c**2"),
            "redescending": proved(),
            "differentiable": proved("1"),
            "smooth": proved("1"),
            "lipschitz": proved("c"),
            "weakly_convex": proved("1"),
        },
    ),
    "ramsay": (
        statement("(1 - exp(-a*abs(r))*(1 + a*abs(r)))/a**2", "r", {"a": C}),
        {
            "range": proved("[0, 1/a**2)"),
            "bounded": proved("1/a**2"),
            "redescending": proved(),
            "convex": REFUTED,
            "smooth": proved("1"),
            "lipschitz": proved("exp(-1)/a"),
            "weakly_convex": proved("exp(-2)"),
            "quasiconvex": proved(),
        },
    ),
    "student": (
        statement("(nu + 1)/2*log(1 + r**2/nu)", "r", {"nu": C}),
        {
            "redescending": proved(),
            "convex": REFUTED,
            "weakly_convex": proved("(nu + 1)/(8*nu)"),
            "smooth": proved("(nu + 1)/nu"),
            "lipschitz": proved("(nu + 1)/(2*sqrt(nu))"),
            "bounded": REFUTED,
            "strongly_convex": REFUTED,
        },
    ),
    "smoothpin": (
        statement("tau*r + alpha*log(1 + exp(-r/alpha))", "r", {"tau": "(0, 1)", "alpha": C}),
        {
            "convex": proved(),
            "strictly_convex": proved(),
            "smooth": proved("1/(4*alpha)"),
            "lipschitz": proved("max(tau, 1 - tau)"),
            "minimizer": proved("alpha*log((1 - tau)/tau)"),
            "strongly_convex": REFUTED,
        },
    ),
    "logistic_distance": (
        statement("-log(4*exp(r)/(1 + exp(r))**2)", "r"),
        {
            "convex": proved(),
            "lipschitz": proved("1"),
            "smooth": proved("1/2"),
            "symmetric": proved(),
            "range": proved("[0, oo)"),
            "strictly_convex": proved(),
        },
    ),
    "asym": (
        statement("a*r**2 if r > 0 else b*r**2", "r", {"a": C, "b": C}),
        {
            "strongly_convex": proved("2*min(a, b)"),
            "smooth": proved("2*max(a, b)"),
            "symmetric": when("a == b"),
            "convex": proved(),
            "minimizer": proved("0"),
        },
    ),
    "huberpin": (
        statement(
            "(tau if r < 0 else 1 - tau)*(r**2/2 if abs(r) <= delta else delta*(abs(r) - delta/2))",
            "r",
            {"tau": "(0, 1)", "delta": C},
        ),
        {
            "convex": proved(),
            "lipschitz": proved("delta*max(tau, 1 - tau)"),
            "smooth": proved("max(tau, 1 - tau)"),
            "differentiable": proved("1"),
        },
    ),
    "savage": (
        statement("1/(1 + exp(m))**2", "m"),
        {
            "convex": REFUTED,
            "range": proved("(0, 1)"),
            "calibrated": proved(),
            "monotone": proved(),
            "lipschitz": proved("8/27"),
        },
    ),
    "tangent": (
        statement("(2*atan(m) - 1)**2", "m"),
        {
            "convex": REFUTED,
            "calibrated": proved(),
            "monotone": REFUTED,
            "bounded": proved("(pi + 1)**2"),
            "range": proved("[0, (pi + 1)**2)"),
            "minimizer": proved("sin(1/2)/cos(1/2)"),
            "redescending": proved(),
        },
    ),
    "ramp": (
        statement("min(1, max(0, 1 - m))", "m"),
        {
            "convex": REFUTED,
            "calibrated": proved(),
            "range": proved("[0, 1]"),
            "lipschitz": proved("1"),
            "minimizer": proved("[1, oo)"),
        },
    ),
    "modhuber": (
        statement("max(0, 1 - m)**2 if m >= -1 else -4*m", "m"),
        {
            "convex": proved(),
            "calibrated": proved(),
            "lipschitz": proved("4"),
            "smooth": proved("2"),
            "differentiable": proved("1"),
            "minimizer": proved("[1, oo)"),
            "upper_bounds_zero_one": proved(),
        },
    ),
    "smoothhinge": (
        statement("0 if m >= 1 else (1 - m)**2/(2*gamma) if m >= 1 - gamma else 1 - m - gamma/2", "m", {"gamma": C}),
        {
            "convex": proved(),
            "calibrated": proved(),
            "lipschitz": proved("1"),
            "smooth": proved("1/gamma"),
            "differentiable": proved("1"),
            "upper_bounds_zero_one": REFUTED,
        },
    ),
    "tanh": (
        statement("1 - tanh(m)", "m"),
        {"range": proved("(0, 2)"), "lipschitz": proved("1"), "calibrated": proved(), "convex": REFUTED},
    ),
    "bce": (
        statement("-y*log(p) - (1 - y)*log(1 - p)", "p", {}, {"y": "[0, 1]"}, "[0, 1]"),
        {
            "proper": proved(),
            "strictly_proper": proved(),
            "convex": proved(),
            "strongly_convex": proved("1"),
            "lipschitz": REFUTED,
            "smooth": REFUTED,
            "minimizer": proved("y"),
        },
    ),
    "focal": (
        statement(
            "-y*(1 - p)**gamma*log(p) - (1 - y)*p**gamma*log(1 - p)",
            "p",
            {"gamma": "[0, oo)"},
            {"y": "{0, 1}"},
            "[0, 1]",
        ),
        {"strictly_proper": when("gamma == 0"), "nonnegative": proved(), "monotone": REFUTED},
    ),
    "gamma": (
        statement("f + y*exp(-f)", "f", {}, {"y": C}),
        {
            "convex": proved(),
            "minimizer": proved("log(y)"),
            "elicits": proved({"statistic": "mean", "link": "log"}),
            "strictly_convex": proved(),
            "range": proved("[1 + log(y), oo)"),
            "strongly_convex": REFUTED,
            "lipschitz": REFUTED,
        },
    ),
    "negbin": (
        statement("(y + 1/alpha)*log(1 + alpha*exp(f)) - y*f", "f", {"alpha": C}, {"y": "integers [0, oo)"}),
        {
            "convex": proved(),
            "strictly_convex": proved(),
            "strongly_convex": REFUTED,
            "elicits": proved({"statistic": "mean", "link": "log"}),
        },
    ),
    "probit": (
        statement("-y*log(ndtr(f)) - (1 - y)*log(ndtr(-f))", "f", {}, {"y": "{0, 1}"}),
        {"convex": proved(), "smooth": proved("1"), "lipschitz": REFUTED},
    ),
    "itakura": (
        statement("y/p - log(y/p) - 1", "p", {}, {"y": C}, C),
        {
            "convex": REFUTED,
            "minimizer": proved("y"),
            "quasiconvex": proved(),
            "range": proved("[0, oo)"),
            "elicits": proved({"statistic": "mean"}),
        },
    ),
    "bt": (
        statement("((1 + a*abs(r))**b - 1)/(a*b)", "r", {"a": C, "b": "(0, 1]"}),
        {"convex": when("b == 1"), "quasiconvex": proved(), "lipschitz": proved("1")},
    ),
    "cloglog": (
        statement("(1 - y)*exp(f) - y*log(1 - exp(-exp(f)))", "f", {}, {"y": "{0, 1}"}),
        {"convex": proved(), "strictly_convex": proved(), "nonnegative": proved()},
    ),
}

# loss, property, a false claim, the kind of the contradiction
HARD, FAR, SOFT = "contradicted", "unreached", "unconfirmed"
FALSE: list[tuple[str, str, dict[str, Any], str]] = [
    ("log_cosh", "strongly_convex", proved("1/100"), HARD),
    ("squared_insensitive", "strictly_convex", proved(), HARD),
    ("huber", "strictly_convex", proved(), HARD),
    ("cubic", "strongly_convex", proved("1/10"), HARD),
    ("cubic", "differentiable", proved("3"), HARD),
    ("cubic", "differentiable", proved("1"), FAR),
    ("cubic", "smooth", proved("100"), HARD),
    ("zero_one", "lipschitz", proved("1"), HARD),
    ("zero_one", "lipschitz", proved(), HARD),
    ("zero_one", "continuous", proved(), HARD),
    ("zero_one", "convex", proved(), HARD),
    ("dwd", "differentiable", proved("2"), HARD),
    ("sigmoid", "convex", proved(), HARD),
    ("sigmoid", "redescending", REFUTED, SOFT),
    ("sigmoid", "range", proved("[0, 1)"), FAR),
    ("tweedie", "convex", when("1 <= p and p <= 3"), HARD),
    ("tweedie", "convex", proved(), HARD),
    ("tweedie", "convex", when("1 <= p and p <= 3/2"), SOFT),
    ("barron", "convex", when("alpha >= 2"), SOFT),
    ("barron", "convex", when("alpha >= 0"), HARD),
    ("barron", "bounded", when("alpha < 0", "(2 - alpha)"), FAR),
    ("huber", "lipschitz", proved("0.98*delta"), HARD),
    ("huber", "lipschitz", proved("2*delta"), FAR),
    ("huber", "smooth", proved("2"), FAR),
    ("huber", "smooth", proved("0.98"), HARD),
    ("huber", "lipschitz", proved(bound="0.9*delta"), HARD),
    ("huber", "convex", REFUTED, SOFT),
    ("log_cosh", "lipschitz", proved("0.98"), HARD),
    ("log_cosh", "lipschitz", proved("2"), FAR),
    ("logistic", "smooth", proved("0.245"), HARD),
    ("logistic", "smooth", proved("1/2"), FAR),
    ("logistic", "lipschitz", REFUTED, SOFT),
    ("logistic", "strictly_convex", REFUTED, SOFT),
    ("logistic", "minimizer", proved("0"), HARD),
    ("logistic", "upper_bounds_zero_one", proved(), HARD),
    ("expectile", "strongly_convex", proved("2.05*min(tau, 1 - tau)"), HARD),
    ("expectile", "strongly_convex", proved("min(tau, 1 - tau)"), FAR),
    ("squared", "strongly_convex", REFUTED, SOFT),
    ("cauchy", "weakly_convex", proved("0.12"), HARD),
    ("cauchy", "weakly_convex", proved("1/4"), FAR),
    ("welsch", "weakly_convex", REFUTED, SOFT),
    ("welsch", "range", proved("[0, c**2/2]"), FAR),
    ("welsch", "range", proved("(0, c**2/2)"), HARD),
    ("welsch", "bounded", proved("0.49*c**2"), HARD),
    ("welsch", "bounded", proved("c**2"), FAR),
    ("welsch", "quasiconvex", REFUTED, SOFT),
    ("periodic", "quasiconvex", proved(), HARD),
    ("periodic", "redescending", proved(), HARD),
    ("squared", "bounded_influence", proved(), HARD),
    ("cauchy", "bounded", proved(), HARD),
    ("squared", "minimizer", proved("1/1000"), HARD),
    ("squared", "minimizer", proved("none"), HARD),
    ("insensitive", "minimizer", proved("0"), HARD),
    ("insensitive", "minimizer", proved("[-2*epsilon, epsilon]"), HARD),
    ("squared_insensitive", "minimizer", proved("[-epsilon/2, epsilon/2]"), HARD),
    ("poisson", "minimizer", proved("y"), HARD),
    ("poisson", "elicits", proved({"statistic": "mean"}), HARD),
    ("pinball", "elicits", proved({"statistic": "quantile", "level": "1 - tau"}), HARD),
    ("expectile", "elicits", proved({"statistic": "mean"}), HARD),
    ("pinball", "symmetric", proved(), HARD),
    ("pinball", "symmetric", REFUTED, SOFT),  # tau = 1/2
    ("pinball", "lipschitz", proved("min(tau, 1 - tau)"), HARD),
    ("squared_margin", "monotone", proved(), HARD),
    ("hinge", "monotone", REFUTED, SOFT),
    ("linex", "nonnegative", REFUTED, SOFT),
    ("unhinged", "nonnegative", proved(), HARD),
    ("perceptron", "calibrated", proved(), HARD),
    ("hinge", "calibrated", REFUTED, SOFT),
    ("absolute", "differentiable", proved("1"), HARD),
    ("absolute", "smooth", proved(), HARD),
    ("log_cosh", "differentiable", REFUTED, SOFT),
    ("absolute_probability", "proper", proved(), HARD),
    ("constant_score", "strictly_proper", proved(), HARD),
    ("brier", "proper", REFUTED, SOFT),
    ("barrier", "self_concordant", proved("9/10"), HARD),
    ("squared", "self_concordant", REFUTED, SOFT),
    ("squared", "conjugate", proved("s**2/2"), HARD),
    ("squared", "conjugate", proved("s**2/5"), HARD),
    ("squared", "prox", proved("v/(1 + lambda)"), HARD),
    ("power", "strictly_convex", when("q >= 1"), HARD),
    ("absolute", "conjugate", proved("oo"), HARD),
    ("absolute", "conjugate", proved("0 if s == -1 else 0 if s == 1 else oo"), HARD),
    ("squared", "convex", when("1 <"), "unreadable"),
    ("squared", "delightful", proved(), "unreadable"),
    ("squared", "lipschitz", proved("delta"), "unreadable"),
]


@pytest.mark.parametrize("name", some(TRUE, 6))
def test_no_true_claim_is_contradicted(name: str) -> None:
    assert falsify(loss(name), TRUE[name], POINTS) == []


@pytest.mark.parametrize("name", some(MORE, 6))
def test_no_true_claim_of_the_catalogue_is_contradicted(name: str) -> None:
    assert falsify(*MORE[name], POINTS) == []


@pytest.mark.parametrize(
    ("name", "prop", "claim", "kind"),
    some([pytest.param(*case, id=f"{case[0]}-{case[1]}-{i}") for i, case in enumerate(FALSE)], 4),
)
def test_a_false_claim_is_contradicted(name: str, prop: str, claim: dict[str, Any], kind: str) -> None:
    found = falsify(loss(name), {prop: claim}, POINTS)
    assert {c.kind for c in found if c.property == prop} >= {kind}, found


# Losses that come nearer to 0 than 1000 digits tell, and are higher there all the same.
NEARLY = [
    "exp(-1/m) if m > 0 else 0", "1 + exp(-1/m) if m > 0 else 1", "log(1 + exp(-1/m)) if m > 0 else 0",
    "1 - tanh(1/m) if m > 0 else 0", "erfc(1/m) if m > 0 else 0", "2**(-1/m) if m > 0 else 0",
    "1/(1 + exp(1/m)) if m > 0 else 0", "exp(-1/m)**2 if m > 0 else 0", "1 - exp(-exp(-1/m)) if m > 0 else 0",
]  # fmt: skip


@pytest.mark.parametrize("text", some(NEARLY, 6))
def test_what_is_tiny_is_not_taken_for_nothing(text: str) -> None:
    assert falsify(statement(text, "m"), {"minimizer": proved("(-oo, 0]")}, POINTS) == []


ABSORBED = "-y*log(1/(1 + exp(-z))) - (1 - y)*log(1 - 1/(1 + exp(-z))) + epsilon*(1 - y)/(1 + exp(-z))"


def test_rounding_that_is_the_same_at_every_precision_contradicts_nothing() -> None:
    """At z = -1000, log(1 - exp(-1000)) is 0 to 80 and to 160 digits, and leaves the concave epsilon*exp(z)."""
    about = statement(ABSORBED, "z", {"epsilon": "[-1, 0]"}, {"y": "{0}"})
    assert falsify(about, {"nonnegative": proved(), "convex": proved()}, POINTS) == []


def test_what_cannot_be_seen_is_not_doubted() -> None:
    about = statement("exp(exp(exp(10*abs(r))))", "r")
    assert falsify(about, {"lipschitz": REFUTED, "bounded": REFUTED}, POINTS) == []


def test_what_is_equal_is_seen_beside_what_is_tiny() -> None:
    """The functions are transcendental: only their values to 1000 digits say that they are constant."""
    flat = statement("exp(-1/m) if m > 0 else exp(m)*exp(1 - m) - exp(1)", "m")
    assert [c.kind for c in falsify(flat, {"minimizer": proved("0")}, POINTS)] == [HARD]


def test_undecided_says_nothing() -> None:
    assert falsify(loss("zero_one"), {"convex": {"verdict": "undecided"}}) == []


def test_a_contradiction_can_be_followed() -> None:
    (first, *_) = falsify(loss("huber"), {"lipschitz": proved("0.9*delta")}, POINTS)
    assert isinstance(first, Contradiction)
    delta, (a, b) = float(first.at["delta"]), (float(x) for x in first.at["r"].split(","))
    f = lambda r: r * r / 2 if abs(r) <= delta else delta * (abs(r) - delta / 2)  # noqa: E731
    assert abs(f(b) - f(a)) > 0.9 * delta * (b - a) * (1 - 1e-9)


def test_a_witness_says_where_to_look() -> None:
    bump = statement("r**2 + exp(-(10000*(r - 12345.678))**2)", "r")
    witness = {"points": ["12345.6779", "12345.678", "12345.6781"]}
    assert [c.kind for c in falsify(bump, {"convex": REFUTED}, POINTS)] == [SOFT]
    assert falsify(bump, {"convex": {**REFUTED, "witness": witness}}, POINTS) == []


def test_the_same_call_finds_the_same() -> None:
    claims = {"lipschitz": proved("2*delta"), "strictly_convex": proved()}
    assert falsify(loss("huber"), claims, POINTS) == falsify(loss("huber"), claims, POINTS)


# Values by cases ---------------------------------------------------------------------------------

CASES = {
    "logits": {
        "minimizer": proved("none if y == 0 or y == 1 else log(y) - log(1 - y)"),
        "range": proved("(0, oo) if y == 0 or y == 1 else [-y*log(y) - (1 - y)*log(1 - y), oo)"),
    },
    "weighted": {
        "minimizer": proved("(-oo, oo) if a == 0 and b == 0 else (-oo, 0] if a == 0 else [0, oo) if b == 0 else 0"),
        "range": proved("[0, 0] if a == 0 and b == 0 else [0, oo)"),
        "lipschitz": proved("max(a, b)"),
    },
    "labelled": {"lipschitz": proved("c if y == 1 else 1"), "minimizer": proved("tan(0)")},
    "focal": {"bounded": REFUTED},
}
BY_CASE = {
    "logits": statement("log(1 + exp(z)) - y*z", "z", {}, {"y": "[0, 1]"}),
    "weighted": statement("max(-a*r, b*r)", "r", {"a": "[0, oo)", "b": "[0, oo)"}),
    "labelled": statement("abs(f)*(c if y == 1 else 1)", "f", {"c": "(0, oo)"}, {"y": "{-1, 1}"}),
    # Where z is 1000, p is 1 to 40 digits, and log(1 - p) has no value that could be seen.
    "focal": statement(
        "-alpha*y*(1 - 1/(1 + exp(-z)))**2*log(1/(1 + exp(-z)))"
        " - (1 - alpha)*(1 - y)*(1/(1 + exp(-z)))**2*log(1 - 1/(1 + exp(-z)))",
        "z", {"alpha": "[0, 1/2]"}, {"y": "{0, 1}"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_value_may_have_cases(name: str) -> None:
    assert falsify(BY_CASE[name], CASES[name], POINTS) == []


@pytest.mark.parametrize(
    ("name", "prop", "value", "kind"),
    [
        ("logits", "minimizer", "none if y == 0 else log(y) - log(1 - y) if y < 1 else 0", HARD),
        ("logits", "range", "[0, oo) if y == 0 or y == 1 else [-y*log(y) - (1 - y)*log(1 - y), oo)", FAR),
        ("logits", "range", "(0, oo) if y == 0 or y == 1 else [1, oo)", HARD),
        ("logits", "range", "(0, oo) if y == 0", "unreadable"),
        ("weighted", "minimizer", "[0, oo) if a == 0 else 0", HARD),
        ("weighted", "range", "[0, 1] if a == 0 else [0, oo)", HARD),
        ("labelled", "lipschitz", "2*c if y == 1 else 1", FAR),
        ("labelled", "lipschitz", "c if y == -1 else 1", HARD),
    ],
)
def test_each_case_is_held_against_the_samples(name: str, prop: str, value: str, kind: str) -> None:
    assert kind in {c.kind for c in falsify(BY_CASE[name], {prop: proved(value)}, POINTS)}


@pytest.mark.parametrize(
    ("at", "r"), [("r = c", "c"), ("r -> 3*c from above", "3*c"), ("0 < r, then 1/c < r < c", "(1/c)*2/4 + (c)*2/4")]
)
def test_the_places_of_a_witness_are_looked_at(at: str, r: str) -> None:
    about = statement("r**2/c", "r", {"c": C})
    claims = {"convex": {**REFUTED, "witness": {"at": at, "what": "the value is r"}}}
    assert r in Study(about, claims, 100, 0).hints


# Whole losses, and the command line --------------------------------------------------------------


def facts(
    text: str, predictions: dict[str, str], target: str, properties: dict[str, Any], size: str | None = None
) -> dict[str, Any]:
    """Facts as in generated/facts, as far as the falsifier reads them."""
    arguments = {"y": {"role": "target", "domain": target}}
    arguments |= {n: {"role": "prediction", "domain": d} for n, d in predictions.items()}
    return {
        "formula": {"text": text}, "definitions": {}, "base": None, "size": size, "parameters": {},
        "arguments": arguments, "properties": properties,
    }  # fmt: skip


SOFTMAX = "-sum(y[k]*log(exp(f[k])/sum(exp(f[j]), j)), k)"
WHOLE: dict[str, tuple[dict[str, Any], list[str]]] = {  # facts, and the properties that are false
    "absolute": (facts("abs(f - y)", {"f": REALS}, REALS, {"convex": proved(), "smooth": proved("1")}), ["smooth"]),
    "gaussian": (
        facts(
            "log_sigma + exp(-2*log_sigma)*(y - mu)**2/2", {"mu": REALS, "log_sigma": REALS}, REALS,
            {"convex": REFUTED, "convex_in_mu": proved(), "nonnegative": proved(), "convex_in_log_sigma": REFUTED},
        ),
        ["nonnegative", "convex_in_log_sigma"],
    ),
    "softmax": (
        facts(
            SOFTMAX, {"f": f"{REALS}^K"}, "one_hot(K)",
            {"convex": proved(), "strictly_convex": proved(), "lipschitz": proved("1/2"), "delightful": proved()},
            "K",
        ),
        ["strictly_convex", "lipschitz", "delightful"],
    ),
    "atoms": (
        facts(
            "log1p_square(a) + erfc(b)", {"a": REALS, "b": REALS}, REALS,
            {"nonnegative": proved(), "convex": proved()},
        ),
        ["convex"],
    ),
    "unknown": (facts("gamma(a) + b", {"a": REALS, "b": REALS}, REALS, {"convex": proved()}), ["convex"]),
    "vectors": (facts("sum(f[k] + g[k], k)", {"f": "a", "g": "b"}, REALS, {"convex": proved()}, "K"), ["convex"]),
    "undecided": (facts("abs(f)", {"f": REALS}, REALS, {"convex": {"verdict": "undecided"}}), []),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_one_call_covers_losses_of_every_kind(name: str) -> None:
    about, false = WHOLE[name]
    assert list(dict.fromkeys(c.property for c in falsify_loss(about, 200))) == false


def test_a_condition_that_is_never_met_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joint, "TRIES", 50)
    about = facts("a**2 + c*b**2", {"a": REALS, "b": REALS}, REALS, {"convex": when("c < -1")})
    about["parameters"] = {"c": {"domain": C}}
    assert [c.kind for c in falsify_loss(about, 50)] == ["unreadable"]
    about["parameters"] = {"c": {"domain": REALS}}
    about["properties"] = {"convex": when("c == 3/17 or c == 17")}
    assert falsify_loss(about, 50) == []


def test_a_folder_of_facts(tmp_path: Path) -> None:
    for name in ("absolute", "softmax", "undecided"):
        (tmp_path / f"{name}.json").write_text(json.dumps(WHOLE[name][0]), encoding="utf-8")
    (tmp_path / "index.json").write_text("{}", encoding="utf-8")
    told: list[tuple[int, int]] = []
    found = falsify_facts(tmp_path, 200, jobs=2, tell=lambda done, total: told.append((done, total)))
    assert {n: list(dict.fromkeys(c.property for c in cs)) for n, cs in found.items()} == {
        name: WHOLE[name][1] for name in ("absolute", "softmax", "undecided")
    }
    assert told == [(n, 3) for n in range(4)]
    assert found == falsify_facts(tmp_path, 200, jobs=1)


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(lossforge, [str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder like generated/, with one loss."""
    (tmp_path / "facts" / "certificates").mkdir(parents=True)
    lemmas = (f"certificates/{path.name}" for path in (FACTS / "certificates").glob("huber.*.json"))
    for path in ("huber.json", "certificates/huber.json", *lemmas):
        (tmp_path / "facts" / path).write_bytes((FACTS / path).read_bytes())
    return tmp_path


def test_check_falsifies_the_claims(folder: Path) -> None:
    for place in ("huber", folder):
        done = call("check", "--proofs", "--falsify", place, "--points", "500", "--jobs", "1")
        assert done.exit_code == 0, done.output
        claims = len(json.loads((FACTS / "huber.json").read_text(encoding="utf-8"))["properties"])
        assert f"{claims} claims of 1 losses at 500 points: 0 contradictions" in done.stdout


def test_check_reports_a_planted_wrong_fact(folder: Path) -> None:
    path = folder / "facts" / "huber.json"
    known = json.loads(path.read_text(encoding="utf-8"))
    known["properties"]["lipschitz"]["value"] = "delta/2"
    path.write_text(json.dumps(known), encoding="utf-8")
    done = call("check", "--proofs", "--falsify", folder, "--points", "500", "--jobs", "1")
    assert done.exit_code == 1
    (line, *_) = [text for text in done.stdout.splitlines() if text.startswith("  lipschitz contradicted at delta = ")]
    assert line.endswith(": a difference quotient is larger")
    assert "1 of 1 losses have contradicted claims" in done.stderr
    done = call("check", "--proofs", "--falsify", folder, "--points", "500", "--jobs", "1", "--json")
    assert done.exit_code == 1
    document = json.loads(done.stdout)
    (found,) = document["losses"].values()
    assert not document["ok"] and not found["ok"]
    assert document["points"] == 500 and document["contradictions"] == len(found["contradictions"]) >= 1
    assert {c["property"] for c in found["contradictions"]} == {"lipschitz"}
    assert set(found["contradictions"][0]["at"]) == {"delta", "r"}


def test_falsify_goes_with_proofs() -> None:
    done = call("check", "--falsify", "huber")
    assert done.exit_code == 2
    assert "--proofs --falsify" in done.output


def test_the_falsifier_knows_neither_the_prover_nor_sympy() -> None:
    code = (
        "import sys, lossforge.verify.falsify\n"
        "known = [m for m in sys.modules if m.startswith(('sympy', 'flint', 'lossforge.derive', 'lossforge.spec'))]\n"
        "sys.exit(str(known or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == ""
