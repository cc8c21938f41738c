"""Are two losses the same function, proportional, or different?

Equal and proportional are shown exactly; different is shown by a witness, a
point at which both are evaluated in interval arithmetic and the enclosures do
not meet. What neither shows is undecided.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from typing import Literal

import sympy as sp
from sympy import Expr, Rational, Symbol, oo

from ..spec.atoms import define_atoms, sigmoid, softplus
from ..spec.domains import REALS, Domain, FiniteSet, Integers, Interval, contains
from ..spec.model import Loss, SpecError, expect_loss
from .branches import at_point, roots, side, sign_of, to_tree
from .kinks import approach, switches
from .recognise import recognise

Verdict = Literal["equal", "proportional", "different", "undecided"]


@dataclass(frozen=True, slots=True)
class Witness:
    """A point, by name of variable, and the values of both losses there."""

    point: dict[str, str]
    first: str
    second: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """The verdict; `factor` with first = factor*second for proportional losses."""

    verdict: Verdict
    factor: str | None = None
    witness: Witness | None = None


def _comparable(a: Domain, b: Domain) -> bool:
    """Whether one domain holds the other: then the smaller one is where both losses are defined."""
    if isinstance(a, FiniteSet) and isinstance(b, FiniteSet):
        return set(a.values) <= set(b.values) or set(b.values) <= set(a.values)
    if isinstance(b, FiniteSet):
        a, b = b, a
    if isinstance(a, FiniteSet):
        # Margins in {-1, 1} and real residuals share points, but not a meaning.
        return isinstance(b, Interval) and b.low != -oo and all(contains(b, v) for v in a.values)
    return True


_GRID = tuple(Rational(n, 4) for n in (-22, -10, -7, -3, -1, 1, 2, 5, 9, 14, 30))
_DIGITS = 40


def compare(first: Loss, second: Loss) -> Comparison:
    """Compare two scalar losses on the arguments and parameters they name alike.

    Arguments are matched by role, parameters by name; a parameter that only one
    of them has is taken at its default. Raises SpecError for vector losses and
    for parameters without a default.
    """
    first, second = expect_loss(first, "lf.diff"), expect_loss(second, "lf.diff")
    for ours, theirs in ((first.targets, second.targets), (first.predictions, second.predictions)):
        if ours and theirs and ours[0].domain != theirs[0].domain and not _comparable(ours[0].domain, theirs[0].domain):
            raise SpecError(
                f"{first.name} and {second.name} cannot be compared: the {ours[0].role} lies in {ours[0].domain.text} "
                f"for the one and in {theirs[0].domain.text} for the other; compare losses of the same kind of data"
            )
    a, symbols = _formula(first, None)
    b, _ = _formula(second, symbols)
    x = symbols["prediction"][0]
    if _same(a, b, x):
        return Comparison("equal")
    ratios = [r for r in (_ratio(a, b, point) for point in _points(symbols)) if r is not None]
    if ratios:
        candidate = sp.nsimplify(ratios[0], rational=True, tolerance=Rational(1, 10**20))
        if candidate.q < 10**6 and candidate != 0 and _same(a, candidate * b, x):
            return Comparison("proportional", factor=str(candidate))
    for point in _points(symbols):
        left, right = a.xreplace(point), b.xreplace(point)
        try:
            x, y = sp.N(left, _DIGITS), sp.N(right, _DIGITS)
        except (TypeError, ValueError, ZeroDivisionError):
            continue
        if x.is_Float and y.is_Float and abs(x - y) > Rational(1, 10**20) * (1 + abs(x) + abs(y)):
            shown = {str(s): str(v) for s, v in point.items()}
            return Comparison("different", witness=Witness(shown, str(sp.N(x, 17)), str(sp.N(y, 17))))
    return Comparison("undecided")


def _formula(
    loss: Loss, matched: dict[str, tuple[Symbol, Domain]] | None
) -> tuple[Expr, dict[str, tuple[Symbol, Domain]]]:
    """The exact formula; with symbols of the first loss where a second one is matched to it."""
    if loss.size is not None or len(loss.predictions) != 1 or len(loss.targets) != 1:
        raise SpecError(f"{loss.name}: only losses with one scalar prediction and target are compared")
    replaced: dict[Expr, Expr] = {}
    symbols: dict[str, tuple[Symbol, Domain]] = {}
    for argument in loss.arguments:
        name = "prediction" if argument.role == "prediction" else "target"
        symbols[name] = (argument.symbol, argument.domain)
    for parameter in loss.parameters:
        known = matched is None or parameter.name in matched
        if known:
            symbols[parameter.name] = (parameter.symbol, parameter.domain)
        elif parameter.default is None:
            raise SpecError(f"{loss.name}: {parameter.name} has no default and the other loss has no such parameter")
        else:
            replaced[parameter.symbol] = parameter.default
    if matched is not None:
        for role in ("prediction", "target"):
            # Points are drawn where both losses are defined.
            if isinstance(symbols[role][1], FiniteSet) or matched[role][1] == REALS:
                matched[role] = (matched[role][0], symbols[role][1])
        replaced |= {symbol: matched[name][0] for name, (symbol, _) in symbols.items() if name in matched}
    return define_atoms(loss.full_expression).xreplace(replaced), symbols


def _same(a: Expr, b: Expr, x: Symbol) -> bool:
    """Whether two formulas are shown to be equal by exact rewriting; False proves nothing."""
    if sp.expand(a - b) == 0:
        return True
    difference = sp.expand(_one_sided(recognise(a)) - _one_sided(recognise(b)))
    if difference == 0:
        return True
    if difference.has(sp.Max, sp.Min):
        return sp.expand(difference.rewrite(sp.Abs)) == 0 or _same_by_cells(a, b, x)
    if difference.has(sp.Piecewise, sp.Abs):
        return _same_by_cells(a, b, x)
    return bool(sp.simplify(define_atoms(difference)) == 0)


def _same_by_cells(a: Expr, b: Expr, x: Symbol) -> bool:
    """Whether two piecewise formulas in x agree on every cell of both, and where cells meet."""
    tree = to_tree(recognise(a) - recognise(b), x)
    points = _breakpoints(tree, x)
    if points is None:
        return False
    insides = [(a + b) / 2 for a, b in itertools.pairwise(points)]
    insides = [points[0] - 1, *insides, points[-1] + 1] if points else [sp.S.Zero]
    leaves = [approach(tree, x, inside, 1, substitute=False) for inside in insides]
    if any(leaf is None or sp.simplify(leaf.replace(side, lambda u: sp.sign(u))) != 0 for leaf in leaves):
        return False
    return all(sp.simplify(at_point(tree, x, point)) == 0 for point in points)


def _breakpoints(tree: Expr, x: Symbol) -> list[Expr] | None:
    """Where branches meet, from left to right; None when the parameters' domains do not decide that."""
    points: list[Expr] = []
    for switch in switches(tree, x):
        at = roots(switch, x)
        if at is None:
            return None
        points += [p for p in at if not any(sp.expand(p - other) == 0 for other in points)]
    if any(sign_of(b - a) is None for a, b in itertools.combinations(points, 2)):
        return None
    return sorted(points, key=functools.cmp_to_key(_order))


