"""Where might a formula change its branch, or a derivative its sign? Proposals only: nothing here is proof.

Roots of the factors of a derivative (as `formal` has it) that can be written down become candidates for breakpoints.
"""

from __future__ import annotations

import copy
import re
from contextlib import suppress
from math import lcm
from typing import Any

from .formal import Formal, met, number
from .reading import Unproved
from .tower import ONE, RING, VARIABLES, ZERO, Element, Generator, Tower, factored


class Piece:
    """The formula and its derivatives as they are under one outcome of the conditions."""

    def __init__(self, free: Formal, e: Element, x: str) -> None:
        self.free, self.x, self.derivatives = free, x, [e]

    def fits(self, at: dict[int, Any]) -> bool:
        return all(met(op, number(e, at)) == true for e, op, true in self.free.conditions)

    def derivative(self, k: int) -> Element:
        while len(self.derivatives) <= k:
            self.derivatives.append(self.free.slope(self.derivatives[-1], self.free.names[self.x]))
        return self.derivatives[k]


def text(e: Element, whole: bool = False) -> str:
    """An expression as a formula in the names of the coordinates; `whole`: a denominator without fractions."""
    e = _spelt(_by_angles(e))
    num, den = (_plain(e.tower, p) for p in (e.num, e.den))
    if whole and den != 1:
        scale = lcm(*(int(c.q) for p in (num, den) for c in p.to_dict().values()))
        num, den = num * scale, den * scale
    content = factored(num)[0] if num != 0 else 1
    if (
        content < 0
        and len(den) > 1
        and den.leading_coefficient() > 0
        and den.to_dict().get((0,) * len(VARIABLES), 1) < 0
    ):
        num, den = -num, -den
    top, bottom = _product(e.tower, num), _product(e.tower, den)
    if den == 1:
        return top
    top = f"({top})" if _sum(top) else top
    compound = _sum(bottom) or "*" in bottom or "/" in bottom
    return f"{top}/({bottom})" if compound and not re.fullmatch(r"\w+\([^()]*\)", bottom) else f"{top}/{bottom}"


def _spelt(e: Element) -> Element:
    """The same with ndtr(u) or ndtr(-u), whichever is shorter, and sqrt(2*pi) for generators."""
    kinds = {i: e.tower.generators[i].kind for p in (e.num, e.den) for i, d in enumerate(p.degrees()) if d > 0}
    peaks = {i: ("sqrt(2*pi)", 1, ONE, VARIABLES[i]) for i, kind in kinds.items() if kind == "peak"}
    normal = [i for i, kind in kinds.items() if kind == "ndtr"]
    if not peaks and not normal:
        return e
    tails = {i: ("ndtr", -1, 1 - 2 * VARIABLES[i], VARIABLES[i]) for i in normal}  # v = 1/ndtr(-u) - 2
    wholes = {i: ("ndtr", 1, 2 * VARIABLES[i] - 1, 1 - VARIABLES[i]) for i in normal}
    return min((_respelt(e, {**peaks, **way}) for way in (tails, wholes)), key=lambda x: len(x.num) + len(x.den))


def _respelt(e: Element, ways: dict[int, tuple[str, int, Any, Any]]) -> Element:
    """With generators replaced by such of which they are fractions: name, sign of the argument, fraction."""
    view = copy.copy(e.tower)
    view.generators = dict(view.generators)
    for i, (name, side, _, _) in ways.items():
        g = view.generators[i]
        view.generators[i] = Generator(name, i, 2, tuple(u * side for u in g.of), 0, g.ball)

    def put(p: Any) -> Element:
        tops = {i: int(p.degrees()[i]) for i in ways}
        total, below = ZERO, ONE
        for powers, c in p.to_dict().items():
            term = RING.from_dict({tuple(0 if i in ways else k for i, k in enumerate(powers)): c})
            for i, (_, _, num, den) in ways.items():
                term = term * num ** int(powers[i]) * den ** (tops[i] - int(powers[i]))
            total += term
        for i, top in tops.items():
            below = below * ways[i][3] ** top
        return Element(view, total, below)

    return put(e.num) / put(e.den)


def _by_angles(e: Element) -> Element:
    """The same with atan(u) for what `Tower.atan` has made of it."""
    tower = e.tower
    for g in [*tower.generators.values()]:
        if g.kind == "arc" and max(e.num.degrees()[g.index], e.den.degrees()[g.index]) > 0:
            (u,) = g.of
            a = tower.cached("atan", (u.num, u.den), lambda u=u: tower.new("atan", None, u))  # type: ignore[misc]
            v = tower.pi() / (tower.pi() / 2 - tower.element(a)) - g.shift
            parts = [
                [tower.coefficient(p, g.index, k) * v**k for k in range(int(p.degrees()[g.index]) + 1)]
                for p in (e.num, e.den)
            ]
            num, den = (sum(rest, first) for first, *rest in parts)
            e = num / den
    return e


