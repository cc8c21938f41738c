"""Losses of the residual r = f - y."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from sympy import Abs, Expr, Max, Piecewise, atan, cos, cosh, exp, log, pi, sqrt

from ..declare import (
    ArgumentIn,
    NonNegative,
    NonNegativeTarget,
    OpenUnit,
    ParameterIn,
    Positive,
    RealParameter,
    Residual,
    Score,
    loss,
)

if TYPE_CHECKING:  # in a body, this is a SymPy expression
    AtLeastOne: TypeAlias = Any
    AboveMinusOne: TypeAlias = Any
    AboveMinusOneTarget: TypeAlias = Any
    PositiveTarget: TypeAlias = Any
else:
    AtLeastOne = ParameterIn("[1, oo)")
    AboveMinusOne = ArgumentIn("prediction", "(-1, oo)")
    AboveMinusOneTarget = ArgumentIn("target", "(-1, oo)")
    PositiveTarget = ArgumentIn("target", "(0, oo)")


@loss(equivalents=("sklearn.metrics.mean_squared_error (per sample)", "torch.nn.functional.mse_loss"))
def squared_error(r: Residual) -> Expr:
    """The square of the residual; elicits the mean, sensitive to outliers.

    Reference: Legendre (1805), Nouvelles méthodes pour la détermination des orbites des comètes, appendix.
    """
    return r**2


@loss(equivalents=("sklearn._loss.HalfSquaredError", "squared_error/2"))
def half_squared_error(r: Residual) -> Expr:
    """Half the square of the residual, so that the gradient is the residual itself.

    Reference: Gauss (1809), Theoria motus corporum coelestium, section 3.
    """
    return r**2 / 2


@loss(
    equivalents=("sklearn._loss.AbsoluteError", "torch.nn.functional.l1_loss"),
    remarks=("At r = 0 the gradient is 0, the mean of -1 and 1; PyTorch does the same, scikit-learn gives -1 there.",),
)
def absolute_error(r: Residual) -> Expr:
    """The size of the residual; elicits the median, with a gradient of constant size.

    Reference: Laplace (1774), Mémoire sur la probabilité des causes par les évènements.
    """
    return Abs(r)


@loss(
    equivalents=("sklearn._loss.HuberLoss", "torch.nn.functional.huber_loss"),
    remarks=(
        (
            "At |r| = delta the second derivative jumps from 1 to 0; the convention gives 1/2. scikit-learn's "
            "HuberLoss gives 1 there, PyTorch's double backward 0, its torch.func.hessian 1."
        ),
    ),
)
def huber(r: Residual, delta: Positive = 1) -> Expr:
    """Quadratic near zero, linear in the tails.

    Reference: Huber (1964), Robust estimation of a location parameter, section 1.
    """
    return Piecewise((r**2 / 2, Abs(r) <= delta), (delta * (Abs(r) - delta / 2), True))


@loss(title="Pseudo-Huber", equivalents=("scipy.special.pseudo_huber",))
def pseudo_huber(r: Residual, delta: Positive = 1) -> Expr:
    """A smooth Huber loss: quadratic near zero, linear in the tails, with all derivatives.

    Reference: Charbonnier, Blanc-Féraud, Aubert, Barlaud (1997), Deterministic edge-preserving regularization.
    """
    return delta**2 * (sqrt(1 + (r / delta) ** 2) - 1)


@loss(title="Log-cosh")
def log_cosh(r: Residual) -> Expr:
    """The logarithm of the hyperbolic cosine: quadratic near zero, |r| - log 2 in the tails.

    Reference: Green (1990), Bayesian reconstructions from emission tomography data using a modified EM algorithm.
    """
    return log(cosh(r))


@loss(
    equivalents=("sklearn._loss.PinballLoss", "sklearn.metrics.mean_pinball_loss (per sample)"),
    remarks=("At r = 0 the gradient is 1/2 - tau, the mean of -tau and 1 - tau; scikit-learn gives -tau there.",),
)
def pinball(r: Residual, tau: OpenUnit = "1/2") -> Expr:
    """The check function of quantile regression; elicits the tau-quantile.

    Reference: Koenker, Bassett (1978), Regression quantiles, section 2.
    """
    return Max(-tau * r, (1 - tau) * r)


@loss
def power_error(r: Residual, q: AtLeastOne = "3/2") -> Expr:
    """A power of the size of the residual, from the absolute error (q = 1) over the squared error (q = 2) on.

    Reference: Forsythe (1972), Robust estimation of straight line regression coefficients by minimizing pth power
    deviations.
    """
    return Abs(r) ** q


@loss(
    title="Smooth L1",
    equivalents=("torch.nn.functional.smooth_l1_loss", "huber(delta=beta)/beta"),
    remarks=("At |r| = beta the second derivative jumps from 1/beta to 0; the convention gives the mean.",),
)
def smooth_l1(r: Residual, beta: Positive = 1) -> Expr:
    """Huber's loss over its threshold: the tails have slope 1 whatever beta is.

    Reference: Girshick (2015), Fast R-CNN, section 2.3.
    """
    return Piecewise((r**2 / (2 * beta), Abs(r) <= beta), (Abs(r) - beta / 2, True))


@loss(equivalents=("pseudo_huber(delta=epsilon)/epsilon + epsilon",))
def charbonnier(r: Residual, epsilon: Positive = "1/1000") -> Expr:
    """A differentiable absolute error: |r| in the tails, epsilon at zero.

    Reference: Charbonnier, Blanc-Féraud, Aubert, Barlaud (1994), Two deterministic half-quadratic regularization
    algorithms for computed imaging.
    """
    return sqrt(r**2 + epsilon**2)


@loss(title="Logistic distance", equivalents=("2*log_cosh(r/2)",))
def logistic_distance(r: Residual) -> Expr:
    """The negative log-density of the logistic distribution, shifted to 0 at zero.

    Reference: Steinwart, Christmann (2008), Support vector machines, section 2.4.
    """
    return -log(4 * exp(r) / (1 + exp(r)) ** 2)


@loss(
    title="Epsilon-insensitive",
    equivalents=("sklearn.svm.LinearSVR(loss='epsilon_insensitive') (per sample)",),
    remarks=("At |r| = epsilon the gradient is half the sign of r, the mean of both sides.",),
)
def epsilon_insensitive(r: Residual, epsilon: NonNegative = "1/10") -> Expr:
    """The absolute error beyond a tube of half-width epsilon, within which nothing counts.

    Reference: Vapnik (1995), The nature of statistical learning theory, chapter 6.
    """
    return Max(0, Abs(r) - epsilon)


@loss(
    title="Squared epsilon-insensitive",
    equivalents=("sklearn.svm.LinearSVR(loss='squared_epsilon_insensitive') (per sample)",),
)
def squared_epsilon_insensitive(r: Residual, epsilon: Positive = "1/10") -> Expr:
    """The square of the epsilon-insensitive loss, differentiable everywhere.

    Reference: Ho, Lin (2012), Large-scale linear support vector regression, section 2.
    """
    return Max(0, Abs(r) - epsilon) ** 2


@loss(
    title="Huber pinball",
    remarks=("As delta tends to 0 this is the pinball loss; it is that loss's Moreau envelope, smoothed by delta.",),
)
def huber_pinball(r: Residual, tau: OpenUnit = "1/2", delta: Positive = 1) -> Expr:
    """The pinball loss with its kink rounded to a parabola, between r = -tau*delta and r = (1 - tau)*delta.

    Reference: Aravkin, Kambadur, Lozano, Luss (2014), Sparse quantile Huber regression for efficient and robust
    estimation.
    """
    return Piecewise(
        (-tau * (r + tau * delta / 2), r < -tau * delta),
        (r**2 / (2 * delta), r <= (1 - tau) * delta),
        ((1 - tau) * (r - (1 - tau) * delta / 2), True),
    )


@loss(
    remarks=(
        "Weight tau where the prediction is too low and 1 - tau where it is too high: tau = 1/2 gives squared_error/2.",
    ),
)
def expectile(r: Residual, tau: OpenUnit = "1/2") -> Expr:
    """The squared error with different weights of both signs; elicits the tau-expectile.

    Reference: Newey, Powell (1987), Asymmetric least squares estimation and testing.
    """
    return Piecewise(((1 - tau) * r**2, r > 0), (tau * r**2, True))


@loss
def asymmetric_squared(r: Residual, a: NonNegative = 1, b: NonNegative = 2) -> Expr:
    """The squared error with weight a for too high and b for too low predictions.

    Reference: Aigner, Amemiya, Poirier (1976), On the estimation of production frontiers.
    """
    return Piecewise((a * r**2, r > 0), (b * r**2, True))


@loss(
    title="Asymmetric Huber",
    remarks=("The quantile Huber loss of QR-DQN (Dabney, Rowland, Bellemare, Munos, 2018) is this one.",),
)
def asymmetric_huber(r: Residual, tau: OpenUnit = "1/2", delta: Positive = 1) -> Expr:
    """The Huber loss with weight 1 - tau for too high and tau for too low predictions; elicits M-quantiles.

    Reference: Breckling, Chambers (1988), M-quantiles.
    """
    return Piecewise(
        (-tau * delta * (r + delta / 2), r < -delta),
        (tau * r**2 / 2, r <= 0),
        ((1 - tau) * r**2 / 2, r <= delta),
        ((1 - tau) * delta * (r - delta / 2), True),
    )


@loss(equivalents=("scipy.optimize.least_squares(loss='cauchy', f_scale=c) (its cost)",))
def cauchy(r: Residual, c: Positive = "2.3849") -> Expr:
    """The logarithm of a Cauchy density, also called Lorentzian: gross errors count less the larger they are.

    Reference: Holland, Welsch (1977), Robust regression using iteratively reweighted least-squares.
    """
    return c**2 / 2 * log(1 + r**2 / c**2)


@loss(title="Student t")
def student_t(r: Residual, nu: Positive = 4) -> Expr:
    """The negative log-density of Student's t distribution with nu degrees of freedom and scale 1.

    Reference: Lange, Little, Taylor (1989), Robust statistical modeling using the t distribution.
    """
    return (nu + 1) / 2 * log(1 + r**2 / nu)


@loss
def welsch(r: Residual, c: Positive = "2.9846") -> Expr:
    """An inverted Gaussian bell, also called Leclerc: gross errors do not count beyond a constant.

    Reference: Dennis, Welsch (1978), Techniques for nonlinear least squares and robust regression.
    """
    return c**2 / 2 * (1 - exp(-(r**2) / c**2))


@loss(
    title="Hampel",
    remarks=(
        "a, b and c are the lengths of the three parts: the influence bends at a, a + b and a + b + c.",
        "statsmodels calls these three points a, b and c.",
    ),
)
def hampel(r: Residual, a: Positive = 2, b: Positive = 2, c: Positive = 4) -> Expr:
    """An influence of three straight parts: it rises to a, stays there over a length b, falls to 0 over a length c.

    Reference: Hampel (1974), The influence curve and its role in robust estimation, section 5.
    """
    return Piecewise(
        (r**2 / 2, Abs(r) <= a),
        (a * (Abs(r) - a / 2), Abs(r) <= a + b),
        (a * (a + 2 * b + c) / 2 - a * (a + b + c - Abs(r)) ** 2 / (2 * c), Abs(r) <= a + b + c),
        (a * (a + 2 * b + c) / 2, True),
    )


@loss
def truncated_squared(r: Residual, c: Positive = "2.795") -> Expr:
    """Half the squared error, cut off at c; also called Talwar: what lies beyond c does not count.

    Reference: Hinich, Talwar (1975), A simple method for robust regression.
    """
    return Piecewise((r**2 / 2, Abs(r) <= c), (c**2 / 2, True))


@loss(title="Dead zone")
def dead_zone(r: Residual, c: Positive = 1) -> Expr:
    """Zero up to c, and beyond it the gradient of half the squared error in full: it jumps from 0 to c.

    Reference: Peterson, Narendra (1982), Bounded error adaptive control.
    """
    return Piecewise((0, Abs(r) <= c), ((r**2 - c**2) / 2, True))


@loss(title="Linear-exponential")
def linex(r: Residual, a: RealParameter = 1) -> Expr:
    """About exponential on one side of zero and linear on the other: too high predictions cost more for a > 0.

    Reference: Varian (1975), A Bayesian approach to real estate assessment.

    Reference: Zellner (1986), Bayesian estimation and prediction using asymmetric loss functions.
    """
    return exp(a * r) - a * r - 1


@loss
def fair(r: Residual, c: Positive = "1.3998") -> Expr:
    """Between the squared and the absolute error, with all derivatives up to the second continuous.

    Reference: Fair (1974), On the robust estimation of econometric models.
    """
    return c**2 * (Abs(r) / c - log(1 + Abs(r) / c))


@loss(title="Geman-McClure")
def geman_mcclure(r: Residual, c: Positive = 1) -> Expr:
    """Half the squared error near zero, 1/2 far out.

    Reference: Geman, McClure (1985), Bayesian image analysis: an application to single photon emission tomography.
    """
    return r**2 / (2 * (c**2 + r**2))


@loss(title="Tukey biweight", equivalents=("statsmodels TukeyBiweight(c)",))
def tukey_biweight(r: Residual, c: Positive = "4.685") -> Expr:
    """Half the squared error near zero, constant beyond c: gross errors have no influence.

    Reference: Beaton, Tukey (1974), The fitting of power series, meaning polynomials, illustrated on
    band-spectroscopic data.
    """
    return Piecewise((c**2 / 6 * (1 - (1 - r**2 / c**2) ** 3), Abs(r) <= c), (c**2 / 6, True))


@loss(title="Andrews wave", equivalents=("statsmodels AndrewWave(c)",))
def andrews_wave(r: Residual, c: Positive = "1.339") -> Expr:
    """A cosine up to its first maximum at pi*c, constant beyond: the influence is one arch of a sine.

    Reference: Andrews (1974), A robust method for multiple linear regression.
    """
    return Piecewise((c**2 * (1 - cos(r / c)), Abs(r) <= pi * c), (2 * c**2, True))


@loss(title="Ramsay", equivalents=("statsmodels RamsayE(a)",))
def ramsay(r: Residual, a: Positive = "3/10") -> Expr:
    """Half the squared error near zero, 1/a**2 far out; the influence r*exp(-a*|r|) dies out.

    Reference: Ramsay (1977), A comparative study of several robust estimates of slope, intercept, and scale in linear
    regression.
    """
    return (1 - exp(-a * Abs(r)) * (1 + a * Abs(r))) / a**2


@loss(title="Arctangent", equivalents=("scipy.optimize.least_squares(loss='arctan', f_scale=c) (its cost)",))
def arctan_loss(r: Residual, c: Positive = 1) -> Expr:
    """Half the squared error near zero, pi*c**2/4 far out.

    Reference: Virtanen et al. (2020), SciPy 1.0: fundamental algorithms for scientific computing in Python.
    """
    return c**2 / 2 * atan(r**2 / c**2)


@loss(equivalents=("LossFunctions.jl PeriodicLoss(c)",))
def periodic(r: Residual, c: Positive = 1) -> Expr:
    """For angles and other targets of period c: a residual of whole periods costs nothing.

    Reference: Mardia, Jupp (2000), Directional statistics, chapter 2.
    """
    return 1 - cos(2 * pi * r / c)


@loss(title="Smooth pinball", remarks=("As alpha tends to 0 this is the pinball loss.",))
def smooth_pinball(r: Residual, tau: OpenUnit = "1/2", alpha: Positive = 1) -> Expr:
    """The pinball loss with softplus in place of its kink: alpha*log(1 + e^(r/alpha)) - tau*r, split by its two signs.

    Reference: Zheng (2011), Gradient descent algorithms for quantile regression with smooth approximation.
    """
    return tau * alpha * log(1 + exp(-r / alpha)) + (1 - tau) * alpha * log(1 + exp(r / alpha))


@loss(equivalents=("ceres::TolerantLoss(a, b) at s = r**2",))
def tolerant(r: Residual, a: NonNegative = 1, b: Positive = "1/2") -> Expr:
    """About 0 while r**2 is below a, about r**2 - a beyond, with a transition of width b.

    Reference: Agarwal, Mierle et al., Ceres Solver, Modeling non-linear least squares, LossFunction.
    """
    return b * log(1 + exp((r**2 - a) / b)) - b * log(1 + exp(-a / b))


@loss(
    title="Barron's general loss",
    remarks=(
        "alpha = 2 is half_squared_error, 1 pseudo_huber(1), 0 cauchy(sqrt(2)), -2 is 4*geman_mcclure(2), each of r/c.",
        "Towards alpha = -oo it tends to welsch(sqrt(2)) of r/c.",
    ),
)
def barron(r: Residual, alpha: RealParameter = 1, c: Positive = 1) -> Expr:
    """One family from the squared error over Charbonnier and Cauchy on: the smaller alpha, the more robust.

    Reference: Barron (2019), A general and adaptive robust loss function, section 1.
    """
    general = Abs(alpha - 2) / alpha * (((r / c) ** 2 / Abs(alpha - 2) + 1) ** (alpha / 2) - 1)
    return Piecewise(
        (general, alpha < 0),
        (log((r / c) ** 2 / 2 + 1), alpha <= 0),
        (general, alpha < 2),
        ((r / c) ** 2 / 2, alpha <= 2),
        (general, True),
    )


@loss(
    title="Squared log error",
    family="regression",
    equivalents=("sklearn.metrics.mean_squared_log_error (per sample)",),
)
def squared_log_error(y: AboveMinusOneTarget, f: AboveMinusOne) -> Expr:
    """The squared error on the scale of log(1 + y): what counts is the ratio, not the difference.

    Reference: Törnqvist, Vartia, Vartia (1985), How should relative changes be measured?
    """
    return (log(1 + f) - log(1 + y)) ** 2


@loss(title="Pinball with log link", family="regression", inverse_link=exp)
def log_quantile(y: NonNegativeTarget, f: Score, tau: OpenUnit = "1/2") -> Expr:
    """The pinball loss of the prediction exp(f): its value elicits the tau-quantile, which stays positive.

    Reference: Koenker, Bassett (1978), Regression quantiles, section 2.
    """
    return Max(-tau * (exp(f) - y), (1 - tau) * (exp(f) - y))


@loss(
    title="Absolute percentage error",
    family="regression",
    equivalents=("sklearn.metrics.mean_absolute_percentage_error (per sample, without its clipping of y)",),
    remarks=("For negative targets, negate target and prediction.",),
)
def absolute_percentage_error(y: PositiveTarget, f: Score) -> Expr:
    """The absolute error relative to the target.

    Reference: de Myttenaere, Golden, Le Grand, Rossi (2016), Mean absolute percentage error for regression models.
    """
    return Abs(f - y) / Abs(y)


@loss(
    title="Squared percentage error",
    family="regression",
    remarks=("For negative targets, negate target and prediction.",),
)
def squared_percentage_error(y: PositiveTarget, f: Score) -> Expr:
    """The squared error relative to the target.

    Reference: Park, Stefanski (1998), Relative-error prediction.
    """
    return (f - y) ** 2 / y**2


@loss(
    title="Symmetric absolute percentage error",
    family="regression",
    remarks=(
        "For a target of 0 it is 2 whatever the prediction, so that such a target says nothing.",
        "A prediction of the wrong sign costs 2, with a gradient of 0.",
    ),
)
def symmetric_absolute_percentage_error(y: PositiveTarget, f: Score) -> Expr:
    """The absolute error relative to the mean size of target and prediction; between 0 and 2.

    Reference: Makridakis (1993), Accuracy measures: theoretical and practical concerns.
    """
    return 2 * Abs(f - y) / (Abs(y) + Abs(f))
