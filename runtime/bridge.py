"""How do plain arrays reach a kernel without Python's detours?

Most calls bring contiguous, aligned, native arrays of one dtype and shape. For
these, `bridge.c` checks domains and runs the kernel in one pass; it is compiled
and cached like the kernels. A `Door` leads there: Python's own where Python.h
is found, else one of ctypes. A door that is given anything else, or numbers
outside their domains, answers None, and the boundary, where every odd case has
its place and every error its words, does the work.
"""

from __future__ import annotations

import ctypes
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import native
from .domains import SIMPLEX_TOLERANCE, Domain, FiniteSet, Integers, Interval, Rows
from .errors import ArtifactError, EnvironmentLacking
from .signature import AXES, Signature
from .threads import block_rows

Array = NDArray[Any]
F64, F32 = np.dtype(np.float64), np.dtype(np.float32)
_MOST = 3
_NAME = "lossforge_bridge"
_ANYTHING, _INTERVAL, _FINITE_SET, _INTEGERS, _ONE_HOT, _SIMPLEX, _LABELS = range(7)


class _Domain(ctypes.Structure):
    """`domain` of bridge.c."""

    _fields_ = (
        ("kind", ctypes.c_int64), ("low", ctypes.c_double), ("high", ctypes.c_double),
        ("low_closed", ctypes.c_int64), ("high_closed", ctypes.c_int64),
        ("values", ctypes.POINTER(ctypes.c_double)), ("count", ctypes.c_int64), ("wide", ctypes.c_int64),
    )  # fmt: skip


class _Kernel(ctypes.Structure):
    """`kernel` of bridge.c."""

    _fields_ = (
        ("run", ctypes.c_void_p), ("parameters", ctypes.c_void_p), ("domains", ctypes.POINTER(_Domain)),
        ("inputs", ctypes.c_int64), ("outputs", ctypes.c_int64), ("weighted", ctypes.c_int64),
        ("size", ctypes.c_int64), ("axes", ctypes.c_int64 * _MOST),
    )  # fmt: skip


def _described(domain: Domain) -> _Domain:
    match domain:
        case Interval(_, low, high, low_open, high_open, vector):
            return _Domain(_INTERVAL, low, high, not low_open, not high_open, None, 0, vector)
        case FiniteSet(_, values, vector):
            return _Domain(_FINITE_SET, 0, 0, 0, 0, (ctypes.c_double * len(values))(*values), len(values), vector)
        case Integers(_, low, vector):
            return _Domain(_INTEGERS, low, 0, 0, 0, None, 0, vector)
        case Rows(_, one_hot):
            # NumPy adds in another order: what is as near the tolerance as that is left to it.
            tolerance = 0.0 if one_hot else SIMPLEX_TOLERANCE * (1 - 1e-6)
            return _Domain(_ONE_HOT if one_hot else _SIMPLEX, 0, tolerance, 0, 0, None, 0, True)


_WEIGHTS = Interval("[0, oo)", 0.0, np.inf, False, True)


@dataclass(frozen=True, slots=True)
class Bridge:
    """The loaded library, and Python's door to it where there is one."""

    library: ctypes.CDLL
    module: ModuleType | None
    reason: str  # where the module lies, or why there is none


def headers() -> Path:
    """The folder of Python.h; raises EnvironmentLacking where there is none that serves."""
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise EnvironmentLacking("this Python has no global lock, and so no limited API yet")
    if sys.implementation.name != "cpython":
        raise EnvironmentLacking(f"{sys.implementation.name} does not have CPython's limited API")
    folder = Path(sysconfig.get_path("include"))
    if not (folder / "Python.h").is_file():
        raise EnvironmentLacking(
            f"there is no {folder / 'Python.h'}; install Python's headers, such as the package python3-dev"
        )
    return folder


_loaded: dict[Path, Bridge] = {}


def bridge() -> Bridge:
    """The bridge, compiled when the cache does not hold it; raises EnvironmentLacking without a compiler."""
    source = Path(__file__).with_name("bridge.c").read_text(encoding="utf-8")
    try:
        flags = (f"-DLOSSFORGE_PYTHON={sys.hexversion:#x}", f"-I{headers()}")
        if sys.platform == "darwin":  # Python itself has the functions of Python.h
            flags = (*flags, "-undefined", "dynamic_lookup")
        built, reason = native.build("bridge", source, flags), None
    except EnvironmentLacking as error:
        built, reason = native.build("bridge", source), str(error)
    if built.path not in _loaded:
        _loaded[built.path] = _load(built, reason)
    return _loaded[built.path]


