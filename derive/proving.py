"""How are the claims about several losses proved at once? One property of one loss at a time, in several processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed

from .certificates import Proved, Statement
from .claiming import applicable, claim

Tell = Callable[[int, int], None]  # is told how many claims are done, and of how many


def prove_losses(
    statements: Mapping[str, Statement],
    jobs: int | None = None,
    tell: Tell = lambda done, total: None,
    asked: Mapping[str, Sequence[str]] | None = None,
) -> Iterator[tuple[str, dict[str, Proved]]]:
    """The claims about each loss with their certificates, by property; a loss comes as soon as it is done.

    `asked` names the properties of those statements of which not all are wanted. `jobs` processes share the work, by
    default as many as there are processors. Whatever ends the iteration early ends the processes, too.
    """
    jobs = jobs or os.cpu_count() or 1
    wanted = {loss: (asked or {}).get(loss) or applicable(about) for loss, about in statements.items()}
    tasks = [(loss, name) for loss, names in wanted.items() for name in names]
    claims: dict[str, dict[str, Proved]] = {loss: {} for loss in statements}
    missing = {loss: sum(task[0] == loss for task in tasks) for loss in statements}
    tell(0, len(tasks))
    for done, ((loss, name), proved) in enumerate(_proved(statements, tasks, min(jobs, len(tasks))), 1):
        claims[loss][name] = proved
        missing[loss] -= 1
        tell(done, len(tasks))
        if not missing[loss]:
            yield loss, {name: claims[loss][name] for name in wanted[loss]}


Task = tuple[str, str]


def _proved(statements: Mapping[str, Statement], tasks: list[Task], jobs: int) -> Iterator[tuple[Task, Proved]]:
    if jobs < 2:
        yield from ((task, _claim(statements[task[0]], task[1])) for task in tasks)
        return
    others = {process.pid for process in multiprocessing.active_children()}
    # Spawned, because a fork would copy the threads of a progress bar in whatever state they are.
    pool = ProcessPoolExecutor(
        jobs, multiprocessing.get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN)
    )
    try:
        futures: dict[Future[Proved], Task] = {
            pool.submit(_claim, statements[task[0]], task[1]): task for task in tasks
        }
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BaseException:
        for process in multiprocessing.active_children():
            if process.pid not in others:
                process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _claim(about: Statement, name: str) -> Proved:
    return claim(about, name)
