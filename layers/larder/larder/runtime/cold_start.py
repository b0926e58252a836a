"""A process's way to its first answer: what it spends its time on, for the log line of that answer.

===========  ==================================================================================
``imports``  from the first line of the function to its last, waiting for a preloaded model included
``store``    reading the environment and making the store's client
``pointer``  reading which release is live, and its manifest
``files``    downloading files of the release and comparing their SHA-256
``session``  making a model of them: ONNX Runtime's session, or the heads of tables
``answer``   the first answer, whatever of the above it had to wait for included
===========  ==================================================================================

Phases may overlap: a preloaded model is opened while the function is still being imported.

A function imports this module before all others: in the Lambda runtime, Python looks for no garbage until everything is
loaded. Almost nothing that an import makes is garbage, and looking takes a seventh of classify's imports.
"""

import gc
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final


class ColdStart:
    """Seconds by phase, from now until the first answer. Thread-safe as far as no two threads share a phase."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._in_lambda = "AWS_LAMBDA_RUNTIME_API" in environment
        if self._in_lambda:
            gc.disable()
        self._begun = time.perf_counter()
        self._seconds: dict[str, float] = {}
        self._over = False

    def add(self, phase: str, seconds: float) -> None:
        """Counts ``seconds`` to ``phase``; not any more after the first answer."""
        if not self._over:
            self._seconds[phase] = self._seconds.get(phase, 0.0) + seconds

    @contextmanager
    def measured(self, phase: str) -> Iterator[None]:
        """Counts what the block takes to ``phase``."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.add(phase, time.perf_counter() - begun)

    def imported(self) -> None:
        """Takes note that the function is loaded. What was made until now is never looked at for garbage again."""
        if self._in_lambda:
            gc.freeze()
            gc.enable()
        self.add("imports", time.perf_counter() - self._begun)

    def answered(self, seconds: float) -> dict[str, float] | None:
        """The milliseconds of each phase when it is called for the first answer, None for every later one."""
        if self._over:
            return None
        self.add("answer", seconds)
        self._over = True
        return {phase: round(1000 * spent, 1) for phase, spent in self._seconds.items()}


cold_start: Final = ColdStart(os.environ)
