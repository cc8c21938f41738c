"""Does lossforge work on this machine, and how fast can it be?"""

from __future__ import annotations

import json

import click

from .status import Lacking


@click.command("doctor", short_help="What this machine offers and lacks.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(as_json: bool) -> None:
    """Show what this machine offers, and what to do about what it lacks; exit 3 when C is not used."""
    from ..runtime.doctor import lines, report

    found = report()
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(lines(found)))
    if not found["healthy"]:
        raise SystemExit(Lacking.exit_code)
