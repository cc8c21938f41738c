"""What is written down, and is what stands there still what would be written?"""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from .losses import parameter_option, refuse_unneeded, resolve, spec_errors
from .status import Finding

ROOT = Path(__file__).resolve().parent.parent


@click.command("build", short_help="Write NumPy and C code and facts.")
@click.argument("loss", required=False)
@parameter_option
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Folder to write to.  [default: lossforge_NAME]"
)
@click.option("--check", "only_check", is_flag=True, help="Write nothing; exit 1 when the files are not up to date.")
def command(loss: str | None, parameters: dict[str, str], out: Path | None, only_check: bool) -> None:
    """Write the NumPy and C code and the facts of LOSS; without LOSS, of the whole catalogue.

    The folder gets c/, numpy/ and facts/. Without LOSS it is that of lossforge's own generated files.
    """
    refuse_unneeded(parameters, *([loss] if loss else []))
    from ..codegen.build import artifacts, catalogue_artifacts, compare, remove_extra, write

    if loss is None:
        root = out or ROOT / "generated"
        made = catalogue_artifacts()
    else:
        with spec_errors():
            found = resolve(loss, parameters)
            made = artifacts(found)
        root = out or Path(f"lossforge_{found.name}")
    if not only_check:
        write(made, root)
        # Only where every file is ours: in a folder that the user names, other files are the user's.
        removed = remove_extra(made, root) if loss is None and out is None else ()
        click.echo(f"{len(made)} files are written to {root}" + (f", {len(removed)} removed" if removed else ""))
        return
    drift = compare(made, root)
    kinds = ("missing", "changed", "extra") if loss is None and out is None else ("missing", "changed")
    lines = [f"{kind:<8} {path}" for kind in kinds for path in getattr(drift, kind)]
    if not lines:
        click.echo(f"{len(made)} files are up to date")
        return
    click.echo("\n".join(lines))
    options = [f"-p{name}={domain}" for name, domain in parameters.items()] + (["--out", str(out)] if out else [])
    again = shlex.join(["lossforge", "build", *([loss] if loss else []), *options])
    raise Finding(f"{len(lines)} files in {root} are not what would be written; mend them with: {again}")
