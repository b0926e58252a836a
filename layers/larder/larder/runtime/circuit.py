"""Stop waiting for what does not answer: the circuit breaker of Nygard's "Release It!"."""

import math
import time
from collections.abc import Callable
from threading import Lock


class Circuit:
    """Which calls of one dependency are worth making. Thread-safe.

    It is closed at first: all calls are made. Some failures in a row open it: none is made for a while. Then one call
    is made, alone: it closes the circuit, or opens it for as long again.
    """

    def __init__(self, failures: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Make a closed circuit.

        Args:
            failures: How many failures in a row open it.
            seconds: How long it stays open.
            clock: Seconds.
        """
        self._limit = failures
        self._seconds = seconds
        self._clock = clock
        self._lock = Lock()
        self._failures = 0
        self._open_until = -math.inf

    def admits(self) -> bool:
        """Whether to make a call now; then report whether it failed."""
        with self._lock:
            if self._failures < self._limit:
                return True
            if self._clock() < self._open_until:
                return False
            self._open_until = self._clock() + self._seconds  # others wait for what this call finds
            return True

    def succeeded(self) -> None:
        """A call succeeded."""
        with self._lock:
            self._failures = 0

    def failed(self) -> None:
        """A call failed, or was given up."""
        with self._lock:
            self._failures += 1
            self._open_until = self._clock() + self._seconds
