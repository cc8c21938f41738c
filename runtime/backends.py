"""Who computes: compiled C or NumPy?

Both backends answer one question, `bind`: given a kernel's name, its outputs
and the parameters, return a function that runs it over flat arrays. Arrays
arrive contiguous, aligned, of one floating dtype: (n,), or (n, K) for vectors;
labels are int64. Both multiply each output once by the weight of its row, with
plain multiplication (0 times inf is NaN), and write into the arrays of `outs`
where given.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from . import native
from .artifacts import Artifacts
from .bridge import F32, F64, SHUT, Door, Kernels, bridge, open_door
from .domains import Rows
from .errors import ArtifactError, EnvironmentLacking, ParameterError
from .signature import Signature

Array = NDArray[Any]
Shape = tuple[int, ...]
# sizes (n,) or (n, K); inputs; weight; output shapes; output arrays or None -> output arrays
Run = Callable[[Shape, Sequence[Array], Array | None, Sequence[Shape], Sequence[Array | None]], list[Array]]
# a dtype -> the parameters in it; raises ParameterError
Parameters = Callable[[np.dtype[Any]], Sequence[Any]]


class Backend(Protocol):
    """Something that can run kernels."""

    name: str
    reason: str

    def bind(self, kernel: str, inputs: int, outputs: int, dtype: np.dtype[Any], parameters: Sequence[Any]) -> Run:
        """The function that runs one kernel in one precision."""

    def door(self, kernel: str, outputs: Sequence[str], signature: Signature, parameters: Parameters) -> Door:
        """The short way for plain arrays; shut where there is none."""


class NumPyBackend:
    name = "numpy"

    def __init__(self, artifacts: Artifacts, reason: str) -> None:
        self.reason = reason
        self._artifacts = artifacts

    def bind(self, kernel: str, inputs: int, outputs: int, dtype: np.dtype[Any], parameters: Sequence[Any]) -> Run:
        function = getattr(self._artifacts.numpy_module(), kernel, None)
        if function is None:
            raise ArtifactError(
                f"the NumPy code of {self._artifacts.name} has no function {kernel}; regenerate it: lossforge build"
            )
        # An inverse link takes parameters only where it depends on some.
        scalars = list(parameters)[: function.__code__.co_argcount - inputs]
        weighted = kernel != "inverse_link"

        def run(
            sizes: Shape, arrays: Sequence[Array], weight: Array | None, shapes: Sequence[Shape],
            outs: Sequence[Array | None],
        ) -> list[Array]:  # fmt: skip
            with np.errstate(all="ignore"):  # inf and NaN in the result say what a warning would
                results = [np.asarray(r) for r in function(*arrays, *scalars)]
                if weight is not None and weighted:
                    results = [r * weight.reshape(-1, *(1,) * (r.ndim - 1)) for r in results]
                return [
                    _fresh(result, dtype, shape, arrays) if out is None else _copied(out, result)
                    for result, shape, out in zip(results, shapes, outs, strict=True)
                ]

        return run

    def door(self, kernel: str, outputs: Sequence[str], signature: Signature, parameters: Parameters) -> Door:
        return SHUT


def _fresh(result: Array, dtype: np.dtype[Any], shape: Shape, inputs: Sequence[Array]) -> Array:
    """The result as an array of its own, so that no caller ever holds a view of another's data."""
    own = result.base is None and not any(result is given for given in inputs)
    if own and result.shape == shape and result.dtype == dtype:
        return result
    return np.array(np.broadcast_to(result, shape), dtype)


def _copied(out: Array, result: Array) -> Array:
    np.copyto(out, result, casting="same_kind")
    return out


TIERS: dict[str, native.Flags] = {"accurate": (), "fast": ("-DLOSSFORGE_FAST",)}


def tier_flags(tier: str, source: str) -> native.Flags:
    """What makes a tier of a C file; many a file has one code for both."""
    return TIERS[tier] if "LOSSFORGE_FAST" in source else ()


