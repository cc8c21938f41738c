"""Which values of a kernel need more than one double?

A bound on the error of each value is known before the kernel runs: an operation adds its own rounding, and amplifies
the errors of what it is made of: exp(x) by the size of x, a sum by what its terms lose against each other, a product
by 1. Ranges bound the amplification. Errors are relative, in units of 2**-53; a unit is at most one ulp.

A value is *plain*, one double, or a *pair* hi + lo of about 106 bits. At first all that rounds is a pair. Then what
matters least is made plain again, as long as every output stays within the goal. Near a root of a sum no bound holds:
a plan answers for so much cancellation as pairs can stand, and says how much that is.

A plan knows nothing of underflow, nor of the error of a series that a formula was lowered to.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from .ir import Bin, BoolOp, Call, Cmp, Const, Kernel, Neg, Node, Select, Var
from .ranges import EVERYTHING, Range, added, applied, between, hull, inverse, multiplied, negative, squared

# The error of one operation in plain arithmetic, and of one function: of those in generated C see
# `tests/test_elementary`, of those of the C library the manual of glibc.
ROUNDING = 1.0
FUNCTION_ROUNDING: Mapping[str, float] = {
    "sqrt": 1.0, "exp": 1.6, "expm1": 1.6, "log": 1.4, "log1p": 1.4, "tanh": 1.6, "sin": 1.2, "cos": 1.2, "atan": 1.2,
    "arctan": 1.2, "pow": 1.2, "hypot": 3.0, "erf": 2.0, "sinh": 6.0, "cosh": 4.0,
}  # fmt: skip

# The same for pairs: a few units of 2**-104 for an operation, fewer bits for a function. A sine of a pair is the plain
# one, corrected for the second part.
PAIR_ROUNDING = 2.0**-48
PAIR_FUNCTIONS: Mapping[str, float] = {
    "sqrt": PAIR_ROUNDING, "hypot": 2.0**-46, "sin": 1.2, "cos": 1.2,
    **dict.fromkeys(("exp", "expm1", "log", "log1p", "tanh", "pow", "atan", "arctan", "sinh", "cosh"), 2.0**-11),
}  # fmt: skip

# exp(x) is 0 or infinite from here on.
LARGEST_EXPONENT = 746.0
# Nothing is said to amplify errors by more, so that bounds stay finite numbers.
LARGEST_FACTOR = 2.0**40

# What is compared may be that far off: a sum whose terms cancel has its sign from pairs.
COMPARED = 2.0

# What the pair of one function costs, that of an operation being 1; it decides only which values are made plain first.
FUNCTION_COST = 8.0


# By how much the terms of a sum may exceed it; the most for which pairs reach the goal is what a plan answers for.
CANCELLATIONS = tuple(2.0**n for n in (24, 18, 12, 8, 5, 3, 2, 1))


@dataclass(frozen=True, slots=True)
class Goal:
    """How exact the outputs shall be, in ulps."""

    loss: float
    derivatives: float
    cancellations: tuple[float, ...] = CANCELLATIONS

    def of(self, output: str) -> float:
        return self.loss if output == "loss" else self.derivatives


@dataclass(frozen=True, slots=True)
class Step:
    """One value: its node, the steps it is computed from, and by which `factors` that amplifies their errors.

    A `blend` is a weighted mean, or one of its two operands: its error is between theirs. `plain` and `pair` are its
    own errors in both forms. What `passes` on its operands adds no error and has their form.
    """

    node: Node
    range: Range = EVERYTHING
    operands: tuple[int, ...] = ()
    factors: tuple[float, ...] = ()
    blend: bool = False
    plain: float = 0.0
    pair: float | None = None
    passes: bool = False

    @property
    def may_be_pair(self) -> bool:
        return self.pair is not None

    def inherited(self, seen: Sequence[float]) -> float:
        """The error from those of the operands."""
        if not self.blend:
            return sum(f * e for f, e in zip(self.factors, seen, strict=True))
        (less, _), (more, factor) = sorted(zip(seen, self.factors, strict=True))
        return factor * more + (1 - factor) * less


@dataclass(frozen=True, slots=True)
class Errors:
    """The form and the error of every step, given which are pairs by choice."""

    steps: Sequence[Step]
    pairs: frozenset[int]
    units: Sequence[float]

    @classmethod
    def of(cls, steps: Sequence[Step], chosen: Iterable[int]) -> Errors:
        pairs, units = set(chosen), list[float]()
        for i, step in enumerate(steps):
            if step.passes and not pairs.isdisjoint(step.operands):
                pairs.add(i)
            is_pair = i in pairs
            # What is plain sees its operands rounded.
            seen = [units[j] + (j in pairs and not is_pair) for j in step.operands]
            own = 0.0 if step.passes else step.pair if is_pair else step.plain
            units.append((step.inherited(seen) if seen else 0.0) + (own or 0.0))
        return cls(steps, frozenset(pairs), units)

    def ulps(self, root: int) -> float:
        """The error of an output: what is rounded last is half an ulp off, however many units that is."""
        step = self.steps[root]
        if root in self.pairs:
            return 0.5 + self.units[root]
        if step.passes:
            return max(map(self.ulps, step.operands), default=0.0)
        return self.units[root] - step.plain / 2


@dataclass(frozen=True, slots=True)
class Plan:
    """Which values of some kernels are pairs, and a bound on the error of each output in ulps.

    The bounds hold where no sum is smaller than its terms by more than `cancellation`.
    """

    tree: Tree
    pairs: frozenset[int]
    bounds: Mapping[str, float]
    cancellation: float
    errors: Errors

    def is_pair(self, whole: Node) -> bool:
        """Of a node as `tree` makes it, with all temporaries put in."""
        return id(whole) in self.pairs

    def passed_on(self, whole: Bin) -> Node | None:
        """The operand that a product or quotient passes on, when the other only scales it."""
        step = next(s for s in self.errors.steps if s.node is whole)
        return self.errors.steps[step.operands[0]].node if step.passes else None


@dataclass(slots=True)
class Tree:
    """Nodes with their temporaries put in. Equal ones are one object: all kernels of a loss become one graph."""

    known: dict[tuple[object, ...], Node] = field(default_factory=dict)

    def names(self, kernel: Kernel) -> dict[str, Node]:
        """What each name of a kernel stands for; inputs, parameters and what counts as an input for themselves."""
        names: dict[str, Node] = {}
        for assign in (*kernel.prologue, *kernel.body):
            given = assign.name in kernel.rounded
            names[assign.name] = self.one(Var(assign.name)) if given else self.whole(assign.value, names)
        return names

    def whole(self, node: Node, names: Mapping[str, Node]) -> Node:
        if isinstance(node, Var):
            return names.get(node.name) or self.one(node)
        return self.one(node.rebuild(tuple(self.whole(c, names) for c in node.children)) if node.children else node)

    def one(self, node: Node) -> Node:
        """The one object for all nodes equal to this one, whose children are such objects."""
        about = getattr(node, "op", None) or getattr(node, "function", None)
        key = (type(node), about, *map(id, node.children)) if node.children else (node,)
        return self.known.setdefault(key, node)


def plan(kernels: Sequence[Kernel], goal: Goal) -> Plan:
    """The plan that serves all kernels of a loss, so that they agree in what they share."""
    for cancellation in goal.cancellations:
        tree, graph = Tree(), _Graph(cancellation)
        outputs = _read(kernels, tree, graph)
        limits = [(i, goal.of(name)) for name, roots in outputs.items() for i in sorted(roots)]
        limits += [(i, COMPARED) for i in graph.compared]
        everything = Errors.of(graph.steps, {i for i, s in enumerate(graph.steps) if s.may_be_pair})
        if all(everything.ulps(i) <= limit for i, limit in limits):
            break
    errors = _fewest(everything, limits)
    bounds = {name: max(map(errors.ulps, roots)) for name, roots in outputs.items()}
    return Plan(tree, frozenset(id(graph.steps[i].node) for i in errors.pairs), bounds, cancellation, errors)


def _read(kernels: Sequence[Kernel], tree: Tree, graph: _Graph) -> dict[str, set[int]]:
    """The kernels as steps of the graph; returns those of each output."""
    outputs: dict[str, set[int]] = {}
    for kernel in kernels:
        graph.domains |= dict(kernel.domains)
        names = tree.names(kernel)
        for assign in kernel.body:
            if assign.name in kernel.rounded:
                graph.domains[assign.name] = graph.range(tree.whole(assign.value, names))
        for output in kernel.outputs:
            outputs.setdefault(output.name, set()).add(graph.number(tree.whole(output.value, names)))
    return outputs


def _fewest(errors: Errors, limits: Sequence[tuple[int, float]]) -> Errors:
    """As few pairs as the limits allow: made plain in turn, first what matters least for what it costs."""
    steps = errors.steps
    chosen = {i for i, s in enumerate(steps) if s.may_be_pair}
    weights = _weights(steps, [i for i, _ in limits])
    # What even pairs do not reach may not get worse.
    allowed = [(i, max(limit, errors.ulps(i))) for i, limit in limits]

    def worth(i: int) -> tuple[float, int]:
        return weights[i] / (FUNCTION_COST if isinstance(steps[i].node, Call) else 1.0), i

    for i in sorted(chosen, key=worth):
        attempt = Errors.of(steps, chosen - {i})
        if all(attempt.ulps(root) <= limit for root, limit in allowed):
            chosen.discard(i)
            errors = attempt
    return errors


def _weights(steps: Sequence[Step], roots: Iterable[int]) -> list[float]:
    """How much of an error of each step arrives at the outputs, over all ways together."""
    weights = [0.0] * len(steps)
    for i in roots:
        weights[i] = 1.0
    for i in range(len(steps) - 1, -1, -1):
        for j, factor in zip(steps[i].operands, steps[i].factors, strict=True):
            weights[j] += weights[i] * factor
    return weights


# From nodes to steps ------------------------------------------------------------------------------


class _Graph:
    """The steps of some nodes, operands first."""

    def __init__(self, cancellation: float) -> None:
        self.cancellation = cancellation
        self.domains: dict[str, Range] = {}
        self.steps: list[Step] = []
        self.compared: list[int] = []
        self._numbers: dict[int, int] = {}

    def number(self, node: Node) -> int:
        if id(node) not in self._numbers:
            step = self._step(node)
            self._numbers[id(node)] = len(self.steps)
            self.steps.append(step)
        return self._numbers[id(node)]

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
        return Step(node, where, self._all(operands), (1.0,) * len(operands), blend=blend, passes=True)

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
                    return self._passing(node, where, other)
            return Step(node, where, operands, (1.0, 1.0), plain=ROUNDING, pair=PAIR_ROUNDING)
        b = b if op == "+" else negative(b)
        where = added(a, b)
        one_sign = a.sign * b.sign > 0
        most = 1.0 if one_sign else self.cancellation
        factors = tuple(min(most, _quotient(r.most, where.least)) for r in (a, b))
        return Step(node, where, operands, factors, blend=one_sign, plain=ROUNDING, pair=PAIR_ROUNDING)

    def _is_share(self, part: Node, total: Bin) -> bool:
        """Whether part/total is x/(x + y) or (x - y)/(x + y) for x and y of one sign: at most 1."""
        terms = {id(total.left), id(total.right)}
        parts = {id(part.left), id(part.right)} if isinstance(part, Bin) and part.op == "-" else {id(part)}
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
        where = self.range(node)
        return where.least == where.most and math.frexp(where.most)[0] in (0.0, 0.5)

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
        factors = tuple(min(f, LARGEST_FACTOR) for f in amplification(function, ranges, self.cancellation))
        if function == "fmod":
            return Step(node, where, self._all(arguments), factors)
        own = FUNCTION_ROUNDING[function]
        return Step(node, where, self._all(arguments), factors, plain=own, pair=PAIR_FUNCTIONS.get(function))


def amplification(function: str, ranges: Sequence[Range], cancellation: float) -> tuple[float, ...]:
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
        case "sinh" | "cosh":
            return (max(1.0, min(x.most, LARGEST_EXPONENT)),)
        case "sin":
            return (1.0 if x.most <= math.pi / 2 else cancellation,)
        case "cos":
            return (
                min(_quotient(x.most * math.sin(x.most), math.cos(x.most)), cancellation)
                if x.most < 1.5
                else cancellation,
            )
        case "pow":
            return min(ranges[1].most, LARGEST_EXPONENT), LARGEST_EXPONENT  # larger exponents are not answered for
        case "fmod":
            return cancellation, cancellation
    return (1.0,) * len(ranges)  # tanh, atan, erf, hypot


def _quotient(a: float, b: float) -> float:
    return math.inf if b == 0 or math.isinf(a) else abs(a / b)
