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
from .homogeneous import homogeneous

Rule = Callable[[Expr], Expr | None]


def recognise(expression: Expr, weights: tuple[Expr, ...] = (), shifts: frozenset[Expr] = frozenset()) -> Expr:
    """The same function in atoms.

    `weights` are nonnegative factors that can be 0 while the logarithm beside
    them is infinite; weight*log(v) then becomes an atom with 0*log(0) = 0.
    `shifts` are parameters between 0 and 1, by which a probability may be moved.
    """

    def rewrite(e: Expr) -> Expr:
        if not e.args or isinstance(e, sp.tensor.indexed.Indexed):
            return e
        arguments = [rewrite(a) for a in e.args]
        if any(new is not old for new, old in zip(arguments, e.args, strict=True)):
            e = e.func(*arguments)
        for rule in _RULES:
            new = rule(e, shifts) if rule is _shifted_sigmoid else rule(e)
            if new is not None and new != e:
                return rewrite(new)
        if weights and isinstance(e, Mul):
            e = _vanishing_weight(e, weights) or e
            return _focal(e) or e
        return e

    return rewrite(expression)


def shifts(loss: Loss) -> frozenset[Expr]:
    """The parameters that lie between 0 and 1."""
    bounds = {p.symbol: p.domain for p in loss.parameters if isinstance(p.domain, Interval)}
    return frozenset(symbol for symbol, d in bounds.items() if d.low >= 0 and d.high <= 1)


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


def _focal(e: Expr) -> Expr | None:
    """w*(1 - p)**g*log(p) and w*p**g*log(1 - p), whose derivatives at the ends of [0, 1] are 0*oo term by term."""
    for factor in Mul.make_args(e):
        for power in Mul.make_args(e):
            base, g = power.as_base_exp()
            rest = [a for a in Mul.make_args(e) if a not in (factor, power)]
            if isinstance(factor, atoms.xlogy) and not g.is_Integer and sp.expand(base + factor.args[1]) == 1:
                return Mul(*rest, -atoms.focal_term(factor.args[0], g, factor.args[1]))
            if isinstance(factor, atoms.xlog1py) and not g.is_Integer and sp.expand(base + factor.args[1]) == 0:
                return Mul(*rest, -atoms.cofocal_term(factor.args[0], g, base))
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
    content, primitive = base.primitive()
    if content != 1:
        inside = _sum_of_squares(primitive, exponent)
        return None if inside is None else content**exponent * inside
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
    """u with u**2 == square, when every factor is an even power, beside which positive scales may stand."""
    root: list[Expr] = []
    scales: list[Expr] = []
    for factor in Mul.make_args(square):
        base, power = factor.as_base_exp()
        if factor.is_Rational and factor > 0 and sp.sqrt(factor).is_Rational:
            root.append(sp.sqrt(factor))
        elif power.is_Integer and power % 2 == 0:
            root.append(base ** (power / 2))
        elif power.is_Integer and (isinstance(base, sp.Abs) or (_is_plain(base) and base.is_positive)):
            scales.append(sp.sqrt(base) ** power)
        else:
            return None
    varying = set().union(*(u.free_symbols for u in root if u.is_positive is None))
    if scales and (not varying or varying & set().union(*(s.free_symbols for s in scales))):
        return None
    return Mul(*root, *scales)


def _is_plain(e: Expr) -> bool:
    return bool(e.is_Symbol or e.is_Rational)


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


