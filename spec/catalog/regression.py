"""Losses of the residual r = f - y."""

from __future__ import annotations

from sympy import Abs, Expr, Max, Piecewise, cosh, log, sqrt

from ..declare import OpenUnit, Positive, Residual, loss


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
