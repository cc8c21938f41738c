"""Negative log-likelihoods of distributions with several predicted parameters.

Up to terms that depend on no prediction. Scales are predicted by their logarithm unless the name says otherwise, so
that every real score is a valid prediction.
"""

from __future__ import annotations

from sympy import Expr, exp

from ..declare import RealTarget, Score, loss


@loss(title="Gaussian, mean and log standard deviation", family="distributional")
def gaussian_nll(y: RealTarget, mu: Score, log_sigma: Score) -> Expr:
    """Normal distribution with predicted mean and logarithm of the standard deviation.

    Reference: Nix, Weigend (1994), Estimating the mean and variance of the target probability distribution.
    """
    return log_sigma + (y - mu) ** 2 / (2 * exp(2 * log_sigma))
