"""Which lemma shows a property of a loss over K classes? There are few, and all are tried; the checker decides."""

from __future__ import annotations

from typing import Any

from .checker import check, digest
from .classes import Statement
from .reading import Unproved


def trials(loss: Statement, name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Trees, and what is claimed with each."""
    f = loss["variable"]
    weights = [f"exp({f}[k])", f"{f}[k]", f"exp({f}[k])*{f}[k]", f"exp(2*{f}[k])"]
    proved, refuted = {"verdict": "proved"}, {"verdict": "refuted"}
    out: list[tuple[dict[str, Any], dict[str, Any]]]
    match name:
        case "convex" | "strictly_convex":
            out = [({"weights": w}, proved) for w in ([], *([w] for w in weights))]
        case "smooth" | "lipschitz":
            bound = {"smooth": "1/2", "lipschitz": "sqrt(2)"}[name]
            out = [({"weight": w}, {**proved, "bound": bound}) for w in weights]
        case _:
            out = [({"largest": largest}, proved) for largest in (False, True)]
    directions = {"strictly_convex": ("constant", "apart"), "smooth": ("one class",), "lipschitz": ("one class",)}
    return out + [({"evidence": kind}, refuted) for kind in directions.get(name, ())]


def claim(loss: Statement, name: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The claim and its certificate."""
    reason = "no proof was found"
    for tree, said in trials(loss, name):
        made, certificate = {"property": name, **said}, {"property": name, "loss": digest(loss), "tree": tree}
        try:
            check(loss, made, certificate)
        except Unproved as problem:
            reason = str(problem)
        else:
            return made, certificate
    return {"property": name, "verdict": "undecided", "reason": reason}, None
