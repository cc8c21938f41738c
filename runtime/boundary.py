"""What may come in, and what arrives at the kernels?

Everything that NumPy can read as real numbers comes in: any shape, stride,
byte order or alignment, read-only or memory-mapped. At the kernels arrive flat,
contiguous, aligned arrays of one floating dtype; where an array already fits,
nothing is copied.

The computing dtype: float64, unless a float32 (or float16, which is widened)
array takes part, no float64 does, and no prediction is an array of integers.
Python numbers are weak, as in NumPy. Integer and boolean targets follow the
prediction (they are labels or counts; float32 holds them exactly up to 2**24),
integer predictions become float64. Weights never decide it.

Labels (an integer array against `one_hot(K)` with one axis less than the
prediction) index memory, so their range is checked always; all other domain
checks can be switched off.

NaN is refused in targets. In predictions it passes through: every output of its
row is NaN, also where the formula would not say so (the Hessian of the squared
error is 1 whatever f is), because a booster that is handed a plausible number
trains on. The domain check finds NaN at no cost; without it the formula decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .domains import BoolArray, Rows, outside
from .errors import DomainViolation
from .signature import Signature, Slot

Array = NDArray[Any]
Shape = tuple[int, ...]

F32, F64, LABEL = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int64)
_REMEDY = "mend the data, or pass check_domain=False to compute anyway"


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the kernels get: arrays in the slots' order, each (n,) or (n, K)."""

    arrays: list[Array]
    dtype: np.dtype[Any]
    batch: Shape
    sizes: Shape  # (n,) or (n, K)
    labels: bool = False
    nan: BoolArray | None = None  # the rows with NaN in a prediction, where there are any


def prepare(signature: Signature, y: Any, f: Any, check_domain: bool) -> Inputs:
    """Read, check, broadcast and flatten targets and predictions.

    Raises TypeError for what is no real number, ValueError for shapes that do
    not fit, DomainViolation for values outside their domains.
    """
    if not signature.vector and type(y) is type(f) is np.ndarray and len(signature.slots) == 2:
        # The fast path: both arrays fit as they are.
        dtype, flags, others = f.dtype, f.flags, y.flags
        if (
            dtype in (F64, F32) and y.dtype == dtype and y.shape == f.shape
            and flags.c_contiguous and flags.aligned and others.c_contiguous and others.aligned
        ):  # fmt: skip
            shape, n = f.shape, f.size
            flat = (y, f) if len(shape) == 1 else (y.reshape(n), f.reshape(n))
            arrays = [flat[0] if slot.role == "target" else flat[1] for slot in signature.slots]
            nan = None
            if check_domain:
                with np.errstate(all="ignore"):
                    for slot, array in zip(signature.slots, arrays, strict=True):
                        found = require(signature, slot, array, shape, ())
                        nan = nan if found is None else found
            return Inputs(arrays, dtype, shape, (n,), False, nan)
    with np.errstate(all="ignore"):  # 1e300 becomes inf in float32; the domain check speaks of it
        return _prepare(signature, y, f, check_domain)


