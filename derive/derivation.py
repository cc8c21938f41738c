"""What follows from a formula? Gradient, Hessian and kinks, by exact calculus.

Scalar predictions are differentiated here, in the variable in which the loss is
declared (r, m, or f itself) and then by the chain rule; predictions of symbolic
length K in `vector`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import sympy as sp
from sympy import Expr, Matrix, Symbol

from ..spec.domains import FiniteSet
from ..spec.model import Argument, Definition, Loss
from .branches import DerivationError, differentiate, map_leaves, settle, tidy, to_tree
from .kinks import Kink, find_kinks, meeting_points, mend
from .properties import Claim, Claims, statement_of
from .recognise import recognise, shifts, vanishing_weights
from .standardise import gathered, standardised
from .vector import VectorDerivation, derive_vector


@dataclass(frozen=True, slots=True)
class Derivation:
    """A loss with everything derived from it.

    `stable` is the formula in atoms. `gradients` has one entry for each
    prediction; `hessians` the upper triangle, row by row. For K classes there
    is one entry each: element j of the gradient, element (j, k) of the Hessian.
    `unsolved` are switches whose kinks the assumptions do not decide.
    """

    loss: Loss
    stable: Expr
    gradients: tuple[Expr, ...]
    hessians: tuple[Expr, ...]
    kinks: tuple[Kink, ...] = ()
    unsolved: tuple[Expr, ...] = ()
    inverse_link: Expr | None = None
    vector: VectorDerivation | None = None

    @property
    def properties(self) -> Mapping[str, Claim]:
        """The claims about a loss of one scalar prediction, by name of property, proved when first asked for."""
        return _claims(self)

    @property
    def gradient(self) -> Expr | Matrix:
        """The derivative by the prediction; a column for several predictions."""
        return self.gradients[0] if len(self.gradients) == 1 else Matrix(self.gradients)

    @property
    def hessian(self) -> Expr | Matrix:
        """The second derivative by the prediction; a symmetric matrix for several."""
        if len(self.hessians) == 1:
            return self.hessians[0]
        size = len(self.gradients)
        upper = dict(zip(upper_triangle(size), self.hessians, strict=True))
        return Matrix(size, size, lambda a, b: upper[min(a, b), max(a, b)])


def upper_triangle(size: int) -> list[tuple[int, int]]:
    """The index pairs (a, b) with a <= b, row by row."""
    return [(a, b) for a in range(size) for b in range(a, size)]


@functools.lru_cache(maxsize=256)
def derive(loss: Loss) -> Derivation:
    """Derive gradient, Hessian and kinks of a loss.

    Raises DerivationError when the formula is outside what can be derived.
    """
    if loss.size is not None:
        vector = derive_vector(loss)
        return Derivation(
            loss, vector.loss, (vector.gradient,), (vector.hessian,), inverse_link=vector.inverse_link, vector=vector
        )
    several = frozenset(p.symbol for p in loss.predictions) if len(loss.predictions) > 1 else frozenset()
    stable = recognise(standardised(loss.expression, several), vanishing_weights(loss), shifts(loss))
    variables = [base_variable(loss, prediction) for prediction in loss.predictions]
    stable_in = _put_in(stable, loss, variables)
    gradients: list[Expr] = []
    hessians: list[Expr] = []
    for a, _prediction in enumerate(loss.predictions):
        x, slope = variables[a]
        tree = to_tree(stable_in, x)
        points = meeting_points(tree, x)
        first = differentiate(tree, x)
        gradients.append(_chain(mend(settle(first, x), first, x, points), slope))
        for b in range(a, len(variables)):
            other, other_slope = variables[b]
            if a == b:
                second = differentiate(first, x)
                hessians.append(_chain(mend(settle(second, x), second, x, points), _squared(slope, loss)))
            else:
                mixed = settle(differentiate(to_tree(settle(first, x), other), other), other)
                hessians.append(_chain(mixed, slope * other_slope))
    kinks: list[Kink] = []
    unsolved: list[Expr] = []
    for x, _ in dict.fromkeys(variables):
        found, left = find_kinks(stable_in, x)
        kinks += found
        unsolved += left
    if several:
        gradients, hessians = (
            [map_leaves(lambda leaf: gathered(leaf, several), e) for e in es] for es in (gradients, hessians)
        )
    link = None if loss.inverse_link is None else recognise(loss.inverse_link)
    return Derivation(
        loss,
        stable_in,
        tuple(gradients),
        tuple(hessians),
        tuple(kinks),
        tuple(dict.fromkeys(unsolved)),
        link,
    )


@functools.lru_cache(maxsize=256)
def _claims(derivation: Derivation) -> Mapping[str, Claim]:
    return Claims(statement_of(derivation))


def base_variable(loss: Loss, prediction: Argument) -> tuple[Symbol, Expr]:
    """The variable to differentiate by, and its slope in the prediction.

    A definition such as r = f - y serves when it is affine in the prediction
    and the only way by which the prediction enters the formula.
    """
    f = prediction.symbol
    entering = [d for d in loss.definitions if d.meaning.has(f)]
    if not loss.expression.has(f) and len(entering) == 1:
        slope = sp.diff(entering[0].meaning, f)
        if not slope.has(f):
            return entering[0].symbol, slope
    return f, sp.S.One


def _put_in(stable: Expr, loss: Loss, variables: list[tuple[Symbol, Expr]]) -> Expr:
    """The formula with every definition put in that no prediction is differentiated through."""
    kept = {x for x, _ in variables}
    return stable.xreplace({d.symbol: d.meaning for d in loss.definitions if d.symbol not in kept})


def kept_definitions(derivation: Derivation) -> tuple[Definition, ...]:
    """The definitions that the formula and the derived expressions still use."""
    expressions = (derivation.loss.expression, derivation.stable, *derivation.gradients, *derivation.hessians)
    used = set().union(*(e.free_symbols for e in expressions))
    return tuple(d for d in derivation.loss.definitions if d.symbol in used)


def _chain(outer: Expr, slope: Expr) -> Expr:
    return outer if slope == 1 else map_leaves(lambda leaf: tidy(slope * leaf), outer)


def _squared(slope: Expr, loss: Loss) -> Expr:
    """slope**2, which is 1 for a slope that takes only the values -1 and 1."""
    for target in loss.targets:
        if slope == target.symbol and isinstance(target.domain, FiniteSet):
            squares = {v**2 for v in target.domain.values}
            if len(squares) == 1:
                return squares.pop()
    return slope**2


__all__ = ["Derivation", "DerivationError", "derive"]