def _gap(e: Expr) -> Expr | None:
    """Differences that vanish to the first or second order at 0, as atoms that do not cancel there."""
    if not isinstance(e, Add):
        return None
    for first, second, rest in _pairs(e):
        c, body = second.as_coeff_Mul()
        if first != -c:
            continue
        if isinstance(body, sp.cos):
            turn = body.args[0] / (2 * sp.pi)
            a, b = turn.as_numer_denom()
            periodic = body.args[0].has(sp.pi) and not turn.has(sp.pi) and b.is_positive
            return Add(*rest, first * (atoms.versine_turn(a, b) if periodic else atoms.versine(body.args[0])))
        if isinstance(body, Pow) and body.exp.is_Integer and body.exp > 1 and _one_plus(body.base) is not None:
            return Add(*rest, first * atoms.power_gap(1 - body.base, body.exp))
        if isinstance(body, Mul) and len(body.args) == 2:
            for decay, growth in (body.args, body.args[::-1]):
                u = _exponent(decay)
                if u is None or not u.is_nonpositive or _one_plus(growth) is None:
                    continue
                if sp.expand(growth - 1 + u) == 0:
                    return Add(*rest, first * atoms.erlang_gap(-u))
        if isinstance(body, atoms.hypot1_power):
            u, p = body.args
            return Add(*rest, c * p * atoms.hypot1_box_cox(u, p))
    for term in e.args:
        c, body = term.as_coeff_Mul()
        factors = Mul.make_args(body)
        for inner in factors:
            if isinstance(inner, atoms.expm1 | atoms.log1p):
                u, scale = inner.args[0], term / inner
                partner = -scale * u
                if partner in e.args:
                    rest = [t for t in e.args if t not in (term, partner)]
                    gap = atoms.expm1_gap if isinstance(inner, atoms.expm1) else atoms.log1p_gap
                    return Add(*rest, (scale if gap is atoms.expm1_gap else -scale) * gap(u))
    return None


def _difference(e: Expr) -> Expr | None:
    """Differences of two like functions, which cancel where their arguments are close."""
    if not isinstance(e, Add):
        return None
    for kind in (atoms.softplus, atoms.log1p):
        for plus in e.args:
            for minus in e.args:
                a, b = ([f for f in Mul.make_args(t) if isinstance(f, kind)] for t in (plus, minus))
                if plus is minus or len(a) != 1 or len(b) != 1 or plus / a[0] != -minus / b[0]:
                    continue
                if kind is atoms.log1p and (plus / a[0]).could_extract_minus_sign():
                    continue
                new = _step(plus / a[0], a[0].args[0], b[0].args[0], kind)
                if new is not None:
                    return Add(new, *(t for t in e.args if t not in (plus, minus)))
    return None


def _step(scale: Expr, end: Expr, start: Expr, kind: object) -> Expr | None:
    """scale*(kind(end) - kind(start)) as one atom."""
    if kind is atoms.log1p:
        return scale * atoms.log1p_ratio(end, start)
    t = start.as_numer_denom()[1] * end.as_numer_denom()[1]
    t = next((f for f in Mul.make_args(scale) if f.is_Symbol and f.is_positive and t.has(f)), S.One)
    x, d = sp.expand(start * t), sp.expand((end - start) * t)
    return scale / t * atoms.softplus_step(x, d, t) if d.is_nonnegative else None


def _exp_gap(e: Expr) -> Expr | None:
    """exp(u) - v for a variable v: near u = 0 and v = 1 the exponential alone would lose u."""
    if isinstance(e, Add) and len(e.args) == 2:
        for growth, other in (e.args, e.args[::-1]):
            u = _exponent(growth)
            if u is not None and (-other).is_Symbol and -other not in u.free_symbols:
                return atoms.exp_gap(u, -other)
    return None


def _contrast(e: Expr) -> Expr | None:
    """|x - y|/(|x| + y) for y > 0: the contrast of both where x is positive, and 1 elsewhere."""
    if not isinstance(e, Mul):
        return None
    for size in e.args:
        for inverse in e.args:
            if not (isinstance(size, sp.Abs) and isinstance(inverse, Pow) and inverse.exp == -1):
                continue
            terms = Add.make_args(inverse.base)
            moduli = [t for t in terms if isinstance(t, sp.Abs)]
            if len(terms) != 2 or len(moduli) != 1:
                continue
            x, y = moduli[0].args[0], inverse.base - moduli[0]
            if y.is_positive and sp.expand(size.args[0] ** 2 - (x - y) ** 2) == 0:
                pieces = ((atoms.contrast(x, y), x > y), (atoms.contrast(y, x), x > 0), (S.One, True))
                return e / size / inverse * sp.Piecewise(*pieces)
    return None


