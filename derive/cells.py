"""What is known of a loss on one cell? Places of its variables, the formula, its derivatives there, limits, signs.

`Place` gives a variable its value on an interval or at a point, through a coordinate t > 0; `Cell` reads the formula
there; `Case` holds the cells of one stratum side by side.
The checker and the prover both stand on this module; it knows neither SymPy nor them.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Container
from typing import Any

from flint import arb

from . import balls
from .formal import Formal, number
from .lemmas import NONNEGATIVE, NULL, POSITIVE, Limit, Signs, leading, limit, need, sign
from .reading import Unproved, parse
from .tower import VARIABLES, Element, Finer, Sign, Tower, Units

PERIODIC = ("lipschitz", "bounded_influence", "smooth", "weakly_convex", "range", "nonnegative", "bounded")

Made = Callable[["Cell"], Element]


def ends(domain: str) -> tuple[str, str, bool, bool]:
    """The ends of "(a, b]", and whether each belongs to it."""
    text = domain.removeprefix("integers ")
    if text[0] not in "([" or text[-1] not in ")]":
        raise Unproved(f"no interval: {domain}")
    low, high = (x.strip() for x in text[1:-1].split(","))
    return low, high, text[0] == "[", text[-1] == "]"


def among(x: Any, those: Container[Any], what: str) -> Any:
    """What a certificate names, if it is there to be named: no index from the end, no unknown side."""
    if x not in those:
        raise Unproved(f"{what}: {x!r}")
    return x


class Place:
    """A point of a variable (low == high) or an interval of it, with the coordinate that runs through it."""

    def __init__(self, name: str, low: str, high: str, chart: list[Any] | None = None, weak: bool = False) -> None:
        self.name, self.low, self.high, self.weak = name, low, high, weak
        self.kind: str
        self.scale: str
        self.flip: bool
        self.kind, self.scale, self.flip = chart or ("linear", "1", False)
        self.has_low, self.has_high = weak or low == high, low == high
        self.key = (name, low, high, self.kind, self.scale, self.flip, weak)

    def enter(self, tower: Tower, names: dict[str, Element]) -> None:
        """Give the variable its value on this place, through a coordinate t in (0, oo) (lemma `charts`)."""
        if self.low == self.high:
            names[self.name] = tower.read(self.low, names)
            return
        if self.kind == "free" and (self.low, self.high, self.weak) == ("-oo", "oo", False):
            names[self.name] = Element(tower, VARIABLES[tower.variable(self.name, None)])  # of any sign
            return
        index = tower.variable(self.name, 1 if self.weak else 2)
        t, s = tower.element(tower.generators[index]), tower.read(self.scale, names)
        low = None if self.low == "-oo" else tower.read(self.low, names)
        high = None if self.high == "oo" else tower.read(self.high, names)
        tower.positive(s, "the scale of a chart")
        if self.weak and (self.flip or low is None or self.kind == "log"):
            raise Unproved("this chart cannot hold its end")
        t = 1 / t if self.flip else t
        if self.kind == "log":
            a, b = (None if end is None else tower.exp(end / s) for end in (low, high))
            w = (
                (t if b is None else b * t / (t + 1))
                if a is None
                else a * (t + 1)
                if b is None
                else (a + b * t) / (t + 1)
            )
            x = tower.log(w) * s
        elif low is None and high is None:
            x = {"hyperbolic": t - 1 / t}[self.kind] / 2 * s
        else:
            u = {"linear": t, "square": t * t, "hyperbolic": t * (t + 2) / (t + 1) / 2}[self.kind]
            x = high - u * s if low is None else low + u * s if high is None else (low + high * u) / (u + 1)
        names[self.name] = x


def increasing(cell: Cell, bounds: list[str]) -> None:
    """Show that b[0] < b[1] < ..., which may begin with -oo and end with oo."""
    finite = [
        b for i, b in enumerate(bounds) if not (i == 0 and b == "-oo") and not (i == len(bounds) - 1 and b == "oo")
    ]
    for a, b in itertools.pairwise(finite):
        cell.tower.positive(cell.tower.read(b, cell.names) - cell.tower.read(a, cell.names), f"{b} - ({a})")


def formula(loss: dict[str, Any], tower: Tower, names: dict[str, Element]) -> Element:
    for name, text in loss["definitions"].items():
        names[name] = tower.read(text, names)
    return tower.read(loss["formula"], names)


def less(e: Element, v: Element) -> Element:
    return e - v


def short_of(e: Element, v: Element) -> Element:
    return v - e


def plus(e: Element, v: Element) -> Element:
    return e + v


def minus(a: Limit, b: Limit) -> Limit:
    if isinstance(a, int) or isinstance(b, int):
        if isinstance(a, int) and isinstance(b, int) and a == b:
            raise Unproved("oo - oo")
        return a if isinstance(a, int) else -b
    return a - b


class Cell:
    """The formula on one cell: the coordinates of parameters, targets and, last, of the prediction."""

    def __init__(self, loss: dict[str, Any], path: list[Place], units: Units) -> None:
        self.tower = Tower(units)
        self.names: dict[str, Element] = {}
        self.entered: dict[str, list[bool]] = {}  # outcomes of the comparisons in the text of a place
        for place in path:
            before = len(self.tower.outcomes)
            place.enter(self.tower, self.names)
            self.entered[place.name] = self.tower.outcomes[before:]
        self.t: int = self.tower.names.get(loss["variable"], -1)
        self.loss, self.path, self.derivatives = loss, path, list[Element]()
        self.formal, self.images = list[Element](), dict[int, Element]()
        self.decided: list[bool] | None = None
        self.kept: Any = None  # the key under which a twin is kept
        self.size = 0  # how many generators the twin has
        self.finer: dict[str, int] = {}  # what had to be divided more finely for the derivatives
        if self.t >= 0:
            if self.tower.generators[self.t].sign != 2:
                raise Unproved("the coordinate of the prediction runs through (0, oo)")
            self.rate = self.tower.slope(self.names[loss["variable"]], self.t)
            self.rising = self.tower.sign(self.rate) == 2
            if self.tower.sign(self.rate) not in (2, -2):
                raise Unproved("a chart is not monotone")

    @staticmethod
    def of(loss: dict[str, Any], path: list[Place], units: Units) -> Cell:
        """The cell at these places: the claims about a loss ask for the same ones again and again.

        Of each a twin is kept, as it was when nothing but derivatives had been formed there, so that a cell is the same
        whether or not it was met before.
        """
        key = (id(loss), tuple(p.key for p in path), tuple(sorted(units.items())))
        kept: Cell | None = units.cells.get(key)
        if kept is not None:
            units.update(kept.finer)
            return kept.twin(units)
        cell = Cell(loss, path, units)
        cell.kept = key
        cell.keep()
        return cell

    def keep(self) -> None:
        self.size = len(self.tower.generators)
        self.tower.units.cells[self.kept] = self.twin(self.tower.units)

    def twin(self, units: Units) -> Cell:
        twin, tower = Cell.__new__(Cell), self.tower.twin(units)
        twin.__dict__ = {**self.__dict__, "tower": tower, "formal": [*self.formal]}
        twin.names = {n: e.seen_in(tower) for n, e in self.names.items()}
        twin.derivatives = [e.seen_in(tower) for e in self.derivatives]
        twin.images = {i: e.seen_in(tower) for i, e in self.images.items()}
        if self.t >= 0:
            twin.rate = self.rate.seen_in(tower)
        return twin

    def derivative(self, k: int) -> Element:
        """The k-th derivative by the prediction: formed formally and seen here; formed here where that is shorter."""
        while len(self.derivatives) <= k:
            untouched, before = self.kept and len(self.tower.generators) == self.size, {**self.tower.units}
            self.derivatives.append(self.formed(len(self.derivatives)))
            if untouched and (len(self.derivatives) == 1 or len(self.tower.generators) == self.size):
                self.finer = {**self.finer, **{n: m for n, m in self.tower.units.items() if before.get(n) != m}}
                self.keep()
        return self.derivatives[k]

    def formed(self, n: int) -> Element:
        if n == 0:
            before = len(self.tower.outcomes)
            e = formula(self.loss, self.tower, dict(self.names))
            self.decided = self.tower.outcomes[before:]
            return e
        last = self.derivatives[-1]
        short = n > 1 and (len(self.formal) < n or len(self.formal[n - 1].num) > 4 * len(last.num))
        return self.tower.slope(last, self.t) / self.rate if short else self.seen(n)

    def outcomes(self) -> list[bool]:
        """Of the comparisons in the formula, each of which comes out in one way on all of the cell."""
        if self.decided is None:
            before, names = len(self.tower.outcomes), dict(self.names)
            for name, text in self.loss["definitions"].items():
                names[name] = self.tower.read(text, names)
            self.tower.decide(parse(self.loss["formula"]), names)
            self.decided = self.tower.outcomes[before:]
        return self.decided

    def seen(self, k: int) -> Element:
        """The formal derivative, moved onto the cell (lemma `formal`)."""
        e = self.formal_derivative(k)
        if not self.images:
            self.images = {i: self.names[n] for n, i in e.tower.names.items()}
        return e.tower.move(e, self.tower, self.images)

    def formal_derivative(self, k: int) -> Element:
        for _ in range(60):
            try:
                if not self.formal:
                    self.formal.append(self.read_formally())
                while len(self.formal) <= k:
                    last = self.formal[-1]
                    self.formal.append(last.tower.slope(last, last.tower.names[self.loss["variable"]]))
                return self.formal[k]
            except Finer:
                self.formal, self.images = [], {}
        raise Unproved("generators were refined too often")

    def read_formally(self) -> Element:
        middle = {i: arb(1) for i in self.tower.names.values()}
        varying = {p.name: number(self.names[p.name], middle) for p in self.path if p.low != p.high}
        positive = {n for n in varying if self.tower.sign(self.names[n]) == 2}
        tower = Formal(varying, positive, self.tower.units, ())
        names: dict[str, Element] = {}
        for p in self.path:  # each text has its own comparisons: a point may be written with some, too
            here = dict(names)
            names[p.name] = (
                tower.element_of(p.name)
                if p.name in varying
                else tower.replay(self.entered[p.name], lambda p=p, here=here: tower.read(p.low, here))  # type: ignore[misc]
            )
        return tower.replay(self.outcomes(), lambda: formula(self.loss, tower, names))


class Case:
    """One stratum of the parameters and targets, with the prediction cut into cells at points b[0] < b[1] < ..."""

    def __init__(
        self, loss: dict[str, Any], node: dict[str, Any], path: list[Place], units: Units, name: str = ""
    ) -> None:
        self.loss, self.node, self.path, self.units, self.name = loss, node, path, units, name
        self.proofs, self.x = node.get("proofs", {}), loss["variable"]
        self.here = Cell.of(loss, path, units)  # without the prediction
        self.low, self.high = ends(loss["domain"])[:2]
        if "period" in node:
            self.low, self.high = self.window(*node["period"])
        self.at: list[str] = list(node["at"])
        self.bounds = [self.low, *self.at, self.high]
        increasing(self.here, self.bounds)
        self.charts = node["charts"]
        self.made: dict[str, Cell] = {}
        self.goal: str | None = None
        self.attained: set[str] = set()  # bounds that are attained or approached here
        self.smooth_at: dict[int, bool] = {}
        self.cells = range(len(self.at) + 1)

    def window(self, start: str, period: str) -> tuple[str, str]:
        """From `start` one period on: what holds of bounds there, ends included, holds everywhere (lemma `period`)."""
        if (self.low, self.high) != ("-oo", "oo") or self.name not in PERIODIC:
            raise Unproved("no question about one period")
        cell = Cell(self.loss, self.path, self.units)
        tower, names = cell.tower, cell.names
        tower.positive(tower.read(period, names), "a period")
        x = Element(tower, VARIABLES[tower.variable(self.x, None)])
        one, other = (formula(self.loss, tower, {**names, self.x: e}) for e in (x, x + tower.read(period, names)))
        if not (one - other).zero or tower.outcomes or tower.loose:
            raise Unproved("the formula is not periodic, or has switches")
        formula(self.loss, tower, {**names, self.x: tower.read(start, names)})  # defined where the window begins
        return start, f"{start} + {period}"

    def cell(self, i: int, chart: list[Any] | None = None) -> Cell:
        chart = chart or self.charts[among(i, self.cells, "no cell")]
        key = json.dumps([i, chart])
        if key not in self.made:
            place = Place(self.x, self.bounds[i], self.bounds[i + 1], chart)
            self.made[key] = Cell.of(self.loss, [*self.path, place], self.units)
        return self.made[key]

    def breakpoint(self, j: int) -> str:
        return self.at[among(j, range(len(self.at)), "no breakpoint")]

    def value(self, j: int, label: int | None = None) -> Element:
        """f(b[j]), for a label if one is given."""
        return self.formula_at(self.read(self.breakpoint(j)), label)

    def read(self, text: str, cell: Cell | None = None) -> Element:
        """A formula in the parameters and targets: the prediction may not occur in it."""
        cell = cell or self.here
        return cell.tower.read(text, {n: e for n, e in cell.names.items() if n != self.x})

    def limit(self, k: int, i: int, side: str, what: Callable[[Cell], Element] | None = None) -> Limit:
        """Of the k-th derivative (or another expression) at the "low" or "high" end of cell i."""
        high = among(side, ("low", "high"), "no side") == "high"
        end = self.bounds[among(i, self.cells, "no cell") + high]
        if what is None and end.lstrip("-") != "oo":
            try:
                return self.continued(k, i, end)
            except Unproved:
                pass
        cell = self.cell(i, self.node.get("limits", {}).get(f"{k}{side}{i}"))
        return self.limit_of(what(cell) if what else cell.derivative(k), cell, side)

    def limit_of(self, e: Element, cell: Cell, side: str) -> Limit:
        return limit(e, cell.t, self.starts(cell, side), self.here.tower, self.carry(cell))

    def starts(self, cell: Cell, side: str) -> bool:
        """Whether the coordinate tends to 0 at an end of a cell."""
        return (among(side, ("low", "high"), "no side") == "low") == cell.rising

    def near(self, k: int, i: int, side: str) -> Element:
        """What has the sign of the k-th derivative near an end of cell i (lemma `near`)."""
        cell = self.cell(i, self.node.get("limits", {}).get(f"near {k}{side}{i}"))
        return leading(cell.derivative(k), cell.t, self.starts(cell, side))

    def continued(self, k: int, i: int, end: str) -> Element:
        """The formal derivative of the branch on cell i at an end of the cell, if continuous there (lemma `limit`)."""
        cell, here = self.cell(i), self.here
        e = cell.formal_derivative(k)
        images = {j: here.names[n] for n, j in e.tower.names.items() if n != self.x}
        images[e.tower.names[self.x]] = here.tower.read(end, here.names)
        return e.tower.move(e, here.tower, images)

    def carry(self, cell: Cell) -> dict[int, Element]:
        """The coordinates of a cell, but for that of the prediction, as seen from the stratum."""
        here = self.here.tower
        return {i: here.element(here.generators[here.names[n]]) for n, i in cell.tower.names.items() if n != self.x}

    def sign(self, e: Element | int, key: str) -> Sign:
        if isinstance(e, int):
            return e
        return sign(e, self.proofs.get(key))

    def signed(self, i: int, key: str, make: Callable[[Cell], Element]) -> Sign:
        """The sign on cell i of an expression, in the chart that serves it or by balls."""
        if key in self.node.get("balls", ()):
            spans = self.spans(self.bounds[i], self.bounds[i + 1])
            return self.told(key, spans, self.cell(i).outcomes(), make)
        return self.sign(make(self.cell(i, self.node.get("using", {}).get(key))), key)

    def regular(self, i: int) -> None:
        """Show that the formula is one formula without switches on all of cell i, and analytic there."""
        if f"regular@{i}" in self.node.get("balls", ()):
            need(self.signed(i, f"regular@{i}", lambda cell: cell.tower.number(1)), POSITIVE, "the formula")
        else:
            self.cell(i).derivative(0)

    def spans(self, low: str, high: str) -> list[tuple[str, str, str]]:
        """The ends of all variables, the prediction between two given ones (lemma `boxes`)."""
        return [*((p.name, p.low, p.high) for p in self.path), (self.x, low, high)]

    def at_point(self, k: int, x: str) -> Sign:
        """The sign of the k-th derivative at one point, where no comparison is met with equality (lemma `boxes`)."""
        inside = [b for b in (self.low, x, self.high) if b == x or b.lstrip("-") != "oo"]
        increasing(self.here, inside)
        return self.told(f"point {k}", self.spans(x, x), None, lambda box: box.derivative(k))

    def told(self, key: str, spans: list[tuple[str, str, str]], outcomes: list[bool] | None, make: Any) -> Sign:
        """The sign that balls tell on a box; they are asked once, also where a unit has to be refined later."""
        asked = (key, self.goal, *spans, *(outcomes or ()))
        if asked not in self.units.told:
            self.units.told[asked] = None
            self.units.told[asked] = balls.sign(self.loss, spans, outcomes, make)
        if self.units.told[asked] is None:
            raise Unproved("the balls do not tell the sign")
        return self.units.told[asked]

    def sign_on(self, i: int, k: int, key: str, make: Made, at_end: Callable[[Limit], Limit]) -> Sign:
        """The sign on cell i of what is made of the k-th derivative; where the certificate says so, from its ends."""
        return self.from_ends(i, k, key, at_end) if key in self.node.get("ends", ()) else self.signed(i, key, make)

    def from_ends(self, i: int, k: int, key: str, at_end: Callable[[Limit], Limit]) -> Sign:
        """The k-th derivative is monotone on the cell, so what holds at both ends holds between (lemma `ends`)."""
        ends_ = [self.sign(at_end(self.limit(k, i, side)), f"{key} {side}") for side in ("low", "high")]
        codes = [s for s in ends_ if s is not None]
        if len(codes) < 2 or min(codes) * max(codes) < 0 or not any(codes):
            raise Unproved(f"derivative {k} on cell {i}: its ends do not tell its sign")
        rate = self.sign_on(i, k + 1, f"rate{k + 1}@{i}", lambda cell: cell.derivative(k + 1), lambda e: e)
        if rate is None:
            raise Unproved(f"derivative {k} on cell {i}: it is not known to be monotone")
        strict = abs(rate) == 2 or min(map(abs, codes)) == 2
        way = 1 if max(codes, key=abs) > 0 else -1
        return (2 if strict else 1) * way

    def every(
        self, k: int, allowed: Signs, key: str = "", what: Any = None, goal: str | None = None, cells: Any = None
    ) -> None:
        """The sign of the k-th derivative, or of what is made of it and of the goal, on every cell."""

        def make(cell: Cell) -> Element:
            e = cell.derivative(k)
            return what(e, self.read(str(goal), cell)) if what else e

        def at_end(e: Limit) -> Limit:
            if isinstance(e, int):
                return -e if what is short_of else e
            return what(e, self.read(str(goal))) if what else e

        for i in self.cells if cells is None else cells:
            need(self.sign_on(i, k, f"{key}{k}@{i}", make, at_end), allowed, f"derivative {k} on cell {i}")

    def jump(self, k: int, j: int) -> Limit:
        return minus(self.limit(k, j + 1, "low"), self.limit(k, j, "high"))

    def gap(self, j: int, side: str, label: int | None = None) -> Limit:
        """The limit of f from one side of b[j], less f(b[j]); for a label if one is given."""
        right = among(side, ("left", "right"), "no side") == "right"
        what = None if label is None else lambda cell: self.labelled(cell, label)
        return minus(self.limit(0, j + right, "low" if right else "high", what), self.value(j, label))

    def analytic(self, j: int) -> bool:
        """Whether one formula without switches holds around b[j] (lemma `analytic`)."""
        if j not in self.smooth_at:
            cell = Cell.of(self.loss, [*self.path, Place(self.x, self.breakpoint(j), self.breakpoint(j))], self.units)
            try:
                cell.derivative(0)
                self.smooth_at[j] = not cell.tower.loose or self.same_branches(j)
            except Unproved:
                self.smooth_at[j] = False
        return self.smooth_at[j]

    def same_branches(self, j: int) -> bool:
        """Whether the branches on both sides of b[j] are one formula, which is analytic at b[j] and has f's value."""
        left, right = (self.cell(i).formal_derivative(0) for i in (j, j + 1))
        names = right.tower.names
        same = left.tower.move(
            left, right.tower, {i: Element(right.tower, VARIABLES[names[n]]) for n, i in left.tower.names.items()}
        )
        if not (same - right).zero:
            return False
        point = Cell(self.loss, self.path, self.units)
        at = point.tower.read(self.at[j], point.names)
        images = {i: at if n == self.x else point.names[n] for n, i in names.items()}
        found = right.tower.move(right, point.tower, images)
        return (
            not point.tower.loose and (point.tower.move(found, self.here.tower, self.carry(point)) - self.value(j)).zero
        )

    def seams(self) -> list[int]:
        """The breakpoints at which the formula changes; on every cell it is one formula without switches."""
        for i in self.cells:
            self.regular(i)
        return [j for j in range(len(self.at)) if not self.analytic(j)]

    def continuous(self) -> None:
        for j in self.seams():
            for side in ("left", "right"):
                need(self.sign(self.gap(j, side), f"gap {side} {j}"), NULL, f"the jump at {self.at[j]}")

    def slopes_rise(self) -> None:
        """No slope falls at a breakpoint (lemma `gluing`)."""
        self.continuous()
        for j in self.seams():
            need(self.sign(self.jump(1, j), f"jump {j}"), NONNEGATIVE, f"the jump of the slope at {self.at[j]}")

    def smooth_to(self, k: int) -> None:
        self.continuous()
        for n in range(1, k + 1):
            for j in self.seams():
                need(self.sign(self.jump(n, j), f"jump {n} {j}"), NULL, f"the jump of derivative {n} at {self.at[j]}")

    def values(self, allowed: Signs, what: Callable[..., Element], goal: str, which: Any = None) -> None:
        """The sign of what is made of f(b[j]) and the goal, at every breakpoint."""
        for j in range(len(self.at)) if which is None else which:
            e = what(self.value(j), self.read(goal))
            need(self.sign(e, f"value {j}"), allowed, f"the value at {self.at[j]}")

    def found(self, place: list[Any], k: int, what: Callable[[Element], Element] = lambda e: e) -> Limit:
        """A derivative at a place: ["limit", cell, side], ["cell", cell], ["jump", j], ["gap", j, side], ["at", j];

        for ["near", cell, side] what has its sign there.
        """
        kind, i, *side = place
        if kind == "near":
            return self.near(k, i, side[0])
        if kind == "limit":
            return self.limit(k, i, side[0], lambda cell: what(cell.derivative(k)))
        if kind == "cell":
            return what(self.cell(i).derivative(k))
        if kind == "at" and k == 0:
            return what(self.value(i))
        if kind == "gap":
            return self.gap(i, side[0])
        if kind != "jump":
            raise Unproved(f"no place {kind!r}")
        return self.jump(k, i)

    def reached(self, k: int, what: Callable[[Element, Element], Element], goal: str, place: str = "reached") -> bool:
        """Whether the bound is attained, or approached, at the place that the certificate names."""
        if place not in self.node:
            return False
        self.attained.add(place)
        spot = self.node[place]
        among(spot[0], ("limit", "cell", "at"), "no place where a bound is reached")
        cell = self.cell(spot[1]) if spot[0] == "cell" else self.here
        found = self.found(spot, k)
        if isinstance(found, int):
            raise Unproved("an infinite bound")
        need(self.sign(what(found, self.read(goal, cell)), place), NULL, "the distance to the bound")
        return True

    def zero(self) -> int:
        """The breakpoint 0."""
        j: int = self.node["zero"]
        if not self.read(self.breakpoint(j)).zero:
            raise Unproved(f"{self.at[j]} is not 0")
        return j

    def formula_at(self, x: Element, label: int | None = None) -> Element:
        return formula(self.loss, self.here.tower, {**self.label(self.here, label), self.x: x})

    def formula_on(self, cell: Cell, at: str) -> Element:
        """f at a point, seen from a cell."""
        return formula(self.loss, cell.tower, {**cell.names, self.x: self.read(at, cell)})

    def reflection(self, cell: Cell) -> Element:
        """f(-x)."""
        return formula(self.loss, cell.tower, {**cell.names, self.x: -cell.names[self.x]})

    def mirrored(self, cell: Cell) -> Element:
        """f(x) - f(-x)."""
        return cell.derivative(0) - self.reflection(cell)

    def label(self, cell: Cell, n: int | None) -> dict[str, Element]:
        """The names of a cell, with a value for the label if one is given."""
        return cell.names if n is None else {**cell.names, **{x: cell.tower.number(n) for x in self.loss["inputs"]}}

    def labelled(self, cell: Cell, n: int) -> Element:
        return formula(self.loss, cell.tower, dict(self.label(cell, n)))

    def both_labels(self, i: int) -> tuple[Element, Element]:
        """The derivative for the label 1, and for the label 0."""
        cell = self.cell(i)
        one, zero = (cell.tower.slope(self.labelled(cell, n), cell.t) / cell.rate for n in (1, 0))
        return one, zero
