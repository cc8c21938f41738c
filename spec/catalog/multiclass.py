"""Losses for K classes, K symbolic; sums run over the classes k = 1 … K."""

from __future__ import annotations

from typing import Any

from sympy import Expr, Sum, exp, log

from ..declare import ClassTarget, K, Probabilities, Scores, SimplexTarget, j, k, loss


def softmax_of(f: Any) -> Expr:
    """The probability of class k, as a textbook writes it."""
    return exp(f[k]) / Sum(exp(f[j]), (j, 1, K))


@loss(
    family="multiclass",
    equivalents=("tf.keras.losses.CategoricalCrossentropy (without its clipping)",),
    remarks=("0*log(0) counts as 0; where a class with y > 0 has p = 0 the loss is infinite; nothing is clipped.",),
)
def categorical_cross_entropy(y: SimplexTarget, p: Probabilities) -> Expr:
    """Cross entropy between a distribution over K classes and a predicted one.

    Reference: Good (1952), Rational decisions, section 4.
    """
    return -Sum(y[k] * log(p[k]), (k, 1, K))


@loss(
    family="multiclass",
    inverse_link=softmax_of,
    equivalents=("torch.nn.functional.cross_entropy", "sklearn._loss.HalfMultinomialLoss"),
)
def softmax_cross_entropy(y: ClassTarget, f: Scores) -> Expr:
    """Cross entropy between a class and the softmax of K scores.

    Reference: Bridle (1990), Probabilistic interpretation of feedforward classification network outputs.
    """
    return -Sum(y[k] * log(softmax_of(f)), (k, 1, K))
