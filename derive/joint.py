"""Is a loss convex in several predictions at once? What a certificate of that shows, followed in exact arithmetic.

For two predictions the plane is cut into cells, products of an interval of one prediction and an interval of the other
whose ends may depend on the first. On each cell the Hessian is computed in the tower, and the signs of its principal
minors are shown; where the formula changes between two cells, that no slope falls across the border. A sum of functions
of one prediction each is convex if and only if all of them are, for any number of predictions. Questions about one
prediction while the others stay fixed go to the scalar checker, with the other predictions as targets.
docs/lemmas.md states and proves each step. The checker and the prover both stand on this module; it knows neither
SymPy nor the prover.
"""

from __future__ import annotations

import ast
import itertools
import json
from typing import Any

from .cells import Place, formula, increasing
from .checker import Checker
from .lemmas import NEGATIVE, NONNEGATIVE, NONPOSITIVE, NULL, POSITIVE, Signs, need, sign
from .reading import Unproved, parse
from .tower import Element, Sign, Tower, Units

JOINT = ("convex", "strictly_convex")
ALONE = "convex_in_"  # and a prediction: convex in it, whatever the others are
Statement = dict[str, Any]


def statement(facts: dict[str, Any]) -> Statement:
    """What is proved about: the formula in all its predictions, and all ranges."""
    arguments = facts["arguments"]
    variables = {n: a["domain"] for n, a in arguments.items() if a["role"] == "prediction"}
    return {
        "formula": facts["formula"]["text"],
        "definitions": dict(facts["definitions"]),
        "variable": ", ".join(variables),
        "variables": variables,
        "base": None,
        "inputs": {n: a["domain"] for n, a in arguments.items() if a["role"] == "target"},
        "parameters": {n: p["domain"] for n, p in facts["parameters"].items()},
    }


def claimed(loss: Statement) -> list[str]:
    """The properties that have a meaning for a loss of several predictions."""
    return [*JOINT, *(ALONE + v for v in loss["variables"]), "nonnegative"]


# One prediction at a time -------------------------------------------------------------------------


def alone(loss: Statement, variable: str) -> Statement:
    """The loss as a function of one prediction; the others are inputs, as targets are (lemma `one prediction`)."""
    others = {n: inside(d) for n, d in loss["variables"].items() if n != variable}
    return {
        "formula": loss["formula"],
        "definitions": loss["definitions"],
        "variable": variable,
        "base": None,
        "domain": loss["variables"][variable],
        "inputs": {**loss["inputs"], **others},
        "parameters": loss["parameters"],
    }


def inside(domain: str) -> str:
    """A range of a prediction without its ends: what happens there refutes nothing."""
    return f"({domain[1:-1]})" if domain[0] in "([" else domain


def names_in(node: ast.expr) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def summands(node: ast.expr) -> list[ast.expr]:
    """The terms of a sum."""
    match node:
        case ast.BinOp(left=a, op=ast.Add(), right=b):
            return [*summands(a), *summands(b)]
        case ast.BinOp(left=a, op=ast.Sub(), right=b):
            return [*summands(a), *(ast.UnaryOp(ast.USub(), t) for t in summands(b))]
    return [node]


def parts(loss: Statement, shape: bool = True) -> list[Statement] | None:
    """A loss that is a sum of functions of one prediction each, as those functions; None where it is no such sum.

    Lemma `sum`. Terms without a prediction add a constant, and are left out where only the shape matters.
    """
    definitions = {n: parse(t) for n, t in loss["definitions"].items()}
    terms: dict[str, list[ast.expr]] = {v: [] for v in loss["variables"]}
    for term in summands(parse(loss["formula"])):
        own = entering(term, definitions, loss)
        if len(own) > 1 or not (own or shape):
            return None
        for v in own:
            terms[v].append(term)
    return [part(loss, v, terms[v], definitions) for v in loss["variables"]]


def entering(term: ast.expr, definitions: dict[str, ast.expr], loss: Statement) -> set[str]:
    """The predictions that enter a term, also through definitions."""
    names = names_in(term)
    for d in reversed([*definitions]):  # a definition may use those before it
        if d in names:
            names |= names_in(definitions[d])
    return names & loss["variables"].keys()


