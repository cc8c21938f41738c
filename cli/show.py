"""What is known about a loss?"""

from __future__ import annotations

import json

import click

from .losses import ask, parameter_option
from .page import FORMATS


@click.command("show", short_help="Formula, gradient, Hessian, kinks, sources.")
@click.argument("loss")
@parameter_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="text", show_default=True)
def command(loss: str, parameters: dict[str, str], as_json: bool, form: str) -> None:
    """Show a loss: formula, gradient, Hessian, kinks, parameters, sources."""
    known = ask(loss, parameters)
    click.echo(json.dumps(known, indent=2, ensure_ascii=False) if as_json else FORMATS[form](known))