class CBackend:
    name = "c"

    def __init__(self, artifacts: Artifacts, tier: str = "accurate") -> None:
        source = artifacts.c_text()
        built = native.build(artifacts.name, source, tier_flags(tier, source))
        self.reason = f"{built.origin} for {native.instructions()}, {built.path}"
        self._artifacts = artifacts
        self._library = built.library

    def _entry(self, kernel: str, dtype: np.dtype[Any]) -> Any:
        symbol = f"lossforge_{self._artifacts.name}_{kernel}_f{8 * dtype.itemsize}_at"
        try:
            return self._library[symbol]
        except AttributeError:
            raise ArtifactError(
                f"the C code of {self._artifacts.name} has no function {symbol}; regenerate it: lossforge build"
            ) from None

    def bind(self, kernel: str, inputs: int, outputs: int, dtype: np.dtype[Any], parameters: Sequence[Any]) -> Run:
        function, weighted = self._entry(kernel, dtype), kernel != "inverse_link"
        function.argtypes = [ctypes.c_size_t, ctypes.c_size_t, *[ctypes.c_void_p] * 3]
        function.restype = None
        real = ctypes.c_double if dtype.itemsize == 8 else ctypes.c_float
        scalars = (real * len(parameters))(*parameters)
        inputs_type, outputs_type = ctypes.c_void_p * (inputs + weighted), ctypes.c_void_p * outputs

        def run(
            sizes: Shape, arrays: Sequence[Array], weight: Array | None, shapes: Sequence[Shape],
            outs: Sequence[Array | None],
        ) -> list[Array]:  # fmt: skip
            results = [np.empty(s, dtype) if o is None else o for s, o in zip(shapes, outs, strict=True)]
            if sizes[0]:
                pointers = [address(array) for array in arrays]
                if weighted:
                    pointers.append(None if weight is None else address(weight))
                written = outputs_type(*map(address, results))
                function(sizes[0], sizes[1] if sizes[1:] else 1, inputs_type(*pointers), scalars, written)
            return results

        return run

    def door(self, kernel: str, outputs: Sequence[str], signature: Signature, parameters: Parameters) -> Door:
        entries = {}
        one_hot = any(isinstance(slot.domain, Rows) and slot.domain.one_hot for slot in signature.targets)
        for dtype in (F64, F32):
            try:
                scalars = parameters(dtype)
            except ParameterError:  # float32 takes a parameter out of its domain: said when float32 is asked for
                continue
            for labels in (False, True) if one_hot else (False,):
                try:
                    entry = self._entry(f"{kernel}_index" if labels else kernel, dtype)
                except ArtifactError:
                    continue
                entries[dtype.name, labels] = ctypes.cast(entry, ctypes.c_void_p).value or 0, scalars
        kernels = Kernels(entries, outputs, kernel != "inverse_link")
        try:
            return open_door(bridge(), signature, kernels, self._library)
        except (EnvironmentLacking, ArtifactError):  # the long way serves as well; `lossforge doctor` says why
            return SHUT


def address(array: Array) -> int | None:
    """Where the data begins; ten times faster than `array.ctypes.data`."""
    start: int = array.__array_interface__["data"][0]
    return start


def choose(artifacts: Artifacts, requested: str, tier: str = "accurate") -> Backend:
    """The backend that will serve: `c`, in a tier, `numpy`, or `auto` (C where it can be had).

    Raises EnvironmentLacking when `c` is demanded and cannot be had.
    """
    if requested == "numpy":
        return NumPyBackend(artifacts, "NumPy was asked for")
    try:
        return CBackend(artifacts, tier)
    except (EnvironmentLacking, ArtifactError) as error:
        if requested == "c":
            demand = f"backend 'c' was demanded for {artifacts.name} but cannot be had"
            raise EnvironmentLacking(f"{demand}: {error}") from error
        return NumPyBackend(artifacts, f"C cannot be had: {error}")
