"""What do the tests share? How a peer library that may be absent is asked for."""

from __future__ import annotations

import os
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def torch() -> ModuleType:
    """PyTorch, to compare results with. Where CI says that it is there, its absence is a failure."""
    try:
        import torch as module
    except ImportError:
        reason = "PyTorch is not installed; `python3 dev.py test --peers` installs it"
        if os.environ.get("CI", "").lower() in ("", "0", "false"):
            pytest.skip(reason)
        pytest.fail(reason)
    return module
