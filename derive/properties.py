"""What kind of function is a loss? Claims with verdicts, proved cell by cell.

Convexity is the sign of the second derivative on every cell together with
upward jumps of the first; a Lipschitz constant is the largest one-sided slope;
and so on. A verdict is `proved` or `refuted` only where the argument holds for
all parameter values; everything else is `undecided`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Literal

import sympy as sp
from sympy import Expr, S, Symbol, oo

from ..spec import atoms
from ..spec.atoms import define_atoms
from ..spec.domains import Interval
from ..spec.model import Loss
from .branches import differentiate, sign_of, to_tree
from .kinks import Kink
from .signs import Cell, Domains, cells, limit_of, sign_on, weak_sign_on

Verdict = Literal["proved", "refuted", "conditional", "undecided"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A property of a loss and what is known of it.

    `value` is the constant that belongs to the property, `witness` the point
    that refutes it, `reason` the argument in a sentence.
    """

    property: str
    verdict: Verdict
    value: Expr | None = None
    condition: str | None = None
    certificate: str | None = None
    witness: tuple[tuple[str, str], ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Chart:
    """A loss in its base variable, with its first two derivatives, on common cells."""

    x: Symbol
    loss: tuple[Cell, ...]
    first: tuple[Cell, ...]
    second: tuple[Cell, ...]
    kinks: tuple[Kink, ...]
    domains: Domains
    targets: tuple[Symbol, ...]


def properties(
    loss: Loss, stable: Expr, x: Symbol, kinks: tuple[Kink, ...], unsolved: tuple[Expr, ...]
) -> dict[str, Claim]:
    """The claims about a loss of one scalar prediction, by name of property."""
    # A jump counts only when it is shown not to be 0; simplification that fails shows nothing.
    sure = all(sign_of(k.right - k.left) in (-1, 1) for k in kinks)
    chart = _chart(loss, stable, x, kinks) if sure and not unsolved else None
    if chart is None:
        names = ("convex", "strongly_convex", "continuous", "differentiable", "lipschitz")
        return {n: Claim(n, "undecided", reason="the cells of the formula are not decided") for n in names}
    ends = _regular_ends(loss, chart)
    found = [_convex(chart), _strongly_convex(chart)]
    if ends is None:
        found += [_continuous(chart), _differentiable(chart)]
    else:
        found += [Claim(name, "undecided", reason=ends) for name in ("continuous", "differentiable")]
    found.append(_lipschitz(chart))
    if loss.base == "residual":
        found.append(_bounded_influence(found[-1]))
    if loss.base == "margin":
        claims = {c.property: c for c in found}
        found.append(_monotone(chart))
        found.append(_upper_bounds_zero_one(chart, found[-1]))
        found.append(_calibrated(chart, claims["convex"]))
    return {c.property: c for c in found}


def _chart(loss: Loss, stable: Expr, x: Symbol, kinks: tuple[Kink, ...]) -> _Chart | None:
    prediction = loss.predictions[0]
    low, high = -oo, oo
    if x == prediction.symbol and isinstance(prediction.domain, Interval):
        low, high = prediction.domain.low, prediction.domain.high
    tree = to_tree(stable, x)
    first = differentiate(tree, x)
    charts = [cells(t, x, low, high) for t in (tree, first, differentiate(first, x))]
    # All on the cells of the loss: a derivative may need fewer.
    if charts[0] is None:
        return None
    cuts = [c.low for c in charts[0][1:]]
    common = [cells(t, x, low, high, also=cuts) for t in (tree, first, differentiate(first, x))]
    if any(c is None or len(c) != len(charts[0]) for c in common):
        return None
    domains = {a.symbol: a.domain for a in loss.targets} | {p.symbol: p.domain for p in loss.parameters}
    a, b, c = (tuple(chart) for chart in common if chart is not None)
    return _Chart(x, a, b, c, kinks, domains, tuple(t.symbol for t in loss.targets))


def _regular_ends(loss: Loss, chart: _Chart) -> str | None:
    """None when the loss is finite at the ends that belong to its domain; otherwise what stands in the way."""
    domain = loss.predictions[0].domain
    if not isinstance(domain, Interval) or chart.x != loss.predictions[0].symbol:
        return None
    for end, open_, cell in (
        (domain.low, domain.low_open, chart.loss[0]),
        (domain.high, domain.high_open, chart.loss[-1]),
    ):
        if not open_ and limit_of(_plain_logarithms(cell.leaf), chart.x, end) in (None, oo, -oo):
            return f"the loss is not shown to be finite at {chart.x} = {end}, which belongs to its domain"
    return None


def _plain_logarithms(leaf: Expr) -> Expr:
    """xlogy(y, p) as y*log(p), which is infinite at p = 0 for the y that matter."""
    leaf = leaf.replace(atoms.xlogy, lambda a, b: a * sp.log(b))
    return leaf.replace(atoms.xlog1py, lambda a, b: a * sp.log(1 + b))


def _convex(chart: _Chart) -> Claim:
    for kink in chart.kinks:
        if kink.order == 0:
            return _refuted_jump(chart, kink)
        jump = sign_of(kink.right - kink.left)
        if kink.order == 1 and jump == -1:
            return Claim(
                "convex", "refuted", witness=((str(chart.x), str(kink.at)),), reason="the slope falls at a kink"
            )
        if kink.order == 1 and jump is None:
            return Claim("convex", "undecided", reason=f"the sign of the jump at {kink.at} is not decided")
    signs = [weak_sign_on(cell, chart.x, chart.domains) for cell in chart.second]
    if all(s in (0, 1) for s in signs):
        return Claim("convex", "proved", reason="the second derivative is nonnegative on every cell and no slope falls")
    for cell in chart.second:
        if sign_on(cell, chart.x, chart.domains) == -1:
            at = {"low": str(cell.low), "high": str(cell.high)}
            return Claim(
                "convex", "refuted", witness=tuple(at.items()), reason="the second derivative is negative on a cell"
            )
    return Claim("convex", "undecided", reason="the sign of the second derivative is not decided on every cell")


def _refuted_jump(chart: _Chart, kink: Kink) -> Claim:
    """A convex function is continuous inside its domain; the witness is a chord that runs below the graph."""
    left, right = (
        limit_of(c.leaf, chart.x, kink.at + d) for c, d in zip(_beside(chart.loss, kink.at), (-1, 1), strict=True)
    )
    reason = "the loss jumps inside its domain"
    if left is None or right is None or sign_of(kink.value - (left + right) / 2) != 1:
        return Claim("convex", "refuted", witness=(("at", str(kink.at)),), reason=reason)
    witness = (("left", str(kink.at - 1)), ("middle", str(kink.at)), ("right", str(kink.at + 1)))
    return Claim("convex", "refuted", witness=witness, reason=reason + ": its value in the middle is above the chord")


def _beside(chart: tuple[Cell, ...], point: Expr) -> tuple[Cell, Cell]:
    """The cells that end and start at a point."""
    return next((a, b) for a, b in itertools.pairwise(chart) if a.high == point)


def _strongly_convex(chart: _Chart) -> Claim:
    """mu = the least second derivative, where it is monotone or constant on every cell."""
    name = "strongly_convex"
    least: list[Expr] = []
    for cell in chart.second:
        if cell.leaf.has(chart.x):
            ends = [limit_of(cell.leaf, chart.x, e) for e in (cell.low, cell.high)]
            if any(e == 0 for e in ends if e is not None):
                return Claim(name, "refuted", reason="the second derivative comes arbitrarily close to 0")
            return Claim(name, "undecided", reason="the least second derivative is not found")
        least.append(cell.leaf)
    if any(sign_of(v) == 0 for v in least) or any(k.order == 0 for k in chart.kinks):
        return Claim(name, "refuted", reason="the second derivative is 0 on a cell" if least else "the loss jumps")
    falls = any(k.order == 1 and sign_of(k.right - k.left) != 1 for k in chart.kinks)
    if not falls and all(sign_of(v) == 1 for v in least) and len(set(least)) == 1:
        return Claim(name, "proved", value=least[0], reason="the second derivative is this constant")
    return Claim(name, "undecided", reason="the cells have different constants")


def _continuous(chart: _Chart) -> Claim:
    jumps = [k for k in chart.kinks if k.order == 0]
    if jumps:
        return Claim("continuous", "refuted", witness=(("at", str(jumps[0].at)),), reason="the loss jumps")
    return Claim("continuous", "proved", reason="smooth on every cell, equal one-sided values where cells meet")


def _differentiable(chart: _Chart) -> Claim:
    orders = [k.order for k in chart.kinks]
    if orders and min(orders) <= 1:
        at = next(k.at for k in chart.kinks if k.order == min(orders))
        what = "the first derivative" if min(orders) == 1 else "the loss"
        return Claim("differentiable", "refuted", witness=(("at", str(at)),), reason=f"{what} jumps")
    return Claim("differentiable", "proved", value=sp.Integer(min(orders) - 1) if orders else oo,
                 reason="the value is the k of C^k")  # fmt: skip


def _lipschitz(chart: _Chart) -> Claim:
    """The supremum of |slope|: at the ends of cells, where the slope is monotone on each."""
    name = "lipschitz"
    if any(k.order == 0 for k in chart.kinks):
        return Claim(name, "refuted", reason="the loss jumps")
    ends: list[Expr] = []
    for slope in chart.first:
        for end in (slope.low, slope.high):
            value = limit_of(slope.leaf, chart.x, end)
            if value in (oo, -oo):
                return Claim(name, "refuted", reason=f"the slope is unbounded towards {end}")
            if value is None:
                return Claim(name, "undecided", reason=f"the limit of the slope at {end} is not determined")
            ends.append(value)
    for slope, second in zip(chart.first, chart.second, strict=True):
        if slope.leaf.has(chart.x) and weak_sign_on(second, chart.x, chart.domains) is None:
            return Claim(name, "undecided", reason="the slope is not shown to be monotone on every cell")
    candidates: list[Expr] = []
    for value in ends:
        at_targets = _over_targets(value, chart)
        if at_targets is None:
            return Claim(name, "undecided", reason="the largest slope over the targets is not found")
        candidates += [_magnitude(v, chart) for v in at_targets]
    largest = sp.Max(*dict.fromkeys(candidates))
    return Claim(name, "proved", value=largest, reason="the slope is monotone on every cell; this is its largest size")


def _over_targets(value: Expr, chart: _Chart) -> list[Expr] | None:
    """Values whose largest size is that of `value` over all targets: for an affine one, those at the ends."""
    for target in sorted(value.free_symbols & set(chart.targets), key=str):
        domain = chart.domains[target]
        ends = (domain.low, domain.high) if isinstance(domain, Interval) else (oo, oo)
        if oo in ends or -oo in ends or value.diff(target).has(target):
            return None
        parts = [_over_targets(value.subs(target, end), chart) for end in ends]
        return None if any(p is None for p in parts) else [v for p in parts if p is not None for v in p]
    return [value]


def _magnitude(value: Expr, chart: _Chart) -> Expr:
    """|value|, without the bars where its sign is the same for all parameters."""
    sign = weak_sign_on(Cell(-oo, oo, value), chart.x, chart.domains)
    return sp.Abs(value) if sign is None else -value if sign == -1 else value


def _bounded_influence(lipschitz: Claim) -> Claim:
    return Claim("bounded_influence", lipschitz.verdict, value=lipschitz.value,
                 reason="the influence of a residual is proportional to the slope: " + lipschitz.reason)  # fmt: skip


def _monotone(chart: _Chart) -> Claim:
    """Nonincreasing in the margin, for margin losses."""
    for kink in chart.kinks:
        if kink.order == 0 and sign_of(kink.right - kink.left) != -1:
            return Claim("monotone", "refuted", witness=(("at", str(kink.at)),), reason="the loss jumps upward")
    signs = [weak_sign_on(cell, chart.x, chart.domains) for cell in chart.first]
    if all(s in (0, -1) for s in signs):
        return Claim("monotone", "proved", reason="the slope in the margin is nowhere positive")
    if any(sign_on(cell, chart.x, chart.domains) == 1 for cell in chart.first):
        return Claim("monotone", "refuted", reason="the slope in the margin is positive on a cell")
    return Claim("monotone", "undecided", reason="the sign of the slope is not decided on every cell")


def _upper_bounds_zero_one(chart: _Chart, monotone: Claim) -> Claim:
    """phi(m) >= [m <= 0]: for a nonincreasing loss, phi(0) >= 1 and a nonnegative limit at infinity."""
    name = "upper_bounds_zero_one"
    at_zero = next(limit_of(c.leaf, chart.x, S.Zero) for c in chart.loss if c.low < 0 <= c.high)
    for kink in chart.kinks:
        if kink.order == 0 and kink.at == 0:
            at_zero = kink.value
    last = limit_of(chart.loss[-1].leaf, chart.x, oo)
    if at_zero is not None and sign_of(define_atoms(at_zero) - 1) == -1:
        return Claim(name, "refuted", witness=(("m", "0"), ("loss", str(define_atoms(at_zero)))),
                     reason="at m = 0 the loss is below 1")  # fmt: skip
    if monotone.verdict == "proved" and at_zero is not None and last is not None:
        enough = sign_of(define_atoms(at_zero) - 1)
        if enough in (0, 1) and (last == oo or sign_of(last) in (0, 1)):
            return Claim(name, "proved", reason="nonincreasing, at least 1 at m = 0, nonnegative at infinity")
    return Claim(name, "undecided", reason="neither a bound nor a witness was found")


def _calibrated(chart: _Chart, convex: Claim) -> Claim:
    """For convex losses: exactly when differentiable at 0 with a negative slope.

    Reference: Bartlett, Jordan, McAuliffe (2006), Convexity, classification, and risk bounds, Theorem 2.
    """
    name = "calibrated"
    if convex.verdict != "proved":
        return Claim(name, "undecided", reason="the loss is not shown to be convex")
    if any(k.at == 0 and k.order == 1 for k in chart.kinks):
        return Claim(name, "refuted", witness=(("m", "0"),), reason="convex, and not differentiable at m = 0")
    slope = next(limit_of(c.leaf, chart.x, S.Zero) for c in chart.first if c.low < 0 <= c.high)
    sign = None if slope is None else sign_of(define_atoms(slope))
    if sign == -1:
        return Claim(name, "proved", reason="convex, differentiable at m = 0, with a negative slope there")
    if sign is not None:
        return Claim(name, "refuted", witness=(("m", "0"),), reason="convex, and the slope at m = 0 is not negative")
    return Claim(name, "undecided", reason="the slope at m = 0 is not decided")


def as_data(claim: Claim) -> dict[str, Any]:
    """A claim as JSON: verdict, and whatever else is known."""
    from ..spec.notation import text

    data: dict[str, Any] = {"verdict": claim.verdict}
    if claim.value is not None:
        data["value"] = "oo" if claim.value == oo else text(claim.value)
    if claim.condition is not None:
        data["condition"] = claim.condition
    if claim.witness:
        data["witness"] = dict(claim.witness)
    if claim.reason:
        data["reason"] = claim.reason
    return data