def _load(built: native.Built, reason: str | None) -> Bridge:
    library, pointer, size, flag = built.library, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    library.lossforge_layout.restype = size
    expected = 1000 * ctypes.sizeof(_Domain) + ctypes.sizeof(_Kernel)
    if library.lossforge_layout() != expected:
        raise ArtifactError(f"{built.path} does not fit lossforge/runtime/bridge.py; install lossforge anew")
    library.lossforge_call.argtypes = [pointer, size, size, size, size, flag, *[pointer] * 6]
    library.lossforge_rows.argtypes = [pointer, size, size, size, flag, *[pointer] * 4]
    if reason is not None:
        return Bridge(library, None, reason)
    loader = ExtensionFileLoader(_NAME, str(built.path))
    spec = spec_from_file_location(_NAME, built.path, loader=loader)
    assert spec is not None
    try:
        module = module_from_spec(spec)
        loader.exec_module(module)
    except ImportError as error:
        return Bridge(library, None, f"{built.path} cannot be imported ({error})")
    return Bridge(library, module, str(built.path))


@dataclass(frozen=True, slots=True)
class Door:
    """Three ways to a kernel. Each answers None where the arrays are not plain or lie outside their domains.

    Array arguments are y, f, sample_weight, out as callers gave them.
    """

    run: Callable[..., Any]  # y, f, sample_weight, out, check_domain, threads -> the results; threads other than 1: None
    part: Callable[..., Any]  # y, f, sample_weight, out, check_domain, begin, end: as `run`, on some of the rows
    sums: Callable[..., Any]  # y, f, sample_weight, check_domain, begin, end -> block sums of losses, and of weights


def _nothing(*_: Any) -> None:
    """What a door that is shut answers."""


SHUT = Door(_nothing, _nothing, _nothing)


@dataclass(frozen=True, slots=True)
class Kernels:
    """The C entries of one kernel: by precision, for targets like the predictions and for labels."""

    entries: Mapping[tuple[str, bool], tuple[int, Sequence[float]]]  # (dtype's name, labels) -> address, parameters
    outputs: Sequence[str]
    weighted: bool


def open_door(found: Bridge, signature: Signature, kernels: Kernels, owner: Any) -> Door:
    """A door to a kernel; shut for losses of several targets or predictions, whose columns must be taken apart."""
    if len(signature.targets) > 1 or len(signature.predictions) > 1:
        return SHUT
    keep: list[Any] = [owner]
    made = {key: _kernel(signature, kernels, *key, keep) for key in kernels.entries}
    target = next((i for i, slot in enumerate(signature.slots) if slot.role == "target"), -1)
    if found.module is None:
        by_ctypes = _CtypesDoor(found.library, made, keep, signature, kernels, target)
        return Door(by_ctypes.run, by_ctypes.part, by_ctypes.sums)
    order = [(name, labels) for labels in (False, True) for name in ("float64", "float32")]
    addresses = tuple(ctypes.addressof(made[key]) if key in made else 0 for key in order)
    bound = found.module.bind(
        addresses, target, signature.vector, np.ndarray, np.empty, F64, F32, (keep, made, found.library)
    )
    return Door(bound.run, bound.part, bound.sums)


def _kernel(signature: Signature, kernels: Kernels, name: str, labels: bool, keep: list[Any]) -> _Kernel:
    address, scalars = kernels.entries[name, labels]
    real = ctypes.c_double if name == "float64" else ctypes.c_float
    parameters = (real * max(1, len(scalars)))(*scalars)
    described = [
        _Domain(_LABELS) if labels and slot.role == "target" else _described(slot.domain) for slot in signature.slots
    ]
    if not signature.vector:
        for domain in described:
            domain.wide = 0
    domains = (_Domain * (len(described) + 1))(*described, _described(_WEIGHTS))
    keep += [parameters, described, domains]
    axes = [AXES[output] if signature.vector else 0 for output in kernels.outputs]
    return _Kernel(
        address, ctypes.addressof(parameters), domains, len(described), len(axes), kernels.weighted,
        ctypes.sizeof(real), (ctypes.c_int64 * _MOST)(*axes),
    )  # fmt: skip


# Made of an array, this is a pointer to its data that keeps it alive. It wants contiguous, writeable memory.
_pointer = (ctypes.c_char * 0).from_buffer
_NO_POINTER = (TypeError, ValueError, BufferError)
_LABEL = np.dtype(np.int64)


