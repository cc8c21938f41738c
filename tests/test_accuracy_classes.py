"""How exact are losses over K classes, in both tiers and in NumPy? Against mpmath, on hostile rows."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from mpmath import mp, mpf
from numpy.typing import NDArray

import lossforge as lf

SPREADS = (1.0, 8.0, 30.0, 1e3, 1e-8, 1e300, 1e-300)
SHIFTS = (0.0, 0.0, 1e15, 700.0, -745.0)


def hostile(rng: np.random.Generator, classes: int) -> NDArray[np.float64]:
    """Scores of one row: near and far, tied, shifted so that differences are rounded."""
    f = rng.normal(0.0, rng.choice(SPREADS), classes) + rng.choice(SHIFTS)
    if classes > 1 and rng.random() < 0.3:
        f[1] = f[0]
    return f


def exact(f: list[mpf], y: int) -> tuple[mpf, list[mpf], list[list[mpf]]]:
    """Loss, gradient and Hessian of the cross entropy, with nothing cancelled."""
    powers = [mp.exp(v - max(f)) for v in f]
    p = [e / mp.fsum(powers) for e in powers]
    others = [mp.fsum(q for i, q in enumerate(p) if i != j) for j in range(len(f))]
    loss = mp.log1p(mp.fsum(mp.exp(v - f[y]) for i, v in enumerate(f) if i != y))
    gradient = [-others[j] if j == y else p[j] for j in range(len(f))]
    hessian = [[p[j] * others[j] if j == k else -p[j] * p[k] for k in range(len(f))] for j in range(len(f))]
    return loss, gradient, hessian


def ulps(value: float, truth: mpf, dtype: type) -> float:
    about = np.finfo(dtype)
    if abs(truth) >= mpf(2) ** (about.maxexp) * (1 - mpf(2) ** (-about.nmant - 2)):
        return 0.0 if np.isinf(value) else np.inf
    exponent = max(int(mp.floor(mp.log(abs(truth), 2))), about.minexp) if truth else about.minexp
    return float(abs(mpf(float(value)) - truth) / mpf(2) ** (exponent - about.nmant))


# In ulps, of loss, gradient and Hessian: the product of two probabilities has the errors of both.
LIMITS = {
    ("c", "accurate", np.float64): (1.5, 3.0, 5.0),
    ("c", "accurate", np.float32): (0.51, 0.51, 0.51),
    ("c", "fast", np.float64): (2.0, 6.0, 8.0),
    ("c", "fast", np.float32): (2.0, 6.0, 8.0),
    ("numpy", None, np.float64): (2.0, 6.0, 8.0),
    ("numpy", None, np.float32): (2.0, 6.0, 8.0),
}


@pytest.mark.parametrize(("backend", "tier", "dtype"), LIMITS)
def test_cross_entropy_of_softmax(backend: str, tier: str | None, dtype: type) -> None:
    loss = lf.losses.softmax_cross_entropy(backend=backend, **({"tier": tier} if tier else {}))
    rng = np.random.default_rng(5)
    worst = np.zeros(3)
    with mpmath.workprec(300), np.errstate(over="ignore"):
        for _ in range(150):
            classes = int(rng.choice([1, 2, 3, 9, 17]))
            f, y = hostile(rng, classes).astype(dtype), int(rng.integers(classes))
            if not np.isfinite(f).all():
                continue
            truth = exact([mpf(float(v)) for v in f], y)
            for target in (np.array([y]), np.eye(classes, dtype=dtype)[y][None]):
                made = (*loss.loss_gradient(target, f[None]), loss.hessian(target, f[None]))
                for i, (values, expected) in enumerate(zip(made, truth, strict=True)):
                    wanted = np.ravel(np.array(expected, dtype=object))
                    errors = [ulps(v, t, dtype) for v, t in zip(np.ravel(values), wanted, strict=True)]
                    worst[i] = max(worst[i], *errors)
    assert (worst <= LIMITS[backend, tier, dtype]).all(), worst


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("tier", ["accurate", "fast"])
def test_an_infinite_difference(tier: str, dtype: type) -> None:
    big = np.finfo(dtype).max
    loss, gradient = lf.losses.softmax_cross_entropy(backend="c", tier=tier).loss_gradient(
        np.array([1, 0]), np.array([[big, -big], [big, -big]], dtype)
    )
    assert loss.tolist() == [np.inf, 0.0]
    assert gradient.tolist() == [[1.0, -1.0], [0.0, 0.0]]


@pytest.mark.parametrize("tier", ["accurate", "fast"])
def test_a_long_sum_loses_nothing(tier: str) -> None:
    """Of 20 001 terms, added one after the other, 8 ulps are lost, and 80 in a gradient of unequal ones."""
    classes = 20_001
    f = np.full((1, classes), -0.7)
    f[0, 0] = 0.0
    loss = lf.losses.softmax_cross_entropy(backend="c", tier=tier)
    with mpmath.workprec(200):
        truth = mp.log1p((classes - 1) * mp.exp(mpf(-0.7)))
        assert ulps(loss.loss(np.array([0]), f)[0], truth, np.float64) <= 1.5
        f = np.random.default_rng(1).normal(0, 2, (1, classes))
        truth = mp.exp(mpf(f[0, 5])) / mp.fsum(mp.exp(mpf(x)) for x in f[0])
        assert ulps(loss.gradient(np.array([3]), f)[0, 5], truth, np.float64) <= 4
