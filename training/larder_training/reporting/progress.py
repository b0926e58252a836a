"""Progress of long work: bars on a terminal, a log line now and then elsewhere."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

Advance = Callable[[int], None]
_LINE_EVERY: Final = 5.0  # seconds between two log lines of one task, where there is no terminal
_log = logging.getLogger("larder")


@dataclass(frozen=True)
class Progress:
    """Tells a person how far a job is. ``quiet`` says nothing at all (tests, ``--json``).

    On a terminal, stderr shows bars and plain lines; elsewhere the logger ``larder`` gets one line a step.
    """

    quiet: bool = False

    def say(self, text: str) -> None:
        """Tells one finding or finished step."""
        if self.quiet:
            return
        if sys.stderr.isatty():
            from rich.console import Console

            Console(stderr=True, highlight=False).print(text, markup=False)
        else:
            _log.info(text)

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Advance]:
        """Runs one step of ``total`` units; the function it yields takes the units done since its last call."""
        if self.quiet or not sys.stderr.isatty():
            yield self._line_by_line(title, total)
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Bars(*columns, console=Console(stderr=True)) as bars:
            task = bars.add_task(title, total=total)
            yield lambda units: bars.advance(task, units)

    def _line_by_line(self, title: str, total: int) -> Advance:
        done, told = 0, time.monotonic()

        def advance(units: int) -> None:
            nonlocal done, told
            done += units
            if done >= total or time.monotonic() - told >= _LINE_EVERY:
                told = time.monotonic()
                self.say(f"{title}: {done} of {total}")

        return advance
