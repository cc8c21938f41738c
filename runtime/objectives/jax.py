"""How does a loss train a model in JAX? As a pure function of predictions and targets, f first, as in optax.

With respect to f it is differentiated by the derived gradient and Hessian (custom_jvp); it works under jit, vmap,
grad, jacfwd and their compositions. Needs JAX.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax

from ..artifacts import Artifacts, Facts
from ..function import LossFunction


class JaxObjective:
    """A loss with its parameters bound, as a function for jax.grad and its kin: immutable, and picklable.

    `reduction` is "mean", "sum" or "none". `source` is the generated module of a loss that is not of the catalogue; it
    is executed: never pass text that others wrote. JAX differentiates twice, so there is no curvature to choose:
    ValueError for one other than "exact". ArtifactError where a loss of one's own comes without its source.
    """

    OPTIONS = ("reduction", "source")

    def __init__(
        self, loss: LossFunction, curvature: str | None = None, *, reduction: str = "mean", source: str | None = None
    ) -> None:
        if curvature not in (None, "exact"):
            raise ValueError(f"{loss.name}: in JAX the curvature is the exact Hessian, not {curvature!r}; leave it out")
        self.loss, self.reduction, self._source = loss, reduction, source
        artifacts = loss.artifacts if source is None else Artifacts(loss.facts, tensor_sources={"jax": source})
        self._function = artifacts.tensor_function("jax", loss.parameters)

    @property
    def name(self) -> str:
        """The name of the loss."""
        return self.loss.name

    @property
    def facts(self) -> Facts:
        """Formula, gradient, domains, properties, references: the generated facts."""
        return self.loss.facts

    def __call__(self, f: Any, y: Any, sample_weight: Any = None, reduction: str | None = None) -> jax.Array:
        """The loss of predictions f: a scalar, or of the shape (...) of the samples with the reduction "none".

        f (...), with several predictions (..., P), of K classes (..., K). y of the shape of f without its last axis
        for one target or class labels, (..., T) for several targets, and (..., K) for one-hot rows. The type is that
        of f, float32 at least. "mean" with weights is the sum of weights times losses over the sum of the weights.

        Raises ValueError for shapes that do not fit, and where targets or parameters are differentiated.
        """
        losses: jax.Array = self._function(
            f, y, sample_weight=sample_weight, reduction=self.reduction if reduction is None else reduction
        )
        return losses

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(JaxObjective, reduction=self.reduction, source=self._source), (self.loss,)

    def __repr__(self) -> str:
        bound = "".join(f"{name}={value!r}, " for name, value in self.loss.parameters.items())
        return f"JaxObjective({self.name}, {bound}reduction={self.reduction!r})"
