"""A limit of requests for each key: a token bucket in the memory of this process.

A process knows nothing of the others, so the limit holds for each of them: on a machine for each worker, on AWS for
each instance of each function. The most that a key gets is its rate times the number of instances that run.
"""

import time
from collections.abc import Callable
from threading import Lock
from typing import Final

from larder.errors import TooManyRequests

_MAX_BUCKETS: Final = 1000  # one for each key


class _Bucket:
    """What is left of a limit.

    Attributes:
        tokens: The number of requests that may come at once.
        at: When that was, in seconds.
    """

    def __init__(self, tokens: float, at: float) -> None:
        self.tokens = tokens
        self.at = at


class Throttle:
    """The buckets of all keys. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._buckets: dict[str, _Bucket] = {}

    def take(self, key: str, rate: float, burst: int) -> None:
        """Count one request of ``key``; raises TooManyRequests if the bucket is empty.

        Args:
            key: The id of the key.
            rate: How many requests a second come back.
            burst: How many requests may come at once.
        """
        now = self._clock()
        with self._lock:
            bucket = self._buckets.get(key)
            if bucket is None:
                if len(self._buckets) >= _MAX_BUCKETS:  # keys that were removed since
                    del self._buckets[next(iter(self._buckets))]
                bucket = self._buckets[key] = _Bucket(burst, now)
            bucket.tokens = min(burst, bucket.tokens + rate * max(0.0, now - bucket.at))
            bucket.at = now
            if bucket.tokens >= 1:
                bucket.tokens -= 1
                return
            wait = (1 - bucket.tokens) / rate
        limit = f"{rate:g} {'request' if rate == 1 else 'requests'} a second"
        raise TooManyRequests(f"This key's limit is {limit}: send the request again later.", wait)
