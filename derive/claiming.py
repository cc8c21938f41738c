"""Which properties has a loss a claim about, and which prover makes it?

A statement is of one scalar prediction (`prove`), of several predictions (`joint_search`), or of K classes
(`classes_search`).
"""

from __future__ import annotations

from typing import Any

from . import classes_search, joint, joint_search, prove
from .classes import CLAIMED

Made = tuple[dict[str, Any], dict[str, Any] | None]  # a claim, and its certificate where it is decided


def applicable(about: dict[str, Any]) -> list[str]:
    """The properties that have a meaning for a loss."""
    if "size" in about:
        return list(CLAIMED)
    return joint.claimed(about) if "variables" in about else prove.applicable(about)


def claim(about: dict[str, Any], name: str) -> Made:
    """The claim about one property, and its certificate."""
    if "size" in about:
        return classes_search.claim(about, name)
    return joint_search.claim(about, name) if "variables" in about else prove.Prover(about, name).claim()
