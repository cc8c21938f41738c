"""Do the bounds of a plan hold? Random kernels are run as planned, each rounding made as bad as it may be."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from extent import about
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf

from lossforge.codegen.doubleword import LARGEST_EXPONENT, Errors, Goal, Plan, Step, amplification, plan
from lossforge.codegen.ir import Assign, Bin, Call, Cmp, Const, Kernel, Neg, Node, Select, Var
from lossforge.codegen.ranges import Range

# f, p, q and y in {-1, 1}
DOMAINS = {"f": Range(), "p": Range(0.0, 1.0), "q": Range(0.0), "y": Range(-1.0, 1.0, 1.0)}
ACCURATE = Goal(1.1, 1.0)
LOOSE = Goal(13.0, 13.0, (2.0,))
UNIT = mpf(2) ** -53

_constants = st.sampled_from([Const(Fraction(v)) for v in ("1", "2", "1/2", "3", "1/3", "-1/10", "7/4")])
_leaves = st.one_of(st.sampled_from([Var(name) for name in DOMAINS]), _constants)


def _grow(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    def call(function: str, *arguments: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        return st.builds(lambda *a: Call(function, a), *arguments)

    size = inner.map(lambda n: Call("abs", (n,)))
    above_one = size.map(lambda n: Bin("+", Const(Fraction(1)), n))
    return st.one_of(
        *(st.builds(lambda a, b, op=op: Bin(op, a, b), inner, inner) for op in "+-*/"),
        inner.map(lambda n: Bin("*", n, n)),
        inner.map(Neg),
        size,
        call("exp", size.map(Neg)),
        call("exp", inner.map(lambda n: Neg(Bin("*", n, n)))),
        *(call(f, inner) for f in ("exp", "expm1", "tanh", "sinh", "sin", "atan")),
        *(call(f, size) for f in ("log1p", "sqrt")),
        call("log", above_one),
        call("hypot", inner, inner),
        call("pow", above_one, st.one_of(_constants, st.just(Var("q")))),
        call("max", inner, inner),
        call("min", inner, inner),
        above_one.map(lambda n: Bin("/", Const(Fraction(1)), n)),
        st.builds(lambda a, b, c: Select(Cmp("<=", a, c), a, b), inner, inner, _constants),
    )


trees = st.recursive(_leaves, _grow, max_leaves=8).filter(lambda n: bool(n.children))
points = st.fixed_dictionaries({
    "f": st.floats(-40, 40), "p": st.floats(0, 1), "q": st.floats(0, 20), "y": st.sampled_from([-1.0, 1.0]),
})  # fmt: skip


def kernel(*values: Node) -> Kernel:
    outputs = tuple(Assign(name, v) for name, v in zip(("loss", "gradient"), values, strict=False))
    return Kernel("loss", tuple(DOMAINS), (), outputs, domains=tuple(DOMAINS.items()))


class OutsideError(Exception):
    """A point that a plan does not answer for."""


_CALLS = {
    "abs": abs, "max": max, "min": min, "exp": mp.exp, "expm1": mp.expm1, "log": mp.log, "log1p": mp.log1p,
    "tanh": mp.tanh, "sinh": mp.sinh, "sin": mp.sin, "atan": mp.atan, "sqrt": mp.sqrt, "hypot": mp.hypot,
    "pow": mp.power,
}  # fmt: skip


def value(node: Node, point: Mapping[str, float], of: Mapping[int, Any]) -> Any:
    match node:
        case Const(number):
            return mpf(number.numerator) / number.denominator
        case Var(name):
            return mpf(point[name])
        case Neg(x):
            return -of[id(x)]
        case Bin(op, a, b):
            x, y = of[id(a)], of[id(b)]
            return x + y if op == "+" else x - y if op == "-" else x * y if op == "*" else x / y
        case Cmp(_, a, b):
            return of[id(a)] <= of[id(b)]
        case Select(c, a, b):
            return of[id(a)] if of[id(c)] else of[id(b)]
        case Call(function, arguments):
            return _CALLS[function](*(of[id(a)] for a in arguments))
    raise TypeError(node)


def answers_for(step: Step, exact: Mapping[int, Any], steps: tuple[Step, ...], cancellation: float) -> None:
    """Raise OutsideError where the step amplifies errors by more than a plan answers for, or leaves the doubles."""
    node, result = step.node, exact[id(step.node)]
    if isinstance(node, Cmp):
        return
    if isinstance(result, mpmath.mpc) or not mp.isfinite(result) or (result and abs(mp.log(abs(result), 2)) > 900):
        raise OutsideError
    operands = [abs(exact[id(c)]) for c in node.children]
    if isinstance(node, Bin) and node.op in "+-" and max(operands) > 0.9 * cancellation * abs(result):
        raise OutsideError
    if isinstance(node, Call) and node.function in ("log", "sin", "exp", "sinh", "pow"):
        here = [Range(float(x), float(x), abs(float(x))) for x in (exact[id(c)] for c in node.children)]
        local = amplification(node.function, here, 2.0**60)
        if node.function == "pow" and abs(here[1].low) > 0.9 * LARGEST_EXPONENT:
            raise OutsideError
        if node.function == "sin" and abs(here[0].low) > 0.9 * cancellation * abs(mp.tan(here[0].low)):
            raise OutsideError
        if node.function == "log" and local[0] > 0.9 * cancellation:
            raise OutsideError
        if node.function in ("exp", "sinh") and here[0].most > 0.9 * LARGEST_EXPONENT:
            raise OutsideError


def run(made: Plan, point: Mapping[str, float], rng: random.Random) -> tuple[list[Any], list[Any]]:
    """Every step exactly, and as the plan says; each error of its own is the largest that it may be."""
    steps, pairs = made.errors.steps, {*np.flatnonzero(made.errors.pairs[:, 0])}
    exact: dict[int, Any] = {}
    found: dict[int, Any] = {}
    with mp.workprec(400):
        for i, step in enumerate(steps):
            node = step.node
            try:
                exact[id(node)] = value(node, point, exact)
            except (ZeroDivisionError, ValueError):
                raise OutsideError from None
            answers_for(step, exact, tuple(steps), made.cancellation)
            rounded = {id(c): rounding(found[id(c)]) for c in node.children} if i not in pairs else found
            computed = value(node, point, rounded)
            if isinstance(node, Cmp):
                if computed != exact[id(node)]:
                    raise OutsideError
            elif i in pairs and not step.passes:
                own = step.short if made.is_short(node) else step.pair
                computed *= 1 + rng.choice((-1, 1)) * mpf(own) * UNIT
            elif i not in pairs:
                computed = rounding(computed * (1 + rng.choice((-1, 1)) * max(step.plain - 1, 0) * UNIT))
            found[id(node)] = computed
    return [exact[id(s.node)] for s in steps], [found[id(s.node)] for s in steps]


def rounding(x: Any) -> Any:
    with mp.workprec(53):
        return +x if isinstance(x, mpf) else x


@pytest.mark.parametrize("goal", [ACCURATE, LOOSE], ids=["accurate", "loose"])
@settings(max_examples=about(800, 4), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(trees, min_size=1, max_size=2), st.lists(points, min_size=1, max_size=4), st.integers(0, 2**32))
def test_no_error_exceeds_its_bound(goal: Goal, values: list[Node], where: list[dict[str, float]], seed: int) -> None:
    made = plan([kernel(*values)], goal)
    for point in where:
        try:
            exact, found = run(made, point, random.Random(seed))
        except OutsideError:
            continue
        with mp.workprec(400):
            for step, bound, x, computed in zip(
                made.errors.steps, made.errors.units[:, 0].tolist(), exact, found, strict=True
            ):
                if not isinstance(step.node, Cmp):
                    assert abs(computed - x) <= abs(x) * UNIT * bound * (1 + mpf(2) ** -20), (step, point)
                    slack = abs(x) * mpf(2) ** -40 + mpf(2) ** -60
                    assert step.range.low - slack <= x <= step.range.high + slack, (step, point)
                    assert abs(x) + slack >= step.range.least, (step, point)


def test_what_a_plan_makes_plain() -> None:
    """Exact work stays plain; what is amplified, or lost, becomes a pair."""
    f, y, one = Var("f"), Var("y"), Const(Fraction(1))
    exact = plan([kernel(Bin("*", Const(Fraction(2)), Call("abs", (Bin("*", y, f),))))], ACCURATE)
    assert not exact.pairs and exact.bounds == {"loss": 0}
    assert not plan([kernel(Call("exp", (f,)))], ACCURATE).pairs
    square = Bin("*", f, f)
    welsch = plan([kernel(Call("exp", (Neg(square),)))], ACCURATE)
    assert {type(s.node) for s, pair in zip(welsch.errors.steps, welsch.errors.pairs[:, 0], strict=True) if pair} == {
        Bin,
        Neg,
        Call,
    }
    decay = Call("exp", (Neg(Call("abs", (f,))),))
    sigmoid = plan([kernel(Bin("/", decay, Bin("+", one, decay)))], ACCURATE)
    assert sigmoid.bounds["loss"] < 0.65 and len(sigmoid.pairs) == 3
    assert not plan([kernel(Bin("/", decay, Bin("+", one, decay)))], LOOSE).pairs


def test_the_inner_terms_of_a_series_stay_plain() -> None:
    p = Call("min", (Const(Fraction(1, 2)), Var("p")))
    series: Node = Const(Fraction(1))
    for n in range(16, 0, -1):
        series = Bin("+", Const(Fraction(1)), Bin("/", Bin("*", p, series), Const(Fraction(n))))
    made = plan([kernel(series)], ACCURATE)
    assert made.bounds["loss"] <= 1.1 and len(made.pairs) < 8


def test_a_plan_that_is_too_plain_is_caught() -> None:
    """Without its pairs the square in an exponent shows, and so does a sum that cancels."""
    f = Var("f")
    made = plan([kernel(Call("exp", (Neg(Bin("*", f, f)),)))], ACCURATE)
    steps = made.errors.steps
    spoilt = dataclasses.replace(made, errors=dataclasses.replace(made.errors, pairs=np.zeros_like(made.errors.pairs)))
    worst = 0.0
    for n in range(200):
        exact, found = run(spoilt, {"f": 20 + n / 97}, random.Random(n))
        worst = max(worst, float(abs(found[-1] / exact[-1] - 1) / UNIT))
    assert worst > 50 * made.bounds["loss"]
    assert Errors.of(steps, np.zeros((len(steps), 1), np.bool_)).ulps(len(steps) - 1)[0] > worst
