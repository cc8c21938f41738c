"""What sign does an expression have, on every part of its domain?

The sign chart of a piecewise expression: its cells between breakpoints, and on
each a sign that is proved for all values of the parameters. The proof maps the
cell and the parameters' domains to positive variables and reads the sign off a
sum or product of factors of known sign. What that does not show is None.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy import Expr, Symbol, oo

from ..spec import atoms
from ..spec.domains import Domain, FiniteSet, Integers, Interval
from .branches import LARGEST, roots, sign_of, to_tree
from .kinks import approach, switches


@dataclass(frozen=True, slots=True)
class Cell:
    """An open interval of x on which a piecewise expression is one smooth `leaf`."""

    low: Expr
    high: Expr
    leaf: Expr


Domains = dict[Symbol, Domain]


def cells(tree: Expr, x: Symbol, low: Expr = -oo, high: Expr = oo, also: Iterable[Expr] = ()) -> list[Cell] | None:
    """The cells of a tree on (low, high), from left to right.

    `also` are further points to cut at. None when the breakpoints, or their
    order, are not decided by the assumptions on the parameters.
    """
    points: list[Expr] = []
    candidates = list(also)
    for switch in switches(tree, x):
        at = roots(switch, x)
        if at is None:
            return None
        candidates += at
    for point in candidates:
        inside = [_before(low, point), _before(point, high)]
        if None in inside:
            return None
        if all(inside) and not any(sp.expand(point - other) == 0 for other in points):
            points.append(point)
    if any(_before(a, b) is None for a, b in itertools.combinations(points, 2)):
        return None
    points.sort(key=functools.cmp_to_key(lambda a, b: -1 if _before(a, b) else 1))
    result = []
    edges = [low, *points, high]
    for left, right in itertools.pairwise(edges):
        leaf = approach(tree, x, _inside(left, right), 1, substitute=False)
        if leaf is None:
            return None
        result.append(Cell(left, right, leaf))
    return result


def _before(a: Expr, b: Expr) -> bool | None:
    if a == -oo or b == oo:
        return a != b
    if a == oo or b == -oo:
        return False
    sign = sign_of(b - a)
    return None if sign is None else sign > 0


def _inside(low: Expr, high: Expr) -> Expr:
    if low == -oo:
        return sp.S.Zero if high == oo else high - 1
    return low + 1 if high == oo else (low + high) / 2


def sign_on(cell: Cell, x: Symbol, domains: Domains) -> int | None:
    """-1 or 1 for a strict sign throughout the open cell, 0 for zero throughout, else None."""
    signs = {_sign(e) for e in _mapped(cell.leaf, cell, x, domains)}
    return signs.pop() if len(signs) == 1 else None


def weak_sign_on(cell: Cell, x: Symbol, domains: Domains) -> int | None:
    """-1 for <= 0, 1 for >= 0 (0 when both) throughout the open cell, else None."""
    possible = {-1, 1}
    for e in map(_normal, _mapped(cell.leaf, cell, x, domains)):
        if sp.count_ops(e) > LARGEST:
            return None
        if not e.is_nonnegative and _sign(e) not in (0, 1):
            possible.discard(1)
        if not e.is_nonpositive and _sign(e) not in (0, -1):
            possible.discard(-1)
    return 0 if len(possible) == 2 else possible.pop() if possible else None


def _sign(e: Expr) -> int | None:
    direct = sign_of(e)
    return direct if direct is not None else sign_of(_normal(e))


def _normal(e: Expr) -> Expr:
    """One fraction with factored numerator and denominator; atoms are its generators."""
    return sp.factor(sp.together(e)) if sp.count_ops(e) <= LARGEST else e


def _mapped(e: Expr, cell: Cell, x: Symbol, domains: Domains) -> list[Expr]:
    """The expression with x and bounded variables replaced by positive ones; closed ends are cases of their own."""
    e = e.replace(atoms.xdivy, lambda a, b: a / b)
    t = Symbol("t_x", positive=True)
    if cell.low == -oo and cell.high == oo:
        # A real symbol keeps its sign open; only what holds for all real x is read off.
        cases = [e]
    elif cell.high == oo:
        cases = [e.subs(x, cell.low + t)]
    elif cell.low == -oo:
        cases = [e.subs(x, cell.high - t)]
    else:
        cases = [e.subs(x, (cell.low + cell.high * t) / (1 + t))]
    for symbol in sorted(set().union(*(c.free_symbols for c in cases)) & domains.keys(), key=str):
        cases = [c.subs(symbol, value) for c in cases for value in _values(symbol, domains[symbol])]
    return cases


def _values(symbol: Symbol, domain: Domain) -> list[Expr]:
    match domain:
        case FiniteSet(values):
            return list(values)
        case Interval(low, high, low_open, high_open):
            s = Symbol(f"t_{symbol}", positive=True)
            ends = [low] * (not low_open) + [high] * (not high_open)
            if low == -oo and high == oo:
                return [symbol]
            if high == oo:
                return [low + s, *ends]
            return [high - s, *ends] if low == -oo else [(low + high * s) / (1 + s), *ends]
        case Integers():
            return [symbol]
    return [symbol]


_AT_INFINITY: dict[Any, Callable[[Expr], Expr | None]] = {
    sp.sign: sp.sign, atoms.tanh: sp.sign, atoms.algebraic_sigmoid: sp.sign, atoms.half_tangent: sp.sign,
    atoms.arctan: lambda u: sp.sign(u) * sp.pi / 2,
    atoms.sech: lambda u: sp.S.Zero, atoms.lorentzian: lambda u: sp.S.Zero, atoms.lorentzian_odd: lambda u: sp.S.Zero,
    atoms.sigmoid: lambda u: sp.S.One if u == oo else sp.S.Zero,
    sp.exp: lambda u: oo if u == oo else sp.S.Zero,
    atoms.softplus: lambda u: oo if u == oo else sp.S.Zero,
    sp.Abs: lambda u: oo, atoms.hypot1: lambda u: oo, atoms.hypot1m1: lambda u: oo, atoms.log_cosh: lambda u: oo,
    atoms.log1p_square: lambda u: oo, atoms.log1p: lambda u: oo if u == oo else None,
}  # fmt: skip


def limit_of(leaf: Expr, x: Symbol, end: Expr) -> Expr | None:
    """The limit of a leaf at an end of its cell, in the extended reals; None when the arithmetic is not determined."""
    if not leaf.has(x):
        return leaf
    if end not in (oo, -oo):
        value = atoms.exact_values(leaf.replace(atoms.xdivy, lambda a, b: a / b).subs(x, end))
        return None if value.has(sp.nan, sp.zoo, oo) else value
    if leaf == x:
        return end
    parts = [limit_of(a, x, end) for a in leaf.args]
    if any(p is None for p in parts):
        return None
    if leaf.func in _AT_INFINITY and parts[0] in (oo, -oo):
        return _AT_INFINITY[leaf.func](parts[0])
    if isinstance(leaf, sp.Add | sp.Mul | sp.Pow):
        # Infinite times a parameter keeps the parameter's sign only where that sign is known.
        value = leaf.func(*parts)
        if value.has(oo, -oo) and value not in (oo, -oo):
            return None
        return None if value.has(sp.nan, sp.zoo, sp.AccumBounds) else value
    return None


def chart(expression: Expr, x: Symbol) -> list[Cell] | None:
    """The cells of a formula on the whole line."""
    return cells(to_tree(expression, x), x)