def part(loss: Statement, v: str, terms: list[ast.expr], definitions: dict[str, ast.expr]) -> Statement:
    """The terms of one prediction as a loss of its own, in the residual where they depend on nothing else of it."""
    text = " + ".join(f"({ast.unparse(ast.fix_missing_locations(t))})" for t in terms) or "0"
    used = set().union(*(names_in(t) for t in terms))
    kept: dict[str, str] = {}
    for d in reversed([*definitions]):
        if d in used:
            kept = {d: loss["definitions"][d], **kept}
            used |= names_in(definitions[d])
    variable, domain = v, loss["variables"][v]
    direct = set().union(*(names_in(t) for t in terms))
    if len(kept) == 1 and domain == "(-oo, oo)" and v not in direct:
        (d,) = kept
        match definitions[d]:  # r = f - y and r = y - f run through all reals as f does
            case ast.BinOp(left=ast.Name(id=a), op=ast.Sub(), right=ast.Name(id=b)) if v in (a, b) and a != b:
                y = b if a == v else a
                if loss["inputs"].get(y) == "(-oo, oo)" and y not in direct:
                    variable, kept, used = d, {}, direct
    return {
        "formula": text,
        "definitions": kept,
        "variable": variable,
        "base": None,
        "domain": domain,
        "inputs": {n: d for n, d in loss["inputs"].items() if n in used},
        "parameters": {n: d for n, d in loss["parameters"].items() if n in used},
    }


# Two predictions together -------------------------------------------------------------------------


class Sheet:
    """The formula where each of two predictions has a place; x comes first, and the place of z may depend on it."""

    def __init__(self, loss: Statement, path: list[Place], x: Place, z: Place, units: Units) -> None:
        self.tower = Tower(units)
        self.names: dict[str, Element] = {}
        for place in [*path, x, z]:
            place.enter(self.tower, self.names)
        self.x, self.z = x.name, z.name
        self.value = formula(loss, self.tower, dict(self.names))
        for name in (self.x, self.z):
            if name in self.tower.names and self.tower.sign(self.rate(name)) not in (2, -2):
                raise Unproved("a chart is not monotone")

    def rate(self, name: str) -> Element:
        """Of a prediction, in its own coordinate."""
        return self.tower.slope(self.names[name], self.tower.names[name])

    def slope(self, e: Element, name: str) -> Element:
        """The partial derivative by x or by z, the other one held fixed (lemma `chain`)."""
        tower, x, z = self.tower, self.x, self.z
        if name not in tower.names:
            raise Unproved(f"{name} is a point here")
        if name == z:
            return tower.slope(e, tower.names[z]) / self.rate(z)
        total = tower.slope(e, tower.names[x])
        if z in tower.names:  # z moves with x on its chart, and is held still
            drift = tower.slope(self.names[z], tower.names[x])
            total = total if drift.zero else total - drift * self.slope(e, z)
        return total / self.rate(x)

    def hessian(self) -> tuple[Element, Element, Element]:
        """By x twice, by x and z, by z twice."""
        by_x, by_z = self.slope(self.value, self.x), self.slope(self.value, self.z)
        return self.slope(by_x, self.x), self.slope(by_x, self.z), self.slope(by_z, self.z)

    def along(self) -> Element:
        """The second derivative along a border, where one prediction is a point; z = c(x) must be a line."""
        x, z, tower = self.x, self.z, self.tower
        if z in tower.names:
            return self.slope(self.slope(self.value, z), z)
        if not self.slope(self.slope(self.names[z], x), x).zero:
            raise Unproved("a border that is no line")
        return self.slope(self.slope(self.value, x), x)


