"""What do calibration, propriety and elicitation mean on samples? Expected losses that are lower elsewhere."""

from __future__ import annotations

import ast
import contextlib
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise

from mpmath import libmp, mp, mpf

from .breach import EQUAL_DIGITS, TOP, Breach, Breaches, Claim, climb, shown, worst
from .duals import sloped
from .functions import BODIES, UNARY, Number, Raw, UndefinedError, UnreadableError, parsed
from .lines import Line
from .ranges import Range
from .reading import Formula
from .study import Setting, Study

ETAS = (mpf(33) / 64, mpf(3) / 4, mpf(15) / 16, mpf(9) / 16, mpf(127) / 128)


def calibrated(study: Study, s: Setting, claim: Claim) -> Breaches:
    """For P(Y = 1) > 1/2, no margin above 0 has a lower conditional risk than the best of those up to 0."""
    if claim.value is not None:
        yield from transformed(study, s, str(claim.value))
    for line in s.lines[:1]:
        at = dict(zip(line.x, line.y, strict=True))
        for tail in line.tails():
            at |= {x: y for x, y in zip(tail.xs, tail.f, strict=True) if tail.infinite}
        both = [(x, y, at[-x]) for x, y in at.items() if -x in at]
        for eta in ETAS:
            risk = [(eta * y + (1 - eta) * z, x) for x, y, z in both]
            if not any(x <= 0 for _, x in risk) or not any(x > 0 for _, x in risk):
                continue
            wrong, right = min(r for r in risk if r[1] <= 0), min(r for r in risk if r[1] > 0)
            if right[0] < wrong[0] - mpf(10) ** -36 * (abs(wrong[0]) + 1):
                continue

            def risk_at(x: Number, eta: Number = eta, line: Line = line) -> Number:
                return eta * line.f(x) + (1 - eta) * line.f(-x)

            def negative(x: Number, risk_at: Callable[[Number], Number] = risk_at) -> Number | None:
                try:
                    return -risk_at(x)
                except UndefinedError:
                    return None

            with mp.workdps(80):
                tries = [climb(negative, right[1] / 2, right[1] * 2)[0], *(mpf(10) ** -k for k in (1, 3, 9, 15))]
                bar = risk_at(wrong[1])
                better = [
                    x for x in tries if (v := negative(x)) is not None and -v < bar - mpf(10) ** -70 * (abs(bar) + 1)
                ]
            if not better:
                what = f"at P(Y = 1) = {mp.nstr(eta, 6)} no margin above 0 has a lower risk than this one"
                yield Breach(line, (wrong[1],), lambda: mpf(1), what)
                break


THETAS = (mpf(0), mpf(1) / 16, mpf(3) / 8, mpf(3) / 4, mpf(31) / 32)


def transformed(study: Study, s: Setting, text: str) -> Breaches:
    """f(0) less the least conditional risk at P(Y = 1) = (1 + theta)/2 is not the claimed psi(theta)."""
    formula = study.compile(text, ("theta",))
    for line in s.lines[:1]:
        base = {n: v._mpf_ for n, v in line.names.items()}
        for theta in THETAS:

            def gain(x: Number, theta: Number = theta, line: Line = line) -> Number:
                return line.f(mpf(0)) - ((1 + theta) * line.f(x) + (1 - theta) * line.f(-x)) / 2

            def told(theta: Number = theta, base: dict[str, Raw] = base) -> Number:
                return mp.make_mpf(formula({**base, "theta": theta._mpf_}))

            def tried(x: Number, gain: Callable[[Number], Number] = gain) -> Number | None:
                try:
                    return gain(x)
                except UndefinedError:
                    return None

            try:
                goal = told()
            except UndefinedError:
                yield Breach(line, (mpf(0),), lambda: mpf(1), f"no value at theta = {shown(theta)}")
                continue
            rows = [(v, x) for x in line.x if x >= 0 and (v := tried(x)) is not None]
            best, place = max(rows)
            what = f"more is gained than psi at theta = {shown(theta)}"
            yield Breach(line, (place,), lambda x=place, gain=gain, told=told: gain(x) - told(), what)  # type: ignore[misc]
            near = [x for _, x in rows]
            i = near.index(place)
            low, high = near[max(0, i - 1)], near[min(len(near) - 1, i + 1)]
            best = max(best, climb(tried, low, high)[1])
            if goal - best > (abs(goal) + mpf(10) ** -6) / 1000:
                what = f"no margin gains as much as psi = {shown(goal)} at theta = {shown(theta)}"
                yield Breach(line, (place,), lambda: mpf(1), what)


