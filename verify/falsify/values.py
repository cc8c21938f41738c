"""What do bounds, ranges and minimizers mean on samples? Values that lie beyond what is said, or are as low."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from mpmath import mpf

from .breach import TOP, Breach, Breaches, Claim, goal_of, lowest, worst
from .functions import Number, UndefinedError, UnreadableError
from .lines import Line
from .reading import fraction
from .shapes import unlimited
from .study import Setting, Study


def values_beyond(
    study: Study, s: Setting, text: str, sign: int, what: str, where: Callable[[Number], bool]
) -> Breaches:
    """f below a goal (sign 1), or above it (-1)."""
    for line in s.lines:
        target = goal_of(study, line, text)
        try:
            goal = target()
        except UndefinedError:
            continue

        def margin(x: Number, line: Line = line, target: Callable[[], Number] = target) -> Number:
            return sign * (target() - line.f(x))

        found = [
            (sign * (goal - y), x) for x, y in zip(line.x, line.y, strict=True) if sign * (goal - y) > 0 and where(x)
        ]
        for tail in line.tails():
            found += [(e, x) for x, y in zip(tail.xs, tail.f, strict=True) if (e := sign * (goal - y)) > 0 and where(x)]
        found.sort(key=lambda f: f[0], reverse=True)
        yield from (Breach(line, (x,), partial(margin, x), what) for _, x in found[:TOP])


def everywhere(x: Number) -> bool:
    return True


def nonnegative(study: Study, s: Setting, claim: Claim) -> Breaches:
    return values_beyond(study, s, "0", 1, "f is negative", everywhere)


def bounded(study: Study, s: Setting, claim: Claim) -> Breaches:
    if claim.limit is None:
        return unlimited(s.lines, "f", "f grows without limit")
    return values_beyond(study, s, claim.limit, -1, "f is larger than the value", everywhere)


def upper_bounds_zero_one(study: Study, s: Setting, claim: Claim) -> Breaches:
    yield from values_beyond(study, s, "1", 1, "f is below 1 at a margin of at most 0", lambda x: x <= 0)
    yield from nonnegative(study, s, claim)


def halves(text: str) -> tuple[str, str, bool, bool]:
    """The ends of "[a, b)", and whether each belongs to it; commas within a and b do not count."""
    body, depth = text.strip(), 0
    for i, c in enumerate(body[1:-1], 1):
        depth += (c in "([") - (c in ")]")
        if c == "," and depth == 0 and body[0] in "([" and body[-1] in ")]":
            return body[1:i].strip(), body[i + 1 : -1].strip(), body[0] == "[", body[-1] == "]"
    raise UnreadableError(f"{text!r} is not of the form [a, b)")


def by_case(study: Study, s: Setting, text: str) -> Iterator[tuple[Line, str]]:
    """Each line with the case of a value that applies to its parameters and targets."""
    for line in s.lines:
        told = study.case(text, line.names)
        if told is not None:
            yield line, told


def range_(study: Study, s: Setting, claim: Claim) -> Breaches:
    for line, told in by_case(study, s, str(claim.value)):
        low, high, has_low, has_high = halves(told)
        alone = Setting(s.names, [line])
        for text, closed, sign in ((low, has_low, 1), (high, has_high, -1)):
            if text in ("oo", "-oo"):
                continue
            yield from values_beyond(study, alone, text, sign, f"f goes beyond {text}", everywhere)
            if not closed:
                yield from met(study, line, text)


def met(study: Study, line: Line, text: str) -> Breaches:
    """Places at which f has the value of a text, which it must not attain."""
    try:
        goal = study.value(text, line.names)
    except UndefinedError:
        return
    near = [x for x, y in zip(line.x, line.y, strict=True) if abs(y - goal) <= mpf(10) ** -34 * (1 + abs(goal))]
    for x in sorted(near, key=abs)[:TOP]:
        yield Breach(line, (x,), lambda: mpf(0), f"f attains {text}", partial(meets, study, line, text, x))


def meets(study: Study, line: Line, text: str, x: Number, f: Any, value: Any) -> Any:
    """f(x) less the value of a text; value is None where fractions are asked for."""
    if value is None:
        return f(x) - study.compile(text).exact({n: fraction(v) for n, v in line.names.items()})
    return f(x) - value(text)


def minimizer(study: Study, s: Setting, claim: Claim) -> Breaches:
    for line, text in by_case(study, s, str(claim.value)):
        yield from attained(line) if text == "none" else least(study, line, text)


def least(study: Study, line: Line, text: str) -> Breaches:
    """Places at which f is lower than on the claimed set of minimizers, or as low beside it."""
    pair = text[:1] == "[" or (text[:1] == "(" and text[-1:] in ")]" and _is_pair(text))
    low, high = halves(text)[:2] if pair else (text, text)
    has = (not pair or text[0] == "[", not pair or text[-1] == "]")
    base = low if has[0] else high if has[1] else _between(low, high)
    try:
        ends = [None if t in ("-oo", "oo") else study.value(t, line.names) for t in (low, high)]
        level = line.f(study.value(base, line.names)) if base else line.y[len(line.y) // 2]
    except (UndefinedError, IndexError):
        return

    def reference(line: Line = line) -> Number:
        return line.f(study.value(base, line.names)) if base else line.f(line.x[len(line.x) // 2])

    lower: list[tuple[Number, Breach]] = []
    equal: list[Breach] = []
    for x, y in zip(line.x, line.y, strict=True):
        inside = (ends[0] is None or x > ends[0] or (has[0] and x == ends[0])) and (
            ends[1] is None or x < ends[1] or (has[1] and x == ends[1])
        )
        if y < level:
            margin = lambda x=x, line=line, reference=reference: reference() - line.f(x)  # noqa: E731
            size = (abs(level) + 1) * mpf(10) ** -38
            lower.append(((level - y) / size, Breach(line, (x,), margin, f"f is lower than at {text}")))
        elif inside and y > level and low != high:
            margin = lambda x=x, line=line, reference=reference: line.f(x) - reference()  # noqa: E731
            size = (abs(level) + 1) * mpf(10) ** -38
            lower.append(((y - level) / size, Breach(line, (x,), margin, "f is higher within the set of minimizers")))
        elif not inside and base and y - level <= mpf(10) ** -30 * (abs(level) + mpf(10) ** -5) and line.ordinary:
            null = partial(_level, study, line, base, x)
            if min(abs(x - e) for e in ends if e is not None) > mpf(10) ** -6:
                equal.append(Breach(line, (x,), lambda: mpf(0), f"f is as low as at {text}", null))
    yield from worst(lower)
    yield from sorted(equal, key=lambda b: abs(b.points[0]))[:TOP]


def _between(low: str, high: str) -> str | None:
    """A place inside of an open interval; None for the whole line."""
    if low == "-oo":
        return None if high == "oo" else f"({high}) - 1"
    return f"({low}) + 1" if high == "oo" else f"(({low}) + ({high}))/2"


def _is_pair(text: str) -> bool:
    try:
        return bool(halves(text))
    except UnreadableError:
        return False


def _level(study: Study, line: Line, base: str, x: Number, f: Any, value: Any) -> Any:
    if value is None:
        known = {n: fraction(v) for n, v in line.names.items()}
        return f(x) - study.formula.exact({**known, study.variable: study.compile(base).exact(known)})
    return f(x) - f(value(base))


def attained(line: Line) -> Breaches:
    """A place at which f is lower than at every end, though no minimum is said to be attained."""
    if len(line.x) < 5:
        return
    x = lowest(line)[0]
    ways = [t for t in line.tails() if t.f]
    if any(k.at != x and abs(k.at - x) <= line.scale(k.at) / 100 for k in line.kinks):
        return
    others = [t.xs[-1] for t in ways if not any(k.at == x for k in line.kinks) or t.infinite] + [
        line.x[0],
        line.x[-1],
    ]
    margin = lambda x=x, line=line, others=others: min(line.f(o) for o in others) - line.f(x)  # noqa: E731
    yield Breach(line, (x,), margin, "f is lower here than towards every end")
    i = min(range(len(line.x)), key=lambda i: (line.y[i], abs(line.x[i])))
    far = (line.x[0], line.x[-1])
    same = [o for o in far if line.y[i] == line.f(o) and o != line.x[i]]
    for o in same:
        null = lambda f, value, i=i, o=o, line=line: f(line.x[i]) - f(o)  # noqa: E731
        yield Breach(line, (line.x[i],), lambda: mpf(0), "f is here as low as at the end", null)
