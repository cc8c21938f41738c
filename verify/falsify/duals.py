"""What do conjugates and proximal maps mean on samples? Points that do better than the claimed optimum."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from typing import Any

from mpmath import mp, mpf

from .breach import Breach, Breaches, Claim, climb, shown, slope_at, worst
from .functions import INFINITE, Number, Raw, UndefinedError, UnreadableError
from .lines import Line
from .study import Setting, Study

Told = Callable[..., Number]


def sloped(
    study: Study, s: Setting, slope: Callable[[Told, Number], Number], text: str, more: tuple[str, ...] = ()
) -> Breaches:
    """What is said to be the slope of a convex loss is larger than a chord on its right, or smaller than one before."""
    formula = study.compile(text, more)
    for line in s.lines:
        base = {n: v._mpf_ for n, v in line.names.items()}

        def told(x: Number, base: dict[str, Raw] = base, **others: Number) -> Number:
            known = {**base, study.variable: x._mpf_, **{n: v._mpf_ for n, v in others.items()}}
            return mp.make_mpf(formula(known))

        found = []
        for a, b in pairwise(line.x):
            for x, way in ((a, 1), (b, -1)):

                def excess(
                    x: Number = x, way: int = way, a: Number = a, b: Number = b, line: Line = line, told: Told = told
                ) -> Number:
                    return way * (slope(told, x) - slope_at(line, (a, b)))

                try:
                    size, gap = abs(slope(told, x)) + abs(x) / STEEP + (abs(line.f(a)) + 1) / (b - a), excess()
                except UndefinedError:
                    continue
                if gap > 0:
                    what = f"what is said to be the slope at {shown(x)} is not that of this chord"
                    found.append((gap / size * mpf(10) ** 36, Breach(line, (a, b), excess, what)))
        yield from worst(found)


STEEP = mpf(2) ** 20  # a step of the proximal map at which its equation shows the slope


def left_side(value: Mapping[str, Any], right: str) -> str:
    left, _, end = str(value.get("equation")).rpartition(" = ")
    if end != right:
        raise UnreadableError(f"no equation for {right}: {dict(value)}")
    return left


def conjugate(study: Study, s: Setting, claim: Claim) -> Breaches:
    """s*x - f(x) exceeds the claimed supremum."""
    if isinstance(claim.value, Mapping):
        yield from sloped(study, s, lambda told, x: told(x), left_side(claim.value, "s"))
        return
    formula = study.compile(str(claim.value), ("s",))
    for line in s.lines:
        base = {n: v._mpf_ for n, v in line.names.items()}
        for slope in dual_points(line):

            def goal(slope: Number = slope, base: dict[str, Raw] = base) -> Number:
                return mp.make_mpf(formula({**base, "s": slope._mpf_}))

            try:
                top = goal()
            except UndefinedError as error:
                beside = [slope + w * (abs(slope) + 1) * mpf(10) ** -20 for w in (1, -1)]
                if str(error) == INFINITE and all(infinite(goal, b) for b in beside):
                    what = f"s*x - f(x) is bounded at s = {shown(slope)}, between two slopes of f"
                    yield Breach(line, (line.x[0],), partial(within_slopes, line, slope), what)
                continue
            found = []
            for x, y in zip(line.x, line.y, strict=True):
                excess = slope * x - y - top
                if excess > 0:
                    margin = lambda x=x, slope=slope, line=line, goal=goal: slope * x - line.f(x) - goal()  # noqa: E731
                    breach = Breach(line, (x,), margin, f"s*x - f(x) is larger at s = {shown(slope)}")
                    found.append((excess / (abs(top) + 1) * mpf(10) ** 36, breach))
            yield from worst(found)
            best = max(range(len(line.x)), key=lambda i: slope * line.x[i] - line.y[i])
            if 0 < best < len(line.x) - 1:

                def dual(x: Number, slope: Number = slope, line: Line = line) -> Number | None:
                    v = line.try_f(x)
                    return None if v is None else slope * x - v

                reached = climb(dual, line.x[best - 1], line.x[best + 1])[1]
                if top - reached > (abs(top) + 1) / 1000:
                    what = f"s*x - f(x) at s = {shown(slope)} stays below {shown(top)}"
                    yield Breach(line, (line.x[best],), lambda: mpf(1), what)


def within_slopes(line: Line, slope: Number) -> Number:
    """How far a slope lies within those of the chords of f that rounding cannot fake."""
    chords = [(line.x[i], line.x[i + 1]) for i in range(len(line.x) - 1) if line.noise(i, i + 1) < mpf(10) ** -6]
    slopes = [slope_at(line, chord) for chord in chords]
    return min(slope - min(slopes), max(slopes) - slope) if slopes else mpf(0)


def infinite(goal: Callable[[Number], Number], at: Number) -> bool:
    try:
        goal(at)
    except UndefinedError as error:
        return str(error) == INFINITE
    return False


def dual_points(line: Line) -> list[Number]:
    """Slopes of f between samples of ordinary size, one amid them, and two that are steeper."""
    some = [d for x, d in zip(line.x, line.slopes(), strict=False) if mpf(10) ** -3 < abs(x) < 50]
    others = [min(some) - 1, (min(some) + max(some)) / 2, max(some) + 1] if some else []
    return some[:: max(1, len(some) // 8)] + others


def prox(study: Study, s: Setting, claim: Claim) -> Breaches:
    """f(x) + (x - v)**2/(2*lambda) is lower elsewhere."""
    if isinstance(claim.value, Mapping):
        left = left_side(claim.value, "v")
        yield from sloped(study, s, lambda told, x: (told(x, lambda_=STEEP) - x) / STEEP, left, ("lambda_",))
        return
    formula = study.compile(str(claim.value), ("v", "lambda_"))
    for line in s.lines:
        base = {n: v._mpf_ for n, v in line.names.items()}
        some = [x for x in line.x if mpf(10) ** -3 < abs(x) < 50]
        for i, v in enumerate(some[:: max(1, len(some) // 8)]):
            step = mpf((0.5, 1, 3, 0.0625)[i % 4])

            def where(v: Number = v, step: Number = step, base: dict[str, Raw] = base) -> Number:
                return mp.make_mpf(formula({**base, "v": v._mpf_, "lambda_": step._mpf_}))

            def objective(x: Number, v: Number = v, step: Number = step, line: Line = line) -> Number:
                return line.f(x) + (x - v) ** 2 / (2 * step)

            try:
                here = objective(where())
            except UndefinedError:
                continue
            found = []
            for x, y in zip(line.x, line.y, strict=True):
                excess = here - y - (x - v) ** 2 / (2 * step)
                if excess > 0:
                    margin = lambda x=x, objective=objective, where=where: objective(where()) - objective(x)  # noqa: E731
                    breach = Breach(
                        line,
                        (x,),
                        margin,
                        f"lower than at the proximal point of v = {shown(v)}, lambda = {shown(step)}",
                    )
                    found.append((excess / (abs(here) + 1) * mpf(10) ** 36, breach))
            yield from worst(found)
