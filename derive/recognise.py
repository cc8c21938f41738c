"""Which stable atoms does a textbook formula contain?

`recognise` rewrites an expression bottom up, each rule an exact identity of
real functions on the declared domains. It runs *before* differentiation: the
derivative of a stable form is stable, the stable form of a derivative has to
be found again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import sympy as sp
from sympy import Add, Expr, Mul, Pow, S, exp, log

from ..spec import atoms
from ..spec.domains import FiniteSet, Interval
from ..spec.model import Loss

Rule = Callable[[Expr], Expr | None]


def recognise(expression: Expr, weights: tuple[Expr, ...] = ()) -> Expr:
    """The same function in atoms.

    `weights` are nonnegative factors that can be 0 while the logarithm beside
    them is infinite; weight*log(v) then becomes an atom with 0*log(0) = 0.
    """

    def rewrite(e: Expr) -> Expr:
        if not e.args or isinstance(e, sp.tensor.indexed.Indexed):
            return e
        arguments = [rewrite(a) for a in e.args]
        if any(new is not old for new, old in zip(arguments, e.args, strict=True)):
            e = e.func(*arguments)
        for rule in _RULES:
            new = rule(e)
            if new is not None and new != e:
                return rewrite(new)
        if weights and isinstance(e, Mul):
            return _vanishing_weight(e, weights) or e
        return e

    return rewrite(expression)


def vanishing_weights(loss: Loss) -> tuple[Expr, ...]:
    """Factors t and c - t of a target t whose domain ends at 0 or at c, for predictions with closed ends.

    Only where a prediction can reach the end of its own domain can a logarithm
    become infinite; elsewhere the plain product is right and cheaper.
    """
    if not any(_reaches_an_end(p.domain) for p in loss.predictions):
        return ()
    weights: list[Expr] = []
    for target in loss.targets:
        match target.domain:
            case Interval(low, high, low_open, high_open):
                weights += [target.symbol - low] * (not low_open) + [high - target.symbol] * (not high_open)
            case FiniteSet(values):
                weights += [target.symbol - values[0], values[-1] - target.symbol]
    return tuple(weights)


def _reaches_an_end(domain: object) -> bool:
    entries = getattr(domain, "entries", domain)
    return isinstance(entries, Interval) and not (entries.low_open and entries.high_open)


def _vanishing_weight(e: Mul, weights: tuple[Expr, ...]) -> Expr | None:
    for weight in weights:
        for logarithm, atom in ((log, atoms.xlogy), (atoms.log1p, atoms.xlog1py)):
            for factor in e.args:
                if isinstance(factor, logarithm) and weight in e.args:
                    rest = [a for a in e.args if a not in (weight, factor)]
                    return Mul(*rest, atom(weight, factor.args[0]))
    return None


def _one_plus(e: Expr) -> Expr | None:
    """w when e is 1 + w."""
    if isinstance(e, Add) and S.One in e.args:
        return Add(*(a for a in e.args if a is not S.One))
    return None


def _exponent(e: Expr) -> Expr | None:
    """u when e is exp(u)."""
    return e.args[0] if isinstance(e, exp) else None


def _log(e: Expr) -> Expr | None:
    if not isinstance(e, log):
        return None
    (v,) = e.args
    if isinstance(v, exp):
        return v.args[0]
    if isinstance(v, atoms.sigmoid):
        return -atoms.softplus(-v.args[0])
    if isinstance(v, sp.cosh):
        return atoms.log_cosh(v.args[0])
    if isinstance(v, Pow) and v.base.is_positive:
        return v.exp * log(v.base)
    if isinstance(v, Mul):
        known = [a for a in v.args if isinstance(a, exp | atoms.sigmoid)]
        if known:
            rest = Mul(*(a for a in v.args if a not in known))
            return Add(*(log(a) for a in known), log(rest))
    w = _one_plus(v)
    if w is not None:
        if (u := _exponent(w)) is not None:
            return atoms.softplus(u)
        u = _root(w)
        return atoms.log1p(w) if u is None else atoms.log1p_square(u)
    if isinstance(v, Add) and len(v.args) == 2 and all(isinstance(a, exp) for a in v.args):
        a, b = (term.args[0] for term in v.args)
        return a + atoms.softplus(b - a)
    return None


def _power(e: Expr) -> Expr | None:
    if not isinstance(e, Pow):
        return None
    w = _one_plus(e.base)
    u = None if w is None else _exponent(w)
    if u is not None and (e.exp.could_extract_minus_sign()):
        return atoms.sigmoid(-u) ** (-e.exp)
    if isinstance(e.base, Add) and (2 * e.exp).is_Integer and (e.exp.q == 2 or e.exp < 0):
        return _sum_of_squares(e.base, e.exp)
    return None


def _sum_of_squares(base: Add, exponent: Expr) -> Expr | None:
    """Powers of a**2 + u**2 = a**2*(1 + (u/a)**2), for a positive and constant a."""
    for constant in sorted(base.args, key=lambda t: not t.is_number):
        a = _root(constant)
        rest = Add(*(t for t in base.args if t is not constant))
        u = _root(rest)
        if a is not None and u is not None and a.is_positive:
            if exponent.is_Integer:
                return a ** (2 * exponent) * atoms.lorentzian(u / a) ** (-exponent)
            return (a * atoms.hypot1(u / a)) ** (2 * exponent)
    return None


def _root(square: Expr) -> Expr | None:
    """u with u**2 == square, when every factor is an even power."""
    root: list[Expr] = []
    for factor in Mul.make_args(square):
        base, power = factor.as_base_exp()
        if factor.is_Rational and factor > 0 and sp.sqrt(factor).is_Rational:
            root.append(sp.sqrt(factor))
        elif power.is_Integer and power % 2 == 0:
            root.append(base ** (power / 2))
        else:
            return None
    return Mul(*root)


def _mul(e: Expr) -> Expr | None:
    """exp(u)*sigmoid(-u)**n -> sigmoid(u)*sigmoid(-u)**(n - 1)."""
    if not isinstance(e, Mul):
        return None
    for growth in e.args:
        for factor in e.args:
            base, n = factor.as_base_exp()
            if isinstance(growth, exp) and isinstance(base, atoms.sigmoid) and (n - 1).is_nonnegative:
                u = growth.args[0]
                if sp.expand(base.args[0] + u) == 0:
                    rest = [a for a in e.args if a is not growth and a is not factor]
                    return Mul(*rest, atoms.sigmoid(u), base ** (n - 1))
    return None


def _add(e: Expr) -> Expr | None:
    if not isinstance(e, Add):
        return None
    for first, second, rest in _pairs(e):
        c, body = second.as_coeff_Mul()
        if isinstance(body, atoms.sigmoid) and first == -c:
            return Add(*rest, first * atoms.sigmoid(-body.args[0]))
        if isinstance(body, exp) and first == -c:
            return Add(*rest, c * atoms.expm1(body.args[0]))
        if isinstance(body, atoms.hypot1) and first == -c:
            return Add(*rest, c * atoms.hypot1m1(body.args[0]))
    return None


def _pairs(e: Add) -> Iterator[tuple[Expr, Expr, list[Expr]]]:
    for number in e.args:
        if number.is_Number:
            for other in e.args:
                if other is not number:
                    yield number, other, [a for a in e.args if a is not number and a is not other]


def _same_function(e: Expr) -> Expr | None:
    """SymPy's own functions whose derivatives cancel or overflow, as atoms whose derivatives do not."""
    atom = {sp.tanh: atoms.tanh, sp.atan: atoms.arctan}.get(e.func)
    return None if atom is None else atom(*e.args)


_RULES: tuple[Rule, ...] = (_log, _power, _mul, _add, _same_function)
