"""At which points are the objectives for tensor libraries tried? In their domains, and none at a kink."""

from __future__ import annotations

from typing import Any

import numpy as np

from lossforge.spec.catalog import CATALOG

# The catalogue losses of one target and one prediction.
SCALAR = sorted(name for name, loss in CATALOG.items() if len(loss.arguments) == 2 and loss.size is None)

_TARGETS = {"{-1, 1}": (-1, 1), "{0, 1}": (0, 1), "[0, 1]": (0, 0.25, 1), "[0, oo)": (0.5, 1, 7), "(0, oo)": (1, 7),
            "(-1, oo)": (-0.5, 1, 7)}  # fmt: skip
_rng = np.random.default_rng(20261126)


def samples(name: str) -> tuple[Any, Any]:
    """Targets and predictions of a loss, (45,) each, at ordinary and at extreme places."""
    loss = CATALOG[name]
    f = np.concatenate([_rng.normal(0, 2, 40), [1e3, -1e3, 37.25, -37.25, 1e-9]])
    domain = loss.predictions[0].domain.text
    if domain != "(-oo, oo)":
        f = _rng.uniform(0.01, 0.99, f.size) if domain.endswith(("1]", "1)")) else np.abs(f)
    return np.resize(_TARGETS.get(loss.targets[0].domain.text, (0.0, 1.0, -2.5)), f.size).astype(float), f
