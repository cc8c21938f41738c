"""What speaks against a claim?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A claim, and what speaks against it.

    `kind` is "contradicted" (points that violate it, confirmed at 160 digits), "unreached" (a value said to be the
    best that is not approached within 5 %, or a bound said to be attained that is not), "unconfirmed" (no violation of
    a property that is said not to hold), "unreadable" (a claim that says nothing that can be tested).
    """

    property: str
    kind: str
    message: str
    at: Mapping[str, str] = field(default_factory=dict)
