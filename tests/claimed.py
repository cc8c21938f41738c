"""The numbers that claims speak of: the value of a formula text, for tests."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

FUNCTIONS: dict[str, Any] = {
    "sqrt": math.sqrt, "exp": math.exp, "log": math.log, "atan": math.atan, "abs": abs, "max": max, "min": min,
    "pi": math.pi, "E": math.e, "oo": math.inf,
}  # fmt: skip


def number(text: str, **variables: float) -> Any:
    """The value of a formula over parameters and targets, or the truth of a condition."""
    return eval(text, {"__builtins__": {}}, {**FUNCTIONS, **variables})


def holds(claim: Mapping[str, Any], **variables: float) -> bool | None:
    """Whether a property holds at values of the parameters; None where that is undecided."""
    if claim["verdict"] == "conditional":
        return bool(number(claim["condition"], **variables))
    return {"proved": True, "refuted": False}.get(claim["verdict"])
