"""Does a claim about several predictions, or about K classes, survive an attempt to contradict it by numbers?

Knows only the text of the formula and the domains: it evaluates the text with mpmath at 80 digits, for K = 2, 3 and 5,
and looks at chords, f(x + d) - 2*f(x) + f(x - d) along random directions and at every scale. No derivative, no
certificate, and none of the prover's arithmetic is used. A chord that bends the wrong way contradicts convexity; a
refuted property must be seen to fail.
"""

from __future__ import annotations

import ast
import math
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mpmath import mp, mpf

from .contradiction import Contradiction
from .functions import BODIES, UNARY, UndefinedError, UnreadableError, parsed

DIGITS = 80
NOTHING = mpf(10) ** -60  # what rounding at 80 digits can leave of a sum that is 0
SIZES = (2, 3, 5)  # numbers of classes
SOME = mpf(4)  # exp(-exp(4)) is 2e-24, far more than NOTHING
UNBOUNDED = 10**4  # a slope this steep counts as unbounded

Value = Any  # an mpf, or a list of them for K classes
Point = dict[str, Value]


def _guarded(name: str) -> Callable[[mpf], mpf]:
    def function(x: mpf) -> mpf:
        try:
            return mp.make_mpf(UNARY[name](x._mpf_, mp.prec))
        except ValueError as error:
            raise UndefinedError(str(error)) from None

    return function


FUNCTIONS: dict[str, Callable[..., Any]] = {name: _guarded(name) for name in UNARY} | {"max": max, "min": min}
CONSTANTS = {"pi": mp.pi, "E": mp.e}
COMPARISONS: dict[type, Any] = {
    ast.Lt: lambda a, b: a < b, ast.LtE: lambda a, b: a <= b, ast.Gt: lambda a, b: a > b, ast.GtE: lambda a, b: a >= b,
    ast.Eq: lambda a, b: a == b, ast.NotEq: lambda a, b: a != b,
}  # fmt: skip


def value(node: ast.expr, at: Mapping[str, Value], size: int) -> Any:
    """The value of a formula; a[k] are the entries of a list, and sum(e, k) runs over all classes."""
    match node:
        case ast.Constant(value=number):
            return mpf(str(number))
        case ast.Name(id=name):
            if name not in at and name not in CONSTANTS:
                raise UnreadableError(f"{name} is no name of this loss")
            return at[name] if name in at else +CONSTANTS[name]
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Name(id=k)):
            return at[name][int(at[k])]
        case ast.Subscript(value=ast.Call(func=ast.Name(id="softmax"), args=[ast.Name(id=name)]), slice=ast.Name(id=k)):
            powers = [FUNCTIONS["exp"](x) for x in at[name]]
            return powers[int(at[k])] / mp.fsum(powers)
        case ast.UnaryOp(op=ast.USub(), operand=a):
            return -value(a, at, size)
        case ast.UnaryOp(op=ast.Not(), operand=a):
            return not value(a, at, size)
        case ast.BoolOp(op=op, values=parts):
            return (all if isinstance(op, ast.And) else any)(value(p, at, size) for p in parts)
        case ast.Compare(left=a, ops=ops, comparators=rest):
            sides = [value(x, at, size) for x in (a, *rest)]
            return all(COMPARISONS[type(op)](x, y) for op, x, y in zip(ops, sides, sides[1:], strict=False))
        case ast.IfExp(test=test, body=a, orelse=b):
            return value(a if value(test, at, size) else b, at, size)
        case ast.Call(func=ast.Name(id="sum"), args=[body, ast.Name(id=k)]):
            return mp.fsum(value(body, {**at, k: i}, size) for i in range(size))
        case ast.Call(func=ast.Name(id=name), args=args):
            parts = [value(a, at, size) for a in args]
            if name in BODIES and len(BODIES[name][0]) == len(parts):
                return value(BODIES[name][1], dict(zip(BODIES[name][0], parts, strict=True)), size)
            if name not in FUNCTIONS:
                raise UnreadableError(f"no function {name} of {len(parts)} arguments")
            found = FUNCTIONS[name](*parts)
        case ast.BinOp(left=a, op=op, right=b):
            x, y = value(a, at, size), value(b, at, size)
            match op:
                case ast.Add():
                    found = x + y
                case ast.Sub():
                    found = x - y
                case ast.Mult():
                    found = x * y
                case ast.Div():
                    if y == 0:
                        raise UndefinedError("a division by zero")
                    found = x / y
                case _:
                    found = x**y
        case _:
            raise UnreadableError(f"no formula: {ast.unparse(node)}")
    if isinstance(found, mp.mpc) or not mp.isfinite(found):
        raise UndefinedError("no real number")
    return found


