"""How is a loss file begun?"""

from __future__ import annotations

from pathlib import Path

import click

from .status import BadInput


@click.command("new", short_help="Begin a loss file.")
@click.argument("name")
def command(name: str) -> None:
    """Write NAME.toml, a loss file to start from. An existing file is left alone."""
    from ..spec.file import template
    from .losses import spec_errors

    with spec_errors():
        content = template(name)
    path = Path(f"{name}.toml")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(content)
    except FileExistsError:
        raise BadInput(f"{path} exists already and is left as it is; choose another name, or remove it") from None
    click.echo(f"{path} is written. Next: lossforge derive {path}")