def _plain(tower: Tower, p: Any) -> Any:
    """A polynomial in the values of the generators rather than in their coordinates."""
    images = list(VARIABLES)
    for i, d in enumerate(p.degrees()):
        g = tower.generators.get(i)
        if d > 0 and g is not None:
            images[i] = -VARIABLES[i] if g.kind == "log" and g.of[1].rational() == -1 else VARIABLES[i] - g.shift
    return p.compose(*images)


def _sum(t: str) -> bool:
    """Whether a text is a sum, so that a factor needs parentheses."""
    depth = 0
    for i, c in enumerate(t):
        depth += (c == "(") - (c == ")")
        if depth == 0 and c in "+-" and i > 0 and t[i - 1] == " ":
            return True
    return False


def _product(tower: Tower, p: Any) -> str:
    content, factors = factored(p)
    if not factors:
        return _number(content)
    if len(factors) == 1 and factors[0][1] == 1:
        return _terms(tower, p)
    out: list[str] = []
    exponents: list[Element] = []
    for f, k in sorted(factors, key=lambda x: (len(x[0]), str(x[0]))):
        constant = f.to_dict().get((0,) * len(VARIABLES), 0)
        turn = len(f) > 1 and constant < 0 and k % 2 and content < 0
        content = -content if turn else content
        lone = next((tower.generators[i] for i, d in enumerate(f.degrees()) if f == VARIABLES[i]), None)
        if lone is not None and lone.kind == "exp":
            exponents.append(lone.of[0] * k)
            continue
        body = _terms(tower, -f if turn else f)
        body = (
            f"({body})"
            if _sum(body)
            or (k > 1 and not body.replace("_", "").isalnum() and (not body.endswith(")") or "**" in body))
            else body
        )
        out.append(body if k == 1 else f"{body}**{k}")
    if exponents:  # one exponential: exp(a)*exp(b) may be oo*0
        out.insert(0, f"exp({text(sum(exponents[1:], exponents[0]))})")
    product = "*".join(out)
    if content.q == 1:
        return {1: product, -1: f"-{product}"}.get(int(content.p), f"{content.p}*{product}")
    head = {1: "", -1: "-"}.get(int(content.p), f"{content.p}*")
    return f"{head}{product}/{content.q}"


def _terms(tower: Tower, p: Any) -> str:
    rows = sorted(p.to_dict().items(), key=lambda x: x[1] < 0)  # the positive terms first
    return " + ".join(_term(tower, powers, c) for powers, c in rows).replace("+ -", "- ")


def _number(c: Any) -> str:
    return str(c.p) if c.q == 1 else f"{c.p}/{c.q}"


def _term(tower: Tower, powers: tuple[int, ...], c: Any) -> str:
    parts = []
    exponents = [tower.generators[i].of[0] * k for i, k in tower.powers(powers) if tower.generators[i].kind == "exp"]
    if exponents:  # one exponential: exp(a)*exp(b) may be oo*0
        parts.append(f"exp({text(sum(exponents[1:], exponents[0]))})")
    for i, k in tower.powers(powers):
        g = tower.generators[i]
        if g.kind == "exp":
            continue
        name = _generator(tower, i)
        name = f"({name})" if k > 1 and "**(" in name and not name.startswith(("exp(", "sqrt(", "log(")) else name
        parts.append(name if k == 1 else f"{name}**{k}")
    if not parts:
        return _number(c)
    product = "*".join(parts)
    if c.q != 1:
        head = {1: "", -1: "-"}.get(int(c.p), f"{c.p}*")
        return f"{head}{product}/{c.q}"
    return {1: product, -1: f"-{product}"}.get(int(c.p), f"{c.p}*{product}")


def _generator(tower: Tower, index: int) -> str:
    """The value of a generator."""
    g = tower.generators[index]
    if g.kind == "variable":
        return next(n for n, i in tower.names.items() if i == index)
    if g.kind in ("pi", "sqrt(2*pi)"):
        return g.kind
    inner = [text(u) for u in g.of]
    if g.kind == "log":
        return f"log({inner[0]})"
    if g.kind == "power":
        base = inner[0] if inner[0].isalnum() else f"({inner[0]})"
        return f"sqrt({inner[0]})" if inner[1] == "1/2" else f"{base}**({inner[1]})"
    return f"{g.kind}({inner[0]})"


def roots(e: Element, x: str, depth: int = 4) -> list[Element]:
    """The roots in x of an expression of a Formal tower, as far as they can be written down."""
    tower: Tower = e.tower
    t = tower.names[x]
    out: list[Element] = []
    if e.zero or depth == 0:
        return out
    for f, _ in factored(e.num)[1]:
        degrees = f.degrees()
        moving = [i for i, d in enumerate(degrees) if d > 0 and not tower.slope_of(tower.generators[i], t).zero]
        if len(moving) > 1:
            with suppress(Unproved):
                out += roots(_together(tower, f, moving), x, depth - 1)
        if len(moving) != 1:
            continue
        i = moving[0]
        shift = tower.generators[i].shift
        own = f if i == t else f.compose(*[v - shift if n == i else v for n, v in enumerate(VARIABLES)])  # in its value
        parts = [tower.coefficient(own, i, k) for k in range(int(degrees[i]) + 1)]
        for root in _solve(tower, parts):
            g = tower.generators[i]
            try:
                out += [root] if i == t else _invert(tower, g, root, x, depth)
            except Unproved:
                continue
    return out


