"""Where is the loss looked at? Along a line: at hard places, breakpoints and on the way to every end.

For values of the parameters and targets, f is sampled once at powers of ten, near both ends, at breakpoints (found by
bisection of the formula's own comparisons) and on both sides of them, and at random. All claims share the samples.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from mpmath import libmp, mp, mpf

from .functions import Number, Raw, UndefinedError
from .reading import Formula, Node, fraction

if TYPE_CHECKING:
    from .study import Study

DIGITS = 40  # of the samples


@dataclass(slots=True)
class Kink:
    """A place where the formula switches: exact, or between two numbers at which `switch` has different signs."""

    at: Number
    switch: Node | None = None
    low: Number = None
    high: Number = None


class Line:
    """f as a function of its variable alone, for given parameters and targets, with its samples."""

    def __init__(self, study: Study, names: Mapping[str, Number], n: int, extra: Iterable[Number], seed: int) -> None:
        self.study, self.names = study, dict(names)
        self.values: dict[str, Raw] = {name: v._mpf_ for name, v in names.items()}
        self.domain = study.domain
        self.kinks: list[Kink] = []
        self.tail_memo: list[Tail] | None = None
        self.ordinary = all(study.ranges[n].ordinary(v) for n, v in names.items())
        self.sample(n, list(extra), random.Random(seed))

    def f(self, x: Number) -> Number:
        """At the current precision; UndefinedError where there is no value."""
        self.values[self.study.variable] = x._mpf_
        return mp.make_mpf(self.study.formula(self.values))

    def wary(self, x: Number) -> Number:
        """f(x), to be compared for equality; UndefinedError also where something too small or too large occurs."""
        self.values[self.study.variable] = x._mpf_
        return mp.make_mpf(self.study.wary(self.values))

    def try_f(self, x: Number) -> Number | None:
        try:
            return self.f(x)
        except UndefinedError:
            return None

    def exact(self, x: Number) -> Fraction:
        known = {n: fraction(v) for n, v in self.names.items()}
        return self.study.formula.exact({**known, self.study.variable: fraction(x)})

    def switch(self, node: Node, x: Number) -> int | None:
        """The sign of a switch; 0 only if it is 0 to many more digits too, as 1 - 1/(1 + exp(-500)) is not."""
        self.values[self.study.variable] = x._mpf_
        try:
            sign = libmp.mpf_sign(Formula.evaluate(node, self.values))
            if sign == 0:
                with mp.workprec(2 * mp.prec + 1200):
                    sign = libmp.mpf_sign(Formula.evaluate(node, self.values))
            return int(sign)
        except UndefinedError:
            return None

    # Sampling

    def sample(self, n: int, extra: list[Number], rng: random.Random) -> None:
        domain, scales = self.domain, [abs(v) for v in self.names.values() if v]
        pool = domain.hostile() + [x for x in extra if domain.has(x)]
        for v in self.names.values():
            pool += [v, -v, 2 * v, -2 * v, v / 2, -v / 2, v * v, -v * v, 1 - v]
            pool += [s * mp.log(v) for s in (1, -1) if v > 0]
            pool += [s * k / v for s in (1, -1) for k in (1, 10, 100) if v]
        pool += [self.random(rng, scales) for _ in range(24)]
        pool = [x for x in pool if domain.has(x)]
        if domain.low is None and domain.high is None:
            pool += [-x for x in pool]
        pool = sorted(set(pool))
        self.find_kinks(pool)
        for k in self.kinks:
            w = min(
                [abs(k.at) or mpf(1), *scales, *(abs(k.at - e) for e in (domain.low, domain.high) if e is not None)]
            )
            pool += [k.at, *(k.at + s * w * mpf(2) ** -j for j in (2, 4, 8, 20, 40) for s in (1, -1))]
        more = max(8, n - len(pool))
        fill = [self.random(rng, scales) for _ in range(more if domain.low is not None else more // 2)]
        fill += [-x for x in fill] if domain.low is None and domain.high is None else []
        points = sorted({x for x in pool + fill if domain.has(x)})
        pairs = [(x, y) for x in points if (y := self.try_f(x)) is not None]
        self.x, self.y = [p[0] for p in pairs], [p[1] for p in pairs]
        defined = set(self.x)
        self.undefined = [x for x in points if x not in defined] if len(pairs) < len(points) else []
        self.bends_memo: list[tuple[Number, int, int, int]] | None = None
        self.slopes_memo: list[Number] | None = None

    def random(self, rng: random.Random, scales: Sequence[Number]) -> Number:
        domain, way = self.domain, rng.random()
        if domain.low is not None and domain.high is not None:
            t = rng.random() if way < 0.7 else 10 ** rng.uniform(-6, 0) if way < 0.85 else 1 - 10 ** rng.uniform(-6, 0)
            return domain.low + (domain.high - domain.low) * mpf(t)
        scale = rng.choice(scales) if scales and way < 0.5 else mpf(1)
        size = (
            mpf(rng.uniform(0, 5)) if way < 0.35 or way > 0.75 else mpf(10 ** rng.uniform(-6, 6 if way > 0.7 else 1.5))
        )
        if domain.low is not None:
            return domain.low + size * scale
        return domain.high - size * scale if domain.high is not None else rng.choice((1, -1)) * size * scale

    def find_kinks(self, points: Sequence[Number]) -> None:
        found: dict[Number, Kink] = {}
        for node in self.study.formula.switches:
            signs = [(x, s) for x in points if (s := self.switch(node, x)) is not None]
            if sum(s == 0 for _, s in signs) * 3 > len(signs):
                continue
            found |= {x: Kink(x) for x, s in signs if s == 0}
            for (a, s), (b, t) in pairwise(signs):
                if s * t < 0:
                    k = self.bisect(Kink(a, node, a, b))
                    near = [x for x in found if abs(x - k.at) <= abs(k.at) * mpf(2) ** -100]
                    if not near or k.switch is None:
                        for x in near:
                            del found[x]
                        found[k.at] = k
            if len(found) > 40:
                break
        self.kinks = [found[x] for x in sorted(found)][:40]

    def bisect(self, k: Kink) -> Kink:
        """The place of a change of sign, to the current precision, or exactly where it is a short number."""
        if k.switch is None:
            return k
        low, high, sign = k.low, k.high, self.switch(k.switch, k.low)
        for _ in range(3 * mp.prec):
            middle = (low + high) / 2
            if high - low <= abs(middle) * mpf(2) ** (8 - mp.prec) or not low < middle < high:
                break
            s = self.switch(k.switch, middle)
            if s is None:
                break
            if s == 0:
                return Kink(middle)
            low, high = (middle, high) if s == sign else (low, middle)
        middle = (low + high) / 2
        with mp.workprec(60):
            short = +middle
        if self.switch(k.switch, short) == 0:
            return Kink(short)
        return Kink(middle, k.switch, low, high)

    def kinks_here(self) -> list[Kink]:
        """The breakpoints, to the current precision."""
        return [self.bisect(k) for k in self.kinks]

    def scale(self, at: Number) -> Number:
        """A length that is small against everything around a point."""
        others = [abs(k.at - at) for k in self.kinks if abs(k.at - at) > abs(at) * mpf(10) ** -30]
        others += [abs(at - e) for e in (self.domain.low, self.domain.high) if e is not None]
        return min([mpf(1), *(abs(v) for v in self.names.values() if v), *others, *([abs(at)] if at else [])])

    def dim(self) -> bool:
        """Whether too little is seen of f to doubt what is not seen: exp(x/10**-12) is too large nearly everywhere."""
        few = any(tail.infinite and len(tail.xs) < 3 for tail in self.tails())
        return few or len(self.undefined) > len(self.x)

    # What is made of the samples

    def slopes(self) -> list[Number]:
        if self.slopes_memo is None:
            self.slopes_memo = [
                (self.y[i + 1] - self.y[i]) / (self.x[i + 1] - self.x[i]) for i in range(len(self.x) - 1)
            ]
        return self.slopes_memo

    def bends(self) -> list[tuple[Number, int, int, int]]:
        """Twice the second divided differences, which are averages of f'', of near and of far triples."""
        if self.bends_memo is None:
            self.bends_memo, x, y = [], self.x, self.y
            for stride in (1, 4, 16, 64):
                index = range(0, len(x), stride)
                rates = self.slopes() if stride == 1 else [
                    (y[j] - y[i]) / (x[j] - x[i]) for i, j in pairwise(index)
                ]  # fmt: skip
                for n in range(len(rates) - 1):
                    i, j, k = index[n], index[n + 1], index[n + 2]
                    self.bends_memo.append((2 * (rates[n + 1] - rates[n]) / (x[k] - x[i]), i, j, k))
        return self.bends_memo

    def noise(self, *indices: int) -> Number:
        """About what rounding may do to a second divided difference of these samples."""
        x, size = [self.x[i] for i in indices], max(abs(self.y[i]) for i in indices) + 1
        gap = min(b - a for a, b in pairwise(x))
        return size * mpf(10) ** (2 - DIGITS) / (gap * (x[-1] - x[0] if len(x) > 2 else 1))

    def tails(self) -> list[Tail]:
        """The way to each end of the domain, and to each breakpoint from both sides."""
        if self.tail_memo is None:
            with mp.workdps(200):
                out = []
                for end, way in ((self.domain.low, 1), (self.domain.high, -1)):
                    if end is None:
                        xs = [-way * mpf(10) ** k for k in (1, 3, 6, 12, 30, 100, 1000, 10_000)]
                        tail = Tail(self, xs, None, True)
                        if len(tail.xs) == 3:  # to where values end: parameters may be so large
                            tail = Tail(self, [*tail.xs, tail.xs[-1] * 10, tail.xs[-1] * 200], None, True)
                        # Where log(1 - p) has no value at 1000, for p is 1 to 200 digits, it has some nearer.
                        nearer = [-way * mpf(x) for x in (10, 20, 40, 80, 160)]
                        out.append(tail if len(tail.xs) > 2 else Tail(self, nearer, None, True))
                    else:
                        w = min(self.domain.width(), self.scale(end + way * self.domain.width() / 2))
                        out.append(Tail(self, [end + way * w * mpf(10) ** -k for k in (2, 3, 6, 12, 30)], end, False))
                for k in self.kinks_here()[:8]:
                    w = self.scale(k.at)
                    for way in (1, -1):
                        out.append(Tail(self, [k.at + way * w * mpf(10) ** -j for j in (2, 3, 6, 12, 30)], k.at, False))
                self.tail_memo = out
        return self.tail_memo


class Tail:
    """f, its slopes and bends on the way to a place (None: to infinity)."""

    def __init__(self, line: Line, xs: Sequence[Number], place: Number | None, infinite: bool) -> None:
        self.place, self.infinite, self.xs = place, infinite, list[Number]()
        self.f, self.slope, self.bend, self.local = list[Number](), list[Number](), list[Number](), list[Number]()
        self.swings = False  # whether a wide step hides the slopes within it
        for x in xs:
            h = (abs(x) if place is None else abs(x - place)) * mpf(2) ** -20
            a, b, c = (line.try_f(x + i * h) for i in (-1, 0, 1))
            if a is not None and b is not None and c is not None:
                self.xs.append(x)
                self.f.append(b)
                self.slope.append((c - a) / (2 * h))
                self.bend.append((a - 2 * b + c) / h**2)
                if infinite and abs(x) < 10**13:  # what oscillates: the slope within a step that does not grow
                    small = mpf(2) ** -20
                    local = [(line.try_f(x + i), line.try_f(x + i + small)) for i in (0, 1, 2, 4, 5.5, 13, 40.25)]
                    steps = [abs(v - u) / small for u, v in local if u is not None and v is not None]
                    self.local.append(max(steps, default=mpf(0)))
                    self.swings = self.local[-1] > 10 * abs(self.slope[-1])

    def beside(self, line: Line, kind: str) -> list[Number]:
        """Sizes of f, its slopes or its bends (f itself with its sign) at other places of the same way."""
        share = mpf("0.71")
        xs = [x * share if self.place is None else self.place + (x - self.place) * share for x in self.xs]
        found: list[Number] = getattr(Tail(line, xs, self.place, self.infinite), kind)
        return found if kind == "f" else [abs(v) for v in found]


def grows(v: Sequence[Number]) -> bool:
    """Whether a sequence along a tail tends to infinity: its steps grow (so does a logarithm's)."""
    if len(v) < 3:
        return False
    a, b, c = v[-3:]
    return bool(b > a and c - b >= (b - a) * 6 / 5)


def vanishes(v: Sequence[Number]) -> bool:
    """Whether a sequence along a tail tends to 0: its logarithm tends to -oo."""
    return len(v) > 2 and bool(v[-1] == 0 or (0 not in v[-3:] and grows([-mp.log(abs(u)) for u in v[-3:]])))