class _CtypesDoor:
    """The door for a Python without Python.h: as lean as Python allows. C checks overlap and alignment."""

    def __init__(
        self, library: ctypes.CDLL, made: Mapping[tuple[str, bool], _Kernel], keep: Any, signature: Signature,
        kernels: Kernels, target: int,
    ) -> None:  # fmt: skip
        self._dense, self._labels = (
            {np.dtype(name): ctypes.addressof(kernel) for (name, labels), kernel in made.items() if labels == wanted}
            for wanted in (False, True)
        )
        self._call, self._rows = library.lossforge_call, library.lossforge_rows
        self._keep = keep, made
        self._weighted, self._target, self._vector = kernels.weighted, target, signature.vector
        self._axes = tuple(AXES[output] if signature.vector else 0 for output in kernels.outputs)
        self._padding = (None,) * (_MOST - len(self._axes))

    def _open(self, y: Any, f: Any, weight: Any) -> tuple[Any, ...] | None:
        """The kernel, two inputs in the slots' order, the weights, the shape of the batch, n, K and the dtype."""
        if type(f) is not np.ndarray:
            return None
        dtype, shape, n, size = f.dtype, f.shape, f.size, 1
        batch, kernels = shape, self._dense
        if self._vector:
            batch, size = shape[:-1], shape[-1] if shape else 0
            n //= size or 1
        if not batch or not size:
            return None
        first, second = _pointer(f), None
        if self._target < 0:
            if y is not None:
                return None
        else:
            if type(y) is not np.ndarray:
                return None
            if y.dtype != dtype or y.shape != shape:
                if not self._vector or y.dtype != _LABEL or y.shape != batch:
                    return None
                kernels = self._labels
            second = _pointer(y)
            if self._target == 0:
                first, second = second, first
        if weight is not None:
            if not self._weighted or type(weight) is not np.ndarray or weight.dtype != dtype or weight.shape != batch:
                return None
            weight = _pointer(weight)
        kernel = kernels.get(dtype)
        return None if kernel is None else (kernel, first, second, weight, batch, n, size, dtype)

    def run(self, y: Any, f: Any, weight: Any, out: Any, check: Any, threads: Any) -> Any:
        return self.part(y, f, weight, out, check, 0, None) if type(threads) is int and threads == 1 else None

    def part(self, y: Any, f: Any, weight: Any, out: Any, check: Any, begin: int, end: int | None) -> Any:
        try:
            opened = self._open(y, f, weight) if type(check) is bool else None
            if opened is None:
                return None
            kernel, first, second, weight, batch, n, size, dtype = opened
            given = (out,) if type(out) is not tuple else out
            outs = []
            if out is None:
                given = (None,) * len(self._axes)
            elif len(given) != len(self._axes):
                return None
            for axes, array in zip(self._axes, given, strict=True):
                shape = (*batch, *(size,) * axes) if axes else batch
                if array is None:
                    array = np.empty(shape, dtype)
                elif type(array) is not np.ndarray or array.dtype != dtype or array.shape != shape:
                    return None
                outs.append(array)
            pointers = [_pointer(array) for array in outs]
        except _NO_POINTER:
            return None
        end = n if end is None else end
        if not self._call(kernel, n, begin, end, size, check, first, second, weight, *pointers, *self._padding):
            return None
        return outs[0] if len(outs) == 1 else tuple(outs)

    def sums(self, y: Any, f: Any, weight: Any, check: Any, begin: int, end: int) -> Any:
        try:
            opened = self._open(y, f, weight) if type(check) is bool and self._axes == (0,) else None
        except _NO_POINTER:
            return None
        if opened is None:
            return None
        kernel, first, second, weight, _, n, size, _ = opened
        blocks = -(-(end - begin) // block_rows(size))
        if not 0 <= begin <= end <= n:
            return None
        inputs = (ctypes.c_void_p * _MOST)()
        given = [array for array in (first, second) if array is not None]
        for i, array in enumerate([*given, weight]):
            inputs[i] = None if array is None else ctypes.addressof(array)
        losses, weights = ((ctypes.c_double * blocks)() for _ in range(2))
        outputs = (ctypes.c_void_p * _MOST)()
        if not self._rows(kernel, begin, end, size, check, inputs, outputs, losses, weights):
            return None
        return list(losses), None if weight is None else list(weights)
