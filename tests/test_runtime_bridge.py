"""Does the short way to the kernels, bridge.c, answer as the long one does, and leave the process as it was?"""

from __future__ import annotations

import ctypes
import gc
import os
import pickle
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sample_artifacts import GAUSSIAN, HUBER, PAIR, SOFTMAX, Sample

from lossforge.runtime import DomainViolation, EnvironmentLacking, LossFunction, backends, bridge, doctor
from lossforge.runtime.domains import outside, read_domain
from lossforge.runtime.function import OUTPUTS
from lossforge.runtime.threads import SPAN

DOORS = ("python", "ctypes")
METHODS = tuple(kernel for kernel in OUTPUTS if kernel != "inverse_link")
SAMPLES = {
    "huber": HUBER, "softmax": SOFTMAX, "gaussian": GAUSSIAN, "pair": PAIR,
    "bounded": HUBER.with_domain("y", "[0, 1]").with_domain("f", "(0, oo)"),
    "signs": HUBER.with_domain("y", "{-1, 1}"), "counts": HUBER.with_domain("y", "integers [0, oo)"),
    "simplex": SOFTMAX.with_domain("y", "simplex(K)").with_domain("f", "[-5, 5]^K"),
}  # fmt: skip


def lacking(*_: Any) -> Any:
    raise EnvironmentLacking("it was taken away")


@cache
def opened(sample: str, door: str) -> LossFunction:
    """A loss whose kernels are reached through one kind of door, or (`none`) the long way."""
    with pytest.MonkeyPatch.context() as patch:
        if door == "ctypes":
            patch.setattr(bridge, "headers", lacking)
        if door == "none":
            patch.setattr(backends, "bridge", lacking)
        loss: LossFunction = SAMPLES[sample].function(
            "numpy" if door == "numpy" else "c", **{"s": 2} if sample == "pair" else {}
        )
        for kernel in OUTPUTS:
            loss._door(kernel)
    return loss


