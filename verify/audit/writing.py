"""How do people write a derivative down? Equal forms of it, in which slips of the pen are looked for.

Of a raw score they write p for its sigmoid, 1 - p or another name for the rest, and mu for its exponential, though the
loss is a formula in the score; a loss of two labels they write as y*(...) + (1 - y)*(...); and r/c is one thing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from ...derive.derivation import Derivation, base_variable
from ...derive.present import presented
from ...spec.atoms import sigmoid, softplus
from ...spec.model import Loss, Parameter
from ...spec.notation import text
from ..truth import OUTPUTS

Floats = NDArray[np.float64]
SHARE, MEAN = sp.Symbol("p", positive=True), sp.Symbol("mu", positive=True)
REST = sp.Symbol("(1 - p)", positive=True)  # as one thing; the brackets belong to it, as what stands around may bind
LONG = 80  # operations; what is longer is not rearranged, which takes SymPy its time


def forms(loss: Loss, derivation: Derivation, parameters: Mapping[str, float]) -> dict[str, list[sp.Expr]]:
    """Each output of a loss of one raw score: in p or mu, as derived, and as SymPy makes it of the author's formula."""
    x, slope = base_variable(loss, loss.predictions[0])
    # Parameters of a choice of pieces are put in: nobody types the other branches.
    values = {p.symbol: sp.nsimplify(parameters[p.name], rational=True) for p in loss.parameters}
    found: dict[str, list[sp.Expr]] = {}
    plain = _decided(loss.expression, values)
    kinked = plain.has(sp.Abs, sp.Max, sp.Min, sp.Piecewise)
    derived = (derivation.stable, derivation.gradients[0], derivation.hessians[0])
    for order, (output, own) in enumerate(zip(OUTPUTS, derived, strict=True)):
        by_mean = [*_by_mean(own, loss), *_by_chain(loss, order)] if order else []
        made = [*by_mean, presented(own), own] if order else [own]
        if not kinked:
            typed = slope**order * sp.diff(plain, x, order) if order else plain
            short = sp.count_ops(typed) < LONG
            made += _by_quotient(typed, loss)
            if short or not by_mean:
                made += [typed, sp.expand(typed)]
            if short:
                made += [sp.factor(typed), sp.together(typed), sp.powsimp(sp.expand(typed))]
        # The shortest first: a slip in it is said most plainly. What is much longer than it, nobody types.
        made = sorted(dict.fromkeys(_decided(e, values) for e in made), key=sp.count_ops)
        most = max(3 * int(sp.count_ops(made[0])), LONG)
        found[output] = [e for e in made if sp.count_ops(e) <= most]
    return found


def stand_ins(loss: Loss, y: Floats, f: Floats, parameters: Mapping[str, float]) -> dict[str, Floats]:
    """The numbers of p, mu and r/c, by name; without those of which the loss has the name itself."""
    if loss.base == "residual":
        return {str(_quotient(p)): (f - y) / parameters[p.name] for p in loss.parameters}
    taken = _names(loss)
    numbers = {str(SHARE): 1 / (1 + np.exp(-f)), str(REST): 1 / (1 + np.exp(f)), str(MEAN): np.exp(f)}
    return {name: v for name, v in numbers.items() if name not in taken}


def is_stand_in(s: sp.Symbol) -> bool:
    """Whether a symbol varies from row to row, though it is no argument of the loss."""
    return s in (SHARE, REST, MEAN) or str(s).startswith("(r/")


def shown(e: sp.Basic) -> str:
    """A form in words."""
    return "1 - p" if e == REST else text(e).replace(f"({REST})", str(REST))  # of log((1 - p))


def meanings(loss: Loss) -> dict[str, str]:
    """What p and mu are called in the symbols of the loss."""
    if loss.base is not None:
        return {}
    f = loss.predictions[0].name
    return {name: of for name, of in (("p", f"sigmoid({f})"), ("mu", f"exp({f})")) if name not in _names(loss)}


def _names(loss: Loss) -> set[str]:
    return {a.name for a in loss.arguments} | {p.name for p in loss.parameters}


def _quotient(p: Parameter) -> sp.Symbol:
    return sp.Symbol(f"(r/{p.name})", real=True)


def _by_quotient(typed: sp.Expr, loss: Loss) -> Iterator[sp.Expr]:
    """The derivative in r/c, of a residual loss with a scale."""
    if loss.base != "residual":
        return
    (r,) = (d.symbol for d in loss.definitions)
    for p in loss.parameters:
        e = typed.xreplace({r: p.symbol * _quotient(p)})
        if typed.has(p.symbol) and sp.count_ops(e) < min(int(sp.count_ops(typed)), LONG):
            above, below = sp.fraction(sp.factor(e))
            yield from (sp.expand(above) / below, above / below, e)


