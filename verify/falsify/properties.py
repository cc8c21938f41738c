"""What must not be found where a property holds? The table of all that the falsifier knows."""

from __future__ import annotations

from collections.abc import Callable

from .breach import Breaches, Claim
from .decisions import calibrated, elicits, proper
from .duals import conjugate, prox
from .jumps import continuous, differentiable
from .shapes import (
    bounded_influence,
    convex,
    lipschitz,
    monotone,
    quasiconvex,
    redescending,
    self_concordant,
    smooth,
    strictly_convex,
    strongly_convex,
    symmetric,
    weakly_convex,
)
from .study import Setting, Study
from .values import bounded, minimizer, nonnegative, range_, upper_bounds_zero_one

Check = Callable[[Study, Setting, Claim], Breaches]
CHECKS: tuple[Check, ...] = (
    convex, strictly_convex, strongly_convex, weakly_convex, quasiconvex, continuous, differentiable, lipschitz,
    smooth, bounded, range_, nonnegative, symmetric, monotone, minimizer, bounded_influence, redescending,
    upper_bounds_zero_one, calibrated, self_concordant, proper, elicits, conjugate, prox,
)  # fmt: skip
BREACHES: dict[str, Check] = {c.__name__.strip("_"): c for c in CHECKS} | {"strictly_proper": proper}
