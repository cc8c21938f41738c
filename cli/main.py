"""What does a user type, and how does each command end?

The group only knows the commands' names; a command's module is imported when
it is called for, and SymPy, NumPy and rich only inside the commands that use
them, so that `--help`, `list` and `show` answer at once.

Exit status: 0 all well; 1 a finding; 2 the input or the usage is wrong;
3 the environment lacks something.
"""

from __future__ import annotations

import signal
import sys
from difflib import get_close_matches
from importlib import import_module
from typing import NoReturn

import click

from .. import __version__
from .status import BadInput, Lacking

COMMANDS = ("list", "show", "new", "derive", "check", "audit", "build", "diff", "doctor")


class Commands(click.Group):
    """The commands, in the order of the work; each is the `command` of the module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            command: click.Command = import_module(f".{cmd_name}", __package__).command
            return command
        near = get_close_matches(cmd_name, COMMANDS, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Known commands: {', '.join(COMMANDS)}."
        raise click.UsageError(f"no command {cmd_name!r}. {hint}", ctx)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="lossforge %(version)s")
def lossforge() -> None:
    """One formula of a loss function: its gradient, its Hessian, and checked code for all of them.

    Wherever LOSS stands, write the name of a catalogue loss (see `list`), a loss file (see `new`),
    or a formula in quotes, such as "log(cosh(r))" or "softplus(-m)".

    \b
    Exit status: 0  all well
                 1  a finding: a check failed, files drifted, losses differ, an audit found a fault
                 2  the input or the usage is wrong
                 3  the environment lacks something
    """


def main() -> NoReturn:
    """The console script: run, and end with the exit status that the group documents."""
    if hasattr(signal, "SIGPIPE"):  # end quietly when the reader stops reading, as `head` does
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        status = lossforge(prog_name="lossforge", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        status = 130
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("lossforge"):
            raise
        Lacking(f"the Python package {error.name} is not installed; try: pip install lossforge").show()
        status = Lacking.exit_code
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError, UnicodeDecodeError) as error:
        BadInput(f"{error}").show()
        status = BadInput.exit_code
    sys.exit(status or 0)