@dataclass(frozen=True, slots=True)
class Domain:
    """An interval or a finite set, read from its text."""

    low: float
    high: float
    values: tuple[float, ...] = ()
    ends: tuple[float, ...] = ()  # those that belong to it

    @classmethod
    def read(cls, text: str) -> Domain:
        if text[0] == "{":
            values = tuple(float(v) for v in text[1:-1].split(","))
            return cls(min(values), max(values), values)
        low, high = text.removeprefix("integers ")[1:-1].split(",")
        a, b = float(low.replace("oo", "inf")), float(high.replace("oo", "inf"))
        return cls(a, b, (), (a,) * ("[" in text) + (b,) * text.endswith("]"))

    def sample(self, chance: random.Random, inside: bool = False) -> mpf:
        """At every scale, often at small whole numbers, and at the ends that belong to it unless `inside`."""
        if self.values or (self.ends and not inside and chance.random() < 0.3):
            return mpf(chance.choice(self.values or self.ends))
        size = mpf(10) ** chance.uniform(-3, 1.5)
        if chance.random() < 0.2:
            size = mpf(chance.choice((1, 2, 3, 0.5)))
        if math.isinf(self.low) and math.isinf(self.high):
            return size * chance.choice((-1, 1))
        if math.isinf(self.low):
            return self.high - size
        if math.isinf(self.high):
            return self.low + size
        near = mpf(10) ** chance.uniform(-12, -0.01)
        share = chance.choice((near, 1 - near, mpf(chance.random())))
        return self.low + (self.high - self.low) * share

    def holds(self, x: mpf) -> bool:
        """Whether x lies inside, where it can be moved."""
        return bool(self.low < x < self.high)

    def has(self, x: mpf) -> bool:
        return x in self.values if self.values else self.holds(x) or x in self.ends


