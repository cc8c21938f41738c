"""Where does a refuted property of several predictions, or of K classes, fail? The evidence of a certificate, in words.

For one scalar prediction, `witness` says it.
"""

from __future__ import annotations

from typing import Any

from .joint import ALONE, alone, parts
from .witness import between, leaves
from .witness import witness as scalar_witness

CLASSES = {
    "constant": ("f + c for every constant vector c", "the loss is a straight line in c"),
    "apart": ("a direction that changes no class of the target", "the loss is constant in it"),
    "one class": ("the probability of the target's class -> 0", "the derivative is unbounded"),
}


def witness(about: dict[str, Any], certificate: dict[str, Any]) -> dict[str, str]:
    """Place and reason of a refutation; {} where none is named."""
    name, tree = certificate["property"], certificate["tree"]
    if "size" in about:
        at, what = CLASSES[tree["evidence"]]
        return {"at": at.replace("f +", f"{about['variable']} +"), "what": what}
    if "variables" not in about:
        return scalar_witness(about, certificate)
    if name.startswith(ALONE) and "part" in tree:
        part = (parts(about) or [])[[*about["variables"]].index(name.removeprefix(ALONE))]
        return scalar_witness(part, {"property": "convex", "tree": tree["part"]})
    if name.startswith(ALONE):
        return scalar_witness(alone(about, name.removeprefix(ALONE)), {"property": "convex", "tree": tree})
    if "alone" in tree:
        return scalar_witness(alone(about, tree["alone"]), {"property": name, "tree": tree["tree"]})
    if "sum" in tree:
        for p, t in zip(parts(about) or [], tree["sum"], strict=True):
            if found := t and scalar_witness(p, {"property": name, "tree": t}):
                return dict(found)
        return {}
    for node, where in leaves(about, tree, [*about["parameters"]], [*about["inputs"]]):
        if "evidence" in node:
            at, what = _evidence(about, node)
            return {"at": at, "what": what} | ({"for": " and ".join(where)} if where else {})
    return {}


def _evidence(about: dict[str, Any], node: dict[str, Any]) -> tuple[str, str]:
    """The place in the plane, and what is so there."""
    evidence, order = node["evidence"], node["order"]
    cell = dict(zip(order, evidence["cell"], strict=True))
    ranges = [_range(about, node, v, cell[v]) for v in order]
    if "point" in evidence:
        ranges = [
            _coordinate(about, node, v, cell[v], t, r) for v, t, r in zip(order, evidence["point"], ranges, strict=True)
        ]
    shown = [r for r in ranges if not r.startswith("all ")]
    at = " and ".join(shown) if shown else f"all {' and '.join(order)}"
    if "direction" in evidence:
        steps = ", ".join(f"{v}: {d}" for v, d in zip(order, evidence["direction"], strict=True))
        return at, f"the second derivative in the direction ({steps}) is not positive"
    if "," in evidence["minor"]:
        return at, "the determinant of the Hessian is negative"
    return at, f"the second derivative by {evidence['minor']} is negative"


def _bounds(about: dict[str, Any], node: dict[str, Any], v: str, i: int) -> tuple[str, str]:
    low, high = (x.strip() for x in about["variables"][v][1:-1].split(","))
    bounds = [low, *node["at"][v], high]
    return bounds[i // 2], bounds[i // 2 + 1]


def _range(about: dict[str, Any], node: dict[str, Any], v: str, i: int) -> str:
    return between(v, *_bounds(about, node, v, i))


def _coordinate(about: dict[str, Any], node: dict[str, Any], v: str, i: int, t: str, otherwise: str) -> str:
    """The value of a prediction where its coordinate is t, for charts in which that is easily said."""
    low, high = _bounds(about, node, v, i)
    kind, scale, flip = node["charts"][v][i // 2]
    if kind == "free":
        return f"{v} = {t}"
    if kind != "linear" or flip or scale != "1" or (low == "-oo") == (high == "oo"):
        return otherwise
    return f"{v} = {high} - ({t})" if low == "-oo" else f"{v} = {t}" if low == "0" else f"{v} = {low} + {t}"
