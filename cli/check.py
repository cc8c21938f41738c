"""Is the code of a loss right, and do its proofs hold?"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .facts import GENERATED, Facts, catalogue
from .losses import parameter_option, refuse_unneeded, resolve, spec_errors
from .status import BadInput, Finding, Lacking

if TYPE_CHECKING:
    from ..spec.model import Loss
    from ..verify.report import Report


def check_loss(loss: Loss, *, n: int = 1600, backends: Sequence[str] = (), jobs: int = 1) -> Report:
    """Compare the code of a loss with exact values at about `n` points; `lf.check`.

    `backends` names some of "c" and "numpy"; by default it is all that this
    machine has. `jobs` processes compute the exact values. The report's `ok`
    says whether rounding explains every difference, `text()` shows the rest.
    Raises TypeError for what is no Loss, EnvironmentLacking for a back end that
    cannot be had.
    """
    from ..codegen.compile import bindings
    from ..spec.model import expect_loss
    from ..verify.report import check

    return check(expect_loss(loss, "lf.check"), bindings(loss, backends), n=n, jobs=jobs)


@click.command("check", short_help="Compare code with exact values; check proofs.")
@click.argument("losses", metavar="LOSS...", nargs=-1)
@parameter_option
@click.option("--all", "everything", is_flag=True, help="Check the whole catalogue.")
@click.option("--proofs", is_flag=True, help="Check the certificates of the properties instead of the code.")
@click.option("--backend", "chosen", type=click.Choice(["c", "numpy"]), multiple=True, help="Default: both.")
@click.option("--points", type=click.IntRange(min=50), default=1600, show_default=True, help="Points to compare at.")
@click.option("--jobs", type=click.IntRange(min=1), help="Processes to use.  [default: one per processor]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    losses: tuple[str, ...],
    parameters: dict[str, str],
    everything: bool,
    proofs: bool,
    chosen: tuple[str, ...],
    points: int,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Compare the code of each LOSS with exact values; exit 1 when rounding does not explain a difference.

    Both back ends are checked in float64 and float32: of a catalogue loss the files in generated/, of
    any other loss what `build` would write.

    \b
    The columns, errors in ulps (units in the last place):
      max ulp  the largest error as it is, also next to roots of the output
      scaled   the largest error, leaving out what the rounding of the inputs
               explains; above 64 it is a finding
      rounded  the largest error where the residual f - y is itself rounded
      failed   results that are NaN or infinite where the exact value is not,
               or the other way round
      open     results compared with nothing: the exact value stayed undecided

    Exit status 1 means that a loss has a finding, an error that rounding does not explain. Each is
    shown with the input that gives it.

    With --proofs, the certificates of the properties are checked, as they were written by `build`:
    LOSS is a name of the catalogue or a folder that `build` wrote. The checker follows each
    certificate on its own; exit status 1 means that it refused one, or that a property is said to be
    decided without one.
    """
    if bool(losses) == everything:
        raise click.UsageError("name the losses to check, or say --all for the whole catalogue")
    if proofs:
        check_proofs(losses or tuple(catalogue()), as_json)
        return
    refuse_unneeded(parameters, *losses)
    from ..codegen.compile import available
    from ..runtime.errors import EnvironmentLacking

    backends = chosen or available()
    if not chosen and "c" not in backends:
        click.echo("Only the NumPy code is checked: there is no C compiler; see `lossforge doctor`.", err=True)
    reports = []
    for number, name in enumerate(losses or catalogue(), 1):
        if sys.stderr.isatty():
            click.echo(f"\r\033[K{number}/{len(losses or catalogue())} {name}", nl=False, err=True)
        loss = resolve(name, parameters)
        try:
            with spec_errors():
                reports.append(check_loss(loss, n=points, backends=backends, jobs=jobs or os.cpu_count() or 1))
        except EnvironmentLacking as error:
            raise Lacking(str(error)) from None
        if sys.stderr.isatty():
            click.echo("\r\033[K", nl=False, err=True)
        if not as_json:
            click.echo(reports[-1].text())
    if as_json:
        document = {"schema": 1, "ok": all(report.ok for report in reports), "reports": [r.to_dict() for r in reports]}
        click.echo(json.dumps(document, indent=2))
    wrong = [report.loss for report in reports if not report.ok]
    if wrong:
        raise Finding(f"{len(wrong)} of {len(reports)} losses have findings: {', '.join(wrong)}")


# Proofs ------------------------------------------------------------------------------------------


def check_proofs(places: Sequence[str], as_json: bool) -> None:
    """Check every certificate of these losses; raises Finding unless all decided claims are shown.

    A place is a name of the catalogue or a folder that `build` wrote.
    """
    from ..derive.certificates import loads, review
    from .progress import progress

    began = time.perf_counter()
    losses = [(place, *written) for place in places for written in _written(place)]
    reviews = {}
    with progress("checking") as tell:
        for number, (place, facts, path) in enumerate(losses):
            tell(number, len(losses))
            made = loads(path.read_text(encoding="utf-8")) if path.is_file() else None
            name = facts["name"] if place in catalogue() else f"{place}/{facts['name']}"
            reviews[name] = review(facts, made)
    seconds = time.perf_counter() - began
    total = {key: sum(getattr(r, key) for r in reviews.values()) for key in ("claims", "decided", "accepted")}
    wrong = [name for name, r in reviews.items() if not r.ok]
    if as_json:
        found = {
            name: {
                "ok": r.ok, "claims": r.claims, "decided": r.decided, "accepted": r.accepted,
                "problems": [{"property": p, "problem": what} for p, what in r.problems],
            }
            for name, r in reviews.items()
        }  # fmt: skip
        document = {"schema": 1, "ok": not wrong, **total, "seconds": round(seconds, 2), "losses": found}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        for name, r in reviews.items():
            click.echo(f"{name}: {r.accepted} of {r.decided} decided claims shown, {r.claims - r.decided} undecided")
            for p, what in r.problems:
                click.echo(f"  {p.replace('_', ' ')}: {what}")
        counted = ", ".join(f"{number} {what}" for what, number in total.items())
        click.echo(f"{counted}; {seconds:.1f} s")
    if wrong:
        raise Finding(f"{len(wrong)} of {len(reviews)} losses have claims that are not shown: {', '.join(wrong)}")


def _written(place: str) -> Iterator[tuple[Facts, Path]]:
    """The facts of a catalogue loss, or of every loss in a folder, and where their certificates stand."""
    root, names = (GENERATED, [place]) if place in catalogue() else (Path(place), [])
    if not names:
        if not (root / "facts").is_dir():
            raise BadInput(f"{place!r} is neither a catalogue loss nor a folder that `lossforge build` wrote")
        names = sorted(path.stem for path in (root / "facts").glob("*.json") if path.stem != "index")
    for name in names:
        path = root / "facts" / f"{name}.json"
        try:
            facts: Facts = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise BadInput(f"{path} is no JSON document: {error}") from None
        yield facts, root / "facts" / "certificates" / f"{name}.json"
