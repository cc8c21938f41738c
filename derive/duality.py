"""What minimises a loss when something is added to it? Conjugate, proximal map, calibration transform, statistic.

All of them are minima of a convex function that depends on one more variable: the slope s of a line that is taken away,
the centre v of a parabola, the probability of a label. The minimizer is not looked for. The checker walks along the
prediction x instead, where the variable that x belongs to is the formula s = f'(x), v = x + lambda*f'(x), ..., and
tests that the claimed text, read there, is the claimed thing: an identity in exact arithmetic. At a breakpoint the
variable runs through an interval while x stands still. Lemmas: docs/lemmas.md.

What is claimed:

- `conjugate`: f is convex, and sup over x of s*x - f(x) is the value, a formula in s (oo where it is unbounded).
- `prox`: for every v and every lambda > 0 exactly one x minimises f(x) + (x - v)**2/(2*lambda), namely the value, a
  formula in v and lambda_.
- the value of `calibrated`: Bartlett, Jordan and McAuliffe's psi(theta) on [0, 1].
- `elicits`: the minimizers of the mean loss, for every distribution of the target with finite support, are exactly the
  predictions whose link is the statistic, or at which the mean slope changes its sign.

A value may be an equation, {"equation": "r + lambda_*tanh(r) = v"}: its left side grows with the prediction, and jumps
at most, and the x meant is the only one at which it passes the right side.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .cells import Case, Cell, Place, ends, formula, minus
from .lemmas import NONNEGATIVE, NONPOSITIVE, NULL, POSITIVE, Limit, limit, need
from .reading import COMPARISONS, Unproved, parse
from .tower import Element, Sign

SLOPE, CENTRE, STEP, EXCESS = "s", "v", "lambda_", "theta"


# Reading a claimed text along a curve ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Curve:
    """How the variable of a claim runs while a coordinate does: its value, and what it lies between, if it grows."""

    name: str
    at: Element
    t: int = -1
    low: Limit | None = None
    high: Limit | None = None
    strict: bool = False  # it never attains what it lies between


class Reading:
    """A claimed formula along a curve: every condition is decided there (lemma `along`)."""

    def __init__(self, c: Case, cell: Cell, curve: Curve, key: str) -> None:
        self.c, self.cell, self.curve, self.key = c, cell, curve, key
        self.names = {n: e for n, e in cell.names.items() if n != c.x} | {curve.name: curve.at}
        self.parts: dict[str, Element] = {}

    def value(self, text: str) -> Limit:
        return self.read(parse(text))

    def read(self, node: ast.expr) -> Limit:
        match node:
            case ast.IfExp(test=test, body=a, orelse=b):
                return self.read(a if self.holds(test) else b)
            case ast.Name(id="oo"):
                return 2
        return self.cell.tower.read(self.settled(node), {**self.names, **self.parts})

    def settled(self, node: Any) -> Any:
        """The same without choices: abs, sign, max, min and inner conditions by what holds on this cell."""
        match node:
            case ast.IfExp(test=test, body=a, orelse=b):
                return self.settled(a if self.holds(test) else b)
            case ast.Call(func=ast.Name(id="abs" | "sign" as name), args=[a]):
                e = self.element(a)
                s = self.sign(e, name)
                if s is None or (name == "sign" and s in (1, -1)):
                    raise Unproved("the sign is not known")
                number = self.cell.tower.number((s > 0) - (s < 0))
                return self.named(number if name == "sign" else e * number)
            case ast.Call(func=ast.Name(id="max" | "min" as name), args=[a, *rest]):
                best = self.element(a)
                for other in map(self.element, rest):
                    s = self.sign(other - best, name)
                    if s is None:
                        raise Unproved("the order is not known")
                    best = other if (s > 0) == (name == "max") and s else best
                return self.named(best)
            case ast.BinOp(left=a, op=op, right=b):
                return ast.BinOp(self.settled(a), op, self.settled(b))
            case ast.UnaryOp(op=op, operand=a):
                return ast.UnaryOp(op, self.settled(a))
            case ast.Call(func=f, args=args):
                return ast.Call(f, [self.settled(a) for a in args], [])
        return node

    def element(self, node: ast.expr) -> Element:
        e = self.read(node)
        if isinstance(e, int):
            raise Unproved("oo inside a formula")
        return e

    def named(self, e: Element) -> ast.expr:
        name = f"#{len(self.parts)}"  # no name that a text could hold
        self.parts[name] = e
        return ast.Name(name)

    def holds(self, test: ast.expr) -> bool:
        match test:
            case ast.Compare(
                left=ast.Call(func=ast.Name(id="abs"), args=[a]),
                ops=[ast.Lt() | ast.LtE() | ast.Gt() | ast.GtE() as op],
                comparators=[b],
            ):
                both = [self.holds(ast.Compare(e, [op], [b])) for e in (a, ast.UnaryOp(ast.USub(), a))]
                return all(both) if isinstance(op, ast.Lt | ast.LtE) else any(both)
            case ast.BoolOp(op=op, values=values):
                return (all if isinstance(op, ast.And) else any)(self.holds(v) for v in values)
            case ast.UnaryOp(op=ast.Not(), operand=a):
                return not self.holds(a)
            case ast.Compare(left=a, ops=[op, *more], comparators=[b, *rest]):
                s = self.sign(self.element(a) - self.element(b), ast.unparse(test))
                true, false = COMPARISONS[type(op)]
                if s not in true and s not in false:
                    raise Unproved(f"not known here: {ast.unparse(test)}")
                return s in true and (not more or self.holds(ast.Compare(b, more, rest)))
        raise Unproved("unknown condition")

    def sign(self, e: Element, what: str) -> Sign:
        """By coefficients; or because the curve grows (lemma `along`); or by a lemma of the certificate."""
        s = self.cell.tower.sign(e)
        if s in (2, 0, -2):
            return s
        grown = self.grown(e, what)
        return s if grown is None else grown

    def grown(self, e: Element, what: str) -> Sign:
        curve, tower = self.curve, self.cell.tower
        if curve.low is None or curve.high is None:
            return None
        for way in (1, -1):
            rest = e - curve.at * way
            if not tower.slope(rest, curve.t).zero:
                continue
            other = tower.move(rest, self.c.here.tower, self.c.carry(self.cell))
            first, last = (curve.low, curve.high) if way > 0 else (curve.high, curve.low)
            for end, side in ((first, 1), (last, -1)):  # e lies between its values at these two
                edge = end * way if isinstance(end, int) else end * way + other
                s = self.c.sign(edge, f"{self.key} {what} {way} {side}")
                if s is not None and s * side >= 0:
                    strict = curve.strict or abs(s) == 2
                    return side * (2 if strict else 1)
        return None


def lifted(c: Case, e: Limit, cell: Cell) -> Element:
    """A value without the prediction, as seen from a cell."""
    if isinstance(e, int):
        raise Unproved("an infinite value")
    to = cell.tower
    images = {i: to.element(to.generators[to.names[n]]) for n, i in c.here.tower.names.items()}
    return c.here.tower.move(e, to, images)


def same(told: Limit, wanted: Limit, what: str) -> None:
    equal = told == wanted if isinstance(told, int) or isinstance(wanted, int) else (told - wanted).zero
    if not equal:
        raise Unproved(f"{what}: the claimed value is another")


def along(
    c: Case, i: int, text: str, key: str, curve: Callable[[Cell], Curve], wanted: Callable[[Cell], Element]
) -> None:
    """The text along a cell, where the variable grows with the prediction."""

    def difference(cell: Cell) -> Element:
        told = Reading(c, cell, curve(cell), f"{key}@{i}").value(text)
        if isinstance(told, int):
            raise Unproved("the claimed value is infinite")
        return told - wanted(cell)

    need(c.signed(i, f"{key}@{i}", difference), NULL, f"the claimed value on cell {i}")


def alone(c: Case, text: str, name: str, at: Element, wanted: Limit, key: str) -> None:
    """The text at one value of the variable."""
    same(Reading(c, c.here, Curve(name, at), key).value(text), wanted, f"at {key}")


def between(
    c: Case, text: str, name: str, low: Limit, high: Limit, wanted: Callable[[Cell, Element], Limit], key: str
) -> None:
    """The text on an open interval of the variable, while the prediction stands still."""
    cell = Cell(c.loss, c.path, c.units)
    index = cell.tower.variable(f"{name}#")  # no name of a parameter
    t = cell.tower.element(cell.tower.generators[index])
    if isinstance(low, int):
        at = lifted(c, high, cell) - t
    elif isinstance(high, int):
        at = lifted(c, low, cell) + t
    else:
        at = (lifted(c, low, cell) + lifted(c, high, cell) * t) / (t + 1)
    same(Reading(c, cell, Curve(name, at), key).value(text), wanted(cell, at), f"between {key}")


def resting(
    c: Case, text: str, name: str, low: Limit, high: Limit, wanted: Callable[[Cell, Element], Limit], key: str
) -> None:
    """The text on a closed interval of the variable, or at a point, which all belongs to one prediction."""
    for end in (low, high):
        at = lifted(c, end, c.here)
        alone(c, text, name, at, wanted(c.here, at), key)
    if not (lifted(c, high, c.here) - lifted(c, low, c.here)).zero:
        between(c, text, name, low, high, wanted, key)


def equation(goal: Any, right: str) -> str | None:
    """The left side of an equation that a value consists of; None where the value is a formula."""
    if not isinstance(goal, Mapping):
        return None
    left, _, end = str(goal["equation"]).rpartition(" = ")
    if set(goal) != {"equation"} or end != right:
        raise Unproved(f"an equation for {right}")
    return left


def fresh(c: Case, *names: str) -> None:
    """The variables of a claim are none of the loss's own."""
    if {*names} & {c.x, *c.loss["parameters"], *c.loss["inputs"], *c.loss["definitions"]}:
        raise Unproved(f"the loss has a variable of its own named {' or '.join(names)}")


