"""Which loss is meant where a command says LOSS?

A name of the catalogue, the path of a loss file, or a formula in quotes, in
this order. `ask` returns the facts, which for the catalogue are read from
generated/facts; `resolve` returns the `Loss` itself and imports SymPy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .facts import Facts, catalogue, facts
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


def numbers(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, float]:
    """NAME=NUMBER, several times: values of parameters."""
    found: dict[str, float] = {}
    for value in values:
        name, equals, text = value.partition("=")
        try:
            found[name.strip()] = int(text) if text.strip().lstrip("+-").isdigit() else float(text)
        except ValueError:
            equals = ""
        if not equals:
            raise click.BadParameter(f"expected NAME=NUMBER, such as delta=2, got {value!r}", ctx, option)
    return found


parameter_option = click.option(
    "-p",
    "--parameter",
    "parameters",
    metavar="NAME=DOMAIN",
    multiple=True,
    callback=_domains,
    help="A parameter of a formula in quotes, such as -p 'delta=(0, oo)'. May be repeated.",
)


def refuse_unneeded(parameters: Mapping[str, str], *given: str) -> None:
    """Raise BadInput for parameters where no formula stands that they could belong to."""
    if not parameters or any(not is_path(text) and text not in catalogue() for text in given):
        return
    option = f"-p {next(iter(parameters))!r}"
    said = " and ".join(f"{text} has its own" for text in given) or "the catalogue's losses have their own"
    raise BadInput(f"parameters are declared only for formulas given as text, and {said}; leave out {option}")


def is_path(text: str) -> bool:
    return text.endswith(".toml") or (len(text) < 256 and "\n" not in text and Path(text).is_file())


@contextmanager
def spec_errors() -> Iterator[None]:
    """Report what the spec refuses as wrong input, not as a traceback."""
    from ..spec.domains import DomainError
    from ..spec.model import SpecError

    try:
        yield
    except (SpecError, DomainError) as error:
        raise BadInput(f"{error}") from None


def resolve(text: str, parameters: Mapping[str, str] | None = None) -> Loss:
    """The loss that `text` names, holds in a file, or spells out.

    Raises BadInput for an unknown name, with the nearest known ones, and for a
    file or a formula that is no loss.
    """
    from ..spec.catalog import CATALOG

    if text in CATALOG:
        return CATALOG[text]
    with spec_errors():
        if is_path(text):
            from ..spec.file import load

            try:
                return load(Path(text))
            except FileNotFoundError:
                raise BadInput(_absent(text, CATALOG)) from None
            except OSError as error:
                raise BadInput(f"the loss file {text!r} cannot be read: {error.strerror}") from None
        if text.isidentifier() and len(text) > 1:  # one letter is a formula, such as r
            near = get_close_matches(text, CATALOG, n=3)
            hint = f"Did you mean {' or '.join(near)}?" if near else "`lossforge list` shows the catalogue."
            raise BadInput(f"no catalogue loss and no file is named {text!r}. {hint}")
        if (call := _CALL.fullmatch(text)) and call["name"] in CATALOG:
            raise BadInput(_called(CATALOG[call["name"]]))
        from ..spec.text import parse

        return parse(text, parameters=dict(parameters) if parameters else None, form="shell")


_CALL = re.compile(r"\s*(?P<name>\w+)\s*\(.*\)\s*", re.DOTALL)


def _called(loss: Loss) -> str:
    """What to say of a catalogue loss written as a call, such as huber(delta=2)."""
    values = ", ".join(f"{p.name}={p.default if p.default is not None else '...'}" for p in loss.parameters)
    where = f". Parameters are chosen in Python, as in lf.losses.{loss.name}({values})" if loss.parameters else ""
    return f"a catalogue loss takes no arguments here; write {loss.name!r} alone{where}"


def _absent(path: str, names: Iterable[str]) -> str:
    """What to say of a loss file that is not there: what is named nearly so, or how to begin one."""
    folder, stem = Path(path).parent, Path(path).stem
    files = {file.stem: str(file) for file in sorted(folder.glob("*.toml"))} if folder.is_dir() else {}
    near = [files[name] for name in get_close_matches(stem, files, n=2)]
    near += [f"the catalogue loss {name}" for name in get_close_matches(stem, names, n=1)]
    hint = f"Did you mean {' or '.join(near)}?" if near else "`lossforge new NAME` begins a loss file."
    return f"there is no loss file {path!r}. {hint}"


def ask(text: str, parameters: Mapping[str, str] | None = None) -> Facts:
    """The facts of a loss: read for the catalogue, derived for everything else."""
    refuse_unneeded(parameters or {}, text)
    if (known := facts(text)) is not None:
        return known
    loss = resolve(text, parameters)
    from ..codegen.facts import facts as write_facts
    from ..codegen.kernels import kernels
    from ..derive.derivation import derive

    with spec_errors():
        derivation = derive(loss)
        return write_facts(derivation, kernels(derivation))
