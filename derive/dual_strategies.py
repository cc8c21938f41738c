"""Which formulas might the conjugate, the proximal map, the calibration transform, the statistic of a loss be?

On each cell the equation of the minimizer, f'(x) = s for instance, is solved for x as far as it can be; the texts of
all cells are joined by conditions on s. Numbers choose among roots. Nothing is concluded here: `duality` checks.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from flint import arb

from .cells import Place, formula
from .duality import CENTRE, EXCESS, SLOPE, STEP, finite
from .judgements import PROPERTIES
from .lemmas import Limit
from .roots import Free, roots
from .roots import text as plain
from .search import number
from .strata import Stratum, attempt
from .tower import Element, Unproved

if TYPE_CHECKING:
    from .prove import Prover

Found = tuple[dict[str, Any], str | None]
_CLOSE = arb(10) ** -12


@dataclass(frozen=True, slots=True)
class Region:
    """An interval of the variable of a claim, or a point of it, and the claimed formula there."""

    low: Limit
    high: Limit
    text: str
    has_low: bool
    has_high: bool
    probes: tuple[tuple[Any, Any], ...] = ()  # values of the variable inside, and what is claimed there

    @property
    def point(self) -> bool:
        if isinstance(self.low, int) or isinstance(self.high, int):
            return False
        return (self.high - self.low).zero


class Dual:
    """One stratum, seen from the variable of a claim."""

    def __init__(self, s: Stratum, name: str, at: list[str]) -> None:
        self.s, self.name, self.at = s, name, at
        self.case = s.case("convex", at)

    def inside(self, i: int, n: int = 0) -> Any:
        """A point of a cell."""
        low, high = (None if b in ("-oo", "oo") else self.s.value(b, n) for b in self.case.bounds[i : i + 2])
        if low is None and high is None:
            return arb("0.7")
        if low is None:
            return high - (abs(high) + 1) * arb("0.6")
        return low + (abs(low) + 1) * arb("0.6") if high is None else low + (high - low) * arb("0.4")

    def free(self, x: Any, own: Any, n: int = 0) -> Free:
        sample = {**self.s.sample(n), self.s.x: x, self.name: own}
        return Free(sample, self.s.positive, self.s.units.free)

    def slopes(self, free: Free) -> tuple[Element, Element]:
        """Of f, at x and at -x."""
        names, t = free.all(), free.names[self.s.x]
        right = free.slope(formula(self.s.loss, free, dict(names)), t)
        mirrored = formula(self.s.loss, free, {**names, self.s.x: -names[self.s.x]})
        return right, -free.slope(mirrored, t)

    def solved(self, i: int, own: Callable[[Free], Element], vanishing: Callable[[Free, Element], Element]) -> tuple[Free, Element]:
        """The prediction as a formula of the variable on a cell, where `own` is the variable at a prediction."""
        x = self.inside(i)
        first = self.free(x, arb(1))
        free = self.free(x, number(own(first), first.at))
        e = vanishing(free, free.element_of(self.name))
        for root in roots(e, self.s.x):
            if abs(number(root, free.at) - x) < _CLOSE * (1 + abs(x)):
                return free, root
        raise Unproved(f"no closed form of the minimizer on cell {i}")

    def f(self, free: Free, x: Element) -> Element:
        return formula(self.s.loss, free, {**free.all(), self.s.x: x})

    def number(self, e: Element, n: int = 0) -> Any:
        names = {**self.s.sample(n)}
        back = self.s.back(e)
        free = Free({**names, self.s.x: arb(1)}, self.s.positive, self.s.units.free)
        return number(free.read(back, free.all()), free.at)

    def says(self, told: str, at: Any) -> Any:
        """What a formula of the variable says at one of its values; None where it says nothing."""
        free = self.free(arb(1), at)
        try:
            v = number(free.read(told, free.all()), free.at)
        except (Unproved, ZeroDivisionError, ValueError):
            return None
        return v if v.is_finite() else None

    def fits(self, told: str, r: Region) -> bool:
        """Whether another formula says the same in a region, as far as numbers tell."""
        found = [(self.says(told, at), value) for at, value in r.probes]
        return bool(found) and all(v is not None and abs(v - w) < _CLOSE * (1 + abs(w)) for v, w in found)

    def open(self, low: Limit, high: Limit, told: str, *ats: Any) -> Region:
        """What is claimed between two values."""
        return Region(low, high, told, False, False, tuple((at, v) for at in ats if (v := self.says(told, at)) is not None))

    def closed(self, low: Limit, high: Limit, told: str) -> Region:
        """What is claimed at two values and between them."""
        a, b = self.number(finite(low)), self.number(finite(high))
        ats = [a] if (finite(high) - finite(low)).zero else [a, a + (b - a) * arb("0.3"), b]
        return Region(low, high, told, True, True, tuple((at, v) for at in ats if (v := self.says(told, at)) is not None))

    def joined(self, regions: list[Region]) -> str:
        """One text of all regions, which follow one another from -oo to oo, or within a range."""
        kept: list[Region] = []
        for r in regions:  # a point that the one before contains says nothing new
            if not (r.point and kept and kept[-1].has_high and (finite(r.low) - finite(kept[-1].high)).zero):
                kept.append(r)
        kept = [r for k, r in enumerate(kept) if not (r.point and self.contained(r, kept[k + 1 : k + 2]))]
        for order in (range(1, len(kept)), range(len(kept) - 2, -1, -1)):
            for k in order:
                other = kept[k - 1 if order.step > 0 else k + 1]
                if "oo" not in (other.text, kept[k].text) and self.fits(other.text, kept[k]):
                    kept[k] = replace(kept[k], text=other.text)
        merged: list[Region] = []
        for r in kept:
            if merged and merged[-1].text == r.text:
                merged[-1] = replace(merged[-1], high=r.high, has_high=r.has_high, probes=merged[-1].probes + r.probes)
            else:
                merged.append(r)
        return self.written(merged)

    def contained(self, r: Region, following: list[Region]) -> bool:
        return any(f.has_low and (finite(r.high) - finite(f.low)).zero for f in following)

    def written(self, rows: list[Region]) -> str:
        name = self.name
        if rows[0].text == rows[-1].text == "oo" and len(rows) == 3 and rows[1].has_low and rows[1].has_high:
            low, high = finite(rows[1].low), finite(rows[1].high)
            if (low + high).zero and not high.zero:
                return f"{rows[1].text} if abs({name}) <= {self.s.back(high)} else oo"
            both = f"{name} == {self.s.back(low)}" if (high - low).zero else f"{self.s.back(low)} <= {name} <= {self.s.back(high)}"
            return f"{rows[1].text} if {both} else oo"
        if rows[0].text == "oo" and len(rows) == 2:
            return f"{rows[1].text} if {name} {'>=' if rows[1].has_low else '>'} {self.s.back(finite(rows[1].low))} else oo"
        out = ""
        for r in rows[:-1]:
            sign = "==" if r.point else "<=" if r.has_high else "<"
            out += f"{r.text} if {name} {sign} {self.s.back(finite(r.high))} else "
        return out + rows[-1].text


def text(e: Element) -> str:
    """An expression as a formula, with whole numbers in its denominator."""
    return plain(e, whole=True)


# Conjugate and proximal map ----------------------------------------------------------------------


def ran(p: Prover, s: Stratum, at: list[str], told: str | None, **more: Any) -> Found | None:
    """The property with a value, which may be JSON."""
    if told is None:
        return None
    case = s.case(p.name, at, **more)
    try:
        if PROPERTIES[p.name](case, unpacked(told)):  # type: ignore[arg-type]
            return case.node, told
    except Unproved as problem:
        p.reason = str(problem)
    return None


def unpacked(told: str) -> Any:
    """A value as it stands in a claim: a text, or what JSON says."""
    return json.loads(told) if told.startswith("{") else told


def closed(make: Callable[[Prover, Stratum, list[str]], str]) -> Callable[[Prover, Stratum], Found | None]:
    def strategy(p: Prover, s: Stratum) -> Found | None:
        if p.implicit:
            return None
        at = s.chart(1)
        told = p.fixed
        if told is None:
            try:
                told = make(p, s, at)
            except Unproved as problem:
                p.reason = str(problem)
                return None
        return ran(p, s, at, told)

    return strategy


def conjugate(p: Prover, s: Stratum, at: list[str]) -> str:
    d = Dual(s, SLOPE, at)
    case, last = d.case, len(at)
    regions: list[Region] = []
    low, high = case.limit(1, 0, "low"), case.limit(1, last, "high")

    def outer(i: int, side: str, end: Element) -> Region:
        def line(cell: Any) -> Element:
            images = {n: cell.tower.element(cell.tower.generators[cell.tower.names[m]]) for m, n in s.here.tower.names.items()}
            return case.here.tower.move(end, cell.tower, images) * cell.names[s.x] - cell.derivative(0)

        e = case.limit(0, i, side, line)
        return d.closed(end, end, "oo" if isinstance(e, int) else s.back(e))

    if not isinstance(low, int):
        regions += [Region(-2, low, "oo", False, False), outer(0, "low", low)]
    for i in case.cells:
        if not case.cell(i).derivative(2).zero:
            free, x = d.solved(i, lambda free: d.slopes(free)[0], lambda free, s_: d.slopes(free)[0] - s_)
            value = free.element_of(SLOPE) * x - d.f(free, x)
            ends_ = case.limit(1, i, "low"), case.limit(1, i, "high")
            regions.append(d.open(*ends_, text(value), free.at[free.names[SLOPE]]))
        if i < last:
            b, f = at[i], s.back(case.value(i))
            free = d.free(d.inside(i), arb(1))
            value = free.element_of(SLOPE) * free.read(b, free.all()) - free.read(f, free.all())
            regions.append(d.closed(case.limit(1, i, "high"), case.limit(1, i + 1, "low"), text(value)))
    if not isinstance(high, int):
        regions += [outer(last, "high", high), Region(high, 2, "oo", False, False)]
    return d.joined(regions)


def prox(p: Prover, s: Stratum, at: list[str]) -> str:
    wide = Stratum(s.loss, [*s.path, Place(STEP, "0", "oo")], s.units)
    d = Dual(wide, CENTRE, at)
    case, last = d.case, len(at)
    step = case.here.names[STEP]
    regions: list[Region] = []

    def centre(free: Free) -> Element:
        return free.element_of(s.x) + free.element_of(STEP) * d.slopes(free)[0]

    def end(j: int, i: int, side: str) -> Limit:
        if j < 0 or j == last:
            return -2 if j < 0 else 2
        return case.read(at[j]) + finite(case.limit(1, i, side)) * step

    for i in case.cells:
        free, x = d.solved(i, centre, lambda free, v: centre(free) - v)
        regions.append(d.open(end(i - 1, i, "low"), end(i, i, "high"), text(x), free.at[free.names[CENTRE]]))
        if i < last:
            regions.append(d.closed(end(i, i, "high"), end(i, i + 1, "low"), at[i]))
    return d.joined(regions)


def implicit(p: Prover, s: Stratum) -> Found | None:
    """The equation of the minimizer, where it has no closed form."""
    if not p.implicit:
        return None
    at = s.chart(1)
    right = CENTRE if p.name == "prox" else SLOPE
    for slope in slope_texts(s, at) if p.fixed is None else [""]:
        left = f"{s.x} + {STEP}*({slope})" if p.name == "prox" else slope
        found = ran(p, s, at, p.fixed or json.dumps({"equation": f"{left} = {right}"}))
        if found is not None:
            return found
    return None


def slope_texts(s: Stratum, at: list[str]) -> list[str]:
    """f' as one text in the prediction: as it is on one cell, or joined from all."""
    d = Dual(s, SLOPE, at)
    rows: list[tuple[str, str]] = []  # text, upper end
    for i in d.case.cells:
        free = d.free(d.inside(i), arb(1))
        one = text(d.slopes(free)[0])
        if rows and rows[-1][0] == one:
            rows.pop()
        rows.append((one, d.case.bounds[i + 1]))
    joined = "".join(f"{one} if {s.x} < {end} else " for one, end in rows[:-1]) + rows[-1][0]
    return [*dict.fromkeys(one for one, _ in reversed(rows)), joined]


