"""Which errors do the tiers of the C code, and NumPy, mean to stay within?

Away from the roots of an output an error is to be no larger than a limit. Beside a root, where moving each input by
half an ulp changes the output by more than `steep` ulps, that change is allowed on top: what is computed is then within
the limit of the exact value at an input moved by half an ulp.

These are aims, which `docs/accuracy.py` holds against what is measured. What is wrong is decided in `compare`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """In ulps."""

    loss: float
    derivatives: float
    steep: float

    def of(self, output: str) -> float:
        return self.loss if output == "loss" else self.derivatives


# Built on exp and log1p of one variable.
EXPONENTIAL = (
    "logistic", "exponential", "log_cosh", "logistic_distance", "log2_logistic", "sigmoid_loss", "tanh_loss", "savage",
    "smooth_pinball", "linex", "binary_cross_entropy_logits", "poisson_log_link", "gamma_log_link",
)  # fmt: skip
STRICT, ACCURATE = Limit(1.1, 1.0, 128.0), Limit(2.0, 2.0, 128.0)
FAST, PLAIN = Limit(5.0, 5.0, 4.0), Limit(16.0, 16.0, 16.0)


def limit_of(loss: str, backend: str, vector: bool = False) -> Limit:
    """The limit of a back end as `check` names it; losses over classes have no plan, and NumPy's limit."""
    if vector or not backend.startswith("c"):
        return PLAIN
    return FAST if backend.startswith("c fast") else STRICT if loss in EXPONENTIAL else ACCURATE
