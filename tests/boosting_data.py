"""What do the boosters train on? Few distinct values, so that repeated rows make the same bins and the same model."""

from __future__ import annotations

from typing import Any

import numpy as np

import lossforge as lf

N = 300
rng = np.random.default_rng(20261126)
X = rng.integers(0, 6, (N, 4)).astype(float)
REAL = X[:, 0] + np.sin(X[:, 1]) + rng.standard_t(3, N)
BINARY = (REAL > 3).astype(float)
COUNTS = rng.poisson(np.exp(X[:, 0] / 4)).astype(float)
CLASSES = np.where(rng.random(N) < 0.2, 0, X[:, 0] // 2).astype(int)
WEIGHT = rng.integers(0, 4, N).astype(float)
ROWS = np.repeat(np.arange(N), WEIGHT.astype(int))  # each row as often as its weight says
CASES = [
    ("pseudo_huber", REAL),
    ("logistic", BINARY),
    ("poisson_log_link", COUNTS),
    ("softmax_cross_entropy", CLASSES),
    ("gaussian_nll", REAL),
]
NAMES = [name for name, _ in CASES]


def objective(library: str, name: str, curvature: str | None = None, **parameters: float) -> Any:
    """By NumPy, which needs no compilation."""
    return lf.objective(lf.losses[name](backend="numpy", **parameters), library=library, curvature=curvature)
