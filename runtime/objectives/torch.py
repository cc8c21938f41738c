"""How does a loss train a model in PyTorch? As a module over tensors, called with predictions first, as torch's own.

By default plain tensor code on any device, differentiated by the derived gradient and Hessian: it passes gradcheck and
gradgradcheck, works under torch.func, and compiles into one graph. With `kernel="c"` the compiled C code behind custom
operators, for tensors on the CPU; torch.func does not differentiate these. Needs PyTorch.
"""

from __future__ import annotations

import json
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..artifacts import Artifacts, Facts
from ..errors import ArtifactError
from ..function import LossFunction

KERNELS = ("tensor", "c")
REDUCTIONS = ("mean", "sum", "none")


class TorchObjective(torch.nn.Module):
    """A loss with its parameters bound; picklable.

    `reduction` is "mean", "sum" or "none"; `kernel` is "tensor" or "c". `source` is the generated module of a loss that
    is not of the catalogue; it is executed: never pass text that others wrote. PyTorch differentiates twice, so there
    is no curvature to choose. Raises ValueError for an unknown kernel or reduction and for a curvature other than
    "exact", ArtifactError where a loss of one's own comes without its source, and for `kernel="c"` EnvironmentLacking
    where C cannot be had.
    """

    OPTIONS = ("reduction", "kernel", "source")

    def __init__(
        self,
        loss: LossFunction,
        curvature: str | None = None,
        *,
        reduction: str = "mean",
        kernel: str = "tensor",
        source: str | None = None,
    ) -> None:
        super().__init__()
        if curvature not in (None, "exact"):
            raise ValueError(
                f"{loss.name}: in PyTorch the curvature is the exact Hessian, not {curvature!r}; leave it out"
            )
        for what, value, known in (("kernel", kernel, KERNELS), ("reduction", reduction, REDUCTIONS)):
            if value not in known:
                raise ValueError(f"{loss.name}: {what} is {value!r}; expected one of {', '.join(known)}")
        self.loss, self.reduction, self.kernel, self._source = loss, reduction, kernel, source
        artifacts = loss.artifacts if source is None else Artifacts(loss.facts, tensor_sources={"torch": source})
        self._code = artifacts.tensor_module("torch")
        self._function = artifacts.tensor_function("torch", loss.parameters)
        self._key = _register(loss) if kernel == "c" else ""

    @property
    def name(self) -> str:
        """The name of the loss."""
        return self.loss.name

    @property
    def facts(self) -> Facts:
        """Formula, gradient, domains, properties, references: the generated facts."""
        return self.loss.facts

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
        bound = "".join(f"{name}={value!r}, " for name, value in self.loss.parameters.items())
        return f"{self.name}, {bound}reduction={self.reduction!r}, kernel={self.kernel!r}"

    def __reduce__(self) -> tuple[Any, ...]:
        made = partial(TorchObjective, reduction=self.reduction, kernel=self.kernel, source=self._source)
        return made, (self.loss,)


# The C kernels as operators ----------------------------------------------------------------------
#
# An operator takes tensors, numbers and text; so a loss is named by a key: of the catalogue, name and parameters, which
# another process understands as well; of others, the number under which this process knows it.

_OWN: dict[str, LossFunction] = {}


def _register(loss: LossFunction) -> str:
    """The key of a loss, whose C code is compiled now."""
    if loss.artifacts.catalogued:
        key = json.dumps([loss.name, loss.parameters, loss.tier])
        _named(key)
        return key
    key = f"{loss.name} {len(_OWN)}"
    _OWN[key] = LossFunction(loss.artifacts, loss.parameters, "c", loss.tier)
    return key


@cache
def _named(key: str) -> LossFunction:
    if key in _OWN:
        return _OWN[key]
    if not key.startswith("["):
        raise ArtifactError(f"the operator of the loss {key} was made in another process; make its objective here, too")
    name, parameters, tier = json.loads(key)
    return LossFunction.from_catalogue(name, parameters, "c", tier)


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
