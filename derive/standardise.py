"""How does a standardised residual, (y - mu)*exp(-log_sigma), keep its digits where exp(-log_sigma) overflows?

Where a predicted scale enters by its logarithm s, products with exp(-n*s) become the atom `scaled`, which is 0 where
the other factor is 0 and overflows or vanishes only where the product does. Only for losses of several predictions.
"""

from __future__ import annotations

import sympy as sp
from sympy import Expr, Mul, Pow, Symbol

from ..spec.atoms import scaled


def standardised(e: Expr, predictions: frozenset[Symbol]) -> Expr:
    """Every (y - mu)**n*exp(-n*s) as scaled(y - mu, s)**n, s a prediction."""
    if not predictions or not e.args:
        return e
    e = e.func(*(standardised(a, predictions) for a in e.args))
    found = _scale(e, predictions)
    if found is None:
        return e
    growth, s, n = found
    others = [a for a in e.args if a != growth]
    for a in others:
        base, power = a.as_base_exp()
        if power.is_Integer and power > 0 and n % power == 0 and base.free_symbols & (predictions - {s}):
            return Mul(*(b for b in others if b != a), Pow(scaled(base, n / power * s), power))
    return e


def gathered(e: Expr, predictions: frozenset[Symbol]) -> Expr:
    """What chain rules leave, z*exp(-s) with z a function of the predictions, as scaled(z, s)."""
    if not e.args:
        return e
    e = e.func(*(gathered(a, predictions) for a in e.args))
    found = _scale(e, predictions)
    if found is None:
        return e
    growth, s, n = found
    numbers = [a for a in e.args if a.is_number]
    rest = Mul(*(a for a in e.args if a != growth and not a.is_number))
    return Mul(*numbers, scaled(rest, n * s)) if rest.free_symbols & predictions else e


def _scale(e: Expr, predictions: frozenset[Symbol]) -> tuple[Expr, Symbol, Expr] | None:
    """In a product: the factor exp(-n*s), s, and n."""
    if isinstance(e, Mul):
        for factor in e.args:
            if isinstance(factor, sp.exp):
                n, (s, *more) = factor.args[0].as_coeff_mul()
                if s in predictions and not more and n.is_Integer:
                    return factor, s, -n
    return None
