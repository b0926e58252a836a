"""What stands out in a log: robots, stray clocks, days without events, ids that do not meet between the files."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from larder.errors import InvalidRequest
from larder_training.io.inputs import InputSource
from larder_training.recommender.data.bots import find_bots
from larder_training.recommender.data.event_log import DAY, EventLog
from larder_training.recommender.data.interactions import RowCounts, read_interactions
from larder_training.recommender.data.metadata import MetadataTable, read_metadata
from larder_training.reporting.progress import Progress

NAMED: Final = 50  # ids of a list; counts are always whole
_STRAY: Final = 0.01  # of the events on each side may be strays
_ENOUGH: Final = 100  # events, below which there is no middle to be far from


@dataclass(frozen=True, slots=True)
class LogSummary:
    """Counts of what stands out. Days are UTC; ``longest_gap_days`` is the longest time between two events that follow.

    ``negative_values`` are events with an EVENT_VALUE below 0, ``unknown_items`` the ids that the log has and the
    catalogue has not, ``items_never_seen`` the other way round; the last two are of users. Where a file is not given,
    its counts are 0.
    """

    days: int
    days_without_events: int
    longest_gap_days: float
    longest_gap_from: str
    negative_values: int
    unknown_items: int = 0
    items_never_seen: int = 0
    users_without_profile: int = 0
    profiles_without_events: int = 0

    def document(self) -> dict[str, object]:
        """As a JSON object."""
        return asdict(self)


def clean(log: EventLog, audit: RowCounts, *, bots: bool = True) -> tuple[EventLog, RowCounts, list[str]]:
    """The log without events at stray times and, where ``bots``, without users who are no persons; their counts; their
    ids, whether they are left out or not.
    """
    kept = log.where(~strays(log.time))
    found = find_bots(kept)
    of_bots = found[kept.user]
    audit = replace(
        audit, stray_times=len(log) - len(kept), bots=int(of_bots.sum()) if bots else 0, bot_users=int(found.sum())
    )
    kept = kept.where(~of_bots) if bots else kept
    return kept, replace(audit, used=len(kept)), [log.users[user] for user in np.flatnonzero(found).tolist()]


def strays(time: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Bool ``[events]`` for ascending ``time``: which lie farther from the middle 98 % of the events than these span.

    A wrong clock in 2037 would make the whole log one old day. Of fewer than 100 events none is one.
    """
    if len(time) < _ENOUGH:
        return np.zeros(len(time), bool)
    aside = int(len(time) * _STRAY)
    low, high = int(time[aside]), int(time[-1 - aside])
    reach = max(high - low, DAY)
    return (time < low - reach) | (time > high + reach)


def summarize_log(log: EventLog, items: MetadataTable | None = None, users: MetadataTable | None = None) -> LogSummary:
    """Looks through a log with at least one event, and through what the catalogue and the profiles know of its ids."""
    gaps = np.diff(log.time)
    widest = int(gaps.argmax()) if gaps.size else 0
    per_day = events_by_day(log)
    in_log = np.bincount(log.item, minlength=len(log.items)) > 0
    of_users = np.bincount(log.user, minlength=len(log.users)) > 0
    seen_items = {log.items[item] for item in np.flatnonzero(in_log).tolist()} if items else set()
    seen_users = {log.users[user] for user in np.flatnonzero(of_users).tolist()} if users else set()
    return LogSummary(
        days=len(per_day),
        days_without_events=int((per_day == 0).sum()),
        longest_gap_days=round(int(gaps.max(initial=0)) / DAY, 3),
        longest_gap_from=f"{datetime.fromtimestamp(int(log.time[widest]), UTC):%Y-%m-%dT%H:%M:%SZ}",
        negative_values=int((log.value < 0).sum()),
        unknown_items=len(seen_items.difference(items.ids)) if items else 0,
        items_never_seen=len(set(items.ids) - seen_items) if items else 0,
        users_without_profile=len(seen_users.difference(users.ids)) if users else 0,
        profiles_without_events=len(set(users.ids) - seen_users) if users else 0,
    )


