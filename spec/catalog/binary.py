"""Losses for two classes: of the margin m = y*f with y in {-1, 1}, of a probability, of a logit."""

from __future__ import annotations

from sympy import Expr, Max, Piecewise, exp, log

from ..declare import BinaryTarget, ClosedUnit, Logit, Margin, NonNegative, Probability, UnitTarget, loss


def probability_of(z: Expr) -> Expr:
    """The inverse of the logit link, as a textbook writes it."""
    return 1 / (1 + exp(-z))


@loss(
    title="0-1 loss",
    remarks=("A margin of exactly 0 counts as a wrong decision. The gradient is 0 wherever it exists.",),
)
def zero_one(m: Margin) -> Expr:
    """1 for a wrong decision, 0 for a right one.

    Reference: Bartlett, Jordan, McAuliffe (2006), Convexity, classification, and risk bounds, section 1.
    """
    return Piecewise((1, m <= 0), (0, True))


@loss(remarks=("At m = 0 the derivative in m is -1/2, the mean of -1 and 0.",))
def perceptron(m: Margin) -> Expr:
    """Zero for every right decision, linear in the margin for wrong ones.

    Reference: Rosenblatt (1958), The perceptron: a probabilistic model for information storage.
    """
    return Max(0, -m)


@loss(
    equivalents=("sklearn.metrics.hinge_loss (per sample)",),
    remarks=("At m = 1 the derivative in m is -1/2, the mean of -1 and 0; PyTorch's hinge_embedding_loss differs.",),
)
def hinge(m: Margin) -> Expr:
    """The loss of support vector machines: zero once the margin reaches 1.

    Reference: Cortes, Vapnik (1995), Support-vector networks.
    """
    return Max(0, 1 - m)


@loss
def squared_hinge(m: Margin) -> Expr:
    """The square of the hinge loss, differentiable everywhere.

    Reference: Lee, Mangasarian (2001), SSVM: a smooth support vector machine for classification.
    """
    return Max(0, 1 - m) ** 2


@loss(title="Modified Huber")
def modified_huber(m: Margin) -> Expr:
    """Squared hinge above -1, linear below: robust to gross errors.

    Reference: Zhang (2004), Statistical behavior and consistency of classification methods, section 2.
    """
    return Piecewise((Max(0, 1 - m) ** 2, m >= -1), (-4 * m, True))


@loss(title="Logistic", inverse_link=probability_of, equivalents=("torch.nn.functional.soft_margin_loss",))
def logistic(m: Margin) -> Expr:
    """The negative log-likelihood of logistic regression with labels -1 and 1.

    Reference: Cox (1958), The regression analysis of binary sequences.
    """
    return log(1 + exp(-m))


@loss
def exponential(m: Margin) -> Expr:
    """The loss of AdaBoost: a wrong decision costs exponentially in its margin.

    Reference: Freund, Schapire (1997), A decision-theoretic generalization of on-line learning.
    """
    return exp(-m)


@loss(
    family="binary",
    equivalents=(
        "torch.nn.functional.binary_cross_entropy",
        "tf.keras.losses.BinaryCrossentropy (without its clipping)",
    ),
    remarks=(
        "0*log(0) counts as 0. At p = 0 with y > 0, and at p = 1 with y < 1, the loss is infinite; nothing is clipped.",
    ),
)
def binary_cross_entropy(y: UnitTarget, p: Probability) -> Expr:
    """Cross entropy between a label and a predicted probability.

    Reference: Good (1952), Rational decisions, section 4.
    """
    return -(y * log(p) + (1 - y) * log(1 - p))


@loss(
    title="Binary cross entropy on logits",
    family="binary",
    inverse_link=probability_of,
    equivalents=("torch.nn.functional.binary_cross_entropy_with_logits", "sklearn._loss.HalfBinomialLoss"),
)
def binary_cross_entropy_logits(y: UnitTarget, z: Logit) -> Expr:
    """Cross entropy between a label and the probability 1/(1 + exp(-z)).

    Reference: Cox (1958), The regression analysis of binary sequences.
    """
    p = probability_of(z)
    return -(y * log(p) + (1 - y) * log(1 - p))


@loss(title="Focal", family="binary", inverse_link=probability_of, equivalents=("torchvision.ops.sigmoid_focal_loss",))
def focal(y: BinaryTarget, z: Logit, gamma: NonNegative = 2, alpha: ClosedUnit = "1/4") -> Expr:
    """Cross entropy that plays down what is already classified well.

    Reference: Lin, Goyal, Girshick, He, Dollár (2017), Focal loss for dense object detection, section 3.
    """
    p = probability_of(z)
    return -y * alpha * (1 - p) ** gamma * log(p) - (1 - y) * (1 - alpha) * p**gamma * log(1 - p)
