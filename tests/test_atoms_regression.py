"""Atoms of the regression losses: exact in floating point over the whole range, and found in textbook formulas."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy as sp
from extent import some
from mpmath import mp, mpf

import lossforge as lf
from lossforge.derive.derivation import derive
from lossforge.spec import atoms
from lossforge.spec.text import parse

SIZES = [0.0, 5e-324, 1e-300, 1e-160, 1e-20, 1e-9, 1e-4, 0.01, 0.2, 0.3, 0.33, 0.49, 0.5, 0.51, 0.9, 1.0, 1.1, 2.5, 7.0,
         30.0, 40.0, 700.0, 1e4, 1e9, 1e20, 1e40, 1e100, 1e160, 1e300]  # fmt: skip
POSITIVE = np.array(SIZES)
REAL = np.concatenate([-POSITIVE[::-1], POSITIVE])
UNIT = np.concatenate([POSITIVE[POSITIVE < 1], [0.75, 0.999, 1 - 2.0**-50]])
ABOVE = np.concatenate([POSITIVE, [3 + 2.0**-40, -0.999]])
Exact = Callable[[Any], Any]

# formula in r, the points, the exact value; at most so many ulp, except beside roots of the function
CASES: dict[str, tuple[str, np.ndarray, Exact]] = {
    "expm1_gap": ("expm1_gap(r)", REAL[np.abs(REAL) < 701], lambda x: mp.exp(x) - 1 - x),
    "log1p_gap": ("log1p_gap(r)", np.concatenate([POSITIVE, -UNIT]), lambda x: x - mp.log(1 + x)),
    "saturation": ("saturation(r)", POSITIVE, lambda x: x / (1 + x)),
    "lorentzian_gap": ("lorentzian_gap(r)", REAL, lambda x: x**2 / (1 + x**2)),
    "power_gap": ("power_gap(r, 3)", np.concatenate([UNIT, -POSITIVE[POSITIVE < 1e90]]), lambda x: 1 - (1 - x) ** 3),
    "power_gap, real": ("power_gap(r, 5/2)", UNIT[UNIT < 0.99], lambda x: 1 - (1 - x) ** mpf("2.5")),
    "erlang_gap": ("erlang_gap(r)", POSITIVE, lambda x: 1 - (1 + x) * mp.exp(-x)),
    "versine": ("versine(r)", REAL[np.abs(REAL) < 3], lambda x: 1 - mp.cos(x)),
    "versine_turn": ("versine_turn(r, 3)", REAL, lambda x: 1 - mp.cos(2 * mp.pi * x / 3)),
    "sin_turn": ("sin_turn(r, 3)", REAL, lambda x: mp.sin(2 * mp.pi * x / 3)),
    "arctan_square": ("arctan_square(r)", REAL, lambda x: mp.atan(x**2)),
    "quartic": ("quartic(r)", REAL, lambda x: 1 / (1 + x**4)),
    "quartic_odd": ("quartic_odd(r)", REAL, lambda x: x / (1 + x**4)),
    "softplus_step, up": ("softplus_step(-3, r, 1/2)", POSITIVE, lambda x: (_softplus(2 * x - 6) - _softplus(-6)) / 2),
    "softplus_step, down": ("softplus_step(40, r, 1)", POSITIVE, lambda x: _softplus(x + 40) - _softplus(40)),
    "hypot1_power": ("hypot1_power(r, 1/4)", REAL, lambda x: (1 + x**2) ** (mpf(1) / 8)),
    "hypot1_slope": ("hypot1_slope(r, -2)", REAL, lambda x: x / (1 + x**2) ** 2),
    "hypot1_box_cox": ("hypot1_box_cox(r, 1/2)", REAL, lambda x: 2 * ((1 + x**2) ** mpf("0.25") - 1)),
    "hypot1_box_cox, down": ("hypot1_box_cox(r, -3)", REAL, lambda x: -((1 + x**2) ** mpf("-1.5") - 1) / 3),
    "hypot1_box_cox, 0": ("hypot1_box_cox(r, 0)", REAL, lambda x: mp.log(1 + x**2) / 2),
    "log1p_ratio": ("log1p_ratio(r, 3)", ABOVE, lambda x: mp.log((1 + x) / 4)),
    "exp_gap": ("exp_gap(r, 1)", REAL[np.abs(REAL) < 701], lambda x: mp.exp(x) - 1),
    "contrast": ("contrast(r, 3)", ABOVE[ABOVE > 0], lambda x: (x - 3) / (x + 3)),
}  # fmt: skip
LARGEST_ULP = 12


def _softplus(x: Any) -> Any:
    return mp.log(1 + mp.exp(x))


@pytest.mark.parametrize("backend", ["c", "numpy"])
@pytest.mark.parametrize("case", some(CASES, 3))
def test_exact_over_the_whole_range(case: str, backend: str) -> None:
    formula, points, exact = CASES[case]
    found = lf.compile(parse(formula), backend).loss(np.zeros_like(points), points)
    with mpmath.workdps(1400):
        wanted = [exact(mpf(x)) for x in points.tolist()]
        off = [abs(mpf(float(v)) - w) for v, w in zip(found, wanted, strict=True)]
        for x, error, w, v in zip(points, off, wanted, found, strict=True):
            if abs(w) < 2.0**1023:
                ulp = max(abs(w) * mpf(2) ** -52, mpf(2) ** -1074)
                assert error <= LARGEST_ULP * ulp, (x, float(v), mp.nstr(w, 20))


RECOGNISED = [
    ("exp(a*r) - a*r - 1", "expm1_gap"),
    ("a**2*(abs(r)/a - log(1 + abs(r)/a))", "log1p_gap"),
    ("r**2/(a**2 + r**2)", "lorentzian_gap"),
    ("r**2/(2*a**2 + 2*r**2)", "lorentzian_gap"),
    ("1 - (1 - r**2/a**2)**3", "power_gap"),
    ("1 - exp(-a*abs(r))*(1 + a*abs(r))", "erlang_gap"),
    ("a*(1 - cos(r/a))", "versine"),
    ("1 - cos(2*pi*r/a)", "versine_turn"),
    ("atan(r**2/a**2)", "arctan_square"),
    ("a*log(1 + exp((r**2 - 1)/a)) - a*log(1 + exp(-1/a))", "softplus_step"),
    ("(1 + (r/a)**2)**(b/2) - 1", "hypot1_box_cox"),
    ("(a + 1)/2*log(1 + r**2/a)", "log1p_square"),
    ("-log(4*exp(r)/(1 + exp(r))**2)", "log_cosh"),
]


@pytest.mark.parametrize(("formula", "atom"), RECOGNISED)
def test_textbook_formulas_are_recognised(formula: str, atom: str) -> None:
    loss = parse(formula, parameters=dict.fromkeys(re.findall(r"\b[ab]\b", formula), "(0, oo)"))
    stable = derive(loss).stable
    assert stable.has(atoms.FUNCTIONS[atom])
    r = next(d.symbol for d in loss.definitions)
    for at in (sp.Rational(-7, 3), sp.Rational(1, 5)):
        values = {r: at, **{p.symbol: sp.Rational(3, 4) for p in loss.parameters}}
        difference = atoms.define_atoms(stable) - loss.expression
        assert abs(sp.N(difference.subs(values), 40, maxn=400)) < 1e-30


@pytest.mark.parametrize(
    ("formula", "atom"),
    [
        ("exp(a*r) - r - 1", "expm1_gap"),
        ("2 - cos(r)", "versine"),
        ("1 + cos(r)", "versine"),
        ("1 - exp(-a*abs(r))*(1 + b*abs(r))", "erlang_gap"),
        ("a*log(1 + exp(r/a)) - b*log(1 + exp(-1/a))", "softplus_step"),
    ],
)
def test_what_only_looks_alike_is_left_alone(formula: str, atom: str) -> None:
    loss = parse(formula, parameters=dict.fromkeys(re.findall(r"\b[ab]\b", formula), "(0, oo)"))
    assert not derive(loss).stable.has(atoms.FUNCTIONS[atom])


@pytest.mark.parametrize("backend", ["c", "numpy"])
def test_no_early_overflow_or_underflow(backend: str) -> None:
    """A scale and an exponential, a square below a fraction, a scale and its quotient: each a number, not inf or 0."""

    def value(formula: str, at: float, **parameters: float) -> float:
        loss = parse(formula, parameters=dict.fromkeys(parameters, "(0, oo)"))
        return float(lf.compile(loss, backend, **parameters).loss(np.zeros(1), np.array([at]))[0])

    assert value("a*exp(r)", 712.0, a=0.01) == pytest.approx(float(mp.exp(712) / 100), rel=1e-12)
    assert value("exp(r)/a", 712.0, a=100.0) == pytest.approx(float(mp.exp(712) / 100), rel=1e-12)
    assert value("a*(exp(r) - 1)", 712.0, a=0.01) == pytest.approx(float(mp.exp(712) / 100), rel=1e-12)
    assert value("a*log(1 + exp(r/a))", 1e306, a=2.0**-10) == 1e306
    assert value("a**2*(abs(r)/a - log(1 + abs(r)/a))", 1e306, a=2.0**-10) == pytest.approx(1e306 / 1024)
    assert value("a**2*(abs(r)/a - log(1 + abs(r)/a))", 1e-150, a=1e20) == pytest.approx(5e-301)
    assert value("(1 + r**2/a**2)**(1/2*b)", 1e306, a=2.0**-10, b=0.5) == pytest.approx(
        float(mp.sqrt(mpf(1024)) * 1e153)
    )


@pytest.mark.parametrize("backend", ["c", "numpy"])
def test_a_parameter_that_is_0_annihilates_an_infinite_power(backend: str) -> None:
    hessian = lf.losses.power_error(backend=backend, q=1.0).hessian(np.zeros(3), np.array([0.0, 5e-324, -1.0]))
    np.testing.assert_array_equal(hessian, 0.0)
    assert lf.losses.power_error(backend=backend, q=1.5).hessian(np.zeros(1), np.zeros(1)) == np.inf


@pytest.mark.parametrize("backend", ["c", "numpy"])
def test_nan_reaches_a_hessian_that_depends_on_the_target_alone(backend: str) -> None:
    loss = lf.losses.squared_percentage_error(backend=backend)
    assert np.isnan(loss.hessian(np.ones(1), np.full(1, np.nan), check_domain=False)).all()