def bends(c: Case) -> list[Sign]:
    """f is convex; the signs of its second derivative."""
    c.slopes_rise()
    out = []
    for i in c.cells:
        s = c.signed(i, f"2@{i}", lambda cell: cell.derivative(2))
        need(s, NONNEGATIVE, f"derivative 2 on cell {i}")
        out.append(s)
    return out


def slopes(c: Case, j: int) -> tuple[Limit, Limit]:
    """The slope on both sides of a breakpoint."""
    return c.limit(1, j, "high"), c.limit(1, j + 1, "low")


# Conjugate and proximal map ----------------------------------------------------------------------


def conjugate(c: Case, goal: Any) -> bool:
    """f*(s) = s*x - f(x) wherever s is a subgradient at x (lemma `conjugate`); beyond all slopes it is oo."""
    fresh(c, SLOPE)
    bent = bends(c)
    left = equation(goal, SLOPE)
    if left is not None:
        return inclusion(c, left, lambda cell: cell.derivative(1))
    text = told(goal)
    for i in c.cells:
        low, high, strict = c.limit(1, i, "low"), c.limit(1, i, "high"), bent[i] == 2

        def curve(cell: Cell, low: Limit = low, high: Limit = high, strict: bool = strict) -> Curve:
            return Curve(SLOPE, cell.derivative(1), cell.t, low, high, strict)

        along(c, i, text, "conjugate", curve, lambda cell: cell.derivative(1) * cell.names[c.x] - cell.derivative(0))
    for j in range(len(c.at)):

        def wanted(cell: Cell, s: Element, j: int = j) -> Element:
            return s * c.read(c.at[j], cell) - lifted(c, c.value(j), cell)

        resting(c, text, SLOPE, *slopes(c, j), wanted, f"the slopes at {c.at[j]}")
    for i, side, way in ((0, "low", -1), (len(c.at), "high", 1)):
        end = c.limit(1, i, side)
        if isinstance(end, int):
            continue

        def line(cell: Cell, end: Element = end) -> Element:
            return lifted(c, end, cell) * cell.names[c.x] - cell.derivative(0)

        alone(c, text, SLOPE, end, c.limit(0, i, side, line), f"the {side}est slope")
        first, last = (-2, end) if way < 0 else (end, 2)
        between(c, text, SLOPE, first, last, lambda cell, s: 2, f"beyond the {side}est slope")
    return True


