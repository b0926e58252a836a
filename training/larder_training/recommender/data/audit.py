"""Audit of an event log: bots, wrong clocks, days without events, ids that are in one file but not in another."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from larder.errors import InvalidRequest
from larder_training.io.inputs import InputSource
from larder_training.recommender.config.log_format import USUAL, LogFormat
from larder_training.recommender.config.options import ColumnKind
from larder_training.recommender.data.bots import find_bots
from larder_training.recommender.data.columns.description import (
    COLUMN_HEAD,
    ColumnRow,
    column_document,
    column_rows,
    table_notices,
)
from larder_training.recommender.data.event_log import DAY, EventLog
from larder_training.recommender.data.interactions import read_interactions
from larder_training.recommender.data.log_checks.id_matching import IdMatch, match_ids
from larder_training.recommender.data.log_checks.requirements import refusals, warnings
from larder_training.recommender.data.log_checks.row_counts import RowCounts
from larder_training.recommender.data.metadata import MetadataTable, check_stated, read_metadata
from larder_training.reporting.counts import counted
from larder_training.reporting.progress import Progress

MAX_BOT_IDS: Final = 50  # ids in the list; the count has all
_STRAY: Final = 0.01  # share of the events, on each side, that may have a wrong time
_MIN_EVENTS: Final = 100  # with fewer, no event has a wrong time
_NO_TYPES: Final[Mapping[str, ColumnKind]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class LogSummary:
    """Counts over a log. Counts of ids are 0 if the metadata file is not given.

    Attributes:
        days: Days (UTC) from the first event to the last.
        days_without_events: Those without an event.
        longest_gap_days: Longest time between two consecutive events.
        longest_gap_from: When that gap begins.
        negative_values: Events with an EVENT_VALUE below 0.
        unknown_items: Items of the log without item metadata.
        items_never_seen: Items of the metadata without an event.
        users_without_profile: Users of the log without a profile.
        profiles_without_events: Profiles of users without an event.
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


def clean(log: EventLog, counts: RowCounts, *, bots: bool = True) -> tuple[EventLog, RowCounts, list[str]]:
    """Drops events with stray times and, if ``bots``, the events of bots.

    Returns:
        The log, the counts, and the ids of the bots, dropped or not.
    """
    timely = log.where(~stray_times(log.time))
    is_bot = find_bots(timely)
    of_bots = is_bot[timely.user]
    cleaned = timely.where(~of_bots) if bots else timely
    counts = replace(
        counts,
        stray_times=len(log) - len(timely),
        bots=int(of_bots.sum()) if bots else 0,
        bot_users=int(is_bot.sum()),
        used=len(cleaned),
    )
    return cleaned, counts, [log.users[user] for user in np.flatnonzero(is_bot).tolist()]


