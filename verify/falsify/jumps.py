"""Where do f and its derivatives jump? What continuity and differentiability mean on samples."""

from __future__ import annotations

from mpmath import mp, mpf

from .breach import Breach, Breaches, Claim
from .functions import Number, UndefinedError, UnreadableError
from .lines import Kink, Line
from .study import Setting, Study


def rough(line: Line, k: Kink, order: int) -> bool | None:
    """Whether a one-sided derivative of this order jumps, or diverges, at a breakpoint; None: not seen."""
    found = rough_at(line, k, order, 350)
    return found if not found or rough_at(line, k, order, 600) else None


def rough_at(line: Line, k: Kink, order: int, digits: int) -> bool | None:
    with mp.workdps(digits):
        b = line.bisect(k)
        w = line.scale(b.at)
        try:
            sides = [[quotient(line, b.at, side * w * mpf(10) ** -j, order) for side in (-1, 1)] for j in (20, 60)]
            noise = (
                mpf(10) ** (25 - digits) * (abs(line.f(b.at + w * mpf(10) ** -60)) + 1) / (w * mpf(10) ** -60) ** order
            )
            if order == 0 and b.switch is None:
                here = line.f(b.at)
                sides = [[*row, here] for row in sides]
        except UndefinedError:
            return None
        (far, near), (size, least) = (
            [max(row) - min(row) for row in sides],
            [max(abs(v) for v in row) for row in sides],
        )
        if near <= noise and least <= noise:
            return False
        if least > size * 3 / 2 and least > noise:
            return True
        if near <= far * mpf(10) ** -10 or near <= least * mpf(10) ** -25 or near <= noise:
            return False
        # A power such as t**1e-6 falls by almost nothing, too; what jumps between smooth sides changes by 1e-20.
        return True if abs(near - far) <= far * mpf(10) ** -15 else None


def quotient(line: Line, b: Number, h: Number, order: int) -> Number:
    """The forward difference quotient of an order, from b + h on."""
    total = sum((-1) ** (order - i) * mp.binomial(order, i) * line.f(b + (i + 1) * h) for i in range(order + 1))
    return total / h**order


def roughness(study: Study, line: Line, order: int) -> list[tuple[Kink, bool | None]]:
    key = (id(line), order)
    if key not in study.rough:
        study.rough[key] = [(k, rough(line, k, order)) for k in line.kinks[:12]]
    return study.rough[key]


def rough_up_to(study: Study, s: Setting, order: int) -> Breaches:
    """Breakpoints at which f is not of class C^order."""
    for line in s.lines[:6]:
        for n in range(order + 1):
            for k, found in roughness(study, line, n):
                if found:
                    yield Breach(line, (k.at,), lambda: mpf(1), f"derivative {n} jumps" if n else "f jumps")
                    return


def continuous(study: Study, s: Setting, claim: Claim) -> Breaches:
    yield from rough_up_to(study, s, 0)
    for line in s.lines:
        missing = [x for x in line.undefined if abs(x) <= 20]
        if missing and line.ordinary:
            yield Breach(line, (missing[0],), lambda: mpf(1), "f is not defined here")


def smoothness(study: Study, s: Setting, claim: Claim) -> int | None:
    """The k of the class C^k that a claim tells of these parameters: 1 if it tells none, None for oo or not known."""
    told = "1" if claim.value is None else study.case(str(claim.value), s.names)
    if told in ("oo", None):
        return None
    if not told.isdigit():
        raise UnreadableError(f"{claim.value!r} is neither oo nor a number")
    return int(told)


def differentiable(study: Study, s: Setting, claim: Claim) -> Breaches:
    order = smoothness(study, s, claim)
    return rough_up_to(study, s, 4 if order is None else min(order, 6))


def unseen_order(study: Study, s: Setting, claim: Claim) -> int | None:
    """The order of a derivative that should jump, for f is said to be of no higher class, and jumps nowhere."""
    order = None if claim.value is None else smoothness(study, s, claim)
    if order is None or order >= 6:
        return None
    seen = [r for line in s.lines[:6] for _, r in roughness(study, line, order + 1)]
    return None if any(seen) or None in seen else order + 1
