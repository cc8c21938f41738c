"""How does a command end other than well? One exception for each exit status."""

from __future__ import annotations

import click


class Finding(click.ClickException):
    """What was looked at is not as it should be."""

    exit_code = 1


class BadInput(click.ClickException):
    """What was given cannot be meant: a loss, a file, a number."""

    exit_code = 2


class Lacking(click.ClickException):
    """The environment has not what the command needs."""

    exit_code = 3
