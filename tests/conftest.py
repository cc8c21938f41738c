"""What do the tests share? A cache folder of their own, and how a peer library that may be absent is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

import pytest
from hypothesis import settings

# In CI the same examples every time: what is new is found by developers' runs, not by an unlucky one of CI.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI", "").lower() not in ("", "0", "false"):
    settings.load_profile("ci")


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Libraries are compiled into a temporary folder, which the workers of a session share, not into the user's."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "lossforge-cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOSSFORGE_CACHE", str(folder))
        yield


def optional(name: str, install: str) -> ModuleType:
    """A library that may be absent. Where CI says that it is there, its absence is a failure."""
    try:
        return import_module(name)
    except ImportError:
        reason = f"{name} is not installed; `{install}` installs it"
        if os.environ.get("CI", "").lower() in ("", "0", "false"):
            pytest.skip(reason)
        pytest.fail(reason)


@pytest.fixture(scope="session")
def torch() -> ModuleType:
    """PyTorch, to compare results with."""
    return optional("torch", "python3 dev.py test --peers")


@pytest.fixture(scope="session")
def xgboost() -> ModuleType:
    return optional("xgboost", "python3 -m pip install -e '.[xgboost]'")


@pytest.fixture(scope="session")
def lightgbm() -> ModuleType:
    return optional("lightgbm", "python3 -m pip install -e '.[lightgbm]'")


@pytest.fixture(scope="session")
def catboost() -> ModuleType:
    return optional("catboost", "python3 -m pip install -e '.[catboost]'")
