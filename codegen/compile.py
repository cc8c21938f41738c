"""How does a loss that is not in the catalogue become a function? `lf.compile`."""

from __future__ import annotations

import json
from typing import Any, Literal

from ..runtime.function import LossFunction
from ..spec.model import Loss
from .build import artifacts


def compile_loss(loss: Loss, backend: Literal["auto", "c", "numpy"] = "auto", **parameters: Any) -> LossFunction:
    """Derive, generate and load a loss; the result is used like one of `lf.losses`.

    `parameters` are the loss's own; those without a default must be given.
    Raises DerivationError or TargetError when the formula cannot be derived or
    written, ParameterError for parameters that do not fit.
    """
    texts = {a.path.split("/")[0]: a.text for a in artifacts(loss, regenerate="lossforge build FILE")}
    return LossFunction.from_artifacts(json.loads(texts["facts"]), texts["numpy"], texts["c"], parameters, backend)
