"""How is a value written down that needs two doubles?

The tree stays what it is: a plan says which values are pairs, and their operations are printed as calls of `pair_...`
functions, of which there are cheaper ones for operands that are plain. A pair is brought to order, so that its first
part is its rounded value, only where that is needed: where a sum cancels, where sizes are compared, and at the end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .doubleword import Plan, whole
from .ir import Bin, Call, Const, Neg, Node, Select, Var
from .target import Printer, TargetError

# By the forms of the operands: a pair is p, a double d.
_OPERATIONS = {
    "+": {"dd": "pair_sum({0}, {1})", "pd": "pair_add_d({0}, {1})", "dp": "pair_add_d({1}, {0})",
          "pp": "pair_add({0}, {1})"},
    "-": {"dd": "pair_diff({0}, {1})", "pd": "pair_add_d({0}, -{1})", "dp": "pair_add_d(pair_neg({1}), {0})",
          "pp": "pair_sub({0}, {1})"},
    "*": {"dd": "pair_prod({0}, {1})", "pd": "pair_mul_d({0}, {1})", "dp": "pair_mul_d({1}, {0})",
          "pp": "pair_mul({0}, {1})"},
    "/": {"dd": "pair_quot({0}, {1})", "pd": "pair_div({0}, pair_of({1}))", "dp": "pair_div(pair_of({0}), {1})",
          "pp": "pair_div({0}, {1})"},
}  # fmt: skip
_NAMES = {"arctan": "atan"}
# What takes arguments of a narrow range, and which.
_NARROW = {"exp": ("exp_down", -math.inf, 0.0), "log1p": ("log1p_unit", 0.0, 1.0)}
_OF_ORDERED = frozenset({"max", "min", "pow"})


@dataclass(frozen=True, slots=True)
class PairPrinter(Printer):
    """Prints what is plain as ever, and a pair where a double is wanted by its rounded value.

    `meanings` says what the temporaries of the kernel stand for.
    """

    plan: Plan | None = None
    meanings: dict[Node, Node] | None = None

    def _whole(self, node: Node) -> Node:
        assert self.meanings is not None
        return whole(node, self.meanings)

    def is_pair(self, node: Node) -> bool:
        return self.plan is not None and self.plan.is_pair(self._whole(node))

    def is_in_order(self, node: Node) -> bool:
        """Whether the first part of a pair is its rounded value; so it is where one double is the whole value."""
        return self.plan is None or self.plan.is_in_order(self._whole(node))

    def _print(self, node: Node) -> tuple[str, int]:
        if not self.is_pair(node):
            return Printer._print(self, Call(self._narrow(node), node.arguments) if isinstance(node, Call) else node)
        return f"pair_{'value' if self.is_in_order(node) else 'rounded'}({self.pair(node)})", 9

    def _narrow(self, call: Call) -> str:
        """The function to be called: a shorter one where the argument is known to be in its range."""
        if self.plan is not None and call.function in _NARROW:
            name, least, most = _NARROW[call.function]
            where = self.plan.range(self._whole(call.arguments[0]))
            if least <= where.low and where.high <= most:
                return name
        return call.function

    def _ordered(self, node: Node) -> str:
        """The text of a node as a pair in order."""
        text = self.pair(node)
        return text if self.is_in_order(node) else f"pair_order({text})"

    def pair(self, node: Node) -> str:
        """The text of a node as a pair."""
        if not self.is_pair(node):
            return f"pair_of({self(node)})"
        match node:
            case Const(value):
                high = float(value)
                return f"(pair){{{high!r}, {float(value - type(value)(high))!r}}}"
            case Var(name):
                return self.names[name]
            case Neg(operand):
                return f"pair_neg({self.pair(operand)})"
            case Select(condition, then, otherwise):
                return f"pair_if({self(condition)}, {self.pair(then)}, {self.pair(otherwise)})"
            case Bin():
                return self._operation(node)
            case Call(function, arguments):
                written = map(self._ordered if function in _OF_ORDERED else self.pair, arguments)
                short = "_short" if self.plan is not None and self.plan.is_short(self._whole(node)) else ""
                return f"pair_{_NAMES.get(function, self._narrow(node))}{short}({', '.join(written)})"
        raise TargetError(f"there are no pairs of {type(node).__name__}")

    def _operation(self, node: Bin) -> str:
        meant = self._whole(node)
        assert self.plan is not None and isinstance(meant, Bin)
        if (kept := self.plan.passed_on(meant)) is not None:
            pair, unit = (node.left, node.right) if meant.left is kept else (node.right, node.left)
            scale = self(unit) if node.op == "*" else f"1.0 / {self._at(unit, 7)}"
            return f"pair_scale({self.pair(pair)}, {scale})"
        operands = (node.left, node.right)
        forms = "".join("p" if self.is_pair(o) else "d" for o in operands)
        texts = [self.pair(o) if f == "p" else self._at(o, 8) for o, f in zip(operands, forms, strict=True)]
        text = _OPERATIONS[node.op][forms].format(*texts)
        return f"pair_order({text})" if node.op in "+-" and "p" in forms and self.plan.may_cancel(meant) else text