class Pair:
    """One stratum of the parameters and targets, with the plane of two predictions cut into cells."""

    def __init__(self, loss: Statement, node: dict[str, Any], path: list[Place], units: Units) -> None:
        self.loss, self.node, self.path, self.units = loss, node, path, units
        self.proofs = node.get("proofs", {})
        self.order: list[str] = node["order"]
        if sorted(self.order) != sorted(loss["variables"]) or len(self.order) != 2:
            raise Unproved("not two predictions")
        for domain in loss["variables"].values():
            if domain[0] not in "([":
                raise Unproved("a prediction that is no interval")
        self.here = Stand(path, units)
        self.made: dict[str, Sheet] = {}
        self.size = [len(node["at"][v]) for v in self.order]
        self.places = [self.placed(v) for v in self.order]
        increasing(self.here, self.bounds(self.order[0]))  # type: ignore[arg-type]
        for x in self.places[0]:  # the borders of z keep their order over each place of x
            increasing(Stand([*path, x], units), self.bounds(self.order[1]))  # type: ignore[arg-type]

    def bounds(self, v: str) -> list[str]:
        low, high = (x.strip() for x in self.loss["variables"][v][1:-1].split(","))
        return [low, *self.node["at"][v], high]

    def placed(self, v: str) -> list[Place]:
        """Intervals, at even numbers, and the points between them."""
        bounds, out = self.bounds(v), list[Place]()
        for i, (a, b) in enumerate(itertools.pairwise(bounds)):
            out += [Place(v, a, a)] if i else []
            out.append(Place(v, a, b, self.node["charts"][v][i]))
        return out

    def sheet(self, i: int, j: int, chart: list[Any] | None = None) -> Sheet:
        """The formula over two places; a chart stands for that of an interval of z."""
        key = json.dumps([i, j, chart])
        if key not in self.made:
            x, z = self.places[0][i], self.places[1][j]
            z = z if chart is None else Place(z.name, z.low, z.high, chart)
            self.made[key] = Sheet(self.loss, self.path, x, z, self.units)
        return self.made[key]

    def sign(self, e: Element, key: str) -> Sign:
        return sign(e, self.proofs.get(key))

    def cells(self) -> list[tuple[int, int]]:
        return list(itertools.product(range(0, 2 * self.size[0] + 1, 2), range(0, 2 * self.size[1] + 1, 2)))

    def borders(self) -> list[tuple[int, int]]:
        """Where at least one prediction is a point."""
        places = itertools.product(range(2 * self.size[0] + 1), range(2 * self.size[1] + 1))
        return [(i, j) for i, j in places if i % 2 or j % 2]

    def analytic(self, i: int, j: int) -> bool:
        """Whether one formula without switches holds around a border (lemma `analytic`)."""
        try:
            return not self.sheet(i, j).tower.loose
        except Unproved:
            return False

    def glued(self, i: int, j: int) -> None:
        """No slope falls across the border z = c(x) over an interval of x (lemma `joint gluing`)."""
        if i % 2 or not j % 2:
            raise Unproved("the formula changes where only the first prediction is cut")
        edge = self.sheet(i, j)
        below, above = (self.edge_of(i, j, k, edge) for k in (0, 1))
        for value, _ in (below, above):
            need(self.sign(value - edge.value, f"gap {i} {j}"), NULL, "the jump of the value at a border")
        need(self.sign(above[1] - below[1], f"jump {i} {j}"), NONNEGATIVE, "the jump of the slope at a border")

    def edge_of(self, i: int, j: int, k: int, edge: Sheet) -> tuple[Element, Element]:
        """The value and the slope by z, continued to the border from below (k = 0) or from above, where t = 0."""
        sheet = self.sheet(i, j - 1 + 2 * k, self.node["seams"][str(j)][k])
        tower, to, t = sheet.tower, edge.tower, sheet.tower.names[sheet.z]
        images = {n: to.element(to.generators[to.names[m]]) for m, n in tower.names.items() if n != t}
        images[t] = to.number(0)
        place = tower.move(sheet.names[sheet.z], to, dict(images))
        if not (place - edge.names[edge.z]).zero:
            raise Unproved("the chart of a seam does not begin at the border")
        by_x, by_z = (sheet.slope(sheet.value, v) for v in (sheet.x, sheet.z))
        value, slope, _ = (tower.move(e, to, dict(images)) for e in (sheet.value, by_z, by_x))
        return value, slope


class Stand:
    """The coordinates of some places, without the formula."""

    def __init__(self, path: list[Place], units: Units) -> None:
        self.tower, self.names = Tower(units), dict[str, Element]()
        for place in path:
            place.enter(self.tower, self.names)


def minors(sheet: Sheet) -> dict[str, Element]:
    """The principal minors of the Hessian, by the predictions that they belong to."""
    a, b, c = sheet.hessian()
    return {sheet.x: a, sheet.z: c, f"{sheet.x}, {sheet.z}": a * c - b * b}


def convex(c: Pair) -> bool:
    """All principal minors are at least 0 on every cell, and no slope falls between cells (lemma `minors`)."""
    for i, j in c.borders():
        if not c.analytic(i, j):
            c.glued(i, j)
    for i, j in c.cells():
        for name, e in minors(c.sheet(i, j)).items():
            need(c.sign(e, f"{name} {i} {j}"), NONNEGATIVE, f"the minor {name}")
    return True


def strictly_convex(c: Pair) -> bool:
    """The Hessian is positive definite on every cell, and along every border (lemma `strict gluing`)."""
    convex(c)
    for i, j in c.cells():
        found = minors(c.sheet(i, j))
        for name in (c.order[0], ", ".join(c.order)):
            need(c.sign(found[name], f"{name} {i} {j}"), POSITIVE, f"the minor {name}")
    for i, j in c.borders():
        if not (i % 2 and j % 2):
            need(c.sign(c.sheet(i, j).along(), f"along {i} {j}"), POSITIVE, "the second derivative along a border")
    return True