def told(goal: Any) -> str:
    if not isinstance(goal, str):
        raise Unproved("no value")
    return goal


def inclusion(c: Case, left: str, wanted: Callable[[Cell], Element]) -> bool:
    """The left side of an equation, read between the breakpoints, is a slope (lemma `equation`)."""
    for i in c.cells:
        at_prediction(c, i, left, "equation", wanted)
    return True


def at_prediction(c: Case, i: int, text: str, key: str, wanted: Callable[[Cell], Element]) -> None:
    run = [bound if bound in ("-oo", "oo") else c.read(bound) for bound in c.bounds[i : i + 2]]
    low, high = (e if isinstance(e, Element) else -2 if e == "-oo" else 2 for e in run)
    along(c, i, text, key, lambda cell: Curve(c.x, cell.names[c.x], cell.t, low, high, True), wanted)


def with_step(c: Case) -> Case:
    """The same case with lambda > 0 as one more parameter."""
    return type(c)(c.loss, c.node, [*c.path, Place(STEP, "0", "oo")], c.units, c.name)


def prox(c: Case, goal: Any) -> bool:
    """x is the proximal point of v = x + lambda*g for every slope g at x (lemma `prox`)."""
    fresh(c, CENTRE, STEP)
    c = with_step(c)
    bends(c)
    step = c.here.names[STEP]
    left = equation(goal, CENTRE)
    if left is not None:
        return inclusion(c, left, lambda cell: cell.names[c.x] + cell.names[STEP] * cell.derivative(1))
    text = told(goal)

    def centre(i: int, side: str) -> Limit:
        """v at an end of a cell."""
        end = c.bounds[i + (side == "high")]
        if end in ("-oo", "oo"):
            return -2 if end == "-oo" else 2
        return c.read(end) + finite(c.limit(1, i, side)) * step

    for i in c.cells:

        def curve(cell: Cell, low: Limit = centre(i, "low"), high: Limit = centre(i, "high")) -> Curve:  # noqa: B008
            v = cell.names[c.x] + cell.names[STEP] * cell.derivative(1)
            return Curve(CENTRE, v, cell.t, low, high, True)

        along(c, i, text, "prox", curve, lambda cell: cell.names[c.x])
    for j in range(len(c.at)):

        def wanted(cell: Cell, v: Element, j: int = j) -> Element:
            return c.read(c.at[j], cell)

        resting(c, text, CENTRE, centre(j, "high"), centre(j + 1, "low"), wanted, f"the centres of {c.at[j]}")
    return True


