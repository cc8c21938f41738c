"""Do results depend on where a row stands, or on how many stand beside it? Kernels run in blocks of rows."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import lossforge as lf
from lossforge.runtime import native
from lossforge.runtime.artifacts import Artifacts, catalogue_facts

Array = NDArray[Any]
SIZES = (1, 2, 63, 64, 65, 130)
rng = np.random.default_rng(5)


def same(a: Array, b: Array) -> bool:
    return a.tobytes() == b.tobytes()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", ["huber", "logistic", "barron", "tweedie_log_link"])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_row_has_the_same_result_everywhere(name: str, dtype: Any, weighted: bool) -> None:
    loss = getattr(lf.losses, name)(backend="c")
    f = rng.normal(0, 3, max(SIZES)).astype(dtype)
    y = (np.sign(f) * rng.choice([-1, 1], f.size)).astype(dtype) if name == "logistic" else np.abs(f[::-1])
    w = rng.random(f.size).astype(dtype) if weighted else None

    def run(rows: slice) -> tuple[Array, ...]:
        weight = None if w is None else w[rows]
        results: tuple[Array, ...] = loss.loss_gradient_hessian(y[rows], f[rows], sample_weight=weight)
        return results

    single = [np.concatenate(parts) for parts in zip(*(run(slice(i, i + 1)) for i in range(f.size)), strict=True)]
    for n in SIZES:
        assert all(same(a, b[:n]) for a, b in zip(run(slice(n)), single, strict=True)), n
    if w is not None:
        plain = loss.loss_gradient_hessian(y, f)
        assert all(same(a, w * b) for a, b in zip(single, plain, strict=True))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("classes", [1, 2, 7, 300, 3000])
@pytest.mark.parametrize("labels", [False, True])
def test_a_row_of_classes_has_the_same_result_everywhere(classes: int, dtype: Any, labels: bool) -> None:
    loss = lf.losses.softmax_cross_entropy(backend="c")
    f = rng.normal(0, 3, (37, classes)).astype(dtype)
    y: Array = rng.integers(0, classes, len(f))
    y = y if labels else np.eye(classes, dtype=dtype)[y]
    w = rng.random(len(f)).astype(dtype)
    whole = loss.loss_gradient(y, f, sample_weight=w)
    for rows in (slice(0, 1), slice(3, 8), slice(8, 33)):
        part = loss.loss_gradient(y[rows], f[rows], sample_weight=w[rows])
        assert all(same(a, b[rows]) for a, b in zip(part, whole, strict=True))
    plain = loss.loss_gradient(y, f)
    assert same(whole[0], w * plain[0]) and same(whole[1], w[:, None] * plain[1])
    if classes < 10:
        hessian, weighted = loss.hessian(y, f), loss.hessian(y, f, sample_weight=w)
        assert same(weighted, w[:, None, None] * hessian)
        assert same(loss.hessian(y[5:7], f[5:7]), hessian[5:7])


def test_the_uniform_entry_is_the_readable_function() -> None:
    artifacts = Artifacts(catalogue_facts("huber"))
    library = native.build("huber", artifacts.c_text()).library
    n = 100
    y, f, w = (rng.normal(size=n) for _ in range(3))
    given, found = np.empty((2, n)), np.empty((2, n))
    pointer = lambda a: ctypes.c_void_p(a.__array_interface__["data"][0])  # noqa: E731
    library.lossforge_huber_gradient_hessian_f64(
        ctypes.c_size_t(n),
        pointer(y),
        pointer(f),
        pointer(w),
        ctypes.c_double(1.5),
        pointer(given[0]),
        pointer(given[1]),
    )
    inputs, outputs = (ctypes.c_void_p * 3)(*map(pointer, (y, f, w))), (ctypes.c_void_p * 2)(*map(pointer, found))
    parameters = (ctypes.c_double * 1)(1.5)
    library.lossforge_huber_gradient_hessian_f64_at(ctypes.c_size_t(n), ctypes.c_size_t(1), inputs, parameters, outputs)
    assert same(given, found)
    assert same(given[0], w * np.clip(f - y, -1.5, 1.5))
