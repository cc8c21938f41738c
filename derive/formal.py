"""What is a formula with its derivatives, before it is seen on a cell? Elements over the variables themselves.

A `Formal` tower reads the formula as it is near a sample point: comparisons come out as they do there, and products in
logarithms and powers are taken apart by the signs that their factors have there. So its elements, and their
derivatives, are those of the formula wherever every generator can be formed; whoever moves an element into the tower of
a cell has that shown for all of the cell (`Tower.move`: arguments of logarithms are positive there, and divisors do not
vanish; lemma `formal`).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from flint import arb

from .reading import Unproved
from .tower import Budget, Element, Generator, Sign, Tower, Units

_NEAR = arb(10) ** -40


def number(e: Element, at: dict[int, Any], memo: dict[int, Any] | None = None) -> Any:
    """The value of an expression at values of its coordinates."""
    memo = {} if memo is None else memo
    tower = e.tower
    Budget.spend(2 * (len(e.num) + len(e.den)))

    def value(p: Any) -> Any:
        total = arb(0)
        for powers, c in p.to_dict().items():
            term = arb(c)
            for i, k in tower.powers(powers):
                term *= generator(tower.generators[i]) ** k
            total += term
        return total

    def generator(g: Generator) -> Any:
        if g.index not in memo:
            memo[g.index] = g.ball if g.ball is not None else at[g.index] if g.kind == "variable" else function(g)
        return memo[g.index]

    def function(g: Generator) -> Any:
        u = [value(x.num) / value(x.den) for x in g.of]
        match g.kind:
            case "exp":
                return u[0].expm1() if g.shift else u[0].exp()
            case "log":
                return u[0].log() * u[1]
            case "power":
                return u[0] ** u[1] - g.shift
            case "arc":
                below, above = (
                    s * (1 / u[0]).atan() if s * u[0] > 0 else arb.pi() / 2 - s * u[0].atan() for s in (1, -1)
                )
                return 2 * u[0].atan() / below if g.shift == 2 else above / below
            case "ndtr":
                return 2 / (u[0] / arb(2).sqrt()).erfc() - 2
            case "mills":
                return (-u[0] * u[0] / 2).exp() / (u[0] * (u[0] / arb(2).sqrt()).erfc() * (arb.pi() / 2).sqrt()) - 1
        return getattr(u[0], g.kind)()

    return value(e.num) / value(e.den)


class Formal(Tower):
    """A tower over the variables themselves at a sample point.

    Comparisons come out as `outcomes` says, in the order of reading; without it as numbers say, which proves nothing.
    """

    def __init__(
        self,
        sample: dict[str, Any],
        positive: set[str],
        units: Units,
        outcomes: Sequence[bool] | None = None,
    ) -> None:
        super().__init__(units)
        self.replayed = None if outcomes is None else list(outcomes)
        self.at = {self.variable(n, 2 if n in positive else None): v for n, v in sample.items()}
        self.conditions: list[tuple[Element, type, bool]] = []

    def replay(self, outcomes: Sequence[bool], read: Callable[[], Element]) -> Element:
        """What is read where comparisons come out so, each of them met."""
        self.replayed = list(outcomes)
        e = read()
        if self.replayed:
            raise Unproved("outcomes of comparisons that were not met")
        return e

    def element_of(self, name: str) -> Element:
        return self.element(self.generators[self.names[name]])

    def all(self) -> dict[str, Element]:
        return {n: self.element_of(n) for n in self.names}

    def _polynomial_sign(self, p: Any) -> Sign:
        known = super()._polynomial_sign(p)
        if known in (2, -2):
            return known
        v = number(Element(self, p), self.at)
        return -2 if v < 0 else 2

    def factor_sign(self, p: Any) -> Sign:
        """It cannot vanish where the product is positive, so its sign at the sample is that on all of the cell."""
        v = number(Element(self, p), self.at)
        if not (v > 0 or v < 0):
            raise Unproved("a factor whose sign at the sample is not known")
        return 2 if v > 0 else -2

    def unit(self, kind: str, key: Any, c: Fraction) -> int:
        return super().unit(f"formal {kind}", key, c)

    def positive(self, e: Element, what: str) -> None:
        if not number(e, self.at) > 0:
            raise Unproved(f"{what}: not positive at the sample")

    def sine(self, u: Element, quarters: int) -> Element:
        s = self.cached("sin", (u.num, u.den), lambda: self.new("sin", None, u, ball=arb.sin))
        c = self.cached("cos", (u.num, u.den), lambda: self.new("cos", None, u, ball=arb.cos))
        return self.element(c if quarters % 2 else s) * (-1 if quarters % 4 >= 2 else 1)

    def compared(self, e: Element, op: type, test: ast.expr) -> bool:
        true = met(op, number(e, self.at)) if self.replayed is None else self.replayed.pop(0)
        self.conditions.append((e, op, true))
        return true


def met(op: type, v: Any) -> bool:
    """Whether a - b = v meets the comparison a ? b."""
    if op in (ast.Eq, ast.NotEq):
        return bool(abs(v) < _NEAR) == (op is ast.Eq)
    if op in (ast.LtE, ast.GtE) and abs(v) < _NEAR:
        return True
    return bool(v > 0 if op in (ast.Gt, ast.GtE) else v < 0)
