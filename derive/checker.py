"""Is a certificate right? Takes a loss as text and a certificate as JSON; knows neither SymPy nor the prover.

A certificate says where to cut the ranges of the parameters, the targets and the prediction, and which lemma shows each
sign (docs/lemmas.md states and proves them). Everything else is computed here anew, in exact arithmetic (`tower`,
`cells`): the formula on each cell, its derivatives, limits and jumps. A step that does not go through raises Unproved.
"""

from __future__ import annotations

import ast
import hashlib
import itertools
import json
import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from .cells import Case, Cell, Place, ends, increasing
from .judgements import (
    ALL_TARGETS,
    ATTAINED,
    BEST,
    BOTH_LABELS,
    EVIDENCE,
    PROPERTIES,
    UNCHOSEN,
    formed,
    meaningful,
    refute,
    shown,
)
from .reading import Unproved, parse
from .tower import Finer, Tower, Units

MALFORMED = (  # what a certificate that is not made as one of ours may raise
    LookupError, TypeError, ValueError, AttributeError, ArithmeticError, SyntaxError, RecursionError, MemoryError,
)  # fmt: skip


def statement(facts: dict[str, Any]) -> dict[str, Any]:
    """What is proved about: the formula in the variable that it is stated in (r, m, the prediction), and all ranges."""
    arguments, base = facts["arguments"], {"residual": "r", "margin": "m"}.get(facts["base"])
    prediction = next(n for n, a in arguments.items() if a["role"] == "prediction")
    return {
        "formula": facts["formula"]["text"],
        "definitions": {} if base else dict(facts["definitions"]),
        "variable": base or prediction,
        "base": facts["base"],
        "domain": "(-oo, oo)" if base else arguments[prediction]["domain"],
        "inputs": {} if base else {n: a["domain"] for n, a in arguments.items() if a["role"] == "target"},
        "parameters": {n: p["domain"] for n, p in facts["parameters"].items()},
    }


def digest(loss: dict[str, Any]) -> str:
    """What a certificate is bound to: the formula, the ranges, the definitions."""
    return hashlib.sha256(json.dumps(loss, sort_keys=True).encode()).hexdigest()


def check(
    loss: dict[str, Any], claim: dict[str, Any], certificate: dict[str, Any], cells: dict[Any, Any] | None = None
) -> None:
    """Raise Unproved unless the certificate shows the claim about the loss (a statement).

    `cells`: the cells of the same loss that its other claims asked for.
    """
    try:
        formed(claim) if {"size", "variables"} & loss.keys() else meaningful(loss, claim)
        if (certificate["loss"], certificate["property"]) != (digest(loss), claim["property"]):
            raise Unproved("the certificate belongs to another formula or property")
    except MALFORMED as error:
        raise Unproved(f"no claim or no certificate: {error!r}") from error
    found = verdict(loss, claim, certificate.get("tree"), cells)
    shown = {True: "proved", False: "refuted", None: "undecided"}.get(found, "conditional")
    if shown != claim["verdict"] or (shown == "conditional" and found != claim.get("condition")):
        raise Unproved(f"the certificate shows: {shown} {found}")


def verdict(loss: dict[str, Any], claim: dict[str, Any], tree: Any, cells: dict[Any, Any] | None = None) -> Any:
    """What the tree shows: True, False, None (not decided), or the condition under which the property holds."""
    from . import classes, joint  # both stand on this module

    try:
        if "size" in loss:
            return classes.verdict(loss, claim, tree)
        if "variables" in loss:
            return joint.verdict(loss, claim, tree)
        return Checker(loss, claim, cells).visit(tree, list(loss["parameters"]), list(loss["inputs"]), [])
    except MALFORMED as error:
        raise Unproved(f"malformed certificate: {error!r}") from error


def refined(action: Callable[[Any], Any], units: Units | None = None) -> Any:
    """Do it again whenever an exponential or a power is needed in a finer unit."""
    units = Units() if units is None else units
    for _ in range(60):
        try:
            return action(units)
        except Finer:
            continue
    raise Unproved("generators were refined too often")


def union(name: str, places: list[Place], found: list[Any]) -> Any:
    """Where the property holds (lemma `union`), as a condition: True, False, None (not known), or text."""
    if None in found or all(f == found[0] for f in found):
        return None if None in found else found[0]
    for text in (end for p in places for end in (p.low, p.high) if end not in ("-oo", "oo")):
        shown(not isinstance(parse(text), ast.IfExp), "an end that a condition can name")
    runs: list[list[Any]] = []
    for p, f in zip(places, found, strict=True):
        if runs and runs[-1][4] == f:
            runs[-1][1], runs[-1][3] = p.high, p.has_high
        else:
            runs.append([p.low, p.high, p.has_low, p.has_high, f])
    out = []
    for i, (low, high, has_low, has_high, f) in enumerate(runs):
        if f is False:
            continue
        left, right = f"{low} {'<=' if has_low else '<'} ", f" {'<=' if has_high else '<'} {high}"
        if low == high:
            text = f"{name} == {low}"
        elif i == len(runs) - 1:
            text = f"{name} {'>=' if has_low else '>'} {low}"
        else:
            text = f"{left if i else ''}{name}{right}"
        out.append(text if f is True else f"{text} and ({f})" if " or " in f else f"{text} and {f}")
    return " or ".join(out)


