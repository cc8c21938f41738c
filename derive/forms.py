"""Is a loss a function of the residual, or of the margin? Proved from its formula."""

from __future__ import annotations

from typing import Literal

import sympy as sp
from sympy import Symbol

from ..spec.domains import REALS, FiniteSet, Interval
from ..spec.model import Loss


def proved_base(loss: Loss) -> Literal["residual", "margin"] | None:
    """`residual` when the formula depends on f - y alone, `margin` when on y*f alone, with y in {-1, 1}.

    Residual: put f = y + r; y must disappear. Margin: put f = y*m (that is
    y*f = m, since y**2 = 1); the formulas at y = -1 and y = 1 must be the same.
    None when neither is shown.
    """
    if loss.size is not None or len(loss.predictions) != 1 or len(loss.targets) != 1:
        return None
    (prediction,), (target,) = loss.predictions, loss.targets
    y, f = target.symbol, prediction.symbol
    expression = loss.full_expression
    if isinstance(target.domain, FiniteSet) and set(target.domain.values) == {sp.Integer(-1), sp.Integer(1)}:
        m = Symbol("m", real=True)
        at = [expression.xreplace({f: v * m}).subs(y, v) for v in target.domain.values]
        return "margin" if sp.expand(at[0] - at[1]) == 0 else None
    # A residual ranges over all reals; (p - y)**2 of a probability is no loss of one.
    if isinstance(target.domain, Interval) and prediction.domain == REALS:
        r = Symbol("r", real=True)
        moved = expression.xreplace({f: y + r})
        return "residual" if not moved.has(y) or not sp.expand(moved).has(y) else None
    return None