# The calibration transform -----------------------------------------------------------------------


def transform(c: Case, goal: Any) -> None:
    """psi(theta) = f(0) - min over a of (1+theta)/2*f(a) + (1-theta)/2*f(-a) on [0, 1], for a convex loss that is
    differentiable with a negative slope at 0, which the caller has shown (lemma `transform`)."""
    fresh(c, EXCESS)
    text, zero, one = told(goal), c.zero(), c.here.tower.number(1)
    level = c.value(zero)

    def right(cell: Cell) -> Element:
        return cell.derivative(1)

    def left(cell: Cell) -> Element:
        return -cell.tower.slope(mirror(cell), cell.t) / cell.rate

    def mirror(cell: Cell) -> Element:
        return formula(c.loss, cell.tower, {**cell.names, c.x: -cell.names[c.x]})

    def excess(p: Element, q: Element) -> Element:
        """The theta for which a is stationary: (1+theta)*p = (1-theta)*q."""
        return (q - p) / (p + q)

    def reached(cell: Cell, theta: Element, a: Element, b: Element) -> Element:
        return lifted(c, level, cell) - (a * (theta + 1) + b * (1 - theta)) / 2

    alone(c, text, EXCESS, one * 0, one * 0, "theta = 0")
    for i in range(zero + 1, len(c.cells)):
        need(c.signed(i, f"right@{i}", right), NONPOSITIVE, "the slope on the right")
        e = [finite(c.limit(0, i, side, lambda z: excess(right(z), left(z)))) for side in ("low", "high")]

        def curve(z: Cell, low: Element = e[0], high: Element = e[1]) -> Curve:
            return Curve(EXCESS, excess(right(z), left(z)), z.t, low, high)

        along(
            c, i, text, "transform", curve,
            lambda z: reached(z, excess(right(z), left(z)), z.derivative(0), mirror(z)),
        )  # fmt: skip
        if i == len(c.at):
            need(c.sign(e[1] - 1, "far"), NULL, "the last theta, less 1")
            outer = c.limit(0, i, "high")
            alone(c, text, EXCESS, one, minus(level, outer), "theta = 1")
            return
        x = c.read(c.at[i])
        values = c.value(i), c.formula_at(-x)
        after = finite(c.limit(1, i + 1, "low"))
        last = c.sign(after, f"after {i}") in NONNEGATIVE
        top = one if last else finite(c.limit(0, i + 1, "low", lambda z: excess(right(z), left(z))))

        def wanted(cell: Cell, theta: Element, values: tuple[Element, Element] = values) -> Element:
            return reached(cell, theta, lifted(c, values[0], cell), lifted(c, values[1], cell))

        resting(c, text, EXCESS, e[1], top, wanted, f"theta at {c.at[i]}")
        if last:
            return
    raise Unproved("theta does not reach 1")


