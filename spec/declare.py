"""How is a loss written in Python?

`@loss` turns a function into a `Loss`: the annotations are the roles and
domains, the defaults are the parameters' defaults, the docstring is the
documentation, and the body is the mathematics, written naively.

    @loss
    def huber(r: Residual, delta: Positive = 1):
        \"\"\"Quadratic near zero, linear in the tails.

        Reference: Huber (1964), Robust estimation of a location parameter.
        \"\"\"
        return Piecewise((r**2 / 2, Abs(r) <= delta), (delta * (Abs(r) - delta / 2), True))

Annotations of your own: `Annotated[Any, ParameterIn("[1, 2)")]`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, get_args, get_origin, get_type_hints, overload

from sympy import Expr, IndexedBase, Symbol, sympify

from .domains import contains, parse_domain, scalar_symbol, size_symbol
from .model import Argument, Definition, Loss, Parameter, Role, SpecError, Variable


@dataclass(frozen=True, slots=True)
class ParameterIn:
    """Annotation of a parameter with its domain."""

    domain: str


@dataclass(frozen=True, slots=True)
class ArgumentIn:
    """Annotation of a prediction or a target with its domain."""

    role: Role
    domain: str


@dataclass(frozen=True, slots=True)
class Shorthand:
    """Annotation of a variable that stands for an expression in y and f."""

    target_domain: str
    meaning: Callable[[Symbol, Symbol], Expr]
    family: str


K = size_symbol("K")
j, k = (Symbol(name, integer=True, positive=True) for name in "jk")

if TYPE_CHECKING:  # in a body, these are SymPy expressions
    Residual: TypeAlias = Any
    Margin: TypeAlias = Any
    Score: TypeAlias = Any
    Logit: TypeAlias = Any
    Probability: TypeAlias = Any
    Scores: TypeAlias = Any
    Probabilities: TypeAlias = Any
    RealTarget: TypeAlias = Any
    NonNegativeTarget: TypeAlias = Any
    UnitTarget: TypeAlias = Any
    BinaryTarget: TypeAlias = Any
    ClassTarget: TypeAlias = Any
    SimplexTarget: TypeAlias = Any
    RealParameter: TypeAlias = Any
    Positive: TypeAlias = Any
    NonNegative: TypeAlias = Any
    OpenUnit: TypeAlias = Any
    ClosedUnit: TypeAlias = Any
else:
    Residual = Shorthand("(-oo, oo)", lambda y, f: f - y, "regression")
    Margin = Shorthand("{-1, 1}", lambda y, f: y * f, "binary")
    Score = Logit = ArgumentIn("prediction", "(-oo, oo)")
    Probability = ArgumentIn("prediction", "[0, 1]")
    Scores = ArgumentIn("prediction", "(-oo, oo)^K")
    Probabilities = ArgumentIn("prediction", "[0, 1]^K")
    RealTarget = ArgumentIn("target", "(-oo, oo)")
    NonNegativeTarget = ArgumentIn("target", "[0, oo)")
    UnitTarget = ArgumentIn("target", "[0, 1]")
    BinaryTarget = ArgumentIn("target", "{0, 1}")
    ClassTarget = ArgumentIn("target", "one_hot(K)")
    SimplexTarget = ArgumentIn("target", "simplex(K)")
    RealParameter = ParameterIn("(-oo, oo)")
    Positive = ParameterIn("(0, oo)")
    NonNegative = ParameterIn("[0, oo)")
    OpenUnit = ParameterIn("(0, 1)")
    ClosedUnit = ParameterIn("[0, 1]")

Body = Callable[..., Any]


def make_argument(name: str, role: Role, domain_text: str) -> Argument:
    """An argument whose symbol carries its domain; an IndexedBase for vectors."""
    domain = parse_domain(domain_text)
    size = getattr(domain, "size", None)
    symbol: Variable = scalar_symbol(name, domain) if size is None else IndexedBase(name, shape=(size,), real=True)
    return Argument(symbol, role, domain)


def make_parameter(name: str, domain_text: str, default: object = None) -> Parameter:
    """A parameter whose symbol carries its domain. Raises SpecError for a default outside it."""
    domain = parse_domain(domain_text)
    value = None if default is None else sympify(str(default) if isinstance(default, float) else default, rational=True)
    if value is not None and not contains(domain, value):
        raise SpecError(f"the default of {name} is {default}, outside its domain {domain.text}")
    return Parameter(scalar_symbol(name, domain), domain, value)


@overload
def loss(body: Body) -> Loss: ...
@overload
def loss(
    *,
    title: str = ...,
    family: str = ...,
    inverse_link: Body | None = ...,
    remarks: tuple[str, ...] = ...,
    equivalents: tuple[str, ...] = ...,
) -> Callable[[Body], Loss]: ...
def loss(
    body: Body | None = None,
    *,
    title: str = "",
    family: str = "",
    inverse_link: Body | None = None,
    remarks: tuple[str, ...] = (),
    equivalents: tuple[str, ...] = (),
) -> Loss | Callable[[Body], Loss]:
    """Declare a loss by a Python signature.

    `inverse_link` is a function of the prediction. Raises SpecError when a
    parameter of the function has no annotation, or none that gives a domain.
    """

    def declare(function: Body) -> Loss:
        arguments: list[Argument] = []
        parameters: list[Parameter] = []
        definitions: list[Definition] = []
        values: dict[str, Variable] = {}
        families = [family] if family else []
        hints = get_type_hints(function, include_extras=True)
        for name, parameter in inspect.signature(function).parameters.items():
            hint = hints.get(name)
            kind = get_args(hint)[1] if get_origin(hint) is Annotated else hint
            match kind:
                case Shorthand(target_domain, meaning, shorthand_family):
                    y, f = make_argument("y", "target", target_domain), make_argument("f", "prediction", "(-oo, oo)")
                    arguments += [y, f]
                    values[name] = Symbol(name, real=True)
                    definitions.append(Definition(values[name], meaning(y.symbol, f.symbol)))
                    families.append(shorthand_family)
                case ArgumentIn(role, domain):
                    arguments.append(make_argument(name, role, domain))
                    values[name] = arguments[-1].symbol
                case ParameterIn(domain):
                    given = None if parameter.default is inspect.Parameter.empty else parameter.default
                    parameters.append(make_parameter(name, domain, given))
                    values[name] = parameters[-1].symbol
                case _:
                    raise SpecError(
                        f"{function.__name__}: {name} is annotated {kind!r}; expected a role or a domain from "
                        "lossforge.spec.declare, such as Residual, Logit or Positive"
                    )
        summary, references = _docstring(function)
        prediction = next((a for a in arguments if a.role == "prediction"), None)
        if prediction is None:
            raise SpecError(f"{function.__name__} has no prediction: annotate a variable as Residual, Margin or Score")
        return Loss(
            name=function.__name__,
            title=title or function.__name__.replace("_", " ").capitalize(),
            summary=summary,
            expression=sympify(function(**values)),
            arguments=tuple(arguments),
            parameters=tuple(parameters),
            references=references,
            family=(families or ["custom"])[0],
            definitions=tuple(definitions),
            inverse_link=None if inverse_link is None else inverse_link(prediction.symbol),
            remarks=remarks,
            equivalents=equivalents,
        )

    return declare if body is None else declare(body)


def _docstring(function: Body) -> tuple[str, tuple[str, ...]]:
    """The summary line, and the lines that start with `Reference:`."""
    text = inspect.getdoc(function) or ""
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    references = tuple(p.removeprefix("Reference: ") for p in paragraphs if p.startswith("Reference: "))
    return paragraphs[0] if paragraphs else "", references
