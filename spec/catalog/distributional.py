"""Negative log-likelihoods of distributions with several predicted parameters.

Up to terms that depend on no prediction. Scales are predicted by their logarithm unless the name says otherwise, so
that every real score is a valid prediction; z is the standardised target.
"""

from __future__ import annotations

from typing import Annotated

from sympy import Abs, Expr, exp, log

from ..declare import ArgumentIn, RealTarget, Score, loss

PositiveTarget = Annotated[float, ArgumentIn("target", "(0, oo)")]
PositivePrediction = Annotated[float, ArgumentIn("prediction", "(0, oo)")]


@loss(title="Gaussian, mean and log standard deviation", family="distributional")
def gaussian_nll(y: RealTarget, mu: Score, log_sigma: Score) -> Expr:
    """Normal distribution with predicted mean and logarithm of the standard deviation.

    Reference: Nix, Weigend (1994), Estimating the mean and variance of the target probability distribution.
    """
    return log_sigma + (y - mu) ** 2 / (2 * exp(2 * log_sigma))


@loss(
    title="Gaussian, mean and variance",
    family="distributional",
    equivalents=("torch.nn.functional.gaussian_nll_loss (without its clamping)",),
)
def gaussian_nll_variance(y: RealTarget, mu: Score, v: PositivePrediction) -> Expr:
    """Normal distribution with predicted mean and variance v.

    Reference: Nix, Weigend (1994), Estimating the mean and variance of the target probability distribution.
    """
    return log(v) / 2 + (y - mu) ** 2 / (2 * v)


@loss(title="Gaussian, natural parameters", family="distributional")
def gaussian_nll_natural(y: RealTarget, a: Score, b: PositivePrediction) -> Expr:
    """Normal distribution with predicted a = mean/variance and precision b = 1/variance: jointly convex.

    Reference: Immer, Palumbo, Marx, Vogt (2023), Effective Bayesian heteroscedastic regression with deep neural
    networks.
    """
    return (a - b * y) ** 2 / (2 * b) - log(b) / 2


@loss(title="Laplace, location and log scale", family="distributional")
def laplace_nll(y: RealTarget, mu: Score, log_scale: Score) -> Expr:
    """Laplace distribution with predicted location and logarithm of the scale.

    Reference: Kendall, Gal (2017), What uncertainties do we need in Bayesian deep learning for computer vision?
    """
    return log_scale + Abs(y - mu) / exp(log_scale)


@loss(title="Laplace, natural scale", family="distributional")
def laplace_nll_natural(y: RealTarget, a: Score, b: PositivePrediction) -> Expr:
    """Laplace distribution with predicted a = location/scale and b = 1/scale: jointly convex.

    Reference: Burridge (1981), A note on maximum likelihood estimation for regression models using grouped data.
    """
    return Abs(a - b * y) - log(b)


@loss(title="Logistic distribution, location and log scale", family="distributional")
def logistic_nll(y: RealTarget, mu: Score, log_scale: Score) -> Expr:
    """Logistic distribution with predicted location and logarithm of the scale.

    Reference: Balakrishnan (1991), Handbook of the logistic distribution.
    """
    z = (y - mu) * exp(-log_scale)
    return log_scale + z + 2 * log(1 + exp(-z))


@loss(title="Log-normal, log location and log scale", family="distributional")
def lognormal_nll(y: PositiveTarget, mu: Score, log_sigma: Score) -> Expr:
    """Log-normal distribution: log y is normal with predicted mean and logarithm of the standard deviation.

    Reference: Johnson, Kotz, Balakrishnan (1994), Continuous univariate distributions, volume 1, chapter 14.
    """
    return log_sigma + (log(y) - mu) ** 2 / (2 * exp(2 * log_sigma))


@loss(title="Gumbel, location and log scale", family="distributional")
def gumbel_nll(y: RealTarget, mu: Score, log_scale: Score) -> Expr:
    """Gumbel distribution of the largest value, with predicted location and logarithm of the scale.

    Reference: Coles (2001), An introduction to statistical modeling of extreme values, chapter 3.
    """
    z = (y - mu) * exp(-log_scale)
    return log_scale + z + exp(-z)


@loss(title="Weibull, log scale and log shape", family="distributional")
def weibull_nll(y: PositiveTarget, log_scale: Score, log_shape: Score) -> Expr:
    """Weibull distribution with predicted logarithms of scale and shape.

    Reference: Johnson, Kotz, Balakrishnan (1994), Continuous univariate distributions, volume 1, chapter 21.
    """
    z = (log(y) - log_scale) * exp(log_shape)
    return exp(z) - z - log_shape


@loss(title="Cauchy, location and log scale", family="distributional")
def cauchy_nll(y: RealTarget, mu: Score, log_scale: Score) -> Expr:
    """Cauchy distribution with predicted location and logarithm of the scale.

    Reference: Johnson, Kotz, Balakrishnan (1994), Continuous univariate distributions, volume 1, chapter 16.
    """
    return log_scale + log(1 + ((y - mu) / exp(log_scale)) ** 2)
