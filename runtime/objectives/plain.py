"""How is a loss called where nothing but NumPy is? The methods of a loss that objectives ask for, over its kernels.

`lossforge build LOSS --target ...` writes this text into a file of its own, with a subclass that holds the loss's facts
and NumPy kernels. Where lossforge is installed, a `LossFunction` does all this and more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..domains import outside
from ..errors import DomainViolation
from ..parameters import bind
from ..signature import Signature

Array = NDArray[Any]


class PlainLoss:
    """A loss with its parameters bound. `facts` and `kernels` are those of the subclass.

    Targets `y` and raw scores `f` become arrays of float64: (n,), or (n, T) and (n, P) of several targets and
    predictions; of K classes f is (n, K), and y is (n, K) or integers (n,). Raises ParameterError for parameters that
    do not fit, DomainViolation for a target or a raw score outside its domain; NaN in f makes NaN of its row.
    """

    facts: ClassVar[dict[str, Any]]
    kernels: ClassVar[dict[str, Callable[..., tuple[Array, ...]]]]

    def __init__(self, **parameters: Any) -> None:
        self.parameters = bind(self.name, self.facts["parameters"], parameters)

    @property
    def name(self) -> str:
        return str(self.facts["name"])

    def loss(self, y: Any, f: Any) -> Array:
        """The loss of each sample, (n,)."""
        return self._run("loss", y, f)[0]

    def gradient(self, y: Any, f: Any) -> Array:
        """d loss / d f, of the shape of f."""
        return self._run("gradient", y, f)[0]

    def hessian(self, y: Any, f: Any) -> Array:
        """d² loss / d f²: (n,), or a matrix for each sample."""
        return self._run("hessian", y, f)[0]

    def loss_gradient(self, y: Any, f: Any) -> tuple[Array, ...]:
        return self._run("loss_gradient", y, f)

    def gradient_hessian(self, y: Any, f: Any) -> tuple[Array, ...]:
        return self._run("gradient_hessian", y, f)

    def gradient_curvature(self, name: str, y: Any, f: Any) -> tuple[Array, Array]:
        """The gradient, and what may stand for the second derivative, such as "majorizer"."""
        arguments, nan = self._arguments(y, f)
        with np.errstate(all="ignore"):
            (found,) = self.kernels[name](*arguments, *self.parameters.values())
        curvature = np.array(np.broadcast_to(found, np.shape(f)), np.float64)
        curvature[nan] = np.nan
        return self.gradient(y, f), curvature

    def inverse_link(self, f: Any) -> Array:
        """The mean that the raw score stands for; f itself where the loss has no link."""
        return self._linked("inverse_link", f)

    def link(self, mean: Any) -> Array:
        """The raw score of a mean."""
        return self._linked("link", mean)

    def _linked(self, kernel: str, x: Any) -> Array:
        x = np.asarray(x, np.float64)
        if kernel not in self.kernels:
            return x
        function = self.kernels[kernel]
        parameters = list(self.parameters.values())[: function.__code__.co_argcount - 1]
        with np.errstate(all="ignore"):
            return np.asarray(function(x, *parameters)[0], np.float64)

    def _run(self, kernel: str, y: Any, f: Any) -> tuple[Array, ...]:
        signature, f = Signature.of(self.facts), np.asarray(f, np.float64)
        arguments, nan = self._arguments(y, f)
        labels = signature.vector and np.ndim(y) < f.ndim
        with np.errstate(all="ignore"):
            found = self.kernels[f"{kernel}_index" if labels else kernel](*arguments, *self.parameters.values())
        if signature.stacked:
            columns = {name: np.broadcast_to(x, len(f)) for name, x in zip(self._columns(kernel), found, strict=True)}
            found = tuple(signature.assemble(output, columns) for output in _OUTPUTS[kernel])
        else:
            shapes = signature.shapes(_OUTPUTS[kernel], f.shape[: f.ndim - signature.vector], f.shape)
            found = tuple(np.array(np.broadcast_to(x, s), np.float64) for x, s in zip(found, shapes, strict=True))
        for result in found:
            result[nan] = np.nan
        return found

    def _columns(self, kernel: str) -> list[str]:
        """The names of what a kernel of several predictions fills."""
        names: list[str] = self.facts["kernels"][kernel]
        return names

    def _arguments(self, y: Any, f: Any) -> tuple[list[Array], Array]:
        """Targets and predictions in the order of the kernels, and which rows have NaN in a prediction."""
        signature, f = Signature.of(self.facts), np.asarray(f, np.float64)
        labels = signature.vector and np.ndim(y) < f.ndim
        y = np.asarray(y, np.int64 if labels else np.float64)
        if len(signature.targets) == 1 and not signature.vector:
            y = np.array(np.broadcast_to(y, f.shape[:1] if signature.stacked else f.shape))
        parts: dict[str, Array] = {}
        for array, slots in ((y, signature.targets), (f, signature.predictions)):
            stacked = len(slots) > 1
            parts |= {slot.name: array[..., i] if stacked else array for i, slot in enumerate(slots)}
        nan = np.isnan(f).any(axis=-1) if f.ndim > 1 else np.isnan(f)
        for slot in signature.slots:
            if labels and slot.role == "target":
                wrong = (y < 0) | (y >= f.shape[-1])
            else:
                with np.errstate(all="ignore"):
                    found = outside(slot.domain, parts[slot.name])
                wrong = np.zeros(len(f), bool) if found is None else found.reshape(len(f), -1).any(axis=1)
                wrong = wrong & ~nan if slot.role == "prediction" else wrong
            if wrong.any():
                row = int(np.flatnonzero(wrong)[0])
                raise DomainViolation(
                    f"{self.name}: the {slot.role} {slot.name} in row {row} is {parts[slot.name][row]}, outside its "
                    f"domain {slot.domain.text}; mend the data"
                )
        return [parts[slot.name] for slot in signature.slots], nan


_OUTPUTS: Mapping[str, tuple[str, ...]] = {
    "loss": ("loss",),
    "gradient": ("gradient",),
    "hessian": ("hessian",),
    "loss_gradient": ("loss", "gradient"),
    "gradient_hessian": ("gradient", "hessian"),
}