def _lorentzian_gap(e: Expr) -> Expr | None:
    """u**2*lorentzian(u) -> lorentzian_gap(u)."""
    if not isinstance(e, Mul):
        return None
    for factor in e.args:
        if isinstance(factor, atoms.lorentzian):
            u = factor.args[0]
            scale = e / factor / u**2
            if not scale.free_symbols & u.as_numer_denom()[0].free_symbols:
                return scale * atoms.lorentzian_gap(u)
    return None


def _logistic_density(e: Expr) -> Expr | None:
    """log(c*sigmoid(u)*sigmoid(-u)), split by `_log` into softplus, is log(c/4) - 2*log_cosh(u/2)."""
    if not isinstance(e, log) or not isinstance(e.args[0], Mul):
        return None
    sigmoids = [a for a in e.args[0].args if isinstance(a, atoms.sigmoid)]
    if len(sigmoids) == 2 and sp.expand(sigmoids[0].args[0] + sigmoids[1].args[0]) == 0:
        rest = Mul(*(a for a in e.args[0].args if a not in sigmoids))
        return log(rest / 4) - 2 * atoms.log_cosh(sigmoids[0].args[0] / 2)
    return None


def _hypot1_power(e: Expr) -> Expr | None:
    """(1 + u**2)**q for a symbolic q: u**2 overflows before the power does."""
    if isinstance(e, Pow) and e.exp.free_symbols and (w := _one_plus(e.base)) is not None:
        u = _root(w)
        return None if u is None or u.is_number else atoms.hypot1_power(u, 2 * e.exp)
    return None


def _arctan_of_square(e: Expr) -> Expr | None:
    if isinstance(e, atoms.arctan):
        u = _root(e.args[0])
        return None if u is None or not e.args[0].free_symbols else atoms.arctan_square(u)
    return None


def _tanh_from_one(e: Expr) -> Expr | None:
    """1 - tanh(u) -> 2*sigmoid(-2*u), and 1 + tanh(u) -> 2*sigmoid(2*u)."""
    if isinstance(e, Add):
        for first, second, rest in _pairs(e):
            c, body = second.as_coeff_Mul()
            if isinstance(body, atoms.tanh) and abs(c) == abs(first):
                return Add(*rest, 2 * first * atoms.sigmoid(2 * sp.sign(c * first) * body.args[0]))
    return None


def _softplus_and_sigmoid(e: Expr) -> Expr | None:
    """softplus(u) + c*sigmoid(u), which nearly cancels for c near -1 and small exp(u), without that cancellation."""
    if not isinstance(e, Add):
        return None
    for first in e.args:
        if isinstance(first, atoms.softplus):
            for second in e.args:
                c = second / atoms.sigmoid(*first.args)
                if not c.has(atoms.sigmoid, *first.free_symbols) and not c.is_nonnegative:
                    rest = [a for a in e.args if a is not first and a is not second]
                    return Add(*rest, atoms.softplus_excess(*first.args), (1 + c) * atoms.sigmoid(*first.args))
    return None


def _shifted_sigmoid(e: Expr, shifts: frozenset[Expr] = frozenset()) -> Expr | None:
    """Powers of sigmoid(u) - c, and log(c + sigmoid(-u)), for a constant 0 < c < 1: they have a root at logit(c)."""

    def is_shift(c: Expr) -> bool:
        return c in shifts or (c.is_Rational and 0 < c < 1)

    if isinstance(e, log) and isinstance(e.args[0], Mul):
        c = next((f for f in e.args[0].args if e.args[0] == f / (1 - f)), None)
        return atoms.logit(c) if c is not None and is_shift(c) else None
    if isinstance(e, log) and isinstance(e.args[0], Add):
        for term in e.args[0].args:
            c = e.args[0] - term
            if isinstance(term, atoms.sigmoid) and is_shift(c):
                return atoms.log_cosigmoid_plus(-term.args[0], c)
    if isinstance(e, Pow) and isinstance(e.base, Add) and not e.exp.is_Integer:
        for s in sorted(e.base.atoms(atoms.sigmoid), key=sp.default_sort_key):
            c = sp.expand(e.base.xreplace({atoms.sigmoid(-s.args[0]): 1 - s}) - s)
            if is_shift(-c):
                return atoms.shifted_sigmoid(s.args[0], -c) ** e.exp
    return None


