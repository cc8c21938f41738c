"""What is a loss?

A `Loss` is one formula and the declarations that give it meaning. The formula
is kept as its author wrote it, in the variable the field uses (the residual
r = f - y, the margin m = y*f, or f itself); `definitions` say what that
variable stands for, and `full_expression` puts it in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sympy import Expr, Symbol
from sympy.tensor.indexed import IndexedBase

from .domains import Box, Domain, OneHot, Simplex

Role = Literal["prediction", "target", "weight"]
Variable: TypeAlias = Symbol | IndexedBase


class SpecError(ValueError):
    """A loss is declared in a way that cannot be meant."""


@dataclass(frozen=True, slots=True)
class Argument:
    """A prediction or a target: a scalar symbol, or an IndexedBase for vectors."""

    symbol: Variable
    role: Role
    domain: Domain

    @property
    def name(self) -> str:
        return str(self.symbol)

    @property
    def size(self) -> Symbol | None:
        """The symbolic length of a vector argument; None for a scalar."""
        return self.domain.size if isinstance(self.domain, Box | Simplex | OneHot) else None


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that the user chooses; without a default it must be given."""

    symbol: Symbol
    domain: Domain
    default: Expr | None = None

    @property
    def name(self) -> str:
        return str(self.symbol)


@dataclass(frozen=True, slots=True)
class Definition:
    """An abbreviation in the formula: `symbol` stands for `meaning`."""

    symbol: Symbol
    meaning: Expr


@dataclass(frozen=True, slots=True)
class Loss:
    """One loss function: formula, arguments, parameters and where it comes from.

    `expression` is the author's formula. `inverse_link` maps the raw score to
    the mean (identity when None). `remarks` are sentences for the reader, such
    as what other libraries choose at a kink. `equivalents` name the same loss
    in other libraries, with the factor between them.
    """

    name: str
    title: str
    summary: str
    expression: Expr
    arguments: tuple[Argument, ...]
    parameters: tuple[Parameter, ...] = ()
    references: tuple[str, ...] = ()
    family: str = "custom"
    definitions: tuple[Definition, ...] = ()
    inverse_link: Expr | None = None
    remarks: tuple[str, ...] = ()
    equivalents: tuple[str, ...] = ()

    @property
    def predictions(self) -> tuple[Argument, ...]:
        return tuple(a for a in self.arguments if a.role == "prediction")

    @property
    def targets(self) -> tuple[Argument, ...]:
        return tuple(a for a in self.arguments if a.role == "target")

    @property
    def size(self) -> Symbol | None:
        """The symbolic number of classes K; None when every argument is a scalar."""
        return next((a.size for a in self.arguments if a.size is not None), None)

    @property
    def base(self) -> Literal["residual", "margin"] | None:
        """Whether the formula is declared in the residual, the margin, or neither."""
        names = {str(d.symbol) for d in self.definitions}
        return "residual" if names == {"r"} else "margin" if names == {"m"} else None

    @property
    def full_expression(self) -> Expr:
        """The formula in the arguments themselves."""
        return self.expression.xreplace({d.symbol: d.meaning for d in self.definitions})

    def parameter(self, name: str) -> Parameter:
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        known = ", ".join(p.name for p in self.parameters) or "none"
        raise SpecError(f"{self.name} has no parameter {name!r}; its parameters: {known}")


def expect_loss(given: Any, use: str) -> Loss:
    """`given` itself if it is a Loss; otherwise a TypeError that says what to pass to `use`."""
    if isinstance(given, Loss):
        return given
    owner, _, called = getattr(given, "__qualname__", "").rpartition(".")
    facts = getattr(given, "facts", None)
    if isinstance(given, str):
        what, remedy = repr(given[:80]), f"of a formula, pass lf.parse({given[:80]!r})"
    elif owner == "losses" and callable(given):
        what, remedy = f"lf.losses.{called}", f'pass lf.catalog["{called}"], its formula'
    elif isinstance(facts, dict) and "name" in facts:
        what = f"the compiled function {facts['name']}"
        remedy = f'pass the Loss it was made from; of a catalogue loss this is lf.catalog["{facts["name"]}"]'
    else:
        what, remedy = (
            f"a value of type {type(given).__name__}",
            'pass one such as lf.parse("r**2") or lf.catalog["huber"]',
        )
    raise TypeError(f"{use} takes a Loss, got {what}; {remedy}")
