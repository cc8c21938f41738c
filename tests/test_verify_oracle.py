"""Is the oracle itself right? Against closed forms of mpmath at 1000 digits, and at the hard points."""

from __future__ import annotations

import mpmath
import pytest
import sympy as sp
from mpmath.libmp import from_float, to_float

from lossforge.spec.atoms import log_cosh, sigmoid, softplus, xlog1py, xlogy
from lossforge.verify import intervals as iv
from lossforge.verify.differences import Axis, Point, all_derivatives
from lossforge.verify.oracle import Oracle, OracleError

y, f, delta = sp.symbols("y f delta", real=True)
g = sp.Symbol("gamma", real=True)
INF = float("inf")
LOGISTIC = softplus(-y * f)
CROSS_ENTROPY = -xlogy(y, f) - xlog1py(1 - y, -f)
HUBER = sp.Piecewise(((f - y) ** 2 / 2, sp.Abs(f - y) <= delta), (delta * (sp.Abs(f - y) - delta / 2), True))


def derivatives(expression: sp.Expr, at: dict[str, float], low: float | None = None, high: float | None = None
                ) -> list[float | None]:  # fmt: skip
    """Loss, gradient and Hessian in f as floats, None where undecided."""
    variables = [v for v in (y, f, delta, g) if str(v) in at]
    oracle = Oracle(expression, variables)
    ends = [None if e is None else from_float(e) for e in (low, high)]
    point = Point(oracle, [from_float(at[str(v)]) for v in variables])
    found = all_derivatives(point, [Axis(oracle.slot("f"), *ends)])
    return [None if e is None else to_float(e[0], rnd="n") for e in found]


@pytest.mark.parametrize("x", [-1e4, -700.0, -1e-300, 0.0, 5e-324, 0.3, 40.0, 700.0, 710.0])
def test_logistic_is_the_closed_form(x: float) -> None:
    with mpmath.workdps(6000):
        e = mpmath.exp(-mpmath.mpf(x))
        wanted = [float(mpmath.log1p(e)), float(-e / (1 + e)), float(e / (1 + e) ** 2)]
    assert derivatives(LOGISTIC, {"y": 1.0, "f": x}) == wanted


@pytest.mark.parametrize(("x", "wanted"), [
    (1e300, [0, 0, 0]), (-1e300, [1e300, -1, 0]), (INF, [0, 0, 0]), (-INF, [INF, -1, 0]),
])  # fmt: skip
def test_logistic_far_out(x: float, wanted: list[float]) -> None:
    assert derivatives(LOGISTIC, {"y": 1.0, "f": x}) == wanted


def test_enclosures_contain_the_value() -> None:
    oracle = Oracle(LOGISTIC, [y, f])
    for x in (-3.7, 0.0, 12.5, 700.0):
        found = oracle.at(y=1.0, f=x)
        assert found is not None
        with mpmath.workdps(400):
            exact = mpmath.log1p(mpmath.exp(-mpmath.mpf(x)))
            assert mpmath.mpf(found[0]) <= exact <= mpmath.mpf(found[1])
            assert mpmath.mpf(found[1]) - mpmath.mpf(found[0]) <= exact * mpmath.mpf(10) ** -30


@pytest.mark.parametrize(("target", "p", "wanted"), [
    (0.0, 0.0, [0, 1, 1]), (1.0, 1.0, [0, -1, 1]), (0.0, 1.0, [INF, INF, INF]), (1.0, 0.0, [INF, -INF, INF]),
    (0.5, 0.0, [INF, -INF, INF]), (0.5, 1.0, [INF, INF, INF]),
])  # fmt: skip
def test_cross_entropy_at_the_ends(target: float, p: float, wanted: list[float]) -> None:
    assert derivatives(CROSS_ENTROPY, {"y": target, "f": p}, 0.0, 1.0) == wanted


@pytest.mark.parametrize(("r", "wanted"), [
    (1.0, [0.5, 1, 0.5]), (-1.0, [0.5, -1, 0.5]), (0.0, [0, 0, 1]), (1 + 2**-52, [0.5 + 2**-52, 1, 0]),
    (1 - 2**-53, [0.5 - 2**-53, 1 - 2**-53, 1]), (5e-324, [0, 5e-324, 1]), (INF, [INF, 1, 0]),
])  # fmt: skip
def test_huber_at_its_kinks(r: float, wanted: list[float]) -> None:
    assert derivatives(HUBER, {"y": 0.0, "f": r, "delta": 1.0}) == wanted


