"""Which values may a name have, and which of them are hard? The domains of predictions, targets and parameters."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from mpmath import libmp, mp, mpf

from .functions import Number, UnreadableError


@dataclass(frozen=True, slots=True)
class Range:
    """A domain: a finite set, an interval (an end that is None is missing), or integers in one."""

    low: Number | None = None
    high: Number | None = None
    has_low: bool = False
    has_high: bool = False
    values: tuple[Number, ...] = ()
    whole: bool = False

    @classmethod
    def of(cls, text: str) -> Range:
        body = text.removeprefix("integers").strip()
        parts = [_end(p.strip()) for p in body[1:-1].split(",")]
        if body[0] == "{":
            return cls(values=tuple(p for p in parts if p is not None))
        if len(parts) != 2 or body[0] not in "([" or body[-1] not in ")]":
            raise UnreadableError(f"{text!r} is no domain")
        return cls(parts[0], parts[1], body[0] == "[", body[-1] == "]", (), text.startswith("integers"))

    @property
    def inner(self) -> Range:
        """Without its ends."""
        return Range(self.low, self.high)

    def has(self, x: Number) -> bool:
        if self.values:
            return x in self.values
        if self.whole and x != mp.floor(x):
            return False
        above = self.low is None or x > self.low or (self.has_low and x == self.low)
        return above and (self.high is None or x < self.high or (self.has_high and x == self.high))

    def width(self) -> Number:
        return mpf(1) if self.low is None or self.high is None else min(mpf(1), self.high - self.low)

    def hostile(self) -> list[Number]:
        """Ends, points near them, small and large numbers."""
        if self.values:
            return list(self.values)
        out: list[Number] = [mpf(0), *(s * mpf(float(f"1e{k}")) for k in range(-6, 7) for s in (1, -1))]
        out += [mpf(n) / 2 for n in (1, -1, 4, -4, 3, 5)]
        for end, way in ((self.low, 1), (self.high, -1)):
            if end is not None:
                out += [end, *(end + way * self.width() * mpf(2) ** -k for k in (1, 2, 3, 5, 10, 20, 40))]
                out += [end + way * mpf(10) ** k for k in range(-6, 7)]
        return [x for x in dict.fromkeys(out) if self.has(x)]

    def draw(self, rng: random.Random) -> Number:
        """An ordinary random number."""
        if self.values:
            return rng.choice(self.values)
        if self.whole:
            return (self.low if self.low is not None else mpf(0)) + rng.choice((0, 1, 2, 3, 5, 8, 20))
        if self.low is not None and self.high is not None:
            return self.low + (self.high - self.low) * mpf(rng.uniform(0.02, 0.98))
        size = mpf(round(10 ** rng.uniform(-1.2, 1.2), 6))
        if self.low is not None:
            return self.low + size
        return self.high - size if self.high is not None else size * rng.choice((1, -1))

    def ordinary(self, x: Number) -> bool:
        """Not extreme: where equality may be judged at 1000 digits."""
        if self.low is not None and self.high is not None:
            margin = (self.high - self.low) / 64
            return bool(self.low + margin <= x <= self.high - margin) or bool(x in (self.low, self.high))
        return bool(abs(x) <= 4 and (x == 0 or abs(x) >= mpf(1) / 4))


def _end(text: str) -> Number | None:
    if text in ("oo", "-oo"):
        return None
    value = Fraction(text)
    return mp.make_mpf(libmp.from_rational(value.numerator, value.denominator, 700, "n"))


def constants(texts: Iterable[str]) -> list[Number]:
    """Every number that the texts mention."""
    found = {
        Fraction(m) for t in texts for m in re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?:/\d+)?(?![\w.])", t) if "/0" not in m
    }
    return [mp.make_mpf(libmp.from_rational(f.numerator, f.denominator, 700, "n")) for f in sorted(found) if f < 10**6]
