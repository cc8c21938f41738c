"""What is written down, and is what stands there still what would be written?"""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from .losses import numbers, parameter_option, refuse_unneeded, resolve, spec_errors
from .progress import progress
from .status import BadInput, Finding

ROOT = Path(__file__).resolve().parent.parent
GENERATED = ROOT / "generated"


@click.command("build", short_help="Write NumPy and C code, facts and proofs.")
@click.argument("loss", required=False)
@parameter_option
@click.option("--target", metavar="LIBRARY", help="One file for that library; see below.")
@click.option("--curvature", help="With --target: what stands for the second derivative.")
@click.option(
    "-P", "--set", "chosen", metavar="NAME=NUMBER", multiple=True, callback=numbers, help="With --target: a default."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder (or, with --target, file) to write to.  [default: lossforge_NAME]",
)
@click.option("--check", "only_check", is_flag=True, help="Write nothing; exit 1 when the files are not up to date.")
@click.option("--jobs", type=click.IntRange(min=1), help="Processes that prove.  [default: one per processor]")
def command(
    loss: str | None,
    parameters: dict[str, str],
    target: str | None,
    curvature: str | None,
    chosen: dict[str, float],
    out: Path | None,
    only_check: bool,
    jobs: int | None,
) -> None:
    """Write the NumPy and C code, the facts and the proofs of LOSS; without LOSS, of the whole catalogue.

    The folder gets c/, numpy/, facts/ and facts/certificates/. Without LOSS it is that of lossforge's own generated
    files. A loss is proved anew only if its formula or the prover has changed since its certificates were written;
    --check proves nothing, and names such certificates as changed.

    With --target xgboost, lightgbm, catboost, sklearn, scipy, torch or jax it is one Python file, NAME_LIBRARY.py, with
    LOSS as an objective of that library. It needs NumPy and the library and not lossforge, so it can be copied into a
    project; `objective()` in it makes the objective.
    """
    refuse_unneeded(parameters, *([loss] if loss else []))
    if target is not None:
        if loss is None:
            raise click.UsageError("--target writes one loss; name it")
        from .vendor import build_target

        build_target(loss, parameters, target, chosen, curvature, out, only_check)
        return
    if curvature or chosen:
        raise click.UsageError("--curvature and --set choose what a file for a library holds; say --target as well")
    if out is not None and out.is_file():
        raise BadInput(f"{out} is a file; --out names a folder here")
    from ..codegen.build import artifacts, catalogue_artifacts, drift, ledger, prove, remove_extra, write
    from ..spec.catalog import CATALOG

    with spec_errors():
        found = None if loss is None else resolve(loss, parameters)
        root = out or (GENERATED if found is None else Path(f"lossforge_{found.name}"))
        wanted = list(CATALOG.values()) if found is None else [found]
        known = ledger(wanted, root, GENERATED)
        for stage in ("proving", "proving lemmas"):  # what is proved of a loss decides which lemmas there are
            if known.stale and not only_check:
                with progress(stage) as tell:
                    prove(known, root, jobs, tell)
                known = ledger(wanted, root, GENERATED)
        made = catalogue_artifacts(known.proofs) if found is None else artifacts(found, proofs=known.proofs)
    if not only_check:
        write(made, root)
        # Only where every file is ours: in a folder that the user names, other files are the user's.
        removed = remove_extra(made, root) if loss is None and out is None else ()
        click.echo(f"{len(made)} files are written to {root}" + (f", {len(removed)} removed" if removed else ""))
        return
    differs = drift(made, known, root)
    kinds = ("missing", "changed", "extra") if loss is None and out is None else ("missing", "changed")
    lines = [f"{kind:<8} {path}" for kind in kinds for path in getattr(differs, kind)]
    if not lines:
        click.echo(f"{len(made)} files are up to date")
        return
    click.echo("\n".join(lines))
    options = [f"-p{name}={domain}" for name, domain in parameters.items()] + (["--out", str(out)] if out else [])
    again = shlex.join(["lossforge", "build", *([loss] if loss else []), *options])
    raise Finding(f"{len(lines)} files in {root} are not what would be written; mend them with: {again}")
