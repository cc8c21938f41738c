"""How is a loss called?

A `LossFunction` is a loss with its parameters bound. Its methods take targets
and predictions of any shape and answer with arrays: `loss` and `gradient` of
the shape of the data, several at once where they share work. What may come in
is told in `boundary`, where results go in `outputs`, who computes in `backends`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .artifacts import Artifacts, Facts, catalogue_facts
from .backends import Backend, Run, choose
from .boundary import Inputs, prepare, weigh
from .errors import ArtifactError
from .outputs import deliver, direct, receive
from .parameters import bind, rounded
from .signature import Signature

Array = NDArray[Any]
BACKENDS = ("auto", "c", "numpy")
TIERS = ("accurate", "fast")


def requested_backend(backend: str) -> str:
    """The backend asked for; $LOSSFORGE_BACKEND decides what `auto` means."""
    source, value = "backend", backend
    if backend == "auto" and (named := os.environ.get("LOSSFORGE_BACKEND", "").strip()):
        source, value = "$LOSSFORGE_BACKEND", named
    if value not in BACKENDS:
        raise ValueError(f"{source} is {value!r}; expected one of {', '.join(BACKENDS)}")
    return value


def requested_tier(tier: str) -> str:
    if tier not in TIERS:
        raise ValueError(f"tier is {tier!r}; expected one of {', '.join(TIERS)}")
    return tier


class LossFunction:
    """A loss with its parameters bound: immutable, thread-safe, picklable.

    Every evaluating method takes

    - `y`, `f`: targets and predictions, broadcast against each other. With
      several predictions (weighted combinations) they stand on the last axis:
      y (..., T), f (..., P). Of a vector loss f is (..., K), and y is (..., K)
      or, for class labels, integers of shape (...);
    - `sample_weight`: multiplied once into every output (plainly: 0 times inf
      is NaN); broadcast to the shape of the loss;
    - `out`: an array, or a tuple of one array (or None) for each output;
    - `check_domain`: whether values outside the domains of the loss are
      refused. NaN is refused in targets; in a prediction it makes its results NaN.

    `loss` has the shape of the data, (...); `gradient` that of f; `hessian`
    (...), or (..., P, P) or (..., K, K). Scalars give NumPy scalars.

    The tier `accurate` answers within an ulp or two, `fast` within five, both away
    from roots; it decides how the C code is compiled, and NumPy has one for both.

    Raises TypeError (not real numbers), ValueError (shapes), DomainViolation.
    """

    __slots__ = (
        "__weakref__",
        "_artifacts",
        "_asked",
        "_backend",
        "_parameters",
        "_requested",
        "_runs",
        "_signature",
        "_tier",
    )

    def __init__(
        self, artifacts: Artifacts, parameters: Mapping[str, Any], backend: str = "auto", tier: str = "accurate"
    ) -> None:
        self._artifacts = artifacts
        self._tier = requested_tier(tier)
        self._asked, self._requested = backend, requested_backend(backend)
        self._signature = Signature.of(artifacts.facts)
        call = f"lf.losses.{artifacts.name}(" if artifacts.catalogued else "lf.compile(loss, "
        self._parameters = bind(artifacts.name, artifacts.facts["parameters"], parameters, call)
        self._runs: dict[tuple[str, np.dtype[Any]], tuple[Run, list[str]]] = {}
        self._backend: Backend | None = choose(artifacts, "c", tier) if self._requested == "c" else None

    @classmethod
    def from_artifacts(
        cls,
        facts: Facts,
        numpy_source: str,
        c_source: str,
        parameters: Mapping[str, Any] | None = None,
        backend: str = "auto",
        tier: str = "accurate",
    ) -> LossFunction:
        """A loss from generated texts. They are executed: never pass text that others wrote."""
        return cls(Artifacts(facts, numpy_source, c_source), parameters or {}, backend, tier)

    @classmethod
    def from_catalogue(
        cls,
        name: str,
        parameters: Mapping[str, Any] | None = None,
        backend: str = "auto",
        tier: str = "accurate",
    ) -> LossFunction:
        """A loss of the catalogue, from the committed generated files."""
        return cls(Artifacts(catalogue_facts(name)), parameters or {}, backend, tier)

    @property
    def name(self) -> str:
        return self._artifacts.name

    @property
    def facts(self) -> Facts:
        """Formula, gradient, domains, properties, references: the generated facts."""
        return self._artifacts.facts

    @property
    def parameters(self) -> dict[str, float]:
        return dict(self._parameters)

    @property
    def backend(self) -> str:
        """Who computes: `c` or `numpy`. Asking compiles the C code if that was not done yet."""
        return self._resolved().name

    @property
    def tier(self) -> str:
        """How exact it is meant to be: `accurate` or `fast`."""
        return self._tier

    @property
    def backend_reason(self) -> str:
        """Why this backend serves: the compiler and library, or what C lacked."""
        return self._resolved().reason

    def loss(self, y: Any, f: Any, *, sample_weight: Any = None, out: Any = None, check_domain: bool = True) -> Array:
        """The loss of each sample."""
        return self._evaluate("loss", ("loss",), y, f, sample_weight, out, check_domain)[0]

    def gradient(
        self, y: Any, f: Any, *, sample_weight: Any = None, out: Any = None, check_domain: bool = True
    ) -> Array:
        """d loss / d f of each sample."""
        return self._evaluate("gradient", ("gradient",), y, f, sample_weight, out, check_domain)[0]

    def hessian(
        self, y: Any, f: Any, *, sample_weight: Any = None, out: Any = None, check_domain: bool = True
    ) -> Array:
        """d² loss / d f² of each sample."""
        return self._evaluate("hessian", ("hessian",), y, f, sample_weight, out, check_domain)[0]

    def loss_gradient(
        self, y: Any, f: Any, *, sample_weight: Any = None, out: Any = None, check_domain: bool = True
    ) -> tuple[Array, Array]:
        """Loss and gradient in one pass."""
        names = ("loss", "gradient")
        loss, gradient = self._evaluate("loss_gradient", names, y, f, sample_weight, out, check_domain)
        return loss, gradient

    def gradient_hessian(
        self, y: Any, f: Any, *, sample_weight: Any = None, out: Any = None, check_domain: bool = True
    ) -> tuple[Array, Array]:
        """Gradient and Hessian in one pass."""
        names = ("gradient", "hessian")
        gradient, hessian = self._evaluate("gradient_hessian", names, y, f, sample_weight, out, check_domain)
        return gradient, hessian

    def loss_gradient_hessian(
        self, y: Any, f: Any, *, sample_weight: Any = None, out: Any = None, check_domain: bool = True
    ) -> tuple[Array, Array, Array]:
        """Loss, gradient and Hessian in one pass."""
        names = ("loss", "gradient", "hessian")
        results = self._evaluate("loss_gradient_hessian", names, y, f, sample_weight, out, check_domain)
        return results[0], results[1], results[2]

    def inverse_link(self, f: Any, *, out: Any = None, check_domain: bool = True) -> Array:
        """The mean that the raw score f stands for; f itself where the loss has no link."""
        inputs = prepare(self._signature.without_targets(), 0.0, f, check_domain)
        return self._run("inverse_link", ("mean",), inputs, None, out)[0]

    def _evaluate(
        self, kernel: str, names: tuple[str, ...], y: Any, f: Any, sample_weight: Any, out: Any, check_domain: bool
    ) -> list[Array]:
        inputs = prepare(self._signature, y, f, check_domain)
        weight = None if sample_weight is None else weigh(self.name, sample_weight, inputs, check_domain)
        return self._run(kernel, names, inputs, weight, out)

    def _run(self, kernel: str, names: tuple[str, ...], inputs: Inputs, weight: Array | None, out: Any) -> list[Array]:
        signature, sizes = self._signature, inputs.sizes
        shapes = signature.shapes(names, inputs.batch, sizes)
        receivers = receive(self.name, names, out, shapes, inputs.dtype)
        if kernel == "inverse_link" and not self.facts.get("inverse_link"):
            results = [np.stack(inputs.arrays, axis=-1) if signature.stacked else inputs.arrays[0].copy()]
            return [deliver(results[0], shapes[0], receivers[0])]
        run, outputs = self._bound(f"{kernel}_index" if inputs.labels else kernel, inputs)
        kernel_shapes = signature.kernel_shapes(outputs, sizes)
        if signature.stacked:
            columns = run(sizes, inputs.arrays, weight, kernel_shapes, [None] * len(outputs))
            results = [signature.assemble(name, dict(zip(outputs, columns, strict=True))) for name in names]
        else:
            used = inputs.arrays if weight is None else [*inputs.arrays, weight]
            places = [
                r.reshape(s) if r is not None and direct(r, used) else None
                for r, s in zip(receivers, kernel_shapes, strict=True)
            ]
            results = run(sizes, inputs.arrays, weight, kernel_shapes, places)
        if inputs.nan is not None:
            for result in results:
                result[inputs.nan] = np.nan
        return [deliver(result, s, r) for result, s, r in zip(results, shapes, receivers, strict=True)]

    def _bound(self, kernel: str, inputs: Inputs) -> tuple[Run, list[str]]:
        key = kernel, inputs.dtype
        try:
            return self._runs[key]
        except KeyError:
            pass
        facts = self.facts
        declared: dict[str, list[str]] = facts["kernels"]
        outputs = declared.get(kernel) or declared.get(kernel.removesuffix("_index"))
        if outputs is None and kernel == "inverse_link":
            outputs = ["mean"]
        if outputs is None:
            raise ArtifactError(f"{self.name} has no kernel {kernel}; it has {', '.join(declared)}")
        scalars = rounded(self.name, facts["parameters"], self._parameters, inputs.dtype)
        run = self._resolved().bind(kernel, len(inputs.arrays), len(outputs), inputs.dtype, scalars)
        return self._runs.setdefault(key, (run, outputs))

    def _resolved(self) -> Backend:
        if self._backend is None:
            self._backend = choose(self._artifacts, self._requested, self._tier)
        return self._backend

    def __reduce__(self) -> tuple[Any, ...]:
        # A loaded library does not survive pickling: what it was made from does.
        artifacts = self._artifacts
        if artifacts.catalogued:
            return LossFunction.from_catalogue, (self.name, self._parameters, self._asked, self._tier)
        texts = (artifacts.facts, artifacts.numpy_source, artifacts.c_source)
        return LossFunction.from_artifacts, (*texts, self._parameters, self._asked, self._tier)

    def __repr__(self) -> str:
        bound = ", ".join(f"{name}={value!r}" for name, value in self._parameters.items())
        tier = "" if self._tier == "accurate" else f", {self._tier}"
        origin = "losses." if self._artifacts.catalogued else ""
        return f"{origin}{self.name}({bound})  [{self.backend}{tier}]"
