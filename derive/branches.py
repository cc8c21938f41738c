"""How is a piecewise formula differentiated without DiracDelta?

The formula is brought to a tree: piecewise only at the top, each node a choice
between two branches, leaves smooth. |u| becomes magnitude(u), whose derivative
is side(u), which is -1 or 1 and has derivative 0. The leaves are differentiated, as often as asked,
and only then is the tree *settled*: at a point where the branches meet, the
value is the mean of the one-sided derivatives (see DESIGN, "kink").
"""

from __future__ import annotations

import itertools

import sympy as sp
from sympy import Abs, Add, Basic, Dummy, Eq, Expr, Function, Integer, Max, Min, Mul, Piecewise, Pow, S, Symbol
from sympy.core.relational import Relational
from sympy.logic.boolalg import ITE, And, Boolean, Not, Or

from ..spec.atoms import exact_values, sigmoid
from ..spec.model import SpecError
from .homogeneous import homogeneous

_STRICT = {"<=": sp.StrictLessThan, "<": sp.StrictLessThan, ">=": sp.StrictGreaterThan, ">": sp.StrictGreaterThan}
_OPPOSITE = {"<=": sp.StrictGreaterThan, "<": sp.StrictGreaterThan, ">=": sp.StrictLessThan, ">": sp.StrictLessThan}


class DerivationError(SpecError):
    """The formula is outside what can be derived; the message says which part."""


class side(Function):
    """The side of zero on which u lies: -1 or 1. Its derivative is 0 on either side."""

    is_real = True

    def fdiff(self, argindex: int = 1) -> Expr:
        return S.Zero

    def _eval_power(self, exponent: Expr) -> Expr | None:
        if exponent.is_even:
            return S.One
        return self if exponent.is_odd else None


class magnitude(Function):
    """|u|, with a derivative that stays free of DiracDelta."""

    is_real = True
    is_nonnegative = True

    def fdiff(self, argindex: int = 1) -> Expr:
        return side(self.args[0])

    def _eval_power(self, exponent: Expr) -> Expr | None:
        return self.args[0] ** exponent if exponent.is_even else None


def choice(condition: Boolean, then: Expr, otherwise: Expr) -> Expr:
    """A two-way Piecewise, exactly as given."""
    if condition in (sp.true, sp.false):
        return then if condition == sp.true else otherwise
    if then == otherwise:
        return then
    return Piecewise((then, condition), (otherwise, True), evaluate=False)


def to_tree(expression: Expr, x: Symbol) -> Expr:
    """The formula as a tree of two-way choices over leaves that are smooth in x."""
    return map_leaves(lambda leaf: _smooth(leaf, x), _pull_out(_two_way(expression), x))


def _smooth(leaf: Expr, x: Symbol) -> Expr:
    leaf = leaf.replace(lambda n: isinstance(n, Abs) and n.has(x), lambda n: magnitude(n.args[0]))
    return leaf.replace(lambda n: isinstance(n, sp.sign) and n.has(x), lambda n: side(n.args[0]))


def _two_way(e: Basic) -> Expr:
    """Max, Min and n-way Piecewise as nested two-way choices."""
    if not e.args:
        return e
    if isinstance(e, Piecewise):
        result: Expr = sp.nan
        for branch, condition in reversed(e.args):
            result = _nest(condition, _two_way(branch), result)
        return result
    if isinstance(e, Max | Min):
        arguments = [_two_way(a) for a in sorted(e.args, key=sp.default_sort_key)]
        for i, argument in enumerate(arguments):
            if isinstance(argument, Piecewise):
                # Choose inside first: then every condition compares terms of the author's own, and can be solved.
                (then, condition), (otherwise, _) = argument.args
                others = arguments[:i] + arguments[i + 1 :]
                return choice(condition, *(_two_way(type(e)(branch, *others)) for branch in (then, otherwise)))
        first, second, *others = arguments
        condition = first > second if isinstance(e, Max) else first < second
        # Round by round, for the same reason.
        rounds = (_two_way(type(e)(winner, *others)) if others else winner for winner in (first, second))
        return choice(condition, *rounds)
    return e.func(*(_two_way(a) for a in e.args))


