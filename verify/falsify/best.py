"""Is the value that is said to be the best approached, and the end that is said to be attained?"""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from mpmath import mp, mpf

from .breach import CONFIRM, Breach, Claim, bend_at, climb, lowest, shown, slope_at
from .functions import Number, UndefinedError
from .lines import Line, grows, vanishes
from .study import Setting, Study
from .values import by_case, halves, meets


def steepest(s: Setting) -> Number:
    """The largest slope found."""
    best, where = mpf(0), None
    for line in s.lines:
        for i, d in enumerate(line.slopes()):
            if abs(d) > best:
                best, where = abs(d), (line, i)
        best = max([best, *(abs(d) for tail in line.tails() for d in tail.slope)])
    if where is not None:
        line, i = where
        best = max(best, local(line, (i, i + 1), lambda x, h: abs(slope_at(line, (x, x + h)))))
    return best


def local(line: Line, index: Sequence[int], quotient: Callable[[Number, Number], Number]) -> Number:
    """The largest quotient over a tiny step, searched from a pair or triple of samples, and from samples everywhere."""
    n = len(line.x)
    a, b = line.x[max(0, index[0] - 1)], line.x[min(n - 1, index[-1] + 1)]
    with mp.workdps(80):
        h = (b - a) * mpf(10) ** -15

        def g(x: Number) -> Number | None:
            try:
                return quotient(x, h)
            except UndefinedError:
                return None

        near = [a + (b - a) * k / 16 for k in range(1, 16)]
        tries = [(v, x) for x in near + line.x[1 : n - 1 : max(1, n // 60)] if (v := g(x)) is not None]
        if not tries:
            return mpf(0)
        v, x = max(tries)
        low, high = line.domain.low, line.domain.high
        if x in near:
            left, right = x - (b - a) / 8, x + (b - a) / 8
        else:
            i = bisect.bisect(line.x, x)
            left, right = line.x[max(0, i - 3)], line.x[min(n - 1, i + 2)]
        narrow = min([right - left, *(abs(p) / 4 for p in line.names.values() if p)]) / 2
        for a, b in ((left, right), (x - narrow, x + narrow)):
            start, end = a if low is None else max(a, low + 2 * h), b if high is None else min(b, high - 2 * h)
            v = max(v, climb(g, start, end, 40)[1])
        return v


def most_bent(s: Setting, sign: int) -> Number:
    """The largest second difference (sign 1), or the largest of the negated ones (-1)."""
    best, where = mpf("-1e1000000"), None
    for line in s.lines:
        for d, *index in line.bends():
            if sign * d > best and line.noise(*index) < abs(d) / 1000:
                best, where = sign * d, (line, index)
            elif sign * d > best and line.noise(*index) < mpf(10) ** -9:
                best = sign * d
        best = max([best, *(sign * d for tail in line.tails() for d in tail.bend)])
    if where is not None:
        line, index = where
        best = max(best, local(line, index, lambda x, h: sign * bend_at(line, (x - h, x, x + h))))
    return best


BEST = ("lipschitz", "bounded_influence", "smooth", "strongly_convex", "weakly_convex")


def unreached(study: Study, s: Setting, claim: Claim) -> Iterator[str]:
    """What is said to be the best value, or attained, and is not approached."""
    name = claim.name
    if name in ("range", "bounded") and claim.value is not None:
        yield from ends_unreached(study, s, claim)
    if claim.value is None or name not in BEST:
        return
    if study.depends_on_targets(str(claim.value)):
        for line in s.lines:
            yield from short_of(study, Setting(s.names, [line]), claim, line.names)
    else:
        yield from short_of(study, s, claim, s.names)


def short_of(study: Study, s: Setting, claim: Claim, names: Mapping[str, Number]) -> Iterator[str]:
    """A best value, for these values of parameters and perhaps of targets, that is not approached."""
    name = claim.name
    try:
        wanted = study.value(str(claim.value), names)
    except UndefinedError:
        return
    if name in ("lipschitz", "bounded_influence"):
        got = steepest(s)
    elif name == "smooth":
        got = max(most_bent(s, 1), most_bent(s, -1))
    elif name == "weakly_convex":
        got = most_bent(s, -1)
    else:
        got = -most_bent(s, -1)
        slow = any(vanishes([v - wanted for v in tail.bend]) for line in s.lines for tail in line.tails())
        if got * 20 > wanted * 21 and not slow:
            yield f"the least second difference found is {shown(got)}, the value is {shown(wanted)}"
        return
    kind = "slope" if name in ("lipschitz", "bounded_influence") else "bend"
    tails = [tail for line in s.lines for tail in line.tails()]
    if (
        wanted > 0
        and got * 20 < wanted * 19
        and not any(vanishes([abs(v) - wanted for v in getattr(tail, kind)]) for tail in tails)
    ):
        yield f"the largest found is {shown(got)}, the value is {shown(wanted)}"


def ends_unreached(study: Study, s: Setting, claim: Claim) -> Iterator[str]:
    """Ends that no target approaches; if the value names a target, that some target does not."""
    named = any(re.search(rf"\b{target}\b", str(claim.value)) for target in study.inputs)
    seen: dict[tuple[str, int], list[str | None]] = {}
    for end, message in ends_of_lines(study, s, claim):
        seen.setdefault(end, []).append(message)
    for messages in seen.values():
        missed = [m for m in messages if m is not None]
        if missed and (named or len(missed) == len(messages)):
            yield missed[0]


def ends_of_lines(study: Study, s: Setting, claim: Claim) -> Iterator[tuple[tuple[str, int], str | None]]:
    """Of each line and end of the range, what is missing."""
    for line, told in by_case(study, s, str(claim.value) if claim.name == "range" else f"(-oo, {claim.value})"):
        low, high, has_low, has_high = halves(told)
        if len(line.x) < 10 or line.dim():
            continue
        for text, closed, sign in ((low, has_low, 1), (high, has_high, -1)):
            tails = [y for tail in line.tails() for y in tail.f]
            if text in ("-oo", "oo"):
                growing = any(grows([-sign * y for y in tail.f]) for tail in line.tails())
                if growing or line.ordinary:
                    missing = not growing and claim.name == "range"
                    yield (text, sign), f"f is not seen to tend to {text}" if missing else None
                continue
            try:
                goal = study.value(text, line.names)
            except UndefinedError:
                continue
            if blurred(study, line, text, goal):
                continue
            place, best = lowest(line, sign)
            size = abs(goal) or max(abs(max(line.y) - min(line.y)), mpf(10) ** -30)
            near = min(abs(best - goal), *(abs(y - goal) for y in tails)) if tails else abs(best - goal)
            if any(vanishes([y - goal for y in tail.f]) for tail in line.tails()):
                near = mpf(0)
            message = None
            if near > size / 20:
                message = f"f stays away from {text} = {shown(goal)}: the nearest value differs by {shown(near)}"
            elif closed and (abs(best - goal) > size * mpf(10) ** -20 or not turns(study, line, text, place, sign)):
                if not line.ordinary:  # log(1 + exp((r**2 - 1)/1e-4)) is flat at 0, as far as numbers tell
                    continue
                message = f"{text} is not seen to be attained: the nearest value differs by {shown(abs(best - goal))}"
            yield (text, sign), message


def blurred(study: Study, line: Line, text: str, goal: Number) -> bool:
    """Whether the digits of the samples do not tell an end such as log(1 + exp(-1000)) to a thousandth."""
    try:
        with mp.workdps(CONFIRM[-1]):
            fine = study.value(text, line.names)
    except UndefinedError:
        return True
    return bool(abs(goal - fine) > abs(fine) / 1000)


def turns(study: Study, line: Line, text: str, place: Number, sign: int) -> bool:
    """Whether f is a fraction equal to the end of its range at some place, or turns there, worse on both sides."""
    best = line.try_f(place)
    near = [x for x, y in zip(line.x, line.y, strict=True) if best is not None and abs(y - best) <= mpf(10) ** -30]
    near.sort(key=lambda x: abs(x - place))
    for x in near[:3] + near[3 :: max(1, len(near) // 8)]:
        if Breach(line, (x,), lambda: mpf(0), "", partial(meets, study, line, text, x)).is_null():
            return True
    apart = min([mpf(1), *(abs(v) for v in line.names.values() if v)]) * mpf(10) ** -9
    apart = max(apart, max(mpf(1), abs(place)) * mpf(10) ** -16)  # 40 digits show the place of a minimum to 20
    before = max((x for x in line.x if x < place - apart), default=None)
    after = min((x for x in line.x if x > place + apart), default=None)
    if before is None or after is None:
        return False
    with mp.workdps(150):
        try:
            a, b, c = (sign * line.f(x) for x in (before, place, after))
        except UndefinedError:
            return False
        return bool(b < a and b < c)
