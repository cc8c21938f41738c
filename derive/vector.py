"""What follows from a formula over K classes, K symbolic?

The formula is a sum over classes. It is brought to softmax atoms, differentiated
by one element f[j], and the sums over Kronecker deltas and over distributions
are contracted, so that p[j] - y[j] comes out of the formula.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp
from sympy import Add, Expr, Indexed, IndexedBase, KroneckerDelta, Mul, S, Sum, Symbol, exp, log

from ..spec import atoms
from ..spec.declare import j, k
from ..spec.domains import Box, OneHot, Simplex
from ..spec.model import Loss
from .branches import DerivationError
from .recognise import recognise

_BOUND = tuple(Symbol(name, integer=True, positive=True) for name in ("i", "l", "n"))


@dataclass(frozen=True, slots=True)
class VectorDerivation:
    """Loss, gradient element j and Hessian element (j, k), in atoms."""

    loss: Expr
    gradient: Expr
    hessian: Expr
    inverse_link: Expr | None


def derive_vector(loss: Loss) -> VectorDerivation:
    """Derive a loss whose one prediction is a vector of symbolic length.

    Raises DerivationError for several predictions, and for formulas in which
    an element of the prediction stands outside a sum over the classes.
    """
    if len(loss.predictions) != 1 or len(loss.targets) != 1:
        raise DerivationError(
            f"{loss.name} has {len(loss.predictions)} predictions; a loss over K classes must have exactly one"
        )
    f, y = loss.predictions[0].symbol, loss.targets[0]
    distribution = y.symbol if isinstance(y.domain, OneHot | Simplex) else None
    closed = isinstance(loss.predictions[0].domain, Box) and not loss.predictions[0].domain.entries.low_open
    expression = _to_atoms(_rename(loss.expression), f, y.symbol if closed else None)
    stable = contract(expression, distribution)
    gradient = contract(stable.diff(f[j]), distribution)
    hessian = contract(gradient.diff(f[k]), distribution)
    link = None if loss.inverse_link is None else _to_atoms(_rename(loss.inverse_link), f, None)
    return VectorDerivation(stable, gradient, hessian, link)


def _rename(e: Expr, depth: int = 0) -> Expr:
    """Give bound indices names of their own (i, l, n), so that j and k stay free for the derivatives."""
    if isinstance(e, Sum):
        ((index, low, high),) = e.limits
        if low != 1 or depth >= len(_BOUND):
            raise DerivationError(f"sums run over all classes, (k, 1, K), nested at most {len(_BOUND)} deep; got {e}")
        body = _rename(e.function.xreplace({index: _BOUND[depth]}), depth + 1)
        return Sum(body, (_BOUND[depth], low, high))
    return e.func(*(_rename(a, depth) for a in e.args)) if e.args and not isinstance(e, Indexed) else e


def _to_atoms(e: Expr, f: IndexedBase, weight: IndexedBase | None) -> Expr:
    """Recognise scalar atoms, then softmax and log_softmax; weight[k]*log(v) is 0 where the weight is 0."""
    if isinstance(e, Sum):
        body = _to_atoms(e.function, f, weight)
        if weight is not None:
            body = recognise(body, (weight[e.limits[0][0]],))
        return Sum(body, *e.limits)
    if not e.args or isinstance(e, Indexed):
        return e
    e = e.func(*(_to_atoms(a, f, weight) for a in e.args))
    if isinstance(e, log) and isinstance(e.args[0], atoms.softmax):
        return atoms.log_softmax(*e.args[0].args)
    if isinstance(e, Mul) and (sums := [a for a in e.args if a.has(Sum)]):
        total = len(sums) == 1 and _scores_summed(1 / sums[0], f)
        growth = [a for a in e.args if isinstance(a, exp) and isinstance(a.args[0], Indexed) and a.args[0].base == f]
        if total and growth:
            rest = [a for a in e.args if a not in (growth[0], sums[0])]
            return Mul(*rest, atoms.softmax(f, growth[0].args[0].indices[0]))
    return recognise(e)


def _scores_summed(e: Expr, f: IndexedBase) -> bool:
    """Whether e is the sum of exp(f[i]) over all classes."""
    return isinstance(e, Sum) and e.function == exp(f[e.limits[0][0]])


def contract(e: Expr, distribution: IndexedBase | None) -> Expr:
    """Carry out sums over Kronecker deltas and sums of distributions; factor out what does not vary."""
    if isinstance(e, Sum):
        ((index, low, high),) = e.limits
        terms = []
        for term in Add.make_args(sp.expand(contract(e.function, distribution))):
            outside, inside = term.as_independent(index, as_Add=False)
            terms.append(outside * _sum_of(inside, index, low, high, distribution))
        return Add(*terms)
    if not e.args or isinstance(e, Indexed | IndexedBase):
        return e
    return e.func(*(contract(a, distribution) for a in e.args))


def _sum_of(inside: Expr, index: Symbol, low: Expr, high: Expr, distribution: IndexedBase | None) -> Expr:
    if inside == 1:
        return high - low + 1
    for factor in Mul.make_args(inside):
        if isinstance(factor, KroneckerDelta) and index in factor.args:
            other = factor.args[1] if factor.args[0] == index else factor.args[0]
            return (inside / factor).xreplace({index: other})
    if distribution is not None and inside == distribution[index]:
        return S.One
    if isinstance(inside, atoms.softmax) and inside.args[1] == index:
        return S.One
    return Sum(inside, (index, low, high))


def without_cancellation(e: Expr) -> Expr:
    """p - y as (1 - y)*p - y*(1 - p): no digit is lost where a probability p is near y = 1."""
    if isinstance(e, Add):
        for p in e.args:
            for term in e.args:
                y = -term
                if isinstance(p, atoms.softmax) and isinstance(y, Indexed):
                    return Add(*(a for a in e.args if a not in (p, term)), (1 - y) * p, -y * (1 - p))
    return e