def _nest(condition: Boolean, then: Expr, otherwise: Expr) -> Expr:
    """A choice on and/or/not as nested choices on single relations."""
    if otherwise is sp.nan:
        return then
    match condition:
        case And():
            first, *others = sorted(condition.args, key=sp.default_sort_key)
            return choice(first, _nest(And(*others), then, otherwise), otherwise)
        case Or():
            first, *others = sorted(condition.args, key=sp.default_sort_key)
            return choice(first, then, _nest(Or(*others), then, otherwise))
        case Not():
            return _nest(condition.args[0], otherwise, then)
        case ITE():
            asked, yes, no = condition.args
            return _nest(asked, _nest(yes, then, otherwise), _nest(no, then, otherwise))
    return choice(condition, then, otherwise)


def _pull_out(e: Expr, x: Symbol) -> Expr:
    """Move choices on x out of products of x and out of nonlinear functions."""
    if not e.has(Piecewise):
        return e
    if isinstance(e, Piecewise):
        (then, condition), (otherwise, _) = e.args
        return choice(condition, _pull_out(then, x), _pull_out(otherwise, x))
    if isinstance(e, Add):
        return Add(*(_pull_out(a, x) for a in e.args))
    if isinstance(e, Mul):
        varying = [a for a in e.args if a.has(x)]
        if len(varying) == 1 and isinstance(varying[0], Piecewise):
            factor = Mul(*(a for a in e.args if not a.has(x)))
            return map_leaves(lambda leaf: factor * leaf, _pull_out(varying[0], x))
    # Outermost first: an inner choice may stand inside another one's condition.
    inner = next(n for n in sp.preorder_traversal(e) if isinstance(n, Piecewise))
    (then, condition), (otherwise, _) = inner.args
    return choice(condition, _pull_out(e.xreplace({inner: then}), x), _pull_out(e.xreplace({inner: otherwise}), x))


def map_leaves(function: object, tree: Expr) -> Expr:
    """Apply a linear function to every leaf of a tree."""
    assert callable(function)
    if isinstance(tree, Piecewise):
        (then, condition), (otherwise, _) = tree.args
        return choice(condition, map_leaves(function, then), map_leaves(function, otherwise))
    if isinstance(tree, Add) and tree.has(Piecewise):
        return Add(*(map_leaves(function, term) for term in tree.args))
    result: Expr = function(tree)
    return result


def differentiate(tree: Expr, x: Symbol) -> Expr:
    """d/dx of a tree, leaf by leaf; what happens where leaves meet is left to `settle`."""
    for node in sp.preorder_traversal(tree):
        if isinstance(node, Eq | sp.Ne) and node.has(x):
            raise DerivationError(
                f"the condition {node.lhs} == {node.rhs} singles out one value of {x}; "
                "declare the branches by < and <= so that the derivative is defined on both sides"
            )
    return map_leaves(lambda leaf: tidy(leaf.diff(x)), tree)


def tidy(e: Expr) -> Expr:
    """The shortest of a few exact rewritings, none of which undoes a stable form.

    A rewriting may group (x + x*y -> x*(1 + y)) or merge like terms; it never
    expands a difference that was factored. No global simplify: it is slow, and
    it has returned unstable and wrong forms.
    """
    if not e.args or e.has(Piecewise):
        return e
    if any(p.exp.free_symbols for p in e.atoms(Pow)):
        e = e.replace(lambda n: isinstance(n, Mul), _merge_powers)
    candidates = [e, sp.factor_terms(e)]
    expanded = sp.expand(e, deep=False, power_base=False, power_exp=False, log=False, multinomial=False)
    if len(Add.make_args(expanded)) == 1:
        candidates.append(expanded)
    shortest = min(candidates, key=lambda c: (int(sp.count_ops(c)), str(c)))
    return shortest.replace(lambda n: homogeneous(n) is not None, homogeneous) if shortest.has(sigmoid) else shortest


