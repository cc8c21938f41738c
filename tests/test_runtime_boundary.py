"""Is an array evaluated as the plain contiguous copy of it would be?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sample_artifacts import GAUSSIAN, HUBER, PAIR, SOFTMAX

from lossforge.runtime.boundary import prepare
from lossforge.runtime.signature import Signature

BACKENDS = ("c", "numpy")
METHODS = ("loss", "gradient", "hessian", "loss_gradient", "gradient_hessian", "loss_gradient_hessian")


def tupled(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)


def same(a: Any, b: Any) -> None:
    for x, y in zip(tupled(a), tupled(b), strict=True):
        assert x.dtype == y.dtype and x.shape == y.shape
        np.testing.assert_array_equal(x, y)


def strange(x: np.ndarray, how: str, tmp: Path | None = None) -> np.ndarray:
    """The same values, laid out in an unusual way."""
    if how == "reversed" and x.ndim:
        return np.ascontiguousarray(x[::-1])[::-1]
    if how == "strided":
        wide = np.full((*x.shape, 3), 77, x.dtype)
        wide[..., 1] = x
        return wide[..., 1]
    if how == "fortran" and x.ndim:
        return np.asfortranarray(x)
    if how == "swapped":
        return x.astype(x.dtype.newbyteorder())
    if how == "readonly":
        y = x.copy()
        y.flags.writeable = False
        return y
    if how == "misaligned":
        raw = np.zeros(x.nbytes + 1, np.uint8)
        view = raw[1:].view(x.dtype).reshape(x.shape)
        view[...] = x
        return view
    return x


LAYOUTS = ("plain", "reversed", "strided", "fortran", "swapped", "readonly", "misaligned")
numbers = st.floats(-50, 50, width=32)


@st.composite
def problems(draw: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=4))
    dtypes = [draw(st.sampled_from([np.float64, np.float32])) for _ in range(2)]
    y, f = (draw(hnp.arrays(d, s, elements=numbers)) for d, s in zip(dtypes, shapes.input_shapes, strict=True))
    weight = draw(st.none() | hnp.arrays(np.float64, shapes.result_shape, elements=st.floats(0, 9)))
    return y, f, weight


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=60, deadline=None)
@given(problems(), st.sampled_from(METHODS), *[st.sampled_from(LAYOUTS)] * 3)
def test_layout_makes_no_difference(
    backend: str, problem: Any, method: str, how_y: str, how_f: str, how_w: str
) -> None:
    y, f, w = problem
    function = HUBER.function(backend, delta=1.5)
    shape = np.broadcast_shapes(y.shape, f.shape)
    dtype = np.float32 if y.dtype == f.dtype == np.float32 else np.float64
    plain_y, plain_f = (np.array(np.broadcast_to(x, shape), dtype) for x in (y, f))
    expected = getattr(function, method)(plain_y, plain_f, sample_weight=w)
    given_w = None if w is None else strange(w, how_w)
    arrays = strange(y, how_y), strange(f, how_f)
    same(getattr(function, method)(*arrays, sample_weight=given_w), expected)
    outs = tuple(strange(np.zeros(shape, dtype), h) for h in (how_f, how_y, how_w)[: len(tupled(expected))])
    if all(o.flags.writeable for o in outs):
        written = getattr(function, method)(*arrays, sample_weight=given_w, out=outs if len(outs) > 1 else outs[0])
        assert all(a is b for a, b in zip(tupled(written), outs, strict=True))
        for a, b in zip(outs, tupled(expected), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("how_f", LAYOUTS)
@pytest.mark.parametrize("how_y", LAYOUTS)
def test_every_pair_of_layouts(backend: str, how_y: str, how_f: str) -> None:
    """Equal shapes and dtypes, which nothing else need bring into form."""
    function = HUBER.function(backend)
    for dtype in (np.float64, np.float32):
        for shape in ((5,), (2, 3)):
            f = np.linspace(-3, 4, int(np.prod(shape)), dtype=dtype).reshape(shape)
            y = np.flip(f).copy() / 2
            same(function.loss_gradient(strange(y, how_y), strange(f, how_f)), function.loss_gradient(y, f))
            # x86 forgives misaligned reads, so the result alone would not show them.
            inputs = prepare(Signature.of(HUBER.facts), strange(y, how_y), strange(f, how_f), True)
            for array in inputs.arrays:
                assert array.flags.aligned and array.flags.c_contiguous and array.dtype == dtype and array.ndim == 1


@settings(max_examples=40, deadline=None)
@given(problems(), st.sampled_from(METHODS))
def test_backends_agree(problem: Any, method: str) -> None:
    y, f, w = problem
    c, numpy = (getattr(HUBER.function(b, delta=0.75), method)(y, f, sample_weight=w) for b in BACKENDS)
    for a, b in zip(tupled(c), tupled(numpy), strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_array_max_ulp(np.asarray(a), np.asarray(b), maxulp=2) if a.size else None


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=30, deadline=None)
@given(st.data())
def test_vector_layouts_and_labels(backend: str, data: Any) -> None:
    function = SOFTMAX.function(backend)
    batch = data.draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
    size = data.draw(st.integers(1, 4))
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    f = data.draw(hnp.arrays(dtype, (*batch, size), elements=numbers))
    labels = data.draw(hnp.arrays(data.draw(st.sampled_from([np.int64, np.uint8, np.int32])), batch,
                                  elements=st.integers(0, size - 1)))  # fmt: skip
    w = data.draw(st.none() | hnp.arrays(np.float64, batch, elements=st.floats(0, 9)))
    how = data.draw(st.sampled_from(LAYOUTS))
    expected = function.loss_gradient_hessian(np.eye(size, dtype=dtype)[labels], f, sample_weight=w)
    assert [r.shape for r in expected] == [batch, (*batch, size), (*batch, size, size)]
    assert all(r.dtype == dtype for r in expected)
    result = function.loss_gradient_hessian(strange(labels, how), strange(f, how), sample_weight=w)
    for a, b in zip(result, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    same(function.inverse_link(strange(f, how)), function.inverse_link(f))


@pytest.mark.parametrize("backend", BACKENDS)
def test_several_predictions_are_stacked(backend: str) -> None:
    y, f = np.array([1.0, 2.0, 5.0]), np.array([[0.0, 1.0], [2.0, 3.0], [1.0, 0.0]])
    a, e = f[:, 0], np.exp(f[:, 1])
    loss, gradient, hessian = GAUSSIAN.function(backend).loss_gradient_hessian(y, f, sample_weight=2.0)
    np.testing.assert_allclose(loss, 2 * (e * (y - a) ** 2 / 2 - f[:, 1] / 2))
    np.testing.assert_allclose(gradient, 2 * np.stack([e * (a - y), e * (y - a) ** 2 / 2 - 0.5], axis=1))
    np.testing.assert_allclose(hessian[:, 0, 1], 2 * e * (a - y))
    np.testing.assert_array_equal(hessian, np.swapaxes(hessian, 1, 2))
    # Targets and predictions in an order of their own; broadcasting of a single row; a strided out.
    out = np.zeros((3, 2, 2))[:, ::-1]
    pair = PAIR.function(backend, s=3)
    assert pair.gradient([[0.5, -1.0]], f, out=out[..., 0]) is not None
    np.testing.assert_array_equal(out[..., 0], np.stack([3 * (a - 0.5), 2 * (f[:, 1] + 1)], axis=1))
    with pytest.raises(ValueError, match=r"f has shape \(3,\); expected \(..., 2\), with f_a, f_b on the last axis"):
        pair.loss(f, a)
    with pytest.raises(ValueError, match=r"pair: y\[1, 1\] = 0.0 lies outside \{-1, 1\}, the domain of the target y_b"):
        pair.loss([[0.0, 1.0], [0.0, 0.0], [0.0, 0.0]], f)


F32, F64, I64 = np.float32, np.float64, np.int64


@pytest.mark.parametrize(
    ("y", "f", "dtype"),
    [
        (np.ones(2, F32), np.ones(2, F32), F32),
        (np.ones(2, F32), np.ones(2, F64), F64),
        (np.ones(2, F64), np.ones(2, F32), F64),
        (1.0, np.ones(2, F32), F32),
        (1, np.ones(2, F32), F32),
        (np.ones(2, F32), 1.0, F32),
        (np.float64(1), np.ones(2, F32), F64),
        (np.ones(2, I64), np.ones(2, F32), F32),
        (np.ones(2, bool), np.ones(2, F32), F32),
        (np.ones(2, F32), np.ones(2, I64), F64),
        (np.ones(2, I64), np.ones(2, I64), F64),
        (np.ones(2, np.float16), np.ones(2, np.float16), F32),
        (np.ones(2, np.float16), np.ones(2, F64), F64),
        ([1, 2], [1.0, 2.0], F64),
        (1, 2, F64),
    ],
)
def test_computing_dtype(y: Any, f: Any, dtype: Any) -> None:
    for backend in BACKENDS:
        loss, gradient = HUBER.function(backend).loss_gradient(y, f, sample_weight=np.float64(2))
        assert loss.dtype == gradient.dtype == dtype


def test_scalars_give_numpy_scalars_and_empty_arrays_work() -> None:
    for backend in BACKENDS:
        function = HUBER.function(backend)
        assert type(function.loss(1.0, 3)) is np.float64
        assert type(function.loss(np.float32(1), np.array(3, np.float32))) is np.float32
        assert type(SOFTMAX.function(backend).loss(0, [1.0, 2.0])) is np.float64
        assert function.gradient([], []).shape == (0,)
        assert function.gradient(np.empty((2, 0, 3)), 1.0).shape == (2, 0, 3)
        out = np.empty(())
        assert function.loss(1.0, 3.0, out=out) is out and out == 1.5


def test_memory_mapped(tmp_path: Path) -> None:
    path = tmp_path / "f.bin"
    np.linspace(-3, 3, 50).tofile(path)
    f = np.memmap(path, np.float64, "r")
    out = np.memmap(tmp_path / "out.bin", np.float64, "w+", shape=(50,))
    for backend in BACKENDS:
        HUBER.function(backend).gradient(0.0, f, out=out)
        np.testing.assert_array_equal(out, np.clip(np.linspace(-3, 3, 50), -1, 1))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.ones(2, complex), "huber: f has dtype complex128; expected float64, float32, float16, integers"),
        (np.ones(2, np.longdouble), "huber: f has dtype (longdouble|float128)"),
        (np.array(["a", "b"]), "huber: f has dtype <U1"),
        (np.array([1, None]), "huber: f has dtype object"),
        (None, "huber: f has dtype object"),
        (np.array(["2020-01-01"], "M8[D]"), "huber: f has dtype datetime64"),
        ([[1.0], [1.0, 2.0]], "huber: f cannot be read as an array of real numbers"),
        (10**400, "huber: f has dtype object"),
        (np.ma.masked_array([1.0, 2.0], [True, False]), "huber: f is a masked array"),
    ],
)
def test_what_is_no_real_array_is_refused(value: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        HUBER.function("numpy").loss([0.0, 0.0], value)


def test_shapes_that_do_not_fit_are_refused() -> None:
    function, softmax = HUBER.function("numpy"), SOFTMAX.function("numpy")
    with pytest.raises(ValueError, match=r"y of shape \(2,\) and f of shape \(3,\) do not broadcast together"):
        function.loss(np.ones(2), np.ones(3))
    with pytest.raises(ValueError, match=r"sample_weight has shape \(3,\), which does not broadcast to \(2,\)"):
        function.loss(np.ones(2), np.ones(2), sample_weight=np.ones(3))
    with pytest.raises(ValueError, match="sample_weight has shape"):  # a weight does not enlarge the result
        function.loss(np.ones(2), np.ones(2), sample_weight=np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"f has shape \(\); expected \(..., K\)"):
        softmax.loss(1, 1.0)
    with pytest.raises(ValueError, match=r"f has shape \(2, 0\)"):
        softmax.loss([0, 0], np.ones((2, 0)))
    with pytest.raises(ValueError, match=r"expected y of shape \(..., 3\)"):
        softmax.loss(np.ones((2, 1)), np.ones((2, 3)))
    with pytest.raises(TypeError, match="must hold class labels, integers from 0 to 2, not float64"):
        softmax.loss([0.0, 1.0], np.ones((2, 3)))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(("labels", "text"), [
    ([0, 3], r"y\[1\] = 3 is no class label: f has 3 classes, so labels are integers from 0 to 2"),
    ([-1, 0], r"y\[0\] = -1 is no class label"),
    (np.array([0, 2**63], np.uint64), rf"y\[1\] = {2**63} is no class label"),
])  # fmt: skip
def test_labels_are_always_checked(backend: str, check: bool, labels: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        SOFTMAX.function(backend).loss(labels, np.ones((2, 3)), check_domain=check)
