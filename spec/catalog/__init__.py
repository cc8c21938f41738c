"""Which losses come with lossforge? One module a family; names as in the literature."""

from __future__ import annotations

from ..model import Loss
from . import binary, distributional, likelihood, multiclass, regression

CATALOG: dict[str, Loss] = {
    value.name: value
    for family in (regression, binary, likelihood, distributional, multiclass)
    for value in vars(family).values()
    if isinstance(value, Loss)
}
