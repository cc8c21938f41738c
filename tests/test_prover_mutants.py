"""Would a fault in the proof engine be seen? Faults are planted, one at a time.

Faults of the prover alone must be stopped by the checker: a prover that proposes what is false, and does not look at
its own result, gets no certificate accepted. Faults of what prover and checker share (the arithmetic of a cell, the
lemmas, the properties) cannot be stopped there: the falsifier, which knows only the formula, must contradict a claim.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import pytest
from randomproofs import statement

from lossforge.derive import (
    cells,
    checker,
    explorer,
    judgements,
    lemmas,
    prove,
    reading,
    roots,
    search,
    strata,
    strategies,
)
from lossforge.derive import tower as arithmetic
from lossforge.derive.checker import check, digest
from lossforge.derive.prove import Prover
from lossforge.derive.reading import Unproved
from lossforge.derive.tower import Tower
from lossforge.verify.falsify import Contradiction, falsify

Patch = pytest.MonkeyPatch
Fault = Callable[[Patch], None]
POINTS = 400
ENGINE = (arithmetic, lemmas, cells, judgements, checker, search, explorer, strata, strategies, prove)


def plant(patch: Patch, name: str, instead: Any) -> None:
    """Put another function in the place of one, in every module that calls it."""
    for module in ENGINE:
        if hasattr(module, name):
            patch.setattr(module, name, instead)


def with_parameter(text: str, domain: str) -> dict[str, Any]:
    return {**statement(text), "parameters": {"c": domain}}


def margin(text: str, **parameters: str) -> dict[str, Any]:
    return {**statement(text), "variable": "m", "base": "margin", "parameters": parameters}


def with_target(text: str, domain: str) -> dict[str, Any]:
    return {**statement(text), "variable": "f", "base": None, "inputs": {"y": domain}}


# Losses that a careless engine gets wrong, and the property to ask for. Where c runs through (0, oo), balls cannot tell
# signs, and all depends on the formal derivatives.
TRAPS: dict[str, tuple[dict[str, Any], str]] = {
    "concave kink": (statement("-abs(r)"), "convex"),
    "zero-one": (margin("1 if m <= 0 else 0"), "convex"),
    "zero-one, continuous": (margin("1 if m <= 0 else 0"), "continuous"),
    "truncated square": (statement("min(r**2, 1)"), "convex"),
    "flat sides": (statement("abs(r)"), "strictly_convex"),
    "kink": (statement("abs(r)"), "differentiable"),
    "concave parabola": (statement("-r**2"), "convex"),
    "bent down": (statement("r**2 if r <= 0 else -r**2"), "convex"),
    "bump": (statement("exp(-r**2)"), "convex"),
    "logarithm": (statement("log(1 + r**2)"), "convex"),
    "exponential": (statement("exp(r/2) + exp(-r)"), "convex"),
    "exponentials apart": (with_parameter("exp(r) - c*exp(r/2)", "(0, oo)"), "convex"),
    "scaled bump": (with_parameter("exp(-c*r**2)", "(0, oo)"), "convex"),
    "arc tangent": (statement("r*atan(r)"), "convex"),
    "falling": (margin("log(1 + exp(-m))"), "monotone"),
    "parabola": (statement("r**2"), "lipschitz"),
    "fourth power": (statement("r**4"), "smooth"),
    "far below 0": (statement("1/(1 + abs(r)) - 1/5000"), "nonnegative"),
    "logs cancel": (statement("log(cosh(r)) - abs(r)"), "range"),
    "roots cancel": (statement("sqrt(1 + r**2) - abs(r)"), "range"),
    "roots cancel, slope": (statement("sqrt(1 + r**2) - abs(r)"), "lipschitz"),
    "closed end": (with_parameter("c*r**2", "[0, oo)"), "strictly_convex"),
    "one bad point": (with_parameter("(c - 1)**2*r**2", "(0, oo)"), "strictly_convex"),
    "threshold": (with_parameter("(c - 1)*r**2", "(0, oo)"), "convex"),
    "threshold that counts": (with_parameter("(c - 1)*r**2", "(0, oo)"), "strictly_convex"),
    "label": (with_target("(2*y - 1)*f**2", "{0, 1}"), "convex"),
    "closed target": (with_target("y*f**2", "[0, oo)"), "strictly_convex"),
    "poly1": (with_parameter("log(1 + exp(-r)) + c*(1 - 1/(1 + exp(-r)))", "(0, oo)"), "convex"),
    "asymmetric": (statement("max(-r, 2*r)"), "symmetric"),
    "best constant": (statement("max(-r, 2*r)"), "lipschitz"),
    "spike": (statement("r**2 if r < 0 else -1 if r <= 0 else r**2"), "nonnegative"),
    "rising root": (margin("sqrt(c + max(0, m))", c="(0, oo)"), "monotone"),
    "rising logarithm": (margin("log(c + max(0, m))", c="(0, oo)"), "monotone"),
    "rising arc tangent": (margin("c*atan(m)", c="(0, oo)"), "monotone"),
    "rising tangent": (margin("c*tan(m/(1 + abs(m)))", c="(0, oo)"), "monotone"),
    "roots apart": (statement("sqrt(1 + r**2) - sqrt(4 + r**2)"), "bounded"),
    "smooth hinge": (statement("log(1 + exp(r)) - max(0, r)"), "bounded"),
}


def claimed(trap: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    loss, name = TRAPS[trap]
    return Prover(loss, name).claim()


def contradictions(loss: dict[str, Any], claim: dict[str, Any]) -> list[Contradiction]:
    return falsify(loss, {claim["property"]: claim}, POINTS)


def test_the_sound_engine_is_not_contradicted() -> None:
    decided = 0
    for trap, (loss, _) in TRAPS.items():
        claim, certificate = claimed(trap)
        if certificate is not None:
            decided += 1
            check(loss, claim, certificate)
            assert contradictions(loss, claim) == [], trap
    assert decided >= 0.8 * len(TRAPS)


# Faults of the shared core -----------------------------------------------------------------------


def dropped_branch(patch: Patch) -> None:
    """`a if test else b` is read as a."""
    original = Tower.read

    def read(self: Tower, node: Any, names: dict[str, Any]) -> Any:
        node = reading.parse(node) if isinstance(node, str) else node
        return original(self, node.body if isinstance(node, ast.IfExp) else node, names)

    patch.setattr(Tower, "read", read)


def comparison_at_equality(patch: Patch) -> None:
    """a <= b is taken for a < b."""
    patch.setitem(reading.COMPARISONS, ast.LtE, ((-2,), (0, 1, 2)))


def flipped_product(patch: Patch) -> None:
    """The product of a positive and a negative factor is positive."""
    original = arithmetic.times

    def times(a: Any, b: Any) -> Any:
        found = original(a, b)
        return found if found is None else abs(found)

    plant(patch, "times", times)


def flipped_slope(kind: str) -> Fault:
    """The derivative of one function has the wrong sign."""

    def fault(patch: Patch) -> None:
        original = Tower.slope_of

        def slope_of(self: Tower, g: Any, t: int) -> Any:
            if g.kind == kind and t not in g.slopes:
                g.slopes[t] = -original(self, g, t)
            return original(self, g, t)

        patch.setattr(Tower, "slope_of", slope_of)

    fault.__name__ = f"flipped_slope_of_{kind}"
    return fault


def forgotten_factor(patch: Patch) -> None:
    """The derivative of exp(u) is exp(u)."""
    original = Tower.slope_of

    def slope_of(self: Tower, g: Any, t: int) -> Any:
        rate = original(self, g, t)
        return self.value(g) if g.kind == "exp" and not rate.zero else rate

    patch.setattr(Tower, "slope_of", slope_of)


def exponentials_confused(patch: Patch) -> None:
    """exp(u/2) is taken for exp(u)."""
    original = Tower.unit
    patch.setattr(Tower, "unit", lambda self, kind, key, c: original(self, kind, key, c * c.denominator))
    exp = Tower.exp

    def coarse(self: Tower, u: Any) -> Any:
        whole = self.number(0)
        for c, m in self.terms(u):
            whole += m * c.numerator
        return exp(self, whole)

    patch.setattr(Tower, "exp", coarse)


def dropped_strata(keep: Callable[[cells.Place, str], bool], name: str) -> Fault:
    """Some parts of the range of a parameter or target are never looked at."""

    def fault(patch: Patch) -> None:
        original = checker.Checker.places

        def places(self: Any, node: dict[str, Any], domain: str, path: list[Any]) -> list[Any]:
            found = original(self, node, domain, path)
            return [p for p in found if keep(p, domain)] or found

        patch.setattr(checker.Checker, "places", places)

    fault.__name__ = name
    return fault


def closed_end(p: cells.Place, domain: str) -> bool:
    return domain[0] == "{" or p.low != p.high or p.low not in cells.ends(domain)[:2]


def point_between(p: cells.Place, domain: str) -> bool:
    return domain[0] == "{" or p.low != p.high or p.low in cells.ends(domain)[:2]


def below_all_points(p: cells.Place, domain: str) -> bool:
    return domain[0] == "{" or p.low == p.high or p.low != cells.ends(domain)[0] or p.high == cells.ends(domain)[1]


def first_label(p: cells.Place, domain: str) -> bool:
    return domain[0] != "{" or p.low != domain[1:-1].partition(",")[0].strip()


def forgotten_kinks(patch: Patch) -> None:
    patch.setattr(cells.Case, "seams", lambda self: [])


def ignored_bends(patch: Patch) -> None:
    patch.setattr(cells.Case, "jump", lambda self, k, j: 0)


def ignored_jumps(patch: Patch) -> None:
    patch.setattr(cells.Case, "gap", lambda self, j, side: 0)


def cancellation_ignored(patch: Patch) -> None:
    """Where the leading terms cancel, the growth of one of them is taken."""
    original = Tower._growth

    def growth(self: Tower, p: Any, t: int, at_most: bool = False) -> Any:
        k, g = original(self, p, t, True)
        return k if p == 0 or self.sign(k) in (2, -2) else self.number(1), g

    patch.setattr(Tower, "_growth", growth)


def forgotten_end(patch: Patch) -> None:
    """A monotone expression has the sign of its slope, whatever it tends to at its ends."""
    sign, limit, within = lemmas.sign, lemmas.limit, [False]

    def careless(e: Any, proof: Any) -> Any:
        before, within[0] = within[0], True
        try:
            return sign(e, proof)
        finally:
            within[0] = before

    def forgetful(e: Any, t: int, start: bool, to: Tower, images: Any) -> Any:
        return to.number(0) if within[0] else limit(e, t, start, to, images)

    plant(patch, "sign", careless)
    plant(patch, "limit", forgetful)
    patch.setattr(search, "limit", lambda e, t, start, to, images: to.number(0))


def short_chart(patch: Patch) -> None:
    """A coordinate runs through (a, a + 1) where it should run through (a, oo)."""
    original = cells.Place.enter

    def enter(self: cells.Place, t: Tower, names: dict[str, Any]) -> None:
        if self.high == "oo" and self.low not in ("-oo", "oo") and self.kind == "linear":
            short = cells.Place(self.name, self.low, f"{self.low} + 1", [self.kind, self.scale, self.flip], self.weak)
            original(short, t, names)
        else:
            original(self, t, names)

    patch.setattr(cells.Place, "enter", enter)


def limits_forgotten(patch: Patch) -> None:
    """Every limit is 0."""
    patch.setattr(cells.Case, "limit", lambda self, k, i, side, what=None: self.here.tower.number(0))


def weak_for_strict(patch: Patch) -> None:
    """>= 0 is enough where > 0 is needed."""
    original = lemmas.need

    def need(found: Any, allowed: tuple[int, ...], what: str) -> None:
        original(found, {(2,): (0, 1, 2), (-2,): (0, -1, -2)}.get(allowed, allowed), what)

    plant(patch, "need", need)


def union_ignored(patch: Patch) -> None:
    """The property holds for all values of a parameter if it holds for some."""
    patch.setattr(checker, "union", lambda name, places, found: True in found)


def places_mixed(patch: Patch) -> None:
    """The ends of the ranges in a condition change places: < is written for <=."""
    original = checker.union

    def union(name: str, places: list[Any], found: list[Any]) -> Any:
        text = original(name, places, found)
        return text.replace("=", "") if isinstance(text, str) and "==" not in text else text

    patch.setattr(checker, "union", union)


SHARED: tuple[tuple[Fault, tuple[str, ...]], ...] = (
    (dropped_branch, ("concave kink", "zero-one")),
    (comparison_at_equality, ("spike",)),
    (flipped_product, ("bump", "logarithm", "truncated square")),
    (flipped_slope("exp"), ("scaled bump",)),
    (flipped_slope("log"), ("rising logarithm",)),
    (flipped_slope("arc"), ("rising arc tangent",)),
    (flipped_slope("tan"), ("rising tangent",)),
    (flipped_slope("power"), ("rising root",)),
    (forgotten_factor, ("scaled bump",)),
    (exponentials_confused, ("exponentials apart",)),
    (dropped_strata(closed_end, "dropped_closed_end"), ("closed end",)),
    (dropped_strata(point_between, "dropped_point"), ("one bad point",)),
    (dropped_strata(below_all_points, "dropped_first_interval"), ("threshold", "threshold that counts")),
    (dropped_strata(first_label, "dropped_label"), ("label",)),
    (forgotten_kinks, ("concave kink", "zero-one", "kink")),
    (ignored_bends, ("concave kink", "truncated square", "kink")),
    (ignored_jumps, ("zero-one", "zero-one, continuous")),
    (cancellation_ignored, ("roots apart", "smooth hinge")),
    (forgotten_end, ("far below 0",)),
    (short_chart, ("one bad point",)),
    (limits_forgotten, ("parabola", "concave kink")),
    (weak_for_strict, ("flat sides",)),
    (union_ignored, ("threshold", "poly1")),
    (places_mixed, ("threshold", "poly1")),
)


@pytest.mark.parametrize(("fault", "traps"), SHARED, ids=lambda x: getattr(x, "__name__", ""))
def test_a_fault_of_the_core_is_contradicted(fault: Fault, traps: tuple[str, ...]) -> None:
    """A claim that the faulty engine makes, and its faulty checker accepts, is contradicted."""
    heard = []
    for trap in traps:
        loss = TRAPS[trap][0]
        with pytest.MonkeyPatch.context() as patch:
            fault(patch)
            claim, certificate = claimed(trap)
            if certificate is not None:
                check(loss, claim, certificate)
        if certificate is not None:
            heard += [x.kind for x in contradictions(loss, claim)]
        if heard:
            break
    assert {"contradicted", "unconfirmed"} & {*heard}


# Faults of the core that only a certificate made for them uses ------------------------------------


def weak_sign_for_strict(patch: Patch) -> None:
    """A sign that is known to be >= 0 counts as > 0."""
    original = Tower.sign
    patch.setattr(Tower, "sign", lambda self, e: {1: 2, -1: -2}.get(found := original(self, e), found))


def bound_for_best(patch: Patch) -> None:
    """A bound counts as attained wherever the certificate says so, and where it says nothing."""
    original = checker.Checker.__init__

    def init(self: Any, *more: Any) -> None:
        original(self, *more)
        self.promised = set()

    patch.setattr(checker.Checker, "__init__", init)
    patch.setattr(cells.Case, "reached", lambda self, *more, **also: True)


LINEAR, HYPERBOLIC = ["linear", "1", False], ["hyperbolic", "1", False]
PLANTED: dict[str, tuple[Fault, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "weak sign": (
        weak_sign_for_strict,
        with_target("y*f**2", "[0, oo)"),
        {"property": "strictly_convex", "verdict": "proved"},
        {"split": "y", "at": [], "weak": True, "parts": [{"at": [], "charts": [HYPERBOLIC]}]},
    ),
    "bound": (
        bound_for_best,
        statement("max(-r, 2*r)"),
        {"property": "lipschitz", "verdict": "proved", "value": "5"},
        {"at": ["0"], "charts": [LINEAR, LINEAR], "reached": ["limit", 1, "low"]},
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_fault_of_the_checker_lets_a_planted_certificate_pass(name: str) -> None:
    """The sound checker refuses the certificate, the faulty one accepts it, and the falsifier contradicts the claim."""
    fault, loss, claim, tree = PLANTED[name]
    certificate = {"property": claim["property"], "loss": digest(loss), "tree": tree}
    with pytest.raises(Unproved):
        check(loss, claim, certificate)
    with pytest.MonkeyPatch.context() as patch:
        fault(patch)
        check(loss, claim, certificate)
    assert contradictions(loss, claim) != []


# Faults of the prover alone ----------------------------------------------------------------------


def trusts_itself(patch: Patch) -> None:
    """The prover takes every tree without an open leaf for a proof, and asks no checker."""

    def verdict(loss: dict[str, Any], claim: dict[str, Any], tree: dict[str, Any]) -> bool:
        return "evidence" not in str(tree)

    patch.setattr(prove, "verdict", verdict)


def kinks_not_proposed(patch: Patch) -> None:
    patch.setattr(explorer.Explorer, "seams", lambda self: [])


def jumps_not_looked_at(patch: Patch) -> None:
    patch.setattr(explorer.Explorer, "gap", lambda self, j, side: 0)


def bends_not_looked_at(patch: Patch) -> None:
    patch.setattr(explorer.Explorer, "jump", lambda self, k, j: 0)


def points_not_tried(patch: Patch) -> None:
    """Not a fault: balls at a point would refute before any other sign is asked for."""
    without = {
        name: tuple(f for f in rows if f is not strategies.by_point) for name, rows in strategies.STRATEGIES.items()
    }
    patch.setattr(prove, "STRATEGIES", without)


def on_cells(patch: Patch, change: Callable[[Any], Any]) -> None:
    """Change the signs on cells, however they were found."""
    original = explorer.Explorer.sign_on
    patch.setattr(explorer.Explorer, "sign_on", lambda self, *more: change(original(self, *more)))


def signs_guessed(sign: int) -> Fault:
    def fault(patch: Patch) -> None:
        points_not_tried(patch)
        patch.setattr(explorer.Explorer, "sign_on", lambda self, *more: sign)
        patch.setattr(explorer.Explorer, "sign", lambda self, e, key: sign)
        patch.setattr(explorer.Explorer, "signed", lambda self, i, key, make: sign)

    fault.__name__ = f"signs_guessed_{sign}"
    return fault


def flipped_signs(patch: Patch) -> None:
    points_not_tried(patch)
    on_cells(patch, lambda found: found if found is None else -found)


def weak_signs_strict(patch: Patch) -> None:
    points_not_tried(patch)
    on_cells(patch, lambda found: {0: 2, 1: 2}.get(found, found))


def limits_finite(patch: Patch) -> None:
    patch.setattr(explorer.Explorer, "limit", lambda self, k, i, side, what=None: self.here.tower.number(0))


def cells_left_out(patch: Patch) -> None:
    """Only the first cell is looked at."""
    points_not_tried(patch)
    original = explorer.Explorer.every

    def every(self: Any, *more: Any, **also: Any) -> None:
        original(self, *more, **{**also, "cells": range(1)})

    patch.setattr(explorer.Explorer, "every", every)


def strata_left_out(keep: Callable[[cells.Place, str], bool], name: str) -> Fault:
    """The prover's own walk through the parameters leaves some parts out."""

    def fault(patch: Patch) -> None:
        class Walker(checker.Checker):
            def places(self, node: dict[str, Any], domain: str, path: list[Any]) -> list[Any]:
                found = super().places(node, domain, path)
                return [p for p in found if keep(p, domain)] or found

        patch.setattr(prove, "Checker", Walker)

    fault.__name__ = name
    return fault


