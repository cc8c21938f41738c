"""How does a kernel become several short loops, with the functions that it calls between them?

A compiler's time goes into functions such as the power, inlined wherever one is called, and a loop with several has
more values at hand than there are registers. So they run over a whole block of rows, and are compiled once: a loop
computes what the calls need, the calls follow, then the next loop. What it needs of the former waits in arrays.
"""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass

from .ir import Assign, Call, Kernel, Node, Var, rewrite, used_names

HEAVY = frozenset({"exp", "expm1", "log", "log1p", "tanh", "pow", "arctan", "hypot", "sinh", "cosh"})


@dataclass(frozen=True, slots=True)
class Stage:
    """A loop over rows, and the calls after it. It `reads` what is in arrays already."""

    body: tuple[Assign, ...]
    reads: tuple[str, ...] = ()
    calls: tuple[Assign, ...] = ()

    @property
    def in_arrays(self) -> frozenset[str]:
        """What this stage needs or makes in arrays."""
        return used_names(self.calls).union(self.reads, (a.name for a in self.calls))


def apart(kernel: Kernel) -> Kernel:
    """Every heavy call, and every argument of one, under a name of its own in the body."""
    body: dict[str, Assign] = {}
    names: dict[Node, Var] = {}
    given = {*kernel.inputs, *kernel.parameters, *(a.name for a in (*kernel.prologue, *kernel.body))}
    fresh = (name for i in itertools.count() if (name := f"a{i}") not in given)

    def add(name: str, value: Node) -> Var:
        body[name] = Assign(name, value)
        return names.setdefault(value, Var(name))

    def named(node: Node) -> Var:
        return node if isinstance(node, Var) and node.name in body else names.get(node) or add(next(fresh), node)

    def with_names(call: Node) -> Node:
        return call.rebuild(tuple(map(named, call.children)))

    def rule(node: Node) -> Node:
        return named(with_names(node)) if _is_heavy(node) else node

    memo: dict[Node, Node] = {}
    for assign in kernel.body:
        value = assign.value
        if _is_heavy(value):
            add(assign.name, with_names(value.rebuild(tuple(rewrite(c, rule, memo) for c in value.children))))
        else:
            add(assign.name, rewrite(value, rule, memo))
    outputs = tuple(Assign(o.name, rewrite(o.value, rule, memo)) for o in kernel.outputs)
    return dataclasses.replace(kernel, body=tuple(body.values()), outputs=outputs)


def stages(kernel: Kernel) -> list[Stage]:
    """The loops of a kernel whose heavy calls stand apart; the outputs belong to the last.

    A call comes as early as it can, for few loops; anything else is computed where it is needed first. Conditions are
    computed again in each loop, as arrays of them make poor vector code.
    """
    level: dict[str, int] = {}  # how many calls on each other lie before
    for a in kernel.body:
        level[a.name] = max((level.get(n, 0) for n in used_names([a])), default=0) + _is_heavy(a.value)
    made: list[Stage] = []
    kept: set[str] = set()
    for here in range(max(level.values(), default=0) + 1):
        calls = tuple(a for a in kernel.body if _is_heavy(a.value) and level[a.name] == here + 1)
        wanted = {*used_names(calls or kernel.outputs)}
        body: list[Assign] = []
        for a in reversed(kernel.body):
            if a.name in wanted and a.name not in kept:
                body.insert(0, a)
                wanted |= used_names([a])
        read = used_names(body if calls else (*body, *kernel.outputs))
        made.append(Stage(tuple(body), tuple(a.name for a in kernel.body if a.name in read & kept), calls))
        kept |= {a.name for a in (*body, *calls) if a.value.type == "real"}
    return made


def _is_heavy(node: Node) -> bool:
    return isinstance(node, Call) and node.function in HEAVY
