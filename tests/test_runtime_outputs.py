"""Do results land where the caller said, and nowhere else?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided
from sample_artifacts import HUBER, SOFTMAX

BACKENDS = ("c", "numpy")


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=80, deadline=None)
@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 12), st.sampled_from([1, 2, -1]), st.booleans())
def test_out_overlapping_inputs(backend: str, at_y: int, at_f: int, at_out: int, step: int, weighted: bool) -> None:
    """Every way in which three windows on one buffer may overlap."""
    n = 8
    buffer = np.linspace(0.5, 9, 40)
    window = [buffer[start : start + 2 * n][::step][:n] for start in (at_y, at_f, at_out)]
    y, f, out = window
    weight = y if weighted else None
    function = HUBER.function(backend)
    expected = function.gradient(y.copy(), f.copy(), sample_weight=None if weight is None else weight.copy())
    assert function.gradient(y, f, sample_weight=weight, out=out) is out
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("backend", BACKENDS)
def test_out_may_be_an_input_itself(backend: str) -> None:
    function = HUBER.function(backend)
    y, f = np.linspace(-3, 3, 9), np.linspace(4, -4, 9)
    expected = function.loss_gradient(y.copy(), f.copy())
    loss, gradient = function.loss_gradient(y, f, out=(f, y))
    assert loss is f and gradient is y
    np.testing.assert_array_equal(loss, expected[0])
    np.testing.assert_array_equal(gradient, expected[1])
    labels = np.array([0, 1, 0, 2])
    scores = np.arange(12.0).reshape(4, 3)
    expected_loss = SOFTMAX.function(backend).loss(labels.copy(), scores)
    SOFTMAX.function(backend).loss(labels, scores, out=labels.view(np.float64))
    np.testing.assert_array_equal(labels.view(np.float64), expected_loss)


@pytest.mark.parametrize("backend", BACKENDS)
def test_out_in_columns_of_one_array_and_none(backend: str) -> None:
    function = HUBER.function(backend)
    y, f = np.zeros(5), np.linspace(-3, 3, 5)
    both = np.zeros((5, 2))
    function.loss_gradient(y, f, out=(both[:, 0], both[:, 1]))
    np.testing.assert_array_equal(both, np.stack(function.loss_gradient(y, f), axis=1))
    out = np.empty(5)
    loss, gradient = function.loss_gradient(y, f, out=(None, out))
    assert gradient is out and loss is not out and loss.flags.owndata


@pytest.mark.parametrize("backend", BACKENDS)
def test_results_belong_to_the_caller(backend: str) -> None:
    y, f = np.zeros(3), np.ones(3)
    first = HUBER.function(backend).gradient(y, f)
    first += 5
    np.testing.assert_array_equal(HUBER.function(backend).gradient(y, f), np.ones(3))
    np.testing.assert_array_equal((y, f), (np.zeros(3), np.ones(3)))


def refused() -> dict[str, tuple[Any, type[Exception], str]]:
    readonly = np.zeros(3)
    readonly.flags.writeable = False
    buffer = np.zeros(5)
    return {
        "shape": ((np.zeros(4), None), ValueError, r"out for loss has shape \(4,\), but the result has shape \(3,\)"),
        "broadcast": ((None, np.zeros((1, 3))), ValueError, r"out for gradient has shape \(1, 3\)"),
        "dtype": ((np.zeros(3, np.float32), None), TypeError, r"dtype float32, but the result has dtype float64"),
        "list": (([0, 0, 0], None), TypeError, "out for loss must be a NumPy array, got list"),
        "masked": ((np.ma.zeros(3), None), TypeError, "must be a NumPy array, got MaskedArray"),
        "count": (np.zeros(3), ValueError, r"out holds 1 arrays; expected a tuple of 2 arrays \(loss, gradient\)"),
        "read-only": ((None, readonly), ValueError, "out for gradient is read-only"),
        "overlap": ((buffer[:3], buffer[2:]), ValueError, "the out arrays of loss and gradient overlap"),
        "same": ((buffer[:3], buffer[:3]), ValueError, "the out arrays of loss and gradient overlap"),
        "self": ((as_strided(buffer, (3,), (0,)), None), ValueError, "the elements of out for loss share memory"),
    }


@pytest.mark.parametrize("case", refused())
def test_unfit_out_is_refused_before_anything_is_written(case: str) -> None:
    out, error, text = refused()[case]
    for backend in BACKENDS:
        with pytest.raises(error, match=text):
            HUBER.function(backend).loss_gradient(np.zeros(3), np.ones(3), out=out)
    for array in out if isinstance(out, tuple) else (out,):
        assert array is None or not np.any(array)


def test_overlap_of_elements_with_one_another() -> None:
    function = HUBER.function("numpy")
    buffer = np.zeros(12)
    windows = as_strided(buffer, (3, 4), (16, 8))  # rows overlap
    with pytest.raises(ValueError, match="share memory"):
        function.loss(0.0, np.ones((3, 4)), out=windows)
    transposed = np.zeros((4, 3)).T
    assert function.loss(0.0, np.ones((3, 4)), out=transposed) is transposed and (transposed == 0.5).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_weights_multiply_each_output_once(backend: str) -> None:
    y, f, w = np.zeros(4), np.array([0.5, -2.0, 3.0, 1.0]), np.array([0.0, 1.0, 2.5, 3.0])
    function = HUBER.function(backend)
    plain = function.loss_gradient_hessian(y, f)
    for a, b in zip(function.loss_gradient_hessian(y, f, sample_weight=w), plain, strict=True):
        np.testing.assert_array_equal(a, w * b)
    # A weight a row, for every class and every pair of classes.
    scores, labels = np.linspace(-1, 1, 6).reshape(2, 3), [0, 2]
    softmax = SOFTMAX.function(backend)
    weighted = softmax.loss_gradient_hessian(labels, scores, sample_weight=[2.0, 0.5])
    for a, b in zip(weighted, softmax.loss_gradient_hessian(labels, scores), strict=True):
        np.testing.assert_allclose(a, np.array([2.0, 0.5]).reshape(-1, *(1,) * (b.ndim - 1)) * b, rtol=1e-15)
    # Plain multiplication: nothing is dropped, and both backends say the same.
    assert np.isnan(function.loss(0.0, np.inf, sample_weight=0.0, check_domain=False))
    with pytest.raises(ValueError, match=r"sample_weight\[1\] = -1.0 is no weight"):
        function.loss(y, f, sample_weight=[1, -1, 1, 1])
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match=f"sample_weight = {bad} is no weight"):
            function.loss(y, f, sample_weight=bad)
    with pytest.raises(ValueError, match=r"sample_weight = inf"):  # 1e300 in float32
        function.loss(y.astype(np.float32), f.astype(np.float32), sample_weight=1e300)
