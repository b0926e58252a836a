"""Counts rows on their way to the log into the statistics of their models."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Final

from larder.errors import Conflict, MissingObject, StoreError
from larder.events.base import LogRow
from larder.events.log.rows import ID_COLUMNS
from larder.events.statistics.document import (
    HOURS,
    ITEMS_PER_HOUR,
    MAX_QUARTERS,
    MAX_RELEASES,
    MAX_ROWS,
    MAX_SHOWN,
    QUARTER_SECONDS,
    EventStatistics,
    Shown,
    dump_statistics,
    largest,
    last,
    parse_statistics,
)
from larder.release.keys import statistics_key
from larder.store import Store

ANSWERS: Final = ""
"""The entry of a release that counts its answers; no type of events is empty."""
_ATTEMPTS: Final = 8
_HOUR: Final = 3600
_DIGEST: Final = 8  # digits of a recommendation's id that name its release


def read_statistics(store: Store, model: str) -> tuple[EventStatistics, str | None]:
    """The statistics of a model, and the ETag of their document, None if there is none yet; raises StoreError."""
    key = statistics_key(model)
    try:
        blob = store.get(key)
    except MissingObject:
        return EventStatistics(), None
    return parse_statistics(blob.data, key), blob.etag


def count_rows(store: Store, rows: Sequence[LogRow], clock: Callable[[], float] = time.time) -> dict[str, list[LogRow]]:
    """Count rows into the statistics of their models. A row that was counted among the last 20,000 is not counted.

    Returns the rows that were counted, by model. Raises StoreError if the store fails, or if other writers come first
    eight times in a row: count the rows again.
    """
    by_model: dict[str, list[LogRow]] = {}
    for row in rows:
        by_model.setdefault(row.model, []).append(row)
    return {model: _count_model(store, model, of_model, clock) for model, of_model in by_model.items()}


def _count_model(store: Store, model: str, rows: Sequence[LogRow], clock: Callable[[], float]) -> list[LogRow]:
    for _ in range(_ATTEMPTS):
        before, etag = read_statistics(store, model)
        new = _new(before, rows)
        if not new:
            return []
        after = _with_new(before, new, clock())
        try:
            store.put(statistics_key(model), dump_statistics(after), etag=etag, create=etag is None)
        except Conflict:
            continue
        return new
    raise StoreError(f"{statistics_key(model)} is changed by too many writers at once: count the rows again.")


def counted(statistics: EventStatistics, rows: Iterable[LogRow], now: float) -> EventStatistics:
    """The statistics with ``rows`` of one model; the same object if all of them were counted before."""
    new = _new(statistics, rows)
    return _with_new(statistics, new, now) if new else statistics


def _with_new(statistics: EventStatistics, new: Sequence[LogRow], now: float) -> EventStatistics:
    count = _Count(statistics, now)
    for row in new:
        (count.event if row.kind == "events" else count.answer)(row.row)
    return count.result((*statistics.rows, *map(_key, new))[-MAX_ROWS:])


def _new(statistics: EventStatistics, rows: Iterable[LogRow]) -> list[LogRow]:
    """The events and answers that were not counted before, each once."""
    by_key: dict[str, LogRow] = {}
    for row in rows:
        if row.kind in ("events", "recommendations"):
            by_key.setdefault(_key(row), row)
    for key in statistics.rows:
        by_key.pop(key, None)
    return list(by_key.values())


def _key(row: LogRow) -> str:
    return blake2b(f"{row.kind}\n{row.row[ID_COLUMNS[row.kind]]}".encode(errors="replace"), digest_size=8).hexdigest()


class _Count:
    """Statistics that are being counted."""

    def __init__(self, before: EventStatistics, now: float) -> None:
        self._now = int(now // _HOUR)
        self._hours = {hour: dict(counts) for hour, counts in before.hours.items()}
        self._items = dict(before.items)
        self._releases = {release: dict(counts) for release, counts in before.releases.items()}
        self._quarter = int(now // QUARTER_SECONDS) * QUARTER_SECONDS
        self._arrivals = dict(before.arrivals)

    def event(self, row: Mapping[str, object]) -> None:
        item, hour = str(row["ITEM_ID"]), int(_number(row["TIMESTAMP"]) // _HOUR)
        self._arrivals[self._quarter] = self._arrivals.get(self._quarter, 0) + 1
        if self._now - HOURS < hour <= self._now:
            counts = self._hours.setdefault(hour, {})
            counts[item] = counts.get(item, 0) + 1
        recommendation = row.get("RECOMMENDATION_ID")
        if isinstance(recommendation, str) and recommendation:
            shown = self._items.pop(item, Shown())
            self._items[item] = shown._replace(clicks=shown.clicks + 1)
            self._of_release(recommendation, str(row.get("EVENT_TYPE") or "interaction"))

    def answer(self, row: Mapping[str, object]) -> None:
        listed = row.get("ITEMS")
        for entry in listed if isinstance(listed, list) else ():
            item = str(entry[0]) if isinstance(entry, list) and entry else str(entry)
            shown = self._items.pop(item, Shown())
            self._items[item] = shown._replace(impressions=shown.impressions + 1)
        self._of_release(str(row["RECOMMENDATION_ID"]), ANSWERS)

    def _of_release(self, recommendation: str, what: str) -> None:
        release = recommendation[:_DIGEST]
        counts = self._releases.pop(release, {})
        counts[what] = counts.get(what, 0) + 1
        self._releases[release] = counts

    def result(self, rows: tuple[str, ...]) -> EventStatistics:
        hours = {
            hour: largest(counts, ITEMS_PER_HOUR)
            for hour, counts in self._hours.items()
            if self._now - HOURS < hour <= self._now
        }
        items, releases = last(self._items.items(), MAX_SHOWN), last(self._releases.items(), MAX_RELEASES)
        oldest = self._quarter - MAX_QUARTERS * QUARTER_SECONDS
        arrivals = {quarter: count for quarter, count in self._arrivals.items() if quarter > oldest}
        return EventStatistics(hours, items, releases, rows, arrivals)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
