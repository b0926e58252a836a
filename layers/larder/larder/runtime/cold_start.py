"""The phases of a cold start and their times, for the log line of a process's first request.

===========  ==================================================================================
``imports``  importing the function, including the wait for preloaded models
``store``    reading the environment and creating the store's client
``pointer``  reading the pointer and the manifest of the live release
``files``    downloading the files of the release and checking their SHA-256
``session``  loading the model: ONNX Runtime's session, or the heads of tables
``answer``   the first request, including all of the above that it waits for
===========  ==================================================================================

Phases may overlap: a preloaded model loads while the function is still being imported.

A function imports this module first. In the Lambda runtime, it turns garbage collection off until everything is loaded:
imports leave hardly any garbage, but looking for it takes a seventh of classify's import time.
"""

import gc
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final


class ColdStart:
    """Seconds by phase until the end of the first request. Thread-safe if no two threads share a phase."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._in_lambda = "AWS_LAMBDA_RUNTIME_API" in environment
        if self._in_lambda:
            gc.disable()
        self._begun = time.perf_counter()
        self._seconds: dict[str, float] = {}
        self._over = False

    def add(self, phase: str, seconds: float) -> None:
        """Add ``seconds`` to ``phase``; has no effect after the first request."""
        if not self._over:
            self._seconds[phase] = self._seconds.get(phase, 0.0) + seconds

    @contextmanager
    def measured(self, phase: str) -> Iterator[None]:
        """Add the time of the block to ``phase``."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.add(phase, time.perf_counter() - begun)

    def imported(self) -> None:
        """Record that the function is loaded, and turn garbage collection on, except for the objects that exist now."""
        if self._in_lambda:
            gc.freeze()
            gc.enable()
        self.add("imports", time.perf_counter() - self._begun)

    def answered(self, seconds: float) -> dict[str, float] | None:
        """The milliseconds of each phase after the first request; None after all others."""
        if self._over:
            return None
        self.add("answer", seconds)
        self._over = True
        return {phase: round(1000 * seconds, 1) for phase, seconds in self._seconds.items()}


cold_start: Final = ColdStart(os.environ)
