"""Which statistic of the targets is the best constant prediction?

A loss that is proved to elicit a mean, a median or a quantile has it in closed form, through its link; for all others
the root of the derived gradient is looked for in numbers (`runtime/objectives/intercept.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy as sp

from ..spec.atoms import define_atoms
from ..spec.text import parse_expression
from .curvatures import link
from .derivation import Derivation

CLOSED = ("mean", "median", "quantile")


def intercept(derivation: Derivation, claims: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The statistic, its level, and whether the link maps it to the raw score; `{"statistic": "root"}` for none.

    `claims` are those about the loss, as data.
    """
    elicited = claims.get("elicits", {})
    value = elicited.get("value")
    if elicited.get("verdict") != "proved" or not isinstance(value, dict) or value.get("statistic") not in CLOSED:
        return {"statistic": "root"}
    known = {key: value[key] for key in ("statistic", "level") if key in value}
    if "link" not in value:
        return known
    return {**known, "link": True} if _same_link(derivation, str(value["link"])) else {"statistic": "root"}


def _same_link(derivation: Derivation, elicited: str) -> bool:
    """Whether the link that the proof speaks of is the one that was solved."""
    if link(derivation) is None or derivation.inverse_link is None:
        return False
    loss = derivation.loss
    symbols = {a.name: a.symbol for a in loss.predictions} | {p.name: p.symbol for p in loss.parameters}
    difference = define_atoms(derivation.inverse_link) - define_atoms(parse_expression(elicited, symbols))
    return bool(sp.expand(sp.cancel(sp.together(difference.rewrite(sp.exp)))) == 0)


__all__ = ["intercept"]
