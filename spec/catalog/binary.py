"""Losses for two classes: of the margin m = y*f with y in {-1, 1}, of a probability, of a logit."""

from __future__ import annotations

from typing import Annotated, Any

from sympy import Expr, Max, Min, Piecewise, atan, exp, log, tanh

from ..declare import (
    ArgumentIn,
    BinaryTarget,
    ClosedUnit,
    Logit,
    Margin,
    NonNegative,
    ParameterIn,
    Positive,
    Probability,
    Score,
    UnitTarget,
    loss,
)

SignTarget = Annotated[Any, ArgumentIn("target", "{-1, 1}")]
FromMinusOne = Annotated[Any, ParameterIn("[-1, oo)")]
UpToOne = Annotated[Any, ParameterIn("[0, 1)")]


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


@loss(
    remarks=("gamma is the width of the quadratic piece; gamma = 1 is the smooth hinge of Rennie and Srebro (2005).",),
)
def smoothed_hinge(m: Margin, gamma: Positive = 1) -> Expr:
    """The hinge loss with its corner rounded off by a parabola of width gamma.

    Reference: Shalev-Shwartz, Zhang (2013), Stochastic dual coordinate ascent methods for regularized loss
    minimization.
    """
    return Piecewise((0, m >= 1), ((1 - m) ** 2 / (2 * gamma), m >= 1 - gamma), (1 - m - gamma / 2, True))


@loss(equivalents=("squared_error with y in {-1, 1}",))
def squared_margin(m: Margin) -> Expr:
    """The square of the distance of the margin from 1, on both sides.

    Reference: Suykens, Vandewalle (1999), Least squares support vector machine classifiers.
    """
    return (1 - m) ** 2


@loss(title="Logistic to base 2", inverse_link=probability_of, equivalents=("logistic/log(2)",))
def log2_logistic(m: Margin) -> Expr:
    """The logistic loss in bits, so that it is 1 at m = 0 and bounds the 0-1 loss.

    Reference: Bartlett, Jordan, McAuliffe (2006), Convexity, classification, and risk bounds.
    """
    return log(1 + exp(-m)) / log(2)


@loss(remarks=("Symmetric: the losses of m and of -m add up to 1.", "sigmoid_loss(m) is tanh_loss(m/2)/2."))
def sigmoid_loss(m: Margin) -> Expr:
    """A smooth 0-1 loss, bounded and without a convex part.

    Reference: Charoenphakdee, Lee, Sugiyama (2019), On symmetric losses for learning from corrupted labels.
    """
    return 1 / (1 + exp(m))


@loss(
    remarks=(
        "The ramp of Collobert and others with s = 0: the losses of m and of 1 - m add up to 1.",
        "At m = 0 and m = 1 the derivative in m is -1/2, the mean of both sides.",
    ),
)
def ramp(m: Margin) -> Expr:
    """The hinge loss cut off at 1: no single example costs more.

    Reference: Collobert, Sinz, Weston, Bottou (2006), Trading convexity for scalability.
    """
    return Min(1, Max(0, 1 - m))


@loss(title="Tanh loss", equivalents=("2*sigmoid_loss at 2*m",))
def tanh_loss(m: Margin) -> Expr:
    """One minus the hyperbolic tangent of the margin: bounded by 2, decreasing.

    Reference: Mason, Baxter, Bartlett, Frean (1999), Boosting algorithms as gradient descent.
    """
    return 1 - tanh(m)


@loss(remarks=("The square of sigmoid_loss. Masnadi-Shirazi and Vasconcelos write it with 2*m in place of m.",))
def savage(m: Margin) -> Expr:
    """The squared probability of the wrong class: bounded, so that outliers lose their weight.

    Reference: Masnadi-Shirazi, Vasconcelos (2008), On the design of loss functions for classification: theory,
    robustness to outliers, and SavageBoost.
    """
    return 1 / (1 + exp(m)) ** 2


@loss(remarks=("The loss is 0 at m = tan(1/2); beyond, it grows again, to (pi - 1)**2.",))
def tangent(m: Margin) -> Expr:
    """A bounded loss that also penalises margins that are too large.

    Reference: Masnadi-Shirazi, Mahadevan, Vasconcelos (2010), On the design of robust classifiers for computer vision.
    """
    return (2 * atan(m) - 1) ** 2


@loss(
    title="Distance-weighted discrimination",
    remarks=("q = 1 is the loss of Marron, Todd and Ahn (2007); as q grows it approaches the hinge loss.",),
)
def distance_weighted_discrimination(m: Margin, q: Positive = 1) -> Expr:
    """Linear for small margins, an inverse power for large ones: no example is ever without influence.

    Reference: Wang, Zou (2018), Another look at distance-weighted discrimination.
    """
    return Piecewise((1 - m, m <= q / (q + 1)), ((q / ((q + 1) * m)) ** q / (q + 1), True))


@loss(title="Binary sparsemax", equivalents=("modified_huber/4",))
def binary_sparsemax(m: Margin) -> Expr:
    """The sparsemax loss of two classes as a function of the margin: exactly 0 from margin 1 on.

    Reference: Blondel, Martins, Niculae (2020), Learning with Fenchel-Young losses.
    """
    return Piecewise((0, m >= 1), (-m, m <= -1), ((1 - m) ** 2 / 4, True))


