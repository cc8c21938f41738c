"""Are signs, limits and texts right where the normal distribution function stands? Against mpmath, and spoilt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import mpmath
import pytest
from flint import arb

from lossforge.derive.checker import refined
from lossforge.derive.formal import number
from lossforge.derive.lemmas import sign
from lossforge.derive.reading import Unproved
from lossforge.derive.roots import text
from lossforge.derive.search import prove
from lossforge.derive.tower import VARIABLES, Budget, Element, Tower

DENSITY = "(exp(-x**2/2)/sqrt(2*pi))"
HAZARD = f"({DENSITY}/ndtr(-x))"
FALLING = f"({DENSITY}/ndtr(x))"


def on_the_half_line(formula: str, action: Callable[[Tower, Element], Any]) -> Any:
    """What an action makes of a formula in x > 0."""

    def made(units: Any) -> Any:
        tower = Tower(units)
        x = Element(tower, VARIABLES[tower.variable("x", 2)])
        return action(tower, tower.read(formula, {"x": x}))

    return refined(made)


def proved_sign(formula: str) -> int | None:
    def act(_: Tower, e: Element) -> int | None:
        Budget.left = 1_000_000
        try:
            proof = prove(e)
        finally:
            Budget.left = float("inf")
        return None if proof is False else sign(e, proof)

    found: int | None = on_the_half_line(formula, act)
    return found


def truth(formula: str, x: Any) -> Any:
    names = {"exp": mpmath.exp, "sqrt": mpmath.sqrt, "pi": mpmath.pi, "ndtr": mpmath.ncdf, "log": mpmath.log}
    return eval(formula, names, {"x": mpmath.mpf(x)})


@pytest.fixture(autouse=True)
def digits() -> Iterator[None]:
    with mpmath.workdps(60):
        yield


INEQUALITIES = [
    f"{HAZARD} - x",  # Gordon 1941
    f"(1 + x**2)/x - {HAZARD}",
    f"1 - {HAZARD}*({HAZARD} - x)",  # Sampford 1953
    f"{HAZARD}*({HAZARD} - x)",
    f"1 - {FALLING}*({FALLING} + x)",
    f"ndtr(x) - 1/2 - x*{DENSITY}",
]


@pytest.mark.parametrize("formula", INEQUALITIES)
def test_classical_inequalities_are_proved(formula: str) -> None:
    assert proved_sign(formula) == 2
    assert all(truth(formula, x) > 0 for x in (1e-6, 0.01, 0.3, 1, 3, 8, 30))


@pytest.mark.parametrize("formula", [f"{HAZARD} - x - 1/100", f"99/100 - {HAZARD}*({HAZARD} - x)"])
def test_what_is_a_little_stronger_is_not(formula: str) -> None:
    assert {bool(truth(formula, x) > 0) for x in (0.01, 1, 30, 300)} == {True, False}
    assert proved_sign(formula) is None


@pytest.mark.parametrize(
    ("formula", "limit"),
    [
        (f"{HAZARD}*({HAZARD} - x)", 1),
        (f"x*({HAZARD} - x)", 1),
        (f"x**2*({HAZARD}/x - 1)", 1),
        (f"{FALLING}*({FALLING} + x)", 0),
        (f"x*ndtr(-x)/{DENSITY}", 1),
    ],
)
def test_limits_beyond_the_leading_term(formula: str, limit: int) -> None:
    def act(tower: Tower, e: Element) -> Any:
        found = tower.limit(e, tower.names["x"])
        assert isinstance(found, Element)
        return found.rational()

    assert on_the_half_line(formula, act) == limit
    assert abs(truth(formula, 200) - limit) < 1e-3


@pytest.mark.parametrize("formula", ["ndtr(-x)", "log(ndtr(-x))", "x*ndtr(x)", f"{HAZARD}**2", f"{DENSITY}*sqrt(pi)"])
def test_slopes_and_texts_agree_with_mpmath(formula: str) -> None:
    def act(tower: Tower, e: Element) -> None:
        t = tower.names["x"]
        slope = tower.slope(e, t)
        for x in (0.2, 1.7, 5.0):
            known = mpmath.diff(lambda v: truth(formula, v), mpmath.mpf(x))
            assert abs(float(number(slope, {t: arb(x)})) / float(known) - 1) < 1e-12
            assert abs(float(truth(text(e), x)) / float(truth(formula, x)) - 1) < 1e-12

    on_the_half_line(formula, act)


def test_mills_agrees_with_mpmath() -> None:
    def act(tower: Tower, e: Element) -> None:
        t = tower.names["x"]
        mills = tower.mills(e)
        for x in (0.3, 2.0, 9.0):
            at = {t: arb(x)}
            assert abs(float(number(mills, at)) / float(truth(f"{HAZARD}/x - 1", x)) - 1) < 1e-12
            known = mpmath.diff(lambda v: mpmath.npdf(v) / (v * mpmath.ncdf(-v)) - 1, mpmath.mpf(x))
            assert abs(float(number(tower.slope(mills, t), at)) / float(known) - 1) < 1e-12

    on_the_half_line("x", act)


def test_a_spoilt_divisor_shows_nothing() -> None:
    def act(_: Tower, e: Element) -> None:
        lemma, name, divided, *rest = prove(e)  # type: ignore[misc]
        assert lemma == "slope"
        assert sign(e, [lemma, name, divided, *rest]) == 2
        for spoilt in ([None, 0, []], [None, 0, [[divided[2][0][0], 5]]]):
            with pytest.raises(Unproved):
                sign(e, [lemma, name, spoilt, *rest])

    on_the_half_line(f"{HAZARD} - x", act)
