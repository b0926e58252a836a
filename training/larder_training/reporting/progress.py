"""Progress of long work: bars on a terminal, lines in a notebook, a log line now and then elsewhere."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

Advance = Callable[[int], None]
_LINE_EVERY: Final = 5.0  # seconds between two lines of one task without a terminal
_log = logging.getLogger("larder")


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
        """Shows one step of ``total`` units; call the function it yields with the units done since its last call."""
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
        done, last_line = 0, time.monotonic()

        def advance(units: int) -> None:
            nonlocal done, last_line
            done += units
            if done >= total or time.monotonic() - last_line >= _LINE_EVERY:
                last_line = time.monotonic()
                self.say(f"{title}: {done} of {total}")

        return advance


def _in_notebook() -> bool:
    """Whether this process is the kernel of a Jupyter notebook."""
    ipython = sys.modules.get("IPython")  # a kernel has imported it
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and "IPKernelApp" in shell.config
