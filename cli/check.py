"""Is the code of a loss right, and do its proofs hold?"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .facts import GENERATED, Facts, catalogue
from .losses import parameter_option, refuse_unneeded, resolve, spec_errors
from .status import BadInput, Finding, Lacking

if TYPE_CHECKING:
    from ..codegen.tiers import Tier
    from ..derive.certificates import Review
    from ..spec.model import Loss
    from ..verify.falsify import Contradiction
    from ..verify.report import Report


def check_loss(
    loss: Loss, *, n: int = 1600, backends: Sequence[str] = (), tiers: Sequence[Tier] = ("accurate",), jobs: int = 1
) -> Report:
    """Compare the code of a loss with exact values at about `n` points; `lf.check`.

    `backends` names some of "c" and "numpy"; by default it is all that this
    machine has. `tiers` are those of the C code: the back end of `accurate` is
    called "c", that of `fast` "c fast". `jobs` processes compute the exact values. The report's `ok`
    says whether rounding explains every difference, `text()` shows the rest.
    Raises TypeError for what is no Loss, EnvironmentLacking for a back end that
    cannot be had.
    """
    from ..codegen.compile import bindings
    from ..spec.model import expect_loss
    from ..verify.report import check

    return check(expect_loss(loss, "lf.check"), bindings(loss, backends, tiers), n=n, jobs=jobs)


@click.command("check", short_help="Compare code with exact values; check proofs.")
@click.argument("losses", metavar="LOSS...", nargs=-1)
@parameter_option
@click.option("--all", "everything", is_flag=True, help="Check the whole catalogue.")
@click.option("--proofs", is_flag=True, help="Check the certificates of the properties instead of the code.")
@click.option("--backend", "chosen", type=click.Choice(["c", "numpy"]), multiple=True, help="Default: both.")
@click.option("--tier", "tiers", type=click.Choice(["accurate", "fast"]), multiple=True, help="Default: accurate.")
@click.option("--falsify", is_flag=True, help="With --proofs: also look for points that contradict the claims.")
@click.option("--points", type=click.IntRange(min=50), help="Points to look at.  [default: 1600; --falsify: 10000]")
@click.option("--jobs", type=click.IntRange(min=1), help="Processes to use.  [default: one per processor]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    losses: tuple[str, ...],
    parameters: dict[str, str],
    everything: bool,
    proofs: bool,
    chosen: tuple[str, ...],
    tiers: tuple[Tier, ...],
    falsify: bool,
    points: int | None,
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
      own      the largest error where the result is a normal number; beside
               roots without what half an ulp on each input changes
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

    With --proofs --falsify, the claims are also held against samples of the formula at 40 digits, by code
    that knows nothing of proofs. --points is the least number of places for a loss, which all its claims
    share; of a loss of several predictions or of K classes, for each claim. Each contradiction is one
    line: the property, the kind, where, and what is wrong there.

    \b
      contradicted  points that violate the claim
      unreached     a value said to be the best, or attained, that nothing comes near to
      unconfirmed   a property said to fail, and nothing that violates it
      unreadable    a claim that says nothing that can be tested

    Exit status 1 means that there is one of any kind.
    """
    if bool(losses) == everything:
        raise click.UsageError("name the losses to check, or say --all for the whole catalogue")
    if falsify and not proofs:
        raise click.UsageError("--falsify looks at the claims that --proofs checks; say --proofs --falsify")
    if proofs:
        check_proofs(losses or tuple(catalogue()), as_json, (points or 10_000) if falsify else None, jobs)
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
                made = check_loss(
                    loss,
                    n=points or 1600,
                    backends=backends,
                    tiers=tiers or ("accurate",),
                    jobs=jobs or os.cpu_count() or 1,
                )
                reports.append(made)
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


