"""Who works on a large array, and on which rows?

An array is cut into spans of rows whose ends depend on its shape alone; `spread`
gives them to threads. Kernels answer row by row, and sums are taken over blocks
inside a span, so that no result depends on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from operator import index
from typing import Any, TypeVar

Span = tuple[int, int]
T = TypeVar("T")

# Numbers a block and the fewest rows a block, as in bridge.c.
BLOCK, LEAST = 1024, 64
# Numbers a span: a tenth of a millisecond of work or more, so that handing it over costs little.
SPAN = 1 << 17
# The fewest spans that several threads share: starting threads takes as long as the cheapest losses of two spans.
FEWEST = 4


def workers(loss: str, threads: Any) -> int:
    """The number of threads asked for; raises TypeError or ValueError unless it is a positive integer."""
    advice = f"{loss}: threads must be a positive integer, 1 to stay in the calling thread"
    try:
        number = index(threads)
    except TypeError:
        number = None
    if number is None or isinstance(threads, bool):
        raise TypeError(f"{advice}; got {threads!r}")
    if number < 1:
        raise ValueError(f"{advice}, for instance os.cpu_count(); got {threads!r}")
    return number


def block_rows(size: int) -> int:
    """How many rows of `size` numbers are checked, computed and summed together."""
    return max(LEAST, 1 << (BLOCK // size).bit_length() - 1) if size <= BLOCK else LEAST


def spans(rows: int, size: int) -> list[Span]:
    """Ranges of whole blocks that cover rows of `size` numbers; none for no rows."""
    block = block_rows(size)
    step = max(1, SPAN // (block * size)) * block
    return [(begin, min(begin + step, rows)) for begin in range(0, rows, step)]


def spread(work: Callable[[Span], T], parts: list[Span], threads: int) -> list[T]:
    """What `work` answers for each part, in order.

    Threads are started for this call alone: that takes some 0.1 ms, and nothing
    is left behind that a fork could break.
    """
    if threads == 1 or len(parts) < FEWEST:
        return [work(part) for part in parts]
    with ThreadPoolExecutor(min(threads, len(parts))) as pool:
        return list(pool.map(work, parts))
