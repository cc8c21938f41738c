"""What do values of the loss next to a point say about its derivatives?

Every value of a stencil is an enclosure, so a difference quotient is one too.
Central quotients come with a step and half of it; one-sided ones extrapolate
from nodes that leave the point itself out, where the loss may jump.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import lcm

from mpmath import libmp
from mpmath.libmp import from_int, fzero, mpf_add, mpf_cmp, mpf_mul, mpf_shift, mpf_sub

from . import intervals as iv
from .intervals import Interval, Raw
from .oracle import UNDERFLOW, Oracle

# A value with a bound on its error; infinite values have radius 0. None: undecided.
Estimate = tuple[Raw, Raw]

# Bits. The second difference of a step of 2**-100 loses 200 of them.
PRECISIONS = (320, 640, 1600, 3600, 8300)
STEP_BITS = 100
# The steps' own error must stay below 2**-60 of the value, 1/128 ulp of float64.
AGREEMENT_BITS = 60
# The quotient of enclosures must be narrower than that.
QUOTIENT_BITS = 72
# Nodes of a one-sided stencil; one less shows the error.
NODES = 5


@dataclass(frozen=True, slots=True)
class Axis:
    """A coordinate to differentiate in, and the ends of its domain (None: no end)."""

    slot: int
    low: Raw | None = None
    high: Raw | None = None


def _extrapolation(order: int, nodes: int) -> tuple[tuple[int, ...], int]:
    """Weights w and d with f^(order)(0) = sum(w_t f(t h))/(d h**order) + O(h**(nodes - order)), t = 1 … nodes."""
    weights: list[Fraction] = []
    for t in range(1, nodes + 1):
        polynomial = [Fraction(1)]  # of the Lagrange basis, lowest power first
        for other in range(1, nodes + 1):
            if other != t:
                shifted = [Fraction(0), *polynomial]
                polynomial = [a - other * b for a, b in zip(shifted, [*polynomial, Fraction(0)], strict=True)]
                polynomial = [c / (t - other) for c in polynomial]
        weights.append(polynomial[order] * (1 if order < 2 else order))
    denominator = lcm(*(w.denominator for w in weights))
    return tuple(int(w * denominator) for w in weights), denominator


_SIDED = {(order, n): _extrapolation(order, n) for order in (0, 1, 2) for n in (NODES - 1, NODES)}


class Point:
    """The oracle near one point: values at steps along coordinates, at one precision."""

    def __init__(self, oracle: Oracle, values: Sequence[Raw]) -> None:
        self.oracle = oracle
        self.raw = list(values)
        self.values = [iv.point(v) for v in values]

    def at(self, precision: int, *moves: tuple[int, Raw]) -> Interval:
        """The loss with `moves` (slot, step) added to the point, exactly."""
        values = list(self.values)
        for slot, step in moves:
            values[slot] = iv.point(mpf_add(values[slot][0], step))
        return self.oracle.enclose(values, precision)

    def unit(self, slot: int) -> int:
        """The exponent of the scale of a coordinate; below 2**-60 only a smooth formula has scale 1.

        So has one whose difference from another coordinate may matter, however huge both are.
        """
        value = self.raw[slot]
        exponent = iv.magnitude(value) if value[1] else -100
        if exponent > -60:
            others = (iv.magnitude(v) for i, v in enumerate(self.raw) if i != slot and v[1])
            matched = exponent > STEP_BITS // 2 and any(abs(o - exponent) <= 2 for o in others)
            return min(exponent, 0) if matched or self.oracle.oscillates else exponent
        wide = list(self.values)
        reach = libmp.from_man_exp(1, -40)
        wide[slot] = (mpf_sub(value, reach), mpf_add(value, reach))
        return 0 if self.oracle.is_smooth(wide) else exponent

    def is_smooth(self, slot: int) -> bool:
        """Whether no kink lies at the point: the formula is one piece from x - h to x + h."""
        value = self.raw[slot]
        exponent = iv.magnitude(value) if value[1] else 0
        step = libmp.from_man_exp(1, exponent - STEP_BITS)
        wide = list(self.values)
        wide[slot] = (mpf_sub(value, step), mpf_add(value, step))
        return self.oracle.is_smooth(wide, 400)


def as_estimate(x: Interval, extra: Raw = fzero) -> Estimate:
    if iv.is_infinite(x[0]):
        return (x[0], fzero)
    centre = libmp.mpf_pos(iv.middle(x), 300, "n")
    radius = mpf_add(mpf_sub(x[1], x[0], 30, "u"), extra, 30, "u")
    return (centre, radius)


def inside(point: Point, axis: Axis, units: dict[int, int]) -> bool:
    step = libmp.from_man_exp(1, units[axis.slot] - STEP_BITS)
    x = point.raw[axis.slot]
    return (axis.low is None or mpf_cmp(mpf_sub(x, step), axis.low) >= 0) and (
        axis.high is None or mpf_cmp(mpf_add(x, step), axis.high) <= 0
    )


def weighted_sum(terms: Sequence[tuple[int, Interval]], precision: int) -> Interval:
    total = iv.ZERO
    for weight, enclosure in terms:
        total = iv.add(total, iv.multiply(iv.point(from_int(weight)), enclosure, precision), precision)
    return total


def shifted(x: Interval, bits: int) -> Interval:
    return x if iv.is_infinite(x[0]) else (mpf_shift(x[0], bits), mpf_shift(x[1], bits))


def settled(coarse: Interval, fine: Interval) -> bool:
    """Whether two enclosures are narrow enough to be compared at all."""
    return all(iv.is_narrow(q, QUOTIENT_BITS) or iv.is_below(q, UNDERFLOW) for q in (coarse, fine))


def agree(coarse: Interval, fine: Interval, order: int) -> Estimate | None:
    """Richardson's value from steps h and h/2, with their difference as the bound; None when they disagree."""
    if iv.is_infinite(coarse[0]) or iv.is_infinite(fine[0]):
        return None
    if iv.is_below(coarse, UNDERFLOW) and iv.is_below(fine, UNDERFLOW):
        return (fzero, fzero)
    gap = libmp.mpf_abs(mpf_sub(iv.middle(coarse), iv.middle(fine), 60, "u"))
    if gap != fzero and iv.magnitude(gap) > iv.magnitude(iv.middle(fine)) - AGREEMENT_BITS:
        return None
    better = fine
    if order == 2:  # the error falls by 4 with the step: (4 fine - coarse)/3
        third = iv.rational(1, 3, 300)
        better = iv.multiply(weighted_sum(((4, fine), (-1, coarse)), 300), third, 300)
    return as_estimate(better, gap)