def finite(e: Limit) -> Element:
    if isinstance(e, int):
        raise Unproved("an infinite limit")
    return e


# What is elicited --------------------------------------------------------------------------------


def elicits(c: Case, goal: Any) -> bool:
    if "evidence" in c.node or not isinstance(goal, Mapping):
        return misled(c)
    kind, keys = goal["statistic"], {*goal}
    if c.loss["base"] == "residual":
        levelled = {"statistic", "level"} if kind in ("quantile", "expectile") else {"statistic"}
        if kind == "equation":
            bends(c)
            return inclusion(c, expected(goal), lambda cell: cell.derivative(1))
        if keys != levelled or kind not in ("mean", "median", "quantile", "expectile"):
            raise Unproved("no such statistic of a residual")
        return located(c, kind, goal.get("level", "1/2"))
    if kind == "equation":
        return solved(c, expected(goal))
    if keys - {"statistic", "level", "link"} or ("level" in keys) != (kind == "quantile"):
        raise Unproved("no such statistic")
    if kind == "mean":
        return averaged(c, goal.get("link", c.x))
    if kind in ("median", "quantile"):
        return ranked(c, goal.get("level", "1/2"), goal.get("link", c.x))
    raise Unproved("no such statistic")


def expected(goal: Mapping[str, Any]) -> str:
    """What has the mean 0, of an equation "E[...] = 0"."""
    text = str(goal["equation"])
    if {*goal} != {"statistic", "equation"} or not (text.startswith("E[") and text.endswith("] = 0")):
        raise Unproved("no equation of this form")
    return text[2:-5]


def target_places(domain: str) -> list[tuple[str, str, list[Any] | None]]:
    """The points and intervals of which a range of targets consists."""
    if domain[0] == "{":
        return [(v.strip(), v.strip(), None) for v in domain[1:-1].split(",")]
    low, high, has_low, has_high = ends(domain)
    free = ["free", "1", False] if (low, high) == ("-oo", "oo") else None
    return [(low, low, None)] * has_low + [(low, high, free)] + [(high, high, None)] * has_high


def solved(c: Case, text: str) -> bool:
    """For every target, f is convex and the text is its slope (lemma `equation`)."""
    name, domain = target(c)
    for node, (low, high, chart) in zip(c.node["targets"], target_places(domain), strict=True):
        one = type(c)(c.loss, node, [*c.path, Place(name, low, high, chart)], c.units, c.name)
        bends(one)
        inclusion(one, text, lambda cell: cell.derivative(1))
    return True


