"""Maps on threads: one that returns results in order and holds only a few, and one over blocks of rows."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_in_order(function: Callable[[T], R], inputs: Iterable[T], workers: int | None = None) -> Iterator[R]:
    """Like ``map``, on threads: for functions that release the interpreter's lock, such as decoding and inference.

    At most three results per thread wait to be consumed. If the loop ends early (an error, Ctrl-C), queued calls are
    cancelled and running ones are waited for.

    Args:
        function: Called with each input.
        inputs: Consumed as threads become free.
        workers: Number of threads. None: one per core.
    """
    workers = workers or os.cpu_count() or 1
    pool = ThreadPoolExecutor(workers, thread_name_prefix="larder")
    pending: deque[Future[R]] = deque()
    try:
        for item in inputs:
            pending.append(pool.submit(function, item))
            if len(pending) >= 3 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def in_blocks(rows: int, size: int, work: Callable[[int, int], None]) -> None:
    """Runs ``work(start, end)`` for blocks of all rows on all cores; blocks must not share output."""
    starts = range(0, rows, size)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(lambda start: work(start, min(start + size, rows)), starts))
