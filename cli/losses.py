"""Which loss is meant where a command says LOSS?

A name of the catalogue, the path of a loss file, or a formula in quotes, in
this order. `ask` returns the facts, which for the catalogue are read from
generated/facts; `resolve` returns the `Loss` itself and imports SymPy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .facts import Facts, facts
from .status import BadInput

if TYPE_CHECKING:
    from ..spec.model import Loss


def _domains(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    domains = {}
    for value in values:
        name, equals, domain = value.partition("=")
        if not equals:
            raise click.BadParameter(f"expected NAME=DOMAIN, such as delta='(0, oo)', got {value!r}", ctx, option)
        domains[name.strip()] = domain.strip()
    return domains


parameter_option = click.option(
    "-p",
    "--parameter",
    "parameters",
    metavar="NAME=DOMAIN",
    multiple=True,
    callback=_domains,
    help="A parameter of a formula in quotes, such as -p 'delta=(0, oo)'. May be repeated.",
)


def _is_path(text: str) -> bool:
    return text.endswith(".toml") or (len(text) < 256 and "\n" not in text and Path(text).is_file())


@contextmanager
def spec_errors(given: str) -> Iterator[None]:
    """Report what the spec refuses as wrong input, not as a traceback."""
    from ..spec.domains import DomainError
    from ..spec.grammar import TextError
    from ..spec.model import SpecError

    try:
        yield
    except (SpecError, DomainError) as error:
        formula = isinstance(error, TextError) and not _is_path(given)
        hint = "\nHere, parameters are declared so: -p 'delta=(0, oo)'" if formula and "parameter" in str(error) else ""
        raise BadInput(f"{error}{hint}") from None


def resolve(text: str, parameters: Mapping[str, str] | None = None) -> Loss:
    """The loss that `text` names, holds in a file, or spells out.

    Raises BadInput for an unknown name, with the nearest known ones, and for a
    file or a formula that is no loss.
    """
    from ..spec.catalog import CATALOG

    if text in CATALOG:
        return CATALOG[text]
    with spec_errors(text):
        if _is_path(text):
            from ..spec.file import load

            return load(Path(text))
        if text.isidentifier() and len(text) > 1:  # one letter is a formula, such as r
            near = get_close_matches(text, CATALOG, n=3)
            hint = f"Did you mean {' or '.join(near)}?" if near else "`lossforge list` shows the catalogue."
            raise BadInput(f"no catalogue loss and no file is named {text!r}. {hint}")
        from ..spec.text import parse

        return parse(text, parameters=dict(parameters) if parameters else None)


def ask(text: str, parameters: Mapping[str, str] | None = None) -> Facts:
    """The facts of a loss: read for the catalogue, derived for everything else."""
    if (known := facts(text)) is not None:
        return known
    loss = resolve(text, parameters)
    from ..codegen.facts import facts as write_facts
    from ..codegen.kernels import kernels
    from ..derive.derivation import derive

    with spec_errors(text):
        derivation = derive(loss)
        return write_facts(derivation, kernels(derivation))
