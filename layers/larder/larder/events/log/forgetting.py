"""Removes users from the log: their events, profiles and recommendations, and those of sessions tied to them."""

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

from larder.events.log.compaction import compact_day
from larder.events.log.deletions import Deletions, change_deletions, read_deletions
from larder.events.log.owners import day_lines, tied_sessions
from larder.events.log.parts import Day, all_days
from larder.events.log.removed_users import RemovedUsers
from larder.store import Store


def forget(store: Store, *, seconds_left: Callable[[], float] = lambda: float("inf")) -> int:
    """Remove from the log every user whose deletion is open; without one, the log is not read.

    Rows that come after that are left out by the compaction.

    Returns the number of deletions that are done now. If the time ends first, they stay open for the next run. Raises
    StoreError.
    """
    deletions = read_deletions(store)
    models = sorted({model for entry in deletions.entries if entry.user is not None for model in entry.models})
    if not models:
        return 0
    deletions = _with_sessions(store, deletions)
    for model in models:
        removed = RemovedUsers(deletions, model)
        for kind, name, day in all_days(store, model):
            if seconds_left() < _seconds(day):
                return 0
            if not all(removed.keeps(kind, line) for line in day_lines(store, day)):
                compact_day(store, model, kind, name, removed.keeps)
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
