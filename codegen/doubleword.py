"""Which values of a kernel need more than one double?

A bound on the error of each value is known before the kernel runs: an operation adds its own rounding, and amplifies
the errors of what it is made of: exp(x) by the size of x, a sum by what its terms lose against each other, a product
by 1. Ranges bound the amplification. Errors are relative, in units of 2**-53; a unit is at most one ulp. Beside them
stand absolute ones, which a small term of a large sum keeps small.

A value is *plain*, one double, or a *pair* hi + lo of about 106 bits. At first all that rounds is a pair. Then what
matters least is made plain again, as long as every output stays within the goal. Near a root of a sum no bound holds:
a plan answers for so much cancellation as pairs can stand, and says how much that is.

A plan knows nothing of underflow, nor of the error of a series that a formula was lowered to.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from .ir import Assign, Bin, BoolOp, Call, Cmp, Const, Kernel, Neg, Node, Select, Var, rewrite
from .ranges import EVERYTHING, Range, added, applied, between, hull, inverse, multiplied, negative, squared

# The error of one operation in plain arithmetic, and of one function: of those in generated C see
# `tests/test_elementary`, of those of the C library the manual of glibc.
ROUNDING = 1.0
FUNCTION_ROUNDING: Mapping[str, float] = {
    "sqrt": 1.0, "exp": 1.6, "expm1": 1.6, "log": 1.4, "log1p": 1.4, "tanh": 1.6, "sin": 1.2, "cos": 1.2, "atan": 1.2,
    "arctan": 1.2, "pow": 1.2, "hypot": 4.0, "erf": 2.0, "sinh": 8.0, "cosh": 4.0,
}  # fmt: skip

# The same for pairs: a few units of 2**-104 for an operation, fewer bits for a function.
PAIR_ROUNDING = 2.0**-48
PAIR_FUNCTIONS: Mapping[str, float] = {
    "sqrt": PAIR_ROUNDING, "hypot": 2.0**-46,
    **dict.fromkeys(("exp", "expm1", "log", "log1p", "tanh", "pow", "atan", "arctan"), 2.0**-11),
    **dict.fromkeys(("sin", "cos", "sinh", "cosh"), 2.0**-10),
}  # fmt: skip

# A pair of fewer digits, at half the cost; what of cancellation a plan with such pairs answers for at most. Where more
# cancels, moving the inputs by half an ulp changes as much.
SHORT_FUNCTIONS: Mapping[str, float] = {"exp": 2.0**-4.2}
SHORT_CANCELLATION = 2.0

# exp(x) is 0 or infinite from here on.
LARGEST_EXPONENT = 746.0
# Nothing is said to amplify errors by more, so that bounds stay finite numbers.
LARGEST_FACTOR = 2.0**40

# What is compared may be that far off: a sum whose terms cancel has its sign from pairs.
COMPARED = 2.0

# What the pair of one function costs, that of an operation being 1; it decides only which values are made plain first.
FUNCTION_COST = 8.0


# Values that saturate are at an end of their range often, and there a sum may lose so much, root or not.
SATURATED = 8.0

# By how much the terms of a sum may exceed it; the most for which pairs reach the goal is what a plan answers for.
CANCELLATIONS = tuple(2.0**n for n in (24, 18, 12, 8, 5, 3, 2, 1))


@dataclass(frozen=True, slots=True)
class Goal:
    """How exact the outputs shall be, in ulps, for powers with exponents up to `exponent`."""

    loss: float
    derivatives: float
    cancellations: tuple[float, ...] = CANCELLATIONS
    exponent: float = LARGEST_EXPONENT

    def of(self, output: str) -> float:
        return self.loss if output == "loss" else self.derivatives


@dataclass(frozen=True, slots=True)
class Step:
    """One value: its node, the steps it is computed from, and by which `factors` that amplifies their errors.

    A `blend` is a weighted mean, or one of its two operands: its error is between theirs. `plain` and `pair` are its
    own errors in both forms, `short` that of a pair of fewer digits. What `passes` on its operands adds no error and
    has their form. `slopes` are the largest, by which absolute errors are amplified.
    """

    node: Node
    range: Range = EVERYTHING
    operands: tuple[int, ...] = ()
    factors: tuple[float, ...] = ()
    slopes: tuple[float, ...] = ()
    blend: bool = False
    plain: float = 0.0
    pair: float | None = None
    short: float | None = None
    passes: bool = False
    may_cancel: bool = False

    def inherited(self, seen: Sequence[Floats]) -> Floats:
        """The relative error from those of the operands."""
        if not self.blend:
            return functools.reduce(np.add, (f * units for f, units in zip(self.factors, seen, strict=True)))
        first, second = seen
        more = np.where(first > second, *self.factors)
        return np.asarray(more * np.maximum(first, second) + (1 - more) * np.minimum(first, second))

    @property
    def may_be_pair(self) -> bool:
        return self.pair is not None


Floats = NDArray[np.float64]
Choices = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Errors:
    """The form and the error of every step, in several plans at once: a row for each step, a column for each plan."""

    steps: Sequence[Step]
    pairs: Choices
    units: Floats
    absolute: Floats

    @classmethod
    def of(cls, steps: Sequence[Step], chosen: Choices, short: Choices | None = None) -> Errors:
        """Of the plans in which the chosen steps are pairs, some of them short ones."""
        plain, pair, few, most = (np.array(column)[:, None] for column in zip(*map(_own, steps), strict=True))
        own = np.where(chosen, pair if short is None else np.where(short, few, pair), plain)
        with np.errstate(all="ignore"):
            made = cls(steps, chosen.copy(), own, np.where(own == 0, 0.0, own * most))
            for i, step in enumerate(steps):
                if step.operands:
                    made._add(i, step)
        return made

    def _add(self, i: int, step: Step) -> None:
        """To the own errors of a step those that it has from its operands."""
        pairs, operands = self.pairs, step.operands
        if step.passes:
            pairs[i] |= pairs[list(operands)].any(axis=0)
        # What is plain sees its operands rounded.
        is_plain = ~pairs[i]
        rounded = [pairs[j] & is_plain for j in operands]
        seen = [self.units[j] + r for j, r in zip(operands, rounded, strict=True)]
        shifts = [
            self.absolute[j] + np.where(r, self.steps[j].range.most, 0.0)
            for j, r in zip(operands, rounded, strict=True)
        ]
        moved = [_times(shift, slope) for shift, slope in zip(shifts, step.slopes, strict=True)]
        relative = step.inherited(seen)
        absolute = functools.reduce(np.maximum if step.passes else np.add, moved)
        match step.node:
            case Call("exp", _):
                relative = np.fmin(relative, shifts[0])
            case Call("log", _):
                absolute = np.fmin(absolute, seen[0])
        if step.range.least > 0:
            relative = np.fmin(relative, absolute / step.range.least)
        self.units[i] += relative
        self.absolute[i] += np.fmin(absolute, _times(relative, step.range.most))

    def column(self, n: int) -> Errors:
        """One of the plans alone."""
        return Errors(self.steps, self.pairs[:, [n]], self.units[:, [n]], self.absolute[:, [n]])

    def ulps(self, root: int) -> Floats:
        """The error of an output: what is rounded last is half an ulp off, however many units that is."""
        step = self.steps[root]
        plain = self.units[root] - step.plain / 2
        if step.passes:
            plain = np.max([self.ulps(j) for j in step.operands], axis=0)
        return np.where(self.pairs[root], 0.5 + self.units[root], plain)


def _own(step: Step) -> tuple[float, float, float, float]:
    """What a step adds when it is plain, when it is a pair and when a short one, and its largest magnitude."""
    return step.plain, step.pair or 0.0, step.short or 0.0, step.range.most


def _times(a: Floats, b: float) -> Floats:
    """A product in which 0 times infinity is 0."""
    if b == 0:
        return np.zeros_like(a)
    return np.where(a == 0, 0.0, a * b) if math.isinf(b) else a * b


@dataclass(frozen=True, slots=True)
class Plan:
    """Which values of some kernels are pairs, and a bound on the error of each output in ulps.

    The bounds hold where no sum is smaller than its terms by more than `cancellation`.
    """

    pairs: frozenset[Node]
    short: frozenset[Node]
    in_order: frozenset[Node]
    bounds: Mapping[str, float]
    cancellation: float
    errors: Errors
    steps: Mapping[Node, Step]
    ranges: Mapping[Node, Range]

    def is_pair(self, node: Node) -> bool:
        """Of a node with all temporaries put in, as `whole` makes it."""
        return node in self.pairs

    def range(self, node: Node) -> Range:
        """Where a value lies, whatever the inputs: a caller may have their domains unchecked."""
        return self.ranges[node]

    def is_short(self, node: Node) -> bool:
        """Whether a pair may have fewer digits."""
        return node in self.short

    def is_in_order(self, node: Node) -> bool:
        """Whether the first part of a pair is its rounded value."""
        return node in self.in_order

    def may_cancel(self, node: Node) -> bool:
        """Whether a sum may be so much smaller than its terms that its second part is not small beside the first."""
        return self._step(node).may_cancel

    def passed_on(self, node: Bin) -> Node | None:
        """The operand that a product or quotient passes on, when the other only scales it."""
        step = self._step(node)
        return self.errors.steps[step.operands[0]].node if step.passes else None

    def _step(self, node: Node) -> Step:
        return self.steps[node]


def meanings(kernel: Kernel) -> dict[Node, Node]:
    """What the temporaries of a kernel stand for; what counts as an input stands for itself."""
    known: dict[Node, Node] = {}
    for assign in (*kernel.prologue, *kernel.body):
        if assign.name not in kernel.rounded:
            known[Var(assign.name)] = whole(assign.value, known)
    return known


def whole(node: Node, known: dict[Node, Node]) -> Node:
    """A node with its temporaries put in, so that all kernels of a loss become one graph; remembered in `known`."""
    return rewrite(node, lambda n: n, known)


def plan(kernels: Sequence[Kernel], goal: Goal) -> Plan:
    """The plan that serves all kernels of a loss, so that they agree in what they share."""
    put_in = [_put_in(kernel) for kernel in kernels]
    for cancellation in goal.cancellations:
        graph = _Graph(cancellation, goal.exponent)
        outputs = _read(put_in, graph)
        limits = [(i, goal.of(name)) for name, roots in outputs.items() for i in sorted(roots)]
        limits += [(i, COMPARED) for i in graph.compared]
        everything = np.array([[s.may_be_pair] for s in graph.steps], np.bool_)
        errors = Errors.of(graph.steps, everything)
        if all(errors.ulps(i)[0] <= limit for i, limit in limits):
            break
    # What even pairs do not reach may not get worse.
    errors = _fewest(errors, [(i, max(limit, float(errors.ulps(i)[0]))) for i, limit in limits])
    less = min(cancellation, SHORT_CANCELLATION)
    errors, short = _shortest(put_in, errors, goal, less)
    cancellation = less if short.any() else cancellation
    bounds = {name: max(float(errors.ulps(i)[0]) for i in roots) for name, roots in outputs.items()}
    pairs, shorter = (
        frozenset(s.node for s, chosen in zip(graph.steps, those[:, 0], strict=True) if chosen)
        for those in (errors.pairs, short)
    )
    steps = {s.node: s for s in graph.steps}
    return Plan(pairs, shorter, _in_order(errors), bounds, cancellation, errors, steps, _anywhere(put_in))


def _anywhere(kernels: Sequence[Kernel]) -> dict[Node, Range]:
    """Where values lie for any inputs, and parameters in their domains."""
    graph = _Graph(1.0, LARGEST_EXPONENT)
    _read([replace(k, domains=tuple(d for d in k.domains if d[0] in k.parameters)) for k in kernels], graph)
    return {step.node: step.range for step in graph.steps}


# Their results are in order; others leave a few ulps in the second part.
ORDERLY = frozenset({"exp", "log"})


def _in_order(errors: Errors) -> frozenset[Node]:
    """The nodes whose pairs come in order, or are one double."""
    found: set[Node] = set()
    for step, is_pair in zip(errors.steps, errors.pairs[:, 0], strict=True):
        operands = [errors.steps[j].node for j in step.operands]
        plain = not any(errors.pairs[j, 0] for j in step.operands)
        match step.node:
            case Bin("+" | "-"):
                ordered = plain or step.may_cancel
            case Bin("*") if not step.passes:
                ordered = plain
            case Bin("/") if not step.passes:
                ordered = False
            case Call(function, _) if not step.passes:
                ordered = function in ORDERLY
            case _:
                ordered = found.issuperset(operands)
        if ordered or not is_pair:
            found.add(step.node)
    return frozenset(found)


def _put_in(kernel: Kernel) -> Kernel:
    """The kernel without temporaries but those that count as an input."""
    known = meanings(kernel)
    body, outputs = (
        tuple(Assign(a.name, whole(a.value, known)) for a in assigns)
        for assigns in ([a for a in kernel.body if a.name in kernel.rounded], kernel.outputs)
    )
    return replace(kernel, prologue=(), body=body, outputs=outputs)


def _read(kernels: Sequence[Kernel], graph: _Graph) -> dict[str, set[int]]:
    """The kernels as steps of the graph; returns those of each output."""
    outputs: dict[str, set[int]] = {}
    for kernel in kernels:
        graph.domains |= dict(kernel.domains)
        for assign in kernel.body:
            graph.domains[assign.name] = graph.range(assign.value)
        for output in kernel.outputs:
            outputs.setdefault(output.name, set()).add(graph.number(output.value))
    return outputs


def _fewest(errors: Errors, limits: Sequence[tuple[int, float]]) -> Errors:
    """As few pairs as the limits allow: made plain in turn, first what matters least for what it costs."""
    steps, found = errors.steps, errors
    chosen = np.array([s.may_be_pair for s in steps], np.bool_)

    def without(sets: Sequence[Sequence[int]]) -> tuple[Errors, Floats]:
        """Plans that make more steps plain, and how much of what is allowed they use up where that is most."""
        made = Errors.of(steps, chosen[:, None] & ~_columns(len(steps), sets))
        return made, np.max([made.ulps(i) / limit for i, limit in limits if limit], axis=0, initial=0.0)

    while chosen.any():
        candidates = np.flatnonzero(chosen).tolist()
        trials, used = without([*([i] for i in candidates), candidates])
        if used[-1] <= 1:  # all of them, whatever the turn
            return trials.column(-1)
        alone = used[:-1]
        cost = np.array([FUNCTION_COST if isinstance(steps[i].node, Call) else 1.0 for i in candidates])
        turn = [candidates[k] for k in np.argsort((alone - alone.min()) / cost, kind="stable") if alone[k] <= 1]
        if not turn:
            break
        trials, used = without([turn[: n + 1] for n in range(len(turn))])
        fits = np.flatnonzero(used <= 1)
        last = int(fits[-1]) if fits.size else 0
        chosen[turn[: last + 1]] = False
        found = trials.column(last)
    return found


def _shortest(kernels: Sequence[Kernel], errors: Errors, goal: Goal, cancellation: float) -> tuple[Errors, Choices]:
    """The same pairs, as many of them short as the goal allows where less cancels; and which those are."""
    pairs, short = errors.pairs, np.zeros_like(errors.pairs)
    candidates = [i for i, step in enumerate(errors.steps) if step.short is not None and pairs[i, 0]]
    if not candidates:
        return errors, short
    graph = _Graph(cancellation, goal.exponent)
    outputs = _read(kernels, graph)
    limits = [(i, goal.of(name)) for name, roots in outputs.items() for i in roots]
    limits += [(i, COMPARED) for i in graph.compared]
    found = Errors.of(graph.steps, pairs)
    allowed = [(i, max(limit, float(found.ulps(i)[0]))) for i, limit in limits]
    for i in candidates:
        short[i] = True
        trial = Errors.of(graph.steps, pairs, short)
        short[i] = all(trial.ulps(j)[0] <= limit for j, limit in allowed)
        found = trial if short[i, 0] else found
    return (replace(found, steps=errors.steps), short) if short.any() else (errors, short)


def _columns(rows: int, members: Sequence[Sequence[int]]) -> Choices:
    """A column for each of the given sets of rows."""
    made = np.zeros((rows, len(members)), np.bool_)
    for column, those in enumerate(members):
        made[list(those), column] = True
    return made


# From nodes to steps ------------------------------------------------------------------------------


class _Graph:
    """The steps of some nodes, operands first."""

    def __init__(self, cancellation: float, exponent: float) -> None:
        self.cancellation = cancellation
        self.exponent = exponent
        self.domains: dict[str, Range] = {}
        self.steps: list[Step] = []
        self.compared: list[int] = []
        self._numbers: dict[Node, int] = {}

    def number(self, node: Node) -> int:
        if node not in self._numbers:
            step = self._step(node)
            self._numbers[node] = len(self.steps)
            self.steps.append(step)
        return self._numbers[node]

    def range(self, node: Node) -> Range:
        return self.steps[self.number(node)].range

    def _step(self, node: Node) -> Step:
        match node:
            case Const(value):
                number = float(value)
                where = Range(number, number, abs(number))
                if Fraction(number) == value:
                    return Step(node, where)
                return Step(node, where, plain=ROUNDING, pair=PAIR_ROUNDING)
            case Var(name):
                return Step(node, self.domains.get(name, EVERYTHING))
            case Neg(operand):
                return self._passing(node, negative(self.range(operand)), operand)
            case Select(condition, then, otherwise):
                self.number(condition)
                return self._passing(node, hull(self.range(then), self.range(otherwise)), then, otherwise)
            case Cmp() | BoolOp():
                numbers = [self.number(c) for c in node.children]
                self.compared += numbers if isinstance(node, Cmp) else []
                return Step(node)
            case Bin(op, left, right):
                return self._arithmetic(node, op, left, right)
            case Call(function, arguments):
                return self._function(node, function, arguments)
        raise TypeError(f"a plan is for scalar kernels; got a {type(node).__name__}")

    def _passing(self, node: Node, where: Range, *operands: Node) -> Step:
        blend = len(operands) > 1
        ones = (1.0,) * len(operands)
        return Step(node, where, self._all(operands), ones, ones, blend=blend, passes=True)

    def _all(self, nodes: Iterable[Node]) -> tuple[int, ...]:
        return tuple(self.number(n) for n in nodes)

    def _arithmetic(self, node: Node, op: str, left: Node, right: Node) -> Step:
        a, b = self.range(left), self.range(right)
        operands = self._all((left, right))
        if op in "*/":
            where = squared(a) if left is right and op == "*" else multiplied(a, b if op == "*" else inverse(b))
            if op == "/" and isinstance(right, Bin) and right.op == "+" and self._is_share(left, right):
                where = between(max(where.low, -1.0), min(where.high, 1.0), where.least)
            for unit, other in ((right, left), (left, right)):
                if self._is_unit(unit) and (op == "*" or unit is right):
                    size = self.range(unit).most
                    return replace(self._passing(node, where, other), slopes=(size if op == "*" else 1 / size,))
            slopes = (b.most, a.most) if op == "*" else (_quotient(1.0, b.least), _quotient(where.most, b.least))
            return Step(node, where, operands, (1.0, 1.0), slopes, plain=ROUNDING, pair=PAIR_ROUNDING)
        b = b if op == "+" else negative(b)
        where = added(a, b)
        one_sign = a.sign * b.sign > 0
        most = 1.0 if one_sign else max((self.cancellation, *_at_ends(a, b), *_at_ends(b, a)))
        factors = tuple(min(most, _quotient(r.most, where.least)) for r in (a, b))
        # Where no term exceeds the sum, they are of one sign.
        blend, may_cancel = most == 1.0, not one_sign
        return Step(node, where, operands, factors, (1.0, 1.0), blend, ROUNDING, PAIR_ROUNDING, may_cancel=may_cancel)

    def _is_share(self, part: Node, total: Bin) -> bool:
        """Whether part/total is x/(x + y) or (x - y)/(x + y) for x and y of one sign: at most 1."""
        terms = {total.left, total.right}
        parts = {part.left, part.right} if isinstance(part, Bin) and part.op == "-" else {part}
        return parts <= terms and self.range(total.left).sign * self.range(total.right).sign > 0

    def _is_unit(self, node: Node) -> bool:
        """Whether multiplication by a value is exact: a power of two, 0, or a sign."""
        match node:
            case Call("sign", _):
                return True
            case Neg(x) | Call("abs", (x,)):
                return self._is_unit(x)
            case Bin("*", a, b):
                return self._is_unit(a) and self._is_unit(b)
            case Const() | Var():
                where = self.range(node)
                return where.least == where.most and math.frexp(where.most)[0] in (0.0, 0.5)
        return False

    def _function(self, node: Node, function: str, arguments: tuple[Node, ...]) -> Step:
        ranges = tuple(self.range(a) for a in arguments)
        where = applied(function, ranges)
        match function:
            case "abs":
                return self._passing(node, where, *arguments)
            case "max" | "min":
                return self._passing(node, where, *arguments)
            case "sign" | "nearest" | "infinity":
                # Of the nearest integer only the value minus it is used, and that does not jump.
                self.compared += self._all(arguments) if function == "sign" else ()
                return Step(node, where)
        factors = tuple(
            min(f, LARGEST_FACTOR) for f in amplification(function, ranges, self.cancellation, self.exponent)
        )
        if function == "fmod":
            return Step(node, where, self._all(arguments), factors, (math.inf,) * len(factors))
        own = FUNCTION_ROUNDING[function]
        slope = 1.0 if function in ("tanh", "atan", "arctan", "sin", "cos", "hypot") else math.inf
        slopes = (slope,) * len(factors)
        pair, short = PAIR_FUNCTIONS.get(function), SHORT_FUNCTIONS.get(function)
        return Step(node, where, self._all(arguments), factors, slopes, plain=own, pair=pair, short=short)


def _at_ends(x: Range, number: Range) -> tuple[float, ...]:
    """By how much x exceeds x + number at the ends of its range, unless there is a root."""
    ends = (x.low, x.high) if number.low == number.high else ()
    exceeds = [_quotient(x, x + number.low) for x in ends if math.isfinite(x) and x + number.low != 0]
    return tuple(factor for factor in exceeds if factor <= SATURATED)


def amplification(
    function: str, ranges: Sequence[Range], cancellation: float, exponent: float = LARGEST_EXPONENT
) -> tuple[float, ...]:
    """By how much a function amplifies the relative errors of its arguments: |x f'(x)/f(x)| at most."""
    x = ranges[0]
    match function:
        case "exp":
            return (min(x.most, LARGEST_EXPONENT),)
        case "expm1":
            return (max(1.0, min(x.high + 1.0, LARGEST_EXPONENT)),)
        case "log":
            return (min(_quotient(1.0, applied("log", (x,)).least), cancellation),)
        case "log1p":
            low = max(x.low, -1.0)
            return (
                1.0
                if low >= 0
                else min(_quotient(low, (1.0 + low) * math.log1p(low) if low > -1 else 0.0), cancellation),
            )
        case "sqrt":
            return (0.5,)
        case "sinh":  # x*coth(x)
            return (min(x.most / math.tanh(x.most), LARGEST_EXPONENT) if x.most > 0.01 else 1.0001,)
        case "cosh":
            return (min(x.most, LARGEST_EXPONENT),)
        case "sin":
            return (1.0 if x.most <= math.pi / 2 else cancellation,)
        case "cos":
            return (
                min(_quotient(x.most * math.sin(x.most), math.cos(x.most)), cancellation)
                if x.most < 1.5
                else cancellation,
            )
        case "pow":
            return min(ranges[1].most, exponent), LARGEST_EXPONENT  # larger exponents are not answered for
        case "fmod":
            return cancellation, cancellation
    return (1.0,) * len(ranges)  # tanh, atan, erf, hypot


def _quotient(a: float, b: float) -> float:
    return math.inf if b == 0 or math.isinf(a) else abs(a / b)