def leaves_closed(patch: Patch) -> None:
    """A leaf without any proof."""
    patch.setattr(prove.Prover, "leaf", lambda self, path: ({"at": [], "charts": [HYPERBOLIC]}, None))


def bound_not_best(patch: Patch) -> None:
    """A number above the least one, said to be reached."""
    original = strata.Stratum.back
    patch.setattr(strata.Stratum, "back", lambda self, e: f"{original(self, e)} + 1")
    patch.setattr(explorer.Explorer, "reached", lambda self, *more, **also: True)


def breakpoints_moved(patch: Patch) -> None:
    original = strata.roots
    patch.setattr(strata, "roots", lambda e, x, depth=4: [r + 1 for r in original(e, x, depth)])


def no_breakpoints(patch: Patch) -> None:
    patch.setattr(strata.Stratum, "switches", lambda self: [])


def conditions_not_seen(patch: Patch) -> None:
    """Every comparison holds, for the prover's proposals."""
    patch.setattr(roots, "met", lambda op, v: True)


def lemmas_not_verified(patch: Patch) -> None:
    """The search believes in every lemma that it tries."""
    patch.setattr(search.Search, "verified", staticmethod(lambda e, proof, want: proof))
    patch.setattr(explorer.Explorer, "sign", lambda self, e, key: e if isinstance(e, int) else explored(self, e, key))


