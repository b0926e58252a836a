"""Work that runs on every core, comes back in order, and never holds more than a few results."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_order(work: Callable[[T], R], inputs: Iterable[T], workers: int | None = None) -> Iterator[R]:
    """``map`` on one thread a core, or on ``workers``; decoding and inference release Python's lock.

    At most three results a thread wait to be taken. Whatever ends the loop (an error, Ctrl-C) drops what has not begun
    and waits for what has.
    """
    workers = workers or os.cpu_count() or 1
    pool = ThreadPoolExecutor(workers, thread_name_prefix="larder")
    waiting: deque[Future[R]] = deque()
    try:
        for entry in inputs:
            waiting.append(pool.submit(work, entry))
            if len(waiting) >= 3 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