def chosen(c: Case, goal: str | None) -> str | None:
    """The value that "a if condition else b" has in a case."""
    while goal is not None and " if " in goal:
        value, rest = goal.split(" if ", 1)
        condition, other = rest.split(" else ", 1)
        goal = value if c.here.tower.holds(parse(condition), c.here.names) else other
    return goal


def holds_an_integer(p: Place) -> bool:
    """Whether some integer is in a place with rational ends: otherwise nothing follows from what fails there."""
    low, high = (
        Fraction(0) if end in ("-oo", "oo") else Tower(Units()).read(end, {}).rational() for end in (p.low, p.high)
    )
    if low is None or high is None:
        return False
    if "oo" in (p.low[-2:], p.high[-2:]):
        return True
    return low == high and low.denominator == 1 if p.low == p.high else p.weak or math.floor(low) + 1 < high


class Checker:
    """One claim about one loss."""

    def __init__(self, loss: dict[str, Any], claim: dict[str, Any], cells: dict[Any, Any] | None = None) -> None:
        names = [*loss["parameters"], *loss["inputs"], *loss["definitions"], loss["variable"]]
        shown(len(names) == len({*names}), "different names")
        self.loss, self.name, self.goal = loss, claim["property"], claim.get("value", claim.get("bound"))
        self.promised = set[str]()  # what has to be attained or approached for some target: the value is the best one
        if "value" in claim:
            self.promised = {"reached"} if self.name in BEST else ATTAINED.get(self.name, set())
        self.attained = set[str]()
        self.cells: dict[Any, Any] = {} if cells is None else cells
        used = re.findall(r"[A-Za-z_]\w*", self.goal) if isinstance(self.goal, str) else ()
        self.of_targets = bool({*used} & loss["inputs"].keys())

    def visit(self, node: Any, parameters: list[str], inputs: list[str], path: list[Place]) -> Any:
        """Cut the ranges of the parameters into strata; what holds in each (lemma `strata`)."""
        if node is None:
            return None
        if not parameters:
            self.attained = set()
            found = self.targets(node, inputs, path)
            if found is True and not self.promised <= self.attained:
                raise Unproved("the value is not shown to be the best")
            return found
        name, rest = node["split"], [n for n in parameters if n != node["split"]]
        shown(name in parameters, "a parameter that remains")
        places = self.places(node, self.loss["parameters"][name], path)
        parts = zip(places, node["parts"], strict=True)
        return union(name, places, [self.visit(part, rest, inputs, [*path, place]) for place, part in parts])

    def targets(self, node: Any, inputs: list[str], path: list[Place]) -> Any:
        """Cut the ranges of the targets into cases: the property must hold in all."""
        if node is None:
            return None
        if inputs and "split" in node:
            name, rest = node["split"], [n for n in inputs if n != node["split"]]
            shown(name in inputs, "a target that remains")
            places = self.places(node, self.loss["inputs"][name], path)
            found = [self.targets(n, rest, [*path, p]) for p, n in zip(places, node["parts"], strict=True)]
            return False if False in found else None if None in found else True
        labels = [self.loss["inputs"][n] for n in inputs]
        both = self.name in BOTH_LABELS and labels in (["{0, 1}"], ["[0, 1]"])
        shown(not inputs or both or self.name in {*ALL_TARGETS} - {*BOTH_LABELS}, "all targets covered")
        return refined(lambda units: self.leaf(self.case(node, path, units)), Units(self.cells))

    def case(self, node: dict[str, Any], path: list[Place], units: Units) -> Case:
        return Case(self.loss, node, path, units, self.name)

    def leaf(self, case: Case) -> bool:
        node = case.node
        if "evidence" in node and self.name in EVIDENCE and node["evidence"][0] in EVIDENCE[self.name]:
            return refute(case)
        case.goal = self.goal if self.name in UNCHOSEN else chosen(case, self.goal)
        holds = PROPERTIES[self.name](case, case.goal if "evidence" not in node else None)
        shown(holds != ("evidence" in node or "least" in node), "evidence where the property fails, and only there")
        if not holds:
            return False
        if self.name in ("weakly_convex", "self_concordant") and case.goal == "0":
            case.attained.add("reached")  # there is no smaller constant
        if self.of_targets and not self.promised <= case.attained:
            raise Unproved("a value for each target is not shown to be the best for each")
        self.attained |= case.attained
        return True

    def places(self, node: dict[str, Any], domain: str, path: list[Place]) -> list[Place]:
        """The points and intervals into which a list of points cuts a range."""
        name, charts, weak = node["split"], node.get("charts", {}), bool(node.get("weak"))
        if domain[0] == "{":
            values = [v.strip() for v in domain[1:-1].split(",")]
            refined(lambda units: increasing(Cell.of(self.loss, path, units), values), Units(self.cells))
            return [Place(name, v, v) for v in values]
        low, high, has_low, has_high = ends(domain)
        bounds = [low, *node["at"], high]
        refined(lambda units: increasing(Cell.of(self.loss, path, units), bounds), Units(self.cells))
        out = [Place(name, low, low)] if has_low and not weak else []
        for i, (a, b) in enumerate(itertools.pairwise(bounds)):
            out += [Place(name, a, a)] if i else []
            out.append(Place(name, a, b, charts.get(str(i)), weak and has_low and i == 0))
        out += [Place(name, high, high)] if has_high else []
        shown(not domain.startswith("integers") or all(map(holds_an_integer, out)), "an integer in every part")
        return out
