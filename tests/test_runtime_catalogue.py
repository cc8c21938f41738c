"""Does the runtime serve every loss of the catalogue, with C and NumPy alike?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lossforge import losses
from lossforge.runtime.artifacts import catalogue_facts
from lossforge.runtime.domains import Domain, FiniteSet, Integers, Interval, Rows, read_domain
from lossforge.runtime.parameters import default_of

NAMES = list(losses)
N, K = 40, 3


def numbers(domain: Domain, rng: np.random.Generator) -> np.ndarray:
    """Values inside a domain, of shape (N,) or (N, K)."""
    shape = (N, K) if domain.vector else (N,)
    match domain:
        case Interval(_, low, high):
            if np.isfinite(low) and np.isfinite(high):
                return rng.uniform(low + 0.01 * (high - low), high - 0.01 * (high - low), shape)
            if np.isfinite(low):
                return low + rng.exponential(2, shape) + 0.01
            return high - rng.exponential(2, shape) - 0.01 if np.isfinite(high) else rng.normal(0, 4, shape)
        case FiniteSet(_, values):
            return rng.choice(values, shape)
        case Integers():
            return rng.poisson(2, shape).astype(float)
        case Rows(_, one_hot):
            rows = rng.dirichlet(np.ones(K), N)
            return np.eye(K)[rows.argmax(axis=1)] if one_hot else rows


def parameters(name: str, rng: np.random.Generator) -> dict[str, float]:
    """A value for every parameter without a default."""
    declared = {k: d for k, d in catalogue_facts(name)["parameters"].items() if default_of(d) is None}
    return {k: float(numbers(read_domain(d["domain"]), rng)[0]) for k, d in declared.items()}


@pytest.mark.parametrize("name", NAMES)
def test_c_and_numpy_agree(name: str) -> None:
    rng = np.random.default_rng(7)
    bound = parameters(name, rng)
    c, numpy = (losses[name](backend=backend, **bound) for backend in ("c", "numpy"))
    arguments = c.facts["arguments"]
    columns: dict[str, list[np.ndarray]] = {"target": [], "prediction": []}
    for declared in arguments.values():
        columns[declared["role"]].append(numbers(read_domain(declared["domain"]), rng))
    y, f = (cs[0] if len(cs) == 1 else np.stack(cs, axis=-1) for cs in columns.values())
    for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 2e-4)):
        pair = y.astype(dtype), f.astype(dtype)
        cases: list[tuple[Any, Any]] = [pair, (pair[0][:0], pair[1][:0]), (pair[0][0], pair[1][0])]
        if read_domain(arguments[next(iter(arguments))]["domain"]).text == "one_hot(K)":
            cases.append((y.argmax(axis=1), pair[1]))
        for targets, predictions in cases:
            for method in c.facts["kernels"]:
                if method == "inverse_link" or method.endswith("_index"):
                    continue
                results = [getattr(k, method)(targets, predictions, sample_weight=0.5) for k in (c, numpy)]
                tuples = [r if isinstance(r, tuple) else (r,) for r in results]
                for a, b in zip(*tuples, strict=True):
                    assert a.dtype == b.dtype == dtype and a.shape == b.shape
                    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
        for a, b in zip(c.inverse_link(pair[1]), numpy.inverse_link(pair[1]), strict=True):
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", NAMES)
def test_the_short_way_serves_every_loss(name: str) -> None:
    """Plain arrays go by the door where there is one, to the same bits; sums are those of the losses."""
    rng = np.random.default_rng(8)
    loss = losses[name](backend="c", **parameters(name, rng))
    columns: dict[str, list[np.ndarray]] = {"target": [], "prediction": []}
    for declared in loss.facts["arguments"].values():
        columns[declared["role"]].append(numbers(read_domain(declared["domain"]), rng))
    y, f = (cs[0] if len(cs) == 1 else np.stack(cs, axis=-1) for cs in columns.values())
    plain = all(len(arrays) == 1 for arrays in columns.values())
    for dtype in (np.float64, np.float32):
        targets, predictions, weight = y.astype(dtype), f.astype(dtype), np.full(N, 0.5, dtype)
        for method in (m for m in loss.facts["kernels"] if m != "inverse_link" and not m.endswith("_index")):
            slow = getattr(loss, method)(targets, predictions, sample_weight=0.5)
            quick = loss._quick[method](targets, predictions, weight, None, True, 1)
            assert (quick is not None) == plain
            if plain:
                tuples = [r if isinstance(r, tuple) else (r,) for r in (slow, quick)]
                assert all(a.tobytes() == b.tobytes() for a, b in zip(*tuples, strict=True))
        each = loss.loss(targets, predictions, sample_weight=weight)
        total = loss.sum(targets, predictions, sample_weight=weight)
        assert total == pytest.approx(np.sum(each, dtype=np.float64), rel=1e-12, abs=1e-9)
        assert loss.sum(targets, predictions, sample_weight=0.5) == total
        assert loss.mean(targets, predictions, sample_weight=weight) == total / (N / 2)


@pytest.mark.parametrize("name", NAMES)
def test_help(name: str) -> None:
    assert losses[name].__doc__ and losses[name].__name__ == name
