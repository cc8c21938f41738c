"""What is true of a loss? Finds verdicts, values, phase diagrams, and the certificates that show them.

The prover runs the checker's own properties (`judgements.PROPERTIES`) on an `Explorer`, a case that looks for the lemma
behind each sign and writes it down. What is left to the prover is to propose: where to cut, which value, which witness.
Whatever it claims has passed the checker; otherwise the claim is `undecided`.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from typing import Any

from flint import arb

from . import dual_strategies as dual
from .cells import Cell, Place, ends, formula, increasing
from .checker import Checker, digest, refined, verdict
from .dual_strategies import unpacked
from .explorer import Explorer, Findings
from .formal import Formal, number
from .judgements import ALL_TARGETS, BEST, BOTH_LABELS, EVIDENCE, PROPERTIES, meaningful, predicts_probability
from .reading import Unproved, parse
from .roots import roots, text, thresholds
from .search import attempt
from .strata import SAMPLES, Stratum
from .strategies import PLAIN, STRATEGIES, Found, edges, ratios
from .tower import Budget, Element, Units

WORK = 2_500_000  # terms made for one claim in one stratum
SHARE = 0.6  # of what is left, for one strategy while there are others
PLAINLY = 1_000_000  # the same where values are left out
TOTAL = 3_000_000  # for one claim
LEAST, LEAST_VALUED = 0, 150_000  # for one stratum, whatever is found there; for a value that may be left open
GLANCE = 100_000  # where another target may refute the claim with less work
CUTS = 5  # thresholds of one parameter that are tried


def says_something(loss: dict[str, Any], claim: dict[str, Any]) -> bool:
    meaningful(loss, claim)
    return True


def joined(rows: list[dict[str, str]], every: dict[str, set[str]]) -> list[dict[str, str]]:
    """Conditions by name, without the names of which they take in every part, whatever those of the others are."""
    for name, parts in every.items():
        taken: dict[tuple[tuple[str, str], ...], set[str]] = {}
        for row in rows:
            taken.setdefault(tuple((n, c) for n, c in row.items() if n != name), set()).add(row.get(name, ""))
        if all(found == parts for found in taken.values()):
            rows = [dict(others) for others in taken]
    return rows


class Prover:
    """One property of one loss."""

    def __init__(self, loss: dict[str, Any], name: str) -> None:
        self.loss, self.name = loss, name
        self.reason = ""
        self.leaves: dict[Any, tuple[Found | None, float]] = {}  # what was found, with how much work at the most
        self.room: float = WORK
        self.least = LEAST
        self.fixed: str | None = None  # a value that must serve every stratum
        self.seen: list[str] = []  # values that do not name a target, found for some targets
        self.fallback: Any = None  # a claim without a value, where one is looked for
        self.implicit = False  # whether values are equations
        self.bounded_at: dict[str, list[list[str]]] = {}  # breakpoints between which a bound was shown
        self.told: dict[Any, str | None] = {}  # texts that were found for a stratum
        self.plain = False  # whether values are left out

    def claim(self) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """The claim and its certificate."""
        Budget.left = TOTAL
        try:
            if self.name in PLAIN:
                return self.with_or_without()
            made = self._claim()
            if self.name in ("conjugate", "prox", "elicits") and made[1] is None:
                self.implicit = True
                self.leaves.clear()
                made = self._claim()
            return made
        except Unproved as problem:
            return self.fallback or ({"property": self.name, "verdict": "undecided", "reason": str(problem)}, None)
        finally:
            Budget.left = float("inf")

    def with_or_without(self) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """First whether the property holds, then with which value: that may be left open."""
        self.plain, Budget.left = True, 3 * TOTAL // 2
        plain = self._claim()
        if plain[0]["verdict"] == "refuted":
            return plain
        self.plain, self.least = False, LEAST_VALUED
        self.leaves.clear()
        Budget.left = WORK if plain[1] else WORK // 3
        valued: tuple[dict[str, Any], dict[str, Any] | None] | None = attempt(self._claim)
        return valued if valued and valued[1] else plain

    def _claim(self) -> tuple[dict[str, Any], dict[str, Any] | None]:
        best: tuple[int, Any] = (10**9, None)
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
                    valued = (
                        self.plain
                        or self.name not in (*BEST, "calibrated", "differentiable")
                        or "value" in done[0]
                        or done[0]["verdict"] == "refuted"
                    )
                    if done[1] is not None and valued:
                        return done
                    if done[1] is not None and self.fallback is None:
                        self.fallback = done
        if self.fallback is not None:
            return self.fallback
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
        if len(distinct) > 1 and self.loss["inputs"]:  # a value for all targets rather than one for each
            if self.name == "range":
                trials = [(v, True) for v in self.hull(distinct)]
            else:
                trials = [(v, self.name != "minimizer") for v in distinct if not self.names_target(v)]
        if len(set(values)) > 1:
            if self.name in BEST:
                pairs = itertools.islice(itertools.combinations(distinct, 2), 3)
                trials += [(f"{'min' if self.name == 'strongly_convex' else 'max'}({a}, {b})", True) for a, b in pairs]
            if not any(v.startswith("{") for v in values):
                trials += [(v, False) for v in dict.fromkeys(map(self.piecewise, (found, self.agreed(found))))]
        if values and (self.name in ("calibrated", *BOTH_LABELS) or None in {v for _, v in found}):
            # they hold without a value, too
            trials.append((None, True))
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
                claim = {"property": self.name} | ({key: unpacked(value)} if value is not None else {})
                Budget.left = max(Budget.left, WORK)  # what was found may be checked
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
                if claim["verdict"] == "undecided" or attempt(says_something, self.loss, claim) is None:
                    continue
                certificate = {"property": self.name, "loss": digest(self.loss), "tree": tree}
                return claim, certificate
                # a bound counts only for properties whose value need not be the best
        return {"property": self.name, "verdict": "undecided", "reason": error or "the values differ"}, None

    def names_target(self, value: str) -> bool:
        names = set(re.findall(r"[A-Za-z_]\w*", value))
        return not names.isdisjoint(self.loss["inputs"])

    def hull(self, intervals: list[str]) -> list[str]:
        """The least interval that contains some others, as far as numbers tell and ends do not name a target."""
        rows = [ends(v) for v in intervals]
        lows = [(self.place_of(a), not closed, a) for a, _, closed, _ in rows if not self.names_target(a)]
        highs = [(self.place_of(b), closed, b) for _, b, _, closed in rows if not self.names_target(b)]
        if not lows or not highs:
            return []
        (_, low_open, low), (_, high_closed, high) = min(lows), max(highs)
        return [f"{'(' if low_open else '['}{low}, {high}{']' if high_closed else ')'}"]

    def place_of(self, end: str) -> float:
        return float(end.replace("oo", "inf")) if end in ("-oo", "oo") else self.size("", end)

    def agreed(self, found: list[Any]) -> list[Any]:
        """The same values, with one text for as many strata as it serves: tan(y) also where y < 0, or y = 0."""

        def alike(path: list[Place], a: str, b: str) -> bool:
            def same(units: Any) -> bool:
                cell = Cell(self.loss, path, units)
                return (cell.tower.read(a, cell.names) - cell.tower.read(b, cell.names)).zero

            return a == b or bool(attempt(refined, same))

        formulas = {v for _, v in found if v is not None and v[0] != "[" and v[-1] != "]"}  # rather than intervals
        for text_ in sorted(filter(self.names_target, formulas), key=lambda v: (-len(v), v)):
            found = [(path, text_ if v in formulas and alike(path, text_, v) else v) for path, v in found]
        return found

    def piecewise(self, found: list[Any]) -> str:
        """One text from the values of several strata: "a if condition else b"."""
        ranges = {**self.loss["parameters"], **self.loss["inputs"]}

        def where(p: Place) -> str:
            if p.low == p.high:
                return f"{p.name} == {p.low}"
            low, high, has_low, has_high = ends(ranges[p.name])
            above = p.low != low or (has_low and not p.weak)
            below = p.high != high or has_high
            return " and ".join([f"{p.name} > {p.low}"] * above + [f"{p.name} < {p.high}"] * below)

        def inner(path: list[Place]) -> bool:
            """Whether a stratum is all of the inside of the ranges."""
            return all(p.low != p.high and [p.low, p.high] == [*ends(ranges[p.name])[:2]] for p in path)

        every: dict[str, set[str]] = {}
        for path, _ in found:
            for p in path:
                every.setdefault(p.name, set()).add(where(p))
        groups: dict[str, list[list[Place]]] = {}
        for path, v in found:
            if v is not None:
                groups.setdefault(v, []).append(path)
        texts = {
            v: [
                " and ".join(filter(None, row.values()))
                for row in joined([{p.name: where(p) for p in q} for q in paths], every)
            ]
            for v, paths in groups.items()
        }
        rows = sorted(texts.items(), key=lambda x: (any(map(inner, groups[x[0]])), len(groups[x[0]])))
        out = rows[-1][0]
        for v, conditions in reversed(rows[:-1]):
            one = f"({v})" if " if " in v else v
            out = f"{one} if {' or '.join(conditions)} else {out}"
        return out

    # Strata --------------------------------------------------------------------------------------

    def proposals(self) -> Iterator[dict[str, list[str]]]:
        """Where to cut the parameters: first nowhere, then at single thresholds, then at all."""
        ranges = {**self.loss["parameters"], **self.loss["inputs"]}
        base = {n: ["0"] for n, d in ranges.items() if d == "(-oo, oo)"}
        if base:
            yield {n: ["free"] for n in base}
        yield base
        switched = {n: v for n, v in self.switched().items() if v}
        if switched:  # where the formula itself is another one
            base = {**base, **{n: self.sorted(n, {*base.get(n, []), *v}) for n, v in switched.items()}}
            yield base
        if self.name in ("nonnegative", "upper_bounds_zero_one"):  # targets for which it fails
            for n, d in self.loss["inputs"].items():
                if d in ("(0, oo)", "[0, oo)"):
                    yield {**base, n: ["1/100", "10"]}
        for n, values in self.exponents().items():
            for v in values:
                if v not in base.get(n, []):
                    yield {**base, n: self.sorted(n, {*base.get(n, []), v})}
        found = attempt(lambda: self.thresholds(base)) or {}
        for n, values in found.items():
            for v in values:
                yield {**base, n: sorted({*base.get(n, []), v}, key=lambda t: self.size(n, t))}
        if sum(map(len, found.values())) > 1:
            yield {**base, **{n: self.sorted(n, {*base.get(n, []), *v}) for n, v in found.items()}}

    def switched(self) -> dict[str, list[str]]:
        """Numbers with which the formula compares a parameter, inside its range."""
        out: dict[str, list[str]] = {}
        for node in ast.walk(parse(self.loss["formula"])):
            match node:
                case ast.Compare(left=ast.Name(id=n), comparators=[ast.Constant(value=int() as v)]) if (
                    n in self.loss["parameters"]
                ):
                    low, high = ends(self.loss["parameters"][n])[:2]
                    if self.place_of(low) < float(v) < self.place_of(high) and str(v) not in out.get(n, []):
                        out.setdefault(n, []).append(str(v))
        return out

    def exponents(self) -> dict[str, list[str]]:
        """Where an exponent made of one parameter is 1 or 2: from there on one more derivative is bounded."""
        ranges, out = self.loss["parameters"], dict[str, list[str]]()
        free = Formal({n: SAMPLES[i % 4] for i, n in enumerate(ranges)}, set(), Units())
        for node in ast.walk(parse(self.loss["formula"])):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
                names = {n.id for n in ast.walk(node.right) if isinstance(n, ast.Name)}
                if len(names) != 1 or not names <= ranges.keys():
                    continue
                (n,) = names
                low, high = (self.place_of(end) for end in ends(ranges[n])[:2])
                for k in (1, 2):
                    e = attempt(free.read, node.right, free.all())
                    for r in [] if e is None else attempt(roots, e - k, n) or []:
                        v = r.rational()
                        if v is not None and low < v < high and str(v) not in out.get(n, []):
                            out.setdefault(n, []).append(str(v))
        return out

    def size(self, name: str, t: str) -> float:
        sample = {n: SAMPLES[i % 4] / 2 for i, n in enumerate([*self.loss["parameters"], *self.loss["inputs"]])}

        def value(units: Any) -> float:
            free = Formal(sample, set(), units)
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
        refined(lambda units: self.collect(path, n, orders, found, units), Findings())

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
            [m for m in {*marks, *self.mirrored(marks), stratum.low, stratum.high} if m not in ("-oo", "oo")], 2
        ):
            attempt(lambda a, b: keep(free.read(a, free.all()) - free.read(b, free.all())), a, b)
        if self.name == "symmetric":
            for v in itertools.islice(stratum.grid([stratum.low, *stratum.chart(0), stratum.high]), 14):
                free = stratum.free(v)
                names = free.all()
                other = {**names, stratum.x: -names[stratum.x]}
                attempt(
                    lambda f, a, b: keep(formula(self.loss, f, a) - formula(self.loss, f, b)), free, dict(names), other
                )
            return
        if self.name in BOTH_LABELS:
            attempt(lambda: keep(dual.expected_slope(stratum, stratum.free(arb("0.3")))))
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

    def mirrored(self, marks: list[str]) -> list[str]:
        """The same places on the other side of 0, where a property looks at both sides."""
        return [f"-({m})" for m in marks] if self.name in ("calibrated", "symmetric") else []

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
            rows = attempt(edges, case, s, k) or []
            if self.name == "self_concordant":
                rows += attempt(lambda case: [*ratios(case, s)], case) or []
            for *_, e in rows:
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

        def targets(path: list[Place]) -> tuple[Any, int]:
            """First at a glance: one target that refutes is enough."""
            inputs, before = list(self.loss["inputs"]), len(found)
            whole = PLAINLY if self.plain else WORK
            open_to_evidence = self.name in EVIDENCE and (self.plain or self.name not in PLAIN)
            rooms = (GLANCE, whole) if inputs and open_to_evidence else (whole,)
            for self.room in rooms:
                del found[before:]
                part, open_ = visit([], inputs, path)
                if not open_:
                    break
            return part, open_

        def visit(parameters: list[str], inputs: list[str], path: list[Place]) -> tuple[Any, int]:
            names, first = parameters or inputs, len(found)
            if not names or (not parameters and self.name in ALL_TARGETS):
                key = (self.fixed, *((p.name, p.low, p.high, p.weak) for p in path))
                leaf, room = self.leaves.get(key, (None, 0))
                if leaf is None and room < self.room:
                    leaf = self.leaf(path)
                    self.leaves[key] = leaf, self.room
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
                at = [*path, places_[i]]
                part, n = (
                    visit(rest, inputs, at)
                    if parameters and rest
                    else targets(at)
                    if parameters
                    else visit([], rest, at)
                )
                parts[i] = part
                open_ += n
                if open_ and parameters:
                    return None, 1  # this proposal does not decide everything
                if not parameters and part is not None and self.refutes(part):
                    parts = [p if k == i else None for k, p in enumerate(parts)]
                    del found[first:]
                    return {**node, "parts": parts}, 0
                if not parameters and n and before == len(found) and len(places_) == 1:
                    break
            return {**node, "parts": parts}, open_

        parameters = list(self.loss["parameters"])
        tree, open_ = visit(parameters, list(self.loss["inputs"]), []) if parameters else targets([])
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
        Budget.spend(self.least)
        whole = Budget.left
        Budget.left = min(self.room, whole)
        try:
            return refined(lambda units: self.leaf_in(path, units), Findings())
        except Unproved as problem:
            self.reason = str(problem)
        except (ZeroDivisionError, ValueError, IndexError, KeyError, OverflowError) as problem:
            self.reason = f"the search failed: {problem!r}"
        finally:
            Budget.left = whole - (min(self.room, whole) - max(Budget.left, 0))  # what was refused is no work
        return None

    def leaf_in(self, path: list[Place], units: Any) -> Found | None:
        stratum = Stratum(self.loss, path, units)
        rows = (PLAIN if self.plain else STRATEGIES)[self.name]
        for i, strategy in enumerate(rows):
            if i < units.failed:
                continue
            units.failed = i
            found = self.with_share(SHARE if i + 1 < len(rows) else 1, strategy, stratum)
            if found is not None:
                node, value = found
                if value and value not in self.seen and not self.names_target(value):
                    self.seen.append(value)
                return {k: v for k, v in node.items() if v not in ({}, None)}, value
        return None

    def with_share(self, share: float, strategy: Any, stratum: Stratum) -> Found | None:
        """What a strategy finds with a part of the work that is left."""
        whole = Budget.left
        Budget.left = part = whole * share
        found: Found | None = None
        try:
            found = attempt(strategy, self, stratum)
        finally:
            Budget.left = max(Budget.left, 0) + whole - part
        return found

    def run(self, case: Explorer, goal: str | None) -> Found | None:
        case.goal = goal
        try:
            if PROPERTIES[self.name](case, goal):
                return case.node, goal
        except Unproved as problem:
            self.reason = str(problem)
        return None


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
        if name in BOTH_LABELS and not (labels and predicts_probability(loss)):
            continue
        if name in ("conjugate", "prox") and not (residual or margin):
            continue
        if name == "elicits" and not residual and (margin or len(loss["inputs"]) != 1):
            continue
        out.append(name)
    return out


def prove_all(loss: dict[str, Any]) -> dict[str, tuple[dict[str, Any], dict[str, Any] | None]]:
    """Every applicable property of a loss: its claim, and its certificate where it is decided."""
    return {name: Prover(loss, name).claim() for name in applicable(loss)}
