"""How is a loss called?

A `LossFunction` is a loss with its parameters bound. Its methods take targets
and predictions of any shape and answer with arrays: `loss` and `gradient` of
the shape of the data, several at once where they share work. What may come in
is told in `boundary`, where results go in `outputs`, who computes in `backends`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .artifacts import Artifacts, Facts, catalogue_facts
from .backends import TIERS, Backend, Run, choose
from .boundary import Inputs, prepare, weigh
from .bridge import F32, F64, SHUT, Door
from .errors import ArtifactError
from .outputs import deliver, direct, receive
from .parameters import bind, rounded
from .signature import Signature
from .sums import block_sums, total
from .threads import FEWEST, Span, block_rows, spans, spread, workers

Array = NDArray[Any]
Shape = tuple[int, ...]
BACKENDS = ("auto", "c", "numpy")
# What each kernel answers with.
OUTPUTS = {
    "loss": ("loss",), "gradient": ("gradient",), "hessian": ("hessian",), "loss_gradient": ("loss", "gradient"),
    "gradient_hessian": ("gradient", "hessian"), "loss_gradient_hessian": ("loss", "gradient", "hessian"),
    "inverse_link": ("mean",),
}  # fmt: skip


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
    - `out`: an array, or a tuple of one array (or None) for each output. What
      it holds after a DomainViolation is undefined;
    - `check_domain`: whether values outside the domains of the loss are
      refused. NaN is refused in targets; in a prediction it makes its results NaN;
    - `threads`: how many threads share the rows of a large array (5e5 numbers
      or more). The results do not depend on it.

    `loss` has the shape of the data, (...); `gradient` that of f; `hessian`
    (...), or (..., P, P) or (..., K, K). Scalars give NumPy scalars. `sum` and
    `mean` take all samples together.

    The tier `accurate` answers within an ulp or two, `fast` within about five, both
    away from roots and underflow; it decides how the C code is compiled, and NumPy has one for both.

    Raises TypeError (not real numbers), ValueError (shapes, no positive number
    of threads), DomainViolation.
    """

    __slots__ = (
        "__weakref__", "_artifacts", "_asked", "_backend", "_doors", "_parameters", "_quick", "_requested", "_runs",
        "_signature", "_tier",
    )  # fmt: skip

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
        self._doors: dict[str, Door] = {}
        self._quick = dict.fromkeys(OUTPUTS, SHUT.run)  # `run` of each door
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
    def artifacts(self) -> Artifacts:
        """The generated files of the loss."""
        return self._artifacts

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

    def loss(
        self, y: Any, f: Any, *, sample_weight: Any = None, out: Any = None, check_domain: bool = True, threads: int = 1
    ) -> Array:
        """The loss of each sample."""
        done = self._quick["loss"](y, f, sample_weight, out, check_domain, threads)
        if done is None:
            done = self._evaluate("loss", y, f, sample_weight, out, check_domain, threads)
        return done

    def gradient(
        self, y: Any, f: Any, *, sample_weight: Any = None, out: Any = None, check_domain: bool = True, threads: int = 1
    ) -> Array:
        """d loss / d f of each sample."""
        done = self._quick["gradient"](y, f, sample_weight, out, check_domain, threads)
        if done is None:
            done = self._evaluate("gradient", y, f, sample_weight, out, check_domain, threads)
        return done

    def hessian(
        self, y: Any, f: Any, *, sample_weight: Any = None, out: Any = None, check_domain: bool = True, threads: int = 1
    ) -> Array:
        """d² loss / d f² of each sample."""
        done = self._quick["hessian"](y, f, sample_weight, out, check_domain, threads)
        if done is None:
            done = self._evaluate("hessian", y, f, sample_weight, out, check_domain, threads)
        return done

    def loss_gradient(
        self, y: Any, f: Any, *, sample_weight: Any = None, out: Any = None, check_domain: bool = True, threads: int = 1
    ) -> tuple[Array, Array]:
        """Loss and gradient in one pass."""
        done = self._quick["loss_gradient"](y, f, sample_weight, out, check_domain, threads)
        if done is None:
            done = self._evaluate("loss_gradient", y, f, sample_weight, out, check_domain, threads)
        return done

    def gradient_hessian(
        self, y: Any, f: Any, *, sample_weight: Any = None, out: Any = None, check_domain: bool = True, threads: int = 1
    ) -> tuple[Array, Array]:
        """Gradient and Hessian in one pass."""
        done = self._quick["gradient_hessian"](y, f, sample_weight, out, check_domain, threads)
        if done is None:
            done = self._evaluate("gradient_hessian", y, f, sample_weight, out, check_domain, threads)
        return done

    def loss_gradient_hessian(
        self, y: Any, f: Any, *, sample_weight: Any = None, out: Any = None, check_domain: bool = True, threads: int = 1
    ) -> tuple[Array, Array, Array]:
        """Loss, gradient and Hessian in one pass."""
        done = self._quick["loss_gradient_hessian"](y, f, sample_weight, out, check_domain, threads)
        if done is None:
            done = self._evaluate("loss_gradient_hessian", y, f, sample_weight, out, check_domain, threads)
        return done

    def inverse_link(self, f: Any, *, out: Any = None, check_domain: bool = True, threads: int = 1) -> Array:
        """The mean that the raw score f stands for; f itself where the loss has no link."""
        done: Array | None = self._quick["inverse_link"](None, f, None, out, check_domain, threads)
        if done is None:
            count, _ = workers(self.name, threads), self._door("inverse_link")
            inputs = prepare(self._signature.without_targets(), 0.0, f, check_domain)
            done = self._run("inverse_link", inputs, None, out, count)[0]
        return done

    def curvature(self, name: str, y: Any, f: Any, *, check_domain: bool = True) -> Array:
        """What may stand for the second derivative of each sample: "majorizer", "fisher" and others.

        Which ones there are, and what is proved of them, is in `facts["curvatures"]`. Computed by NumPy. Raises
        ValueError for one that this loss does not have.
        """
        known = [n for n, c in self.facts.get("curvatures", {}).items() if "formula" in c]
        if name not in known:
            raise ValueError(f"{self.name} has no curvature {name!r}; it has {', '.join(known) or 'none'}")
        inputs = prepare(self._signature, y, f, check_domain)
        compute = getattr(self._artifacts.numpy_module(), name)
        with np.errstate(all="ignore"):
            (found,) = compute(*inputs.arrays, *self._scalars(inputs.dtype))
        result = np.array(np.broadcast_to(found, inputs.sizes), inputs.dtype)
        if inputs.nan is not None:
            result[inputs.nan] = np.nan
        return deliver(result, inputs.batch, None)

    def gradient_curvature(self, name: str, y: Any, f: Any, *, check_domain: bool = True) -> tuple[Array, Array]:
        """The gradient of each sample, and a curvature (see `curvature`)."""
        found = self.curvature(name, y, f, check_domain=check_domain)
        return self.gradient(y, f, check_domain=False), found

    def link(self, mean: float) -> float:
        """The raw score of a mean; the mean itself where the loss has no link."""
        if not self.facts.get("link"):
            return float(mean)
        with np.errstate(all="ignore"):
            (found,) = self._artifacts.numpy_module().link(np.asarray(mean, F64), *self._scalars(F64))
        return float(found)

    def sum(self, y: Any, f: Any, *, sample_weight: Any = None, check_domain: bool = True, threads: int = 1) -> float:
        """The sum of the losses of all samples, times their weights; 0 of none.

        Added in float64, in an order that depends on neither `threads` nor the
        memory layout, without an array of the losses.
        """
        return self._totals(y, f, sample_weight, check_domain, threads)[0]

    def mean(self, y: Any, f: Any, *, sample_weight: Any = None, check_domain: bool = True, threads: int = 1) -> float:
        """The mean loss of all samples: the sum of weights times losses over the sum of the weights.

        Summed as by `sum`. Raises ValueError where there is no mean: of no
        samples, or when all weights are 0.
        """
        losses, weights, samples = self._totals(y, f, sample_weight, check_domain, threads)
        if weights == 0:
            which = f"the {samples} weights in sample_weight sum to 0" if samples else "y and f hold no samples"
            raise ValueError(f"{self.name}: there is no mean loss, because {which}; pass others, or ask for the sum")
        return losses / weights

    def _evaluate(
        self, kernel: str, y: Any, f: Any, sample_weight: Any, out: Any, check_domain: bool, threads: int
    ) -> Any:
        """What the door of a kernel did not do: the first call, several threads, and all that is not plain."""
        count, door = workers(self.name, threads), self._door(kernel)
        if count > 1 and (done := self._in_parts(door, kernel, y, f, sample_weight, out, check_domain, count)):
            return done[0] if len(done) == 1 else done
        inputs, weight = self._prepared(y, f, sample_weight, check_domain)
        results = self._run(kernel, inputs, weight, out, count)
        return results[0] if len(results) == 1 else tuple(results)

    def _prepared(self, y: Any, f: Any, sample_weight: Any, check_domain: bool) -> tuple[Inputs, Array | None]:
        """Targets, predictions and weights as the kernels want them."""
        inputs = prepare(self._signature, y, f, check_domain)
        return inputs, None if sample_weight is None else weigh(self.name, sample_weight, inputs, check_domain)

    def _in_parts(
        self, door: Door, kernel: str, y: Any, f: Any, sample_weight: Any, out: Any, check_domain: bool, threads: int
    ) -> tuple[Array, ...] | None:
        """The results for plain arrays, by several threads; None where they are not plain."""
        sizes, names = self._plain_sizes(f), OUTPUTS[kernel]
        given = out if type(out) is tuple else (None,) * len(names) if out is None else (out,)
        if door is SHUT or sizes is None or len(given) != len(names):
            return None
        shapes = self._signature.shapes(names, f.shape[: f.ndim - len(sizes) + 1], sizes)
        outs = tuple(np.empty(s, f.dtype) if o is None else o for s, o in zip(shapes, given, strict=True))

        def work(span: Span) -> bool:
            return door.part(y, f, sample_weight, outs, check_domain, *span) is not None

        return outs if all(spread(work, spans(*_rows_and_size(sizes)), threads)) else None

    def _plain_sizes(self, f: Any) -> Shape | None:
        """(n,) or (n, K) of predictions that a door may take; None of none."""
        if type(f) is not np.ndarray or f.dtype not in (F64, F32) or not f.size or f.ndim <= self._signature.vector:
            return None
        return (f.size // f.shape[-1], f.shape[-1]) if self._signature.vector else (f.size,)

    def _totals(self, y: Any, f: Any, sample_weight: Any, check_domain: bool, threads: int) -> tuple[float, float, int]:
        """The sum of the losses, the sum of the weights, and the number of samples."""
        count, door = workers(self.name, threads), self._door("loss")
        sizes = None if door is SHUT else self._plain_sizes(f)
        if sizes is not None:
            n, size = _rows_and_size(sizes)
            ranges = [(0, n)] if count == 1 else spans(n, size)
            parts = spread(lambda span: door.sums(y, f, sample_weight, check_domain, *span), ranges, count)
            if None not in parts:
                losses = total([x for part in parts for x in part[0]])
                return losses, n if sample_weight is None else total([x for part in parts for x in part[1]]), n
        inputs, weight = self._prepared(y, f, sample_weight, check_domain)
        n, size = _rows_and_size(inputs.sizes)
        rows = block_rows(size)
        run, outputs = self._bound("loss_index" if inputs.labels else "loss", inputs)
        shapes = self._signature.kernel_shapes(outputs, inputs.sizes)

        def work(span: Span) -> list[float]:
            (losses,) = _on_rows(run, inputs, weight, shapes, [None], span)
            if inputs.nan is not None:
                losses[inputs.nan[slice(*span)]] = np.nan
            return block_sums(losses, rows)

        losses = total([x for part in spread(work, spans(n, size), count) for x in part])
        return losses, n if weight is None else total(block_sums(weight, rows)), n

    def _run(self, kernel: str, inputs: Inputs, weight: Array | None, out: Any, threads: int) -> list[Array]:
        signature, sizes, names = self._signature, inputs.sizes, OUTPUTS[kernel]
        shapes = signature.shapes(names, inputs.batch, sizes)
        receivers = receive(self.name, names, out, shapes, inputs.dtype)
        if kernel == "inverse_link" and not self.facts.get("inverse_link"):
            results = [np.stack(inputs.arrays, axis=-1) if signature.stacked else inputs.arrays[0].copy()]
            return [deliver(results[0], shapes[0], receivers[0])]
        run, outputs = self._bound(f"{kernel}_index" if inputs.labels else kernel, inputs)
        kernel_shapes = signature.kernel_shapes(outputs, sizes)
        if signature.stacked:
            columns = _run_rows(run, inputs, weight, kernel_shapes, [None] * len(outputs), threads)
            results = [signature.assemble(name, dict(zip(outputs, columns, strict=True))) for name in names]
        else:
            used = inputs.arrays if weight is None else [*inputs.arrays, weight]
            places = [
                r.reshape(s) if r is not None and direct(r, used) else None
                for r, s in zip(receivers, kernel_shapes, strict=True)
            ]
            results = _run_rows(run, inputs, weight, kernel_shapes, places, threads)
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
        outputs = self._outputs(kernel)
        run = self._resolved().bind(kernel, len(inputs.arrays), len(outputs), inputs.dtype, self._scalars(inputs.dtype))
        return self._runs.setdefault(key, (run, outputs))

    def _outputs(self, kernel: str) -> list[str]:
        """The names of the arrays that a kernel fills."""
        declared: dict[str, list[str]] = self.facts["kernels"]
        outputs = declared.get(kernel) or declared.get(kernel.removesuffix("_index"))
        if outputs is None and kernel == "inverse_link":
            outputs = ["mean"]
        if outputs is None:
            raise ArtifactError(f"{self.name} has no kernel {kernel}; it has {', '.join(declared)}")
        return outputs

    def _scalars(self, dtype: np.dtype[Any]) -> list[Any]:
        return rounded(self.name, self.facts["parameters"], self._parameters, dtype)

    def _door(self, kernel: str) -> Door:
        """The door of a kernel, opened when first asked for."""
        if kernel not in self._doors:
            signature = self._signature.without_targets() if kernel == "inverse_link" else self._signature
            door = self._resolved().door(kernel, self._outputs(kernel), signature, self._scalars)
            self._doors[kernel] = door
            self._quick[kernel] = door.run
        return self._doors[kernel]

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


def _rows_and_size(sizes: Shape) -> tuple[int, int]:
    """The number of rows, and of the numbers in one."""
    return sizes[0], sizes[1] if len(sizes) > 1 else 1


def _on_rows(
    run: Run, inputs: Inputs, weight: Array | None, shapes: Sequence[Shape], outs: Sequence[Array | None], span: Span
) -> list[Array]:
    """The results of a kernel for some of the rows."""
    begin, end = span
    n = end - begin
    return run(
        (n, *inputs.sizes[1:]), [array[begin:end] for array in inputs.arrays],
        None if weight is None else weight[begin:end], [(n, *shape[1:]) for shape in shapes],
        [None if out is None else out[begin:end] for out in outs],
    )  # fmt: skip


def _run_rows(
    run: Run, inputs: Inputs, weight: Array | None, shapes: Sequence[Shape], outs: Sequence[Array | None], threads: int
) -> list[Array]:
    """The results of a kernel, by several threads where there is enough to do."""
    parts = spans(*_rows_and_size(inputs.sizes))
    if threads == 1 or len(parts) < FEWEST:
        return run(inputs.sizes, inputs.arrays, weight, shapes, outs)
    results = [np.empty(s, inputs.dtype) if o is None else o for s, o in zip(shapes, outs, strict=True)]
    spread(lambda span: _on_rows(run, inputs, weight, shapes, results, span), parts, threads)
    return results