def _inverse_link(e: Expr) -> Expr | None:
    """log(p) of the probabilities of the probit, complementary log-log and cauchit links."""
    if not isinstance(e, log):
        return None
    (v,) = e.args
    if isinstance(v, atoms.ndtr):
        return atoms.log_ndtr(v.args[0])
    if isinstance(-v, atoms.expm1):
        scales = [f for f in Mul.make_args(-(-v).args[0]) if not isinstance(f, exp)]
        growth = -(-v).args[0] / Mul(*scales)
        if isinstance(growth, exp) and all(isinstance(f, atoms.expm1) for f in scales):
            return atoms.log_cloglog(Add(growth.args[0], *(atoms.log_expm1(f.args[0]) for f in scales)))
    if isinstance(v, Add):
        rest = sp.pi * (v - S.Half)
        for sign in (1, -1):
            if isinstance(sign * rest, atoms.arctan):
                return atoms.log_cauchit(sign * (sign * rest).args[0])
    return None


def _log_exp_plus(e: Expr) -> Expr | None:
    """log(c + exp(u)), and log(1 + c*exp(u)) as softplus(u + log(c)), for a positive parameter c."""
    if isinstance(e, atoms.log1p):
        for factor in Mul.make_args(e.args[0]):
            c = e.args[0] / factor
            if isinstance(factor, exp) and c.is_Symbol and c.is_positive:
                return atoms.softplus(factor.args[0] + log(c))
    if isinstance(e, log) and isinstance(e.args[0], Add) and len(e.args[0].args) == 2:
        for c, growth in (e.args[0].args, e.args[0].args[::-1]):
            if c.is_Symbol and c.is_positive and isinstance(growth, exp):
                return atoms.log_exp_plus(growth.args[0], c)
    return None


def _softplus_pair(e: Expr) -> Expr | None:
    """softplus(a) + softplus(b) where a + b is free of the prediction: the slope has a root where both are equal."""
    if not isinstance(e, Add):
        return None
    found = [t for t in e.args if isinstance(t, atoms.softplus)]
    if len(found) != 2:
        return None
    a, b = (t.args[0] for t in found)
    width = sp.factor_terms(-sp.expand(a + b))
    if width == 0 or not a.free_symbols - width.free_symbols:
        return None
    u = a if not sp.expand(-a).could_extract_minus_sign() else b
    return Add(atoms.softplus_pair(u, width), *(t for t in e.args if t not in found))


def _pair(e: Expr) -> Expr | None:
    """a*exp((q + 1)*x) - b*exp(q*x) and a*x**(q + 1) - b*x**q for a symbolic q: both terms may be infinite."""
    if not isinstance(e, Add) or len(e.args) != 2:
        return None
    for first, second in (e.args, e.args[::-1]):
        for kind in (_symbolic_exponential, _symbolic_power):
            upper, lower = kind(first), kind(second)
            if upper is None or lower is None or upper[0] != lower[0]:
                continue
            (x, p, a), (_, q, b) = upper, lower
            if sp.expand(p - q) == 1:
                return (atoms.exp_pair if kind is _symbolic_exponential else atoms.power_pair)(x, q, a, -b)
    return None


def _symbolic_exponential(term: Expr) -> tuple[Expr, Expr, Expr] | None:
    """(x, q, a) of a*exp(q*x) with a symbol x and a symbolic q."""
    for factor in Mul.make_args(term):
        if isinstance(factor, exp):
            for x in Mul.make_args(factor.args[0]):
                q = factor.args[0] / x
                if x.is_Symbol and isinstance(q, Add) and not q.has(x):
                    return x, q, Mul(*(f for f in Mul.make_args(term) if f is not factor))
    return None


def _symbolic_power(term: Expr) -> tuple[Expr, Expr, Expr] | None:
    """(x, q, a) of a*x**q with a symbol x > 0 and a symbolic q."""
    for factor in Mul.make_args(term):
        if isinstance(factor, Pow) and factor.base.is_Symbol and factor.base.is_positive and factor.exp.free_symbols:
            return factor.base, factor.exp, Mul(*(f for f in Mul.make_args(term) if f is not factor))
    return None


