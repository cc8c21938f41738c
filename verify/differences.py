"""What are gradient and Hessian, if only values of the loss are known?

Finite differences of the oracle, at a precision where rounding plays no part:
every value of a stencil is an enclosure, so the difference quotient is one
too, and two steps (h and h/2) show how much the step itself matters. The
result is (middle, radius), the radius bounding both.

At a kink the derivative is the mean of the one-sided derivatives. A central
difference is that mean already when the quotients at h and h/2 agree;
otherwise, and at the end of a domain, stencils on one side that leave the
point itself out (the loss may jump there) give each side's own derivative, by
extrapolation. A derivative without a limit is followed over steps that shrink
by powers: what grows is an infinity, what vanishes is 0.

An infinite input stands for the limit: 2**1100 and 2**2200 take its place,
and must agree, grow or vanish.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import lcm

from mpmath import libmp
from mpmath.libmp import finf, fninf, from_int, fzero, mpf_add, mpf_cmp, mpf_mul, mpf_shift, mpf_sub

from . import intervals as iv
from .intervals import AmbiguousError, Interval, Raw, UndefinedError
from .oracle import NARROW_BITS, UNDERFLOW, Oracle

# A value with a bound on its error; infinite values have radius 0. None: undecided.
Estimate = tuple[Raw, Raw]

# Bits. The second difference of a step of 2**-100 loses 200 of them.
PRECISIONS = (320, 640, 1600, 3600, 8300)
STEP_BITS = 100
# The steps' own error must stay below 2**-60 of the value, 1/128 ulp of float64.
AGREEMENT_BITS = 60
# The quotient of enclosures must be narrower than that.
QUOTIENT_BITS = 72
# Steps for what does not settle: each about the square of the one before.
VANISHING_BITS = (330, 660, 1320)
SURROGATES = (libmp.from_man_exp(1, 1100), libmp.from_man_exp(1, 2200))

_NODES = 5


class ExhaustedError(ArithmeticError):
    """The ladder of precisions ended before a quotient was known."""


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


_SIDED = {(order, n): _extrapolation(order, n) for order in (0, 1, 2) for n in (_NODES - 1, _NODES)}


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
        """The exponent of the scale of a coordinate; below 2**-60 only a smooth formula has scale 1."""
        value = self.raw[slot]
        exponent = iv.magnitude(value) if value[1] else -100
        if exponent > -60:
            return exponent
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


def derivative(point: Point, axes: tuple[Axis, ...]) -> Estimate | None:
    """The derivative once in every axis given (one or two, perhaps the same); None when it stays undecided."""
    try:
        if any(iv.is_infinite(v) for v in point.raw):
            return _limit(point, lambda finite: _derivative(finite, axes))
        return _derivative(point, axes)
    except ExhaustedError:
        return None


def _derivative(point: Point, axes: tuple[Axis, ...]) -> Estimate | None:
    units = {axis.slot: point.unit(axis.slot) for axis in axes}
    if all(_inside(point, axis, units) for axis in axes):
        found = _central(point, axes, {s: u - STEP_BITS for s, u in units.items()})
        if found is not None:
            return found
    if any(u > STEP_BITS // 2 for u in units.values()):  # a huge input of a formula that varies on the scale of 1
        found = _central(point, axes, {s: min(u, 0) - STEP_BITS for s, u in units.items()})
        if found is not None:
            return found
    for bits in (STEP_BITS, 4 * STEP_BITS):
        found = _sided_mean(point, axes, {s: u - bits for s, u in units.items()})
        if found is not None:
            return found
    if all(_inside(point, axis, units) for axis in axes):
        found = _central(point, axes, {s: u - 6 * STEP_BITS for s, u in units.items()})
        if found is not None:
            return found
    return _combine([_diverging(point, axes, units, sides) for sides in _sides(point, axes)])


def all_derivatives(point: Point, axes: Sequence[Axis]) -> list[Estimate | None]:
    """Loss, gradient entries, upper triangle of the Hessian, in this order.

    One coordinate is by far the most common case: its five values serve all three.
    """
    loss = value(point)
    orders = [(axis,) for axis in axes] + [(a, b) for i, a in enumerate(axes) for b in axes[i:]]
    if loss is None:
        return [None] * (1 + len(orders))
    if len(axes) == 1:
        both = _central_pair(point, axes[0])
        if both is not None:
            return [loss, *both]
    return [loss, *(derivative(point, order) for order in orders)]


def value(point: Point) -> Estimate | None:
    """The loss itself."""
    if any(iv.is_infinite(v) for v in point.raw):
        return _limit(point, value)
    enclosure = point.oracle.value(point.values)
    return None if enclosure is None else _estimate(enclosure)


def _estimate(x: Interval, extra: Raw = fzero) -> Estimate:
    if iv.is_infinite(x[0]):
        return (x[0], fzero)
    centre = libmp.mpf_pos(iv.middle(x), 300, "n")
    radius = mpf_add(mpf_sub(x[1], x[0], 30, "u"), extra, 30, "u")
    return (centre, radius)


def _inside(point: Point, axis: Axis, units: dict[int, int]) -> bool:
    step = libmp.from_man_exp(1, units[axis.slot] - STEP_BITS)
    x = point.raw[axis.slot]
    return (axis.low is None or mpf_cmp(mpf_sub(x, step), axis.low) >= 0) and (
        axis.high is None or mpf_cmp(mpf_add(x, step), axis.high) <= 0
    )


def _sum(terms: Sequence[tuple[int, Interval]], precision: int) -> Interval:
    total = iv.ZERO
    for weight, enclosure in terms:
        total = iv.add(total, iv.multiply(iv.point(from_int(weight)), enclosure, precision), precision)
    return total


def _shift(x: Interval, bits: int) -> Interval:
    return x if iv.is_infinite(x[0]) else (mpf_shift(x[0], bits), mpf_shift(x[1], bits))


def _settled(coarse: Interval, fine: Interval) -> bool:
    """Whether two enclosures are narrow enough to be compared at all."""
    return all(iv.is_narrow(q, QUOTIENT_BITS) or iv.is_below(q, UNDERFLOW) for q in (coarse, fine))


def _agree(coarse: Interval, fine: Interval, order: int) -> Estimate | None:
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
        better = iv.multiply(_sum(((4, fine), (-1, coarse)), 300), third, 300)
    return _estimate(better, gap)


def _quotients(point: Point, axes: tuple[Axis, ...], steps: dict[int, int], precision: int) -> tuple[Interval, Interval]:
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
        result.append(_shift(_sum(around, precision), -sum(sizes) - shift))
    return result[0], result[1]


def _central(point: Point, axes: tuple[Axis, ...], steps: dict[int, int]) -> Estimate | None:
    for precision in PRECISIONS:
        try:
            coarse, fine = _quotients(point, axes, steps, precision)
        except AmbiguousError:
            continue
        except UndefinedError:
            return None
        if iv.is_infinite(coarse[0]) or iv.is_infinite(fine[0]):
            return None
        if _settled(coarse, fine):
            return _agree(coarse, fine, 2)
    raise ExhaustedError


def _central_pair(point: Point, axis: Axis) -> tuple[Estimate | None, Estimate | None] | None:
    """First and second derivative in one coordinate from the same five values, when both settle."""
    if any(iv.is_infinite(v) for v in point.raw):
        return None
    slot = axis.slot
    exponent = point.unit(slot)
    if not _inside(point, axis, {slot: exponent}):
        return None
    size = exponent - STEP_BITS
    h, half = libmp.from_man_exp(1, size), libmp.from_man_exp(1, size - 1)
    for precision in PRECISIONS:
        try:
            outer = [point.at(precision, (slot, s)) for s in (h, libmp.mpf_neg(h))]
            inner = [point.at(precision, (slot, s)) for s in (half, libmp.mpf_neg(half))]
            centre = point.at(precision)
            slopes = (_shift(_sum(((1, outer[0]), (-1, outer[1])), precision), -size - 1),
                      _shift(_sum(((1, inner[0]), (-1, inner[1])), precision), -size))  # fmt: skip
            if any(iv.is_infinite(s[0]) for s in slopes) or not _settled(*slopes):
                continue
            bends = (_shift(_sum(((1, outer[0]), (-2, centre), (1, outer[1])), precision), -2 * size),
                     _shift(_sum(((1, inner[0]), (-2, centre), (1, inner[1])), precision), -2 * size + 2))  # fmt: skip
        except AmbiguousError:
            continue
        except UndefinedError:
            return None
        if iv.is_infinite(bends[0][0]) or iv.is_infinite(bends[1][0]):
            return None
        if _settled(*bends):
            first, second = _agree(*slopes, order=2), _agree(*bends, order=2)
            return None if first is None or second is None else (first, second)
    return None


Sides = tuple[int, ...]


def _sides(point: Point, axes: tuple[Axis, ...]) -> list[Sides]:
    """The quadrants around the point that lie in the domain, one sign an axis."""
    slots = list(dict.fromkeys(axis.slot for axis in axes))
    choices = []
    for slot in slots:
        axis = next(a for a in axes if a.slot == slot)
        x = point.raw[slot]
        signs = [1] * (axis.high is None or mpf_cmp(x, axis.high) < 0)
        choices.append(signs + [-1] * (axis.low is None or mpf_cmp(x, axis.low) > 0))
    return list(product(*choices))


def _sided(point: Point, axes: tuple[Axis, ...], steps: dict[int, int], sides: Sides, nodes: int, precision: int
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
    total = _sum(terms, precision)
    denominator, sign, shift = 1, 1, 0
    for slot, order, table, side in zip(slots, orders, tables, sides, strict=True):
        denominator *= table[1]
        sign *= side**order
        shift += order * steps[slot]
    return _shift(iv.multiply(total, iv.rational(sign, denominator, precision), precision), -shift)


def _one_side(point: Point, axes: tuple[Axis, ...], steps: dict[int, int], sides: Sides) -> Estimate | None:
    for precision in PRECISIONS:
        try:
            coarse, fine = (_sided(point, axes, steps, sides, n, precision) for n in (_NODES - 1, _NODES))
        except AmbiguousError:
            continue
        except UndefinedError:
            return None
        if iv.is_infinite(coarse[0]) or iv.is_infinite(fine[0]):
            return None
        if _settled(coarse, fine):
            return _agree(coarse, fine, 1)
    raise ExhaustedError


def _sided_mean(point: Point, axes: tuple[Axis, ...], steps: dict[int, int]) -> Estimate | None:
    return _combine([_one_side(point, axes, steps, sides) for sides in _sides(point, axes)])


def _combine(parts: Sequence[Estimate | None]) -> Estimate | None:
    """The mean of one-sided values; None when one is missing or opposite infinities meet."""
    known = [p for p in parts if p is not None]
    if not parts or len(known) < len(parts):
        return None
    infinite = {p[0] for p in known if iv.is_infinite(p[0])}
    if infinite:
        return (infinite.pop(), fzero) if len(infinite) == 1 else None
    total, radius = fzero, fzero
    for centre, r in known:
        total, radius = mpf_add(total, centre, 400, "n"), mpf_add(radius, r, 30, "u")
    count = from_int(len(known))
    return (libmp.mpf_div(total, count, 300, "n"), libmp.mpf_div(radius, count, 30, "u"))


def _diverging(point: Point, axes: tuple[Axis, ...], units: dict[int, int], sides: Sides) -> Estimate | None:
    """What a one-sided derivative does over vanishing steps: an infinity, 0 or nothing known."""
    trail: list[Interval] = []
    for bits in VANISHING_BITS:
        steps = {slot: unit - bits for slot, unit in units.items()}
        for precision in (*PRECISIONS, 16_000):
            try:
                quotient = _sided(point, axes, steps, sides, _NODES, precision)
            except AmbiguousError:
                continue
            except UndefinedError:
                return None
            if iv.is_narrow(quotient, 20) or iv.is_below(quotient, 2 * UNDERFLOW):
                trail.append(quotient)
                break
        else:
            return None
    return _trend(trail)


def _trend(trail: Sequence[Interval]) -> Estimate | None:
    """Infinity for a sequence that grows by at least half each time, 0 for one that vanishes."""
    sizes = [libmp.mpf_abs(iv.middle(x), 60, "n") for x in trail]
    grows = all(mpf_cmp(mpf_mul(from_int(2), b), mpf_mul(from_int(3), a)) > 0
                for a, b in zip(sizes, sizes[1:], strict=False))  # fmt: skip
    signs = {iv.is_negative(iv.middle(x)) for x in trail}
    if grows and len(signs) == 1:
        return (fninf if signs.pop() else finf, fzero)
    falls = all(b == fzero or iv.magnitude(b) < iv.magnitude(a) - 50 for a, b in zip(sizes, sizes[1:], strict=False))
    return (fzero, fzero) if falls else None


def _limit(point: Point, evaluate: Callable[[Point], Estimate | None]) -> Estimate | None:
    """The value where infinite inputs are replaced by ever larger numbers."""
    found: list[Estimate] = []
    for surrogate in SURROGATES:
        raw = [(surrogate if v == finf else libmp.mpf_neg(surrogate)) if iv.is_infinite(v) else v for v in point.raw]
        estimate = evaluate(Point(point.oracle, raw))
        if estimate is None:
            return None
        found.append(estimate)
    first, second = found[0][0], found[1][0]
    if first == second:
        return found[1]
    if iv.is_infinite(first) or iv.is_infinite(second):
        return found[1] if iv.is_infinite(second) and iv.is_negative(first) == iv.is_negative(second) else None
    gap = libmp.mpf_abs(mpf_sub(first, second, 60, "u"))
    if gap == fzero or (second[1] and iv.magnitude(gap) <= iv.magnitude(second) - NARROW_BITS // 2):
        return (second, mpf_add(gap, found[1][1], 30, "u"))
    if all(v == fzero or iv.magnitude(v) < UNDERFLOW for v in (first, second)):
        return (fzero, fzero)
    return _trend([iv.point(first), iv.point(second)])
