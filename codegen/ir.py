"""What is a kernel, between mathematics and text?

A small typed tree: REAL values and BOOL conditions. Precision is chosen when a
kernel is rendered. Nodes compare by structure, with hashes computed once, so
that equal subexpressions are found by a dictionary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import Literal

from .ranges import Range

Type = Literal["real", "bool"]
Arithmetic = Literal["+", "-", "*", "/"]
Comparison = Literal["<", "<=", "==", "!="]


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the tree; `type` says what it evaluates to."""

    _hash: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        key = (type(self).__name__, *(getattr(self, f.name) for f in fields(self) if f.compare))
        object.__setattr__(self, "_hash", hash(key))

    def __hash__(self) -> int:
        return self._hash

    @property
    def type(self) -> Type:
        return "real"

    @property
    def children(self) -> tuple[Node, ...]:
        return ()

    def rebuild(self, children: tuple[Node, ...]) -> Node:
        """The same node over other children."""
        return self


@dataclass(frozen=True, slots=True)
class Const(Node):
    """An exact rational number."""

    value: Fraction
    __hash__ = Node.__hash__


@dataclass(frozen=True, slots=True)
class Var(Node):
    """An input, a parameter or a temporary, by name."""

    name: str
    __hash__ = Node.__hash__


@dataclass(frozen=True, slots=True)
class Elem(Node):
    """An element of a row: `vector[index]`."""

    vector: str
    index: str
    __hash__ = Node.__hash__


@dataclass(frozen=True, slots=True)
class Index(Node):
    """The number of the class that an index runs over, from 0."""

    name: str
    __hash__ = Node.__hash__


@dataclass(frozen=True, slots=True)
class Neg(Node):
    operand: Node
    __hash__ = Node.__hash__

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.operand,)

    def rebuild(self, children: tuple[Node, ...]) -> Node:
        return Neg(*children)


@dataclass(frozen=True, slots=True)
class Bin(Node):
    op: Arithmetic
    left: Node
    right: Node
    __hash__ = Node.__hash__

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.left, self.right)

    def rebuild(self, children: tuple[Node, ...]) -> Node:
        return Bin(self.op, *children)


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A primitive function of the targets, such as exp, log1p or pow."""

    function: str
    arguments: tuple[Node, ...]
    __hash__ = Node.__hash__

    @property
    def children(self) -> tuple[Node, ...]:
        return self.arguments

    def rebuild(self, children: tuple[Node, ...]) -> Node:
        return Call(self.function, children)


@dataclass(frozen=True, slots=True)
class Cmp(Node):
    op: Comparison
    left: Node
    right: Node
    __hash__ = Node.__hash__

    @property
    def type(self) -> Type:
        return "bool"

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.left, self.right)

    def rebuild(self, children: tuple[Node, ...]) -> Node:
        return Cmp(self.op, *children)


@dataclass(frozen=True, slots=True)
class BoolOp(Node):
    op: Literal["and", "or", "not"]
    operands: tuple[Node, ...]
    __hash__ = Node.__hash__

    @property
    def type(self) -> Type:
        return "bool"

    @property
    def children(self) -> tuple[Node, ...]:
        return self.operands

    def rebuild(self, children: tuple[Node, ...]) -> Node:
        return BoolOp(self.op, children)


@dataclass(frozen=True, slots=True)
class Select(Node):
    """`then` where the condition holds, `otherwise` elsewhere; never a blend of both."""

    condition: Node
    then: Node
    otherwise: Node
    __hash__ = Node.__hash__

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.condition, self.then, self.otherwise)

    def rebuild(self, children: tuple[Node, ...]) -> Node:
        return Select(*children)


@dataclass(frozen=True, slots=True)
class Reduce(Node):
    """A reduction of `body` over all classes; `argmax` is the first class of the largest value."""

    op: Literal["sum", "max", "argmax"]
    index: str
    body: Node
    __hash__ = Node.__hash__

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.body,)

    def rebuild(self, children: tuple[Node, ...]) -> Node:
        return Reduce(self.op, self.index, *children)


@dataclass(frozen=True, slots=True)
class Spread(Node):
    """One value for each class: what an `Elem` of a temporary refers to."""

    index: str
    body: Node
    __hash__ = Node.__hash__

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.body,)

    def rebuild(self, children: tuple[Node, ...]) -> Node:
        return Spread(self.index, *children)


@dataclass(frozen=True, slots=True)
class Assign:
    """A temporary and what it stands for."""

    name: str
    value: Node


@dataclass(frozen=True, slots=True)
class Pivot:
    """Where a condition on one variable changes over: what an untaken branch may be evaluated at."""

    condition: Node
    variable: str
    point: Node


@dataclass(frozen=True, slots=True)
class Kernel:
    """A function over arrays: for each element, the outputs from the inputs.

    `prologue` depends on the parameters only, `body` on the element. The
    outputs are named; an output of a K-class kernel has `axes` of its own, the
    indices it runs over (none for the loss, j for the gradient, j and k for the
    Hessian). `index_target` marks kernels whose target is a class number.
    `predictions` are the inputs whose NaN every output passes on. `domains` says
    where inputs and parameters lie; `rounded` names what counts as an input
    although it is computed, such as the residual: its rounding is no error.
    """

    name: str
    inputs: tuple[str, ...]
    parameters: tuple[str, ...]
    outputs: tuple[Assign, ...]
    prologue: tuple[Assign, ...] = ()
    body: tuple[Assign, ...] = ()
    pivots: tuple[Pivot, ...] = ()
    axes: tuple[tuple[str, ...], ...] = ()
    vectors: tuple[str, ...] = ()
    index_target: str | None = None
    weighted: bool = True
    predictions: tuple[str, ...] = ()
    domains: tuple[tuple[str, Range], ...] = ()
    rounded: tuple[str, ...] = ()

    @property
    def is_vector(self) -> bool:
        return bool(self.vectors)


def walk(node: Node) -> Iterator[Node]:
    """Every node of a tree, each distinct one once, children first."""
    seen: set[Node] = set()

    def visit(n: Node) -> Iterator[Node]:
        if n in seen:
            return
        seen.add(n)
        for child in n.children:
            yield from visit(child)
        yield n

    return visit(node)


def rewrite(node: Node, rule: Callable[[Node], Node], memo: dict[Node, Node] | None = None) -> Node:
    """Apply a rule to every node, children first."""
    memo = {} if memo is None else memo
    if node not in memo:
        children = tuple(rewrite(c, rule, memo) for c in node.children)
        memo[node] = rule(node.rebuild(children) if children != node.children else node)
    return memo[node]


def variables(node: Node) -> frozenset[str]:
    """The names of variables and vectors in a tree."""
    return frozenset(n.name if isinstance(n, Var) else n.vector for n in walk(node) if isinstance(n, Var | Elem))


def classes(node: Node) -> frozenset[str]:
    """The indices over classes in a tree, with those that its reductions run over."""
    return frozenset(n.index if isinstance(n, Elem) else n.name for n in walk(node) if isinstance(n, Elem | Index))


def used_names(assigns: Iterable[Assign]) -> frozenset[str]:
    """Every name that these assignments read: variables, vectors, and targets that are an index."""
    return frozenset().union(*(variables(a.value) | classes(a.value) for a in assigns))
