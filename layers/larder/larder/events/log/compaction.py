"""The compaction: one file a day of the parts of that day, without duplicates.

A day is read, merged and written by compare-and-swap; then the parts that it took up are deleted. At no moment is a row
in neither. A crash after any step leaves parts that are in the day's file already, which the next compaction merges to
the same rows and deletes. Of two compactions of a day at once, one loses the swap and begins again. A part that comes
meanwhile is not touched, because only parts that were read are deleted.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from larder.errors import Conflict, MissingObject, StoreError
from larder.events.base import RowKind
from larder.events.log.deletions import read_deletions
from larder.events.log.merge import merging
from larder.events.log.parts import Day, all_days, day_key, list_days, logged_models
from larder.events.log.removed_users import RemovedUsers
from larder.events.log.rows import compress, read_lines
from larder.events.settings import read_settings
from larder.store import Blob, Store

KeepLine = Callable[[RowKind, bytes], bool]
_ATTEMPTS: Final = 8
_READ_AT_ONCE: Final = 16  # parts: some KB to some MB each
_EXPIRING: Final[tuple[RowKind, ...]] = ("events", "users", "recommendations")  # items are not of users, and stay
_SECONDS_A_DAY: Final = 5.0  # what a day takes at least, and for each byte: twice what half a vCPU needs
_SECONDS_A_BYTE: Final = 1e-6


@dataclass(frozen=True, slots=True)
class CompactedDay:
    """What the compaction made of one day.

    Attributes:
        model: The model.
        kind: The kind of its rows.
        day: The UTC day.
        parts: How many parts it took up.
        rows: How many rows the day has now.
        duplicates: How many rows it left out because another one has their id.
        bytes: The length of the day's file.
    """

    model: str
    kind: RowKind
    day: str
    parts: int
    rows: int
    duplicates: int
    bytes: int


@dataclass(slots=True)
class Compaction:
    """The result of a run.

    Attributes:
        days: The days that it made.
        expired: How many days it deleted because they are older than ``log_days``.
        remaining: How many days with parts it did not reach in its time; the next run makes them.
        problems: One message for each day that could not be made; the others are not affected.
    """

    days: list[CompactedDay]
    expired: int
    remaining: int
    problems: list[str]


def compact(
    store: Store,
    models: Sequence[str] | None = None,
    *,
    seconds_left: Callable[[], float] = lambda: float("inf"),
    now: float | None = None,
) -> Compaction:
    """Compacts every day that has parts, oldest first, and deletes days that are older than ``log_days``.

    It leaves out rows of users who were removed, which the queue may deliver weeks later. Raises StoreError if the
    deletions cannot be read: then no row of theirs may pass.

    Args:
        store: The store.
        models: The models; None for all that have a log.
        seconds_left: The time that is left. With too little for another day the run ends and counts the others.
        now: Epoch seconds, for ``log_days``.
    """
    result = Compaction([], 0, 0, [])
    deletions = read_deletions(store)
    pending: list[tuple[str, str, RowKind, int]] = []
    for model in logged_models(store) if models is None else models:
        log_days = read_settings(store, model)[0].log_days
        oldest = (datetime.fromtimestamp(now or time.time(), UTC) - timedelta(log_days)).date().isoformat()
        for kind, day, stored in all_days(store, model):
            if log_days and kind in _EXPIRING and day < oldest:
                _delete(store, stored)
                result.expired += 1
            elif stored.parts:
                pending.append((day, model, kind, stored.size))
    for number, (day, model, kind, size) in enumerate(sorted(pending)):
        # The first is made in any case: a day that never fits is better tried in vain than never.
        if number and seconds_left() < _SECONDS_A_DAY + size * _SECONDS_A_BYTE:
            result.remaining = len(pending) - number
            break
        try:
            result.days.append(compact_day(store, model, kind, day, RemovedUsers(deletions, model).keeps))
        except StoreError as error:
            result.problems.append(f"{model}/{kind}/{day}: {error}")
    return result


def compact_day(store: Store, model: str, kind: RowKind, day: str, keep: KeepLine | None = None) -> CompactedDay:
    """Makes the day's file of what the store has of the day; repeats it if another writer comes first.

    Args:
        store: The store.
        model: The model.
        kind: The kind of rows.
        day: The UTC day, such as ``2026-11-29``.
        keep: Which lines stay; None for all.

    Raises:
        StoreError: The store failed, or an object is damaged. Nothing is lost: the parts are still there.
    """
    for _ in range(_ATTEMPTS):
        try:
            return _compact_once(store, model, kind, day, keep)
        except (Conflict, MissingObject):  # another compaction has made the day, or has deleted a part that it took up
            continue
    raise StoreError(f"The day {day} of {model}/{kind} changed {_ATTEMPTS} times during its compaction: try again.")


def _compact_once(store: Store, model: str, kind: RowKind, day: str, keep: KeepLine | None) -> CompactedDay:
    # The parts are listed before the file is read: one that is deleted in between is in the file.
    parts = list_days(store, model, kind).get(day, Day("")).parts
    key = day_key(model, kind, day)
    old = _file(store, key)
    rows = 0

    def kept(lines: Iterator[bytes]) -> Iterator[bytes]:
        return lines if keep is None else (line for line in lines if keep(kind, line))

    with merging(kind) as merge:
        if old is not None:
            merge.add(kept(read_lines(old.data, key)), key)
        for part, blob in _read(store, parts):
            merge.add(kept(read_lines(blob.data, part)), part)

        def counted() -> Iterator[bytes]:
            nonlocal rows
            for line in merge.lines():
                rows += 1
                yield line

        data = compress(counted())
    if rows or old is not None:
        _write(store, key, data, old)
    for part in parts:
        store.delete(part)
    return CompactedDay(model, kind, day, len(parts), rows, merge.duplicates, len(data))


def _write(store: Store, key: str, data: bytes, old: Blob | None) -> None:
    """Replaces the file, also by an empty one: S3 cannot delete only what no other compaction has written since."""
    if old is None or old.data != data:
        store.put(key, data, etag=old.etag if old else None, create=old is None)


def _read(store: Store, keys: Sequence[str]) -> Iterator[tuple[str, Blob]]:
    """The parts, several at a time, since each waits for the store."""
    with ThreadPoolExecutor(_READ_AT_ONCE) as threads:
        for start in range(0, len(keys), _READ_AT_ONCE):
            some = keys[start : start + _READ_AT_ONCE]
            yield from zip(some, threads.map(store.get, some), strict=True)


def _file(store: Store, key: str) -> Blob | None:
    try:
        return store.get(key)
    except MissingObject:
        return None


def _delete(store: Store, day: Day) -> None:
    for key in day.keys:
        store.delete(key)