def roots(u: Expr, x: Symbol) -> tuple[Expr, ...] | None:
    """Every real root of u in x, when u is affine or a pure square in x and in |x - a|; otherwise None."""
    u = u.replace(lambda n: isinstance(n, Abs) and n.has(x), lambda n: side(n.args[0]) * n.args[0])
    sides = sorted((n for n in u.atoms(side)), key=sp.default_sort_key)
    found: list[Expr] = []
    for signs in itertools.product((1, -1), repeat=len(sides)):
        smooth = sp.expand(u.xreplace(dict(zip(sides, map(Integer, signs), strict=True))))
        here = None if smooth.has(side) else _polynomial_roots(smooth, x)
        if here is None:
            return None
        for root in here:
            on_its_side = [sign_of(s.args[0].subs(x, root)) for s in sides]
            if any(actual is not None and actual not in (0, s) for actual, s in zip(on_its_side, signs, strict=True)):
                continue
            if root not in found:
                found.append(root)
    return tuple(sorted(found, key=sp.default_sort_key))


def _polynomial_roots(u: Expr, x: Symbol) -> list[Expr] | None:
    """The real roots of a*x + b and of a*x**2 + b; None for anything else and for coefficients of unknown sign."""
    square, slope, rest = (u.coeff(x, n) for n in (2, 1, 0))
    if sp.expand(u - square * x**2 - slope * x - rest) != 0 or (square != 0 and slope != 0):
        return None
    leading = slope if square == 0 else square
    if leading == 0:
        return []
    if leading.is_zero is not False and not leading.is_Number:
        return None
    value = tidy(sp.cancel(-rest / leading))
    if square == 0:
        return [value]
    sign = sign_of(value)
    if sign is None:
        return None
    return {-1: [], 0: [sp.S.Zero], 1: [sp.sqrt(value), -sp.sqrt(value)]}[sign]


def _merge_powers(product: Mul) -> Expr:
    """b**q/b as b**(q - 1), which SymPy leaves apart for a symbolic q: 0**q/0 is not a number."""
    powers = [f.as_base_exp() for f in product.args]
    for i, (base, exponent) in enumerate(powers):
        if exponent.is_Number and exponent < 0:
            for k, (other, symbolic) in enumerate(powers):
                if other == base and symbolic.free_symbols:
                    rest = [f for n, f in enumerate(product.args) if n not in (i, k)]
                    return Mul(*rest, base ** sp.expand(symbolic + exponent))
    return product


# Above this many operations SymPy's expansion and assumptions can take minutes; the answer is then "not shown".
LARGEST = 60


def is_zero(e: Expr) -> bool:
    """Whether an expression is shown to be 0 everywhere; False shows nothing."""
    if e.is_number and e.is_Rational:
        return bool(e == 0)
    if sp.count_ops(e) > LARGEST:
        return False
    expanded = sp.expand(e)
    return expanded == 0 or (sp.count_ops(expanded) <= LARGEST and sp.cancel(sp.together(expanded)) == 0)


def sign_of(e: Expr) -> int | None:
    """-1, 0 or 1 when the assumptions on the symbols prove it; otherwise None."""
    if sp.count_ops(e) > LARGEST:
        return None
    e = sp.factor_terms(sp.expand(e))
    if e.is_zero:
        return 0
    return 1 if e.is_positive else -1 if e.is_negative else None


def settle(tree: Expr, x: Symbol) -> Expr:
    """The derivative as a function: at a kink the mean of its one-sided values."""
    if isinstance(tree, Piecewise):
        (then, condition), (otherwise, _) = tree.args
        settled_then, settled_otherwise = settle(then, x), settle(otherwise, x)
        if settled_then == settled_otherwise:
            return settled_then
        if isinstance(condition, Relational) and condition.has(x):
            return _settle_boundary(condition, settled_then, settled_otherwise, x)
        return choice(condition, settled_then, settled_otherwise)
    if isinstance(tree, Add) and tree.has(Piecewise):
        return Add(*(settle(term, x) for term in tree.args))
    return _settle_sides(tree)


