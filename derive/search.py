"""Which lemma shows a sign? The prover's search; what it finds, the checker verifies anew.

Numbers guide the search and conclude nothing: an expression is evaluated at a few values of its coordinates, and only
if it never changes its sign there, lemmas are tried in the order of their cost.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

from flint import arb

from .formal import number
from .lemmas import PARTS, Limit, divisor, limit, sign
from .reading import Unproved
from .tower import ROOM, Element, Finer, Generator, Tower, factored

GRID = tuple(arb(x) for x in ("0.001", "0.07", "0.4", "0.9", "1.3", "2.7", "7.1", "31", "900"))
Divisor = tuple[int | None, int | None, tuple[tuple[int, int], ...]]
_STEPS = 60  # lemmas tried for one sign


def points(tower: Tower) -> list[dict[int, Any]]:
    """Values of the coordinates: all on a line, then mixed."""
    names = list(tower.names.values())
    n = len(GRID)
    if not names:
        return [{}]
    rows = [
        [(i * (1 + 2 * j) + 3 * j + s * (j + 1)) % n for j in range(len(names))] for s in (0, 2, 5) for i in range(n)
    ]
    if len(names) == 1:
        rows = [[i] for i in range(n)]
    return [{i: GRID[k] for i, k in zip(names, row, strict=True)} for row in rows]


def signs(e: Element) -> set[int]:
    """The signs that an expression takes at sample points; empty where balls do not tell."""
    out = set()
    for at in points(e.tower):
        v = number(e, at)
        if v > 0 or v < 0:
            out.add(1 if v > 0 else -1)
            if len(out) > 1:
                break
    return out


class Search:
    """A bounded search for the proof of one sign."""

    def __init__(self, steps: int = _STEPS) -> None:
        self.steps = steps

    def proof(self, e: Element, depth: int = 5) -> list[Any] | bool | None:
        """A proof (None stands for "by coefficients"), or False when none was found."""
        if e.tower.sign(e) is not None:
            return None
        found = signs(e)
        if len(found) != 1:
            return False
        return self.lemma(e, found.pop(), depth)

    def lemma(self, e: Element, want: int, depth: int) -> list[Any] | bool:
        if depth <= 0 or self.steps <= 0:
            return False
        self.steps -= 1
        tower = e.tower
        factors = sorted(factored(e.num)[1], key=lambda x: str(x[0]))
        if not factors:
            return False
        if len(factors) > 1 or factors[0][1] > 1:
            proofs: dict[str, Any] = {}
            for i, (f, k) in enumerate(factors):
                part = Element(tower, f)
                if tower.sign(part) is not None:
                    continue
                one = self.proof(part, depth - 1)
                if one is False:
                    if k % 2 == 0:
                        continue
                    return False
                proofs[str(i)] = one
            return self.verified(e, ["factors", proofs], want)
        for candidate in (self.mixture, self.joint_slopes, self.square, self.terms, self.slopes, self.cuts):
            found = candidate(e, want, depth)
            if found is not False:
                return found
        return False

    @staticmethod
    def verified(e: Element, proof: list[Any], want: int) -> list[Any] | bool:
        try:
            s = sign(e, proof)
        except Unproved:
            return False
        return proof if s is not None and s * want >= 0 else False

    def square(self, e: Element, want: int, depth: int) -> list[Any] | bool:
        tower = e.tower
        for i, degree in enumerate(e.num.degrees()):
            if degree == 2 and tower.generators[i].ball is None:
                c, b, a = (tower.coefficient(e.num, i, k) for k in range(3))
                gap = a * c * 4 - b * b
                if tower.sign(a) not in (2, -2) or signs(gap) != {1}:
                    continue
                inner = self.proof(gap, depth - 2)
                if inner is not False:
                    found = self.verified(e, ["square", i, inner], want)
                    if found is not False:
                        return found
        return False

    def mixture(self, e: Element, want: int, depth: int) -> list[Any] | bool:
        """Linear in a coordinate on which nothing else depends, such as a target: both its coefficients."""
        used = [g.index for g in self.varying(e)]
        alone = [
            t
            for t in e.tower.names.values()
            if e.num.degrees()[t] == 1 and not any(i != t and self.moves(e.tower, i, t) for i in used)
        ]
        return self.terms(e, want, depth, alone)

    def terms(self, e: Element, want: int, depth: int, of: Container[int] = range(ROOM)) -> list[Any] | bool:
        """All coefficients with respect to one generator have one sign, though not all their coefficients do."""
        tower = e.tower
        for i, degree in enumerate(e.num.degrees()):
            if i not in of or degree < 1 or tower.generators[i].sign != 2 or tower.generators[i].ball is not None:
                continue
            parts = {k: tower.coefficient(e.num, i, k) for k in range(int(degree) + 1)}
            parts = {k: p for k, p in parts.items() if not p.zero}
            seen: set[int] = set()
            for p in parts.values():
                known = tower.sign(p)
                seen |= signs(p) if known is None else {1 if known > 0 else -1}
            if len(seen) != 1 or len(parts) == 1:
                continue
            proofs = {str(k): self.proof(p, depth - 1) for k, p in parts.items()}
            if False in proofs.values():
                continue
            found = self.verified(e, ["terms", i, {k: p for k, p in proofs.items() if p is not None}], want)
            if found is not False:
                return found
        return False

    def joint_slopes(self, e: Element, want: int, depth: int) -> list[Any] | bool:
        """Monotone when divided by what leaves a polynomial in ndtr(-u) and an exponential, which is its slope."""
        tops = [int(d) for d in e.num.degrees()]
        kinds = {g.index: g.kind for g in self.varying(e)}
        pairs = [(i, j) for i in kinds for j in kinds if (kinds[i], kinds[j]) == ("ndtr", "exp")]
        return self.divided(
            e, want, depth, [(None, 0, ((i, tops[i]), (j, k))) for i, j in pairs for k in range(tops[j] + 1)]
        )

    def slopes(self, e: Element, want: int, depth: int) -> list[Any] | bool:
        """Monotone in a coordinate, divided first by what makes it simpler: a coefficient, powers of exp(m), a**q."""
        divisors: list[Divisor] = [(None, 0, ())]
        for g in self.varying(e):
            i, top = g.index, int(e.num.degrees()[g.index])
            if g.kind in ("log", "arc", "tan", "ndtr"):
                divisors.append((i, top, ()))
            if g.kind == "arc":  # the slope of 1/value is without it
                divisors += [(i, None, ((i, power),)) for power in {1, top}] + [(i, top, ((i, top),))]
            elif g.kind in ("exp", "power"):
                divisors += [(i, top, ()), (i, top, ((i, top),)), (i, 0, ()), (i, 0, ((i, 1),)), (i, top, ((i, 1),))]
        return self.divided(e, want, depth, divisors)

    @staticmethod
    def varying(e: Element) -> list[Generator]:
        """The generators of a numerator that are no constants."""
        return [g for i, d in enumerate(e.num.degrees()) if d > 0 and (g := e.tower.generators[i]).ball is None]

    def divided(self, e: Element, want: int, depth: int, divisors: list[Divisor]) -> list[Any] | bool:
        tower = e.tower
        plain = Element(tower, e.num)
        below = tower.sign(Element(tower, e.num.context().constant(1), e.den))
        if below not in (2, -2):
            return False
        used = [g.index for g in self.varying(e)]
        coordinates = [n for n, t in reversed(tower.names.items()) if any(self.moves(tower, i, t) for i in used)]
        trials = [self.trial(plain, name, parts, want * below // 2) for name in coordinates for parts in divisors]
        for _, name, parts, end, g, outer in sorted(filter(None, trials), key=lambda x: x[0]):
            inner = self.proof(tower.slope(g, tower.names[name]), depth - 1)
            if inner is False:
                continue
            divisor_ = [parts[0], parts[1], [list(p) for p in parts[2]]]
            found = self.verified(e, ["slope", name, divisor_, end, inner, outer], want)
            if found is not False:
                return found
        return False

    @staticmethod
    def moves(tower: Tower, index: int, t: int) -> bool:
        return not tower.slope_of(tower.generators[index], t).zero

    def trial(self, plain: Element, name: str, divisor_: Divisor, target: int) -> Any:
        """A division and an end at which the sign is right, if the slope never changes its sign on samples."""
        tower, t = plain.tower, plain.tower.names[name]
        try:
            scale = divisor(plain, *divisor_)
            if divisor_[0] is not None and scale.rational() is not None:
                return None
            s = tower.sign(scale)
            if s not in (2, -2):
                return None
            g = plain / scale
            want = target * s // 2
            slope = tower.slope(g, t)
            found = {0} if slope.zero else signs(slope)
            if len(found) != 1:
                return None
            rising = found.pop()
            end = "start" if rising * want >= 0 else "end"
            to, images = tower.copy(t)
            edge: Limit = limit(g, t, end == "start", to, images)
            outer = None
            if not isinstance(edge, int):
                if to.sign(edge) is None:
                    found_ = self.proof(edge, 3)
                    if isinstance(found_, bool):
                        return None
                    outer = found_
                at_end = sign(edge, outer)
            else:
                at_end = edge
            if at_end is None or at_end * want < 0:
                return None
            return len(slope.num) + 2 * len(slope.den), name, divisor_, end, g, outer
        except Unproved:
            return None

    def cuts(self, e: Element, want: int, depth: int) -> list[Any] | bool:
        if depth < 3:
            return False
        tower = e.tower
        for name, t in reversed(tower.names.items()):
            for at in ("1",):
                inner = []
                for way in PARTS:
                    to, images = tower.copy()
                    try:
                        moved = tower.move(e, to, {**images, t: way(to.number(1), images[t])})
                    except Unproved:
                        break
                    one = self.proof(moved, depth - 2)
                    if one is False:
                        break
                    inner.append(one)
                else:
                    found = self.verified(e, ["cut", name, at, inner], want)
                    if found is not False:
                        return found
        return False


def prove(e: Element, steps: int = _STEPS) -> list[Any] | bool | None:
    """A proof of the sign of an expression; None when the coefficients show it, False when none was found."""
    try:
        weak = e.tower.sign(e)
        if weak in (1, -1):  # perhaps no factor vanishes
            found = signs(e)
            return Search(steps).lemma(e, found.pop(), 4) if len(found) == 1 else False
        return Search(steps).proof(e)
    except Finer:
        raise
    except (Unproved, ZeroDivisionError):
        return False


def attempt(action: Callable[..., Any], *arguments: Any) -> Any:
    """What an action returns; None where it does not go through."""
    try:
        return action(*arguments)
    except (Unproved, ValueError, ArithmeticError, LookupError):
        return None