class Claimed:
    """One statement, as a function that can be evaluated and as places where it can be looked at."""

    def __init__(self, statement: Mapping[str, Any], seed: int = 0) -> None:
        self.statement, self.chance = statement, random.Random(seed)
        self.formula = _parse(statement["formula"])
        self.definitions = {n: _parse(t) for n, t in statement.get("definitions", {}).items()}
        self.classes = "size" in statement
        ranges = {statement["variable"]: statement["domain"]} if self.classes else statement["variables"]
        self.domains = {n: Domain.read(d.partition("^")[0]) for n, d in ranges.items()}

    def f(self, at: Point) -> mpf:
        size = next((len(v) for v in at.values() if isinstance(v, list)), 0)
        known: dict[str, Value] = dict(at)
        if self.classes:
            known[self.statement["size"]] = mpf(size)
        for name, meaning in self.definitions.items():
            known[name] = value(meaning, known, size)
        return value(self.formula, known, size)

    def point(self) -> Point:
        """Parameters, targets and predictions; predictions often near a target or near each other."""
        at: Point = {n: Domain.read(d).sample(self.chance) for n, d in self.statement["parameters"].items()}
        size = self.chance.choice(SIZES)
        for n, d in self.statement["inputs"].items():
            at[n] = self.distribution(size, d) if self.classes else Domain.read(d).sample(self.chance)
        for n, domain in self.domains.items():
            at[n] = (
                [domain.sample(self.chance, True) for _ in range(size)]
                if self.classes
                else domain.sample(self.chance, True)
            )
            others = [m for m in at if m != n and m not in self.statement["parameters"]]
            if not self.classes and others and self.chance.random() < 0.3:
                near = at[self.chance.choice(others)] + self.chance.choice((-1, 0, 1)) * mpf(self.chance.random())
                at[n] = near if domain.holds(near) else at[n]
        return at

    def distribution(self, size: int, domain: str) -> list[mpf]:
        if domain.startswith("one_hot") or self.chance.random() < 0.4:
            one = self.chance.randrange(size)
            return [mpf(i == one) for i in range(size)]
        parts = [mpf(self.chance.random()) for _ in range(size)]
        return [p / mp.fsum(parts) for p in parts]

    def directions(self, at: Point, alone: str | None) -> Iterator[dict[str, Value]]:
        """At random, along each prediction, and those in which losses are known to be flat."""
        if self.classes:
            (f,) = self.domains
            target = at[next(iter(self.statement["inputs"]))]
            size = len(target)
            yield {f: [mpf(self.chance.uniform(-1, 1)) for _ in range(size)]}
            yield {f: [mpf(1)] * size}
            free = [i for i in range(size) if target[i] == 0] or [0]
            for i in {self.chance.choice(free), self.chance.randrange(size)}:
                yield {f: [mpf(k == i) for k in range(size)]}
            return
        names = list(self.domains)
        if alone is None:
            yield {n: mpf(self.chance.uniform(-1, 1)) * mpf(10) ** self.chance.uniform(-2, 2) for n in names}
            yield {n: mpf(self.chance.choice((-1, 1))) for n in names}
        for n in names if alone is None else [alone]:
            yield {m: mpf(m == n) for m in names}

    def moderate(self, *places: Point) -> bool:
        """Whether no entry is large, and no parameter large or small: there exp(-exp(x)) is told from 0."""
        for at in places:
            for n, v in at.items():
                least = 1 / SOME if n in self.statement["parameters"] else 0
                for x in map(abs, v if isinstance(v, list) else [v]):
                    if x > SOME or 0 < x < least:
                        return False
        return True

    def moved(self, at: Point, direction: dict[str, Value], step: mpf) -> Point | None:
        out = dict(at)
        for n, d in direction.items():
            domain = self.domains[n]
            new = [x + step * y for x, y in zip(at[n], d, strict=True)] if self.classes else at[n] + step * d
            if not all(domain.holds(x) for x in (new if isinstance(new, list) else [new])):
                return None
            out[n] = new
        return out


def _parse(text: str) -> ast.expr:
    return parsed(" ".join(text.split()))


def _length(direction: dict[str, Value]) -> mpf:
    return mp.sqrt(mp.fsum(x * x for d in direction.values() for x in (d if isinstance(d, list) else [d])))


PLAIN = ("convex", "strictly_convex", "nonnegative", "lipschitz", "smooth")


def failures(claimed: Claimed, name: str, limit: ast.expr | None, points: int, wary: bool = False) -> Iterator[str]:
    """Places at which a property fails: one of PLAIN, or convex_in_ and a prediction.

    `wary`: of strict convexity, only where nothing is so large that what bends seems flat at 80 digits. Raises
    UnreadableError where the formula has a value nowhere.
    """
    alone = name.removeprefix("convex_in_") if name.startswith("convex_in_") else None
    if name not in PLAIN and alone not in claimed.domains:
        raise UnreadableError(f"the falsifier knows no property {name} of several predictions")
    seen = False
    for _ in range(points):
        at = claimed.point()
        try:
            middle = claimed.f(at)
            seen = True
            if name == "nonnegative":
                if middle < -NOTHING:
                    yield f"the value is {mp.nstr(middle, 5)} at {_shown(at)}"
                continue
            most = UNBOUNDED if limit is None else value(limit, at, 0)
            for direction in claimed.directions(at, alone):
                step = mpf(10) ** claimed.chance.uniform(-4 if limit or name != "lipschitz" else -12, 1)
                after, before = (claimed.moved(at, direction, s * step) for s in (1, -1))
                if after is None or before is None:
                    continue
                right, left = claimed.f(after), claimed.f(before)
                bend, scale = right + left - 2 * middle, 1 + abs(right) + abs(left) + abs(middle)
                size = step * _length(direction)
                if name == "lipschitz":
                    wrong = abs(right - middle) > most * size + NOTHING * scale
                elif name == "smooth":
                    wrong = abs(bend) > most * size * size + NOTHING * scale
                elif name == "strictly_convex":
                    wrong = bend < NOTHING * scale and size > 1e-3 and scale < 1e6
                    wrong = wrong and (not wary or bend < -NOTHING * scale or claimed.moderate(after, before))
                else:
                    wrong = bend < -NOTHING * scale
                if wrong:
                    yield f"the chord bends by {mp.nstr(bend, 5)} at {_shown(at)} along {_shown(direction)}"
        except (UndefinedError, ZeroDivisionError, OverflowError):
            continue
    if not seen:
        raise UnreadableError(f"the formula has no value at any of {points} places")