def stray_times(time: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Bool ``[events]``: whether a time lies farther from the middle 98 % of the events than these span.

    A wrong clock, in 2037 for example, would make all other events look old. With fewer than 100 events none is stray.

    Args:
        time: Epoch seconds ``[events]``, ascending.
    """
    if len(time) < _MIN_EVENTS:
        return np.zeros(len(time), bool)
    tail = int(len(time) * _STRAY)
    low, high = int(time[tail]), int(time[-1 - tail])
    reach = max(high - low, DAY)
    return (time < low - reach) | (time > high + reach)


def summarize_log(log: EventLog, items: MetadataTable | None = None, users: MetadataTable | None = None) -> LogSummary:
    """Counts over a log of at least one event, and over its ids in the metadata of items and users."""
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


def id_matches(log: EventLog, items: MetadataTable | None, users: MetadataTable | None) -> list[IdMatch]:
    """How the ids of the log's events meet those of each metadata file that is given."""
    columns = (("ITEM_ID", log.items, log.item, items), ("USER_ID", log.users, log.user, users))
    return [
        match_ids(column, [ids[number] for number in np.unique(numbers).tolist()], table.ids)
        for column, ids, numbers, table in columns
        if table is not None
    ]


def events_by_day(log: EventLog) -> NDArray[np.int64]:
    """``[days]``: the events of each day (UTC) from the first to the last."""
    days = log.time // DAY
    edges = np.arange(int(days[0]), int(days[-1]) + 2)
    return np.diff(np.searchsorted(days, edges)).astype(np.int64)


def future(log: EventLog, now: datetime) -> int:
    """Number of events later than ``now``. A training does not call it, since it must not read the clock."""
    return len(log) - int(np.searchsorted(log.time, now.timestamp(), side="right"))


@dataclass(frozen=True, slots=True)
class LogAudit:
    """Result of ``larder audit recommender``.

    Attributes:
        counts: Rows read, dropped and used.
        summary: Counts over the log.
        users: Users with an event.
        items: Items with an event.
        types: Events per event type.
        bots: Ids of bots, at most fifty.
        by_day: Events of each day (UTC).
        first_day: The first of them, in days since 1970.
        future: Events later than this machine's clock.
        has_items: Whether item metadata was given.
        has_users: Whether user metadata was given.
        notices: What was found in the files, in sentences.
        warnings: What makes the log doubtful, in sentences.
        problems: Why a training refuses the log, in sentences.
        item_columns: The columns of items, as rows of a table.
        user_columns: The columns of users, as rows of a table.
    """

    counts: RowCounts
    summary: LogSummary
    users: int
    items: int
    types: Mapping[str, int]
    bots: tuple[str, ...]
    by_day: tuple[int, ...]
    first_day: int
    future: int
    has_items: bool
    has_users: bool
    notices: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    item_columns: tuple[ColumnRow, ...] = ()
    user_columns: tuple[ColumnRow, ...] = ()

    def document(self) -> dict[str, object]:
        """As a JSON object."""
        return {
            **self.counts.document(),
            **self.summary.document(),
            "future": self.future,
            "users": self.users,
            "items": self.items,
            "event_types": dict(self.types),
            "bot_ids": list(self.bots),
            "notices": list(self.notices),
            "warnings": list(self.warnings),
            "problems": list(self.problems),
            "item_columns": [dict(zip(COLUMN_HEAD, row, strict=True)) for row in self.item_columns],
            "user_columns": [dict(zip(COLUMN_HEAD, row, strict=True)) for row in self.user_columns],
        }

    def words(self) -> list[str]:
        """The audit in sentences, with the warnings and what a training refuses."""
        refused = (f"A training ends with an error: {problem}" for problem in self.problems)
        return [*self.findings(), *(f"Warning: {warning}" for warning in self.warnings), *refused]

    def findings(self) -> list[str]:
        """What the audit found, in sentences."""
        counts, summary = self.counts, self.summary
        size = (
            f"{counted(counts.used, 'event')} of {counted(self.users, 'user')} with {counted(self.items, 'item')} in "
            f"{counted(summary.days, 'day')}"
        )
        lines = [f"{size}; {counts.dropped()}", *self.notices]
        if summary.days_without_events:
            lines.append(
                f"{counted(summary.days_without_events, 'day')} without events; the longest gap is "
                f"{summary.longest_gap_days:.1f} days from {summary.longest_gap_from}. Check that no file is missing."
            )
        if counts.bot_users:
            lines.append(
                f"{counted(counts.bot_users, 'user acts', 'users act')} faster than people can "
                f"({', '.join(self.bots[:3])}{', ...' if counts.bot_users > len(self.bots[:3]) else ''}): a training "
                "drops them, unless --bots keep."
            )
        if self.future:
            lines.append(
                f"{counted(self.future, 'event is', 'events are')} later than this machine's clock. Check the "
                "clocks that wrote them."
            )
        if summary.negative_values:
            returns = counted(
                summary.negative_values,
                "event has an EVENT_VALUE below 0 and counts as a return",
                "events have an EVENT_VALUE below 0 and count as returns",
            )
            lines.append(f"{returns}.")
        if self.has_items:
            lines.append(
                f"{counted(summary.unknown_items, 'item of the log has', 'items of the log have')} no metadata, "
                f"{counted(summary.items_never_seen, 'item with metadata has', 'items with metadata have')} no event."
            )
        if self.has_users:
            silent = counted(summary.profiles_without_events, "user with a profile has", "users with a profile have")
            lines.append(
                f"{counted(summary.users_without_profile, 'user of the log has', 'users of the log have')} no profile, "
                f"{silent} no event."
            )
        return lines


def audit_interactions(
    interactions: InputSource,
    items: InputSource | None,
    users: InputSource | None,
    *,
    log_format: LogFormat = USUAL,
    allow_small: bool = False,
    allow_unmatched_ids: bool = False,
    types: Mapping[str, ColumnKind] = _NO_TYPES,
    now: datetime,
    progress: Progress,
) -> LogAudit:
    """Reads all files and audits them as a training does.

    Args:
        interactions: The event log.
        items: Item metadata.
        users: User metadata.
        log_format: How the files are written.
        allow_small: Whether a training may use a log that is too small to learn from.
        allow_unmatched_ids: Whether a training may use a log of which hardly an id is in the metadata.
        types: Types of item and user columns by name; the others are inferred.
        now: The time after which events are in the future.
        progress: Where to report progress.

    Raises:
        InvalidRequest: A file cannot be read, or the log has only events of bots.
    """
    tables = [
        None
        if source is None
        else read_metadata(
            source, key, progress, types, names=log_format.of_metadata(key), time_format=log_format.time_format
        )
        for key, source in (("ITEM_ID", items), ("USER_ID", users))
    ]
    item_metadata, user_metadata = tables
    check_stated(types, (item_metadata, user_metadata))
    read, counts = read_interactions(interactions, progress=progress, log_format=log_format)
    log, counts, bots = clean(read, counts)
    if not len(log):
        raise InvalidRequest("all users of the log act faster than people can: give a log with events of people.")
    matches = id_matches(log, item_metadata, user_metadata)
    problems = refusals(log, matches, timed=True, allow_small=allow_small, allow_unmatched=allow_unmatched_ids)
    of_tables = table_notices(item_metadata, user_metadata)
    return LogAudit(
        counts,
        summarize_log(log, item_metadata, user_metadata),
        users=int(np.count_nonzero(np.bincount(log.user))),
        items=int(np.count_nonzero(np.bincount(log.item))),
        types=dict(zip(log.events, np.bincount(log.event, minlength=len(log.events)).tolist(), strict=True)),
        bots=tuple(bots[:MAX_BOT_IDS]),
        by_day=tuple(events_by_day(log).tolist()),
        first_day=int(log.time[0]) // DAY,
        future=future(read, now),
        has_items=item_metadata is not None,
        has_users=user_metadata is not None,
        notices=(*counts.notices, *of_tables),
        warnings=(*counts.warnings(), *warnings(log, matches, problems)),
        problems=tuple(problems),
        item_columns=_columns(item_metadata, filters=True),
        user_columns=_columns(user_metadata, filters=False),
    )


def _columns(table: MetadataTable | None, *, filters: bool) -> tuple[ColumnRow, ...]:
    return () if table is None else tuple(column_rows(column_document(table), filters=filters))
