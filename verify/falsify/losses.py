"""Do the claims about many losses survive? One call for losses of every kind, in several processes."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from . import joint
from .contradiction import Contradiction
from .judging import falsify, statement_of

Facts = Mapping[str, Any]
Tell = Callable[[int, int], None]  # is told how many losses are done, and of how many
DECIDED = ("proved", "refuted", "conditional")


def decided(facts: Facts) -> list[str]:
    """The properties of which a loss claims something that can be false."""
    return [name for name, claim in facts.get("properties", {}).items() if claim["verdict"] in DECIDED]


def falsify_loss(facts: Facts, points: int = 10_000, seed: int = 0) -> list[Contradiction]:
    """What contradicts the claims that the facts of a loss make.

    Of a loss of one scalar prediction at least `points` places are sampled, which all its claims share. Of several
    predictions, or of K classes, each claim is looked at from `points` places of its own.
    """
    names = decided(facts)
    if not names:
        return []
    if (about := statement_of(facts)) is not None:
        return falsify(about, facts["properties"], points, seed)
    if joint.statement_of(facts) is not None:
        return joint.falsify(facts, points, seed)
    return [Contradiction(name, "unreadable", "the falsifier knows no losses of several vectors") for name in names]


def falsify_losses(
    losses: Mapping[str, Facts],
    points: int = 10_000,
    seed: int = 0,
    jobs: int | None = None,
    tell: Tell = lambda done, total: None,
) -> dict[str, list[Contradiction]]:
    """`falsify_loss` for each of several losses, in `jobs` processes, by default as many as there are processors."""
    found: dict[str, list[Contradiction]] = {}
    tell(0, len(losses))
    for name, contradictions in _falsified(losses, points, seed, min(jobs or os.cpu_count() or 1, len(losses))):
        found[name] = contradictions
        tell(len(found), len(losses))
    return {name: found[name] for name in losses}


def _falsified(
    losses: Mapping[str, Facts], points: int, seed: int, jobs: int
) -> Iterator[tuple[str, list[Contradiction]]]:
    if jobs < 2:
        yield from ((name, falsify_loss(facts, points, seed)) for name, facts in losses.items())
        return
    others = {process.pid for process in multiprocessing.active_children()}
    # Spawned, because a fork would copy the threads of a progress bar in whatever state they are.
    pool = ProcessPoolExecutor(
        jobs, multiprocessing.get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN)
    )
    try:
        # Losses of K classes take minutes, others seconds: they come first, so that nothing waits for them at the end.
        order = sorted(losses, key=lambda name: losses[name].get("size") is None)
        futures = {pool.submit(falsify_loss, losses[name], points, seed): name for name in order}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BaseException:
        for process in multiprocessing.active_children():
            if process.pid not in others:
                process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def falsify_facts(
    folder: Path, points: int = 10_000, seed: int = 0, jobs: int | None = None, tell: Tell = lambda done, total: None
) -> dict[str, list[Contradiction]]:
    """`falsify_losses` for all losses of a folder such as generated/facts: loss -> contradictions."""
    paths = sorted(path for path in Path(folder).glob("*.json") if path.name != "index.json")
    losses = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}
    return falsify_losses(losses, points, seed, jobs, tell)