def located(c: Case, kind: str, level: str) -> bool:
    """f' is a positive multiple of level - 1 before 0 and of level after it; of that times |r|, for expectiles."""
    c.continuous()
    zero = c.zero()
    power = 0 if kind in ("median", "quantile") else 1
    weights: list[Element] = []
    for i in c.cells:
        cell = c.cell(i)
        size, share = cell.derivative(1) / cell.names[c.x] ** power, c.read(level, cell)
        if not cell.tower.slope(size, cell.t).zero:
            raise Unproved("the slope is not of this form")
        if i <= zero:
            size, share = size if power else -size, 1 - share
        size, share = (cell.tower.move(e, c.here.tower, c.carry(cell)) for e in (size, share))
        need(c.sign(size, f"size {i}"), POSITIVE, "the weight of a side")
        need(c.sign(share, f"share {i}"), POSITIVE, "the level")
        weights.append(size * share)
    for a, b in itertools.pairwise(weights):
        same(a, b, "the weights of both sides")
    return True


def misled(c: Case) -> bool:
    """The mean slope of some distribution is 0 where the mean loss is not least."""
    if c.loss["base"] != "residual":
        raise Unproved("evidence for residuals only")
    kind, first, last = c.node["evidence"]
    if any(i not in c.cells or side not in ("low", "high") for i, side in (first, last)):
        raise Unproved("no place of this loss")
    if kind == "still":  # of a single value of the target
        flat = c.cell(first[0]).derivative(1).zero
        need(0 if flat else c.sign(smooth_limit(c, 1, *first), "still"), NULL, "the slope")
        level = minus(c.limit(0, *first), c.limit(0, *last))
        need(c.sign(level, "higher"), POSITIVE, "the loss, less a smaller one")
    elif kind == "turned":  # of two values: a strict maximum (lemma `two values`)
        fall, rise = ([smooth_limit(c, n, *place) for n in (1, 2)] for place in (first, last))
        need(c.sign(-fall[0], "falling"), POSITIVE, "the fall")
        need(c.sign(rise[0], "rising"), POSITIVE, "the rise")
        need(c.sign(fall[0] * rise[1] - rise[0] * fall[1], "bend"), POSITIVE, "the bend downwards")
    else:
        raise Unproved("no such evidence")
    return False


def smooth_limit(c: Case, k: int, i: int, side: str) -> Element:
    """A derivative at a breakpoint around which one formula holds."""
    j = i if side == "high" else i - 1
    if not (0 <= j < len(c.at) and c.analytic(j)):
        raise Unproved("no breakpoint at which the loss is smooth")
    return finite(c.limit(k, i, side))


def target(c: Case) -> tuple[str, str]:
    """The one target, of which nothing is fixed."""
    ((name, domain),) = c.loss["inputs"].items()
    if any(p.name == name for p in c.path):
        raise Unproved("a part of the targets")
    return name, domain


def rising(c: Case, i: int, link: str) -> None:
    """The link grows with the prediction on a cell."""

    def slope(cell: Cell) -> Element:
        return cell.tower.slope(cell.tower.read(link, cell.names), cell.t) / cell.rate

    need(c.signed(i, f"link@{i}", slope), POSITIVE, "the slope of the link")


