"""Are two losses the same?"""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from .losses import parameter_option, refuse_unneeded, resolve, spec_errors
from .page import table
from .status import Finding


@click.command("diff", short_help="Are two losses the same?")
@click.argument("a")
@click.argument("b")
@parameter_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(a: str, b: str, parameters: dict[str, str], as_json: bool) -> None:
    """Tell whether A and B are equal, proportional, or different; exit 1 unless they are equal.

    Different losses come with a witness: a point at which their values differ.
    """
    refuse_unneeded(parameters, a, b)
    first, second = resolve(a, parameters), resolve(b, parameters)
    from ..derive.compare import compare

    with spec_errors():
        found = compare(first, second)
    if as_json:
        document = {"schema": 1, "a": a, "b": b} | asdict(found)
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        click.echo(found.verdict)
        if found.factor is not None:
            click.echo(f"  {a} = {found.factor} * ({b})")
        if found.witness is not None:
            click.echo("  at " + ", ".join(f"{name} = {value}" for name, value in found.witness.point.items()))
            click.echo("\n".join(table([(a, found.witness.first), (b, found.witness.second)], indent="    ")))
    if found.verdict != "equal":
        raise SystemExit(Finding.exit_code)
