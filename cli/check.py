"""Is the code of a loss right?"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import click

from .facts import catalogue
from .losses import parameter_option, resolve, spec_errors
from .status import Finding, Lacking

if TYPE_CHECKING:
    from ..runtime import LossFunction
    from ..spec.model import Loss


@click.command("check", short_help="Compare code with exact values.")
@click.argument("losses", metavar="LOSS...", nargs=-1)
@parameter_option
@click.option("--all", "everything", is_flag=True, help="Check the whole catalogue.")
@click.option("--backend", "chosen", type=click.Choice(["c", "numpy"]), multiple=True, help="Default: both.")
@click.option("--points", type=click.IntRange(min=50), default=1600, show_default=True, help="Points to compare at.")
@click.option("--jobs", type=click.IntRange(min=1), help="Processes to use.  [default: one per processor]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    losses: tuple[str, ...],
    parameters: dict[str, str],
    everything: bool,
    chosen: tuple[str, ...],
    points: int,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Compare the code of each LOSS with exact values; exit 1 when rounding does not explain a difference.

    Both back ends are checked in float64 and float32: of a catalogue loss the files in generated/, of
    any other loss what `build` would write.
    """
    if bool(losses) == everything:
        raise click.UsageError("name the losses to check, or say --all for the whole catalogue")
    from ..verify.report import check

    backends = chosen or _available()
    reports = []
    for number, name in enumerate(losses or catalogue(), 1):
        if sys.stderr.isatty():
            click.echo(f"\r\033[K{number}/{len(losses or catalogue())} {name}", nl=False, err=True)
        loss = resolve(name, parameters)
        with spec_errors(name):
            bind = _factory(loss, name in catalogue())
            given = {backend: partial(bind, backend) for backend in backends}
            reports.append(check(loss, given, n=points, jobs=jobs or os.cpu_count() or 1))
        if sys.stderr.isatty():
            click.echo("\r\033[K", nl=False, err=True)
        if not as_json:
            click.echo(reports[-1].text())
    if as_json:
        document = {"schema": 1, "ok": all(report.ok for report in reports), "reports": [r.to_dict() for r in reports]}
        click.echo(json.dumps(document, indent=2))
    wrong = [report.loss for report in reports if not report.ok]
    if wrong:
        raise Finding(f"{len(wrong)} of {len(reports)} losses have findings: {', '.join(wrong)}")


def _available() -> list[str]:
    """Both back ends; without a C compiler NumPy alone, and a word about it."""
    from ..runtime.errors import EnvironmentLacking
    from ..runtime.native import compiler

    try:
        compiler()
    except EnvironmentLacking as error:
        click.echo(f"Only the NumPy code is checked: {error}.", err=True)
        return ["numpy"]
    return ["c", "numpy"]


def _factory(loss: Loss, catalogued: bool) -> Callable[[str, Mapping[str, float]], LossFunction]:
    """What binds the loss's parameters: of the files in generated/, or of what would be written."""
    from ..codegen.build import artifacts
    from ..runtime import LossFunction
    from ..runtime.errors import EnvironmentLacking

    texts = {} if catalogued else {a.path.partition("/")[0]: a.text for a in artifacts(loss)}
    facts = {} if catalogued else json.loads(texts["facts"])

    def bind(backend: str, parameters: Mapping[str, float]) -> LossFunction:
        try:
            if catalogued:
                return LossFunction.from_catalogue(loss.name, parameters, backend)
            return LossFunction.from_artifacts(facts, texts["numpy"], texts["c"], parameters, backend)
        except EnvironmentLacking as error:
            raise Lacking(str(error)) from None

    return bind
