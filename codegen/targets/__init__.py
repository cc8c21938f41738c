"""Which languages can kernels be written in? One module and one template each."""

from __future__ import annotations

from ..target import Target
from .c import C
from .jax import JAX
from .numpy import NUMPY
from .torch import TORCH

TARGETS: dict[str, Target] = {target.name: target for target in (NUMPY, C, TORCH, JAX)}
