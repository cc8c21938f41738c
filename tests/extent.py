"""How much of what is alike is tested? All of it in CI and with `dev.py test --all`; otherwise a sample."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")

WHOLE = os.environ.get("CI", "").lower() not in ("", "0", "false") or os.environ.get("LOSSFORGE_TESTS") == "all"


def some(cases: Iterable[T], every: int) -> list[T]:
    """All cases, or one of `every`."""
    return [*cases] if WHOLE else [*cases][::every]


def about(count: int, share: int) -> int:
    """A number of random examples, or the given share of it."""
    return count if WHOLE else count // share
