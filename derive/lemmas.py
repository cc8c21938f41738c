"""What sign has an expression, and what limit? The lemmas of docs/lemmas.md, each followed step by step.

The checker and the prover both stand on this module; it knows neither SymPy nor them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .reading import Unproved
from .tower import ONE, Element, Sign, Tower, factored, times

Limit = Element | int  # 2 stands for oo, -2 for -oo
Signs = tuple[int, ...]
NONNEGATIVE, POSITIVE, NONPOSITIVE, NEGATIVE, NULL = (0, 1, 2), (2,), (0, -1, -2), (-2,), (0,)


def need(found: Sign, allowed: Signs, what: str) -> None:
    if found is None or found not in allowed:
        raise Unproved(f"{what}: the sign is {found}, one of {allowed} was claimed")


def limit(e: Element, t: int, start: bool, to: Tower, images: dict[int, Element]) -> Limit:
    """The limit as the coordinate t tends to 0 (start) or to oo, in a tower without t (lemma `limit`)."""
    try:
        here, u, back = e.tower, t, images
        if start:
            try:  # t = 0 can often be put in
                return e.tower.move(e, to, {**images, t: to.number(0)})
            except Unproved:
                here, u, back, e = turned(e, t, images)
        found = here.limit(e, u)
    except Unproved:
        if start:
            raise
        here, u, back, e = turned(e, t, images)
        return here.move(e, to, {**back, u: to.number(0)})
    return found if isinstance(found, int) else here.move(found, to, dict(back))


def leading(e: Element, t: int, start: bool) -> Element:
    """k in e = (k + o(1))*G, G > 0, as t tends to 0 (start) or to oo: e has its strict sign there (lemma `near`)."""
    if start:
        _, t, _, e = turned(e, t, {})
    try:
        k = e.tower.leader(e, t)[0]
    except Unproved:
        k = e.tower.number(0)
    return e.tower.leader(e.tower.sharper(e, t), t)[0] if k.zero else k


PARTS: tuple[Callable[[Element, Element], Element], ...] = (  # of a coordinate: below a, at it, above it
    lambda a, w: a * w / (w + 1),
    lambda a, w: a,
    lambda a, w: a + w,
)


def turned(e: Element, t: int, images: dict[int, Element]) -> tuple[Tower, int, dict[int, Element], Element]:
    """The expression in 1/t, in a tower of its own."""
    here, own = e.tower.copy()
    index = {i: here.names[n] for n, i in e.tower.names.items()}
    return here, index[t], {index[i]: x for i, x in images.items()}, e.tower.move(e, here, {**own, t: 1 / own[t]})


def divisor(e: Element, index: int | None, degree: int | None, powers: Sequence[tuple[int, int]]) -> Element:
    """A coefficient of the numerator, times powers of the values of generators: exp(m), a**q, 1/ndtr(-u)."""
    tower = e.tower
    out = tower.number(1) if index is None else tower.coefficient(e.num, index, degree)
    for i, k in powers:
        g = tower.generators[i]
        out *= (tower.element(g) + (2 if g.kind == "ndtr" else g.shift)) ** k
    return out


def sign(e: Element, proof: list[Any] | None) -> Sign:
    """The sign of an expression for all values of its coordinates, by the lemma that the proof names."""
    tower = e.tower
    if proof is None:
        return tower.sign(e)
    lemma, *rest = proof
    below = tower.sign(Element(tower, ONE, e.den))
    if lemma == "factors":  # the proofs of the irreducible factors of the numerator, in the order of their text
        content, factors = factored(e.num)
        total = times(below, 2 if content > 0 else -2)
        for i, (f, k) in enumerate(sorted(factors, key=lambda x: str(x[0]))):
            s = sign(Element(tower, f), rest[0].get(str(i)))
            total = times(total, s if k % 2 or s is None else 2 if abs(s) == 2 else 1)
        return total
    if lemma == "terms":  # a sum of terms of one sign, by the powers of one positive generator
        index, inner = rest
        if tower.generators[index].sign != 2:
            raise Unproved("not a positive generator")
        shown = [
            sign(tower.coefficient(e.num, index, k), inner.get(str(k)))
            for k in range(int(e.num.degrees()[index]) + 1)
            if not tower.coefficient(e.num, index, k).zero
        ]
        codes = [s for s in shown if s is not None]
        if len(codes) < len(shown) or min(codes) * max(codes) < 0:
            raise Unproved("the terms are not of one sign")
        return times(below, max(codes, key=abs))
    if lemma == "square":  # a*v**2 + b*v + c where 4*a*c > b**2
        if tower.generators[rest[0]].index != rest[0] or e.num.degrees()[rest[0]] != 2:
            raise Unproved("not a quadratic")
        c, b, a = (tower.coefficient(e.num, rest[0], k) for k in range(3))
        need(sign(a * c * 4 - b * b, rest[1]), POSITIVE, "the discriminant")
        return times(below, tower.sign(a))
    if lemma == "slope":  # monotone in one coordinate, with the right sign at one end of it
        name, parts, end, inner, outer = rest
        t, scale = tower.names[name], divisor(e, *parts)
        need(tower.sign(scale), (-2, 2), "the sign of the divisor")
        g = Element(tower, e.num) / scale
        to, images = tower.copy(t)
        edge = limit(g, t, end == "start", to, images)
        at_end = edge if isinstance(edge, int) else sign(edge, outer)
        reach = tower.generators[t].sign
        slope = sign(tower.slope(g, t), inner)
        way = slope if slope is None or end == "start" else -slope
        if way is None or at_end is None or way * at_end < 0 or reach is None:
            raise Unproved("the slope and the end disagree")
        strict = max(way, at_end, key=abs) if reach == 2 else min(1, max(-1, way + at_end))  # t = 0 may be met
        return times(times(below, tower.sign(scale)), strict)
    if lemma == "cut":  # one coordinate below a value, at it, above it
        name, at, inner = rest
        t, found = tower.names[name], list[Sign]()
        if tower.generators[t].sign is None:
            raise Unproved("a coordinate of any sign cannot be cut")
        for proof, part in zip(inner, PARTS, strict=True):
            to, images = tower.copy()
            a = to.read(at, {n: images[i] for n, i in tower.names.items() if n != name})
            to.positive(a, "the place of a cut")
            found.append(sign(tower.move(e, to, {**images, t: part(a, images[t])}), proof))
        codes = [s for s in found if s is not None]
        if len(codes) < 3 or min(codes) * max(codes) < 0:
            raise Unproved("the sign changes at a cut")
        return min(codes, key=abs) or (1 if max(codes) > 0 else -1 if min(codes) < 0 else 0)
    raise Unproved(f"no lemma {lemma!r}")
