"""What does a target language need to say?

A target is a record: how it writes literals, calls, choices and conditions,
what it reserves, which template gives its files their shape. What it cannot
say is refused before anything is printed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
class Arrays:
    """How a library of arrays writes what goes beyond single elements.

    `head` is the first line of a function with typed literals. `fill` gives an output that is a number or an input the
    shape of the predictions, in an array of its own; None where the caller does that. `helpers` are functions that the
    library has not, by the name that kernels call.
    """

    head: str
    reduce: Mapping[str, str]
    take: str
    broadcast: str
    classes: str
    fill: str | None
    helpers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Target:
    """One language.

    `calls` are formats of the printed arguments and of the function suffix {s} (in capitals {S});
    `typed` gives a literal the precision of the kernel where no array beside it does. Where functions take no
    numbers, `argument` makes an array of one, unless `of_number` has a call whose first argument is a number.
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
    arrays: Arrays | None = None
    argument: str = "{0}"
    of_number: Mapping[str, str] = field(default_factory=dict)

    def with_calls(self, calls: Mapping[str, str]) -> Target:
        """The same language, some functions by other names."""
        return dataclasses.replace(self, calls={**self.calls, **calls})


# How tightly an operator binds; what binds less tightly than its place asks for gets parentheses.
_BINDING = {"or": 1, "and": 2, "not": 3, "<": 4, "<=": 4, "==": 4, "!=": 4, "+": 5, "-": 5, "*": 6, "/": 6, "neg": 7}
_ATOMIC = 9
_INFINITY = Call("infinity", ())


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
                a, b = self._at(left, _BINDING[op] + 1), self._at(right, _BINDING[op] + 1)
                if _is_number(left) and _is_number(right):
                    a = self.target.argument.format(a)
                return f"({a} {op} {b})", _ATOMIC
            case BoolOp(op, operands):
                parts = [self._at(o, _ATOMIC) for o in operands]
                if op == "not":
                    return f"{self.target.boolean[op]}{parts[0]}", _BINDING["neg"]
                return f"({f' {self.target.boolean[op]} '.join(parts)})", _ATOMIC
            case Select(condition, then, otherwise):
                c, a, b = (self(n) for n in (condition, then, otherwise))
                if _is_number(then) and _is_number(otherwise):
                    a = self.target.typed.format(a)
                return self.target.select.format(c=c, a=a, b=b), _ATOMIC
            case Call(function, arguments):
                texts = [self(a) for a in arguments]
                numbers = [_is_number(a) for a in arguments]
                call = self.target.calls[function]
                if numbers[:1] == [True] and function in self.target.of_number:
                    call, numbers[0] = self.target.of_number[function], False
                texts = [self.target.argument.format(t) if n else t for t, n in zip(texts, numbers, strict=True)]
                suffix = self.precision.function_suffix
                return call.format(*texts, s=suffix, S=suffix.upper()), _ATOMIC
        raise TargetError(f"{self.target.name} cannot print {type(node).__name__}")


def _is_number(node: Node) -> bool:
    """Whether a node is printed as a plain number."""
    return isinstance(node, Const) or node in (_INFINITY, Neg(_INFINITY))


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
