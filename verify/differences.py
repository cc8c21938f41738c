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
from itertools import pairwise

from mpmath import libmp
from mpmath.libmp import finf, fninf, from_int, fzero, mpf_add, mpf_cmp, mpf_mul, mpf_sub

from . import intervals as iv
from .intervals import AmbiguousError, Interval, UndefinedError
from .oracle import NARROW_BITS, UNDERFLOW
from .stencils import (
    NODES,
    PRECISIONS,
    STEP_BITS,
    Axis,
    Estimate,
    Point,
    Sides,
    agree,
    as_estimate,
    inside,
    quotients,
    settled,
    shifted,
    sided,
    sides_of,
    weighted_sum,
)  # fmt: skip

# Steps for what does not settle: each about the square of the one before.
VANISHING_BITS = (330, 660, 1320)
SURROGATES = (libmp.from_man_exp(1, 1100), libmp.from_man_exp(1, 2200))


class ExhaustedError(ArithmeticError):
    """The ladder of precisions ended before a quotient was known."""


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
    if all(inside(point, axis, units) for axis in axes):
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
    if all(inside(point, axis, units) for axis in axes):
        try:
            found = _central(point, axes, {s: u - 6 * STEP_BITS for s, u in units.items()})
        except ExhaustedError:  # as where both sides vanish: one side at a time may still be known
            found = None
        if found is not None:
            return found
    return _combine([_diverging(point, axes, units, sides) for sides in sides_of(point, axes)])


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
    return None if enclosure is None else as_estimate(enclosure)


def _central(point: Point, axes: tuple[Axis, ...], steps: dict[int, int]) -> Estimate | None:
    for precision in PRECISIONS:
        try:
            coarse, fine = quotients(point, axes, steps, precision)
        except AmbiguousError:
            continue
        except UndefinedError:
            return None
        if iv.is_infinite(coarse[0]) or iv.is_infinite(fine[0]):
            return None
        if settled(coarse, fine):
            return agree(coarse, fine, 2)
    raise ExhaustedError


def _central_pair(point: Point, axis: Axis) -> tuple[Estimate | None, Estimate | None] | None:
    """First and second derivative in one coordinate from the same five values, when both settle."""
    if any(iv.is_infinite(v) for v in point.raw):
        return None
    slot = axis.slot
    exponent = point.unit(slot)
    if not inside(point, axis, {slot: exponent}):
        return None
    size = exponent - STEP_BITS
    h, half = libmp.from_man_exp(1, size), libmp.from_man_exp(1, size - 1)
    for precision in PRECISIONS:
        try:
            outer = [point.at(precision, (slot, s)) for s in (h, libmp.mpf_neg(h))]
            inner = [point.at(precision, (slot, s)) for s in (half, libmp.mpf_neg(half))]
            centre = point.at(precision)
            slopes = (shifted(weighted_sum(((1, outer[0]), (-1, outer[1])), precision), -size - 1),
                      shifted(weighted_sum(((1, inner[0]), (-1, inner[1])), precision), -size))  # fmt: skip
            if any(iv.is_infinite(s[0]) for s in slopes) or not settled(*slopes):
                continue
            centred = ((1, inner[0]), (-2, centre), (1, inner[1]))
            bends = (shifted(weighted_sum(((1, outer[0]), (-2, centre), (1, outer[1])), precision), -2 * size),
                     shifted(weighted_sum(centred, precision), -2 * size + 2))  # fmt: skip
        except AmbiguousError:
            continue
        except UndefinedError:
            return None
        if iv.is_infinite(bends[0][0]) or iv.is_infinite(bends[1][0]):
            return None
        if settled(*bends):
            first, second = agree(*slopes, order=2), agree(*bends, order=2)
            return None if first is None or second is None else (first, second)
    return None


def _one_side(point: Point, axes: tuple[Axis, ...], steps: dict[int, int], sides: Sides) -> Estimate | None:
    for precision in PRECISIONS:
        try:
            coarse, fine = (sided(point, axes, steps, sides, n, precision) for n in (NODES - 1, NODES))
        except AmbiguousError:
            continue
        except UndefinedError:
            return None
        if iv.is_infinite(coarse[0]) or iv.is_infinite(fine[0]):
            return None
        if settled(coarse, fine):
            return agree(coarse, fine, 1)
    raise ExhaustedError


def _sided_mean(point: Point, axes: tuple[Axis, ...], steps: dict[int, int]) -> Estimate | None:
    return _combine([_one_side(point, axes, steps, sides) for sides in sides_of(point, axes)])


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
                quotient = sided(point, axes, steps, sides, NODES, precision)
            except AmbiguousError:
                continue
            except UndefinedError:
                return None
            if iv.is_below(quotient, 2 * UNDERFLOW):  # of a constant side there is nothing left but rounding
                trail.append(iv.ZERO)
                break
            if iv.is_narrow(quotient, 20):
                trail.append(quotient)
                break
        else:
            return None
    return _trend(trail)


def _trend(trail: Sequence[Interval]) -> Estimate | None:
    """Infinity for a sequence that grows by at least half each time, 0 for one that vanishes."""
    sizes = [libmp.mpf_abs(iv.middle(x), 60, "n") for x in trail]
    grows = all(mpf_cmp(mpf_mul(from_int(2), b), mpf_mul(from_int(3), a)) > 0
                for a, b in pairwise(sizes))  # fmt: skip
    signs = {iv.is_negative(iv.middle(x)) for x in trail}
    if grows and len(signs) == 1:
        return (fninf if signs.pop() else finf, fzero)
    falls = all(b == fzero or iv.magnitude(b) < iv.magnitude(a) - 50 for a, b in pairwise(sizes))
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
    # What stays below 2**8 from 2**1100 to 2**2200 may as well oscillate.
    found_trend = _trend([iv.point(first), iv.point(second)])
    if found_trend is not None and iv.is_infinite(found_trend[0]) and iv.magnitude(second) <= 8:
        return None
    return found_trend


__all__ = ["Axis", "Estimate", "Point", "all_derivatives", "derivative", "value"]
