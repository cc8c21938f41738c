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
from itertools import product
from pathlib import Path
from struct import Struct
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


class _Forms(ctypes.Structure):
    """`forms` of bridge.c."""

    _fields_ = (
        ("kernels", ctypes.POINTER(_Kernel) * 4), ("target", ctypes.c_int64), ("vector", ctypes.c_int64),
    )  # fmt: skip


_CALL = 512  # bytes for `call` of bridge.c


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


DOORS: tuple[native.Flags, ...] = (("-DLOSSFORGE_PYTHON",), ())  # Python's, and that of ctypes


def python_flags() -> native.Flags:
    """What compiling and linking Python's door takes here; raises EnvironmentLacking without Python.h."""
    # Python itself has the functions of Python.h.
    return (f"-I{headers()}", *(("-undefined", "dynamic_lookup") if sys.platform == "darwin" else ()))


def headers() -> Path:
    """The folder of Python.h; raises EnvironmentLacking where there is none."""
    folder = Path(sysconfig.get_path("include"))
    if not (folder / "Python.h").is_file():
        raise EnvironmentLacking(
            f"there is no {folder / 'Python.h'}; install Python's headers, such as the package python3-dev"
        )
    return folder


_loaded: dict[tuple[Path, str | None], Bridge] = {}


def bridge() -> Bridge:
    """The bridge, compiled when neither package nor cache hold it; raises EnvironmentLacking without a compiler."""
    if sys.implementation.name != "cpython":
        raise EnvironmentLacking(f"the bridge is for CPython, and this is {sys.implementation.name}")
    source = Path(__file__).with_name("bridge.c").read_text(encoding="utf-8")
    by_python, by_ctypes = DOORS
    try:
        if sysconfig.get_config_var("Py_GIL_DISABLED"):
            raise EnvironmentLacking("this Python has no global lock, and no limited API")
        built, reason = native.build("bridge", source, by_python, python_flags), None
    except EnvironmentLacking as error:
        built, reason = native.build("bridge", source, by_ctypes), str(error)
    if (built.path, reason) not in _loaded:
        _loaded[built.path, reason] = _load(built, reason)
    return _loaded[built.path, reason]


def _load(built: native.Built, reason: str | None) -> Bridge:
    library, pointer = built.library, ctypes.c_void_p
    library.lossforge_layout.restype = ctypes.c_size_t
    sizes, call = divmod(library.lossforge_layout(), 1000)
    if sizes != 1000 * ctypes.sizeof(_Domain) + ctypes.sizeof(_Kernel) or call > _CALL:
        raise ArtifactError(f"{built.path} does not fit lossforge/runtime/bridge.py; install lossforge anew")
    library.lossforge_go.argtypes = [pointer] * 3
    library.lossforge_begin.argtypes = [pointer, pointer]
    library.lossforge_begin(ctypes.cast(ctypes.pythonapi.PyCapsule_GetPointer, pointer), id(None))
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

    run: Callable[..., Any]  # y, f, sample_weight, out, check_domain, threads -> the results; only by one thread
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
    keep: list[Any] = [owner, found.library]
    forms = _Forms(target=next((i for i, slot in enumerate(signature.slots) if slot.role == "target"), -1))
    forms.vector = signature.vector
    for i, (labels, name) in enumerate(product((False, True), ("float64", "float32"))):
        if (name, labels) in kernels.entries:
            forms.kernels[i] = ctypes.pointer(_kernel(signature, kernels, name, labels, keep))
    keep.append(forms)
    if found.module is None:
        by_ctypes = _CtypesDoor(found.library, forms, keep, signature, kernels.outputs)
        return Door(by_ctypes.run, by_ctypes.part, by_ctypes.sums)
    bound = found.module.bind(ctypes.addressof(forms), np.ndarray, np.empty, F64, F32, keep)
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


_ALL = 2 ** (8 * ctypes.sizeof(ctypes.c_size_t)) - 1  # an end beyond all rows
_ARRAY = np.ndarray
_request = Struct("@8PqNN").pack  # `request` of bridge.c


class _CtypesDoor:
    """The door for a Python without Python.h. Each step costs here: C looks at the arrays."""

    def __init__(
        self, library: ctypes.CDLL, forms: _Forms, keep: Any, signature: Signature, outputs: Sequence[str]
    ) -> None:
        enter = ctypes.PyDLL(library._name).lossforge_enter  # PyDLL keeps Python's lock while arrays are looked at
        enter.argtypes = [ctypes.c_char_p]
        self._enter, self._go, self._keep = enter, library.lossforge_go, keep
        self._forms, self._y_type = ctypes.addressof(forms), np.ndarray if signature.targets else type(None)
        self._vector = signature.vector
        self._axes = tuple(AXES[output] if signature.vector else 0 for output in outputs)

    def run(self, y: Any, f: Any, weight: Any, out: Any, check: Any, threads: Any) -> Any:
        return self.part(y, f, weight, out, check, 0, _ALL) if type(threads) is int and threads == 1 else None

    def part(self, y: Any, f: Any, weight: Any, out: Any, check: Any, begin: int, end: int) -> Any:
        if type(f) is not _ARRAY or not f.ndim:
            return None
        first = second = third = None
        if out is None:
            shape, last = (f.shape[:-1], f.shape[-1:]) if self._vector else (f.shape, ())
            out = tuple(np.empty(shape + last * axes, f.dtype) for axes in self._axes)
        if type(out) is _ARRAY:
            first, given = out.__array_struct__, 1
        elif type(out) is tuple and all(type(array) is _ARRAY for array in out):
            given = len(out)
            first, second, third = (*(array.__array_struct__ for array in out), None, None, None)[:_MOST]
        else:
            return None
        if given != len(self._axes) or not self._done(y, f, weight, first, second, third, check, begin, end, None):
            return None
        return out[0] if given == 1 and type(out) is tuple else out

    def sums(self, y: Any, f: Any, weight: Any, check: Any, begin: int, end: int) -> Any:
        if self._axes != (0,) or type(f) is not _ARRAY or not f.ndim or not f.shape[-1]:
            return None
        blocks = -(-(end - begin) // block_rows(f.shape[-1] if self._vector else 1))
        losses, weights = ((ctypes.c_double * blocks)() for _ in range(2))
        if not self._done(y, f, weight, None, None, None, check, begin, end, (losses, weights)):
            return None
        return list(losses), None if weight is None else list(weights)

    def _done(
        self, y: Any, f: Any, weight: Any, first: Any, second: Any, third: Any, check: Any, begin: int, end: int,
        sums: Any,
    ) -> bool:  # fmt: skip
        """Whether C ran the rows; `first` and so on are the outputs' __array_struct__."""
        if type(y) is not self._y_type or type(check) is not bool or not (weight is None or type(weight) is _ARRAY):
            return False
        # Capsules are given by their addresses, and kept alive by their names here.
        target = None if y is None else y.__array_struct__
        weights = None if weight is None else weight.__array_struct__
        prediction = f.__array_struct__
        given = (
            self._forms, id(target), id(prediction), id(weights), id(first), id(second), id(third), check, begin, end
        )  # fmt: skip
        if sums is None:
            done: int = self._enter(_request(0, *given))
            if done < 2:
                return done == 1
        call = ctypes.create_string_buffer(_CALL)  # many rows run without Python's lock
        taken = self._enter(_request(ctypes.addressof(call), *given))
        return taken == 1 and self._go(call, *(sums or (None, None))) == 1