def _prepare(signature: Signature, y: Any, f: Any, check_domain: bool) -> Inputs:
    raw = {"y": read(signature.loss, "y", y), "f": read(signature.loss, "f", f)}
    dtype = computing_dtype(raw["y"], y, raw["f"], f)
    parts: dict[str, Array] = {}
    where: dict[str, tuple[Any, ...]] = {}
    for argument, slots in (("y", signature.targets), ("f", signature.predictions)):
        for i, part in enumerate(_split(signature, argument, raw[argument], slots)):
            parts[slots[i].name], where[slots[i].name] = part, (i,) if len(slots) > 1 else ()
    size = _size(signature, raw["f"]) if signature.vector else None
    labels = {s.name for s in signature.targets if size is not None and _is_labels(signature, s, raw["y"], raw["f"])}
    shapes = {}
    for slot in signature.slots:
        core = (size,) if size is not None and slot.vector and slot.name not in labels else ()
        part = parts[slot.name]
        if core and part.shape[-1:] != core:
            raise ValueError(
                f"{signature.loss}: y has shape {part.shape}, f has shape {raw['f'].shape}: expected y of shape "
                f"(..., {size}), one row of {size} for each row of f"
            )
        shapes[slot.name] = part.shape[: part.ndim - len(core)], core
    try:
        batch = np.broadcast_shapes(*(leading for leading, _ in shapes.values()))
    except ValueError:
        raise ValueError(
            f"{signature.loss}: y of shape {raw['y'].shape} and f of shape {raw['f'].shape} do not broadcast together; "
            "give them the same shape"
        ) from None
    n, arrays, nan = prod(batch), [], None
    for slot in signature.slots:
        part, (leading, core) = parts[slot.name], shapes[slot.name]
        if slot.name in labels:
            assert size is not None
            _require_labels(signature, part, size)
            arrays.append(fit(part, LABEL, batch).reshape(n))
            continue
        own = fit(part, dtype, part.shape)
        if check_domain:
            flat = own.reshape(-1, *core) if own.size else own.reshape(0, *core)
            found = require(signature, slot, flat, leading, where[slot.name])
            if found is not None:
                rows = np.broadcast_to(found.reshape(leading), batch).reshape(n)
                nan = rows if nan is None else nan | rows
        arrays.append(fit(own, dtype, batch + core).reshape(n, *core))
    return Inputs(arrays, dtype, batch, (n,) if size is None else (n, size), bool(labels), nan)