def _together(tower: Tower, f: Any, moving: list[int]) -> Element:
    """What vanishes where a sum of logarithms, such as log(a) - log(b) + c, does: a/b - exp(-c)."""
    parts = [tower.coefficient(f, i, 1) for i in moving]
    logs, rest = [tower.generators[i] for i in moving], Element(tower, f)
    for c, g in zip(parts, logs, strict=True):
        rest -= c * tower.element(g)
    ratios = [q for c in parts if (q := (c / parts[0]).rational())]
    left = any(d > 0 and i in moving for e in (rest, parts[0]) for i, d in enumerate(e.num.degrees()))
    if left or len(ratios) < len(parts) or any(g.kind != "log" for g in logs):
        raise Unproved("not a sum of logarithms")
    n, product = lcm(*(q.denominator for q in ratios)), tower.number(1)
    for g, q in zip(logs, ratios, strict=True):
        product *= tower.power(g.of[0], g.of[1] * n * q)
    return product - tower.exp(-rest / parts[0] * n)


def _solve(tower: Tower, parts: list[Element]) -> list[Element]:
    half = tower.number("1/2")
    used = [k for k, c in enumerate(parts) if not c.zero]
    if used[0] > 0:
        return [tower.number(0), *_solve(tower, parts[used[0] :])]
    n = used[-1]
    try:
        if n == 0:
            return []
        if used == [0, n] and n > 1:  # a*v**n = -b
            base = -parts[0] / parts[n]
            v = number(base, tower.at)  # type: ignore[attr-defined]
            if n % 2 and v < 0:
                return [-tower.power(-base, tower.number(f"1/{n}"))]
            if v < 0:
                return []
            root = tower.power(base, tower.number(f"1/{n}"))
            return [root] if n % 2 else [root, -root]
        if n == 1:
            return [-parts[0] / parts[1]]
        if n == 2 or (n == 4 and used == [0, 2, 4]):
            step = n // 2
            c, b, a = parts[0], parts[step], parts[n]
            square = b * b - a * c * 4
            if number(square, tower.at) < 0:  # type: ignore[attr-defined]
                return []
            root = tower.power(square, half)
            both = [(-b + root) / (a * 2), (-b - root) / (a * 2)]
            if step == 1:
                return both
            out = []
            for z in both:
                if number(z, tower.at) > 0:  # type: ignore[attr-defined]
                    w = tower.power(z, half)
                    out += [w, -w]
            return out
    except Unproved:
        return []
    return []


def _invert(tower: Tower, g: Any, value: Element, x: str, depth: int) -> list[Element]:
    """The x at which a generator takes a value."""
    if g.kind in ("exp", "power") and not number(value, tower.at) > 0:  # type: ignore[attr-defined]
        return []
    if g.kind == "exp":
        return roots(g.of[0] - tower.log(value), x, depth - 1)
    if g.kind == "log":
        return roots(g.of[0] - tower.exp(value * g.of[1]), x, depth - 1)
    if g.kind == "power":
        return roots(g.of[0] - tower.power(value, 1 / g.of[1]), x, depth - 1)
    if g.kind in ("sin", "cos") and value.zero:
        quarters = range(-6, 7) if g.kind == "sin" else range(-5, 6)
        step = tower.pi() if g.kind == "sin" else tower.pi() / 2
        multiples = [k for k in quarters if g.kind == "sin" or k % 2]
        return [r for k in multiples for r in roots(g.of[0] - step * k, x, depth - 1)]
    if g.kind == "arc":
        return roots(g.of[0] - tower.tan(tower.pi() / 2 - tower.pi() / value), x, depth - 1)
    if g.kind == "atan":
        return roots(g.of[0] - tower.tan(value), x, depth - 1)
    return []


def thresholds(e: Element, name: str) -> list[Element]:
    """Values of a parameter at which a factor or a coefficient of an expression vanishes."""
    tower: Tower = e.tower
    p = tower.names[name]
    out: list[Element] = []
    for part in (e.num, e.den, _plain(tower, e.num)):
        for f, _ in factored(part)[1]:
            groups: dict[tuple[int, ...], Any] = {}
            for powers, c in f.to_dict().items():
                key = (*powers[:p], 0, *powers[p + 1 :])
                rest = tuple(powers[p] if i == p else 0 for i in range(len(powers)))
                groups[key] = groups.get(key, RING.constant(0)) + RING.from_dict({rest: c})
            for c in groups.values():
                if not c.is_constant():
                    out += roots(Element(tower, c), name)
            if part is not e.num and part is not e.den:
                continue
            if len(groups) <= 3 and f.degrees()[p] > 0:
                out += roots(Element(tower, f), name)
    return out
