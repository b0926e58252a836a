"""Which rows of a log belong to users who were removed."""

from functools import lru_cache
from typing import Final

from larder.events.base import RowKind
from larder.events.log.deletions import Deletions
from larder.events.log.owners import owners_of
from larder.events.log.rows import read_row, time_of

_CACHED: Final = 65536  # ids


class RemovedUsers:
    """The users who were removed from one model, and whether a row is theirs."""

    def __init__(self, deletions: Deletions, model: str) -> None:
        self._digest = lru_cache(_CACHED)(deletions.digest)
        self._asked: dict[str, float] = {}
        for entry in deletions.entries:
            if model in entry.models:
                for subject in entry.subjects:
                    self._asked[subject] = max(entry.asked, self._asked.get(subject, 0.0))

    def keeps(self, kind: RowKind, line: bytes) -> bool:
        """Whether a line stays: it is of no removed user, or later than the request."""
        if kind == "items" or not self._asked:
            return True
        row = read_row(line, kind, "the log")
        return all(self._asked.get(self._digest(owner), -1.0) < time_of(row) for owner in owners_of(row))
