"""Which losses does the catalogue have?"""

from __future__ import annotations

import json
import shutil
import sys

import click

from .facts import catalogue
from .status import Lacking


@click.command("list", short_help="The catalogue's losses, by family.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(as_json: bool) -> None:
    """Show the catalogue's losses, by family."""
    losses = catalogue()
    if not losses:
        raise Lacking(
            "generated/facts/index.json is missing: write it with `lossforge build`, or install lossforge anew"
        )
    if as_json:
        click.echo(json.dumps({"schema": 1, "losses": losses}, indent=2))
        return
    width = max(map(len, losses), default=0)
    room = shutil.get_terminal_size().columns - width - 4
    for family in dict.fromkeys(loss["family"] for loss in losses.values()):
        click.secho(family, bold=True)
        for name, loss in losses.items():
            if loss["family"] == family:
                summary = loss["summary"]
                if sys.stdout.isatty() and len(summary) > room > 20:
                    summary = summary[: room - 1] + "…"
                click.echo(f"  {name:<{width}}  {summary}")
        click.echo()
    click.echo(f"{len(losses)} losses. `lossforge show LOSS` shows one of them.")