@pytest.mark.parametrize(("x", "wanted"), [
    (1e-300, [0, 1e-300, 1]), (0.0, [0, 0, 1]), (1e300, [1e300, 1, 0]), (-INF, [INF, -1, 0]),
])  # fmt: skip
def test_log_cosh_tiny_and_huge(x: float, wanted: list[float]) -> None:
    assert derivatives(log_cosh(f), {"f": x}) == wanted


@pytest.mark.parametrize(("expression", "x", "wanted"), [
    (sp.Abs(f), 0.0, [0, 0, 0]),
    (sp.Abs(f), 5e-324, [5e-324, 1, 0]),
    (sp.Max(0, f), 0.0, [0, 0.5, 0]),
    (f * sp.Max(0, f), 0.0, [0, 0, 1]),
    (sp.Abs(f) ** sp.Rational(3, 2), 0.0, [0, 0, INF]),
    (sp.Abs(f) ** sp.Rational(5, 2), 0.0, [0, 0, 0]),
    (f - sp.sin(f), 0.0, [0, 0, 0]),
    (sp.Piecewise((1, f < 0), (sp.Rational(1, 2), sp.Eq(f, 0)), (0, True)), 0.0, [0.5, 0, 0]),
    (sp.log(1 + f**2), INF, [INF, 0, 0]),
])  # fmt: skip
def test_kinks_and_singular_points(expression: sp.Expr, x: float, wanted: list[float]) -> None:
    assert derivatives(expression, {"f": x}) == wanted


def test_no_limit_is_undecided() -> None:
    assert derivatives(1 - sp.cos(f), {"f": INF}) == [None, None, None]


def test_a_naive_formula_needs_no_astronomical_precision() -> None:
    naive = (1 - sigmoid(f)) ** g * softplus(-f)
    assert derivatives(naive, {"f": 1e4, "gamma": 2.5}) == [0, 0, 0]


def test_one_sided_end_of_a_domain() -> None:
    assert derivatives(sp.sqrt(f), {"f": 0.0}, 0.0) == [0, INF, -INF]
    assert derivatives(f * sp.log(f), {"f": 0.0}, 0.0) == [0, -INF, INF]


def test_softmax_of_concrete_size() -> None:
    size = sp.Symbol("K", integer=True, positive=True)
    k, j = sp.symbols("k j", integer=True)
    score, target = sp.IndexedBase("f"), sp.IndexedBase("y")
    formula = -sp.Sum(target[k] * sp.log(sp.exp(score[k]) / sp.Sum(sp.exp(score[j]), (j, 1, size))), (k, 1, size))
    oracle = Oracle(formula, [target, score], 3, size)
    values = [0.0, 1.0, 0.0, 1.0, 2.0, 3.0]
    point = Point(oracle, [from_float(v) for v in values])
    found = [to_float(e[0]) for e in all_derivatives(point, [Axis(s) for s in (3, 4, 5)]) if e is not None]
    p = [float(mpmath.exp(v) / sum(mpmath.exp(w) for w in (1, 2, 3))) for v in (1, 2, 3)]
    wanted = [-mpmath.log(p[1]), p[0], p[1] - 1, p[2], p[0] * (1 - p[0]), -p[0] * p[1], -p[0] * p[2],
              p[1] * (1 - p[1]), -p[1] * p[2], p[2] * (1 - p[2])]  # fmt: skip
    assert found == pytest.approx([float(w) for w in wanted], rel=1e-14)


def test_the_mixed_derivative_of_two_predictions() -> None:
    oracle = Oracle(sp.exp(y) * f**2, [y, f])
    found = all_derivatives(Point(oracle, [from_float(0.5), from_float(3.0)]), [Axis(0), Axis(1)])
    e = float(mpmath.exp(0.5))
    assert [to_float(v[0]) for v in found if v is not None] == pytest.approx([9 * e, 9 * e, 6 * e, 9 * e, 6 * e, 2 * e])


def test_conventions_of_exact_zeros() -> None:
    assert Oracle(y * sp.log(f), [y, f]).at(y=0.0, f=0.0) == iv.ZERO
    assert Oracle(sp.log(f), [f]).at(f=0.0) == iv.MINUS_INFINITY
    assert Oracle(-y / f, [y, f]).at(y=2.0, f=0.0) == iv.MINUS_INFINITY
    assert Oracle(sp.log(f), [f]).at(f=-1.0) is None


def test_an_unknown_function_is_named() -> None:
    with pytest.raises(OracleError, match="gamma"):
        Oracle(sp.gamma(f), [f])