def explored(case: Any, e: Any, key: str) -> Any:
    """The sign at samples, whatever the lemma that was found says."""
    proof = search.prove(e)
    if proof:
        case.node.setdefault("proofs", {})[key] = proof
    found = search.signs(e)
    return e.tower.sign(e) if len(found) != 1 else 2 * found.pop()


PROVERS_OWN: tuple[tuple[Fault, str, bool], ...] = (  # whether the prover is misled, so that the checker must step in
    (kinks_not_proposed, "concave kink", True),
    (kinks_not_proposed, "kink", True),
    (jumps_not_looked_at, "zero-one, continuous", True),
    (bends_not_looked_at, "concave kink", True),
    (signs_guessed(2), "bump", True),
    (signs_guessed(0), "zero-one, continuous", True),
    (flipped_signs, "concave parabola", True),
    (weak_signs_strict, "flat sides", True),
    (limits_finite, "parabola", True),
    (limits_finite, "fourth power", True),
    (cells_left_out, "bent down", True),
    (strata_left_out(closed_end, "closed_end_left_out"), "closed end", True),
    (strata_left_out(point_between, "point_left_out"), "one bad point", True),
    (strata_left_out(below_all_points, "interval_left_out"), "threshold", True),
    (strata_left_out(first_label, "label_left_out"), "label", True),
    (leaves_closed, "bump", True),
    (leaves_closed, "parabola", True),
    (bound_not_best, "best constant", True),
    (lemmas_not_verified, "far below 0", True),
    (breakpoints_moved, "truncated square", False),
    (no_breakpoints, "concave kink", False),
    (conditions_not_seen, "concave kink", False),
)


@pytest.mark.parametrize(
    ("fault", "trap", "misled"), PROVERS_OWN, ids=[f"{f.__name__} - {trap}" for f, trap, _ in PROVERS_OWN]
)
def test_a_fault_of_the_prover_is_stopped_by_the_checker(fault: Fault, trap: str, misled: bool) -> None:
    loss, _ = TRAPS[trap]
    truth, _ = claimed(trap)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strategies, "WANTED", {})  # numbers that contradict a claim would keep it from being made
        fault(patch)
        honest, _ = claimed(trap)  # it still asks the checker
        trusts_itself(patch)
        claim, certificate = claimed(trap)
    assert honest["verdict"] in ("undecided", truth["verdict"])
    if misled:
        assert claim["verdict"] == "proved" and claim != truth
    if certificate is not None and claim != truth:
        with pytest.raises(Unproved):
            check(loss, claim, certificate)


def test_the_patches_are_undone() -> None:
    for trap in ("concave kink", "label", "closed end"):
        assert claimed(trap)[0]["verdict"] in ("refuted", "conditional")