# The calibration transform -----------------------------------------------------------------------


def transform(p: Prover, s: Stratum) -> Found | None:
    """The value of `calibrated` for a convex loss; the claim without it where none is found."""
    base = s.chart(1)
    mirrored = [s.back(-s.here.tower.read(b, s.here.names)) for b in base]
    at = s.ordered({*base, "0", *mirrored})[1:-1]
    told = p.fixed or attempt(psi, s, at)
    if told is None:
        return None
    return ran(p, s, at, told, convex=True)


def psi(s: Stratum, at: list[str]) -> str:
    d = Dual(s, EXCESS, at)
    case, zero, last = d.case, at.index("0"), len(at)
    level = s.back(case.value(zero))
    one = case.here.tower.number(1)

    def left(cell: Any) -> Element:
        mirrored = formula(s.loss, cell.tower, {**cell.names, s.x: -cell.names[s.x]})
        return -cell.tower.slope(mirrored, cell.t) / cell.rate

    def excess(a: Element, b: Element) -> Element:
        return (b - a) / (a + b)

    def reached(free: Free, a: Element, b: Element) -> Element:
        theta = free.element_of(EXCESS)
        return free.read(level, free.all()) - (a * (theta + 1) + b * (1 - theta)) / 2

    def edge(i: int, side: str) -> Element:
        return finite(case.limit(0, i, side, lambda z: excess(z.derivative(1), left(z))))

    regions = [d.closed(one * 0, one * 0, "0")]
    for i in range(zero + 1, last + 1):
        low, high = edge(i, "low"), edge(i, "high")
        if not (high - low).zero:
            free, x = d.solved(
                i,
                lambda free: excess(*d.slopes(free)),
                lambda free, theta: (theta + 1) * d.slopes(free)[0] - (1 - theta) * d.slopes(free)[1],
            )
            told = text(reached(free, d.f(free, x), d.f(free, -x)))
            regions.append(d.open(low, high, told, free.at[free.names[EXCESS]]))
        if i == last:
            outer = case.limit(0, i, "high")
            top = "oo" if isinstance(outer, int) else s.back(case.value(zero) - outer)
            regions.append(d.closed(one, one, top))
            break
        after = finite(case.limit(1, i + 1, "low"))
        done = d.number(after) > -_CLOSE
        free = d.free(d.inside(i), arb("0.3"))
        b = free.read(at[i], free.all())
        value = text(reached(free, d.f(free, b), d.f(free, -b)))
        regions.append(d.closed(high, one if done else edge(i + 1, "low"), value))
        if done:
            break
    return d.joined(regions)


