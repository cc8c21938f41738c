"""How are the arguments and results of a loss laid out?

A kernel gets one array an argument and fills one an output; a caller sees
targets `y` and predictions `f`, and `loss`, `gradient`, `hessian`. They differ
only for several predictions f_a, f_b, ...: the caller stacks them on the last
axis, while the kernels fill gradient_f_a, gradient_f_b, ... and the upper
triangle hessian_f_a_f_a, hessian_f_a_f_b, ...
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .domains import Domain, read_domain
from .errors import ArtifactError

Array = NDArray[Any]
Shape = tuple[int, ...]

# How many axes of the predictions' length an output has.
AXES = {"loss": 0, "gradient": 1, "hessian": 2, "mean": 1}


@dataclass(frozen=True, slots=True)
class Slot:
    """One argument of the kernels."""

    name: str
    role: str
    domain: Domain

    @property
    def vector(self) -> bool:
        return self.domain.vector


@dataclass(frozen=True, slots=True)
class Signature:
    """The arguments of a loss, in the kernels' order."""

    loss: str
    slots: tuple[Slot, ...]
    vector: bool
    targets: tuple[Slot, ...]
    predictions: tuple[Slot, ...]
    stacked: bool  # several predictions stand on the last axis

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Signature:
        """Read from the facts of a loss; raises ArtifactError when they cannot be served."""
        slots = tuple(Slot(k, a["role"], read_domain(a["domain"])) for k, a in facts["arguments"].items())
        targets = tuple(s for s in slots if s.role == "target")
        predictions = tuple(s for s in slots if s.role == "prediction")
        vector = facts.get("size") is not None
        if not predictions or len(targets) + len(predictions) != len(slots):
            raise ArtifactError(f"{facts['name']}: the runtime serves targets and predictions, at least one prediction")
        if vector and not (len(predictions) == 1 and predictions[0].vector and len(targets) <= 1):
            raise ArtifactError(f"{facts['name']}: a vector loss has one vector prediction and at most one target")
        return cls(str(facts["name"]), slots, vector, targets, predictions, len(predictions) > 1)

    def without_targets(self) -> Signature:
        """The signature of the inverse link."""
        return replace(self, slots=self.predictions, targets=())

    def shapes(self, outputs: Sequence[str], leading: Shape, sizes: Shape) -> list[Shape]:
        """The shapes of results for data of shape `leading`."""
        if not self.vector and not self.stacked:
            return [leading] * len(outputs)
        length = sizes[1:] if self.vector else (len(self.predictions),)
        return [leading + length * AXES[output] for output in outputs]

    def kernel_shapes(self, outputs: Sequence[str], sizes: Shape) -> list[Shape]:
        """The shapes of a kernel's own output arrays."""
        return self.shapes(outputs, sizes[:1], sizes) if self.vector else [sizes] * len(outputs)

    def assemble(self, output: str, columns: Mapping[str, Array]) -> Array:
        """One result from the kernels' columns: (n,), (n, P) or, symmetric, (n, P, P)."""
        names = [slot.name for slot in self.predictions]
        match AXES[output]:
            case 0:
                return columns[output]
            case 1:
                return np.stack([columns[f"{output}_{p}"] for p in names], axis=-1)
        rows = [
            [columns[f"{output}_{names[min(i, j)]}_{names[max(i, j)]}"] for j in range(len(names))]
            for i in range(len(names))
        ]
        return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
