"""Where a watch reads the log of the functions from, page by page, each line once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LogPage:
    """A part of the log.

    Attributes:
        lines: Its lines; a line may have a prefix before its JSON, such as a time.
        read_until: The place after them, by which ``LogSource.pages`` goes on; only the source understands it.
        until: What was written before this time has been read, unless the log came later than usual.
    """

    lines: Sequence[str]
    read_until: str
    until: datetime


class LogSource(Protocol):
    """The log of the functions that answer."""

    def pages(self, read_until: str | None, since: datetime) -> Iterator[LogPage]:
        """The log after ``read_until``, or, for None, from about ``since`` on; earlier lines do no harm.

        Raises StoreError if the log cannot be read; try again.
        """


class NoLog:
    """For who cannot read the log: what others have read of it decides."""

    def pages(self, read_until: str | None, since: datetime) -> Iterator[LogPage]:
        """Nothing."""
        del read_until, since
        return iter(())
