"""Joins the answers of a day with the events that name them: in bounded memory.

Events that name a recommendation are in a temporary database of SQLite, as the compaction has them; the answers pass by
one after the other. An event is attributed to the item's place in the answer that it names. An event that names an
unknown recommendation, one of another model, or an item that the answer does not have, is not attributed. The id of a
recommendation is not known before the answer, so an event with an earlier time has a wrong clock, and counts.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from larder.events.attribution.document import (
    EXPRESSION,
    POSITIONS,
    WINDOW_SECONDS,
    Earned,
    Place,
    TypeCount,
)
from larder.events.attribution.names import Names
from larder.events.attribution.sources import Row, type_of, value_of
from larder.events.log.rows import time_of
from larder.events.log.temporary_database import temporary_database

_MAX_FILTERS: Final = 20
_MAX_TYPES: Final = 50
_STORED: Final = "@"  # begins the name of a stored filter
_SCHEMA: Final = """
CREATE TABLE events (id TEXT PRIMARY KEY, recommendation TEXT, item TEXT, type TEXT, time REAL, value REAL)
"""
_INSERT: Final = "INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?)"
_INDEX: Final = "CREATE INDEX by_recommendation ON events (recommendation, time, id)"
_SELECT: Final = "SELECT item, type, time, value FROM events WHERE recommendation = ? ORDER BY time, id"

_Event = tuple[str, str, float, float]
_Cells = dict[tuple[str, str], dict[tuple[str, int], Earned]]  # by release and filter, then by source and position


def earned_by_place(answers: Iterable[Row], events: Iterable[Row]) -> dict[Place, Earned]:
    """What each place of the answers earned.

    Args:
        answers: The answers of a day, each id once.
        events: The events of that day and the next in order of time; of those with one id, the first counts.
    """
    cells: _Cells = {}
    filters, types = Names(_MAX_FILTERS), Names(_MAX_TYPES)
    with _events(events) as database:
        for answer in answers:
            named: list[_Event] = database.execute(_SELECT, (str(answer["RECOMMENDATION_ID"]),)).fetchall()
            release, filter_ = str(answer.get("RELEASE") or ""), _filter(answer.get("FILTER"), filters)
            shown = _impressions(answer, cells.setdefault((release, filter_), {}))
            if named:
                _count(named, dict(shown), time_of(answer) + WINDOW_SECONDS, types)
    return {
        Place(release, source, position, filter_): earned
        for (release, filter_), of_answers in cells.items()
        for (source, position), earned in of_answers.items()
    }


def _impressions(answer: Row, cells: dict[tuple[str, int], Earned]) -> list[tuple[str, Earned]]:
    """Count the items of an answer; returns each item with the counts of its place."""
    listed, before = answer.get("ITEMS"), answer.get("ITEMS_BEFORE")
    first = before + 1 if isinstance(before, int) else 1
    shown = []
    for position, entry in enumerate(listed if isinstance(listed, list) else (), first):
        item, source = entry if isinstance(entry, list) and len(entry) == 2 else _item(entry)
        key = (source or "", position if position <= POSITIONS else POSITIONS + 1)
        earned = cells.get(key)
        if earned is None:
            earned = cells[key] = Earned()
        earned.impressions += 1
        shown.append((item, earned))
    return shown


def _item(entry: object) -> tuple[str, str]:
    """The item of an entry that has no source, or more than one."""
    return str(entry[0] if isinstance(entry, list) and entry else entry), ""


def _count(named: list[_Event], shown: Mapping[str, Earned], until: float, types: Names) -> None:
    seen: set[tuple[str, str]] = set()
    for item, type_, time, value in named:
        if item in shown and time <= until:
            name = types.get(type_)
            count = shown[item].events.setdefault(name, TypeCount())
            count.add(TypeCount(int((item, name) not in seen), 1, value))
            seen.add((item, name))


@contextmanager
def _events(rows: Iterable[Row]) -> Iterator[sqlite3.Connection]:
    """The events that name a recommendation, by it; the file is gone at the end of the block."""
    with temporary_database(_SCHEMA) as database:
        database.executemany(_INSERT, (_values(row) for row in rows if row.get("RECOMMENDATION_ID")))
        database.execute(_INDEX)
        yield database


def _values(row: Row) -> tuple[object, ...]:
    item, time = str(row.get("ITEM_ID")), time_of(row)
    return row["EVENT_ID"], str(row["RECOMMENDATION_ID"]), item, type_of(row), time, value_of(row)


def _filter(text: object, names: Names) -> str:
    if not isinstance(text, str) or not text:
        return ""
    return names.get(text.removeprefix(_STORED)) if text.startswith(_STORED) else EXPRESSION