def averaged(c: Case, link: str) -> bool:
    """The slope is a*(link - y) with a > 0 that does not depend on y (lemma `mean`)."""
    name, domain = target(c)
    if c.at:
        raise Unproved("the prediction is cut")
    rising(c, 0, link)
    if domain in ("{0, 1}", "{-1, 1}"):
        cell = c.cell(0)
        labels = [cell.tower.number(v) for v in domain[1:-1].split(",")]
        values = [formula(c.loss, cell.tower, {**cell.names, name: v}) for v in labels]
        low, high = (cell.tower.slope(e, cell.t) / cell.rate for e in values)
        weight = (low - high) / (labels[1] - labels[0])
        need(c.sign(weight, "weight"), POSITIVE, "the weight")
        same(low, weight * (cell.tower.read(link, cell.names) - labels[0]), "the slope")
        return True
    low_end, high_end, has_low, has_high = ends(domain)
    free = ["free", "1", False] if (low_end, high_end) == ("-oo", "oo") else None
    place = Place(c.x, c.low, c.high, c.charts[0])
    cell = Cell(c.loss, [*c.path, Place(name, low_end, high_end, free), place], c.units)
    y, t = cell.names[name], cell.tower.names[name]
    weight = -cell.tower.slope(cell.derivative(1), t) / cell.tower.slope(y, t)
    if not cell.tower.slope(weight, t).zero:
        raise Unproved("the slope is not linear in the target")
    need(c.sign(weight, "weight"), POSITIVE, "the weight")
    same(cell.derivative(1), weight * (cell.tower.read(link, cell.names) - y), "the slope")
    for end in [low_end] * has_low + [high_end] * has_high:
        at = Cell(c.loss, [*c.path, Place(name, end, end), place], c.units)
        to = at.tower
        images = {i: to.element(to.generators[to.names[n]]) for n, i in cell.tower.names.items() if n != name}
        same(
            at.derivative(1),
            cell.tower.move(weight, to, images) * (at.tower.read(link, at.names) - at.names[name]),
            "the slope",
        )
    return True


def ranked(c: Case, level: str, link: str) -> bool:
    """The slope is a > 0 where the target is below the link, -b < 0 above it, a*level = b*(1 - level), and neither
    depends on the target (lemma `quantile`)."""
    name, domain = target(c)
    if c.at:
        raise Unproved("the prediction is cut")
    rising(c, 0, link)
    low, high, has_low, has_high = ends(domain)
    place, here = Place(c.x, c.low, c.high, c.charts[0]), c.cell(0)
    for a, b in [(low, link)] * (low != "-oo") + [(link, high)] * (high != "oo"):
        here.tower.positive(here.tower.read(b, here.names) - here.tower.read(a, here.names), f"{b} - ({a})")

    def seen(e: Element) -> Element:
        """What does not depend on the target, without it."""
        to = here.tower
        images = {i: to.element(to.generators[to.names[n]]) for n, i in e.tower.names.items() if n != name}
        return e.tower.move(e, to, images)

    def side(first: str, last: str, closed: bool) -> Element:
        """The slope where the target lies between two values, which may move with the prediction."""
        cell = Cell(c.loss, [*c.path, place, Place(name, first, last)], c.units)
        tower, y, t = cell.tower, cell.names[name], cell.tower.names[name]
        beside = tower.slope(cell.derivative(0), t) / tower.slope(y, t)
        slope = (tower.slope(cell.derivative(0), cell.t) - beside * tower.slope(y, cell.t)) / cell.rate
        if not tower.slope(slope, t).zero:
            raise Unproved("the slope depends on the target")
        end, up = (first if first != link else last), tower.sign(tower.slope(y, t)) == 2
        if closed:  # where the target is at the end of its range
            at = Cell(c.loss, [*c.path, Place(name, end, end), place], c.units)
            same(seen(at.derivative(1)), seen(slope), "the slope at the end")
        met = Cell(c.loss, [*c.path, place, Place(name, link, link)], c.units)
        to = met.tower
        images = {i: to.element(to.generators[to.names[n]]) for n, i in tower.names.items() if n != name}
        same(
            limit(cell.derivative(0), t, up == (first == link), to, images), met.derivative(0), "the value at the link"
        )
        return seen(slope)

    below, above, share = side(low, link, has_low), side(link, high, has_high), c.read(level, here)
    need(c.sign(below, "below"), POSITIVE, "the slope below")
    need(c.sign(-above, "above"), POSITIVE, "the slope above")
    need(c.sign(share, "share"), POSITIVE, "the level")
    need(c.sign(1 - share, "other share"), POSITIVE, "the level")
    same(below * share, -above * (1 - share), "the slopes of both sides")
    return True