def refute(c: Pair, name: str) -> bool:
    """Whether a minor, or the curvature in a direction, has the wrong sign on a cell, or at a point of it."""
    evidence = c.node["evidence"]
    i, j = evidence["cell"]
    if (i, j) not in c.cells():
        raise Unproved("no cell")
    sheet = c.sheet(i, j)
    allowed: Signs = NEGATIVE
    if "direction" in evidence:
        d = [c.here.tower.read(t, c.here.names) for t in evidence["direction"]]
        if len(d) != 2 or not any(c.here.tower.sign(x) in (2, -2) for x in d):
            raise Unproved("no direction")
        u, w = (sheet.tower.read(t, {p.name: sheet.names[p.name] for p in c.path}) for t in evidence["direction"])
        a, b, f = sheet.hessian()
        e = a * u * u + b * u * w * 2 + f * w * w
        if name == "strictly_convex" and "point" not in evidence:
            allowed = NONPOSITIVE  # on a whole cell, so on a segment
    else:
        e = minors(sheet)[evidence["minor"]]
    if "point" in evidence:  # values of the two coordinates, each positive (or any, on a free chart)
        to, tower = c.here.tower, sheet.tower
        own = {tower.names[v] for v in c.order}
        images = {k: to.element(to.generators[to.names[n]]) for n, k in tower.names.items() if k not in own}
        for v, text in zip(c.order, evidence["point"], strict=True):
            x, t = to.read(text, c.here.names), tower.names[v]
            if tower.generators[t].sign is not None:
                to.positive(x, "a point of a cell")
            images[t] = x
        e = tower.move(e, to, images)
    need(c.sign(e, "evidence"), allowed, "the evidence")
    return False


class JointChecker(Checker):
    """One joint claim about one loss of two predictions: the strata are those of the scalar checker."""

    def case(self, node: dict[str, Any], path: list[Place], units: Units) -> Any:
        return Pair(self.loss, node, path, units)

    def leaf(self, case: Any) -> bool:
        if "evidence" in case.node:
            return refute(case, self.name)
        return {"convex": convex, "strictly_convex": strictly_convex}[self.name](case)


# Verdicts -----------------------------------------------------------------------------------------


def scalar(loss: Statement, name: str, tree: Any) -> Any:
    """What a tree shows about a loss of one prediction."""
    return Checker(loss, {"property": name}).visit(tree, list(loss["parameters"]), list(loss["inputs"]), [])


def verdict(loss: Statement, claim: dict[str, Any], tree: Any) -> Any:
    """What the tree shows: True, False, None (not decided), or the condition under which the property holds."""
    name = claim["property"]
    if name not in claimed(loss) or {"value", "bound"} & claim.keys():
        raise Unproved("no such claim about several predictions")
    if tree is None:
        return None
    if name.startswith(ALONE) and "part" in tree:  # of a sum, only the summand of this prediction bends with it
        found = parts(loss)
        if found is None:
            raise Unproved("no sum of functions of one prediction")
        return scalar(found[[*loss["variables"]].index(name.removeprefix(ALONE))], "convex", tree["part"])
    if name.startswith(ALONE):
        return scalar(alone(loss, name.removeprefix(ALONE)), "convex", tree)
    if name == "nonnegative" and "alone" in tree:
        return scalar(alone(loss, tree["alone"]), name, tree["tree"])
    if "alone" in tree:  # not convex in one prediction, so not convex
        if scalar(alone(loss, tree["alone"]), name, tree["tree"]) is not False:
            raise Unproved("one prediction that refutes nothing")
        return False
    if "sum" in tree:
        found = parts(loss, shape=name in JOINT)
        if found is None:
            raise Unproved("no sum of functions of one prediction")
        shown = [scalar(p, name, t) for p, t in zip(found, tree["sum"], strict=True)]
        if name == "nonnegative" and any(s is not True for s in shown):
            raise Unproved("a sum can be at least 0 where a summand is not")
        return conjunction(shown)
    if name not in JOINT:
        raise Unproved("a joint proof of another property")
    return JointChecker(loss, claim).visit(tree, list(loss["parameters"]), list(loss["inputs"]), [])


def conjunction(found: list[Any]) -> Any:
    """Whether all hold: True, False, None, or the condition."""
    if False in found:
        return False
    if None in found:
        return None
    conditions = list(dict.fromkeys(f for f in found if f is not True))
    if len(conditions) < 2:
        return conditions[0] if conditions else True
    return " and ".join(f"({f})" if " or " in f else f for f in conditions)
