"""Does the exact arithmetic of arc tangents and tangents agree with balls? Values, slopes, limits, signs."""

from __future__ import annotations

import pytest
from flint import arb, arb_series

from lossforge.derive.formal import Formal, number
from lossforge.derive.reading import Unproved
from lossforge.derive.roots import roots, text
from lossforge.derive.tower import Element, Tower, Units

POINTS = ("0.001", "0.4", "1", "3.7", "1e6")


def over(*names: str) -> tuple[Tower, dict[str, Element], list[int]]:
    """A tower with coordinates that run through (0, oo)."""
    tower = Tower(Units())
    indices = [tower.variable(n) for n in names]
    return tower, {n: tower.element(tower.generators[i]) for n, i in zip(names, indices, strict=True)}, indices


@pytest.mark.parametrize(
    "formula", ["atan(t)", "atan(-t)", "atan(t**2)*t", "1/2 - atan(t)/pi", "tan(t/(1 + t))", "atan(t - 1/t)"]
)
@pytest.mark.parametrize("at", POINTS)
def test_values_and_slopes_are_those_of_balls(formula: str, at: str) -> None:
    tower, names, (t,) = over("t")
    e, x = tower.read(formula, names), arb_series([arb(at), 1], prec=3)
    expected = {
        "atan(t)": lambda: x.atan(),
        "atan(-t)": lambda: (-x).atan(),
        "atan(t**2)*t": lambda: (x * x).atan() * x,
        "1/2 - atan(t)/pi": lambda: arb("0.5") - x.atan() / arb.pi(),
        "tan(t/(1 + t))": lambda: (x / (x + 1)).tan(),
        "atan(t - 1/t)": lambda: (x - 1 / x).atan(),
    }[formula]()
    for k in range(3):
        factorial = (1, 1, 2)[k]
        found = number(e, {t: arb(at)})
        assert found.overlaps(expected[k] * factorial) and found.rad() < 1e-40 * (1 + abs(found))
        e = tower.slope(e, t)


def test_the_arc_tangent_is_seen_to_lie_below_a_quarter_turn() -> None:
    tower, names, _ = over("t")
    for formula in ("1/2 - atan(t)/pi", "1/2 + atan(t)/pi", "1/2 - atan(-t)/pi", "1/2 + atan(-t)/pi", "atan(t)"):
        assert tower.sign(tower.read(formula, names)) == 2
        assert formula == "atan(t)" or tower.sign(tower.read(formula.replace("t)", "t - 1/t)"), names)) == 2
    assert tower.sign(tower.read("atan(t) - 1", names)) is None
    assert (tower.read("atan(tan(t/(1 + t)))", names) - tower.read("t/(1 + t)", names)).zero


def test_limits_of_the_arc_tangent_and_the_tangent() -> None:
    tower, names, (t, _) = over("t", "s")
    cases = {
        "atan(t)": "pi/2",
        "(pi/2 - atan(t))*t": "1",
        "atan(1/t)*t": "1",
        "atan((s*t + 1)/(t + 2))": "atan(s)",
        "atan((t + 1)/(t + 2))": "pi/4",
        "1/2 + atan(1 - s*t)/pi": "0",
        "(1/2 + atan(s - t)/pi)*t": "1/pi",
        "1/2 + atan((s*t - 1)/(t + 2))/pi": "1/2 + atan(s)/pi",
        "tan(t/(t + 1))": "tan(1)",
        "tan(1/(1 + t))*t": "1",
    }
    for formula, expected in cases.items():
        found = tower.limit(tower.read(formula, names), t)
        assert isinstance(found, Element) and (found - tower.read(expected, names)).zero, formula
    assert tower.limit(tower.read("1/(pi/2 - atan(t*s))", names), t) == 2


def test_limits_of_powers_whose_exponent_varies() -> None:
    tower, names, (t, _) = over("t", "s")
    cases: dict[str, str | int] = {
        "(1 + s)**t": 2,
        "2**(-t)*t": "0",
        "(1/2)**(1/t)": "1",
        "(2**(1/t) - 1)*t": "log(2)",
        "((1 + s)**(s/t) - 1)*t": "s*log(1 + s)",
        "(1 + s)**(t/(t + 1))": "1 + s",
        "2**t/exp(t)": "0",
        "3**t/exp(t)": 2,
    }
    for formula, expected in cases.items():
        found = tower.limit(tower.read(formula, names), t)
        if isinstance(expected, int) or isinstance(found, int):
            assert found == expected, formula
        else:
            assert (found - tower.read(expected, names)).zero, formula


def test_a_tangent_is_refused_where_it_may_have_a_pole() -> None:
    tower, names, (t,) = over("t")
    for formula in ("tan(t)", "tan(2*t/(1 + t))", "tan(pi/2)"):
        with pytest.raises(Unproved):
            tower.read(formula, names)
    edge = tower.read("tan(t*pi/(2*(1 + t)))", names)
    with pytest.raises(Unproved):
        tower.limit(edge, t)


def test_an_arc_tangent_is_moved_to_where_its_argument_has_another_sign() -> None:
    formal = Formal({"x": arb("0.7")}, set(), Units())
    e = formal.read("atan(x)", formal.all())
    tower, names, _ = over("t")
    for image in ("-t", "t", "0*t"):
        moved = formal.move(formal.slope(e, formal.names["x"]), tower, {formal.names["x"]: tower.read(image, names)})
        assert (moved - tower.read(f"1/(1 + ({image})**2)", names)).zero
        moved = formal.move(e, tower, {formal.names["x"]: tower.read(image, names)})
        assert (moved - tower.read(f"atan({image})", names)).zero
    moved = formal.move(e, tower, {formal.names["x"]: tower.read("t - 1/t", names)})
    assert (moved - tower.read("atan(t - 1/t)", names)).zero
    assert (moved + tower.read("atan(1/t - t)", names)).zero


def test_an_arc_tangent_is_written_as_one() -> None:
    tower, names, _ = over("t")
    assert text(tower.read("3*atan(t)/(1 + t)", names)) == "3*atan(t)/(t + 1)"


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("log(2*x/(x + y))", ["y"]),
        ("log(x)/2 - log(x + y)/3 - log(y)/6", []),  # of a degree that is not solved for
        ("y*log(1 + x) - y*log(2) - y*log(3 - x)", ["5/3"]),
        ("atan(x) - pi*y/4", ["tan(pi*y/4)"]),
        ("2*atan(1/x) - y", ["1/tan(y/2)"]),
    ],
)
def test_roots_are_found_under_logarithms_and_arc_tangents(formula: str, expected: list[str]) -> None:
    free = Formal({"y": arb("0.7"), "x": arb("1.2")}, {"x", "y"}, Units())
    assert [text(r) for r in roots(free.read(formula, free.all()), "x")] == expected
