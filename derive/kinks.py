"""Where does a loss or one of its derivatives jump, and by how much?

Every place where branches meet is a candidate; the one-sided values on its two
sides are compared, order by order, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp
from sympy import Expr, Piecewise, Symbol
from sympy.core.relational import Relational

from ..spec.atoms import define_atoms, exact_values
from .branches import at_point, choice, differentiate, is_zero, magnitude, roots, side, sign_of, to_tree

MAX_ORDER = 3


@dataclass(frozen=True, slots=True)
class Kink:
    """At `at` the derivative of this `order` jumps from `left` to `right` (order 0: the loss itself).

    `value` is what lossforge returns there: the mean, for derivatives; what the
    author's condition says, for the loss.
    """

    at: Expr
    order: int
    left: Expr
    right: Expr
    value: Expr


def find_kinks(expression: Expr, x: Symbol) -> tuple[tuple[Kink, ...], tuple[Expr, ...]]:
    """The kinks of a formula in x, from left to right, and the switches left unsolved.

    A switch is an expression whose sign selects a branch. It is left unsolved,
    and returned, when its roots in x or the branches beside them are not
    decided by the declared domains of the parameters.
    """
    trees = [to_tree(expression, x)]
    for _ in range(MAX_ORDER):
        trees.append(differentiate(trees[-1], x))
    found: list[Kink] = []
    unsolved: list[Expr] = []
    for switch in switches(trees[0], x):
        at = roots(switch, x)
        if at is None:
            unsolved.append(switch)
            continue
        for point in at:
            sides = _one_sided(trees, x, point)
            if sides is None:
                unsolved.append(switch)
                break
            for order, (left, right) in enumerate(sides):
                jumps = _differs(left, right)
                if jumps is None:
                    unsolved.append(switch)
                    break
                if jumps:
                    value = expression.subs(x, point) if order == 0 else (left + right) / 2
                    if all(kink.at != point for kink in found):
                        found.append(Kink(point, order, left, right, sp.factor_terms(value)))
                    break
    return tuple(sorted(found, key=_position)), tuple(dict.fromkeys(unsolved))


def _differs(left: Expr, right: Expr) -> bool | None:
    """Whether two values differ: False when their difference simplifies to 0, True when it is not 0 at a sample."""
    difference = left - right
    if is_zero(difference):
        return False
    for sample in (sp.Rational(3, 7), sp.Rational(2, 9), sp.Rational(5, 3)):
        number = sp.N(define_atoms(difference).subs(dict.fromkeys(difference.free_symbols, sample)), 30)
        if number.is_number and abs(number) > sp.Rational(1, 10**20):
            return True
    return None


def mend(settled: Expr, tree: Expr, x: Symbol, points: tuple[Expr, ...]) -> Expr:
    """A settled derivative with its value at each point checked to be the mean of both sides, and put right if not.

    Where several switches meet in one point, the choices between them do not
    average as the branches do.
    """
    for point in points:
        left, right = (approach(tree, x, point, direction) for direction in (-1, 1))
        if left is None or right is None:
            continue
        mean = sp.factor_terms(sp.expand((left + right) / 2))
        if not is_zero(at_point(settled, x, point) - mean):
            settled = choice(sp.Eq(x, point), mean, settled)
    return settled


def meeting_points(tree: Expr, x: Symbol) -> tuple[Expr, ...]:
    """Every point in which branches of a tree meet, as far as they are found."""
    return tuple(dict.fromkeys(p for switch in switches(tree, x) for p in roots(switch, x) or ()))


def _position(kink: Kink) -> tuple[float, str]:
    """Order by value with every parameter at 1; only for reading."""
    try:
        value = float(kink.at.subs(dict.fromkeys(kink.at.free_symbols, 1)))
    except TypeError:
        value = 0.0
    return value, str(kink.at)


def switches(tree: Expr, x: Symbol) -> list[Expr]:
    """Every expression whose sign selects a branch of a tree."""
    found: dict[Expr, None] = {}
    for node in sp.preorder_traversal(tree):
        if isinstance(node, side | magnitude):
            found[node.args[0]] = None
        if isinstance(node, Relational) and node.has(x):
            found[node.lhs - node.rhs] = None
            for inner in sorted(node.atoms(sp.Abs), key=sp.default_sort_key):
                if inner.has(x):
                    found[inner.args[0]] = None
    return list(found)


def _one_sided(trees: list[Expr], x: Symbol, point: Expr) -> list[tuple[Expr, Expr]] | None:
    values: list[tuple[Expr, Expr]] = []
    for tree in trees:
        pair = [approach(tree, x, point, direction) for direction in (-1, 1)]
        if pair[0] is None or pair[1] is None:
            return None
        values.append((pair[0], pair[1]))
    return values


def approach(tree: Expr, x: Symbol, point: Expr, direction: int, substitute: bool = True) -> Expr | None:
    """The value of a tree just beside a point, or, without `substitute`, its smooth leaf there.

    None when a branch is undecided.
    """
    if isinstance(tree, Piecewise):
        (then, condition), (otherwise, _) = tree.args
        if not isinstance(condition, Relational):
            return None
        sign = _sign_beside(condition.lhs - condition.rhs, x, point, direction)
        if sign is None:
            return None
        chosen = {"<": sign < 0, "<=": sign <= 0, ">": sign > 0, ">=": sign >= 0, "==": sign == 0, "!=": sign != 0}
        return approach(then if chosen[condition.rel_op] else otherwise, x, point, direction, substitute)
    if isinstance(tree, sp.Add) and tree.has(Piecewise):
        terms = [approach(term, x, point, direction, substitute) for term in tree.args]
        return None if any(t is None for t in terms) else sp.Add(*terms)
    for node in sorted(tree.atoms(side, magnitude), key=sp.default_sort_key):
        sign = _sign_beside(node.args[0], x, point, direction)
        if sign is None:
            return None
        tree = tree.xreplace({node: sp.Integer(sign) if isinstance(node, side) else sign * node.args[0]})
    if not substitute:
        return tree
    value = exact_values(tree.subs(x, point))
    if value.has(sp.nan, sp.zoo):
        return None
    return sp.factor_terms(sp.expand(value))


def _sign_beside(u: Expr, x: Symbol, point: Expr, direction: int) -> int | None:
    """The sign of u just beside a point: of u itself, or of its slope where u vanishes."""
    for inner in sorted(u.atoms(sp.Abs), key=sp.default_sort_key):
        if inner.has(x):
            inside = _sign_beside(inner.args[0], x, point, direction)
            if inside is None:
                return None
            u = u.xreplace({inner: inside * inner.args[0]})
    for order in range(3):
        sign = sign_of(u.diff(x, order).subs(x, point) if order else u.subs(x, point))
        if sign is None:
            return None
        if sign:
            return sign * direction**order
    return 0 if sp.expand(u) == 0 else None
