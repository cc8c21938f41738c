"""What is a kernel, between mathematics and text?

A small typed tree: REAL values and BOOL conditions. Precision is chosen when a
kernel is rendered. Equal nodes are one object, so that equal subexpressions
are found by a dictionary.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any, Literal
from weakref import WeakValueDictionary

from .ranges import Range

Type = Literal["real", "bool"]
Arithmetic = Literal["+", "-", "*", "/"]
Comparison = Literal["<", "<=", "==", "!="]


class _Interned(type):
    """Makes equal nodes one object: they are compared and hashed as objects, at once and however large a tree is."""

    def __call__(cls, *about: Any) -> Any:
        key = (cls, *about)
        with _LOCK:
            node = _NODES.get(key)
            if node is None:
                node = _NODES[key] = super().__call__(*about)
        return node


_NODES: WeakValueDictionary[tuple[Any, ...], Node] = WeakValueDictionary()
_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Node(metaclass=_Interned):
    """A node of the tree; `type` says what it evaluates to."""

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(getattr(self, f.name) for f in fields(self))

    @property
    def type(self) -> Type:
        return "real"

    @property
    def children(self) -> tuple[Node, ...]:
        return ()

    def rebuild(self, children: tuple[Node, ...]) -> Node:
        """The same node over other children."""
        return self


@dataclass(frozen=True, slots=True, eq=False)
class Const(Node):
    """An exact rational number."""

    value: Fraction


@dataclass(frozen=True, slots=True, eq=False)
class Var(Node):
    """An input, a parameter or a temporary, by name."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Elem(Node):
    """An element of a row: `vector[index]`."""

    vector: str
    index: str


@dataclass(frozen=True, slots=True, eq=False)
class Index(Node):
    """The number of the class that an index runs over, from 0."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Neg(Node):
    operand: Node

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.operand,)

    def rebuild(self, children: tuple[Node, ...]) -> Node:
        return Neg(*children)


@dataclass(frozen=True, slots=True, eq=False)
class Bin(Node):
    op: Arithmetic
    left: Node
    right: Node

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.left, self.right)

    def rebuild(self, children: tuple[Node, ...]) -> Node:
        return Bin(self.op, *children)


@dataclass(frozen=True, slots=True, eq=False)
class Call(Node):
    """A primitive function of the targets, such as exp, log1p or pow."""

    function: str
    arguments: tuple[Node, ...]

    @property
    def children(self) -> tuple[Node, ...]:
        return self.arguments

    def rebuild(self, children: tuple[Node, ...]) -> Node:
        return Call(self.function, children)


@dataclass(frozen=True, slots=True, eq=False)
class Cmp(Node):
    op: Comparison
    left: Node
    right: Node

    @property
    def type(self) -> Type:
        return "bool"

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.left, self.right)

    def rebuild(self, children: tuple[Node, ...]) -> Node:
        return Cmp(self.op, *children)


@dataclass(frozen=True, slots=True, eq=False)
class BoolOp(Node):
    op: Literal["and", "or", "not"]
    operands: tuple[Node, ...]

    @property
    def type(self) -> Type:
        return "bool"

    @property
    def children(self) -> tuple[Node, ...]:
        return self.operands

    def rebuild(self, children: tuple[Node, ...]) -> Node:
        return BoolOp(self.op, children)


@dataclass(frozen=True, slots=True, eq=False)
class Select(Node):
    """`then` where the condition holds, `otherwise` elsewhere; never a blend of both."""

    condition: Node
    then: Node
    otherwise: Node

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.condition, self.then, self.otherwise)

    def rebuild(self, children: tuple[Node, ...]) -> Node:
        return Select(*children)


@dataclass(frozen=True, slots=True, eq=False)
class Reduce(Node):
    """A reduction of `body` over all classes; `argmax` is the first class of the largest value."""

    op: Literal["sum", "max", "argmax"]
    index: str
    body: Node

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.body,)

    def rebuild(self, children: tuple[Node, ...]) -> Node:
        return Reduce(self.op, self.index, *children)


@dataclass(frozen=True, slots=True, eq=False)
class Spread(Node):
    """One value for each class: what an `Elem` of a temporary refers to."""

    index: str
    body: Node

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
    seen: dict[Node, None] = {}

    def visit(n: Node) -> None:
        if n not in seen:
            for child in n.children:
                visit(child)
            seen[n] = None

    visit(node)
    return iter(seen)


def rewrite(node: Node, rule: Callable[[Node], Node], memo: dict[Node, Node] | None = None) -> Node:
    """Apply a rule to every node, children first."""
    memo = {} if memo is None else memo
    if node not in memo:
        children = tuple(rewrite(c, rule, memo) for c in node.children)
        memo[node] = rule(node.rebuild(children) if children != node.children else node)
    return memo[node]


# Passes ask for the names in every subtree: those of its children are known by then.
_remembered = functools.lru_cache(maxsize=2**14)


@_remembered
def variables(node: Node) -> frozenset[str]:
    """The names of variables and vectors in a tree."""
    if isinstance(node, Var | Elem):
        return frozenset((node.name if isinstance(node, Var) else node.vector,))
    return frozenset().union(*map(variables, node.children))


@_remembered
def classes(node: Node) -> frozenset[str]:
    """The indices over classes in a tree, with those that its reductions run over."""
    if isinstance(node, Elem | Index):
        return frozenset((node.index if isinstance(node, Elem) else node.name,))
    return frozenset().union(*map(classes, node.children))


def used_names(assigns: Iterable[Assign]) -> frozenset[str]:
    """Every name that these assignments read: variables, vectors, and targets that are an index."""
    return frozenset().union(*(variables(a.value) | classes(a.value) for a in assigns))