def quotients(point: Point, axes: tuple[Axis, ...], steps: dict[int, int], precision: int) -> tuple[Interval, Interval]:
    """Central quotients with the steps 2**steps and half of them."""
    result = []
    for halving in (0, 1):
        sizes = [steps[axis.slot] - halving for axis in axes]
        h = [libmp.from_man_exp(1, s) for s in sizes]
        if len(axes) == 2 and axes[0].slot == axes[1].slot:
            slot = axes[0].slot
            around = [(1, point.at(precision, (slot, h[0]))), (-2, point.at(precision)),
                      (1, point.at(precision, (slot, libmp.mpf_neg(h[0]))))]  # fmt: skip
            shift = 0
        else:
            around = []
            for signs in product((1, -1), repeat=len(axes)):
                moves = [(a.slot, size if s > 0 else libmp.mpf_neg(size))
                         for a, size, s in zip(axes, h, signs, strict=True)]  # fmt: skip
                weight = 1
                for s in signs:
                    weight *= s
                around.append((weight, point.at(precision, *moves)))
            shift = len(axes)
        result.append(shifted(weighted_sum(around, precision), -sum(sizes) - shift))
    return result[0], result[1]


Sides = tuple[int, ...]


def sides_of(point: Point, axes: tuple[Axis, ...]) -> list[Sides]:
    """The quadrants around the point that lie in the domain, one sign an axis."""
    slots = list(dict.fromkeys(axis.slot for axis in axes))
    choices = []
    for slot in slots:
        axis = next(a for a in axes if a.slot == slot)
        x = point.raw[slot]
        signs = [1] * (axis.high is None or mpf_cmp(x, axis.high) < 0)
        choices.append(signs + [-1] * (axis.low is None or mpf_cmp(x, axis.low) > 0))
    return list(product(*choices))


def sided(point: Point, axes: tuple[Axis, ...], steps: dict[int, int], sides: Sides, nodes: int, precision: int
           ) -> Interval:  # fmt: skip
    """The derivative on one side, extrapolated from nodes h, 2h, … that leave the point out."""
    slots = list(dict.fromkeys(axis.slot for axis in axes))
    orders = [sum(a.slot == slot for a in axes) for slot in slots]
    tables = [_SIDED[order, nodes] for order in orders]
    terms: list[tuple[int, Interval]] = []
    for picks in product(range(1, nodes + 1), repeat=len(slots)):
        weight, moves = 1, []
        for slot, table, pick, side in zip(slots, tables, picks, sides, strict=True):
            weight *= table[0][pick - 1]
            moves.append((slot, mpf_mul(from_int(side * pick), libmp.from_man_exp(1, steps[slot]))))
        terms.append((weight, point.at(precision, *moves)))
    total = weighted_sum(terms, precision)
    denominator, sign, shift = 1, 1, 0
    for slot, order, table, side in zip(slots, orders, tables, sides, strict=True):
        denominator *= table[1]
        sign *= side**order
        shift += order * steps[slot]
    return shifted(iv.multiply(total, iv.rational(sign, denominator, precision), precision), -shift)