def outcome(call: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """The bits of the results, or the exception and its text."""
    try:
        results = call(*given, **named)
    except (TypeError, ValueError) as error:
        return type(error), str(error)
    return [
        (r.dtype, r.shape, np.asarray(r).tobytes()) for r in (results if isinstance(results, tuple) else (results,))
    ]


def laid_out(x: np.ndarray, how: str) -> np.ndarray:
    """The same values, laid out in another way."""
    match how:
        case "strided":
            wide = np.zeros((*x.shape, 2), x.dtype)
            wide[..., 1] = x
            return wide[..., 1]
        case "swapped":
            return x.astype(x.dtype.newbyteorder())
        case "readonly":
            x = x.copy()
            x.flags.writeable = False
        case "misaligned":
            raw = np.zeros(x.nbytes + 1, np.uint8)
            raw[1:].view(x.dtype).reshape(x.shape)[...] = x
            return raw[1:].view(x.dtype).reshape(x.shape)
        case "fortran":
            return np.asfortranarray(x)
        case "pickled":  # its dtype object is not the one that NumPy keeps
            again: np.ndarray = pickle.loads(pickle.dumps(x))
            return again
        case "column":
            return x.reshape(-1, 1)
    return x


LAYOUTS = ("plain", "plain", "plain", "strided", "swapped", "readonly", "misaligned", "fortran", "pickled", "column")
# Inside the domains of the samples, mostly; then at their ends, outside, and where arithmetic is special.
NUMBERS = st.sampled_from([0.5, 1.0, 1.0, 0.25, 1.0, 2.0, 3.0]) | st.sampled_from(
    [0.0, -0.0, -1.0, 5e-324, 1e-40, np.inf, -np.inf, np.nan, 1.5, 1e300, -7.0, 2.0**53, 0.1]
)


@st.composite
def arrays(draw: Any, shape: tuple[int, ...], dtype: Any, numbers: Any = NUMBERS) -> np.ndarray:
    with np.errstate(all="ignore"):
        x = draw(hnp.arrays(np.float64, shape, elements=numbers)).astype(dtype)
    return laid_out(x, draw(st.sampled_from(LAYOUTS)))


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("sample", SAMPLES)
def test_plain_arrays_go_through_the_door(sample: str, door: str) -> None:
    loss = opened(sample, door)
    if sample in ("gaussian", "pair"):  # columns have to be taken apart
        assert loss._door("loss") is bridge.SHUT
        return
    vector = sample in ("softmax", "simplex")
    assert ("Door" in type(loss._quick["loss"].__self__).__name__) == (door == "ctypes")
    for dtype in (np.float64, np.float32):
        y, f = np.ones(7, dtype), np.linspace(0.1, 2, 7, dtype=dtype)
        if vector:
            y, f = np.eye(3, dtype=dtype)[[0, 1, 2, 0]], np.linspace(-1, 1, 12, dtype=dtype).reshape(4, 3)
        w = np.ones(len(y), dtype)
        for method in METHODS:
            plain = outcome(getattr(opened(sample, "none"), method), y, f, sample_weight=w)
            assert outcome(loss._quick[method], y, f, w, None, True, 1) == plain
            if sample == "softmax":
                labels = np.array([0, 1, 2, 0])
                indexed = outcome(getattr(opened(sample, "none"), method), labels, f)
                assert outcome(loss._quick[method], labels, f, None, None, True, 1) == indexed
        assert loss._quick["inverse_link"](None, f, None, None, True, 1).shape == f.shape


@pytest.mark.parametrize("door", DOORS)
@settings(max_examples=200, deadline=None)
@given(st.data())
def test_the_short_way_answers_as_the_long_one(door: str, data: Any) -> None:
    sample = data.draw(st.sampled_from(["huber", "bounded", "signs", "counts"]))
    method, check = data.draw(st.sampled_from(METHODS)), data.draw(st.sampled_from([True, True, False]))
    shape = data.draw(st.sampled_from([(1,), (5,), (2, 3), (0,), (17,)]))
    dtype = data.draw(st.sampled_from([np.float64, np.float32]))
    y, f = (data.draw(arrays(shape, dtype)) for _ in range(2))
    w = data.draw(st.none() | arrays(shape, dtype, NUMBERS.map(abs)))
    count = len(OUTPUTS[method])

    def call(through: str) -> Any:
        outs = out_arrays(y, f, how, shape, dtype)[:count]
        return outcome(
            getattr(opened(sample, through), method), y, f, sample_weight=w, check_domain=check,
            out=None if how == "none" else tuple(outs) if count > 1 else outs[0],
        )  # fmt: skip

    how = data.draw(st.sampled_from(["none", "plain", "plain", "strided", "readonly", "window", "wrong", "swapped"]))
    assert call(door) == call("none")


def out_arrays(y: np.ndarray, f: np.ndarray, how: str, shape: tuple[int, ...], dtype: Any) -> list[Any]:
    size = int(np.prod(shape))
    match how:
        case "window":  # the second and third overlap
            buffer = np.zeros(size * 2 + 1, dtype)
            return [
                buffer[:size].reshape(shape),
                buffer[size : 2 * size].reshape(shape),
                buffer[1 : size + 1].reshape(shape),
            ]
        case "wrong":
            return [np.zeros(shape, np.float16), np.zeros((*shape, 1), dtype), [0.0] * size]
    return [laid_out(np.zeros(shape, dtype), how) for _ in range(3)]


@pytest.mark.parametrize("door", DOORS)
@settings(max_examples=100, deadline=None)
@given(st.data())
def test_vectors_the_short_way_and_the_long(door: str, data: Any) -> None:
    sample = data.draw(st.sampled_from(["softmax", "simplex"]))
    method, check = data.draw(st.sampled_from(METHODS)), data.draw(st.sampled_from([True, True, False]))
    batch, size = data.draw(st.sampled_from([(3,), (2, 2), (0,), (1,)])), data.draw(st.integers(1, 4))
    dtype = data.draw(st.sampled_from([np.float64, np.float32]))
    f = data.draw(arrays((*batch, size), dtype))
    y: np.ndarray
    if data.draw(st.booleans()):
        y = data.draw(hnp.arrays(data.draw(st.sampled_from([np.int64, np.int32, np.uint64])), batch,
                                 elements=st.integers(0, size - data.draw(st.sampled_from([0, 1, 1, 1])))))  # fmt: skip
        y = laid_out(y, data.draw(st.sampled_from(LAYOUTS)))
    elif sample == "softmax":
        y = np.eye(size, dtype=dtype)[data.draw(hnp.arrays(np.int64, batch, elements=st.integers(0, size - 1)))]
    else:
        y = data.draw(arrays((*batch, size), dtype, st.sampled_from([1 / size, 1 / size, 0.0, 1.0, 0.5])))
    w = data.draw(st.none() | arrays(batch, dtype, st.floats(0, 9)))
    calls = [
        outcome(getattr(opened(sample, way), method), y, f, sample_weight=w, check_domain=check)
        for way in (door, "none")
    ]
    assert calls[0] == calls[1]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("at", range(4))
def test_every_overlap_of_out_is_left_to_the_long_way(door: str, at: int) -> None:
    loss, buffer = opened("huber", door), np.linspace(1, 2, 30)
    arrays = [buffer[i : i + 7] for i in (0, 7, 14, 21)]
    y, f, w, out = arrays
    assert loss._quick["loss"](y, f, w, out, True, 1) is out
    for shift in (-1, 1):
        moved = buffer[7 * at + shift : 7 * at + shift + 7] if at or shift > 0 else buffer[:7]
        tried = [moved if i == at else array for i, array in enumerate(arrays)]
        if np.may_share_memory(tried[3], np.concatenate(tried[:3])) or any(
            np.may_share_memory(tried[3], x) for x in tried[:3]
        ):
            assert loss._quick["loss"](*tried, True, 1) is None
    assert loss._quick["loss_gradient"](y, f, None, (w, w), True, 1) is None


TEXTS = (
    "(-oo, oo)", "(0, oo)", "[0, oo)", "(-oo, 0]", "(0, 1)", "[0, 1]", "[0, 1/10]", "{-1, 1}", "{0, 1}", "{0, 1, 2}",
    "integers [0, oo)", "integers [1, oo)", "(-3, 7)", "{5}",
)  # fmt: skip
EDGES = [
    0.0, -0.0, 1.0, -1.0, 0.1, 2.0, 5.0, 7.0, -3.0, 1.5, -7.0, 5e-324, -5e-324, 1e-45, np.inf, -np.inf, np.nan, 1e300,
    1e-300, 2.0**51 + 0.5, 2.0**53, np.nextafter(1, 2), np.nextafter(0.1, 1), np.float32(0.1),
]  # fmt: skip


@cache
def bounded_by(text: str, door: str) -> LossFunction:
    SAMPLES[text] = HUBER.with_domain("y", text)
    return opened(text, door)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("text", TEXTS)
def test_c_and_python_agree_on_what_a_domain_holds(text: str, door: str) -> None:
    domain, loss = read_domain(text), bounded_by(text, door)
    for dtype in (np.float64, np.float32):
        with np.errstate(all="ignore"):
            values = np.array(EDGES).astype(dtype)
            inside = [outside(domain, values[i : i + 1]) is None for i in range(len(values))]
            good = values[inside]
        assert good.size and good.size < len(values)
        for value, holds in zip(values, inside, strict=True):
            for n, at in ((1, 0), (9, 8), (2500, 2499), (2500, 1030), (2500, 0)):
                y = np.resize(good, n)
                y[at] = value
                assert (loss._quick["loss"](y, np.ones(n, dtype), None, None, True, 1) is not None) == holds
            assert loss._quick["loss"](y, np.ones(2500, dtype), None, None, False, 1) is not None


@pytest.mark.parametrize("door", DOORS)
def test_rows_near_the_tolerance_of_a_simplex_are_left_to_numpy(door: str) -> None:
    loss = opened("simplex", door)
    for off in (0.0, 9e-6, 0.99999999e-5, 1.1e-5, -1.1e-5):
        y = np.array([[0.5, 0.5 + off], [0.25, 0.75]])
        quick = loss._quick["loss"](y, np.zeros((2, 2)), None, None, True, 1)
        assert (quick is not None) == (abs(off) <= 9e-6)
        assert (outside(read_domain("simplex(K)"), y) is None) == (abs(off) < 1e-5)


class Array(np.ndarray):
    """What a subclass does with its numbers is its own affair."""


ODD: list[Any] = [
    None, True, False, 1, 0, -1, 2**70, 1.5, "y", b"yyyyyyyy", object(), [1.0], (1.0,), (), {}, np.float64(1),
    np.array(1.0), np.ones(3), np.ones(4), np.ones((3, 1)), np.ones(3, np.float32), np.ones(3, np.int64),
    np.ones(3, complex), np.ones(3, "M8[s]"), np.ones(3, object), np.array(["a", "b", "c"]),
    np.zeros(3, [("a", float)]), np.ones(3).view(Array), np.ma.ones(3), memoryview(np.ones(3)), bytearray(24),
    np.ones((3, 3)), np.empty((0,)), np.ones(3, ">f8"), np.ones(6)[::2], (np.ones(3), np.ones(3)), (np.ones(3),),
    (np.ones(3), None), (None,), np, int, np.ndarray, iter([]), range(3), np.broadcast_to(1.0, (3,)), np.ones(3, bool),
]  # fmt: skip


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("sample", ["huber", "softmax"])
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_odd_objects_are_declined(sample: str, door: str, data: Any) -> None:
    loss = opened(sample, door)
    odd = st.integers(0, len(ODD) - 1).map(ODD.__getitem__)
    for way, count in (("run", 6), ("part", 7), ("sums", 6)):
        call = getattr(loss._door("loss"), way)
        given = [data.draw(odd) for _ in range(count)]
        if data.draw(st.booleans()):
            given[:3] = np.ones(3), np.ones(3), None
        if way != "run" and door == "ctypes":  # these two are called by our own code alone, with ranges of its own
            given[-2:] = [0, 3]
        result = call(*given)
        assert result is None or isinstance(result, (np.ndarray, tuple))


def test_wrong_numbers_of_arguments_are_refused() -> None:
    door = opened("huber", "python")._door("loss")
    for way, count in ((door.run, 6), (door.part, 7), (door.sums, 6)):
        with pytest.raises(TypeError, match=f"expected {count} arguments, got 1"):
            way(1)
    with pytest.raises(TypeError):
        type(door.run.__self__)()  # type: ignore[attr-defined]


@pytest.mark.parametrize("door", DOORS)
def test_nothing_is_kept(door: str) -> None:
    loss = opened("huber", door)
    y, f, w, out = (np.ones(50) for _ in range(4))
    bad = np.full(50, np.nan)
    shared = (out, np.ones(50))

    def round_of_calls() -> None:
        loss.loss(y, f, sample_weight=w, out=out)
        loss.loss_gradient(y, f, out=shared)
        loss.loss_gradient(y, f)
        loss.mean(y, f, sample_weight=w)
        for declined in ((y, bad, None, out), (y, f, bad, None), (y, f, None, y), (y, "f", None, None)):
            assert loss._quick["loss"](*declined, True, 1) is None

    counted = (y, f, w, out, shared, bad, np.float64, np.empty, y.dtype, y.shape)
    for _ in range(50):
        round_of_calls()
    gc.collect()
    tracemalloc.start()
    before, references = tracemalloc.get_traced_memory()[0], [sys.getrefcount(x) for x in counted]
    for _ in range(5_000):
        round_of_calls()
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert [sys.getrefcount(x) for x in counted] == references
    assert after - before < 40_000  # the smallest object has twice as much a round; threads of other tests have some


@pytest.mark.parametrize("door", [*DOORS, "none", "numpy"])
def test_results_do_not_depend_on_threads(door: str) -> None:
    rng = np.random.default_rng(3)
    n = 4 * SPAN + 1017
    y, f, w = rng.normal(size=n), rng.normal(size=n), rng.uniform(size=n)
    cases: list[tuple[str, tuple[np.ndarray, np.ndarray, np.ndarray]]] = [
        ("huber", (y, f, w)), ("huber", tuple(x.astype(np.float32) for x in (y, f, w))),
        ("huber", (y[::-1], f, w)), ("gaussian", (y, np.stack([f, y], axis=1), w)),
        ("softmax", (rng.integers(0, 7, n // 7), f[: n // 7 * 7].reshape(-1, 7), w[: n // 7])),
    ]  # fmt: skip
    for sample, (target, prediction, weight) in cases:
        loss = opened(sample, door)
        for method in ("loss", "loss_gradient"):
            call = getattr(loss, method)
            alone = outcome(call, target, prediction, sample_weight=weight)
            for threads in (2, 5):
                assert outcome(call, target, prediction, sample_weight=weight, threads=threads) == alone
        for method in ("sum", "mean"):
            call = getattr(loss, method)
            assert len({call(target, prediction, sample_weight=weight, threads=t) for t in (1, 2, 5)}) == 1
        assert outcome(loss.inverse_link, prediction, threads=2) == outcome(loss.inverse_link, prediction)
    out = np.empty(n)
    assert opened("huber", door).loss(y, f, out=out, threads=2) is out
    np.testing.assert_array_equal(out, opened("huber", door).loss(y, f))


@pytest.mark.parametrize("door", [*DOORS, "none", "numpy"])
def test_threads_find_what_one_would(door: str) -> None:
    loss, n = opened("bounded", door), 4 * SPAN + 5
    y, f = np.ones(n), np.ones(n)
    f[-1] = np.nan
    result = loss.loss(y, f, threads=2)
    assert np.isnan(result[-1]) and not np.isnan(result[:-1]).any()
    assert np.isnan(loss.sum(y, f, threads=2))
    y[-2] = 3
    for call in (loss.loss, loss.gradient_hessian, loss.mean):
        with pytest.raises(DomainViolation, match=rf"y\[{n - 2}\] = 3.0 lies outside \[0, 1\]"):
            call(y, f, threads=2)


@pytest.mark.parametrize(("threads", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), (None, TypeError),
                                                (True, TypeError), ("2", TypeError)])  # fmt: skip
@pytest.mark.parametrize("door", [*DOORS, "numpy"])
def test_a_number_of_threads_is_a_positive_integer(door: str, threads: Any, error: type[Exception]) -> None:
    loss = opened("huber", door)
    for call in (loss.loss, loss.mean, loss.sum, loss.loss_gradient_hessian):
        with pytest.raises(error, match="huber: threads must be a positive integer, 1 to stay in the calling thread"):
            call(np.ones(3), np.ones(3), threads=threads)
    with pytest.raises(error, match="threads must be"):
        loss.inverse_link(np.ones(3), threads=threads)
    assert (loss.loss(np.ones(3), np.ones(3), threads=np.int64(2)) == 0).all()


@pytest.mark.parametrize("door", DOORS)
def test_many_callers_at_once(door: str) -> None:
    loss = opened("huber", door)
    y, f = np.zeros(40_000), np.linspace(-3, 3, 40_000)
    expected, mean = np.clip(f, -1, 1), loss.mean(y, f)
    with ThreadPoolExecutor(8) as pool:
        for result, found in pool.map(lambda _: (loss.gradient(y, f), loss.mean(y, f)), range(64)):
            np.testing.assert_array_equal(result, expected)
            assert found == mean


# Whatever has threads in this process, JAX or another test's, warns of a fork; the child uses none of it.
@pytest.mark.filterwarnings("ignore:.*fork.*:RuntimeWarning", "ignore:.*fork.*:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("door", DOORS)
def test_fork_and_pickle(door: str) -> None:
    loss, n = opened("huber", door), 4 * SPAN + 1
    y, f = np.zeros(n), np.linspace(-3, 3, n)
    expected = loss.sum(y, f, threads=2)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = int(loss.sum(y, f, threads=2) != expected or loss.loss(y[:9], f[:9]).shape != (9,))
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert pickle.loads(pickle.dumps(loss)).sum(y, f) == expected


@pytest.mark.parametrize("door", [*DOORS, "none"])
def test_sums_are_of_the_losses(door: str) -> None:
    rng = np.random.default_rng(5)
    loss, softmax = opened("huber", door), opened("softmax", door)
    for n in (1, 10, 255, 257, 1023, 1024, 1025, 5000, SPAN + 1030):
        y, f, w = rng.normal(size=n), rng.normal(size=n), rng.uniform(size=n)
        exact = float(np.sum(loss.loss(y, f), dtype=np.longdouble))
        assert loss.sum(y, f) == pytest.approx(exact, rel=1e-14) and loss.mean(y, f) == loss.sum(y, f) / n
        weighted = float(np.sum(loss.loss(y, f, sample_weight=w), dtype=np.longdouble))
        assert loss.sum(y, f, sample_weight=w) == pytest.approx(weighted, rel=1e-14)
        assert loss.mean(y, f, sample_weight=w) == pytest.approx(weighted / w.sum(), rel=1e-13)
        # Neither layout nor the way taken matters, to the last bit.
        assert {loss.sum(laid_out(y, h), f) for h in ("plain", "strided", "swapped")} == {
            opened("huber", "none").sum(y, f)
        }
        y32, f32 = y.astype(np.float32), f.astype(np.float32)
        assert loss.sum(y32, f32) == opened("huber", "none").sum(y32[::-1][::-1], f32)
        assert loss.sum(y32, f32) == pytest.approx(exact, rel=1e-5) and type(loss.sum(y32, f32)) is float
        labels, scores = rng.integers(0, 3, n), rng.normal(size=(n, 3))
        exact = float(np.sum(softmax.loss(labels, scores), dtype=np.longdouble))
        assert softmax.sum(labels, scores) == pytest.approx(exact, rel=1e-14)
        assert softmax.sum(labels, scores) == opened("softmax", "none").sum(labels, np.asfortranarray(scores))
    assert loss.sum(0.0, [1.0, 2.0], sample_weight=[2, 0]) == 1.0 and loss.mean([[0.0], [1.0]], [[1.0, 1.0]]) == 0.25
    assert opened("gaussian", door).sum(np.ones(2), np.zeros((2, 2))) == 1.0


@pytest.mark.parametrize("door", [*DOORS, "none", "numpy"])
def test_sums_pass_on_what_is_not_finite_and_refuse_a_mean_of_nothing(door: str) -> None:
    loss, y = opened("huber", door), np.zeros(3)
    assert np.isnan(loss.sum(y, np.array([1, np.nan, 1]))) and np.isnan(loss.mean(y, np.array([1, np.nan, 1])))
    assert loss.sum(y, np.array([1, np.inf, 1]), check_domain=False) == np.inf
    assert np.isnan(loss.sum(y, np.array([1, np.inf, 1]), sample_weight=np.array([1.0, 0, 1]), check_domain=False))
    assert loss.sum(np.zeros(5000), np.full(5000, 1e308)) == np.inf
    assert loss.sum([], []) == 0.0 and loss.sum(np.empty(0), np.empty(0), threads=3) == 0.0
    assert loss.sum(y, y, sample_weight=np.zeros(3)) == 0.0
    with pytest.raises(ValueError, match="huber: there is no mean loss, because y and f hold no samples"):
        loss.mean([], [])
    with pytest.raises(ValueError, match="because the 3 weights in sample_weight sum to 0"):
        loss.mean(y, y, sample_weight=np.zeros(3))
    with pytest.raises(DomainViolation, match=r"y\[1\] = inf lies outside"):
        loss.sum([0.0, np.inf], [0.0, 0.0])


@pytest.mark.parametrize("door", [*DOORS, "none"])
def test_a_sum_makes_no_array_of_the_losses(door: str) -> None:
    n = 4 * SPAN
    y, f = np.zeros(n), np.ones(n)
    loss = opened("huber", door)
    loss.sum(y, f)
    tracemalloc.start()
    assert loss.mean(y, f, check_domain=False) == 0.5
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < (f.nbytes // 8 if door in DOORS else f.nbytes * 2)


PROCESS = """
import ctypes, ctypes.util, struct, sys
import numpy as np
libm = ctypes.CDLL(ctypes.util.find_library("m"))
def state():
    tiny = np.full(64, 5e-324), np.full(64, np.float32(1e-45))  # long enough for vector instructions
    return [libm.fegetround(), *((x * x.dtype.type(1)).tobytes() for x in tiny), (tiny[0] + tiny[0]).tobytes(),
            struct.pack("d", 2.2250738585072014e-308 / 4), (np.float32(1.1754944e-38) / np.float32(4)).tobytes(),
            struct.pack("dd", 1 / 3, -1 / 3), libm.fetestexcept is not None]
before = state()
from sample_artifacts import HUBER, SOFTMAX
from lossforge.runtime import native
for sample in (HUBER, SOFTMAX):
    loss = sample.function("c")
    y = np.zeros(300_000) if sample is HUBER else np.zeros(100_000, np.int64)
    f = np.full(300_000, 5e-324) if sample is HUBER else np.full((100_000, 3), 5e-324)
    loss.loss_gradient(y, f); loss.loss_gradient(y, f, threads=2); loss.mean(y, f)
assert any(key for key in native._built), "nothing was loaded"
assert b"\\0" * 8 != before[1][:8] and before == state(), (before, state())
assert not any(state()[3][1:8]) and state()[3][0] == 2  # subnormals are kept
"""


@pytest.mark.parametrize("compiler", ["", "gcc", "clang"])
def test_loading_libraries_leaves_the_floating_point_environment_alone(compiler: str, tmp_path: Path) -> None:
    """Neither subnormals flushed to zero nor another rounding: -ffast-math would do that to the whole process."""
    if compiler and not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed")
    tests = Path(__file__).resolve().parent
    path = os.pathsep.join([str(tests), str(tests.parent / "src"), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path, "LOSSFORGE_CACHE": str(tmp_path / "cache")}
    if compiler:
        environment["CC"] = compiler
    done = subprocess.run([sys.executable, "-c", PROCESS], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc, whose -ffast-math this is about")
def test_a_library_that_flushes_subnormals_would_be_seen(tmp_path: Path) -> None:
    """The test above can fail: a library whose start sets FTZ and DAZ."""
    if os.uname().machine != "x86_64":
        pytest.skip("sets a register of x86")
    source = tmp_path / "flush.c"
    source.write_text(
        "#include <xmmintrin.h>\n"
        "__attribute__((constructor)) static void begin(void) { _mm_setcsr(_mm_getcsr() | 0x8040); }\n"
    )
    library = tmp_path / "flush.so"
    subprocess.run(["gcc", "-shared", "-fPIC", str(source), "-o", str(library)], check=True)
    head, _, _ = PROCESS.partition("from sample_artifacts")
    program = f"{head}\nctypes.CDLL({str(library)!r})\nsys.exit(7 if before != state() else 0)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 7


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("python", [True, False])
def test_the_bridge_compiles_without_a_warning(compiler: str, python: bool, tmp_path: Path) -> None:
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed")
    flags = [f"-DLOSSFORGE_PYTHON={sys.hexversion:#x}", f"-I{bridge.headers()}"] if python else []
    source = Path(bridge.__file__).with_name("bridge.c")
    command = [
        compiler,
        "-std=c99",
        "-O2",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-fPIC",
        "-shared",
        *flags,
        str(source),
        "-lm",
    ]
    subprocess.run([*command, "-o", str(tmp_path / "bridge.so")], check=True)


def test_doctor_says_which_door_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    report = doctor.report()
    assert report["bridge"]["door"] == "python" and report["bridge"]["reason"].endswith((".so", ".dylib"))
    assert any(line.startswith("bridge     python: ") for line in doctor.lines(report))
    monkeypatch.setattr(bridge.sysconfig, "get_path", lambda name: "/nowhere")
    report = doctor.report()
    assert report["bridge"]["door"] == "ctypes" and report["healthy"]
    assert "there is no /nowhere/Python.h; install Python's headers" in report["bridge"]["reason"]
    assert any("Each call takes some microseconds longer: there is no /nowhere" in line for line in report["advice"])
    monkeypatch.setattr(bridge.sysconfig, "get_config_var", lambda name: 1)
    assert "no global lock" in doctor.report()["bridge"]["reason"]


def test_a_bridge_that_does_not_compile_leaves_the_long_way(monkeypatch: pytest.MonkeyPatch) -> None:
    build = bridge.native.build
    monkeypatch.setattr(
        bridge.native, "build", lambda name, *rest: lacking() if name == "bridge" else build(name, *rest)
    )
    loss = HUBER.function("c")
    assert loss.loss(np.zeros(3), np.ones(3))[0] == 0.5 and loss._door("loss") is bridge.SHUT
    assert doctor.report()["bridge"] == {"door": None, "reason": "it was taken away"}


def test_a_bridge_of_another_layout_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    class Longer(ctypes.Structure):
        _fields_ = (("more", ctypes.c_int64 * 99),)

    monkeypatch.setattr(bridge, "_Kernel", Longer)
    monkeypatch.setattr(bridge, "_loaded", {})
    loss = HUBER.function("c")
    assert loss.loss(np.zeros(3), np.ones(3))[0] == 0.5 and loss._door("loss") is bridge.SHUT


def test_a_parameter_that_float32_takes_out_of_its_domain_shuts_float32_alone() -> None:
    loss = HUBER.function("c", delta=1e-60)
    y, f = np.zeros(3), np.ones(3)
    loss.loss(y, f)
    assert loss._quick["loss"](y, f, None, None, True, 1) is not None
    with pytest.raises(ValueError, match=r"becomes 0\.0 in float32"):
        loss.loss(y.astype(np.float32), f.astype(np.float32))


def test_samples_are_as_declared() -> None:
    assert all(isinstance(sample, Sample) for sample in SAMPLES.values())