def events_by_day(log: EventLog) -> NDArray[np.int64]:
    """``[days]``: the events of each day UTC from the first to the last."""
    days = log.time // DAY
    edges = np.arange(int(days[0]), int(days[-1]) + 2)
    return np.diff(np.searchsorted(days, edges)).astype(np.int64)


def future(log: EventLog, now: datetime) -> int:
    """How many events are later than ``now``. It depends on the clock, so no training does."""
    return len(log) - int(np.searchsorted(log.time, now.timestamp(), side="right"))


@dataclass(frozen=True, slots=True)
class LogAudit:
    """An audit: what became of the rows, what stands out, and what a page shows.

    ``users`` and ``items`` are those with an event; ``bots`` names at most fifty; ``by_day`` are the events of each day
    UTC from ``first_day`` (days since 1970) on; ``future`` are the events later than the clock; ``has_items`` and
    ``has_users`` whether these files were given.
    """

    audit: RowCounts
    findings: LogSummary
    users: int
    items: int
    types: Mapping[str, int]
    bots: tuple[str, ...]
    by_day: tuple[int, ...]
    first_day: int
    future: int
    has_items: bool
    has_users: bool

    def document(self) -> dict[str, object]:
        """As a JSON object."""
        return {
            **self.audit.document(),
            **self.findings.document(),
            "future": self.future,
            "users": self.users,
            "items": self.items,
            "event_types": dict(self.types),
            "bot_ids": list(self.bots),
        }

    def words(self) -> list[str]:
        """What a person should know, a sentence each."""
        audit, found = self.audit, self.findings
        told = [
            f"{audit.used} events of {self.users} users with {self.items} items in {found.days} days; {audit.dropped()}"
        ]
        if found.days_without_events:
            told.append(
                f"{found.days_without_events} days without any event; the longest gap is {found.longest_gap_days:.1f} "
                f"days from {found.longest_gap_from} on. Check that no file is missing."
            )
        if audit.bot_users:
            told.append(
                f"{audit.bot_users} users act as no person can ({', '.join(self.bots[:3])}, ...): a training leaves "
                "them out, unless --bots keep."
            )
        if self.future:
            told.append(f"{self.future} events are later than this machine's clock. Check the clocks that wrote them.")
        if found.negative_values:
            told.append(f"{found.negative_values} events have an EVENT_VALUE below 0 and count as returns.")
        if self.has_items:
            told.append(
                f"{found.unknown_items} items of the log are not in the catalogue, {found.items_never_seen} of the "
                "catalogue have no event."
            )
        if self.has_users:
            told.append(
                f"{found.users_without_profile} users of the log have no profile, {found.profiles_without_events} "
                "profiles no event."
            )
        return told


def audit_interactions(
    interactions: InputSource,
    items: InputSource | None,
    users: InputSource | None,
    *,
    now: datetime,
    progress: Progress,
) -> LogAudit:
    """Reads all files and looks through them, as a training does before it begins.

    Raises InvalidRequest where a file cannot be read.
    """
    catalogue = read_metadata(items, "ITEM_ID", progress) if items is not None else None
    profiles = read_metadata(users, "USER_ID", progress) if users is not None else None
    read, audit = read_interactions(interactions, progress=progress)
    log, audit, bots = clean(read, audit)
    if not len(log):
        raise InvalidRequest("no event is left of users who act as persons do: give a log of persons.")
    return LogAudit(
        audit,
        summarize_log(log, catalogue, profiles),
        users=int(np.count_nonzero(np.bincount(log.user))),
        items=int(np.count_nonzero(np.bincount(log.item))),
        types=dict(zip(log.events, np.bincount(log.event, minlength=len(log.events)).tolist(), strict=True)),
        bots=tuple(bots[:NAMED]),
        by_day=tuple(events_by_day(log).tolist()),
        first_day=int(log.time[0]) // DAY,
        future=future(read, now),
        has_items=catalogue is not None,
        has_users=profiles is not None,
    )
