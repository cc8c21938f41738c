"""The atoms and rewritings of the losses for two classes: exact, accurate, and not overeager."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
import sympy as sp
from extent import some
from sympy import Rational, Symbol, log, tanh

import lossforge as lf
from lossforge.derive.homogeneous import homogeneous
from lossforge.derive.recognise import recognise
from lossforge.spec import atoms
from lossforge.spec.atoms import ATOMS, define_atoms, sigmoid, softplus
from lossforge.spec.text import parse

x = Symbol("x", real=True)
y, c, g = sp.symbols("y c g", real=True)
FOCAL = ("focal_term", "focal_term_slope", "focal_term_curvature")
ROWS = ("softplus_excess", *FOCAL, *(f"co{name}" for name in FOCAL))


def exact(e: sp.Expr, values: dict[sp.Symbol, Any]) -> mpmath.mpf:
    with mpmath.workdps(60):
        return sp.N(define_atoms(e).subs(values), 60)


@pytest.mark.parametrize("name", some(ROWS, 3))
def test_stable_form_and_derivatives_are_those_of_the_definition(name: str) -> None:
    row = ATOMS[name]
    arity = len(row.derivatives)
    symbols = [sp.Symbol(f"v{i}", real=True) for i in range(arity)]
    for point in ((Rational(3, 7), Rational(5, 3), Rational(2, 9)), (Rational(1), Rational(1, 3), Rational(7, 8))):
        at = dict(zip(symbols, point[-arity:], strict=True))
        definition = row.definition(*symbols)
        assert row.stable is not None
        assert abs(exact(row.stable(*symbols), at) - exact(definition, at)) < 1e-15  # a series ends somewhere
        for i, derivative in enumerate(row.derivatives):
            h = Rational(1, 10**20)
            moved = [{**at, symbols[i]: at[symbols[i]] + d} for d in (-h, h)]
            slope = (exact(definition, moved[1]) - exact(definition, moved[0])) / (2 * h)
            assert abs(exact(derivative(*symbols), at) - slope) < 1e-15 * (1 + abs(slope)), (name, i)


def test_softplus_excess_keeps_its_digits() -> None:
    excess = lf.compile(parse("y*softplus_excess(f)"))
    f = np.concatenate([np.linspace(-5, 5, 101), [-1e-3, -1.0, -30.0, -300.0, 30.0, 700.0]])
    with mpmath.workdps(400):
        want = [mpmath.log1p(mpmath.exp(mpmath.mpf(v))) - 1 / (1 + mpmath.exp(-mpmath.mpf(v))) for v in f.tolist()]
    np.testing.assert_allclose(excess.loss(1.0, f), np.array([float(w) for w in want]), rtol=4e-15)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (sigmoid(x) - sigmoid(-x), atoms.tanh(x / 2)),
        (2 * sigmoid(x) - 1, atoms.tanh(x / 2)),
        (sigmoid(x) - y, (1 - y) * sigmoid(x) - y * sigmoid(-x)),
        (1 + c * (sigmoid(-x) - sigmoid(x)), (1 - c) * sigmoid(x) + (1 + c) * sigmoid(-x)),
        (sigmoid(x) ** 2 - sigmoid(x), -sigmoid(x) * sigmoid(-x)),
    ],
)
def test_homogeneous_form(before: sp.Expr, after: sp.Expr) -> None:
    found = homogeneous(before)
    assert found == after
    at = {x: Rational(-7, 3), y: Rational(1, 5), c: Rational(4, 3)}
    assert abs(exact(before - found, at)) < 1e-50


@pytest.mark.parametrize(
    "untouched",
    [
        (1 - y) * sigmoid(x) - y * sigmoid(-x),
        # Multiplied out, the coefficients would cancel for small c.
        ((1 - y) * (1 - c) + c / 2) * sigmoid(x) - (y * (1 - c) + c / 2) * sigmoid(-x),
        sigmoid(x) ** 2 + sigmoid(-x),
        sigmoid(x) - x,
        sigmoid(x) - sigmoid(y),
        sigmoid(x) ** g - sigmoid(-x),
        softplus(x) - sigmoid(x),
    ],
)
def test_homogeneous_form_leaves_alone(untouched: sp.Expr) -> None:
    assert homogeneous(untouched) is None


def test_what_is_recognised() -> None:
    assert recognise(1 - tanh(x)) == 2 * sigmoid(-2 * x)
    assert recognise(3 + 3 * tanh(x)) == 6 * sigmoid(2 * x)
    assert recognise(log(1 + sp.exp(x)) + c / (1 + sp.exp(-x))) == atoms.softplus_excess(x) + (1 + c) * sigmoid(x)
    positive = Symbol("positive", positive=True)
    plain = log(1 + sp.exp(x)) + positive / (1 + sp.exp(-x))
    assert recognise(plain) == softplus(x) + positive * sigmoid(x)
    p = Symbol("p", real=True)
    assert recognise(-y * (1 - p) ** g * log(p), (y,)) == atoms.focal_term(y, g, p)
    assert recognise(-y * p**g * log(1 - p), (y,)) == atoms.cofocal_term(y, g, p)
    assert recognise(-y * p**g * log(p), (y,)) == -(p**g) * atoms.xlogy(y, p)


def test_nothing_is_lost_at_the_ends_of_a_probability() -> None:
    """The limits from inside; 0*oo stood there term by term."""
    ends = np.array([0.0, 1.0])
    inf = np.inf
    expected = {
        0.0: ([inf, 0], [-inf, -1], [inf, 1]),
        0.5: ([inf, 0], [-inf, 0], [inf, inf]),
        1.0: ([inf, 0], [-inf, 0], [inf, 2]),
        2.0: ([inf, 0], [-inf, 0], [inf, 0]),
    }
    for backend in ("c", "numpy"):
        for gamma, outputs in expected.items():
            focal = lf.losses.focal_probability(backend=backend, gamma=gamma)
            for found, want in zip(focal.loss_gradient_hessian(np.ones(2), ends), outputs, strict=True):
                np.testing.assert_array_equal(found, want)
            mirrored = focal.loss_gradient_hessian(np.zeros(2), 1 - ends)
            for found, want, sign in zip(mirrored, outputs, (1, -1, 1), strict=True):
                np.testing.assert_array_equal(found, sign * np.array(want))


def test_the_reciprocal_is_squared_after_the_division() -> None:
    """Where x**2 overflows, 1/x**2 is not yet 0."""
    gradient = lf.losses.tangent().gradient(1.0, 1.5e154)
    np.testing.assert_allclose(gradient, 4 * (np.pi - 1) / 1.5e154 / 1.5e154, rtol=1e-13)


def test_parameters_are_divided_first() -> None:
    """q/((q + 1)*m) at the largest m, where (q + 1)*m overflows."""
    loss = lf.losses.distance_weighted_discrimination(q=1 / 1024)
    largest = np.finfo(float).max
    m0 = mpmath.mpf(1) / 1025
    want = (m0 / mpmath.mpf(largest)) ** (mpmath.mpf(1) / 1024) * 1024 / 1025
    np.testing.assert_allclose(loss.loss(1.0, largest), float(want), rtol=1e-14)


def test_a_shifted_probability_keeps_its_digits_beside_its_root() -> None:
    """sigmoid(z) - c where it is nearly 0, also for c beside 1/2, where log(c/(1 - c)) is nearly 0 too."""
    for shift in (0.05, 0.5, 0.5 + 2.0**-30, 0.9):
        loss = lf.losses.asymmetric_focal(gamma_neg=0.0, shift=shift)
        root = float(mpmath.log(mpmath.mpf(shift) / (1 - mpmath.mpf(shift))))
        for step in (1e-3, 1e-9):
            z = root + step
            with mpmath.workdps(60):
                p = 1 / (1 + mpmath.exp(-mpmath.mpf(z)))
                want = float(-mpmath.log(1 - (p - mpmath.mpf(shift))))
            allowed = 1e-14 + 4 * np.spacing(abs(root)) / step  # what the rounding of the root itself may do
            np.testing.assert_allclose(loss.loss(0.0, z), want, rtol=allowed)
        assert loss.loss(0.0, root - 1e-6) == 0


def test_asymmetric_focal_without_shift_is_focal() -> None:
    z = np.array([-1.7e308, -800.0, -3.0, 0.0, 3.0, 800.0, 1.7e308])
    ours = lf.losses.asymmetric_focal(shift=0, gamma_pos=2, gamma_neg=2)
    focal = lf.losses.focal(gamma=2, alpha=0.5)
    for label in (0.0, 1.0):
        labels = np.full(z.size, label)
        for a, b in zip(ours.loss_gradient_hessian(labels, z), focal.loss_gradient_hessian(labels, z), strict=True):
            np.testing.assert_allclose(a, 2 * b, rtol=1e-14, atol=1e-300)
