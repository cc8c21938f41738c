"""Negative log-likelihoods and divergences, up to terms that do not depend on the prediction.

A prediction f > 0 is a mean, a prediction p a probability, and a prediction f without a bound a score that a link maps
to them. Targets of survival times come in three kinds, each with a loss of its own: observed (the plain name), censored
on the right or on the left (the event came after, or before, the time y), and censored in an interval (it came
between y and y*ratio). A booster with mixed data takes of each row the loss of its kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from sympy import Expr, Max, Piecewise, S, atan, exp, log, pi, sqrt

from ..atoms import ndtr, xlogy
from ..declare import (
    ArgumentIn,
    NonNegative,
    NonNegativeTarget,
    OpenUnit,
    ParameterIn,
    Positive,
    Probability,
    RealTarget,
    Residual,
    Score,
    UnitTarget,
    loss,
)

if TYPE_CHECKING:  # in a body, these are SymPy expressions
    Mean: TypeAlias = Any
    PositiveTarget: TypeAlias = Any
    AboveOneTarget: TypeAlias = Any
    BelowOne: TypeAlias = Any
else:
    Mean = ArgumentIn("prediction", "(0, oo)")
    PositiveTarget = ArgumentIn("target", "(0, oo)")
    AboveOneTarget = ArgumentIn("target", "(1, oo)")
    BelowOne = ParameterIn("[0, 1)")

# Exponential dispersion models ---------------------------------------------------------------------------------------


@loss(
    title="Poisson with log link", family="likelihood", inverse_link=exp, equivalents=("sklearn._loss.HalfPoissonLoss",)
)
def poisson_log_link(y: NonNegativeTarget, f: Score) -> Expr:
    """Poisson regression: counts with mean exp(f).

    Reference: Nelder, Wedderburn (1972), Generalized linear models.
    """
    return exp(f) - y * f


@loss(
    title="Poisson",
    family="likelihood",
    equivalents=("torch.nn.functional.poisson_nll_loss (log_input=False, eps=0)",),
)
def poisson(y: NonNegativeTarget, f: Mean) -> Expr:
    """Counts with mean f.

    Reference: Nelder, Wedderburn (1972), Generalized linear models.
    """
    return f - y * log(f)


@loss(title="Gamma with log link", family="likelihood", inverse_link=exp, equivalents=("sklearn._loss.HalfGammaLoss",))
def gamma_log_link(y: PositiveTarget, f: Score) -> Expr:
    """Gamma regression: positive amounts with mean exp(f), whose standard deviation grows with the mean.

    Reference: McCullagh, Nelder (1989), Generalized linear models, chapter 8.
    """
    return f + y * exp(-f)


@loss(title="Gamma", family="likelihood", equivalents=("sklearn.metrics.mean_gamma_deviance/2 (per sample, up to y)",))
def gamma(y: PositiveTarget, f: Mean) -> Expr:
    """Positive amounts with mean f, whose standard deviation grows with the mean.

    Reference: McCullagh, Nelder (1989), Generalized linear models, chapter 8.
    """
    return log(f) + y / f


@loss(
    title="Tweedie with log link",
    family="likelihood",
    inverse_link=exp,
    remarks=("No distribution belongs to 0 < p < 1; the formula, a quasi-likelihood, is the same there.",),
    equivalents=("sklearn._loss.HalfTweedieLoss (power=p, up to y)",),
)
def tweedie_log_link(y: NonNegativeTarget, f: Score, p: NonNegative = "3/2") -> Expr:
    """The mean is exp(f), the variance its power p: Gaussian 0, Poisson 1, gamma 2, between them amounts with zeros.

    Reference: Jørgensen (1987), Exponential dispersion models.
    """
    general = exp((2 - p) * f) / (2 - p) - y * exp((1 - p) * f) / (1 - p)
    return Piecewise(
        (general, p < 1), (exp(f) - y * f, p <= 1), (general, p < 2), (f + y * exp(-f), p <= 2), (general, True)
    )


@loss(
    title="Tweedie",
    family="likelihood",
    remarks=("No distribution belongs to 0 < p < 1; the formula, a quasi-likelihood, is the same there.",),
    equivalents=("sklearn._loss.HalfTweedieLossIdentity (power=p, up to y)",),
)
def tweedie(y: NonNegativeTarget, f: Mean, p: NonNegative = "3/2") -> Expr:
    """The variance is the power p of the mean f: Gaussian 0, Poisson 1, gamma 2, between them amounts with zeros.

    Reference: Jørgensen (1987), Exponential dispersion models.
    """
    general = f ** (2 - p) / (2 - p) - y * f ** (1 - p) / (1 - p)
    return Piecewise(
        (general, p < 1), (f - y * log(f), p <= 1), (general, p < 2), (log(f) + y / f, p <= 2), (general, True)
    )


@loss(family="likelihood", equivalents=("sklearn.metrics.mean_tweedie_deviance/2 (power=3, per sample, up to y)",))
def inverse_gaussian(y: PositiveTarget, f: Mean) -> Expr:
    """Positive amounts with mean f, whose variance grows with its third power.

    Reference: Tweedie (1957), Statistical properties of inverse Gaussian distributions I.
    """
    return (y / (2 * f) - 1) / f


@loss(
    family="likelihood",
    inverse_link=exp,
    remarks=("For alpha near 0 it is the Poisson loss with log link.",),
)
def negative_binomial(y: NonNegativeTarget, f: Score, alpha: Positive = 1) -> Expr:
    """Counts with mean m = exp(f) and variance m + alpha*m**2, more than Poisson allows.

    Reference: Lawless (1987), Negative binomial and mixed Poisson regression.
    """
    return log(1 + alpha * exp(f)) / alpha + y * log(alpha + exp(-f))


@loss(title="Exponential distribution", family="likelihood", remarks=("In the mean 1/f it is the gamma loss.",))
def exponential_nll(y: NonNegativeTarget, f: Mean) -> Expr:
    """Waiting times with rate f, that is with mean 1/f.

    Reference: Cox, Oakes (1984), Analysis of survival data, section 2.3.
    """
    return y * f - log(f)


# Binomial with other links than the logit ----------------------------------------------------------------------------


@loss(family="likelihood", inverse_link=ndtr)
def binomial_probit(y: UnitTarget, f: Score) -> Expr:
    """Cross entropy where the probability is the normal distribution function of the score.

    Reference: Bliss (1934), The method of probits.
    """
    return -y * log(ndtr(f)) - (1 - y) * log(ndtr(-f))


@loss(title="Binomial with complementary log-log link", family="likelihood", inverse_link=lambda f: 1 - exp(-exp(f)))
def binomial_cloglog(y: UnitTarget, f: Score) -> Expr:
    """Cross entropy where the probability is 1 - exp(-exp(f)): whether an event with log rate f came within one unit.

    Reference: Fisher (1922), On the mathematical foundations of theoretical statistics, section 12.3.
    """
    return (1 - y) * exp(f) - y * log(1 - exp(-exp(f)))


@loss(family="likelihood", inverse_link=lambda f: S.Half + atan(f) / pi)
def binomial_cauchit(y: UnitTarget, f: Score) -> Expr:
    """Cross entropy where the probability is the Cauchy distribution function of the score, with heavy tails.

    Reference: Morgan, Smith (1992), A note on Wadley's problem with overdispersion.
    """
    return -y * log(S.Half + atan(f) / pi) - (1 - y) * log(S.Half - atan(f) / pi)


# Divergences ---------------------------------------------------------------------------------------------------------


@loss(
    title="Kullback-Leibler divergence",
    family="likelihood",
    equivalents=("scipy.special.rel_entr (of y and p, plus that of 1 - y and 1 - p)",),
)
def kl_divergence(y: UnitTarget, p: Probability) -> Expr:
    """How much a coin of probability y differs from one of probability p: the cross entropy less the entropy of y.

    Reference: Kullback, Leibler (1951), On information and sufficiency.
    """
    return xlogy(y, y / p) + xlogy(1 - y, (1 - y) / (1 - p))


@loss(
    title="Generalised Kullback-Leibler divergence",
    family="likelihood",
    remarks=("Summed over the classes of two distributions it is their Kullback-Leibler divergence.",),
    equivalents=("scipy.special.kl_div",),
)
def generalised_kl(y: NonNegativeTarget, f: Mean) -> Expr:
    """The divergence of positive amounts that belongs to the Poisson distribution: half its deviance.

    Reference: Csiszár (1991), Why least squares and maximum entropy?
    """
    return xlogy(y, y / f) - y + f


@loss(
    title="Jensen-Shannon divergence",
    family="likelihood",
    remarks=("Summed over the classes of two distributions it is their Jensen-Shannon divergence.",),
    equivalents=("scipy.spatial.distance.jensenshannon**2 (summed)",),
)
def jensen_shannon(y: NonNegativeTarget, f: Mean) -> Expr:
    """The mean divergence of two positive amounts from their mean; symmetric, and bounded for bounded amounts.

    Reference: Lin (1991), Divergence measures based on the Shannon entropy.
    """
    return (xlogy(y, 2 * y / (y + f)) + f * log(2 * f / (y + f))) / 2


@loss(title="Itakura-Saito divergence", family="likelihood", remarks=("Half the deviance of the gamma distribution.",))
def itakura_saito(y: PositiveTarget, f: Mean) -> Expr:
    """A divergence of positive amounts of which only the ratio counts.

    Reference: Itakura, Saito (1968), Analysis synthesis telephony based on the maximum likelihood method.
    """
    return y / f - log(y / f) - 1


@loss(
    title="Squared Hellinger distance",
    family="likelihood",
    remarks=("Summed over the classes of two distributions it is their squared Hellinger distance.",),
)
def hellinger(y: NonNegativeTarget, f: Mean) -> Expr:
    """Half the squared difference of the roots.

    Reference: Hellinger (1909), Neue Begründung der Theorie quadratischer Formen von unendlichvielen Veränderlichen.
    """
    return (sqrt(f) - sqrt(y)) ** 2 / 2


@loss(title="Chi-squared", family="likelihood", equivalents=("scipy.stats.chisquare (summed)",))
def chi_squared(y: NonNegativeTarget, f: Mean) -> Expr:
    """The squared difference of what is observed and what is expected, over what is expected.

    Reference: Pearson (1900), On the criterion that a given system of deviations from the probable can be reasonably
    supposed to have arisen from random sampling.
    """
    return (f - y) ** 2 / f


# Accelerated failure time: log(time) = f + sigma*noise ---------------------------------------------------------------


@loss(title="AFT, normal", family="likelihood", equivalents=("xgboost survival:aft (normal, y_lower = y_upper)",))
def aft_normal(y: PositiveTarget, f: Score, sigma: Positive = 1) -> Expr:
    """An observed time whose logarithm is normal around f: the lognormal distribution.

    Reference: Wei (1992), The accelerated failure time model.
    """
    return ((log(y) - f) / sigma) ** 2 / 2


@loss(
    title="AFT, normal, right-censored",
    family="likelihood",
    equivalents=("xgboost survival:aft (normal, y_upper = oo)",),
)
def aft_normal_right(y: PositiveTarget, f: Score, sigma: Positive = 1) -> Expr:
    """The event had not come at time y.

    Reference: Wei (1992), The accelerated failure time model.
    """
    return -log(ndtr(-(log(y) - f) / sigma))


@loss(
    title="AFT, normal, left-censored", family="likelihood", equivalents=("xgboost survival:aft (normal, y_lower = 0)",)
)
def aft_normal_left(y: PositiveTarget, f: Score, sigma: Positive = 1) -> Expr:
    """The event had come by time y.

    Reference: Wei (1992), The accelerated failure time model.
    """
    return -log(ndtr((log(y) - f) / sigma))


@loss(title="AFT, logistic", family="likelihood", equivalents=("xgboost survival:aft (logistic, y_lower = y_upper)",))
def aft_logistic(y: PositiveTarget, f: Score, sigma: Positive = 1) -> Expr:
    """An observed time whose logarithm is logistic around f: the log-logistic distribution.

    Reference: Bennett (1983), Log-logistic regression models for survival data.
    """
    z = (log(y) - f) / sigma
    return log(1 + exp(z)) + log(1 + exp(-z))


@loss(
    title="AFT, logistic, right-censored",
    family="likelihood",
    equivalents=("xgboost survival:aft (logistic, y_upper = oo)",),
)
def aft_logistic_right(y: PositiveTarget, f: Score, sigma: Positive = 1) -> Expr:
    """The event had not come at time y.

    Reference: Bennett (1983), Log-logistic regression models for survival data.
    """
    return log(1 + exp((log(y) - f) / sigma))


@loss(
    title="AFT, logistic, left-censored",
    family="likelihood",
    equivalents=("xgboost survival:aft (logistic, y_lower = 0)",),
)
def aft_logistic_left(y: PositiveTarget, f: Score, sigma: Positive = 1) -> Expr:
    """The event had come by time y.

    Reference: Bennett (1983), Log-logistic regression models for survival data.
    """
    return log(1 + exp(-(log(y) - f) / sigma))


@loss(
    title="AFT, logistic, interval-censored",
    family="likelihood",
    equivalents=("xgboost survival:aft (logistic, y_lower = y, y_upper = y*ratio)",),
)
def aft_logistic_interval(y: PositiveTarget, ratio: AboveOneTarget, f: Score, sigma: Positive = 1) -> Expr:
    """The event came between the times y and y*ratio.

    Reference: Bennett (1983), Log-logistic regression models for survival data.
    """
    z = (log(y) - f) / sigma
    return log(1 + exp(z)) + log(1 + exp(-z - log(ratio) / sigma))


@loss(
    title="AFT, extreme value", family="likelihood", equivalents=("xgboost survival:aft (extreme, y_lower = y_upper)",)
)
def aft_extreme(y: PositiveTarget, f: Score, sigma: Positive = 1) -> Expr:
    """An observed time whose logarithm has the distribution of the least of many: the Weibull distribution.

    Reference: Kalbfleisch, Prentice (2002), The statistical analysis of failure time data, section 2.2.
    """
    z = (log(y) - f) / sigma
    return exp(z) - z - 1


@loss(
    title="AFT, extreme value, right-censored",
    family="likelihood",
    equivalents=("xgboost survival:aft (extreme, y_upper = oo)",),
)
def aft_extreme_right(y: PositiveTarget, f: Score, sigma: Positive = 1) -> Expr:
    """The event had not come at time y.

    Reference: Kalbfleisch, Prentice (2002), The statistical analysis of failure time data, section 3.2.
    """
    return exp((log(y) - f) / sigma)


@loss(
    title="AFT, extreme value, left-censored",
    family="likelihood",
    equivalents=("xgboost survival:aft (extreme, y_lower = 0)",),
)
def aft_extreme_left(y: PositiveTarget, f: Score, sigma: Positive = 1) -> Expr:
    """The event had come by time y.

    Reference: Kalbfleisch, Prentice (2002), The statistical analysis of failure time data, section 3.2.
    """
    return -log(1 - exp(-exp((log(y) - f) / sigma)))


@loss(
    title="AFT, extreme value, interval-censored",
    family="likelihood",
    equivalents=("xgboost survival:aft (extreme, y_lower = y, y_upper = y*ratio)",),
)
def aft_extreme_interval(y: PositiveTarget, ratio: AboveOneTarget, f: Score, sigma: Positive = 1) -> Expr:
    """The event came between the times y and y*ratio.

    Reference: Kalbfleisch, Prentice (2002), The statistical analysis of failure time data, section 3.2.
    """
    hazard = exp((log(y) - f) / sigma)
    return hazard - log(1 - exp(-hazard * (exp(log(ratio) / sigma) - 1)))


@loss(title="AFT, Weibull", family="likelihood", equivalents=("aft_extreme (sigma = 1/shape)",))
def weibull_aft(y: PositiveTarget, f: Score, shape: Positive = 1) -> Expr:
    """An observed time with the Weibull distribution of scale exp(f), by its shape.

    Reference: Weibull (1951), A statistical distribution function of wide applicability.
    """
    z = shape * (log(y) - f)
    return exp(z) - z - 1


@loss(title="AFT, log-logistic", family="likelihood", equivalents=("aft_logistic (sigma = 1/shape)",))
def loglogistic_aft(y: PositiveTarget, f: Score, shape: Positive = 1) -> Expr:
    """An observed time with the log-logistic distribution of median exp(f), by its shape.

    Reference: Bennett (1983), Log-logistic regression models for survival data.
    """
    z = shape * (log(y) - f)
    return log(1 + exp(z)) + log(1 + exp(-z))


# Ordered classes and quantiles ---------------------------------------------------------------------------------------


@loss(
    title="Ordinal logit of one class",
    family="likelihood",
    remarks=(
        "The class that was seen lies between the thresholds low and low + width.",
        "Of the first class, below the threshold high, the loss is log(1 + exp(f - high)).",
        "Of the last class, above the threshold low, it is log(1 + exp(low - f)).",
    ),
)
def ordinal_logit_class(low: RealTarget, width: PositiveTarget, f: Score) -> Expr:
    """The proportional odds model, for one class between two thresholds that are given.

    Reference: McCullagh (1980), Regression models for ordinal data.
    """
    return log(1 + exp(low - f)) + log(1 + exp(f - low - width))


@loss(title="Asymmetric Laplace", family="likelihood", equivalents=("pinball/scale",))
def quantile_loglik(r: Residual, tau: OpenUnit = "1/2", scale: Positive = 1) -> Expr:
    """The asymmetric Laplace distribution around its tau-quantile f: the pinball loss as a likelihood.

    Reference: Yu, Moyeed (2001), Bayesian quantile regression.
    """
    return Max(-tau * r, (1 - tau) * r) / scale