def _divergence(e: Expr) -> Expr | None:
    """Pointwise divergences of x and y, which vanish to the second order where both are equal."""
    if isinstance(e, Mul):
        return _squared_difference(e)
    if not isinstance(e, Add):
        return None
    terms = [t for t in e.args if t.has(atoms.xlogy, log)]
    return _entropy_gap(e) or _log_ratio_gap(e, terms) or (_jensen_gap(terms, e) if len(terms) == 2 else None)


def _entropy_gap(e: Add) -> Expr | None:
    """xlogy(x, x/y) - x + y; and the sum of two such terms without the rest, where their x and their y have one sum."""
    found = [(t, *t.args) for t in e.args if isinstance(t, atoms.xlogy)]
    pairs = [(t, x, sp.cancel(x / quotient)) for t, x, quotient in found]
    for t, x, y in pairs:
        if y.is_Symbol and -x in e.args and y in e.args:
            return Add(atoms.entropy_gap(x, y), *(a for a in e.args if a not in (t, -x, y)))
    if len(pairs) == 2 and all(sp.expand(pairs[0][k] + pairs[1][k] - 1) == 0 for k in (1, 2)):
        rest = [a for a in e.args if not isinstance(a, atoms.xlogy)]
        return Add(*rest, *(atoms.entropy_gap(x, y) for _, x, y in pairs))
    return None


def _log_ratio_gap(e: Add, terms: list[Expr]) -> Expr | None:
    """x/y - log(x/y) - 1."""
    if len(e.args) == 3 and len(terms) == 1 and isinstance(-terms[0], log) and S.NegativeOne in e.args:
        quotient = (-terms[0]).args[0]
        x, y = quotient.as_numer_denom()
        if quotient in e.args and x.is_Symbol and y.is_Symbol:
            return atoms.log_ratio_gap(x, y)
    return None


def _jensen_gap(terms: list[Expr], e: Add) -> Expr | None:
    """c*x*log(2*x/(x + y)) + c*xlogy(y, 2*y/(x + y))."""
    for first, second in (terms, terms[::-1]):
        weighted = next((f for f in Mul.make_args(first) if isinstance(f, atoms.xlogy)), None)
        plain = next((f for f in Mul.make_args(second) if isinstance(f, log)), None)
        if weighted is None or plain is None:
            continue
        y, c = weighted.args[0], first / weighted
        x = second / plain / c
        shares = ((weighted.args[1], y), (plain.args[0], x))
        if x.is_Symbol and all(sp.cancel(share * (x + y) - 2 * v) == 0 for share, v in shares):
            return Add(c * atoms.jensen_gap(x, y), *(t for t in e.args if t not in terms))
    return None


def _squared_difference(e: Mul) -> Expr | None:
    """(x - y)**2/x, and (sqrt(x) - sqrt(y))**2."""
    for square in e.args:
        if not (isinstance(square, Pow) and square.exp == 2 and isinstance(square.base, Add)):
            continue
        for x, other in (square.base.args, square.base.args[::-1]) if len(square.base.args) == 2 else ():
            if x.is_Symbol and x.is_positive and (-other).is_Symbol and 1 / x in e.args:
                return e / square * x * atoms.chi_squared_gap(x, -other)
            a, b = x.as_base_exp(), (-other).as_base_exp()
            if a[1] == b[1] == S.Half and a[0].is_positive:
                return e / square * 2 * atoms.hellinger_gap(a[0], b[0])
    return None


_RULES: tuple[Rule, ...] = (
    _inverse_link, _log_exp_plus, _shifted_sigmoid, _logistic_density, _log, _power, _mul, _add, _same_function,
    _tanh_from_one,
    _softplus_and_sigmoid, _gap, _difference, _exp_gap, _contrast, _lorentzian_gap, _arctan_of_square, _hypot1_power,
    _pair, _softplus_pair, _divergence, homogeneous,
)  # fmt: skip
