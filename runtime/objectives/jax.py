"""How does a loss train a model in JAX? As a pure function of predictions and targets, f first, as in optax.

With respect to f it is differentiated by the derived gradient and Hessian (custom_jvp); it works under jit, vmap,
grad, jacfwd and their compositions. Needs JAX.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax

from ..artifacts import Artifacts, Facts, catalogue_facts
from ..parameters import bind


class JaxObjective:
    """A loss with its parameters bound: immutable, picklable, and the same function wherever it is called.

    `facts` are the generated facts of the loss, and `parameters` the numbers bound. Made by `from_catalogue` or
    `from_artifacts`, which raise ParameterError for parameters that do not fit.
    """

    __slots__ = ("_artifacts", "_function", "_parameters", "_reduction")

    def __init__(self, artifacts: Artifacts, parameters: Mapping[str, Any], reduction: str = "mean") -> None:
        self._artifacts = artifacts
        self._parameters = bind(artifacts.name, artifacts.facts["parameters"], parameters)
        self._reduction = reduction
        self._function = artifacts.tensor_function("jax", self._parameters)

    @classmethod
    def from_catalogue(
        cls, name: str, parameters: Mapping[str, Any] | None = None, reduction: str = "mean"
    ) -> JaxObjective:
        """A loss of the catalogue."""
        return cls(Artifacts(catalogue_facts(name)), parameters or {}, reduction)

    @classmethod
    def from_artifacts(
        cls, facts: Facts, source: str, parameters: Mapping[str, Any] | None = None, reduction: str = "mean"
    ) -> JaxObjective:
        """A loss from its generated module for JAX. It is executed: never pass text that others wrote."""
        return cls(Artifacts(facts, tensor_sources={"jax": source}), parameters or {}, reduction)

    @property
    def name(self) -> str:
        return self._artifacts.name

    @property
    def facts(self) -> Facts:
        return self._artifacts.facts

    @property
    def parameters(self) -> dict[str, float]:
        return dict(self._parameters)

    def __call__(self, f: Any, y: Any, sample_weight: Any = None, reduction: str | None = None) -> jax.Array:
        """The loss of predictions f: a scalar, or of the shape (...) of the samples with the reduction "none".

        f (...), with several predictions (..., P), of K classes (..., K). y of the shape of f without its last axis
        for one target or class labels, (..., T) for several targets, and (..., K) for one-hot rows. The type is that
        of f, float32 at least. "mean" with weights is the sum of weights times losses over the sum of the weights.

        Raises ValueError for shapes that do not fit, and where targets or parameters are differentiated.
        """
        losses: jax.Array = self._function(
            f, y, sample_weight=sample_weight, reduction=self._reduction if reduction is None else reduction
        )
        return losses

    def __reduce__(self) -> tuple[Any, ...]:
        if self._artifacts.catalogued:
            return JaxObjective.from_catalogue, (self.name, self._parameters, self._reduction)
        source = self._artifacts.tensor_sources["jax"]
        return JaxObjective.from_artifacts, (self.facts, source, self._parameters, self._reduction)

    def __repr__(self) -> str:
        bound = "".join(f"{name}={value!r}, " for name, value in self._parameters.items())
        return f"JaxObjective({self.name}, {bound}reduction={self._reduction!r})"
