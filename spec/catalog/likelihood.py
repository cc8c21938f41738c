"""Negative log-likelihoods, up to terms that do not depend on the prediction."""

from __future__ import annotations

from sympy import Expr, exp

from ..declare import NonNegativeTarget, Score, loss


@loss(
    title="Poisson with log link", family="likelihood", inverse_link=exp, equivalents=("sklearn._loss.HalfPoissonLoss",)
)
def poisson_log_link(y: NonNegativeTarget, f: Score) -> Expr:
    """Poisson regression: counts with mean exp(f).

    Reference: Nelder, Wedderburn (1972), Generalized linear models.
    """
    return exp(f) - y * f
