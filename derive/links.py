"""Which raw score has a given mean? The inverse link of a loss, solved for the prediction.

Functions of one increasing or decreasing piece are taken off from outside, one by one; the result is the link.
"""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp
from sympy import Add, Expr, Mul, Symbol

from ..spec.atoms import expm1, log1p, logit, sigmoid, tanh
from .branches import tidy

# function -> its inverse
_INVERSES: dict[object, Callable[[Expr], Expr]] = {
    sp.exp: sp.log,
    sp.log: sp.exp,
    expm1: log1p,
    log1p: expm1,
    sigmoid: logit,
    tanh: lambda u: (log1p(u) - log1p(-u)) / 2,
}


def solve_link(inverse_link: Expr, f: Symbol, mean: Symbol) -> Expr | None:
    """The prediction whose mean is `mean`; None where the inverse link is made of what has no inverse here."""
    left, right = inverse_link, mean
    while left != f:
        if isinstance(left, Add | Mul):
            outer, inner = left.as_independent(f, as_Add=isinstance(left, Add))
            if isinstance(inner, Add | Mul) and type(inner) is type(left):
                return None
            left, right = inner, (right - outer if isinstance(left, Add) else right / outer)
        elif left.func in _INVERSES and left.args[0].has(f):
            left, right = left.args[0], _INVERSES[left.func](right)
        else:
            return None
    return tidy(right)


__all__ = ["solve_link"]