@loss(remarks=("Negative for m > 1 and unbounded from below: bound the predictor when you minimise it.",))
def unhinged(m: Margin) -> Expr:
    """The hinge loss without its hinge: linear, and for that robust to symmetric label noise.

    Reference: van Rooyen, Menon, Williamson (2015), Learning with symmetric label noise: the importance of being
    unhinged.
    """
    return 1 - m


@loss(
    title="Weighted binary cross entropy on logits",
    family="binary",
    equivalents=("torch.nn.functional.binary_cross_entropy_with_logits (pos_weight = w_pos)",),
)
def weighted_binary_cross_entropy_logits(y: UnitTarget, z: Logit, w_pos: NonNegative = 1) -> Expr:
    """Cross entropy in which positive examples count w_pos times.

    Reference: King, Zeng (2001), Logistic regression in rare events data.
    """
    p = probability_of(z)
    return -(w_pos * y * log(p) + (1 - y) * log(1 - p))


@loss(
    title="Label-smoothed binary cross entropy",
    family="binary",
    inverse_link=probability_of,
    equivalents=("tf.keras.losses.BinaryCrossentropy (from_logits=True, label_smoothing=epsilon)",),
)
def label_smoothed_binary_cross_entropy(y: UnitTarget, z: Logit, epsilon: ClosedUnit = "1/10") -> Expr:
    """Cross entropy on logits with the label drawn towards 1/2: y*(1 - epsilon) + epsilon/2.

    Reference: Szegedy, Vanhoucke, Ioffe, Shlens, Wojna (2016), Rethinking the Inception architecture for computer
    vision, section 7.
    """
    p = probability_of(z)
    positive, negative = y * (1 - epsilon) + epsilon / 2, (1 - y) * (1 - epsilon) + epsilon / 2
    return -(positive * log(p) + negative * log(1 - p))


@loss(
    title="Focal on probabilities",
    family="binary",
    remarks=("Without the class weight alpha of `focal`. 0*log(0) counts as 0.",),
)
def focal_probability(y: BinaryTarget, p: Probability, gamma: NonNegative = 2) -> Expr:
    """Cross entropy of a given probability that plays down what is already classified well.

    Reference: Lin, Goyal, Girshick, He, Dollár (2017), Focal loss for dense object detection, section 3.
    """
    return -y * (1 - p) ** gamma * log(p) - (1 - y) * p**gamma * log(1 - p)


@loss(title="Poly-1 cross entropy", family="binary")
def poly1_cross_entropy(y: UnitTarget, z: Logit, epsilon: FromMinusOne = 1) -> Expr:
    """Cross entropy on logits plus epsilon times the probability of the wrong class.

    Reference: Leng, Tan, Liu, Cubuk, Shi, Cheng, Anguelov (2022), PolyLoss: a polynomial expansion perspective of
    classification loss functions.
    """
    p = probability_of(z)
    return y * (epsilon * (1 - p) - log(p)) + (1 - y) * (epsilon * p - log(1 - p))


@loss(family="binary", equivalents=("sklearn.metrics.brier_score_loss (per sample)",))
def brier(y: UnitTarget, p: Probability) -> Expr:
    """The squared error of a predicted probability.

    Reference: Brier (1950), Verification of forecasts expressed in terms of probability.
    """
    return (p - y) ** 2


@loss(title="Brier on logits", family="binary", inverse_link=probability_of)
def brier_logits(y: UnitTarget, z: Logit) -> Expr:
    """The squared error of the probability 1/(1 + exp(-z)).

    Reference: Brier (1950), Verification of forecasts expressed in terms of probability.
    """
    return (probability_of(z) - y) ** 2


@loss(
    title="Cost-sensitive hinge",
    family="binary",
    equivalents=("sklearn.svm.SVC (class_weight = {1: c_pos, -1: c_neg})",),
)
def cost_sensitive_hinge(y: SignTarget, f: Score, c_pos: NonNegative = 1, c_neg: NonNegative = 1) -> Expr:
    """The hinge loss with a cost for each class.

    Reference: Lin, Lee, Wahba (2002), Support vector machines for classification in nonstandard situations.
    """
    return (c_pos * (1 + y) + c_neg * (1 - y)) / 2 * Max(0, 1 - y * f)


@loss(
    title="Asymmetric focal",
    family="binary",
    remarks=(
        "Of a negative, the probability is lowered: p_m = max(p - shift, 0) takes the place of p.",
        "The condition z <= log(shift/(1 - shift)) says that p <= shift.",
    ),
)
def asymmetric_focal(
    y: BinaryTarget, z: Logit, gamma_pos: NonNegative = 1, gamma_neg: NonNegative = 4, shift: UpToOne = "1/20"
) -> Expr:
    """Focal loss with an exponent for each class; negatives of a probability up to shift cost nothing.

    Reference: Ridnik, Ben-Baruch, Zamir, Noy, Friedman, Protter, Zelnik-Manor (2021), Asymmetric loss for multi-label
    classification.
    """
    p = probability_of(z)
    positive = (1 - p) ** gamma_pos * log(p)
    negative = Piecewise(
        (p**gamma_neg * log(1 - p), shift <= 0),
        (0, z <= log(shift / (1 - shift))),
        ((p - shift) ** gamma_neg * log(1 - p + shift), True),
    )
    return -y * positive - (1 - y) * negative
