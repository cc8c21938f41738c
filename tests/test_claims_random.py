"""Claims about random losses, held against sampling: none may be contradicted."""

from __future__ import annotations

import numpy as np
import pytest
from claimed import holds, number
from random_losses import as_loss
from sympy import Expr
from test_codegen_random import draw

from lossforge.codegen.kernels import kernels
from lossforge.codegen.render import Header, render
from lossforge.derive.derivation import derive

# Fine near the kinks that the grammar makes, wide enough to see the tails.
GRID = np.unique(np.concatenate([np.linspace(-6, 6, 1201), np.linspace(-60, 60, 241)]))


def values(expression: Expr, a: float, b: float) -> np.ndarray:
    derivation = derive(as_loss(expression, "random"))
    kernel = next(k for k in kernels(derivation) if k.name == "loss")
    module: dict[str, object] = {}
    exec(compile(render((kernel,), "numpy", Header("random", "", "", "", "")).text, "generated", "exec"), module)
    with np.errstate(all="ignore"):
        (result,) = module["loss"](np.zeros_like(GRID), GRID, np.float64(a), np.float64(b))  # type: ignore[operator]
    return np.asarray(result)


@pytest.mark.parametrize("batch", range(2))
def test_no_claim_is_contradicted(batch: int) -> None:
    decided = 0
    drawn = draw(batch)[:20]
    for expression in drawn:
        claims = derive(as_loss(expression, "random")).properties
        looked_at = {name: claims[name] for name in ("convex", "lipschitz", "continuous")}
        decided += looked_at["convex"].verdict != "undecided"
        for a, b in ((1.5, 0.25), (0.3, 0.9)):
            known = {name: holds(claim.as_data(), a=a, b=b) for name, claim in looked_at.items()}
            v = values(expression, a, b)
            good = np.isfinite(v)
            x, v = GRID[good], v[good]
            noise = 1e-9 * (1 + np.abs(v))
            left, right = np.diff(v)[:-1] / np.diff(x)[:-1], np.diff(v)[1:] / np.diff(x)[1:]
            falls = (right - left) * np.diff(x)[1:] < -(noise[:-2] + noise[1:-1] + noise[2:])
            if known["convex"]:
                assert not falls.any(), expression
            if known["convex"] is False and np.ptp(v) < 1e6:
                assert falls.any(), expression
            constant = looked_at["lipschitz"].value or looked_at["lipschitz"].bound
            if known["lipschitz"] and constant is not None:
                bound = number(constant, a=a, b=b)
                assert (np.abs(np.diff(v)) <= bound * np.diff(x) + noise[1:] + noise[:-1]).all(), expression
            if known["continuous"] and good.all():
                steps = np.abs(np.diff(v))
                widest = np.maximum(np.abs(np.gradient(v, x))[1:], np.abs(np.gradient(v, x))[:-1])
                assert (steps <= 4 * widest * np.diff(x) + noise[1:]).all(), expression
    assert decided >= 0.25 * len(drawn)
