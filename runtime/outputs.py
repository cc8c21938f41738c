"""Where do the results go?

Into new arrays, or into the caller's (`out=`). A caller's array must have the
exact shape and dtype and be writeable, and is refused before anything is
written if not. It is written directly where it is contiguous, aligned, native
and apart from the inputs; otherwise through a temporary, so that a strided or
byte-swapped `out`, or one that overlaps an input, is right as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Shape = tuple[int, ...]

# Candidates looked at to decide whether two strided arrays share an element; ordinary slices need a handful.
_EFFORT: Any = 10_000


def receive(
    loss: str, names: Sequence[str], out: Any, shapes: Sequence[Shape], dtype: np.dtype[Any]
) -> list[Array | None]:
    """The caller's arrays, one an output, checked; None where one is to be allocated.

    Raises TypeError for what is no array or has another dtype, ValueError for
    other shapes, read-only arrays and arrays that overlap each other.
    """
    if out is None:
        return [None] * len(names)
    given = out if isinstance(out, tuple) else (out,)
    if len(given) != len(names):
        expected = "one array" if len(names) == 1 else f"a tuple of {len(names)} arrays ({', '.join(names)})"
        raise ValueError(f"{loss}: out holds {len(given)} arrays; expected {expected}, None to allocate one")
    for name, array, shape in zip(names, given, shapes, strict=True):
        if array is not None:
            _require_fitting(loss, name, array, shape, dtype)
    arrays = [(name, array) for name, array in zip(names, given, strict=True) if array is not None]
    for (first, a), (second, b) in combinations(arrays, 2):
        if overlap(a, b):
            raise ValueError(f"{loss}: the out arrays of {first} and {second} overlap; give each its own memory")
    return list(given)


def _require_fitting(loss: str, name: str, array: Any, shape: Shape, dtype: np.dtype[Any]) -> None:
    if not isinstance(array, np.ndarray) or isinstance(array, np.ma.MaskedArray):
        raise TypeError(f"{loss}: out for {name} must be a NumPy array, got {type(array).__name__}")
    if array.dtype != dtype and array.dtype.newbyteorder("=") != dtype:
        raise TypeError(
            f"{loss}: out for {name} has dtype {array.dtype}, but the result has dtype {dtype}; "
            f"allocate it with numpy.empty({shape}, numpy.{dtype})"
        )
    if array.shape != shape:
        raise ValueError(f"{loss}: out for {name} has shape {array.shape}, but the result has shape {shape}")
    if not array.flags.writeable:
        raise ValueError(f"{loss}: out for {name} is read-only; pass an array that may be written")
    if _overlaps_itself(array):
        raise ValueError(f"{loss}: the elements of out for {name} share memory with one another; pass a plain array")


def _overlaps_itself(array: Array) -> bool:
    """Whether two elements may share memory: an axis steps less far than the axes inside it reach."""
    if array.flags.c_contiguous:
        return False
    reach = array.itemsize
    for step, length in sorted((abs(s), n) for s, n in zip(array.strides, array.shape, strict=True) if n > 1):
        if step < reach:
            return array.size > 0
        reach += step * (length - 1)
    return False


def overlap(a: Array, b: Array) -> bool:
    """Whether two arrays share an element; when that is too hard to decide, yes."""
    return np.may_share_memory(a, b, max_work=_EFFORT)


def direct(out: Array | None, inputs: Iterable[Array]) -> bool:
    """Whether the kernel may write into this array itself."""
    return (
        out is not None
        and out.dtype.isnative
        and out.flags.c_contiguous
        and out.flags.aligned
        and not any(np.may_share_memory(out, given) for given in inputs)
    )


def deliver(result: Array, shape: Shape, receiver: Array | None) -> Array:
    """A kernel's result in the caller's shape: the caller's array, a new one, or a NumPy scalar."""
    if receiver is None:
        own: Array = result if result.shape == shape else result.reshape(shape)[()]
        return own
    if not np.may_share_memory(receiver, result):  # else the kernel wrote there
        np.copyto(receiver, result.reshape(shape))
    return receiver
