"""Removes users from the log: their events, profiles and recommendations, and those of sessions tied to them."""

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Final

from larder.events.base import RowKind
from larder.events.log.compaction import compact_day
from larder.events.log.deletions import Deletions, change_deletions, read_deletions
from larder.events.log.owners import day_lines, owners_of, tied_sessions, time_of
from larder.events.log.parts import Day, all_days
from larder.events.log.rows import read_row
from larder.store import Store

_CACHED: Final = 65536  # ids


class Forgetting:
    """Which rows of one model's log belong to users who were removed."""

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


def forget(store: Store, *, seconds_left: Callable[[], float] = lambda: float("inf")) -> int:
    """Remove from the log every user whose deletion is open, and the users of earlier deletions whose rows came late.

    Returns the number of deletions that are done now. If the time ends first, they stay open for the next run. Raises
    StoreError.
    """
    deletions = read_deletions(store)
    models = sorted({model for entry in deletions.entries for model in entry.models})
    if not models:
        return 0
    deletions = _with_sessions(store, deletions)
    for model in models:
        forgetting = Forgetting(deletions, model)
        for kind, name, day in all_days(store, model):
            if seconds_left() < _seconds(day):
                return 0
            if not all(forgetting.keeps(kind, line) for line in day_lines(store, day)):
                compact_day(store, model, kind, name, forgetting.keeps)
    return _close(store, deletions)


def _with_sessions(store: Store, deletions: Deletions) -> Deletions:
    """The deletions with the hashes of the sessions of open ones, which are kept: a repeated run needs them."""
    sessions = _sessions(store, deletions)
    if not sessions:
        return deletions
    found = {receipt: {deletions.digest(session) for session in names} for receipt, names in sessions.items()}

    def change(current: Deletions) -> Deletions:
        entries = (entry for entry in current.entries if entry.receipt in found)
        return current.with_entries(
            replace(entry, subjects=tuple(sorted({*entry.subjects, *found[entry.receipt]}))) for entry in entries
        )

    return change_deletions(store, change)


def _sessions(store: Store, deletions: Deletions) -> dict[str, set[str]]:
    """The sessions of the users whose deletion is open, by receipt; reads each log once."""
    opened = [entry for entry in deletions.entries if entry.user is not None]
    sessions: dict[str, set[str]] = defaultdict(set)
    for model in sorted({model for entry in opened for model in entry.models}):
        of_model = {entry.user: entry for entry in opened if entry.user is not None and model in entry.models}
        tied = tied_sessions(store, model, {user: entry.asked for user, entry in of_model.items()})
        for user, names in tied.items():
            sessions[of_model[user].receipt] |= names
    return sessions


def _close(store: Store, done: Deletions) -> int:
    """Drop the ids of the deletions that are done; one that was asked again meanwhile stays open."""
    asked = {entry.receipt: entry.asked for entry in done.entries if entry.user is not None}
    now = time.time()

    def change(current: Deletions) -> Deletions:
        entries = (entry for entry in current.entries if asked.get(entry.receipt) == entry.asked)
        return current.with_entries(replace(entry, user=None, log=now) for entry in entries)

    if asked:
        change_deletions(store, change)
    return len(asked)


def _seconds(day: Day) -> float:
    return 5.0 + 2e-6 * day.size