# Statistics --------------------------------------------------------------------------------------


def statistic(p: Prover, s: Stratum) -> Found | None:
    if p.fixed is not None:
        options: list[str | None] = [p.fixed]
    else:
        options = [json.dumps(o) for o in (residuals if s.loss["base"] == "residual" else targets)(s)]
    for told in options:
        for order in (0, 1):
            found = ran(p, s, s.chart(order), told)
            if found is not None:
                return found
    return None


def residuals(s: Stratum) -> list[dict[str, str]]:
    out: list[dict[str, str]] = [{"statistic": "mean"}, {"statistic": "median"}]
    at = s.chart(0)
    d = Dual(s, SLOPE, at)
    zero = at.index("0") if "0" in at else None
    if zero is not None:
        for kind, power in (("quantile", 0), ("expectile", 1)):
            level = attempt(share, d, zero, power)
            if level is not None:
                out.append({"statistic": kind, "level": level})
    told = attempt(slope_texts, s, s.chart(1)) or []
    return out + [{"statistic": "equation", "equation": f"E[{one}] = 0"} for one in told]


def share(d: Dual, zero: int, power: int) -> str:
    """b/(a + b), where the slope is a on the right and -b on the left."""
    parts = []
    for i in (zero, zero + 1):
        cell = d.case.cell(i)
        e = cell.derivative(1) / cell.names[d.s.x] ** power
        if not cell.tower.slope(e, cell.t).zero:
            raise Unproved("not of this form")
        parts.append(cell.tower.move(e, d.case.here.tower, d.case.carry(cell)))
    b, a = parts[0] if power else -parts[0], parts[1]
    return d.s.back(b / (a + b))