def _order(a: Expr, b: Expr) -> int:
    return sign_of(a - b) or 0


def _one_sided(e: Expr) -> Expr:
    """softplus(-u) = softplus(u) - u and sigmoid(-u) = 1 - sigmoid(u): one sign of each argument."""

    def negative(n: Expr) -> bool:
        return isinstance(n, softplus | sigmoid) and n.args[0].could_extract_minus_sign()

    return e.replace(
        negative, lambda n: softplus(-n.args[0]) + n.args[0] if isinstance(n, softplus) else 1 - sigmoid(-n.args[0])
    )


def _ratio(a: Expr, b: Expr, point: dict[Expr, Expr]) -> Expr | None:
    x, y = sp.N(a.xreplace(point), _DIGITS), sp.N(b.xreplace(point), _DIGITS)
    return x / y if x.is_Float and y.is_Float and y != 0 else None


def _points(symbols: dict[str, tuple[Symbol, Domain]]) -> list[dict[Expr, Expr]]:
    """Exact points of the domains, a few hundred at most."""
    names = list(symbols)
    values = [_values(symbols[name][1])[: 11 if name in ("prediction", "target") else 3] for name in names]
    grid = itertools.islice(itertools.product(*values), 600)
    return [dict(zip((symbols[n][0] for n in names), point, strict=True)) for point in grid]


def _values(domain: Domain) -> list[Expr]:
    match domain:
        case FiniteSet(values):
            return list(values)
        case Integers(low):
            return [low + n if low != -sp.oo else sp.Integer(n - 4) for n in range(9)]
        case Interval(low, high, _, _):
            if low == -sp.oo and high == sp.oo:
                return list(_GRID)
            if high == sp.oo:
                return [low + abs(v) for v in _GRID[::2]]
            if low == -sp.oo:
                return [high - abs(v) for v in _GRID[::2]]
            return [low + (high - low) * Rational(n, 12) for n in (5, 1, 9, 3, 11, 7)]
    raise SpecError(f"{domain.text} is not a scalar domain")
