"""Which of the claims about a loss are false? Knows only the text of the formula, and looks for what contradicts it.

The formula is evaluated by an evaluator of this package (`reading`): no SymPy, no derivative, nothing that the prover
or the checker knows. f is sampled (`study`, `lines`), each property has a meaning on samples (`properties`), and a
violation is believed only where rounding cannot fake it (`breach`). What is *not* found, such as a refutation
(`evidence`) or a least constant (`best`), is reported under a kind of its own: it is a doubt, no proof. Losses of
several predictions, and of K classes, have a falsifier of their own (`joint`); `losses` asks the one or the other.
"""

from __future__ import annotations

from .contradiction import Contradiction
from .judging import falsify, statement_of
from .losses import decided, falsify_facts, falsify_loss, falsify_losses

__all__ = [
    "Contradiction",
    "decided",
    "falsify",
    "falsify_facts",
    "falsify_loss",
    "falsify_losses",
    "statement_of",
]
