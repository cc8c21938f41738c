"""Where might a property of a loss turn? One choice of places for parameters and targets, with proposals for cells.

Numbers guide what is proposed here: sample points, roots that can be written down, their order. Nothing is concluded.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from flint import arb

from .cells import Cell, Place, ends, formula
from .explorer import Explorer, Findings
from .formal import Formal, number
from .reading import Unproved, parse
from .roots import Piece, roots, text
from .search import attempt
from .tower import Element

_PARTS = ("1/2", "1/10", "9/10", "1/3", "2/3", "1/100", "99/100", "1/5", "4/5")
_STEPS = ("1", "1/2", "2", "1/10", "3/2", "3", "1/4", "3/4", "4", "6", "10", "30")
SAMPLES = tuple(arb(x) for x in ("0.37", "1.9", "0.11", "5.3"))


class Known:
    """What was found out about a stratum, as texts and numbers."""

    def __init__(self) -> None:
        self.roots: dict[int, list[str]] = {}
        self.charts: dict[str, Any] = {}
        self.values: dict[tuple[str, int], Any] = {}
        self.origin = "0"  # where a cell may begin although nothing changes there
        self.artificial: list[set[str]] = [set()]  # such breakpoints, by view


class Sampled(Formal):
    """A formal tower in which the labels are the numbers that they are in a stratum."""

    labels: dict[str, str]

    def all(self) -> dict[str, Element]:
        return super().all() | {n: self.read(v, {}) for n, v in self.labels.items()}


class Stratum:
    """One choice of places for the parameters and targets: where a property is to be decided."""

    def __init__(self, loss: dict[str, Any], path: list[Place], units: Findings) -> None:
        self.loss, self.path, self.units = loss, path, units
        self.here = Cell.of(loss, path, units)
        self.x = loss["variable"]
        self.low, self.high = ends(loss["domain"])[:2]
        self.positive = {p.name for p in path if self.here.tower.sign(self.here.names[p.name]) == 2}
        self.known = units.known.setdefault(tuple((p.name, p.low, p.high) for p in path), Known())
        self.pieces: list[Piece] = []
        self.view = 0

    def sample(self, n: int = 0) -> dict[str, Any]:
        """Values of the parameters and targets inside the stratum."""
        tower = self.here.tower
        at = {i: SAMPLES[(n + j) % 4] * (1 + n // 4) for j, i in enumerate(tower.names.values())}
        return {p.name: number(self.here.names[p.name], at) for p in self.path}

    def free(self, x: Any, n: int = 0) -> Formal:
        free = Sampled({**self.sample(n), self.x: x}, self.positive, self.units.free)
        free.labels = {p.name: p.low for p in self.path if self.loss["inputs"].get(p.name, "")[:1] == "{"}
        return free

    def piece(self, x: Any, n: int = 0) -> tuple[Piece, dict[int, Any]]:
        """The formula as it is at a point of the prediction, and the values of all variables there."""
        free = self.free(x, n)
        for piece in self.pieces:
            if piece.fits(free.at):
                return piece, free.at
        self.pieces.append(Piece(free, formula(self.loss, free, free.all()), self.x))
        return self.pieces[-1], free.at

    def value(self, text_: str, n: int = 0) -> Any:
        """The number that a formula of the parameters and targets stands for at a sample."""
        if text_ in ("-oo", "oo"):
            return arb("-1e6") if text_ == "-oo" else arb("1e6")
        if (text_, n) not in self.known.values:
            free = self.free(arb(1), n)
            self.known.values[text_, n] = number(free.read(text_, free.all()), free.at)
        return self.known.values[text_, n]

    def grid(self, bounds: list[str]) -> Iterator[Any]:
        """Points of the prediction, some in each cell."""
        values = [self.value(b) for b in bounds]
        for i, (a, b) in enumerate(itertools.pairwise(values)):
            if bounds[i] == "-oo" and bounds[i + 1] == "oo":
                yield from (arb(v) * s for v in ("0.01", "0.3", "0.9", "1.7", "4.3", "20", "90") for s in (-1, 1))
            elif bounds[i] == "-oo" or bounds[i + 1] == "oo":
                for v in ("0.003", "0.2", "0.7", "1.6", "4.1", "11", "60"):
                    yield b - arb(v) if bounds[i] == "-oo" else a + arb(v)
            else:
                yield from (a + (b - a) * arb(v) for v in ("0.01", "0.15", "0.37", "0.61", "0.86", "0.99"))

    def rationals(self) -> Iterator[str]:
        """Simple points of the prediction inside its domain."""
        low, high = (None if end in ("-oo", "oo") else self.value(end) for end in (self.low, self.high))
        if low is not None and high is not None:
            yield from (f"{self.low} + ({self.high} - ({self.low}))*{q}" for q in _PARTS)
        elif low is not None or high is not None:
            yield from (f"{self.low} + {q}" if low is not None else f"{self.high} - {q}" for q in _STEPS)
        else:
            yield from (f"{sign}{q}" for q in ("1/100", *_STEPS) for sign in ("", "-"))

    def margins(self, base: list[str], near: Fraction, out: int) -> set[str]:
        """Points far outside of some breakpoints, and close to each of them on both sides.

        Without parameters they are rational numbers, whatever the breakpoints are.
        """
        first, last = (base[0], base[-1]) if base else (self.known.origin, self.known.origin)
        steps = [(first, Fraction(-out)), (last, Fraction(out))]
        steps += [(b, d) for b in [*base, self.low, self.high] for d in (-near, near) if "oo" not in b]
        if self.path:
            points = {f"{b} + {d}" if d > 0 else f"{b} - {-d}" for b, d in steps}
        else:
            points = {str(round((float(self.value(b)) + d) / near) * near) for b, d in steps}
        return {t for t in points if self.inside(t, [self.low, self.high])}

    def switches(self) -> list[str]:
        """Where conditions of the formula change, and 0."""
        found: set[str] = set()
        seen: set[str] = set()
        for _ in range(3):
            bounds = self.ordered(found)
            for v in self.grid(bounds):
                free = self.free(v)
                attempt(self.decide, free)
                for e, _, _ in free.conditions:
                    if str(e.num) not in seen:
                        seen.add(str(e.num))
                        found |= {text(r) for r in self.safe_roots(e) if self.good(r, free)}
            if len(self.ordered(found)) == len(bounds):
                break
        whole = [n for n, d in self.loss["inputs"].items() if d == "(-oo, oo)"]
        shifts, alone = self.shifts()
        line = (self.low, self.high) == ("-oo", "oo")
        self.known.origin = whole[0] if whole and line else min(shifts) if alone and line else "0"
        proposed, domain = ({self.known.origin}, set[str](), {"0"} if alone else shifts), [self.low, self.high]
        views = [{t for t in view - found if self.inside(t, domain)} for view in proposed]
        self.known.artificial = [view for i, view in enumerate(views) if view not in views[:i]]
        return self.ordered(found)[1:-1]

    def decide(self, free: Formal) -> None:
        """Meet the conditions of the formula."""
        names = free.all()
        for name, definition in self.loss["definitions"].items():
            names[name] = free.read(definition, names)
        free.decide(parse(self.loss["formula"]), names)

    def shifts(self) -> tuple[set[str], bool]:
        """The roots of terms that are linear in the prediction, such as r - c: sums of squares are seen from there.

        And whether the prediction occurs only in terms with one root: then the formula is one in their difference.
        """
        free, found, within = self.free(arb("0.3")), set[str](), set[int]()
        t = free.names[self.x]

        def places(tree: ast.AST) -> set[int]:
            return {id(n) for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id == self.x}

        for node in ast.walk(parse(self.loss["formula"])):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub) and self.plain(node):
                e = attempt(free.read, node, free.all())
                slope = None if e is None else attempt(free.slope, e, t)
                if slope is None or slope.zero or not free.slope(slope, t).zero:
                    continue
                root = attempt(lambda e, slope: text(free.element(free.generators[t]) - e / slope), e, slope)
                if root is not None:
                    found.add(root)
                    within |= places(node)
        everywhere = set[int]().union(
            *(places(parse(text_)) for text_ in (self.loss["formula"], *self.loss["definitions"].values()))
        )
        return found if len(found) < 4 else set(), len(found) == 1 and everywhere == within

    def plain(self, node: ast.AST) -> bool:
        """Whether the prediction is in no function and no power."""
        inner = (n for n in ast.walk(node) if isinstance(n, ast.Call) or isinstance(getattr(n, "op", None), ast.Pow))
        return not any(isinstance(n, ast.Name) and n.id == self.x for part in inner for n in ast.walk(part))

    def period(self) -> tuple[str, str] | None:
        """A window of one period of a sine or cosine, with 0 inside, and the period."""
        free = self.free(arb("0.3"))
        t = free.names[self.x]
        for node in ast.walk(parse(self.loss["formula"])):
            match node:
                case ast.Call(func=ast.Name(id="sin" | "cos"), args=[a]):
                    e = attempt(free.read, a, free.all())
                    slope = None if e is None else attempt(free.slope, e, t)
                    if slope is not None and not slope.zero and free.slope(slope, t).zero:
                        period = text(free.pi() * 2 / slope)
                        return f"-({period})/4", period
        return None

    def safe_roots(self, e: Element) -> list[Element]:
        try:
            return roots(e, self.x)
        except Unproved:
            return []

    def good(self, r: Element, free: Formal) -> bool:
        """Whether a root is a real number inside the domain at the sample."""
        if not free.slope(r, free.names[self.x]).zero:
            return False
        v = number(r, free.at)
        return bool(v.is_finite()) and all(
            end in ("-oo", "oo") or (v > self.value(end) if side < 0 else v < self.value(end))
            for end, side in ((self.low, -1), (self.high, 1))
        )

    def inside(self, t: str, bounds: list[str]) -> bool:
        v = self.value(t)
        return bool(v > self.value(bounds[0]) and v < self.value(bounds[-1]))

    def ordered(self, found: set[str]) -> list[str]:
        """Distinct breakpoints in their order at the sample, with the ends of the domain."""
        rows = sorted((float(self.value(t)), len(t), t) for t in found)
        out: list[tuple[float, str]] = []
        for v, _, t in rows:
            if not out or abs(v - out[-1][0]) > 1e-12 * (1 + abs(v)):
                out.append((v, t))
        return [self.low, *(t for _, t in out), self.high]

    def chart(self, k: int) -> list[str]:
        """Breakpoints between which the k-th derivative keeps its sign, as far as they can be written down.

        Others are added, at which nothing changes: `view` says which.
        """
        found = {*self.chart_at(k)}
        if self.view >= len(self.known.artificial):
            raise Unproved("no such view")
        return self.ordered(found | self.known.artificial[self.view])[1:-1]

    def chart_at(self, k: int) -> list[str]:
        if k not in self.known.roots:
            base = self.switches() if k == 0 else self.chart_at(0)
            found = set(base)
            if k:
                seen = []
                for v in self.grid(self.ordered({*base, *self.known.artificial[0]})):
                    try:
                        piece, _ = self.piece(v)
                        if piece in seen:
                            continue
                        seen.append(piece)
                        e, free = piece.derivative(k), piece.free
                        found |= {
                            text(r) for r in self.safe_roots(e) if self.good(r, free) and self.changes(e, r, free)
                        }
                    except (Unproved, ZeroDivisionError):
                        continue
            self.known.roots[k] = self.ordered(found)[1:-1]
        return self.known.roots[k]

    def changes(self, e: Element, r: Element, free: Formal) -> bool:
        v = number(r, free.at)
        step = (abs(v) + 1) * arb(10) ** -15
        a, b = (number(e, {**free.at, free.names[self.x]: v + s * step}) for s in (-1, 1))
        return not bool((a > 0 and b > 0) or (a < 0 and b < 0))

    def chart_of_labels(self) -> list[str]:
        """Breakpoints of the formula for the labels 1 and 0."""
        (label,) = self.loss["inputs"]
        found: set[str] = set()
        for v in (0, 1):
            one = Stratum(self.loss, [*self.path, Place(label, str(v), str(v))], self.units)
            one.view = self.view
            found |= set(one.chart(0))
        return self.ordered(found)[1:-1]

    def case(self, name: str, at: list[str], **more: Any) -> Explorer:
        span = {key: more[key] for key in ("period",) if key in more}
        probe = Explorer(self.loss, {"at": at, "charts": [None] * (len(at) + 1)} | span, self.path, self.units, name)
        charts = [self.first_chart(probe, i) for i in probe.cells]
        node = {"at": at, "charts": charts, **more}
        if "0" in at:
            node["zero"] = at.index("0")
        return Explorer(self.loss, node, self.path, self.units, name)

    def first_chart(self, probe: Explorer, i: int) -> list[Any]:
        """The first chart in which the formula can be read."""
        key = f"{probe.bounds[i]} {probe.bounds[i + 1]}"
        if key not in self.known.charts:
            error: Unproved | None = None
            missing = set(self.loss["inputs"]) - {p.name for p in self.path}  # properties of both labels
            extra = [Place(n, "1", "1") for n in missing]
            for chart in probe.charts_for(i):
                try:
                    place = Place(self.x, probe.bounds[i], probe.bounds[i + 1], chart)
                    Cell(self.loss, [*self.path, *extra, place], self.units).outcomes()
                    self.known.charts[key] = chart
                    break
                except Unproved as problem:
                    error = error or problem
            else:
                raise error or Unproved("no chart")
        return list(self.known.charts[key])

    def back(self, e: Element) -> str:
        """An element of the stratum as a formula of the parameters and targets."""
        free = Formal(self.sample(), self.positive, self.units.free)
        names, images = free.all(), {}
        for p in self.path:
            if p.low == p.high:
                continue
            v, t = names[p.name], self.here.tower.names[p.name]
            low = None if p.low == "-oo" else free.read(p.low, names)
            high = None if p.high == "oo" else free.read(p.high, names)
            u = v
            if low is not None or high is not None:
                u = high - v if low is None else v - low if high is None else (v - low) / (high - v)
            images[t] = v if p.kind == "free" else u
        return text(e.tower.move(e, free, images))
