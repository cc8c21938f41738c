"""What is true of a loss? Finds verdicts, values, phase diagrams, and the certificates that show them.

The prover runs the checker's own properties (`checker.PROPERTIES`) on an `Explorer`, a case that looks for the lemma
behind each sign and writes it down. What is left to the prover is to propose: where to cut, which value, which witness.
Whatever it claims has passed the checker; otherwise the claim is `undecided`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from flint import arb

from .cells import Case, Cell, Limit, Place, ends, formula, increasing
from .checker import BEST, BOTH_LABELS, EVIDENCE, PROPERTIES, Checker, check, digest, refined, refute, verdict
from .roots import Free, Piece, roots, text, thresholds
from .search import number, prove, signs
from .tower import Budget, Element, Sign, Unproved

WORK = 500_000  # terms made for one claim in one stratum
CUTS = 5  # thresholds of one parameter that are tried
_SAMPLES = tuple(arb(x) for x in ("0.37", "1.9", "0.11", "5.3"))


class Explorer(Case):
    """A case that finds, and writes into its node, what the checker will need."""

    def sign(self, e: Element | int, key: str) -> Sign:
        if isinstance(e, int) or key in self.proofs:
            return super().sign(e, key)
        s = e.tower.sign(e)
        if s in (None, 1, -1):
            proof = prove(e)
            if proof is False:
                return s
            self.node.setdefault("proofs", {})[key] = proof
            self.proofs = self.node["proofs"]
        return super().sign(e, key)

    def charts_for(self, i: int) -> list[list[Any]]:
        """The charts of a cell, the likeliest first."""
        low, high = self.bounds[i] != "-oo", self.bounds[i + 1] != "oo"
        scales = ["1", *self.scales()]
        if low and high:
            return [["linear", "1", False], *(["log", s, False] for s in scales), ["square", "1", False]]
        if low or high:
            kinds = ("linear", "log", "hyperbolic", "square")
            end = self.bounds[i if low else i + 1]
            own = {2: end, -2: f"-({end})"}.get(self.here.tower.sign(self.read(end)) or 0)  # x = end*(1 + t)
            first = [["linear", own, False]] if own and not end.lstrip("-").replace("/", "").isdigit() else []
            return first + [[k, s, False] for k in kinds for s in scales]
        return [[k, s, False] for k in ("hyperbolic", "log") for s in scales]

    def scales(self) -> list[str]:
        """The parameters that are known to be positive."""
        tower = self.here.tower
        return [p.name for p in self.path if p.low != p.high and tower.sign(self.here.names[p.name]) == 2][:3]

    def signed(self, i: int, key: str, make: Callable[[Cell], Element]) -> Sign:
        using = self.node.setdefault("using", {})
        if key in using or key in self.proofs:
            return super().signed(i, key, make)
        best: Sign = None
        for chart in [None, *self.charts_for(i)]:
            if chart == self.charts[i]:
                continue
            try:
                cell = self.cell(i, chart)
                e = make(cell)
                if e.tower.sign(e) is None and len(signs(e)) > 1:
                    return None  # it changes its sign: no chart will help
                s = self.sign(e, key)
            except Unproved:
                continue
            if s is not None:
                if chart is not None:
                    using[key] = chart
                return s
        return best

    def limit(self, k: int, i: int, side: str, what: Callable[[Cell], Element] | None = None) -> Limit:
        limits = self.node.setdefault("limits", {})
        key = f"{k}{side}{i}"
        try:
            return super().limit(k, i, side, what)
        except Unproved:
            if key in limits:
                raise
        for chart in self.charts_for(i):
            limits[key] = chart
            try:
                return super().limit(k, i, side, what)
            except Unproved:
                del limits[key]
        raise Unproved(f"no limit of derivative {k} at the {side} end of cell {i}")


class Units(dict[str, int]):
    """The units of exponentials and powers; those of proposals apart, so that they refine no proof."""

    def __init__(self) -> None:
        super().__init__()
        self.free: dict[str, int] = {}


class Stratum:
    """One choice of places for the parameters and targets: where a property is to be decided."""

    def __init__(self, loss: dict[str, Any], path: list[Place], units: Units) -> None:
        self.loss, self.path, self.units = loss, path, units
        self.here = Cell(loss, path, units)
        self.x = loss["variable"]
        self.low, self.high = ends(loss["domain"])[:2]
        self.positive = {p.name for p in path if self.here.tower.sign(self.here.names[p.name]) == 2}
        self._roots: dict[int, list[str]] = {}
        self._cells: dict[str, Any] = {}
        self.pieces: list[Piece] = []
        self.keep_zero, self.artificial_zero, self.origin = True, False, "0"
        self._values: dict[tuple[str, int], Any] = {}

    def sample(self, n: int = 0) -> dict[str, Any]:
        """Values of the parameters and targets inside the stratum."""
        tower = self.here.tower
        at = {i: _SAMPLES[(n + j) % 4] * (1 + n // 4) for j, i in enumerate(tower.names.values())}
        return {p.name: number(self.here.names[p.name], at) for p in self.path}

    def free(self, x: Any, n: int = 0) -> Free:
        return Free({**self.sample(n), self.x: x}, self.positive, self.units.free)

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
        if (text_, n) not in self._values:
            free = self.free(arb(1), n)
            self._values[text_, n] = number(free.read(text_, free.all()), free.at)
        return self._values[text_, n]

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

    def switches(self) -> list[str]:
        """Where conditions of the formula change, and 0."""
        found: set[str] = set()
        seen: set[str] = set()
        for _ in range(3):
            bounds = self.ordered(found)
            for v in self.grid(bounds):
                free = self.free(v)
                attempt(formula, self.loss, free, free.all())
                for e, _, _ in free.conditions:
                    if str(e.num) not in seen:
                        seen.add(str(e.num))
                        found |= {text(r) for r in self.safe_roots(e) if self.good(r, free)}
            if len(self.ordered(found)) == len(bounds):
                break
        whole = [n for n, d in self.loss["inputs"].items() if d == "(-oo, oo)"]
        self.origin = whole[0] if whole and self.low == "-oo" and self.high == "oo" else "0"
        self.artificial_zero = self.origin not in found and self.inside(self.origin, [self.low, self.high])
        return self.ordered(found | ({self.origin} if self.artificial_zero else set()))[1:-1]

    def safe_roots(self, e: Element) -> list[Element]:
        try:
            return roots(e, self.x)
        except Unproved:
            return []

    def good(self, r: Element, free: Free) -> bool:
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
        """Breakpoints between which the k-th derivative keeps its sign, as far as they can be written down."""
        if not self.keep_zero:
            found = [t for t in self.chart_at(k) if t != self.origin]
            if not self.artificial_zero or len(found) == len(self.chart_at(k)):
                raise Unproved("0 is no artificial breakpoint")
            return found
        return self.chart_at(k)

    def chart_at(self, k: int) -> list[str]:
        if k not in self._roots:
            base = self.switches() if k == 0 else self.chart_at(0)
            found = set(base)
            if k:
                seen = []
                for v in self.grid(self.ordered(set(base))):
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
            self._roots[k] = self.ordered(found)[1:-1]
        return self._roots[k]

    def changes(self, e: Element, r: Element, free: Free) -> bool:
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
            found |= set(one.chart(0))
        return self.ordered(found)[1:-1]

    def case(self, name: str, at: list[str], **more: Any) -> Explorer:
        probe = Explorer(self.loss, {"at": at, "charts": [None] * (len(at) + 1)}, self.path, self.units, name)
        charts = [self.first_chart(probe, i) for i in probe.cells]
        node = {"at": at, "charts": charts, **more}
        if "0" in at:
            node["zero"] = at.index("0")
        return Explorer(self.loss, node, self.path, self.units, name)

    def first_chart(self, probe: Explorer, i: int) -> list[Any]:
        """The first chart in which the formula can be read."""
        key = f"{probe.bounds[i]} {probe.bounds[i + 1]}"
        if key not in self._cells:
            error: Unproved | None = None
            missing = set(self.loss["inputs"]) - {p.name for p in self.path}  # properties of both labels
            extra = [Place(n, "1", "1") for n in missing]
            for chart in probe.charts_for(i):
                try:
                    place = Place(self.x, probe.bounds[i], probe.bounds[i + 1], chart)
                    Cell(self.loss, [*self.path, *extra, place], self.units).derivative(0)
                    self._cells[key] = chart
                    break
                except Unproved as problem:
                    error = error or problem
            else:
                raise error or Unproved("no chart")
        return list(self._cells[key])

    def back(self, e: Element) -> str:
        """An element of the stratum as a formula of the parameters and targets."""
        free = Free(self.sample(), self.positive, self.units.free)
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


Found = tuple[dict[str, Any], str | None]


def attempt(action: Callable[..., Any], *arguments: Any) -> Any:
    """What an action returns; None where it does not go through."""
    try:
        return action(*arguments)
    except (Unproved, ValueError, ArithmeticError, LookupError):
        return None


class Prover:
    """One property of one loss."""

    def __init__(self, loss: dict[str, Any], name: str) -> None:
        self.loss, self.name = loss, name
        self.reason = ""
        self.leaves: dict[Any, Found | None] = {}
        self.fixed: str | None = None  # a value that must serve every stratum

    def claim(self) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """The claim and its certificate."""
        Budget.left = WORK * 8
        try:
            return self._claim()
        except Unproved as problem:
            return {"property": self.name, "verdict": "undecided", "reason": str(problem)}, None
        finally:
            Budget.left = float("inf")

    def _claim(self) -> tuple[dict[str, Any], dict[str, Any] | None]:
        best: tuple[int, Any] = (10**9, None)
        fallback: Any = None
        for cuts in self.proposals():
            for weak in (False, True) if self.weakable() else (False,):
                self.cuts, self.weak, self.fixed = cuts, weak, None
                made = self.attempt_tree(cuts, weak)
                if made is None:
                    continue
                tree, found, open_ = made
                if open_ < best[0]:
                    best = (open_, (tree, found))
                if open_ == 0:
                    done = self.finished(tree, found)
                    valued = self.name not in BEST or "value" in done[0] or done[0]["verdict"] == "refuted"
                    if done[1] is not None and valued:
                        return done
                    if done[1] is not None and fallback is None:
                        fallback = done
        if fallback is not None:
            return fallback
        return {"property": self.name, "verdict": "undecided", "reason": self.reason or "no proof was found"}, None

    def attempt_tree(self, cuts: dict[str, list[str]], weak: bool) -> tuple[Any, list[Any], int] | None:
        try:
            return self.tree(cuts, weak)
        except Unproved as problem:
            self.reason = str(problem)
            return None

    def weakable(self) -> bool:
        return any(d.startswith("[") and not d.startswith("[-") for d in self.loss["inputs"].values())

    def finished(self, tree: Any, found: list[Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
        values = [v for _, v in found if v is not None]
        distinct = list(dict.fromkeys(values))
        trials: list[tuple[str | None, bool]] = [(v, len(set(values)) > 1) for v in distinct] or [(None, bool(values))]
        if len(set(values)) > 1:
            if self.name in BEST:
                pairs = itertools.islice(itertools.combinations(distinct, 2), 3)
                trials += [(f"{'min' if self.name == 'strongly_convex' else 'max'}({a}, {b})", True) for a, b in pairs]
            trials.append((self.piecewise(found), False))
        error = ""
        first = tree
        for value, again in trials:
            tree = first
            if again:
                self.fixed = value
                made = self.attempt_tree(self.cuts, self.weak)
                if made is None or made[2]:
                    continue
                tree = made[0]
            claim: dict[str, Any] = {"property": self.name}
            for key in ("value", "bound") if value is not None else ("none",):
                claim = {"property": self.name} | ({key: value} if value is not None else {})
                try:
                    shown = verdict(self.loss, claim, tree)
                except Unproved as problem:
                    error = str(problem)
                    continue
                claim["verdict"] = {True: "proved", False: "refuted", None: "undecided"}.get(shown, "conditional")
                if claim["verdict"] == "conditional":
                    claim["condition"] = shown
                if claim["verdict"] == "refuted":
                    claim.pop(key, None)
                if claim["verdict"] == "undecided":
                    continue
                certificate = {"property": self.name, "loss": digest(self.loss), "tree": tree}
                try:
                    check(self.loss, claim, certificate)
                except Unproved as problem:
                    error = str(problem)
                    continue
                return claim, certificate
                # a bound counts only for properties whose value need not be the best
        return {"property": self.name, "verdict": "undecided", "reason": error or "the values differ"}, None

    def piecewise(self, found: list[Any]) -> str:
        """One text from the values of several strata: "a if condition else b"."""
        ranges = {**self.loss["parameters"], **self.loss["inputs"]}

        def where(path: list[Place]) -> str:
            out = []
            for p in path:
                low, high = ends(ranges[p.name])[:2] if ranges[p.name][0] != "{" else ("", "")
                if p.low == p.high:
                    out.append(f"{p.name} == {p.low}")
                else:
                    out += [f"{p.name} > {p.low}"] * (p.low != low) + [f"{p.name} < {p.high}"] * (p.high != high)
            return " and ".join(out)

        groups: dict[str, list[str]] = {}
        for path, v in found:
            if v is not None:
                groups.setdefault(v, []).append(where(path))
        rows = sorted(groups.items(), key=lambda x: ("" in x[1], len(x[1])))
        out = rows[-1][0]
        for v, conditions in reversed(rows[:-1]):
            out = f"{v} if {' or '.join(conditions)} else {out}"
        return out

    # Strata --------------------------------------------------------------------------------------

    def proposals(self) -> Iterator[dict[str, list[str]]]:
        """Where to cut the parameters: first nowhere, then at single thresholds, then at all."""
        ranges = {**self.loss["parameters"], **self.loss["inputs"]}
        base = {n: ["0"] for n, d in ranges.items() if d == "(-oo, oo)"}
        if base:
            yield {n: ["free"] for n in base}
        yield base
        if self.name in ("nonnegative", "upper_bounds_zero_one"):  # a target for which it fails
            for n, d in self.loss["inputs"].items():
                if d in ("(0, oo)", "[0, oo)"):
                    yield {**base, n: ["10"]}
        found = attempt(lambda: self.thresholds(base)) or {}
        for n, values in found.items():
            for v in values:
                yield {**base, n: sorted({*base.get(n, []), v}, key=lambda t: self.size(n, t))}
        if sum(map(len, found.values())) > 1:
            yield {**base, **{n: self.sorted(n, {*base.get(n, []), *v}) for n, v in found.items()}}

    def size(self, name: str, t: str) -> float:
        sample = {n: _SAMPLES[i % 4] / 2 for i, n in enumerate([*self.loss["parameters"], *self.loss["inputs"]])}

        def value(units: dict[str, int]) -> float:
            free = Free(sample, set(), units)
            return float(number(free.read(t, free.all()), free.at))

        return float(refined(value))

    def sorted(self, name: str, values: set[str]) -> list[str]:
        return sorted(values, key=lambda t: self.size(name, t))

    def thresholds(self, base: dict[str, list[str]]) -> dict[str, list[str]]:
        """Numbers at which a coefficient of a derivative vanishes, inside the range of a parameter."""
        out: dict[str, list[str]] = {}
        orders = {"lipschitz": (2, 1), "smooth": (3, 2), "strongly_convex": (2, 3), "weakly_convex": (2, 3)}.get(
            self.name, (2, 1, 0)
        )
        for n, domain in {**self.loss["parameters"], **self.loss["inputs"]}.items():
            if domain[0] == "{":
                continue
            low, high = ends(domain)[:2]
            found: dict[str, float] = {}
            for path in itertools.islice(self.paths(base), 4):
                attempt(self.collect_in, path, n, orders, found)
            values = [
                t
                for t, v in sorted(found.items(), key=lambda x: (len(x[0]), x[1]))
                if (low == "-oo" or v > self.size(n, low))
                and (high == "oo" or v < self.size(n, high))
                and t not in base.get(n, [])
            ]
            out[n] = values[:CUTS]
        return out

    def collect_in(self, path: list[Place], n: str, orders: tuple[int, ...], found: dict[str, float]) -> None:
        refined(lambda units: self.collect(path, n, orders, found, units), Units())

    def collect(self, path: list[Place], n: str, orders: tuple[int, ...], found: dict[str, float], units: Any) -> None:
        stratum = Stratum(self.loss, path, units)
        seen: set[tuple[int, int]] = set()
        order = [*self.loss["parameters"], *self.loss["inputs"]]
        known = {*order[order.index(n) :], stratum.x}  # on these a threshold may not depend

        def keep(e: Element) -> None:
            for r in thresholds(e, n):
                if not known & {m for m, i in r.tower.names.items() if not r.tower.slope(r, i).zero}:
                    found[text(r)] = self.size(n, text(r))

        free = stratum.free(arb("0.3"))
        marks = attempt(lambda: stratum.chart(orders[0])) or []
        for a, b in itertools.combinations(
            [m for m in {*marks, stratum.low, stratum.high} if m not in ("-oo", "oo")], 2
        ):
            attempt(lambda a, b: keep(free.read(a, free.all()) - free.read(b, free.all())), a, b)
        if self.name == "symmetric":
            names = free.all()
            e = formula(self.loss, free, dict(names)) - formula(
                self.loss, free, {**names, stratum.x: -names[stratum.x]}
            )
            attempt(lambda: keep(e))
            return
        for a, b in itertools.combinations(attempt(lambda: self.extremes(stratum)) or [], 2):
            for way in (1, -1):
                attempt(lambda a, b, way: keep(free.read(a, free.all()) - free.read(b, free.all()) * way), a, b, way)
        for k in orders:
            for v in itertools.islice(stratum.grid([stratum.low, *stratum.chart(0), stratum.high]), 14):
                piece, _ = stratum.piece(v)
                if (id(piece), k) in seen:
                    continue
                seen.add((id(piece), k))
                attempt(lambda piece, k: keep(piece.derivative(k)), piece, k)

    def extremes(self, s: Stratum) -> list[str]:
        """Values that compete for a bound, or that must agree for smoothness."""
        orders: dict[str, tuple[int, ...]] = {
            "lipschitz": (1,),
            "smooth": (2,),
            "strongly_convex": (2,),
            "weakly_convex": (2,),
        }
        orders |= {"differentiable": (1, 2), "self_concordant": (2,), "range": (0,), "minimizer": (0,)}
        out: dict[str, None] = {}
        for k in orders.get(self.name, ()):
            case = s.case(self.name, s.chart(0))
            for _, _, e in attempt(edges, case, s, k) or []:
                if not isinstance(e, int):
                    out[s.back(e)] = None
        return list(out)[:6]

    def paths(self, cuts: dict[str, list[str]]) -> Iterator[list[Place]]:
        """One path for each combination of open intervals."""
        choices = []
        for n, domain in [*self.loss["parameters"].items(), *self.loss["inputs"].items()]:
            if domain[0] == "{":
                choices.append([Place(n, v.strip(), v.strip()) for v in domain[1:-1].split(",")])
                continue
            low, high = ends(domain)[:2]
            bounds = [low, *cuts.get(n, []), high]
            choices.append([Place(n, a, b) for a, b in itertools.pairwise(bounds)])
        for path in itertools.product(*choices):
            yield list(path)

    def tree(self, cuts: dict[str, list[str]], weak: bool) -> tuple[Any, list[Any], int]:
        """The tree of strata with its leaves proved or refuted; values by stratum; how many leaves stayed open."""
        found: list[Any] = []
        walker = Checker(self.loss, {"property": self.name})

        def visit(parameters: list[str], inputs: list[str], path: list[Place]) -> tuple[Any, int]:
            names = parameters or inputs
            if not names or (not parameters and self.name in BOTH_LABELS):
                key = (self.fixed, *((p.name, p.low, p.high, p.weak) for p in path))
                if key not in self.leaves:
                    self.leaves[key] = self.leaf(path)
                leaf = self.leaves[key]
                if leaf is None:
                    return None, 1
                found.append((path, leaf[1]))
                return leaf[0], 0
            name, rest = names[0], names[1:]
            domain = (self.loss["parameters"] if parameters else self.loss["inputs"])[name]
            free = cuts.get(name) == ["free"]
            node: dict[str, Any] = {"split": name, "at": [] if free else self.inside(path, domain, cuts.get(name, []))}
            if free:
                node["charts"] = {"0": ["free", "1", False]}
            if weak and not parameters and domain.startswith("["):
                node["weak"] = True
            places_, open_ = walker.places(node, domain, path), 0
            parts: list[Any] = [None] * len(places_)
            # points first: one target that refutes is enough
            for i in sorted(range(len(places_)), key=lambda i: not parameters and places_[i].low != places_[i].high):
                before = len(found)
                part, n = visit(rest if parameters else [], inputs if parameters else rest, [*path, places_[i]])
                parts[i] = part
                open_ += n
                if open_ and parameters:
                    return None, 1  # this proposal does not decide everything
                if not parameters and part is not None and self.refutes(part):
                    parts = [p if k == i else None for k, p in enumerate(parts)]
                    return {**node, "parts": parts}, 0
                if not parameters and n and before == len(found) and len(places_) == 1:
                    break
            return {**node, "parts": parts}, open_

        tree, open_ = visit(list(self.loss["parameters"]), list(self.loss["inputs"]), [])
        return tree, found, open_

    def inside(self, path: list[Place], domain: str, cuts: list[str]) -> list[str]:
        """The cuts that lie inside the range on this path, in their order."""
        if domain[0] == "{":
            return []
        low, high = ends(domain)[:2]
        out: list[str] = []
        for cut in cuts:
            if attempt(
                lambda cut: refined(lambda u: increasing(Cell(self.loss, path, u), [low, *out, cut, high])) or True, cut
            ):
                out.append(cut)
        return out

    def rising(self, path: list[Place], bounds: list[str]) -> bool:
        refined(lambda units: increasing(Cell(self.loss, path, units), bounds))
        return True

    def refutes(self, node: Any) -> bool:
        if node is None:
            return False
        if "split" in node:
            return any(self.refutes(p) for p in node["parts"])
        return "evidence" in node or "least" in node

    # Leaves --------------------------------------------------------------------------------------

    def leaf(self, path: list[Place]) -> Found | None:
        """A node that shows the property, or refutes it, on one stratum; and the value there."""
        whole = Budget.left
        Budget.left = min(WORK, whole)
        try:
            return refined(lambda units: self.leaf_in(path, units), Units())
        except Unproved as problem:
            self.reason = str(problem)
        except (ZeroDivisionError, ValueError, IndexError, KeyError, OverflowError) as problem:
            self.reason = f"the search failed: {problem!r}"
        finally:
            Budget.left = whole - (min(WORK, whole) - Budget.left)
        return None

    def leaf_in(self, path: list[Place], units: Any) -> Found | None:
        stratum = Stratum(self.loss, path, units)
        for strategy in STRATEGIES[self.name]:
            found = attempt(lambda strategy: strategy(self, stratum), strategy)
            if found is not None:
                node, value = found
                return {k: v for k, v in node.items() if v not in ({}, None)}, value
        return None

    def run(self, case: Explorer, goal: str | None) -> Found | None:
        try:
            if PROPERTIES[self.name](case, goal):
                return case.node, goal
        except Unproved as problem:
            self.reason = str(problem)
        return None


# Strategies: each proposes nodes for one stratum -------------------------------------------------


def holds(order: int, **more: Any) -> Callable[[Prover, Stratum], Found | None]:
    """The property as it stands, cut where a derivative changes its sign."""
    return lambda p, s: p.run(s.case(p.name, s.chart(order), **more), None)


def without_zero(strategy: Callable[[Prover, Stratum], Found | None]) -> Callable[[Prover, Stratum], Found | None]:
    """The same without the breakpoint 0, whose order among others may depend on parameters."""

    def tried(p: Prover, s: Stratum) -> Found | None:
        s.keep_zero = False
        try:
            return strategy(p, s)
        finally:
            s.keep_zero = True

    return tried


def by_evidence(order: int) -> Callable[[Prover, Stratum], Found | None]:
    """A place that contradicts the property."""

    def strategy(p: Prover, s: Stratum) -> Found | None:
        kinds = EVIDENCE[p.name]
        for at in (s.chart(order), *witnesses(s, order, kinds)):
            case = s.case(p.name, at)
            for place in places(case, kinds):
                node = {**case.node, "evidence": place, "proofs": {}, "limits": {}}
                trial = Explorer(s.loss, node, s.path, s.units, p.name)
                trial.made = case.made
                if place[0] == "cell" and len(signs(trial.cell(place[1]).derivative(kinds["cell"][0]))) > 1:
                    continue
                if attempt(refute, trial) is False:
                    return trial.node, None
        return None

    return strategy


def places(case: Case, kinds: dict[str, Any]) -> Iterator[list[Any]]:
    for kind in ("cell", "limit", "at", "gap", "jump", "jump2"):
        if kind not in kinds:
            continue
        if kind in ("cell", "limit"):
            for i in case.cells:
                yield from ([[kind, i]] if kind == "cell" else [[kind, i, "low"], [kind, i, "high"]])
        else:
            for j in case.seams() if kind != "at" else range(len(case.at)):
                yield from ([[kind, j, "left"], [kind, j, "right"]] if kind == "gap" else [[kind, j]])


def witnesses(s: Stratum, order: int, kinds: dict[str, Any]) -> Iterator[list[str]]:
    """Breakpoints with one more point, where the derivative may have the sign that refutes."""
    if "limit" not in kinds or isinstance(kinds["limit"][1], str):
        return
    k, allowed = kinds["limit"]
    base = s.chart(order)
    bounds = [s.low, *base, s.high]
    scales = ["1", *(p.name for p in s.path if p.low != p.high and p.name in s.positive)]
    scales += [f"{a}*{b}" for a, b in itertools.combinations(scales[1:], 2)] + [
        f"{b}/{a}" for a, b in itertools.permutations(scales[1:], 2)
    ]
    count = 0
    for q in ("1", "2", "1/2", "3", "1/4", "4", "3/2", "3/4", "6", "10", "1/10", "30"):
        for a, b in itertools.pairwise(bounds):
            for scale in scales:
                options = []
                if a not in ("-oo",):
                    options.append(f"{a} + {q}*{scale}" if a != "0" else f"{q}*{scale}")
                if b not in ("oo",):
                    options.append(f"{b} - {q}*{scale}" if b != "0" else f"-{q}*{scale}")
                if a == "-oo" and b == "oo":
                    options += [f"{q}*{scale}", f"-{q}*{scale}"]
                for w in options:
                    if count > 40 or not refuting(s, w, a, b, k, allowed):
                        continue
                    count += 1
                    at = attempt(lambda w: s.ordered({*base, w})[1:-1], w)
                    if at is not None and len(at) == len(base) + 1:
                        yield at


def refuting(s: Stratum, w: str, a: str, b: str, k: int, allowed: tuple[int, ...]) -> bool:
    """Whether the derivative at a point has the right sign at every sample of the stratum."""
    for n in range(4):
        try:
            v = s.value(w, n)
            if not (v > s.value(a, n) and v < s.value(b, n)):
                return False
            piece, at = s.piece(v, n)
            value = number(piece.derivative(k), at)
            if not ((value < 0 and -2 in allowed) or (value > 0 and 2 in allowed)):
                return False
        except (Unproved, ZeroDivisionError):
            return False
    return True


def edges(case: Explorer, s: Stratum, k: int) -> list[tuple[float, list[Any], Limit]]:
    """The limits of the k-th derivative at the ends of all cells: number, place, value."""
    out: list[tuple[float, list[Any], Limit]] = []
    for i in case.cells:
        for side in ("low", "high"):
            e = case.limit(k, i, side)
            v = float("inf") * e if isinstance(e, int) else float(number(e, at_sample(s)))
            out.append((v, ["limit", i, side], e))
    return out


def at_sample(s: Stratum, n: int = 0) -> dict[int, Any]:
    return {i: _SAMPLES[(n + j) % 4] * (1 + n // 4) for j, i in enumerate(s.here.tower.names.values())}


def finite(e: Limit) -> Element:
    if isinstance(e, int):
        raise Unproved("an infinite limit")
    return e


def size(k: int) -> Callable[[Prover, Stratum], Found | None]:
    """The least bound of |f^(k)|: its largest limit at the ends of the cells between its extrema."""

    def strategy(p: Prover, s: Stratum) -> Found | None:
        case = s.case(p.name, s.chart(k + 1))
        rows = edges(case, s, k)
        if any(isinstance(e, int) for _, _, e in rows):
            return None
        for v, place, e in sorted(rows, key=lambda r: -abs(r[0])):
            way = 1 if v >= 0 else -1
            goal = p.fixed or s.back(finite(e) * way)
            trial = s.case(p.name, s.chart(k + 1), reached=place, way=way)
            found = p.run(trial, goal)
            if found is None and p.fixed:
                found = p.run(s.case(p.name, s.chart(k + 1)), goal)
            if found is not None:
                return found
            break
        if not s.here.tower.names and not p.fixed:  # no closed form: a rational bound a little above
            top = max(abs(v) for i in case.cells for v in sampled(case, i, k))
            goal = str(Fraction(int(top * 100) + 2, 100))
            return p.run(s.case(p.name, s.chart(k)), goal)
        return None

    return strategy


def sampled(case: Explorer, i: int, k: int) -> list[float]:
    """Values of a derivative on a cell without parameters, closely spaced."""
    cell = case.cell(i)
    e = cell.derivative(k)
    values = [number(e, {cell.t: arb(x)}) for n in range(-60, 61) for x in [10.0 ** (n / 15)]]
    return [float(v) for v in values if v.is_finite()]


def modulus(p: Prover, s: Stratum) -> Found | None:
    """The least second derivative (strongly convex), or its negative (weakly convex)."""
    case = s.case(p.name, s.chart(3))
    rows = edges(case, s, 2)
    v, place, e = min(rows, key=lambda r: r[0])
    if p.name == "weakly_convex":
        if v >= 0:
            return p.run(s.case(p.name, s.chart(2)), "0")
        if isinstance(e, int):
            return None
        found = p.run(s.case(p.name, s.chart(3), reached=place), p.fixed or s.back(-e))
        if found is None and not s.here.tower.names:
            low = min(x for i in case.cells for x in sampled(case, i, 2))
            found = p.run(s.case(p.name, s.chart(2)), str(Fraction(int(-low * 100) + 2, 100)))
        return found
    if v <= 0 or isinstance(e, int):
        return None
    return p.run(s.case(p.name, s.chart(3), reached=place), p.fixed or s.back(e))


def shape(p: Prover, s: Stratum) -> Found | None:
    """Falling, then rising; or rising at one place and falling at a later one."""
    case = s.case(p.name, s.chart(1))
    directions = []
    for i in case.cells:
        e = case.cell(i).derivative(1)
        found = {0} if e.zero else signs(e)
        directions.append(found.pop() if len(found) == 1 else 2)
    first = next((i for i, d in enumerate(directions) if d == 1), len(directions))
    found_ = p.run(s.case(p.name, s.chart(1), turn=first), None)
    if found_ is not None:
        return found_
    spots = [[["cell", i], ["limit", i, "low"], ["limit", i, "high"]] for i in case.cells]
    for i, k in itertools.combinations(case.cells, 2):
        for rise, fall in itertools.product(spots[i], spots[k]):
            if directions[i] == -1 or directions[k] == 1:
                continue
            trial = s.case(p.name, s.chart(1), evidence=[rise, fall])
            if attempt(PROPERTIES[p.name], trial, None) is False:
                return trial.node, None
    return None


def outer(p: Prover, s: Stratum) -> Found | None:
    for evidence in (None, 0, 1):
        more = {} if evidence is None else {"evidence": evidence}
        case = s.case(p.name, s.chart(0), **more)
        found = attempt(PROPERTIES[p.name], case, None)
        if found is not None:
            return case.node, None
    return None


def levels(case: Explorer, s: Stratum) -> list[tuple[float, list[Any], Limit]]:
    """Values at the breakpoints and limits at the ends of cells."""
    rows = [(float(number(e, at_sample(s))), ["at", j], e) for j in range(len(case.at)) for e in [case.value(j)]]
    flat = [
        (float(number(e, at_sample(s))), ["cell", i], e)
        for i in case.cells
        for e in [constant(case, i)]
        if e is not None
    ]
    return [*rows, *flat, *edges(case, s, 0)]


def constant(case: Explorer, i: int) -> Element | None:
    e = case.cell(i).derivative(1)
    found = case.limit(0, i, "low") if e.zero else None
    return None if isinstance(found, int) else found


def lowest(rows: list[tuple[float, list[Any], Limit]], way: int) -> tuple[float, list[Any], Limit]:
    """The least (or, for way -1, the largest) level; attained ones first."""
    best = min(way * v for v, _, _ in rows)
    near = [r for r in rows if way * r[0] <= best or way * r[0] - best < 1e-12 * (1 + abs(best))]
    return min(near, key=lambda r: {"at": 0, "cell": 1, "limit": 2}[r[1][0]])


def values_of(p: Prover, s: Stratum) -> Found | None:
    """The range of f, from its values where it turns and its limits."""
    case = s.case(p.name, s.chart(1))
    rows = levels(case, s)
    goal, more, parts = "", {}, []
    for way, key in ((1, "lowest"), (-1, "highest")):
        _, place, e = lowest(rows, way)
        closed = place[0] != "limit"
        parts.append((("-oo" if way > 0 else "oo") if isinstance(e, int) else s.back(e), closed))
        more[key] = place
    goal = f"{'[' if parts[0][1] else '('}{parts[0][0]}, {parts[1][0]}{']' if parts[1][1] else ')'}"
    return p.run(s.case(p.name, s.chart(1), **more), goal)


def supremum(p: Prover, s: Stratum) -> Found | None:
    case = s.case(p.name, s.chart(1))
    _, place, e = lowest(levels(case, s), -1)
    if isinstance(e, int):
        return None
    return p.run(s.case(p.name, s.chart(1), reached=place), s.back(e))


def least(p: Prover, s: Stratum) -> Found | None:
    """The set of minimizers."""
    case = s.case(p.name, s.chart(1))
    rows = levels(case, s)
    v, place, e = lowest(rows, 1)
    if place[0] == "limit":
        level = "-oo" if isinstance(e, int) else s.back(e)
        return p.run(s.case(p.name, s.chart(1), lowest=place, level=level), "none")
    at = [j for j in range(len(case.at)) if abs(rows[j][0] - v) <= 1e-12 * (1 + abs(v))]
    flat = [
        i
        for i in case.cells
        if constant(case, i) is not None
        and any(r[1] == ["cell", i] and abs(r[0] - v) <= 1e-12 * (1 + abs(v)) for r in rows)
    ]
    first = min([*at, *(i - 1 for i in flat)])
    last = max([*at, *flat])
    low = s.low if first < 0 else case.at[first]
    high = s.high if last == len(case.at) else case.at[last]
    goal = low if first == last else f"{'(' if first < 0 else '['}{low}, {high}{')' if last == len(case.at) else ']'}"
    return p.run(s.case(p.name, s.chart(1), argmin=[first, last]), goal)


def smoothness(p: Prover, s: Stratum) -> Found | None:
    """The class C^k."""
    case = s.case(p.name, s.chart(0))
    seams = case.seams()
    if not seams:
        return p.run(case, "oo")
    for k in range(1, 7):
        for j in seams:
            jump = case.jump(k, j)
            if case.sign(jump, "probe") in (-2, 2):
                if k == 1:
                    return None
                return p.run(s.case(p.name, s.chart(0), reached=j), str(k - 1))
    return None


def mirror(p: Prover, s: Stratum) -> Found | None:
    base = s.chart(0)
    found = p.run(s.case(p.name, base), None)
    if found is not None:
        return found
    for w in ("1", "2", "1/2", "1/3", *(q.name for q in s.path if q.name in s.positive)):
        at = s.ordered({*base, w})[1:-1]
        if w not in at:
            continue
        trial = s.case(p.name, at, evidence=at.index(w))
        if attempt(PROPERTIES[p.name], trial, None) is False:
            return trial.node, None
    return None


def over_zero_one(p: Prover, s: Stratum) -> Found | None:
    found = p.run(s.case(p.name, s.chart(1)), None)
    if found is not None:
        return found
    for at in (s.chart(1), *(s.ordered({*s.chart(1), w})[1:-1] for w in ("-1", "-1/2", "-1/10", "-3"))):
        case = s.case(p.name, at)
        for place in places(case, {"limit": 0, "at": 0}):
            trial = s.case(p.name, at, evidence=place)
            trial.made = case.made
            if attempt(PROPERTIES[p.name], trial, None) is False:
                return trial.node, None
    return None


def calibration(p: Prover, s: Stratum) -> Found | None:
    for order in (2, 0, 1):
        at = s.chart(order)
        case = s.case(p.name, at)
        level = attempt(lambda case: s.back(case.value(case.zero())), case)
        options: list[dict[str, Any]] = [{"convex": True}, {"convex": True, "evidence": "slope"}, {}]
        if level is not None:
            options.append({"least": level})
        for more in options:
            trial = s.case(p.name, at, **more)
            found = attempt(PROPERTIES[p.name], trial, None)
            if found is not None:
                return trial.node, None
    return None


def propriety(p: Prover, s: Stratum) -> Found | None:
    base = s.chart_of_labels()
    found = p.run(s.case(p.name, base), None)
    if found is not None:
        return found
    for at in (base, *(s.ordered({*base, w})[1:-1] for w in ("1/2", "1/4", "1", "2", "-1"))):
        case = s.case(p.name, at)
        for i in case.cells:
            for place in (["flat", i], ["limit", i, "low"], ["limit", i, "high"]):
                trial = s.case(p.name, at, evidence=place)
                if attempt(PROPERTIES[p.name], trial, None) is False:
                    return trial.node, None
    return None


def ratio(cell: Cell) -> Element:
    return cell.derivative(3) ** 2 / cell.derivative(2) ** 3 / 4


def concordance(p: Prover, s: Stratum) -> Found | None:
    at = s.chart(0)
    case = s.case(p.name, at)
    rows = []
    for i in case.cells:
        for side in ("low", "high"):
            e = attempt(
                lambda i, side: case.limit(3, i, side, lambda z: z.derivative(3) ** 2 / z.derivative(2) ** 3 / 4),
                i,
                side,
            )
            if isinstance(e, int):
                trial = s.case(p.name, at, evidence=["ratio", i, side])
                if attempt(PROPERTIES[p.name], trial, None) is False:
                    return trial.node, None
            elif e is not None:
                rows.append((float(number(e, at_sample(s))), ["limit", i, side], e))
    for _, place, e in sorted(rows, key=lambda r: -r[0])[:1]:
        root = attempt(lambda e: s.here.tower.power(e, s.here.tower.number("1/2")), e)
        if root is not None:
            return p.run(s.case(p.name, at, reached=place), p.fixed or s.back(root))
    return p.run(s.case(p.name, at), "0")


_STRATEGIES: dict[str, tuple[Callable[[Prover, Stratum], Found | None], ...]] = {
    "convex": (holds(2), by_evidence(2)),
    "strictly_convex": (holds(2), by_evidence(2)),
    "strongly_convex": (modulus, by_evidence(2)),
    "weakly_convex": (modulus, by_evidence(2)),
    "quasiconvex": (shape,),
    "continuous": (holds(0), by_evidence(0)),
    "differentiable": (smoothness, by_evidence(0)),
    "lipschitz": (size(1), by_evidence(1), holds(0)),
    "bounded_influence": (holds(0), by_evidence(0)),
    "smooth": (size(2), by_evidence(2), holds(0)),
    "bounded": (supremum, by_evidence(0), holds(0)),
    "range": (values_of,),
    "nonnegative": (holds(1), by_evidence(1)),
    "symmetric": (mirror,),
    "monotone": (holds(1), by_evidence(1)),
    "minimizer": (least,),
    "redescending": (outer,),
    "upper_bounds_zero_one": (over_zero_one,),
    "calibrated": (calibration,),
    "self_concordant": (by_evidence(2), concordance),
    "proper": (propriety,),
    "strictly_proper": (propriety,),
}
STRATEGIES = {name: (*rows, *map(without_zero, rows)) for name, rows in _STRATEGIES.items()}


def applicable(loss: dict[str, Any]) -> list[str]:
    """The properties that have a meaning for a loss."""
    residual, margin = loss["base"] == "residual", loss["base"] == "margin"
    labels = list(loss["inputs"].values()) in (["{0, 1}"], ["[0, 1]"])
    out = []
    for name in STRATEGIES:
        if name in ("symmetric", "bounded_influence", "redescending") and not residual:
            continue
        if name in ("monotone", "upper_bounds_zero_one", "calibrated") and not margin:
            continue
        if name in BOTH_LABELS and not labels:
            continue
        out.append(name)
    return out


def prove_all(loss: dict[str, Any]) -> dict[str, tuple[dict[str, Any], dict[str, Any] | None]]:
    """Every applicable property of a loss: its claim, and its certificate where it is decided."""
    return {name: Prover(loss, name).claim() for name in applicable(loss)}
