"""How is convexity in several predictions decided? Proposals for `joint`; whatever is claimed has passed the checker.

First a sum of functions of one prediction each, then one prediction alone that refutes, then cells of both predictions:
the places where the formula changes are found by solving its conditions for one prediction, numbers guide where to look
for a negative minor, and `search` finds the lemma behind each sign.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from flint import arb

from . import joint
from .cells import Place, formula
from .checker import check, digest, verdict
from .formal import Formal, number
from .joint import ALONE, JOINT, Pair, Sheet, Statement, alone, minors, parts
from .prove import TOTAL, Prover
from .reading import Unproved
from .roots import roots, text
from .search import attempt, points, prove
from .strata import SAMPLES
from .tower import Budget, Element, Sign

Made = tuple[dict[str, Any], dict[str, Any] | None]
SPOTS = ("1", "1/2", "2", "1/8", "8", "1/64", "64")  # of a coordinate, where a minor may be negative
DIRECTIONS = (("1", "0"), ("0", "1"), ("1", "1"), ("1", "-1"))


def claim(loss: Statement, name: str) -> Made:
    """The claim about one property, and its certificate."""
    if name.startswith(ALONE):
        v = name.removeprefix(ALONE)
        if (found := parts(loss)) is not None:
            made, certificate = Prover(found[[*loss["variables"]].index(v)], "convex").claim()
            if certificate is not None:
                return finished(loss, name, {"part": certificate["tree"]})
        return of_one(loss, name, v, "convex", lambda tree: tree)
    reason = ""
    for propose in (by_sum, by_one) if name == "nonnegative" else (by_sum, by_cells, by_one):
        made, certificate = propose(loss, name)
        if certificate is not None:
            return made, certificate
        reason = made.get("reason") or reason
    return undecided(name, reason)


def undecided(name: str, reason: str) -> Made:
    return {"property": name, "verdict": "undecided", "reason": reason or "no proof was found"}, None


def finished(loss: Statement, name: str, tree: Any) -> Made:
    """The claim that a tree shows."""
    certificate = {"property": name, "loss": digest(loss), "tree": tree}
    try:
        found = verdict(loss, {"property": name}, tree)
        if found is None:
            return undecided(name, "")
        made: dict[str, Any] = {
            "property": name,
            "verdict": {True: "proved", False: "refuted"}.get(found, "conditional"),
        }
        if made["verdict"] == "conditional":
            made["condition"] = found
        check(loss, made, certificate)
    except Unproved as problem:
        return undecided(name, str(problem))
    return made, certificate


def of_one(loss: Statement, name: str, variable: str, scalar: str, wrap: Any) -> Made:
    """A claim about one prediction, the others held still, by the scalar prover."""
    made, certificate = AloneProver(alone(loss, variable), scalar).claim()
    if certificate is None:
        return undecided(name, made.get("reason", ""))
    return finished(loss, name, wrap(certificate["tree"]))


def by_one(loss: Statement, name: str) -> Made:
    """One prediction that refutes; or, of `nonnegative`, that decides."""
    reason = ""
    for v in loss["variables"]:
        made, certificate = of_one(loss, name, v, name, lambda tree, v=v: {"alone": v, "tree": tree})
        if certificate is not None:
            return made, certificate
        reason = reason or made["reason"]
    return undecided(name, reason)


def by_sum(loss: Statement, name: str) -> Made:
    """A sum of functions of one prediction each."""
    found = parts(loss, shape=name in JOINT)
    if found is None:
        return undecided(name, "")
    trees = []
    for p in found:
        made, certificate = Prover(p, name).claim()
        if certificate is None:
            return undecided(name, made.get("reason", ""))
        trees.append(certificate["tree"])
    return finished(loss, name, {"sum": trees})


def by_cells(loss: Statement, name: str) -> Made:
    """Cells of two predictions, in every stratum of the parameters and targets."""
    if len(loss["variables"]) != 2:
        return undecided(name, "more than two predictions that do not separate")
    return PlaneProver(loss, name).claim()


class AloneProver(Prover):
    """A scalar claim in which the other predictions count as targets, cut where they meet the targets."""

    def claim(self) -> Made:
        Budget.left = TOTAL // 2  # less than for a scalar loss: there are several of these for each property
        try:
            return self._claim()
        except Unproved as problem:
            return undecided(self.name, str(problem))
        finally:
            Budget.left = float("inf")

    def proposals(self) -> Iterator[dict[str, list[str]]]:
        inputs = self.loss["inputs"]
        real = [n for n, d in inputs.items() if d == "(-oo, oo)"]
        yield {n: ["free"] for n in real}
        for first, second in itertools.combinations(real, 2):
            yield {**{n: ["free"] for n in real}, second: [first]}
        yield {n: ["0"] for n in real}
        for n, d in inputs.items():
            if d in ("(0, oo)", "[0, oo)"):
                yield {**{n: ["0"] for n in real}, n: ["10"]}
                yield {**{n: ["free"] for n in real}, n: ["1"]}


class Searching(Pair):
    """A pair that looks for the proof of each sign and writes it into its node."""

    def sign(self, e: Element, key: str) -> Sign:
        if key not in self.proofs and e.tower.sign(e) in (None, 1, -1):
            proof = prove(e)
            if proof is not False:
                self.proofs[key] = self.node.setdefault("proofs", self.proofs)[key] = proof
        return super().sign(e, key)


class PlaneProver(Prover):
    """One joint property of one loss of two predictions; strata and leaves as the scalar prover walks them."""

    def claim(self) -> Made:
        made, certificate = super().claim()
        return (made, certificate) if certificate else undecided(self.name, made.get("reason", ""))

    def proposals(self) -> Iterator[dict[str, list[str]]]:
        ranges = {**self.loss["parameters"], **self.loss["inputs"]}
        real = [n for n, d in ranges.items() if d == "(-oo, oo)"]
        yield {n: ["free"] for n in real}
        if real:
            yield {n: ["0"] for n in real}
        for n, d in ranges.items():
            if d in ("(0, oo)", "[0, oo)"):
                yield {**{n: ["free"] for n in real}, n: ["1"]}

    def leaf_in(self, path: list[Place], units: Any) -> tuple[dict[str, Any], None] | None:
        for order in (list(self.loss["variables"]), list(self.loss["variables"])[::-1]):
            for node in self.nodes(order, path, units):
                bends = attempt(self.bends, node, path, units)
                if bends is None:
                    continue
                for decide in (self.refuted,) if bends else (self.shown, self.refuted):
                    found = attempt(decide, node, path, units)
                    if found is not None:
                        return found, None
        return None

    def bends(self, node: dict[str, Any], path: list[Place], units: Any) -> bool:
        """Whether a minor is negative at some sample, so that no proof of convexity need be looked for."""
        case = Pair(self.loss, node, path, units)
        return any(
            number(e, at) < 0
            for i, j in case.cells()
            for e in minors(case.sheet(i, j)).values()
            for at in points(e.tower)
        )

    def shown(self, node: dict[str, Any], path: list[Place], units: Any) -> dict[str, Any] | None:
        case = Searching(self.loss, node, path, units)
        try:
            {"convex": joint.convex, "strictly_convex": joint.strictly_convex}[self.name](case)
        except Unproved as problem:
            self.reason = str(problem)
            return None
        return node

    # Where to cut

    def nodes(self, order: list[str], path: list[Place], units: Any) -> Iterator[dict[str, Any]]:
        """Cells with the charts that are likeliest to serve: uncut, at 0, and where the formula changes."""
        first, second = order
        changes = self.changes(order, path, units)
        seconds = [[]] if not changes else [changes]
        if not changes and self.free(second):
            seconds.append(["0"])
            seconds += [[y] for y, d in self.loss["inputs"].items() if d == "(-oo, oo)"]
        for at in ([], ["0"]) if self.free(first) else ([],):
            for cuts in seconds:
                where = {first: at, second: cuts}
                node: dict[str, Any] = {
                    "order": order,
                    "at": where,
                    "charts": {v: self.charts(v, where[v]) for v in order},
                }
                if cuts:
                    node["seams"] = {str(2 * j + 1): self.seam(second, cuts, j) for j in range(len(cuts))}
                yield node

    def free(self, v: str) -> bool:
        return bool(self.loss["variables"][v] == "(-oo, oo)")

    def charts(self, v: str, at: list[str]) -> list[list[Any]]:
        kind = "free" if self.free(v) and not at else "linear"
        return [[kind, "1", False] for _ in range(len(at) + 1)]

    def seam(self, v: str, at: list[str], j: int) -> list[list[Any]]:
        """Charts below and above a cut in which t = 0 is the cut."""
        low, high = (x.strip() for x in self.loss["variables"][v][1:-1].split(","))
        bounds = [low, *at, high]
        below = bounds[j] != "-oo"  # then t = 0 is the low end of the cell below, and 1/t must be taken
        return [["linear", "1", below], ["linear", "1", False]]

    def changes(self, order: list[str], path: list[Place], units: Any) -> list[str]:
        """Where conditions of the formula change, as values of the second prediction."""
        first, second = order
        here = joint.Stand(path, units)
        positive = {p.name for p in path if here.tower.sign(here.names[p.name]) == 2}
        positive |= {v for v in order if self.loss["variables"][v] in ("(0, oo)", "[0, oo)")}
        at = {i: SAMPLES[k % 4] for k, i in enumerate(here.tower.names.values())}
        base = {p.name: number(here.names[p.name], at) for p in path}
        found: dict[str, Any] = {}
        for x, z in itertools.product(self.samples(first), self.samples(second)):
            free = Formal({**base, first: x, second: z}, positive, units.free)
            attempt(formula, self.loss, free, free.all())
            for e, _, _ in free.conditions:
                for r in attempt(roots, e, second) or []:
                    if free.slope(r, free.names[second]).zero:
                        found[text(r)] = number(r, {**free.at, free.names[first]: self.samples(first)[0]})
        return sorted(found, key=lambda t: float(found[t]))[:3]

    def samples(self, v: str) -> list[Any]:
        low, high = (x.strip() for x in self.loss["variables"][v][1:-1].split(","))
        if low == "-oo" and high == "oo":
            return [arb("0.7"), arb("-1.3"), arb("40"), arb("-50")]
        a, b = (arb(0) if x in ("-oo", "oo") else arb(x) for x in (low, high))
        if low != "-oo" and high != "oo":
            return [a + (b - a) * arb(s) for s in ("0.2", "0.7")]
        return [b - arb(s) if low == "-oo" else a + arb(s) for s in ("0.3", "2.1", "17")]

    # Evidence

    def refuted(self, node: dict[str, Any], path: list[Place], units: Any) -> dict[str, Any] | None:
        """A minor that is negative on a cell, or at a point of it, or a straight direction."""
        case = Searching(self.loss, node, path, units)
        for i, j in case.cells():
            sheet = attempt(case.sheet, i, j)
            if sheet is None:
                continue
            for evidence in self.evidence(case, sheet, i, j):
                trial = {**{k: v for k, v in node.items() if k != "seams"}, "evidence": evidence}
                if attempt(
                    lambda trial: joint.refute(Searching(self.loss, trial, path, units), self.name) is False, trial
                ):
                    return trial
        return None

    def evidence(self, case: Pair, sheet: Sheet, i: int, j: int) -> Iterator[dict[str, Any]]:
        for name, e in minors(sheet).items():
            values = [number(e, at) for at in points(sheet.tower)]
            if not any(v < 0 for v in values):
                continue
            if not any(v > 0 for v in values):
                yield {"cell": [i, j], "minor": name}
            for point in self.spots(case, sheet, e):
                yield {"cell": [i, j], "minor": name, "point": point}
        if self.name == "strictly_convex":
            for direction in (*DIRECTIONS, *self.straight(sheet)):
                yield {"cell": [i, j], "direction": list(direction)}

    def straight(self, sheet: Sheet) -> Iterator[tuple[str, str]]:
        """The direction in which a singular Hessian vanishes, where it depends on parameters and targets alone."""
        a, b, c = sheet.hessian()
        if not (a * c - b * b).zero or c.zero or not set(self.loss["inputs"]) | set(self.loss["parameters"]):
            return
        ratio = attempt(lambda: -b / c)
        if ratio is not None and all(sheet.tower.slope(ratio, sheet.tower.names[v]).zero for v in (sheet.x, sheet.z)):
            names = {n for n, k in sheet.tower.names.items() if not sheet.tower.slope(ratio, k).zero}
            if all(str(sheet.names[n].num) == str(sheet.tower.element(sheet.tower.generators[sheet.tower.names[n]]).num)
                   for n in names):  # fmt: skip
                yield "1", text(ratio)

    def spots(self, case: Pair, sheet: Sheet, e: Element) -> Iterator[list[str]]:
        """Values of the two coordinates at which an expression is negative at every sample of the others."""
        own = [sheet.tower.names[v] for v in case.order]
        choices = []
        for t in own:
            signless = sheet.tower.generators[t].sign is None
            targets = [y for y, d in self.loss["inputs"].items() if d == "(-oo, oo)"]
            choices.append([*(f"{y} + 1" for y in targets), *targets, "0", *SPOTS, "-1"] if signless else list(SPOTS))
        anywhere = {k for k in sheet.tower.names.values() if sheet.tower.generators[k].sign is None}
        others = [
            {k: x * s if k in anywhere else x for k, x in at.items() if k not in own}
            for s in (1, 0, -1)
            for at in points(sheet.tower)[:5]
        ]
        here = case.here
        tried = 0
        for spot in itertools.product(*choices):
            values = []
            for at in others:
                base = {k: at[sheet.tower.names[n]] for n, k in here.tower.names.items()}
                coordinates = {t: number(here.tower.read(s, here.names), base) for t, s in zip(own, spot, strict=True)}
                values.append(number(e, {**at, **coordinates}))
                if not values[-1] < 0:
                    break
            else:
                tried += 1
                yield list(spot)
                if tried > 6:
                    return