def weighed(study: Study, s: Setting, text: str) -> Breaches:
    """The slope of the loss for the label 1 is not -(1 - p) times the claimed weight (times dp/dz, on logits)."""
    (label,), line = study.inputs, s.lines[0]
    formula, logit = study.compile(text), study.domain.low is None
    base = {n: v._mpf_ for n, v in s.names.items()}

    def wrong(x: Number) -> Number:
        h = mpf(10) ** -(mp.dps // 3) * (1 if logit else x * (1 - x))
        a, b = (
            mp.make_mpf(study.formula({**base, label: libmp.from_int(1), study.variable: (x + d)._mpf_}))
            for d in (-h, h)
        )
        p = 1 / (1 + mp.exp(-x)) if logit else x
        told = -(1 - p) * mp.make_mpf(formula({**base, study.variable: x._mpf_})) * (p * (1 - p) if logit else 1)
        off = abs((b - a) / (2 * h) - told) / (abs(told) + mpf(10) ** -30)
        return off if off > mpf(10) ** -4 else mpf(0)

    for p in (mpf(k) / 16 for k in (1, 5, 8, 11, 15)):
        x = 8 * p - 4 if logit else p
        yield Breach(line, (x,), partial(wrong, x), "the slope for the label 1 is not that of the weight")


def proper(study: Study, s: Setting, claim: Claim) -> Breaches:
    """Some other prediction has a lower expected loss than the true probability (strictly: none as low)."""
    if claim.value is not None:
        yield from weighed(study, s, str(claim.value))
    strict = claim.name == "strictly_proper"
    if len(study.inputs) != 1:
        raise UnreadableError(f"{claim.name} speaks of one target")
    (label, labels), line = *study.inputs.items(), s.lines[0]
    if not (labels.has(mpf(0)) and labels.has(mpf(1))):
        raise UnreadableError(f"{claim.name} speaks of the labels 0 and 1")
    logit = study.domain.low is None
    n = max(40, -(-study.points // (17 * len(study.settings))))
    xs = [x for x in line.x if not logit or abs(x) <= 40]
    xs = xs[:: max(1, len(xs) // n)]
    base = {n: v._mpf_ for n, v in s.names.items()}

    def loss(y: int, x: Number, formula: Formula | None = None) -> Number:
        return mp.make_mpf((formula or study.formula)({**base, label: libmp.from_int(y), study.variable: x._mpf_}))

    def expected(q: Number, x: Number, formula: Formula | None = None) -> Number:
        return q * loss(1, x, formula) + (1 - q) * loss(0, x, formula)

    def probability(x: Number) -> Number:
        return 1 / (1 + mp.exp(-x)) if logit else x

    both = []
    for x in xs:
        try:
            both.append((x, loss(1, x), loss(0, x)))
        except UndefinedError:
            continue
    found, flat = [], []
    for x, one, zero in both[:: max(1, len(both) // 17)]:
        q = probability(x)
        here = q * one + (1 - q) * zero
        beside = []
        for d in [s * mpf(10) ** -k for k in (2, 4, 6, 9, 12, 14) for s in (1, -1)]:
            if study.domain.has(x + d):
                with contextlib.suppress(UndefinedError):
                    beside.append((x + d, loss(1, x + d), loss(0, x + d)))
        for other, a, b in both + beside:
            gap = here - (q * a + (1 - q) * b)
            if gap > 0:
                margin = lambda x=x, other=other: expected(probability(x), x) - expected(probability(x), other)  # noqa: E731
                what = f"the expected loss under the probability at {shown(x)} is lower here"
                found.append((gap / (abs(here) + 1) * mpf(10) ** 36, Breach(line, (other,), margin, what)))
            elif strict and abs(gap) <= mpf(10) ** -30 and abs(x - other) > mpf(1) / 64 and max(abs(x), abs(other)) < 4:
                flat.append((x, other))
    yield from worst(found)
    for x, other in flat[:TOP]:
        with mp.workdps(EQUAL_DIGITS), contextlib.suppress(UndefinedError):
            gap = expected(probability(x), x, study.wary) - expected(probability(x), other, study.wary)
            if abs(gap) <= mpf(10) ** (60 - EQUAL_DIGITS):
                yield Breach(line, (other,), lambda: mpf(1), f"as low as the loss at the true {shown(x)}")


STATISTICS = ("mean", "median", "quantile", "expectile")
LINKS = {"identity": "t", "log": "log(t)", "logit": "log(t/(1 - t))", "": "t"}


def elicits(study: Study, s: Setting, claim: Claim) -> Breaches:
    """The mean loss of a small sample is lower elsewhere than at its statistic."""
    value = claim.value if isinstance(claim.value, Mapping) else {"statistic": claim.value}
    statistic = str(value.get("statistic"))
    if statistic == "equation":
        text = str(value.get("equation"))
        if not (text.startswith("E[") and text.endswith("] = 0")):
            raise UnreadableError(f"{text!r} is not of the form E[...] = 0")
        yield from sloped(study, s, lambda told, x: told(x), text[2:-5])
        return
    if study.base == "margin":
        return
    if statistic not in STATISTICS or (not study.base and len(study.inputs) != 1):
        raise UnreadableError(f"the falsifier knows the statistics {', '.join(STATISTICS)}, not {statistic!r}")
    link = str(value.get("link") or "identity")
    link = LINKS.get(link, link)
    free = {n.id for n in ast.walk(parsed(link)) if isinstance(n, ast.Name)} - set(study.parameters) - {"pi", "E"}
    free -= {*UNARY, *BODIES, "max", "min"}
    if len(free) != 1:
        raise UnreadableError(f"{link!r} is no function of one name")
    (name,) = free
    inverse = name == study.variable and link != "t"
    line = s.lines[0]
    level: Callable[[], Number] = partial(study.value, str(value.get("level") or "1/2"), s.names)
    domain = next(iter(study.inputs.values()), Range())
    rng = random.Random(study.seed)
    compiled = study.compile(link, (name,))
    for size in (3, 4, 7):
        ys = sorted(domain.draw(rng) for _ in range(size))

        def target(ys: Sequence[Number] = ys) -> Number:
            t = stat(statistic, ys, level())
            return t if inverse else mp.make_mpf(compiled({**{n: v._mpf_ for n, v in s.names.items()}, name: t._mpf_}))

        def total(x: Number, ys: Sequence[Number] = ys) -> Number:
            if study.base:
                return sum(line.f(x - y) for y in ys)
            label = next(iter(study.inputs))
            rows = [{**line.values, label: y._mpf_, study.variable: x._mpf_} for y in ys]
            return sum(mp.make_mpf(study.formula(row)) for row in rows)

        try:
            best = target()
            if inverse:
                best = unlinked(study, compiled, s, name, best)
            here = total(best) if best is not None else None
        except UndefinedError:
            continue
        if here is None or best is None:
            continue
        many = max(24, -(-study.points // (14 * len(study.settings))))
        tries = [
            best + w * mpf(10) ** mpf(rng.uniform(-5, 2)) * rng.choice((1, -1)) for w in [ys[-1] - ys[0]] * many
        ] + list(ys)
        found = []
        for x in tries:
            try:
                gap = here - total(x) if study.domain.has(x) else mpf(0)
            except UndefinedError:
                continue
            if gap > 0:
                margin = lambda x=x, total=total, best=best, target=target: (  # noqa: E731
                    total(best if inverse else target()) - total(x)
                )
                sample = ", ".join(map(shown, ys))
                what = f"the sample {sample} has a lower loss here than at its {statistic} ({shown(best)})"
                found.append((gap / (abs(here) + 1) * mpf(10) ** 30, Breach(line, (x,), margin, what)))
        yield from worst(found)


def unlinked(study: Study, link: Formula, s: Setting, name: str, wanted: Number) -> Number | None:
    """The prediction that an inverse link maps to a statistic, by bisection; None where it is not found."""
    base = {n: v._mpf_ for n, v in s.names.items()}
    a, b = (mpf(e) if e is not None else mpf(d) for e, d in ((study.domain.low, -500), (study.domain.high, 500)))
    g: Callable[[Number], Number] = lambda x: mp.make_mpf(link({**base, name: x._mpf_})) - wanted  # noqa: E731
    try:
        with mp.workdps(170):
            rising = g(b) > 0
            if (g(a) > 0) == rising:
                return None
            for _ in range(600):
                m = (a + b) / 2
                a, b = (a, m) if (g(m) > 0) == rising else (m, b)
            return a
    except UndefinedError:
        return None


def stat(name: str, ys: Sequence[Number], level: Number) -> Number:
    """A statistic of a sorted sample; of a set of quantiles the lowest."""
    n = len(ys)
    if name == "mean":
        return sum(ys) / n
    if name == "expectile":  # (1 - level)*sum of what is below = level*sum of what is above, between two values
        for a, b in pairwise(ys):
            weights = [level if y > a else 1 - level for y in ys]
            e = sum(w * y for w, y in zip(weights, ys, strict=True)) / sum(weights)
            if a <= e <= b:
                return e
        return ys[0]
    level = mpf(1) / 2 if name == "median" else level
    return ys[min(n - 1, max(0, int(mp.ceil(n * level)) - 1))]
