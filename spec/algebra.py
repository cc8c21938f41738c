"""How do losses make new losses?

`combine` sums losses of several outputs with weights, as networks with several
heads do; the result is a `Loss` again, with one prediction for each output.
"""

from __future__ import annotations

from collections.abc import Mapping

from sympy import Add, Basic, Rational

from .declare import make_parameter
from .domains import scalar_symbol
from .model import Argument, Definition, Loss, Parameter, SpecError, expect_loss


def combine(losses: Mapping[str, Loss], name: str = "combination") -> Loss:
    """The weighted sum of one loss per output; the weights default to the mean.

    `losses` maps an output's name to its loss. Output `a` brings the arguments
    y_a and f_a, the parameters of its loss as NAME_a, and the weight weight_a.
    Raises SpecError for fewer than one loss, and for losses of several
    predictions or of vectors; TypeError for what is no Loss.
    """
    if not isinstance(losses, Mapping):
        raise TypeError(
            f"lf.combine takes a mapping of outputs to losses, got {type(losses).__name__}; "
            'pass one such as {"height": lf.catalog["huber"]}'
        )
    if not losses:
        raise SpecError("a combination needs at least one loss; pass one such as {'height': lf.catalog['huber']}")
    arguments: list[Argument] = []
    parameters: list[Parameter] = []
    definitions: list[Definition] = []
    terms = []
    for output, given in losses.items():
        part = expect_loss(given, f"lf.combine, for the output {output!r},")
        if part.size is not None or len(part.predictions) != 1 or len(part.targets) != 1:
            raise SpecError(f"output {output!r}: {part.name} must have one scalar prediction and one scalar target")
        weight = make_parameter(f"weight_{output}", "[0, oo)", Rational(1, len(losses)))
        renamed: dict[Basic, Basic] = {}
        for argument in part.arguments:
            symbol = scalar_symbol(f"{argument.name}_{output}", argument.domain)
            renamed[argument.symbol] = symbol
            arguments.append(Argument(symbol, argument.role, argument.domain))
        parameters.append(weight)
        for parameter in part.parameters:
            symbol = scalar_symbol(f"{parameter.name}_{output}", parameter.domain)
            renamed[parameter.symbol] = symbol
            parameters.append(Parameter(symbol, parameter.domain, parameter.default))
        for definition in part.definitions:
            symbol = type(definition.symbol)(f"{definition.symbol}_{output}", real=True)
            definitions.append(Definition(symbol, definition.meaning.xreplace(renamed)))
            renamed[definition.symbol] = symbol
        terms.append(weight.symbol * part.expression.xreplace(renamed))
    return Loss(
        name=name,
        title="Weighted combination",
        summary="A weighted sum of " + ", ".join(f"{part.name} of {output}" for output, part in losses.items()) + ".",
        expression=Add(*terms),
        arguments=tuple(arguments),
        parameters=tuple(parameters),
        family="combination",
        definitions=tuple(definitions),
    )
