"""Which lemma and which chart show a sign on a cell? A case that looks for them and writes them into its node."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from typing import Any

from .cells import Case, Cell, Made
from .judgements import BOTH_LABELS, DUAL
from .lemmas import Limit, sign
from .reading import Unproved, parse
from .search import attempt, prove, signs
from .tower import Budget, Element, Sign, Units

DEPTH = 3
SHARE = 0.1  # of the work that is left, for a proof at such a depth
BRIEFLY = 0.2  # for a proof that needs no other derivative, before other ways


class Findings(Units):
    """Units, those of proposals apart, so that they refine no proof.

    A search begins again whenever a unit is refined: here stands what it need not find again.
    """

    def __init__(self) -> None:
        super().__init__()
        self.free = Units()
        self.failed = 0  # strategies that were tried in vain
        self.passed: dict[str, int] = {}  # breakpoints that were tried in vain, by strategy
        self.known: dict[tuple[tuple[str, str, str], ...], Any] = {}  # by stratum
        self.shown: dict[tuple[Any, ...], Any] = {}  # proofs of signs
        self.vain: set[tuple[Any, ...]] = set()  # ways to a sign or a limit that led nowhere


def outside_exponents(node: ast.AST) -> set[str]:
    """The names in a formula, but for those that are only in exponents."""
    if isinstance(node, ast.Name):
        return {node.id}
    inner = [node.left] if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) else ast.iter_child_nodes(node)
    return {n for part in inner for n in outside_exponents(part)}


class Explorer(Case):
    """A case that finds, and writes into its node, what the checker will need."""

    units: Findings
    depth = 0  # of derivatives asked about to learn about another one
    patient = True  # whether limits are looked for in other charts, too

    def afresh(self, *way: Any) -> tuple[Any, ...] | None:
        """A way that has not been gone in vain before the search began again; what it is remembered by."""
        places = tuple((p.name, p.low, p.high, p.weak) for p in self.path)
        mark = (self.name, places, *self.bounds, json.dumps(self.charts), self.goal, self.depth, *way)
        told = self.name in (*DUAL, *BOTH_LABELS, "calibrated")  # what is to be shown hangs on a text, too
        return None if mark in self.units.vain and not told else mark

    def sign(self, e: Element | int, key: str, share: float = 1) -> Sign:
        if isinstance(e, int) or key in self.proofs:
            return super().sign(e, key)
        s = e.tower.sign(e)
        if s in (None, 1, -1):
            mark = (self.name, key, str(e.num))
            proof = self.units.shown.get(mark)
            if proof is None or attempt(sign, e, proof) not in (2, -2):
                proof = self.with_share(e, SHARE if self.depth else share)
            if proof is False:
                return s
            self.units.shown[mark] = proof
            self.node.setdefault("proofs", {})[key] = proof
            self.proofs = self.node["proofs"]
        return super().sign(e, key)

    @staticmethod
    def with_share(e: Element, share: float) -> list[Any] | bool | None:
        """A proof, with a part of the work that is left: a small one where the sign only helps with another one."""
        whole = Budget.left
        Budget.left = part = whole * share
        try:
            return prove(e)
        finally:
            Budget.left = max(Budget.left, 0) + whole - part

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
        """The parameters that are known to be positive, and not exponents alone."""
        tower, used = self.here.tower, outside_exponents(parse(self.loss["formula"]))
        names = [p.name for p in self.path if p.low != p.high and tower.sign(self.here.names[p.name]) == 2]
        return [n for n in names if n in used or self.loss["definitions"]][:3]

    def signed(self, i: int, key: str, make: Callable[[Cell], Element]) -> Sign:
        using = self.node.setdefault("using", {})
        if key in using or key in self.proofs or key in self.node.get("balls", ()):
            return super().signed(i, key, make)
        s = self.by_balls(i, key, make)
        return s if s is not None else self.by_charts(i, key, make)

    def by_charts(self, i: int, key: str, make: Callable[[Cell], Element]) -> Sign:
        for chart in [None, *self.charts_for(i)]:
            mark = self.afresh("chart", key, str(chart))
            if chart == self.charts[i] or mark is None:
                continue
            try:
                cell = self.cell(i, chart)
                e = make(cell)
                if e.tower.sign(e) is None and len(signs(e)) > 1:
                    return None  # it changes its sign: no chart will help
                s = self.sign(e, key)
            except Unproved:
                s = None
            if s is not None:
                if chart is not None:
                    self.node["using"][key] = chart
                return s
            self.units.vain.add(mark)
        return None

    def by_balls(self, i: int, key: str, make: Callable[[Any], Any]) -> Sign:
        if not self.compact(i):
            return None
        known = self.node.setdefault("balls", [])
        if key in known:
            return super().signed(i, key, make)
        known.append(key)
        try:
            return super().signed(i, key, make)
        except (Unproved, ZeroDivisionError, AttributeError):
            known.remove(key)
            return None

    def regular(self, i: int) -> None:
        if not self.by_balls(i, f"regular@{i}", lambda cell: cell.tower.number(1)):
            super().regular(i)

    def compact(self, i: int) -> bool:
        """Whether balls can reach all of a cell."""
        return all("oo" not in (a.lstrip("-"), b) for _, a, b in self.spans(self.bounds[i], self.bounds[i + 1]))

    def sign_on(self, i: int, k: int, key: str, make: Made, at_end: Callable[[Limit], Limit]) -> Sign:
        ends, depth = self.node.setdefault("ends", []), self.depth
        if key in ends or key in self.proofs or any(key in self.node.get(n, ()) for n in ("using", "balls")):
            return super().sign_on(i, k, key, make, at_end)
        s = self.by_balls(i, key, make)
        if s is not None:
            return s
        if not self.compact(i):
            e = attempt(make, self.cell(i))
            s = None if e is None else e.tower.sign(e)
            if s in (2, -2, 0) or (e is not None and len(signs(e)) > 1):
                return s
            if e is not None and any(g.kind == "ndtr" for g in e.tower.generators.values()):  # its slopes are simple
                s = self.sign(e, key)
                if s is not None:
                    return s
            elif e is not None and k and depth == 0 and (found := self.sign(e, key, BRIEFLY)) in (2, -2):
                return found
        mark = self.afresh("ends", key)
        if depth < DEPTH and mark:
            ends.append(key)
            self.depth += 1
            other = attempt(super().sign_on, i, k, key, make, at_end)
            self.depth = depth
            if other is not None and (other in (2, -2) or s is None):
                return other
            ends.remove(key)
            self.units.vain.add(mark)
        return self.by_charts(i, key, make) if depth < 2 else s

    def limit(self, k: int, i: int, side: str, what: Callable[[Cell], Element] | None = None) -> Limit:
        limits = self.node.setdefault("limits", {})
        key = f"{k}{side}{i}"
        try:
            return super().limit(k, i, side, what)
        except Unproved:
            if key in limits:
                raise
        for chart in self.charts_for(i) if self.patient else ():
            mark = self.afresh("limit", key, what is None, str(chart))
            if mark is None:
                continue
            limits[key] = chart
            try:
                return super().limit(k, i, side, what)
            except Unproved:
                del limits[key]
                self.units.vain.add(mark)
        raise Unproved(f"no limit of derivative {k} at the {side} end of cell {i}")

    def near(self, k: int, i: int, side: str) -> Element:
        """Where numbers tell one sign near the end, in a chart in which the leading terms do not cancel."""
        limits = self.node.setdefault("limits", {})
        key = f"near {k}{side}{i}"
        if key in limits:
            return super().near(k, i, side)
        for chart in (self.charts[i], *(self.charts_for(i) if self.patient else ())):
            limits[key] = chart
            e = attempt(super().near, k, i, side)
            if e is not None:
                return e
            del limits[key]
        raise Unproved(f"no sign of derivative {k} near the {side} end of cell {i}")
