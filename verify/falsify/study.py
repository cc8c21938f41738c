"""For which parameters and targets is the loss looked at?

Random ones, extreme ones, equal ones, those at the ends of their domains and on both sides of every number that a text
mentions, those of the witnesses, and both sides of the boundary of every condition.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from mpmath import mp, mpf

from .functions import Number, UndefinedError, UnreadableError, parsed
from .lines import Kink, Line
from .ranges import Range, constants
from .reading import Formula


@dataclass(slots=True)
class Setting:
    """Values of the parameters, and a line for each choice of targets."""

    names: dict[str, Number]
    lines: list[Line]


class Study:
    """A loss: its formula, its samples for many settings, and the texts of claims compiled over it."""

    def __init__(self, statement: Mapping[str, Any], claims: Mapping[str, Any], points: int, seed: int) -> None:
        self.statement, self.points = statement, points
        self.variable, self.base = _plain(statement["variable"]), statement.get("base")
        self.domain = Range.of(statement["domain"]).inner
        self.inputs = {_plain(n): Range.of(d) for n, d in statement["inputs"].items()}
        self.parameters = {_plain(n): Range.of(d) for n, d in statement["parameters"].items()}
        self.ranges = {**self.parameters, **self.inputs}
        self.everything = [*self.parameters, *self.inputs, self.variable]
        definitions = {_plain(n): t for n, t in statement["definitions"].items()}
        self.formula = Formula(statement["formula"], self.everything, definitions)
        self.wary = Formula(statement["formula"], self.everything, definitions, wary=True)
        self.shaken = Formula(statement["formula"], self.everything, definitions, shaken=True)
        self.compiled: dict[tuple[str, tuple[str, ...], bool], Formula] = {}
        body = json.dumps([dict(statement), seed], sort_keys=True)
        self.seed = int.from_bytes(hashlib.sha256(body.encode()).digest()[:8], "big")
        self.rng = random.Random(self.seed)
        texts = [
            statement["formula"],
            *(str(c.get(k, "")) for c in claims.values() for k in ("value", "condition", "bound")),
        ]
        self.constants = constants(texts)
        self.hints = self.hinted(claims)
        self.rough: dict[tuple[int, int], list[tuple[Kink, bool | None]]] = {}
        self.settings = self.make(claims)

    @contextlib.contextmanager
    def shaking(self) -> Iterator[None]:
        """Meanwhile, `formula` is one whose rounding is worse, at random but the same each time."""
        ordinary = self.formula
        if self.shaken.chance is not None:
            self.shaken.chance.seed(0)
        self.formula = self.shaken
        try:
            yield
        finally:
            self.formula = ordinary

    def compile(self, text: str, more: tuple[str, ...] = (), wary: bool = False) -> Formula:
        key = (text, more, wary)
        if key not in self.compiled:
            self.compiled[key] = Formula(text, [*self.everything, *more], wary=wary)
        return self.compiled[key]

    def value(self, text: str, names: Mapping[str, Number], wary: bool = False) -> Number:
        """A text over parameters and targets; UndefinedError where it has no value."""
        formula = self.compile(text, wary=wary)
        try:
            return mp.make_mpf(formula({n: v._mpf_ for n, v in names.items()}))
        except KeyError as error:
            raise UnreadableError(f"{text!r} depends on {error}") from None

    def ordinary(self, s: Setting) -> bool:
        """Whether no parameter is extreme: near its limits, a property may fail only where numbers cannot tell.

        So the focal loss is not convex for gamma = 1/10000, by exp(-10000) beyond z = -10000.
        """
        return all(self.parameters[n].ordinary(v) for n, v in s.names.items())

    def depends_on_targets(self, text: str) -> bool:
        return any(isinstance(n, ast.Name) and n.id in self.inputs for n in ast.walk(parsed(text)))

    def holds(self, text: str, names: Mapping[str, Number]) -> bool | None:
        formula = self.compile(text)
        if not formula.logical:
            raise UnreadableError(f"{text!r} is no condition")
        try:
            return formula.holds({n: v._mpf_ for n, v in names.items()})
        except UndefinedError:
            return None
        except KeyError as error:
            raise UnreadableError(f"{text!r} depends on {error}") from None

    def case(self, text: str, names: Mapping[str, Number]) -> str | None:
        """The case of "[0, oo) if y == 0 else [y, oo)" that applies; None where it is not known which one does.

        A text without cases is the only one.
        """
        while (parts := cases(text)) is not None:
            first, condition, rest = parts
            truth = self.holds(condition, names)
            if truth is None:
                return None
            text = first if truth else rest
        return text

    def hinted(self, claims: Mapping[str, Any]) -> list[str]:
        """Texts of places that claims speak of: minimizers, ends of sets, witnesses."""
        found: list[str] = []
        told = str(claims.get("minimizer", {}).get("value", ""))
        while told:
            value, _, told = cases(told) or (told, "", "")
            found += [p.strip() for p in value[1:-1].split(",")] if value[:1] in ("[", "(") else [value]
        for claim in claims.values():
            for told in _leaves(claim.get("witness")):
                for v in _told(told, self.variable):
                    found += [v, f"-({v})"]
        out = []
        for text in dict.fromkeys(found):
            try:
                if text not in ("", "none", "oo", "-oo") and not self.compile(text).logical:
                    out.append(text)
            except UnreadableError:
                pass
        return out

    def places(self, names: Mapping[str, Number]) -> list[Number]:
        out = []
        for text in self.hints:
            with contextlib.suppress(UndefinedError, UnreadableError):
                out.append(self.value(text, names))
        return out

    def special(self, domain: Range) -> list[Number]:
        """Closed ends, and the numbers that are mentioned."""
        ends = [e for e, has in ((domain.low, domain.has_low), (domain.high, domain.has_high)) if has]
        return [v for v in dict.fromkeys([*ends, mpf(0), mpf(0.5), mpf(1), mpf(2), *self.constants]) if domain.has(v)]

    def pool(self, domain: Range) -> list[Number]:
        """Hard values of one parameter: both sides of every number that is mentioned, ends, extremes."""
        out = []
        for c in self.constants:
            for s in (1, -1):
                out += [s * c, s * c * mpf(65) / 64, s * c * mpf(63) / 64]
        out += [
            c + d
            for c in (domain.low, domain.high, *self.constants)
            if c is not None
            for d in (mpf(1) / 64, mpf(-1) / 64)
        ]
        out += [a + (b - a) / 2 for a, b in pairwise(sorted({*self.constants, mpf(0)}))]
        out += [mpf(v) for v in (1, 2, 0.5, 3)] + domain.hostile()
        return [v for v in dict.fromkeys(out) if domain.has(v)]

    def make(self, claims: Mapping[str, Any]) -> list[Setting]:
        rng, chosen = self.rng, list[dict[str, Number]]()
        names = list(self.parameters)
        if not names:
            chosen.append({})
        else:
            pools = {n: self.pool(self.parameters[n]) for n in names}
            chosen += [{n: d.draw(rng) for n, d in self.parameters.items()} for _ in range(5)]
            musts = [(n, v) for n, d in self.parameters.items() for v in self.special(d)]
            rng.shuffle(musts)
            more = 10 if len(names) == 1 else 16
            # Ends and numbers that are mentioned first, then hard values of some, ordinary ones of others.
            hard = musts[:more] + [(n, rng.choice(pools[n])) for n in (names * more)[: max(5, more - len(musts))]]
            for name, v in hard:
                row = {
                    m: rng.choice(p) if rng.random() < 0.3 else self.parameters[m].draw(rng) for m, p in pools.items()
                }
                chosen.append(row | {name: v})
            if len(names) > 1:
                for _ in range(2):
                    v = rng.choice(pools[names[0]])
                    equal = dict.fromkeys(names, v)
                    chosen += [equal] if all(d.has(v) for d in self.parameters.values()) else []
            for claim in claims.values():
                chosen += self.around(claim.get("condition"))
                given = claim.get("witness") if isinstance(claim.get("witness"), dict) else {}
                chosen += self.witnessed(dict(given or {}))
        unique = list({tuple(sorted((n, str(v)) for n, v in row.items())): row for row in chosen}.values())
        targets = 1
        for d in self.inputs.values():
            targets *= len(d.values) or 5
        targets = min(targets, 8)
        many = max(130 if len(unique) > 1 else 200, -(-self.points // (len(unique) * targets)))
        return [self.setting(row, targets, many) for row in unique]

    def around(self, condition: str | None) -> list[dict[str, Number]]:
        """Values at which a condition holds and does not, and on both sides of its boundary."""
        if not condition:
            return []
        found: dict[bool, list[dict[str, Number]]] = {True: [], False: []}
        pools = {n: self.pool(d) for n, d in self.parameters.items()}
        for i in range(60):
            row = {n: self.rng.choice(pools[n]) if (i + j) % 2 else d.draw(self.rng)
                   for j, (n, d) in enumerate(self.parameters.items())}  # fmt: skip
            truth = self.holds(condition, row)
            if truth is not None and all(abs(v) <= 1000 for v in row.values()):
                found[truth].append(row)
        out = found[True][:3] + found[False][:3]
        for yes, no in zip(found[True][:2], found[False][:2], strict=False):
            a, b = mpf(0), mpf(1)

            def mix(t: Number, yes: dict[str, Number] = yes, no: dict[str, Number] = no) -> dict[str, Number]:
                return {n: yes[n] + (no[n] - yes[n]) * t for n in yes}

            for _ in range(30):
                t = (a + b) / 2
                a, b = (t, b) if self.holds(condition, mix(t)) else (a, t)
            rows = [mix(t) for t in (a - mpf(1) / 64, b + mpf(1) / 16)]
            out += [row for row in rows if all(self.parameters[n].has(v) for n, v in row.items())]
        return out

    def witnessed(self, witness: Mapping[str, Any]) -> list[dict[str, Number]]:
        flat = dict(_entries(witness))
        row = {n: d.draw(self.rng) for n, d in self.parameters.items()}
        try:
            given = {n: self.value(str(flat[n]), {}) for n in self.parameters if n in flat}
        except (UndefinedError, UnreadableError):
            return []
        row |= given
        return [row] if given and all(self.parameters[n].has(v) for n, v in row.items()) else []

    def setting(self, row: dict[str, Number], targets: int, n: int) -> Setting:
        return Setting(row, [self.line(row, i, n) for i in range(targets)])

    def line(self, row: Mapping[str, Number], i: int, n: int) -> Line:
        """The i-th choice of targets: hard values first, then mixed."""
        names, rest = dict(row), i
        for name, d in self.inputs.items():
            pool = list(d.values)
            if not pool:
                pool = [d.draw(self.rng) for _ in range(2)]
                pool += [e for e, has in ((d.low, d.has_low), (d.high, d.has_high)) if has]
                pool += [mpf(1)] if d.has(mpf(1)) else []
                pool += self.rng.sample(hostile := d.hostile(), min(3, len(hostile)))
            names[name], rest = pool[rest % len(pool)], rest // len(pool) + (0 if d.values else i)
        return Line(self, names, n, self.places(names), self.seed + i)


def cases(text: str) -> tuple[str, str, str] | None:
    """The parts of "a if b else c", where a and c may be intervals; None for what has no cases.

    What stands in brackets, of whatever kind, has cases of its own.
    """
    depth, words = 0, list[int]()
    for i, c in enumerate(text):
        depth += (c in "([") - (c in ")]")
        if depth == 0 and text.startswith((" if ", " else "), i):
            words.append(i)
    if not words:
        return None
    if len(words) < 2 or not (text.startswith(" if ", words[0]) and text.startswith(" else ", words[1])):
        raise UnreadableError(f"{text!r} is not of the form a if b else c")
    a, b = words[:2]
    return text[:a].strip(), text[a + 4 : b].strip(), text[b + 6 :].strip()


def _plain(name: str) -> str:
    return "lambda_" if name == "lambda" else name


def _entries(witness: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(witness, Mapping):
        for key, v in witness.items():
            if isinstance(v, Mapping):
                yield from _entries(v)
            else:
                yield str(key), v


def _told(place: str, variable: str) -> list[str]:
    """Places within what a witness names: a number, "r = c", "-c < r < 0", "0 < r, then r = c", "r -> c from above"."""
    found: list[str] = []
    for part in re.split(r", then | and ", place):
        sides = [s.strip() for s in re.split(r"->|<=|<|=", re.sub(r" from (above|below)$", "", part))]
        ends = [s for s in sides if s not in (variable, "oo", "-oo")]
        found += ends
        if "<" in part and len(ends) == 2:
            found += [f"({ends[0]})*{k}/4 + ({ends[1]})*{4 - k}/4" for k in (1, 2, 3)]
        elif "<" in part and len(ends) == 1:
            way = "-" if sides[0] == variable else "+"
            found += [f"({ends[0]}) {way} {k}" for k in ("1/100", "1", "10")]
    return found


def _leaves(witness: Any) -> Iterator[str]:
    if isinstance(witness, Mapping):
        for v in witness.values():
            yield from _leaves(v)
    elif isinstance(witness, list | tuple):
        for v in witness:
            yield from _leaves(v)
    elif isinstance(witness, str | int | float) and not isinstance(witness, bool):
        yield str(witness)
