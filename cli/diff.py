"""Are two losses the same?"""

from __future__ import annotations

import json

import click

from .losses import parameter_option, resolve, spec_errors
from .status import Finding


@click.command("diff", short_help="Are two losses the same?")
@click.argument("a")
@click.argument("b")
@parameter_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(a: str, b: str, parameters: dict[str, str], as_json: bool) -> None:
    """Tell whether the losses A and B are equal, proportional, or different; exit 1 unless equal."""
    first, second = resolve(a, parameters), resolve(b, parameters)
    from ..derive.compare import compare

    with spec_errors(a):
        found = compare(first, second)
    factor = None if found.factor is None else str(found.factor)
    witness = None if found.witness is None else {str(name): str(value) for name, value in dict(found.witness).items()}
    if as_json:
        click.echo(
            json.dumps(
                {"schema": 1, "a": a, "b": b, "verdict": found.verdict, "factor": factor, "witness": witness}, indent=2
            )
        )
    else:
        place = f" at {', '.join(f'{name} = {value}' for name, value in witness.items())}" if witness else ""
        by = f": A = ({factor})·B" if found.verdict == "proportional" else ""
        click.echo(f"{found.verdict}{by}{place}")
    if found.verdict != "equal":
        raise SystemExit(Finding.exit_code)
