"""How does a loss train a model in PyTorch? As a module over tensors, called with predictions first, as torch's own.

By default plain tensor code on any device, differentiated by the derived gradient and Hessian: it passes gradcheck and
gradgradcheck, works under torch.func, and compiles into one graph. With `kernel="c"` the compiled C code behind custom
operators, for tensors on the CPU; torch.func does not differentiate these. Needs PyTorch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..artifacts import Artifacts, Facts, catalogue_facts
from ..errors import ArtifactError
from ..function import LossFunction
from ..parameters import bind

KERNELS = ("tensor", "c")
REDUCTIONS = ("mean", "sum", "none")


class TorchObjective(torch.nn.Module):
    """A loss with its parameters bound.

    `constants` are the numbers bound (`parameters` is taken: a module's are tensors to be trained), `facts` the
    generated facts. Made by `from_catalogue` or `from_artifacts`, which raise ParameterError for parameters that do not
    fit, ValueError for an unknown kernel or reduction, and for `kernel="c"` EnvironmentLacking where C cannot be had.
    Pickled as what it was made from.
    """

    def __init__(
        self, artifacts: Artifacts, parameters: Mapping[str, Any], reduction: str = "mean", kernel: str = "tensor"
    ) -> None:
        super().__init__()
        for what, value, known in (("kernel", kernel, KERNELS), ("reduction", reduction, REDUCTIONS)):
            if value not in known:
                raise ValueError(f"{artifacts.name}: {what} is {value!r}; expected one of {', '.join(known)}")
        self.constants = bind(artifacts.name, artifacts.facts["parameters"], parameters)
        self.reduction, self.kernel = reduction, kernel
        self._artifacts = artifacts
        self._code = artifacts.tensor_module("torch")
        self._function = artifacts.tensor_function("torch", self.constants)
        self._key = _register(artifacts, self.constants) if kernel == "c" else ""

    @classmethod
    def from_catalogue(
        cls, name: str, parameters: Mapping[str, Any] | None = None, reduction: str = "mean", kernel: str = "tensor"
    ) -> TorchObjective:
        """A loss of the catalogue."""
        return cls(Artifacts(catalogue_facts(name)), parameters or {}, reduction, kernel)

    @classmethod
    def from_artifacts(
        cls,
        facts: Facts,
        source: str,
        parameters: Mapping[str, Any] | None = None,
        reduction: str = "mean",
        kernel: str = "tensor",
        c_source: str = "",
    ) -> TorchObjective:
        """A loss from its generated module for PyTorch, and for `kernel="c"` its C source.

        They are executed: never pass text that others wrote.
        """
        return cls(Artifacts(facts, None, c_source, {"torch": source}), parameters or {}, reduction, kernel)

    @property
    def name(self) -> str:
        return self._artifacts.name

    @property
    def facts(self) -> Facts:
        return self._artifacts.facts

    def forward(self, f: Tensor, y: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """The loss of predictions f: a scalar, or of the shape (...) of the samples with the reduction "none".

        f (...), with several predictions (..., P), of K classes (..., K). y of the shape of f without its last axis
        for one target or class labels, (..., T) for several targets, and (..., K) for one-hot rows. The type is that
        of f, float32 at least. "mean" with weights is the sum of weights times losses over the sum of the weights.

        Raises ValueError for shapes that do not fit, and where y requires a gradient. Domains are checked by the C
        kernel alone, which raises DomainViolation.
        """
        if self.kernel == "tensor":
            losses: Tensor = self._function(f, y, sample_weight=sample_weight, reduction=self.reduction)
            return losses
        if f.device.type != "cpu":
            raise ValueError(f'{self.name}: kernel="c" runs on the CPU, and f is on {f.device}; use kernel="tensor"')
        f, y = self._code.aligned(f, y)
        return self._code.reduced(c_loss(y, f, self._key), sample_weight, self.reduction)

    def extra_repr(self) -> str:
        bound = "".join(f"{name}={value!r}, " for name, value in self.constants.items())
        return f"{self.name}, {bound}reduction={self.reduction!r}, kernel={self.kernel!r}"

    def __reduce__(self) -> tuple[Any, ...]:
        about = self.constants, self.reduction, self.kernel
        if self._artifacts.catalogued:
            return TorchObjective.from_catalogue, (self.name, *about)
        source = self._artifacts.tensor_sources["torch"]
        return TorchObjective.from_artifacts, (self.facts, source, *about, self._artifacts.c_source)


# The C kernels as operators ----------------------------------------------------------------------
#
# An operator takes tensors, numbers and text; so a loss is named by a key: of the catalogue, name and parameters, which
# another process understands as well; of others, the number under which this process knows it.

_OWN: dict[str, LossFunction] = {}


def _register(artifacts: Artifacts, constants: Mapping[str, float]) -> str:
    """The key of a loss, whose C code is compiled now."""
    if artifacts.catalogued:
        key = json.dumps([artifacts.name, dict(constants)])
        _named(key)
        return key
    function = LossFunction(artifacts, constants, "c")
    key = f"{artifacts.name} {len(_OWN)}"
    _OWN[key] = function
    return key


@cache
def _named(key: str) -> LossFunction:
    if key in _OWN:
        return _OWN[key]
    if not key.startswith("["):
        raise ArtifactError(f"the operator of the loss {key} was made in another process; make its objective here, too")
    name, constants = json.loads(key)
    return LossFunction.from_catalogue(name, constants, "c")


def _evaluated(kernel: str, y: Tensor, f: Tensor, key: str) -> Tensor:
    result = getattr(_named(key), kernel)(y.numpy(), f.numpy())
    return torch.from_numpy(np.asarray(result))


def _samples(y: Tensor, f: Tensor, key: str) -> tuple[int, ...]:
    """The shape of the loss."""
    facts = _named(key).facts
    several = sum(a["role"] == "prediction" for a in facts["arguments"].values()) > 1
    return tuple(f.shape[:-1] if several or facts["size"] else f.shape)


@torch.library.custom_op("lossforge::loss", mutates_args=(), device_types="cpu")
def c_loss(y: Tensor, f: Tensor, key: str) -> Tensor:
    return _evaluated("loss", y, f, key)


@torch.library.custom_op("lossforge::gradient", mutates_args=(), device_types="cpu")
def c_gradient(y: Tensor, f: Tensor, key: str) -> Tensor:
    return _evaluated("gradient", y, f, key)


@torch.library.custom_op("lossforge::hessian", mutates_args=(), device_types="cpu")
def c_hessian(y: Tensor, f: Tensor, key: str) -> Tensor:
    return _evaluated("hessian", y, f, key)


@c_loss.register_fake
def _(y: Tensor, f: Tensor, key: str) -> Tensor:
    return f.new_empty(_samples(y, f, key))


@c_gradient.register_fake
def _(y: Tensor, f: Tensor, key: str) -> Tensor:
    return f.new_empty(f.shape)


@c_hessian.register_fake
def _(y: Tensor, f: Tensor, key: str) -> Tensor:
    samples = _samples(y, f, key)
    return f.new_empty((*f.shape, *f.shape[len(samples) :]))


def _remember(ctx: Any, inputs: tuple[Tensor, Tensor, str], output: Tensor) -> None:
    y, f, ctx.key = inputs
    ctx.save_for_backward(y, f)


def _loss_backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor, None]:
    y, f = ctx.saved_tensors
    gradient = c_gradient(y, f, ctx.key)
    return None, gradient * grad.reshape(*grad.shape, *[1] * (f.ndim - grad.ndim)), None


def _gradient_backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor, None]:
    y, f = ctx.saved_tensors
    hessian = c_hessian(y, f, ctx.key)
    return None, hessian * grad if hessian.ndim == grad.ndim else (hessian * grad[..., None, :]).sum(-1), None


def _hessian_backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor, None]:
    raise NotImplementedError(f"{ctx.key}: first and second derivatives are generated, no third ones")


c_loss.register_autograd(_loss_backward, setup_context=_remember)
c_gradient.register_autograd(_gradient_backward, setup_context=_remember)
c_hessian.register_autograd(_hessian_backward, setup_context=_remember)
