"""Is what was derived and written down true?"""

import click


@click.command("check")
def command() -> None:
    """x"""