def check_proofs(places: Sequence[str], as_json: bool, points: int | None = None, jobs: int | None = None) -> None:
    """Check every certificate of these losses; raises Finding unless all decided claims are shown.

    A place is a name of the catalogue or a folder that `build` wrote. Given a number of points, the claims are also
    held against as many samples, in `jobs` processes, and whatever contradicts one of them is a finding, too.
    """
    from .progress import progress

    began = time.perf_counter()
    losses: dict[str, Facts] = {}
    reviews: dict[str, Review] = {}
    written = [(place, *found) for place in places for found in _written(place)]
    with progress("checking") as tell:
        found_ = _reviewed([(facts, path) for _, facts, path in written], jobs or os.cpu_count() or 1)
        for number, ((place, facts, _), made) in enumerate(zip(written, found_, strict=True), 1):
            tell(number, len(written))
            name = facts["name"] if place in catalogue() else f"{place}/{facts['name']}"
            losses[name], reviews[name] = facts, made
    seconds = time.perf_counter() - began
    total = {key: sum(getattr(r, key) for r in reviews.values()) for key in ("claims", "decided", "accepted")}
    contradictions = {} if points is None else _falsified(losses, points, jobs)
    unshown = [name for name, r in reviews.items() if not r.ok]
    doubted = [name for name, against in contradictions.items() if against]
    if as_json:
        found: dict[str, dict[str, Any]] = {
            name: {
                "ok": r.ok and name not in doubted, "claims": r.claims, "decided": r.decided, "accepted": r.accepted,
                "problems": [{"property": p, "problem": what} for p, what in r.problems],
            }
            for name, r in reviews.items()
        }  # fmt: skip
        for name, against in contradictions.items():
            found[name]["contradictions"] = [asdict(c) for c in against]
        asked = {} if points is None else {"points": points, "contradictions": sum(map(len, contradictions.values()))}
        document = {"schema": 1, "ok": not unshown + doubted, **total, **asked, "seconds": round(seconds, 2)}
        click.echo(json.dumps(document | {"losses": found}, indent=2, ensure_ascii=False))
    else:
        for name, r in reviews.items():
            click.echo(f"{name}: {r.accepted} of {r.decided} decided claims shown, {r.claims - r.decided} undecided")
            for p, what in r.problems:
                click.echo(f"  {p.replace('_', ' ')}: {what}")
            for c in contradictions.get(name, ()):
                where = ", ".join(f"{n} = {v}" for n, v in c.at.items())
                click.echo(f"  {c.property.replace('_', ' ')} {c.kind}{' at ' if where else ''}{where}: {c.message}")
        counted = ", ".join(f"{number} {what}" for what, number in total.items())
        click.echo(f"{counted}; {seconds:.1f} s")
        if points is not None:
            wrong = sum(map(len, contradictions.values()))
            held = sum(c["verdict"] != "undecided" for facts in losses.values() for c in facts["properties"].values())
            click.echo(f"{held} claims of {len(losses)} losses at {points} points: {wrong} contradictions")
    problems = []
    if unshown:
        problems.append(f"{len(unshown)} of {len(reviews)} losses have claims that are not shown: {', '.join(unshown)}")
    if doubted:
        problems.append(f"{len(doubted)} of {len(reviews)} losses have contradicted claims: {', '.join(doubted)}")
    if problems:
        raise Finding("; ".join(problems))


def _review(facts: Facts, path: Path) -> Review:
    from ..derive.certificates import Review, loads, review, review_lemma

    made = review(facts, loads(path.read_text(encoding="utf-8")) if path.is_file() else None)
    named = {f"{path.stem}.{c}.{lemma}" for c, of in facts["curvatures"].items() for lemma in of.get("lemmas", ())}
    named |= {p.stem for p in path.parent.glob(f"{path.stem}.*.json")}
    lemmas = {n: loads(p.read_text(encoding="utf-8")) if (p := path.with_name(f"{n}.json")).is_file() else None
              for n in sorted(named)}  # fmt: skip
    decided = [name for name, doc in lemmas.items() if doc is None or _is_decided(doc)]
    wrong = {name: problem for name in decided if (problem := review_lemma(lemmas[name])) is not None}
    return Review(
        made.claims + len(lemmas), made.decided + len(decided), made.accepted + len(decided) - len(wrong),
        (*made.problems, *wrong.items()),
    )  # fmt: skip


def _is_decided(lemma: Facts) -> bool:
    return any(shown["claim"]["verdict"] != "undecided" for shown in lemma["claims"].values())


def _reviewed(written: Sequence[tuple[Facts, Path]], jobs: int) -> Iterator[Review]:
    """What the checker says of each loss, in order; of many losses, in several processes."""
    if min(jobs, len(written) // 8) < 2:
        yield from (_review(*one) for one in written)
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(_review, *zip(*written, strict=True))


def _falsified(losses: Mapping[str, Facts], points: int, jobs: int | None) -> dict[str, list[Contradiction]]:
    from ..verify.falsify import falsify_losses
    from .progress import progress

    with progress("falsifying") as tell:
        return falsify_losses(losses, points, jobs=jobs, tell=tell)


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
