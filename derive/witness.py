"""Where does a refuted property fail? The evidence of a certificate, in words.

    {"at": "sqrt(3)*c < r", "what": "the second derivative is negative"}

`for` is added where the certificate speaks of a part of the parameters' or targets' ranges; the other parts have
evidence of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from .cells import ends
from .judgements import EVIDENCE
from .lemmas import NEGATIVE, NONPOSITIVE, POSITIVE

DERIVATIVES = {0: "value", 1: "slope", 2: "second derivative", 3: "third derivative"}
SIGNS: dict[Any, str] = {NEGATIVE: "negative", NONPOSITIVE: "not positive", POSITIVE: "positive", (-2, 2): "not 0"}
SIGNS |= {"oo": "oo", "-oo": "-oo", "-oo oo": "unbounded"}


def witness(about: dict[str, Any], certificate: dict[str, Any]) -> dict[str, str]:
    """Place and reason of a refutation, from the first part of the tree that has evidence; {} where none is named."""
    for node, parts in leaves(about, certificate["tree"], [*about["parameters"]], [*about["inputs"]]):
        if "evidence" in node or "least" in node:
            at, what = _evidence(certificate["property"], node, _Places(about, node))
            return {"at": at, "what": what} | ({"for": " and ".join(parts)} if parts else {})
    return {}


Leaves = Iterator[tuple[Any, list[str]]]


def leaves(about: dict[str, Any], node: Any, parameters: list[str], inputs: list[str]) -> Leaves:
    """The cases of a tree, and which parts of the ranges they stand for."""
    if node is None:
        return
    names = parameters or inputs
    if names and "split" in node:
        name = node["split"]
        rest = [n for n in names if n != name]
        left = (rest, inputs) if parameters else ([], rest)
        domain = (about["parameters"] if parameters else about["inputs"])[name]
        for part, place in zip(node["parts"], _parts(name, domain, node), strict=True):
            for leaf, places in leaves(about, part, *left):
                yield leaf, [*([place] if place else []), *places]
    else:
        yield node, []


def _parts(name: str, domain: str, node: dict[str, Any]) -> list[str]:
    """The points and intervals into which a node cuts a range, in words; "" for the whole range."""
    if domain[0] == "{":
        return [f"{name} = {v.strip()}" for v in domain[1:-1].split(",")]
    low, high, has_low, has_high = ends(domain)
    weak = bool(node.get("weak"))
    bounds = [low, *node["at"], high]
    out = [f"{name} = {low}"] if has_low and not weak else []
    for i, (a, b) in enumerate(pairwise(bounds)):
        out += [f"{name} = {a}"] if i else []
        out.append(between(name, a, b, "<=" if weak and has_low and i == 0 else "<"))
    out += [f"{name} = {high}"] if has_high else []
    return out if len(out) > 1 else [""]


def between(name: str, low: str, high: str, sign: str = "<") -> str:
    if low == "-oo":
        return f"{name} < {high}" if high != "oo" else f"all {name}"
    return f"{low} {sign} {name}" + (f" < {high}" if high != "oo" else "")


class _Places:
    """The places that evidence names, in words."""

    def __init__(self, about: dict[str, Any], node: dict[str, Any]) -> None:
        low, high = ends(about["domain"])[:2]
        self.x, self.at = about["variable"], node["at"]
        self.bounds = [low, *self.at, high]

    def near(self, i: int, side: str) -> str:
        """Towards an end of a cell."""
        end = self.bounds[i + (side == "high")]
        beside = "" if end in ("-oo", "oo") else " from above" if side == "low" else " from below"
        return f"{self.x} -> {end}{beside}"

    def inside(self, i: int) -> str:
        return between(self.x, self.bounds[i], self.bounds[i + 1])

    def point(self, j: int) -> str:
        return f"{self.x} = {self.at[j]}"

    def of(self, kind: str, i: int, *side: str) -> str:
        if kind in ("limit", "near", "ratio"):
            return self.near(i, side[0])
        if kind == "point":
            return f"{self.x} = {i}"
        return self.inside(i) if kind in ("cell", "flat") else self.point(i)


def _evidence(name: str, node: dict[str, Any], places: _Places) -> tuple[str, str]:
    """The place, and what is so there that contradicts the property."""
    x: str = places.x
    evidence: Any = node.get("evidence")
    match name:
        case "quasiconvex":
            rise, fall = (places.of(*place) for place in evidence)
            return f"{rise}, then {fall}", "the value rises, and falls later"
        case "redescending":
            return f"{x} -> {'oo' if evidence else '-oo'}", "the slope does not tend to 0"
        case "symmetric":
            return places.point(evidence), f"the value is another one than at {x} = -({places.at[evidence]})"
        case "calibrated":
            least = "the value is least here, whatever the probability of the label"
            return f"{x} = 0", least if "least" in node else "the slope is not one negative number"
        case "proper" | "strictly_proper":
            flat = evidence[0] == "flat"
            return places.of(*evidence), "the slope for the label 1 is 0" if flat else "the truth is not stationary"
        case "elicits" if evidence[0] == "still":
            return places.near(*evidence[1]), "the slope is 0, and the value not the least"
        case "elicits":
            both = " and ".join(places.near(*place) for place in evidence[1:])
            return both, "two such residuals have a mean loss that is largest where its slope is 0"
        case "self_concordant" if evidence[0] == "ratio":
            return places.of(*evidence), "|f'''|/f''^(3/2) is unbounded"
        case "upper_bounds_zero_one":
            kind, i, *_ = evidence
            return places.of(*evidence), _tends(kind, "the value", "negative" if i > node["zero"] else "below 1")
    kind = evidence[0]
    k, allowed = EVIDENCE[name][kind]
    subject = f"the {DERIVATIVES[k]}"
    if kind in ("gap", "jump", "jump2"):
        return places.of(*evidence), f"{subject} " + ("falls" if allowed == NEGATIVE else "jumps")
    return places.of(*evidence), _tends(kind, subject, SIGNS[allowed])


def _tends(kind: str, subject: str, what: str) -> str:
    if kind != "limit" or what == "unbounded":
        return f"{subject} is {what}"
    return f"{subject} tends to " + (what if what in ("oo", "-oo") else f"a limit that is {what}")