def read(loss: str, name: str, value: Any) -> Array:
    """Any array of real numbers, or anything NumPy makes one of; raises TypeError for the rest."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{loss}: {name} is a masked array, whose mask would be lost; pass {name}.filled(...) instead")
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise TypeError(f"{loss}: {name} cannot be read as an array of real numbers ({error})") from None
    if array.dtype.kind in "biu" or (array.dtype.kind == "f" and array.dtype.itemsize <= 8):
        return array
    raise TypeError(
        f"{loss}: {name} has dtype {array.dtype}; expected float64, float32, float16, integers or booleans; "
        f"convert it first, for instance with numpy.asarray({name}, dtype=float)"
    )


def computing_dtype(y: Array, y_given: Any, f: Array, f_given: Any) -> np.dtype[Any]:
    """float32 or float64; see the head of this file."""
    strong = [a for a, given in ((y, y_given), (f, f_given)) if type(given) not in (int, float, bool)]
    floats = [a.dtype.itemsize for a in strong if a.dtype.kind == "f"]
    integer_prediction = any(a is f and f.dtype.kind != "f" for a in strong)
    return F32 if floats and max(floats) < 8 and not integer_prediction else F64


def _split(signature: Signature, argument: str, array: Array, slots: Sequence[Slot]) -> list[Array]:
    """One array a slot: several targets or predictions stand on the last axis."""
    if len(slots) == 1:
        return [array]
    if not slots:
        return []
    if array.shape[-1:] != (len(slots),):
        names = ", ".join(slot.name for slot in slots)
        raise ValueError(
            f"{signature.loss}: {argument} has shape {array.shape}; expected (..., {len(slots)}), "
            f"with {names} on the last axis"
        )
    return [array[..., i] for i in range(len(slots))]


def _size(signature: Signature, f: Array) -> int:
    if f.ndim == 0 or f.shape[-1] == 0:
        raise ValueError(
            f"{signature.loss}: f has shape {f.shape}; expected (..., K), one entry for each of K >= 1 classes"
        )
    return int(f.shape[-1])


def _is_labels(signature: Signature, slot: Slot, y: Array, f: Array) -> bool:
    if not (isinstance(slot.domain, Rows) and slot.domain.one_hot) or y.ndim >= f.ndim:
        return False
    if y.dtype.kind not in "iu":
        raise TypeError(
            f"{signature.loss}: y of shape {y.shape} against f of shape {f.shape} must hold class labels, integers "
            f"from 0 to {f.shape[-1] - 1}, not {y.dtype}; pass y.astype(int), or one-hot rows of shape {f.shape}"
        )
    return True


def _require_labels(signature: Signature, labels: Array, size: int) -> None:
    if labels.size and (labels.min() < 0 or labels.max() >= size):
        index = np.unravel_index(int(np.argmax((labels < 0) | (labels >= size))), labels.shape)
        raise DomainViolation(
            f"{signature.loss}: y{subscript(index)} = {labels[index]} is no class label: f has {size} classes, so "
            f"labels are integers from 0 to {size - 1}"
        )


def require(signature: Signature, slot: Slot, x: Array, shape: Shape, tail: tuple[Any, ...]) -> BoolArray | None:
    """Raise DomainViolation, naming the first offender, unless x lies in the slot's domain.

    x is flat, (n,) or (n, K); `shape` is what its n came from, and `tail` the
    position on the last axis where several arguments are stacked. Returns the
    rows with NaN, (n,), when a prediction has some.
    """
    mask = outside(slot.domain, x)
    if mask is None:
        return None
    if slot.role == "prediction":
        nan = np.isnan(x)
        rows = nan if x.ndim == 1 else np.logical_or.reduce(nan, axis=1)
        mask &= ~(nan if mask.ndim == x.ndim else rows)
        if not mask.any():
            return rows if rows.any() else None
    full = mask.reshape(shape + mask.shape[1:])
    index = np.unravel_index(int(np.argmax(full)), full.shape)
    value = x.reshape(shape + x.shape[1:])[index]
    argument = "y" if slot.role == "target" else "f"
    shown = np.array2string(value, threshold=6, separator=", ") if np.ndim(value) else value
    unit = "rows" if mask.ndim < x.ndim else "values"
    raise DomainViolation(
        f"{signature.loss}: {argument}{subscript((*index, *tail))} = {shown} lies outside {slot.domain.text}, "
        f"the domain of the {slot.role} {slot.name} ({int(mask.sum())} of {mask.size} {unit} do); {_REMEDY}"
    )


def subscript(index: Sequence[Any]) -> str:
    """`[3, 0]`, or nothing for a scalar."""
    return f"[{', '.join(str(int(i)) for i in index)}]" if index else ""


def fit(x: Array, dtype: np.dtype[Any], shape: Shape) -> Array:
    """x itself where it is contiguous, aligned and native with this dtype and shape, else such a copy.

    Call it under `np.errstate(all="ignore")`, as a number may overflow in float32.
    """
    if x.dtype == dtype and x.shape == shape and x.flags.c_contiguous and x.flags.aligned:
        return x
    copy = np.empty(shape, dtype)
    np.copyto(copy, x, casting="unsafe")
    return copy


def weigh(loss: str, weight: Any, inputs: Inputs, check_domain: bool) -> Array | None:
    """The weights, flat, in the computing dtype; finite and at least 0 unless unchecked."""
    if weight is None:
        return None
    array = read(loss, "sample_weight", weight)
    batch = inputs.batch
    try:
        fits = np.broadcast_shapes(array.shape, batch) == batch
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{loss}: sample_weight has shape {array.shape}, which does not broadcast to {batch}, the shape of the loss"
        )
    with np.errstate(all="ignore"):
        own = fit(array, inputs.dtype, array.shape)
        if check_domain and own.size and not (own.min() >= 0 and own.max() < np.inf):
            index = np.unravel_index(int(np.argmax(~((own >= 0) & (own < np.inf)))), own.shape)
            raise DomainViolation(
                f"{loss}: sample_weight{subscript(index)} = {own[index]} is no weight: expected finite numbers of "
                f"at least 0; {_REMEDY}"
            )
        return fit(own, inputs.dtype, batch).reshape(inputs.sizes[0])
