"""What does a target language need to say?

A target is a record: how it writes literals, calls, choices and conditions,
what it reserves, which template gives its files their shape. What it cannot
say is refused before anything is printed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from ..spec.model import SpecError
from .ir import Bin, BoolOp, Call, Cmp, Const, Elem, Index, Kernel, Neg, Node, Select, Var, walk


class TargetError(SpecError):
    """A kernel uses what a target cannot express."""


@dataclass(frozen=True, slots=True)
class Precision:
    """A floating-point format: its name in kernels and in C, and the suffixes C gives it."""

    name: str
    c_type: str
    function_suffix: str
    literal_suffix: str


FLOAT64 = Precision("f64", "double", "", "")
FLOAT32 = Precision("f32", "float", "f", "f")


@dataclass(frozen=True, slots=True)
class Target:
    """One language.

    `calls` are formats of the printed arguments and of the function suffix {s} (in capitals {S});
    `typed` gives a literal the precision of the kernel where no array beside it does.
    """

    name: str
    extension: str
    template: str
    calls: Mapping[str, str]
    literal: Callable[[Fraction, Precision], str]
    select: str
    typed: str
    boolean: Mapping[str, str]
    reserved: frozenset[str]
    precisions: tuple[Precision, ...]
    eager_select: bool

    def with_calls(self, calls: Mapping[str, str]) -> Target:
        """The same language, some functions by other names."""
        return dataclasses.replace(self, calls={**self.calls, **calls})


# How tightly an operator binds; what binds less tightly than its place asks for gets parentheses.
_BINDING = {"or": 1, "and": 2, "not": 3, "<": 4, "<=": 4, "==": 4, "!=": 4, "+": 5, "-": 5, "*": 6, "/": 6, "neg": 7}
_ATOMIC = 9


@dataclass(frozen=True, slots=True)
class Printer:
    """Prints IR for one target and precision. `names` maps IR names to identifiers; `element` prints vector[index]."""

    target: Target
    precision: Precision
    names: Mapping[str, str]
    element: Callable[[str, str], str] = "{}[{}]".format
    index: Callable[[str], str] = str

    def __call__(self, node: Node) -> str:
        return self._print(node)[0]

    def _at(self, node: Node, binding: int) -> str:
        """The text of a node, in parentheses where its place binds more tightly."""
        text, own = self._print(node)
        return text if own >= binding else f"({text})"

    def _print(self, node: Node) -> tuple[str, int]:
        match node:
            case Const(value):
                text = self.target.literal(value, self.precision)
                return text, _BINDING["neg"] if value < 0 else _ATOMIC
            case Var(name):
                return self.names[name], _ATOMIC
            case Elem(vector, index):
                return self.element(vector, index), _ATOMIC
            case Index(name):
                return self.index(name), _ATOMIC
            case Neg(operand):
                return f"-{self._at(operand, _BINDING['neg'] + 1)}", _BINDING["neg"]
            case Bin(op, left, right):
                own = _BINDING[op]
                return f"{self._at(left, own)} {op} {self._at(right, own + 1)}", own
            case Cmp(op, left, right):
                # One level up: numpy's & and | bind more tightly than comparisons.
                return f"({self._at(left, _BINDING[op] + 1)} {op} {self._at(right, _BINDING[op] + 1)})", _ATOMIC
            case BoolOp(op, operands):
                parts = [self._at(o, _ATOMIC) for o in operands]
                if op == "not":
                    return f"{self.target.boolean[op]}{parts[0]}", _BINDING["neg"]
                return f"({f' {self.target.boolean[op]} '.join(parts)})", _ATOMIC
            case Select(condition, then, otherwise):
                c, a, b = (self(n) for n in (condition, then, otherwise))
                if isinstance(then, Const) and isinstance(otherwise, Const):
                    a = self.target.typed.format(a)
                return self.target.select.format(c=c, a=a, b=b), _ATOMIC
            case Call(function, arguments):
                texts = [self(a) for a in arguments]
                suffix = self.precision.function_suffix
                return self.target.calls[function].format(*texts, s=suffix, S=suffix.upper()), _ATOMIC
        raise TargetError(f"{self.target.name} cannot print {type(node).__name__}")


def refuse_unknown(kernel: Kernel, target: Target) -> None:
    """Raise TargetError, before anything is printed, when the target lacks a function the kernel calls."""
    assigns = (*kernel.prologue, *kernel.body, *kernel.outputs)
    missing = {
        n.function for a in assigns for n in walk(a.value) if isinstance(n, Call) and n.function not in target.calls
    }
    if missing:
        raise TargetError(
            f"the target {target.name} has no {', '.join(sorted(missing))} (needed by {kernel.name}); "
            f"it knows {', '.join(sorted(target.calls))}"
        )
