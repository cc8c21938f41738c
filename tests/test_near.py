"""Signs near an end, limits whose leading terms may cancel, and claims that need them."""

from __future__ import annotations

from typing import Any

import pytest

from lossforge.derive.checker import check
from lossforge.derive.lemmas import leading
from lossforge.derive.prove import Prover, joined
from lossforge.derive.reading import Unproved
from lossforge.derive.tower import Element, Tower, Units

DAMPED = "log(1 + exp(-z))*(1 + exp(z))**(-g)"  # the focal loss of the label 1


def stated(formula: str, parameters: dict[str, str], domain: str = "(-oo, oo)") -> dict[str, Any]:
    return {
        "formula": formula,
        "definitions": {},
        "variable": "z",
        "base": "prediction",
        "domain": domain,
        "inputs": {},
        "parameters": parameters,
    }


def tower(*names: str) -> tuple[Tower, dict[str, Element]]:
    made = Tower(Units())
    return made, {n: made.element(made.generators[made.variable(n)]) for n in names}


def test_a_second_derivative_that_tends_to_zero_from_below_refutes_convexity() -> None:
    loss = stated(DAMPED, {"g": "[0, oo)"})
    claim, certificate = Prover(loss, "convex").claim()
    assert (claim["verdict"], claim["condition"]) == ("conditional", "g == 0")
    assert certificate is not None
    check(loss, claim, certificate)
    evidence = certificate["tree"]["parts"][1]["evidence"]
    assert evidence == ["near", 0, "low"]
    evidence[:] = ["near", len(certificate["tree"]["parts"][1]["at"]), "high"]
    with pytest.raises(Unproved):
        check(loss, claim, certificate)


def test_the_sign_near_an_end_is_that_of_the_leading_term() -> None:
    made, names = tower("a", "t")
    t = made.names["t"]
    e = made.read("a*t - t**2*exp(t)", names)
    assert made.sign(leading(e, t, start=False)) == -2
    assert made.sign(leading(e, t, start=True)) == 2


def test_terms_that_cannot_be_compared_do_not_matter_below_a_larger_one() -> None:
    made, names = tower("a", "b", "t")
    t = made.names["t"]
    assert made.sign(made.growth(made.read("t**(a + b) + t**a - t**b", names), t)[0]) == 2
    with pytest.raises(Unproved, match="cannot be compared"):
        made.growth(made.read("t**a + t**b", names), t)


def test_a_limit_may_have_an_unknown_sign() -> None:
    made, names = tower("a", "b", "t")
    found = made.limit(made.read("((a - b)*t + 1)/(t + a)", names), made.names["t"])
    assert isinstance(found, Element)
    assert (found - names["a"] + names["b"]).zero


def test_smoothness_turns_where_an_exponent_allows_it() -> None:
    loss = stated("z**(1 + g) if z > 0 else 0", {"g": "(0, oo)"})
    claim, certificate = Prover(loss, "smooth").claim()
    assert claim["verdict"] == "conditional"
    assert claim["condition"] == "g == 1"
    assert certificate is not None
    check(loss, claim, certificate)


def test_conditions_that_take_in_every_part_are_left_out() -> None:
    every = {"p": {"p == 0", "p > 0"}, "y": {"y == 0", "y > 0"}}
    assert joined([{"p": p, "y": "y == 0"} for p in every["p"]], every) == [{"y": "y == 0"}]
    rows = [{"p": "p == 0", "y": "y == 0"}, {"p": "p > 0", "y": "y > 0"}]
    assert joined(rows, every) == rows