def _by_mean(derivative: sp.Expr, loss: Loss) -> Iterator[sp.Expr]:
    """The derivative in p and 1 - p alone, or in mu alone, where that can be had."""
    if loss.base is not None or derivative.has(sp.Piecewise):
        return
    f, taken = loss.predictions[0].symbol, _names(loss)
    shares = {sigmoid(f): SHARE, sigmoid(-f): REST, softplus(f): -sp.log(REST), softplus(-f): -sp.log(SHARE)}
    e = presented(derivative)
    by_share = e.xreplace(shares)
    if str(SHARE) not in taken and by_share != e and not by_share.has(f):
        short = sp.count_ops(by_share) < LONG
        for made in (*_by_label(by_share, loss), *((by_share, *_by_parameter(by_share, loss)) if short else ())):
            yield made.xreplace({REST: 1 - SHARE})
            yield made
    by_mean = e.replace(sp.exp, lambda u: sp.exp(u) if (u / f).has(f) else MEAN ** (u / f))
    if str(MEAN) not in taken and by_mean != e and not by_mean.has(f):
        yield by_mean


def _by_label(e: sp.Expr, loss: Loss) -> Iterator[sp.Expr]:
    """y times what it is for y = 1, and 1 - y times what it is for y = 0, each factored."""
    y = loss.targets[0].symbol
    if loss.targets[0].domain.text not in ("{0, 1}", "[0, 1]") or not e.has(y) or sp.count_ops(e) > 2 * LONG:
        return
    if sp.expand(sp.diff(e, y, 2)) != 0:
        return
    above, below = (_factored(e.subs(y, label)) for label in (1, 0))
    yield y * above + (1 - y) * below


def _by_parameter(e: sp.Expr, loss: Loss) -> Iterator[sp.Expr]:
    """What stands beside a parameter, factored, and the rest."""
    for p in loss.parameters:
        expanded = sp.expand(e.xreplace({REST: 1 - SHARE}))
        if e.has(p.symbol) and expanded.is_polynomial(p.symbol):
            powers = sp.Poly(expanded, p.symbol).as_dict()
            yield sp.Add(*(_factored(c) * p.symbol**k for (k,), c in powers.items()))


def _by_chain(loss: Loss, order: int) -> Iterator[sp.Expr]:
    """The derivatives by p or mu, with its slope and bend, as the chain rule has them."""
    if loss.base is not None or loss.expression.has(sp.Piecewise):
        return
    f = loss.predictions[0].symbol
    for mean, slope, bend, of in ((SHARE, SHARE * (1 - SHARE), 1 - 2 * SHARE, 1 / (1 + sp.exp(-f))),
                                  (MEAN, MEAN, sp.Integer(1), sp.exp(f))):  # fmt: skip
        e = loss.expression.xreplace({of: mean, 1 / of: 1 / mean})
        if str(mean) in _names(loss) or e == loss.expression or e.has(f) or sp.count_ops(e) > LONG:
            continue
        first, second = (_factored(sp.diff(e, mean, k)) for k in (1, 2))
        yield slope * first if order == 1 else slope * (slope * second + bend * first)


def _factored(e: sp.Expr) -> sp.Expr:
    """Factored, with 1 - p and 1 - 2*y for p - 1 and 2*y - 1."""
    e, sign, turned = sp.factor(sp.expand(e)), 1, []
    for factor in sp.Mul.make_args(e):
        base, power = factor.as_base_exp()
        turn = base.is_Add and base.as_coeff_Add()[0].is_negative and power.is_Integer
        turned.append((-base) ** power if turn else factor)
        sign *= (-1) ** int(power) if turn else 1
    return sp.Mul(sign, *turned)


def _decided(e: sp.Expr, values: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr:
    """The expression without the pieces that the parameters rule out."""
    if isinstance(e, sp.Piecewise):
        kept: list[tuple[Any, Any]] = []
        for value, condition in e.args:
            settled = condition.xreplace(dict(values))
            if settled == sp.false:
                continue
            kept.append((_decided(value, values), sp.true if settled == sp.true else condition))
            if settled == sp.true:
                break
        return kept[0][0] if kept[0][1] == sp.true else sp.Piecewise(*kept, evaluate=False)
    if not e.args or not e.has(sp.Piecewise):
        return e
    return e.func(*(_decided(a, values) if isinstance(a, sp.Expr) else a for a in e.args))


__all__ = ["forms", "is_stand_in", "meanings", "shown", "stand_ins"]