def _shown(at: dict[str, Value]) -> str:
    def short(x: Value) -> str:
        return "[" + ", ".join(map(short, x)) + "]" if isinstance(x, list) else str(mp.nstr(x, 5))

    return ", ".join(f"{n} = {short(x)}" for n, x in at.items())


def contradiction(
    statement: Mapping[str, Any], claim: Mapping[str, Any], points: int = 400, seed: int = 0
) -> str | None:
    """What speaks against a claim (of `claiming`): a place where a proved property fails, or none for a refuted one.

    None where nothing was found; undecided claims and conditional ones, which are `proved` for some parameters only,
    are met at parameters that satisfy the condition.
    """
    name, verdict = claim["property"], claim["verdict"]
    if verdict == "undecided":
        return None
    with mp.workdps(DIGITS):
        claimed = Claimed(statement, seed)
        bound = claim.get("bound", claim.get("value"))
        limit = None if bound is None else _parse(str(bound))
        if verdict == "conditional":
            claimed = _Conditional(statement, seed, claim["condition"])
        found = next(failures(claimed, name, limit, points, verdict != "refuted"), None)
        if verdict == "refuted":
            return None if found else f"{name} is said to be refuted, and fails at none of {points} points"
        return found


TRIES = 10_000  # of parameters that satisfy a condition


class _Conditional(Claimed):
    """Only parameters that satisfy a condition; they take the numbers that it mentions, too."""

    def __init__(self, statement: Mapping[str, Any], seed: int, condition: str) -> None:
        super().__init__(statement, seed)
        self.text, self.condition = condition, _parse(condition)
        self.mentioned = [s * mpf(n) for n in re.findall(r"(?<![\w.])\d+(?:\.\d+)?", condition) for s in (1, -1)]

    def point(self) -> Point:
        for _ in range(TRIES):
            at = super().point()
            for n, d in self.statement["parameters"].items():
                if self.mentioned and self.chance.random() < 0.3:
                    given = self.chance.choice(self.mentioned)
                    at[n] = given if Domain.read(d).has(given) else at[n]
            if value(self.condition, at, 0):
                return at
        raise UnreadableError(f"no parameters were found that satisfy {self.text}")


def statement_of(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the facts of a loss are about; None for one scalar prediction, and for several vectors."""
    arguments = facts["arguments"]
    ranges = {
        role: {n: a["domain"] for n, a in arguments.items() if a["role"] == role} for role in ("prediction", "target")
    }
    statement = {
        "formula": facts["formula"]["text"],
        "definitions": dict(facts["definitions"]),
        "inputs": ranges["target"],
        "parameters": {n: p["domain"] for n, p in facts["parameters"].items()},
    }
    if facts["size"] is None:
        return statement | {"variables": ranges["prediction"]} if len(ranges["prediction"]) > 1 else None
    if len(ranges["prediction"]) != 1 or len(ranges["target"]) != 1:
        return None
    ((variable, domain),) = ranges["prediction"].items()
    return statement | {"variable": variable, "domain": domain, "size": facts["size"]}


def falsify(facts: Mapping[str, Any], points: int = 400, seed: int = 0) -> list[Contradiction]:
    """What contradicts the claims that facts make about several predictions or classes; one for each false claim."""
    statement = statement_of(facts)
    found: list[Contradiction] = []
    for name, claim in facts["properties"].items() if statement is not None else ():
        kind = "unconfirmed" if claim["verdict"] == "refuted" else "contradicted"
        try:
            problem = contradiction(statement or {}, {"property": name, **claim}, points, seed)
        except UnreadableError as error:
            kind, problem = "unreadable", str(error)
        if problem is not None:
            found.append(Contradiction(name, kind, problem))
    return found