def targets(s: Stratum) -> list[dict[str, str]]:
    ((name, domain),) = s.loss["inputs"].items()
    x: str = s.x
    out: list[dict[str, str]] = []

    def at(value: str, x_: str = "0.37") -> tuple[Free, Element]:
        sample = {**s.sample(), s.x: arb(x_), name: arb(value)}
        free = Free(sample, s.positive | {name}, s.units.free)
        return free, free.slope(formula(s.loss, free, free.all()), free.names[s.x])

    def mean() -> str:
        if domain in ("{0, 1}", "{-1, 1}"):
            free = Free({**s.sample(), s.x: arb("0.37")}, s.positive, s.units.free)
            labels = [free.number(v) for v in domain[1:-1].split(",")]
            low, high = (
                free.slope(formula(s.loss, free, {**free.all(), name: v}), free.names[s.x]) for v in labels
            )
            return text(labels[0] + low * (labels[1] - labels[0]) / (low - high))
        free, e = at("0.6")
        weight = -free.slope(e, free.names[name])
        return text(free.element_of(name) + e / weight)

    told = attempt(mean)
    if told is not None:
        out.append({"statistic": "mean"} if told == x else {"statistic": "mean", "link": told})
    for link in (x, f"exp({x})"):
        level = attempt(lambda link: level_of(s, name, link), link)
        for kind in ({"statistic": "median"}, {"statistic": "quantile", "level": level}):
            if level is not None:
                out.append(kind | ({} if link == x else {"link": link}))
    return out


