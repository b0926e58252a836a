"""When the client repeats a request, and how long it waits before."""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from larder_client.errors import APIError, ClientError

T = TypeVar("T")
_log = logging.getLogger("larder_client")


@dataclass(frozen=True, slots=True)
class Retry:
    """Exponential back-off with full jitter, bounded in number and time.

    Every request of the API only reads, POSTs included, so each is safe to repeat. The client repeats a request after a
    broken connection, a time-out, and the statuses 429, 502, 503 (except ``not_ready``) and 504. Before repetition
    ``k`` (from 0) it waits a random time between 0 and ``min(max_seconds, base_seconds * 2**k)``, or as long as the
    answer's ``Retry-After`` says, whichever is longer. So callers that failed together do not return together.

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

    Attributes:
        count: Maximum number of repetitions; 0 for none.
        base_seconds: Upper bound of the first wait.
        max_seconds: Upper bound of every wait, except for ``Retry-After``.
        total_seconds: No repetition starts later than this after the first attempt. A longer ``Retry-After`` raises the
            error at once.
        sleep: Waits for a number of seconds.
        clock: Returns the current time in seconds.
        uniform: Draws a number between its two arguments.
    """

    count: int = 3
    base_seconds: float = 0.2
    max_seconds: float = 10.0
    total_seconds: float = 60.0
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    uniform: Callable[[float, float], float] = field(default=random.uniform, repr=False)

    def call(self, attempt: Callable[[], T]) -> T:
        """Returns the result of ``attempt``, or raises its last error when no repetition is left."""
        deadline = self.clock() + self.total_seconds
        for number in range(self.count):
            try:
                return attempt()
            except ClientError as error:
                delay = self._delay(number, error)
                if not error.retryable or self.clock() + delay > deadline:
                    raise
                # Only the class, because a message may contain the id of a user or an item.
                _log.debug("%s: repetition %d of %d in %.2f s", type(error).__name__, number + 1, self.count, delay)
            self.sleep(delay)
        return attempt()

    def _delay(self, number: int, error: ClientError) -> float:
        retry_after = (error.retry_after or 0.0) if isinstance(error, APIError) else 0.0
        longest = min(self.max_seconds, self.base_seconds * 2.0 ** min(number, 64))  # 2.0**1024 overflows
        return max(retry_after, self.uniform(0.0, longest))
