"""How exact, and how fast: what do the two tiers make of the kernels of a loss?

`accurate`: float64 in pairs of doubles where the errors ask for it, float32 in float64. `fast`: plain arithmetic,
also in float32, except where not even that bound holds, as in the exponential of a square.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .doubleword import Goal, Plan, plan
from .ir import Kernel
from .target import FLOAT32, FLOAT64, Precision

Tier = Literal["accurate", "fast"]
TIERS: tuple[Tier, ...] = ("accurate", "fast")

# In ulps. A static bound adds up the worst of every operation: of 15, less than 5 is seen.
ACCURATE = Goal(loss=1.1, derivatives=1.0)
FAST = Goal(loss=15.0, derivatives=15.0, cancellations=(1.0,), exponent=2.0)
# A float64 kernel for float32 results: an eighth of their ulp.
SINGLE = Goal(loss=2.0**26, derivatives=2.0**26, cancellations=(16.0,))


@dataclass(frozen=True, slots=True)
class Form:
    """How kernels are computed: in which precision, with which functions, and what in pairs."""

    precision: Precision
    fast: bool = False
    plan: Plan | None = None


def forms(kernels: Sequence[Kernel]) -> dict[tuple[str, Tier], Form]:
    """The form of all kernels of a loss by the name of the precision of its arrays, and by tier.

    Kernels over classes have no plan.
    """
    if any(k.is_vector for k in kernels):
        return {
            ("f64", "accurate"): Form(FLOAT64),
            ("f64", "fast"): Form(FLOAT64, fast=True),
            ("f32", "accurate"): Form(FLOAT64, fast=True),
            ("f32", "fast"): Form(FLOAT32, fast=True),
        }
    accurate, fast = plan(kernels, ACCURATE), plan(kernels, FAST)
    single = Form(FLOAT64, fast=True, plan=plan(kernels, SINGLE))
    return {
        ("f64", "accurate"): Form(FLOAT64, plan=accurate),
        ("f64", "fast"): Form(FLOAT64, fast=True, plan=fast),
        ("f32", "accurate"): single if accurate.pairs else Form(FLOAT32, plan=accurate),
        ("f32", "fast"): single if fast.pairs else Form(FLOAT32, fast=True, plan=fast),
    }