def _settle_boundary(condition: Relational, then: Expr, otherwise: Expr, x: Symbol) -> Expr:
    """Keep the author's condition where the branches agree at its boundary, else give the mean there."""
    at = roots(condition.lhs - condition.rhs, x)
    solved = _solved(condition, at, x)
    meeting = None if at is None else [(at_point(then, x, b), at_point(otherwise, x, b)) for b in at]
    if meeting is not None and all(is_zero(a - b) for a, b in meeting):
        return choice(solved, then, otherwise)
    mean = tidy((then + otherwise) / 2)
    if meeting is not None:
        values = {tidy(sp.expand((a + b) / 2)) for a, b in meeting}
        if len(values) == 1:
            mean = values.pop()
    if any(p.base.is_zero and not p.exp.is_nonnegative for p in mean.atoms(Pow)):
        # 0**(g - 1): no limit that holds for every parameter; the author's side then says what stands there.
        return choice(solved, then, otherwise)
    strict = _STRICT[solved.rel_op](*solved.args)
    opposite = _OPPOSITE[solved.rel_op](*solved.args)
    return choice(strict, then, choice(opposite, otherwise, mean))


def at_point(tree: Expr, x: Symbol, point: Expr) -> Expr:
    """The value of a settled tree at x = point; choices that the assumptions decide are taken."""
    if isinstance(tree, Piecewise):
        (then, condition), (otherwise, _) = tree.args
        truth = holds(condition, x, point)
        if truth is None:
            return choice(condition.subs(x, point), at_point(then, x, point), at_point(otherwise, x, point))
        return at_point(then if truth else otherwise, x, point)
    return exact_values(tree.subs(x, point))


def holds(condition: Boolean, x: Symbol, point: Expr) -> bool | None:
    """Whether a relation holds at x = point, when the assumptions prove it either way."""
    if not isinstance(condition, Relational):
        return None
    sign = sign_of((condition.lhs - condition.rhs).subs(x, point))
    if sign is None:
        return None
    return {"<": sign < 0, "<=": sign <= 0, ">": sign > 0, ">=": sign >= 0, "==": sign == 0, "!=": sign != 0}[
        condition.rel_op
    ]


def _solved(condition: Relational, at: tuple[Expr, ...] | None, x: Symbol) -> Relational:
    """The same condition with what depends on x on the left; x alone where it is affine in x."""
    flip = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
    operator = condition.rel_op
    difference = sp.expand(condition.lhs - condition.rhs)
    constant, varying = difference.as_independent(x, as_Add=True)
    slope = sign_of(varying.coeff(x, 1)) if not difference.has(Abs) else None
    if at is not None and len(at) == 1 and slope:
        return sp.Rel(x, at[0], operator if slope > 0 else flip[operator])
    if varying.could_extract_minus_sign():
        return sp.Rel(-varying, constant, flip[operator])
    return sp.Rel(varying, -constant, operator)


def _settle_sides(leaf: Expr) -> Expr:
    """What is left linear in side(u), so that its value at u = 0 is the mean; side(u)*u -> |u|."""
    for s in sorted(leaf.atoms(side), key=sp.default_sort_key):
        u = s.args[0]
        leaf = leaf.replace(lambda n, s=s: isinstance(n, Mul) and s in n.args, lambda n, s=s, u=u: _absolute(n, s, u))
        dummy = Dummy("s", real=True)
        above = leaf.xreplace({s: dummy})
        if above.has(dummy) and sp.expand(above.diff(dummy, 2)) != 0:
            plus, minus = leaf.xreplace({s: S.One}), leaf.xreplace({s: S.NegativeOne})
            leaf = tidy((plus + minus) / 2) + tidy((plus - minus) / 2) * s
        leaf = leaf.xreplace({s: sp.sign(u)})
    return tidy(leaf.replace(magnitude, Abs))


def _absolute(product: Mul, s: Expr, u: Expr) -> Expr:
    """Within a product: side(u)*|u| -> u, and side(u)*u**n -> |u|*u**(n-1)."""
    rest = [a for a in product.args if a is not s]
    numeric, body = u.as_coeff_Mul()
    for i, factor in enumerate(rest):
        base, n = factor.as_base_exp()
        if factor == magnitude(u):
            return Mul(*rest[:i], *rest[i + 1 :], u)
        if base == body and n.is_Integer and n > 0:
            return Mul(*rest[:i], *rest[i + 1 :], base ** (n - 1), magnitude(u), 1 / numeric)
    return product