def level_of(s: Stratum, name: str, link: str) -> str:
    parts = []
    for side in ("0.5", "1.5"):  # the target below and above the link
        free = Free({**s.sample(), s.x: arb("0.37")}, s.positive, s.units.free)
        v = number(free.read(link, free.all()), free.at) * arb(side)
        free = Free({**s.sample(), s.x: arb("0.37"), name: v}, s.positive | {name}, s.units.free)
        parts.append(free.slope(formula(s.loss, free, free.all()), free.names[s.x]))
    if not all(e.tower.slope(e, e.tower.names[name]).zero for e in parts):
        raise Unproved("the slope depends on the target")
    free = Free({**s.sample(), s.x: arb("0.37")}, s.positive, s.units.free)
    a, b = (free.read(text(e), free.all()) for e in parts)
    return text(-b / (a - b))


def two_values(p: Prover, s: Stratum) -> Found | None:
    """Two values of the target whose mean loss has a maximum where its slope is 0."""
    if s.loss["base"] != "residual":
        return None
    at = s.chart(3)
    case = s.case(p.name, at)
    spots = []
    for j in range(len(at)):
        if case.analytic(j):
            rows = [attempt(case.limit, n, j, "high") for n in (1, 2)]
            if all(isinstance(e, Element) for e in rows):
                spots.append(([j, "high"], rows))
    d = Dual(s, SLOPE, at)
    for (first, a), (last, b) in itertools.product(spots, repeat=2):
        x, y, z, w = (d.number(e) for e in (*a, *b))
        if x < 0 and z > 0 and x * w - z * y > 0:
            trial = s.case(p.name, at, evidence=[first, last])
            if attempt(PROPERTIES[p.name], trial, None) is False:
                return trial.node, None
    return None


# The weight of a proper loss ---------------------------------------------------------------------


def weighted(p: Prover, s: Stratum, found: Found) -> Found:
    """The same with the weight function w of d loss(1, p)/dp = -(1 - p)*w(p) as value, where it is one formula."""
    node, _ = found
    if "evidence" in node or node["at"]:
        return found
    told = p.fixed or attempt(weight, s)
    return (attempt(lambda told: p.run(s.case(p.name, node["at"]), told), told) if told else None) or found


def weight(s: Stratum) -> str:
    (label,) = s.loss["inputs"]
    free = Free({**s.sample(), s.x: arb("0.37")}, s.positive, s.units.free)
    one = free.slope(formula(s.loss, free, {**free.all(), label: free.number(1)}), free.names[s.x])
    logit = s.loss["domain"] == "(-oo, oo)"
    p = free.read(f"1/(1 + exp(-{s.x}))" if logit else s.x, free.all())
    return text(-one / ((1 - p) * (p * (1 - p) if logit else free.number(1))))

