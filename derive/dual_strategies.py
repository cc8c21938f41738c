"""Which formulas might the conjugate, the proximal map, the calibration transform, the statistic of a loss be?

On each cell the equation of the minimizer, f'(x) = s for instance, is solved for x as far as it can be; the texts of
all cells are joined by conditions on s. Numbers choose among roots. Nothing is concluded here: `duality` checks.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from flint import arb

from .cells import Place, formula
from .duality import CENTRE, EXCESS, SLOPE, STEP, bends, expected, finite, inclusion, target_places
from .explorer import Explorer
from .formal import Formal, number
from .judgements import PROPERTIES
from .lemmas import Limit
from .reading import Unproved
from .roots import roots
from .roots import text as plain
from .search import attempt
from .strata import Stratum
from .tower import RING, VARIABLES, Element, Finer, Sign

if TYPE_CHECKING:
    from .prove import Prover

Found = tuple[dict[str, Any], str | None]
_CLOSE = arb(10) ** -12


class Tidy(Formal):
    """A tower for what is written: powers as they are, none as the inverse of another."""

    raising = False

    def power_of(self, f: Any, q: Element) -> Element:
        before, self.raising = self.raising, True
        try:
            return super().power_of(f, q)
        finally:
            self.raising = before

    def positive(self, e: Element, what: str) -> None:
        if e.zero:
            raise Unproved(f"{what} of 0")

    def sign(self, e: Element) -> Sign:
        return 2 if self.raising else super().sign(e)


def variables(s: Stratum, free: Formal) -> dict[str, Element]:
    """All names, with the values of those parameters that have only one."""
    names = free.all()
    return names | {p.name: free.read(p.low, names) for p in s.path if p.low == p.high}


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

    def __init__(self, s: Stratum, name: str, at: list[str], raw: bool = False) -> None:
        self.s, self.name, self.at, self.raw = s, name, at, raw
        self.case = s.case("convex", at)

    def again(self, action: Callable[[], Any]) -> Any:
        """Do it again when a tower of proposals needs a finer unit; those of proofs begin anew with everything."""
        for _ in range(40):
            before = dict(self.s.units)
            try:
                return action()
            except Finer:
                if self.s.units != before:
                    raise
        raise Unproved("generators were refined too often")

    def inside(self, i: int, n: int = 0) -> Any:
        """A point of a cell."""
        ends = self.case.bounds[i : i + 2]
        low: Any
        high: Any
        low, high = (None if b in ("-oo", "oo") else self.s.value(b, n) for b in ends)
        if low is None and high is None:
            return arb("0.7")
        if low is None:
            return high - (abs(high) + 1) * arb("0.6")
        return low + (abs(low) + 1) * arb("0.6") if high is None else low + (high - low) * arb("0.4")

    def free(self, x: Any, own: Any, n: int = 0) -> Formal:
        sample = {**self.s.sample(n), self.s.x: x, self.name: own}
        return Tidy(sample, self.s.positive, self.s.units.free)

    def slopes(self, free: Formal) -> tuple[Element, Element]:
        """Of f, at x and at -x."""
        names, t = free.all() if self.raw else variables(self.s, free), free.names[self.s.x]
        right, mirrored = (formula(self.s.loss, free, {**names, self.s.x: names[self.s.x] * way}) for way in (1, -1))
        return free.slope(right, t), -free.slope(mirrored, t)

    def solved(
        self, i: int, own: Callable[[Formal], Element], vanishing: Callable[[Formal, Element], Element]
    ) -> tuple[Formal, Element]:
        """The prediction as a formula of the variable on a cell, where `own` is the variable at a prediction."""
        found: tuple[Formal, Element] = self.again(lambda: self._solved(i, own, vanishing))
        return found

    def _solved(
        self, i: int, own: Callable[[Formal], Element], vanishing: Callable[[Formal, Element], Element]
    ) -> tuple[Formal, Element]:
        x = self.inside(i)
        first = self.free(x, arb(1))
        free = self.free(x, number(own(first), first.at))
        e = vanishing(free, free.element_of(self.name))
        for root in [*roots(e, self.s.x), *roots(without_root(e), self.s.x), *monomial(e, self.s.x)]:
            if abs(number(root, free.at) - x) < _CLOSE * (1 + abs(x)):
                return free, root
        raise Unproved(f"no closed form of the minimizer on cell {i}")

    def f(self, free: Formal, x: Element) -> Element:
        return formula(self.s.loss, free, {**variables(self.s, free), self.s.x: x})

    def number(self, e: Element, n: int = 0) -> Any:
        names = {**self.s.sample(n)}
        back = self.s.back(e)
        free = Formal({**names, self.s.x: arb(1)}, self.s.positive, self.s.units.free)
        return number(free.read(back, free.all()), free.at)

    def says(self, told: str, at: Any) -> Any:
        """What a formula of the variable says at one of its values, a number or a text; None where it says nothing."""
        return self.again(lambda: self._says(told, at))

    def _says(self, told: str, at: Any) -> Any:
        free = self.free(arb(1), arb(1) if isinstance(at, str) else at)
        names = free.all()
        try:
            if isinstance(at, str):
                names[self.name] = free.read(at, names)
            v = number(free.read(told, names), free.at)
        except (Unproved, ArithmeticError, ValueError):
            return None
        return v if v.is_finite() else None

    def fits(self, told: str, r: Region) -> bool:
        """Whether another formula says the same in a region, as far as numbers tell."""
        found = [(self.says(told, at), value) for at, value in r.probes]
        return bool(found) and all(v is not None and abs(v - w) < _CLOSE * (1 + abs(w)) for v, w in found)

    def open(self, low: Limit, high: Limit, told: str, *ats: Any) -> Region:
        """What is claimed between two values."""
        return Region(
            low, high, told, False, False, tuple((at, v) for at in ats if (v := self.says(told, at)) is not None)
        )

    def closed(self, low: Limit, high: Limit, told: str) -> Region:
        """What is claimed at two values and between them."""
        a, b = self.s.back(finite(low)), self.s.back(finite(high))
        ats: list[Any] = [a]
        if not (finite(high) - finite(low)).zero:
            ats = [a, self.s.value(a) + (self.s.value(b) - self.s.value(a)) * arb("0.3"), b]
        return Region(
            low, high, told, True, True, tuple((at, v) for at in ats if (v := self.says(told, at)) is not None)
        )

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
        texts = list(dict.fromkeys(r.text for r in kept if r.text != "oo"))
        for one in texts if len(texts) > 1 else []:  # of a loss that is even, the formula for s > 0 in abs(s)
            even = re.sub(rf"\b{self.name}\b", f"abs({self.name})", one)
            if all(r.text == "oo" or self.fits(even, r) for r in kept):
                kept = [r if r.text == "oo" else replace(r, text=even) for r in kept]
                break
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
        if rows[0].text == rows[-1].text == "oo" and len(rows) == 3:
            low, high = finite(rows[1].low), finite(rows[1].high)
            first, last = ("<=" if has else "<" for has in (rows[1].has_low, rows[1].has_high))
            both = f"{self.s.back(low)} {first} {name} {last} {self.s.back(high)}"
            if (high - low).zero:
                both = f"{name} == {self.s.back(low)}"
            elif (low + high).zero and first == last:
                both = f"abs({name}) {last} {self.s.back(high)}"
            return f"{rows[1].text} if {both} else oo"
        if rows[0].text == "oo" and len(rows) == 2:
            sign = ">=" if rows[1].has_low else ">"
            return f"{rows[1].text} if {name} {sign} {self.s.back(finite(rows[1].low))} else oo"
        out = ""
        for r in rows[:-1]:
            sign = "==" if r.point else "<=" if r.has_high else "<"
            out += f"{r.text} if {name} {sign} {self.s.back(finite(r.high))} else "
        return out + rows[-1].text


def without_root(e: Element) -> Element:
    """The numerator times its conjugate with respect to a square root."""
    tower, num = e.tower, e.num
    for _, index, degree in tower.relations:
        if degree == 2 and num.degrees()[index] == 1 and tower.generators[index].ball is None:
            images = list(VARIABLES)
            images[index] = -VARIABLES[index] - 2 * tower.generators[index].shift
            return Element(tower, num * num.compose(*images))
    return e


def monomial(e: Element, x: str) -> list[Element]:
    """The root of c*x**a + d*x**b = 0, where powers of x are generators of their own."""
    tower, out = e.tower, list[Element]()
    t = tower.names[x]
    moving = {i: g for i, g in tower.generators.items() if not tower.slope_of(g, t).zero}
    plain_ = list(VARIABLES)  # in the values of the generators rather than their coordinates
    for i, g in moving.items():
        plain_[i] = VARIABLES[i] - g.shift
    for f, _ in e.num.compose(*plain_).factor()[1]:
        terms = f.to_dict()
        if len(terms) < 2:
            continue
        groups: dict[tuple[tuple[int, int], ...], Element] = {}
        for powers, c in terms.items():
            key = tuple((i, k) for i, k in tower.powers(powers) if i in moving)
            rest = tuple(0 if i in moving else k for i, k in enumerate(powers))
            groups[key] = groups.get(key, tower.number(0)) + Element(tower, RING.from_dict({rest: c}))
        if len(groups) != 2:
            continue
        (one, c), (two, d) = groups.items()
        way, exponent, sign = 1, tower.number(0), 1
        bases = {i: tower.element(moving[i]) if i == t else moving[i].of[0] for i, _ in (*one, *two)}
        if any(moving[i].kind not in ("variable", "power") for i in bases):
            continue
        if any(
            not (b + tower.element(moving[t])).zero and not (b - tower.element(moving[t])).zero for b in bases.values()
        ):
            continue
        way = -1 if number(tower.element(moving[t]), tower.at) < 0 else 1  # type: ignore[attr-defined]
        for key, side in ((one, 1), (two, -1)):
            for i, k in key:
                if i == t:
                    exponent, sign = exponent + side * k, sign * (way if k % 2 else 1)
                else:
                    exponent = exponent + moving[i].of[1] * side * k
        try:
            out.append(tower.power(-d / c * sign, 1 / exponent) * way)
        except Unproved:
            continue
    return out


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
        if PROPERTIES[p.name](case, unpacked(told)):
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
        key = (make.__name__, *at, *((q.name, q.low, q.high) for q in s.path))
        if p.fixed is None and key not in p.told:  # once, however often the proof begins anew with a finer unit
            p.told[key] = None
            try:
                p.told[key] = make(p, s, at)
            except Finer:
                del p.told[key]
                raise
            except Unproved as problem:
                p.reason = str(problem)
        return ran(p, s, at, p.fixed or p.told[key])

    return strategy


def conjugate(p: Prover, s: Stratum, at: list[str]) -> str:
    d = Dual(s, SLOPE, at)
    case, last = d.case, len(at)
    regions: list[Region] = []
    low, high = case.limit(1, 0, "low"), case.limit(1, last, "high")

    def outer(i: int, side: str, end: Element) -> Region:
        def line(cell: Any) -> Element:
            images = {
                n: cell.tower.element(cell.tower.generators[cell.tower.names[m]]) for m, n in s.here.tower.names.items()
            }
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

    def centre(free: Formal) -> Element:
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
    for slope in slope_texts(s, at, True) if p.fixed is None else [""]:
        left = f"{s.x} + {STEP}*({slope})" if p.name == "prox" else f"({slope})" if " if " in slope else slope
        found = ran(p, s, at, p.fixed or json.dumps({"equation": f"{left} = {right}"}))
        if found is not None:
            return found
    return None


def slope_texts(s: Stratum, at: list[str], raw: bool) -> list[str]:
    """f' as one text in the prediction: as it is on one cell, or joined from all. `raw`: with the names of those
    parameters, too, that have one value only, so that the text may serve other values."""
    d = Dual(s, SLOPE, at, raw)
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

    def reached(free: Formal, a: Element, b: Element) -> Element:
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
    if s.loss["base"] != "residual":
        return of_targets(p, s)
    convex = [order for order in (0, 1) if attempt(bends, s.case(p.name, s.chart(order)))]
    for told in ([p.fixed] if p.fixed is not None else [json.dumps(o) for o in residuals(s, p.implicit)]) * bool(
        convex
    ):
        for order in convex:  # nothing is elicited, as meant here, by a loss that is not
            found = ran(p, s, s.chart(order), told)
            if found is not None:
                return found
    return None


def of_targets(p: Prover, s: Stratum) -> Found | None:
    """A statistic on the uncut range of the predictions; or the equation of a convex loss."""
    whole = (s.low, s.high) == ("-oo", "oo")
    probe = Explorer(s.loss, {"at": [], "charts": [None]}, s.path, s.units, p.name)
    options = [p.fixed] if p.fixed is not None else [] if p.implicit else [json.dumps(o) for o in targets(s)]
    for told in options:
        for chart in [["free", "1", False]] * whole + probe.charts_for(0):
            case = Explorer(s.loss, {"at": [], "charts": [chart]}, s.path, s.units, p.name)
            if attempt(PROPERTIES[p.name], case, unpacked(told)):
                return case.node, told
    return attempt(equation_of_targets, p, s)


def equation_of_targets(p: Prover, s: Stratum) -> Found | None:
    ((name, domain),) = s.loss["inputs"].items()
    strata = [Stratum(s.loss, [*s.path, Place(name, *place)], s.units) for place in target_places(domain)]
    for one in strata:
        one.chart(0)
        one.view = s.view
    for order in (1, 0):
        found: Found | None = attempt(equation_at, p, strata, order)
        if found is not None:
            return found
    return None


def equation_at(p: Prover, strata: list[Stratum], order: int) -> Found | None:
    ((name, domain),) = strata[0].loss["inputs"].items()
    if p.fixed is not None:
        options = [p.fixed]
    else:
        texts = [slope_texts(one, one.chart(order), p.implicit) for one in strata]
        joined = "".join(
            f"({t[-1]}) if {name} == {one.path[-1].low} else " for t, one in zip(texts[:-1], strata, strict=False)
        )
        alone = texts if domain[0] != "{" else []
        options = [o for t in alone for o in t] + [joined + f"({texts[-1][-1]})"]
        options = [json.dumps({"statistic": "equation", "equation": f"E[{o}] = 0"}) for o in dict.fromkeys(options)]
    for told in options:
        nodes = []
        for one in strata:
            case = one.case(p.name, one.chart(order))
            try:
                bends(case)
                inclusion(case, expected(unpacked(told)), lambda cell: cell.derivative(1))
            except Unproved as problem:
                p.reason = str(problem)
                break
            nodes.append(case.node)
        else:
            return {"at": [], "charts": [["free", "1", False]], "targets": nodes}, told
    return None


def residuals(s: Stratum, raw: bool) -> list[dict[str, str]]:
    out: list[dict[str, str]] = [] if raw else [{"statistic": "mean"}, {"statistic": "median"}]
    at = s.chart(0)
    d = Dual(s, SLOPE, at)
    zero = at.index("0") if "0" in at else None
    if zero is not None and not raw:
        for kind, power in (("quantile", 0), ("expectile", 1)):
            level = attempt(share, d, zero, power)
            if level is not None:
                out.append({"statistic": kind, "level": level})
    told = attempt(slope_texts, s, s.chart(1), raw) or []
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

    def mean() -> str:
        if domain in ("{0, 1}", "{-1, 1}"):
            free = Tidy({**s.sample(), s.x: arb("0.37")}, s.positive, s.units.free)
            labels = [free.number(v) for v in domain[1:-1].split(",")]
            low, high = (
                free.slope(formula(s.loss, free, {**variables(s, free), name: v}), free.names[s.x]) for v in labels
            )
            return text(labels[0] + low * (labels[1] - labels[0]) / (low - high))
        free = Tidy({**s.sample(), s.x: arb("0.37"), name: arb("0.6")}, s.positive | {name}, s.units.free)
        e = free.slope(formula(s.loss, free, variables(s, free)), free.names[s.x])
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
        free = Tidy({**s.sample(), s.x: arb("0.37")}, s.positive, s.units.free)
        v = number(free.read(link, free.all()), free.at) * arb(side)
        free = Tidy({**s.sample(), s.x: arb("0.37"), name: v}, s.positive | {name}, s.units.free)
        parts.append(free.slope(formula(s.loss, free, variables(s, free)), free.names[s.x]))
    if not all(e.tower.slope(e, e.tower.names[name]).zero for e in parts):
        raise Unproved("the slope depends on the target")
    free = Tidy({**s.sample(), s.x: arb("0.37")}, s.positive, s.units.free)
    a, b = (free.read(text(e), free.all()) for e in parts)
    return text(-b / (a - b))


def misled(p: Prover, s: Stratum) -> Found | None:
    """Where the mean slope of one or two values of the target is 0, and the mean loss not least."""
    if s.loss["base"] != "residual":
        return None
    for order in (0, 1, 3):
        at = attempt(s.chart, order)
        for evidence in attempt(misleading, p, s, at) or [] if at is not None else []:
            trial = s.case(p.name, at, evidence=evidence)
            if attempt(PROPERTIES[p.name], trial, None) is False:
                return trial.node, None
    return None


def misleading(p: Prover, s: Stratum, at: list[str]) -> list[list[Any]]:
    d = Dual(s, SLOPE, at)
    rows: list[Any] = []  # place, whether smooth there, value, slope, bend
    for i in d.case.cells:
        for side in ("low", "high"):
            j = i if side == "high" else i - 1
            if not 0 <= j < len(at):
                continue
            smooth = attempt(d.case.analytic, j)
            limits = [attempt(d.case.limit, k, i, side) for k in range(3)]
            values = [d.number(e) if isinstance(e, Element) else None for e in limits]
            rows.append(([i, side], smooth or d.case.cell(i).derivative(1).zero, *values))
    out: list[list[Any]] = []
    for (first, smooth, a, b, e), (last, other, u, v, w) in itertools.product(rows, repeat=2):
        if not smooth:
            continue
        if a is not None and u is not None and b is not None and abs(b) < _CLOSE and a - u > _CLOSE:
            out.append(["still", first, last])
        if other and None not in (b, e, v, w) and b < 0 < v and b * w - v * e > _CLOSE:
            out.append(["turned", first, last])
    return out[:6]


# The weight of a proper loss ---------------------------------------------------------------------


def expected_slope(s: Stratum, free: Formal) -> Element:
    """Of the expected loss where the prediction is the probability of the label 1."""
    (label,) = s.loss["inputs"]
    names = variables(s, free)
    one, zero = (free.slope(formula(s.loss, free, {**names, label: free.number(v)}), free.names[s.x]) for v in (1, 0))
    p = free.read(f"1/(1 + exp(-{s.x}))" if s.loss["domain"] == "(-oo, oo)" else s.x, names)
    return p * one + (1 - p) * zero


def weighted(p: Prover, s: Stratum, found: Found) -> Found:
    """The same with the weight function w of d loss(1, p)/dp = -(1 - p)*w(p) as value, where it is one formula."""
    node, _ = found
    if "evidence" in node:
        return found
    told = p.fixed or attempt(weight, s)
    return (attempt(lambda told: p.run(s.case(p.name, node["at"]), told), told) if told else None) or found


def weight(s: Stratum) -> str:
    (label,) = s.loss["inputs"]
    free = Tidy({**s.sample(), s.x: arb("0.37")}, s.positive, s.units.free)
    one = free.slope(formula(s.loss, free, {**variables(s, free), label: free.number(1)}), free.names[s.x])
    logit = s.loss["domain"] == "(-oo, oo)"
    p = free.read(f"1/(1 + exp(-{s.x}))" if logit else s.x, free.all())
    return text(-one / ((1 - p) * (p * (1 - p) if logit else free.number(1))))
