"""What do convexity, slopes and their bounds mean on samples? Chords that bend the wrong way, or are too steep."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from mpmath import mp, mpf

from .breach import SLACK, TOP, Breach, Breaches, Claim, bend_at, goal_of, slope_at, worst
from .functions import Number, UndefinedError
from .jumps import rough_up_to
from .lines import Line, grows, vanishes
from .reading import fraction
from .study import Setting, Study


def bent(study: Study, s: Setting, goal: str | None, sign: int, what: str) -> Breaches:
    """Second divided differences below a goal (sign 1), or above it (-1)."""
    for line in s.lines:
        target = goal_of(study, line, goal)
        try:
            least = target()
        except UndefinedError:
            continue

        def margin(points: Sequence[Number], line: Line = line, target: Callable[[], Number] = target) -> Number:
            goal = target()
            return sign * (goal - bend_at(line, points)) - SLACK * abs(goal)

        found = []
        for d, *index in line.bends():
            excess = sign * (least - d) - SLACK * abs(least)
            if excess > 0:
                points = tuple(line.x[i] for i in index)
                found.append((excess / line.noise(*index), Breach(line, points, partial(margin, points), what)))
        yield from worst(found)
        far = []
        for tail in line.tails():
            for x, d in zip(tail.xs, tail.bend, strict=True):
                if sign * (least - d) > SLACK * abs(least):
                    h = abs(x) * mpf(2) ** -20
                    points = (x - h, x, x + h)
                    if all(study.domain.has(p) for p in points):
                        far.append(Breach(line, points, partial(margin, points), what))
        yield from far[:TOP]


def convex(study: Study, s: Setting, claim: Claim) -> Breaches:
    return bent(study, s, None, 1, "f at the middle point lies above the chord")


def strictly_convex(study: Study, s: Setting, claim: Claim) -> Breaches:
    yield from convex(study, s, claim)
    for line in s.lines:
        flat = [index for d, *index in line.bends() if abs(d) <= 100 * line.noise(*index)]
        flat.sort(key=lambda index: max(abs(line.x[i]) for i in index))
        for index in flat[:: max(1, len(flat) // (2 * TOP))][: 2 * TOP + 1]:
            a, b, c = points = tuple(line.x[i] for i in index)

            def null(f: Any, value: Any, a: Number = a, b: Number = b, c: Number = c) -> Any:
                u, v, w = (fraction(x) if value is None else x for x in (a, b, c))
                return (f(c) - f(b)) * (v - u) - (f(b) - f(a)) * (w - v)

            yield Breach(line, points, lambda: mpf(0), "three points of f lie on a straight line", null)


def strongly_convex(study: Study, s: Setting, claim: Claim) -> Breaches:
    return bent(study, s, claim.limit, 1, "f less value*x**2/2 is not convex")


def weakly_convex(study: Study, s: Setting, claim: Claim) -> Breaches:
    return bent(study, s, f"-({claim.limit})" if claim.limit else "0", 1, "f plus value*x**2/2 is not convex")


def steep(study: Study, s: Setting, goal: str, within: bool, what: str) -> Breaches:
    """Difference quotients larger than a goal; `within`: only between neighbouring breakpoints."""
    for line in s.lines:
        target = goal_of(study, line, goal)
        try:
            most = target() * (1 + SLACK)
        except UndefinedError:
            continue

        def margin(points: Sequence[Number], line: Line = line, target: Callable[[], Number] = target) -> Number:
            return abs(slope_at(line, points)) - target() * (1 + SLACK)

        kinks = [k.at for k in line.kinks] if within else []
        found = []
        for i, d in enumerate(line.slopes()):
            excess = abs(d) - most
            if excess > 0 and not any(line.x[i] <= k <= line.x[i + 1] for k in kinks):
                points = (line.x[i], line.x[i + 1])
                found.append((excess / line.noise(i, i + 1), Breach(line, points, partial(margin, points), what)))
        yield from worst(found)
        for tail in line.tails():
            for x, d in zip(tail.xs, tail.slope, strict=True):
                points = (x, x * (1 + mpf(2) ** -20))
                if abs(d) > most and study.domain.has(points[1]) and not within:
                    yield Breach(line, points, partial(margin, points), what)
                    break


def unlimited(lines: Iterable[Line], kind: str, what: str) -> Breaches:
    """A quotient or value that grows without limit towards a place, though no bound is given."""
    for line in lines:
        for tail in line.tails():
            values = [abs(v) for v in getattr(tail, kind)] if kind != "f" else tail.f
            # What oscillates rises by chance, and not along two ways.
            if grows(values) and not tail.swings and grows(tail.beside(line, kind)):
                yield Breach(line, tuple(tail.xs[-2:]), lambda: mpf(1), what)


def lipschitz(study: Study, s: Setting, claim: Claim) -> Breaches:
    if claim.limit is not None:
        yield from steep(study, s, claim.limit, False, "a difference quotient is larger")
    else:
        yield from rough_up_to(study, s, 0)
        yield from unlimited(s.lines, "slope", "difference quotients grow without limit")


def bounded_influence(study: Study, s: Setting, claim: Claim) -> Breaches:
    if claim.limit is not None:
        return steep(study, s, claim.limit, True, "a difference quotient is larger")
    return unlimited(s.lines, "slope", "difference quotients grow without limit")


def smooth(study: Study, s: Setting, claim: Claim) -> Breaches:
    yield from rough_up_to(study, s, 1)
    if claim.limit is None:
        yield from unlimited(s.lines, "bend", "second differences grow without limit")
    else:
        yield from bent(study, s, claim.limit, -1, "a second difference is larger")
        yield from bent(study, s, f"-({claim.limit})", 1, "a second difference is smaller than -value")


def symmetric(study: Study, s: Setting, claim: Claim) -> Breaches:
    for line in s.lines:
        at = dict(zip(line.x, line.y, strict=True))
        found = []
        for x, y in at.items():
            if x > 0 and -x in at and abs(y - at[-x]) > mpf(10) ** -30 * (abs(y) + mpf(10) ** -10):
                margin = lambda x=x, line=line: abs(line.f(x) - line.f(-x))  # noqa: E731
                found.append(
                    (
                        abs(y - at[-x]) / (abs(y) + 1) * mpf(10) ** 36,
                        Breach(line, (x,), margin, "f(x) and f(-x) differ"),
                    )
                )
        yield from worst(found)


def monotone(study: Study, s: Setting, claim: Claim) -> Breaches:
    for line in s.lines:
        found = []
        for i, d in enumerate(line.slopes()):
            if d > 0:
                points = (line.x[i], line.x[i + 1])
                breach = Breach(line, points, partial(slope_at, line, points), "f rises")
                found.append((d / line.noise(i, i + 1), breach))
        yield from worst(found)


def quasiconvex(study: Study, s: Setting, claim: Claim) -> Breaches:
    for line in s.lines:
        n = len(line.x)
        before, after = list(range(n)), list(range(n))
        for i in range(1, n):
            before[i] = i if line.y[i] < line.y[before[i - 1]] else before[i - 1]
            after[n - 1 - i] = n - 1 - i if line.y[n - 1 - i] < line.y[after[n - i]] else after[n - i]
        found = []
        for j in range(n):
            i, k = before[j], after[j]
            excess = line.y[j] - max(line.y[i], line.y[k])
            if excess > 0:
                points = (line.x[i], line.x[j], line.x[k])

                def margin(points: Sequence[Number] = points, line: Line = line) -> Number:
                    a, b, c = (line.f(x) for x in points)
                    return b - max(a, c)

                size = (abs(line.y[j]) + 1) * mpf(10) ** -38
                found.append((excess / size, Breach(line, points, margin, "f is higher between two points")))
        yield from worst(found)


def redescending(study: Study, s: Setting, claim: Claim) -> Breaches:
    for line in s.lines:
        for tail in line.tails():
            sizes = [abs(v) for v in tail.slope]
            if (
                tail.infinite
                and len(sizes) > 2
                and not (vanishes(sizes) and (not tail.swings or tail.local[-1] < max(tail.local) / 100))
            ):
                yield Breach(line, (tail.xs[-1],), lambda: mpf(1), "the slope does not tend to 0")


def self_concordant(study: Study, s: Setting, claim: Claim) -> Breaches:
    yield from convex(study, s, claim)
    yield from rough_up_to(study, s, 2)
    if claim.limit is None:
        return
    for line in s.lines:
        found = []
        for x in line.x:
            if abs(x) > 1000 or any(abs(x - k.at) <= abs(k.at) * mpf(10) ** -6 for k in line.kinks):
                continue
            margin = partial(concordance, study, line, x, claim.limit)
            with mp.workdps(90):
                try:
                    excess = margin()
                except UndefinedError:
                    continue
            if excess > 0:
                found.append((excess, Breach(line, (x,), margin, "the third derivative is larger")))
        found.sort(key=lambda f: f[0], reverse=True)
        yield from (b for _, b in found[: 2 * TOP])


def concordance(study: Study, line: Line, x: Number, text: str) -> Number:
    """By how much |f'''|/f''**1.5 exceeds 2*value, by central differences; 0 where f'' is not seen to be positive."""
    h = line.scale(x) * mpf(10) ** -(mp.dps // 5)
    a, b, c, d, e = (line.f(x + i * h) for i in (-2, -1, 0, 1, 2))
    second, third = (b - 2 * c + d) / h**2, (e - 2 * d + 2 * b - a) / (2 * h**3)
    if second <= (abs(c) + 1) * mpf(10) ** -(mp.dps // 10):
        return mpf(0)
    most = 2 * study.value(text, line.names)
    excess = abs(third) / second ** mpf(1.5) - most
    return excess if excess > mpf(10) ** -8 * (most + mpf(10) ** -4) else mpf(0)
