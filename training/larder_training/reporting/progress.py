"""Progress of long work: bars on a terminal, lines in a notebook, a log line now and then elsewhere."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol

_LINE_EVERY: Final = 5.0  # seconds between two lines of one task without a terminal
_log = logging.getLogger("larder")


class Advance(Protocol):
    """Reports the progress of one step."""

    def __call__(
        self, units: int, note: str = "", /, *, total: int | None = None, seconds_left: float | None = None
    ) -> None:
        """Adds to the units that are done.

        Args:
            units: Units that were done since the last call.
            note: What is known so far, such as ``best recall@20 0.2812``; empty keeps the last note.
            total: The number of units, if it is another one than was known at the start.
            seconds_left: Upper limit of the time left, such as the rest of a time limit.
        """


def ignore(units: int, note: str = "", /, *, total: int | None = None, seconds_left: float | None = None) -> None:
    """An ``Advance`` that shows nothing."""


@dataclass(frozen=True)
class Progress:
    """Shows the progress of a job.

    A terminal shows bars and lines on stderr, a notebook shows one line per step in the cell's output, and elsewhere
    the logger ``larder`` gets one line per step.

    Attributes:
        quiet: Whether to show nothing (tests, ``--json``).
        warnings: What ``warn`` was given, for the report and the manifest.
    """

    quiet: bool = False
    warnings: list[str] = field(default_factory=list)

    def warn(self, text: str) -> None:
        """Shows what the person should look at before they use the result, and keeps it for the report."""
        if text not in self.warnings:
            self.warnings.append(text)
            self.say(f"Warning: {text}")

    def say(self, text: str) -> None:
        """Shows one finding or finished step."""
        if self.quiet:
            return
        if sys.stderr.isatty():
            from rich.console import Console

            Console(stderr=True, highlight=False).print(text, markup=False)
        elif _in_notebook():
            sys.stdout.write(f"{text}\n")
        else:
            _log.info(text)

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Advance]:
        """Shows one step of ``total`` units; call the function it yields with the units done since its last call.

        Each display has the title, the units done of all, the time left, and the note of the last call.
        """
        state = _TaskState(title, total, time.monotonic())
        if self.quiet or not sys.stderr.isatty():
            yield self._line_by_line(state)
            return
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bars

        # rich's own column of the time left knows no limit.
        columns = (BarColumn(bar_width=24), TextColumn("{task.description}", markup=False))
        with Bars(*columns, console=Console(stderr=True)) as bars:
            task = bars.add_task(state.text(), total=total)

            def advance(
                units: int, note: str = "", /, *, total: int | None = None, seconds_left: float | None = None
            ) -> None:
                state.add(units, note, total, seconds_left)
                bars.update(task, completed=state.done, total=state.total, description=state.text())

            yield advance

    def _line_by_line(self, state: "_TaskState") -> Advance:
        last_line = time.monotonic()

        def advance(
            units: int, note: str = "", /, *, total: int | None = None, seconds_left: float | None = None
        ) -> None:
            nonlocal last_line
            state.add(units, note, total, seconds_left)
            if state.done >= state.total or time.monotonic() - last_line >= _LINE_EVERY:
                last_line = time.monotonic()
                self.say(state.text())

        return advance


@dataclass(slots=True)
class _TaskState:
    title: str
    total: int
    start: float
    done: int = 0
    note: str = ""
    seconds_left: float | None = None

    def add(self, units: int, note: str, total: int | None, seconds_left: float | None) -> None:
        self.done += units
        self.note = note or self.note
        self.total = max(self.total if total is None else total, self.done)
        self.seconds_left = seconds_left

    def text(self) -> str:
        """Such as ``Searching hyperparameters 12/80, 3 min left, best ndcg@20 0.2812``."""
        left = self._left()
        parts = [f"{self.title} {self.done:,}/{self.total:,}", f"{duration(left)} left" if left else "", self.note]
        return ", ".join(filter(None, parts))

    def _left(self) -> float:
        """Seconds left at the rate so far, or until the limit; 0 if unknown or over."""
        if not self.done or self.done >= self.total:
            return 0
        estimate = (time.monotonic() - self.start) / self.done * (self.total - self.done)
        return estimate if self.seconds_left is None else max(min(estimate, self.seconds_left), 0)


def duration(seconds: float) -> str:
    """Such as ``40 s``, ``3 min`` or ``2 h 5 min``."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _in_notebook() -> bool:
    """Whether this process is the kernel of a Jupyter notebook."""
    ipython = sys.modules.get("IPython")  # a kernel has imported it
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and "IPKernelApp" in shell.config
