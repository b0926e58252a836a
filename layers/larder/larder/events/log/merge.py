"""Makes one day's file of rows in any order, with duplicates: in bounded memory.

The rows are in a temporary database of SQLite, which keeps some MB in memory and the rest in a file that it deletes
itself: a day of a million events has about 400 MB of rows.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from larder.events.base import RowKind
from larder.events.log.rows import ID_COLUMNS, KEEPS_LATEST, TIMESTAMP, line_of, read_row
from larder.events.log.temporary_database import temporary_database

_SCHEMA: Final = "CREATE TABLE rows (id TEXT PRIMARY KEY, time REAL, user TEXT, session TEXT, line BLOB)"
_INSERT: Final = """
INSERT INTO rows VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE
SET time = excluded.time, user = excluded.user, session = excluded.session, line = excluded.line
WHERE (excluded.time, excluded.line) {} (time, line)
"""
_TIES: Final = "CREATE TABLE ties (session TEXT PRIMARY KEY, user TEXT)"
_TIE: Final = """
INSERT OR IGNORE INTO ties
SELECT session, user FROM rows WHERE user IS NOT NULL AND session IS NOT NULL ORDER BY time, id
"""
_SELECT: Final = """
SELECT line, ties.user FROM rows LEFT JOIN ties ON rows.user IS NULL AND ties.session = rows.session ORDER BY time, id
"""


@dataclass(slots=True)
class DayMerge:
    """The rows of one day of one kind.

    Of rows with the same id one is kept: of events and recommendations the earliest by TIMESTAMP, of items and users
    the latest; at the same time, the one whose line sorts first or last. So the result depends on the set of rows, not
    on their order, their parts or how often they came.

    Attributes:
        kind: The kind.
        duplicates: How many rows were left out because another one has their id.
    """

    kind: RowKind
    duplicates: int
    _database: sqlite3.Connection

    def add(self, lines: Iterable[bytes], key: str) -> None:
        """Adds the lines of the object ``key``; raises StoreError if one is not a row."""
        count = 0

        def values() -> Iterator[tuple[object, ...]]:
            nonlocal count
            for line in lines:
                row = read_row(line, self.kind, key)
                count += 1
                user = None if row.get("ANONYMOUS") else row.get("USER_ID")
                yield row[ID_COLUMNS[self.kind]], row[TIMESTAMP], user, row.get("SESSION_ID"), line

        before = self._count()
        self._database.executemany(_INSERT.format(">" if self.kind in KEEPS_LATEST else "<"), values())
        self.duplicates += count - (self._count() - before)

    def lines(self) -> Iterator[bytes]:
        """The rows in order of time.

        An anonymous visitor's event gets the user whose event of the same session is the day's first with a user.
        """
        if self.kind == "events":
            self._database.execute(_TIE)
        for line, user in self._database.execute(_SELECT):
            yield line if user is None else _owned(line, user)

    def _count(self) -> int:
        (count,) = self._database.execute("SELECT coalesce(max(rowid), 0) FROM rows").fetchone()  # no row is deleted
        return int(count)


def _owned(line: bytes, user: str) -> bytes:
    row = read_row(line, "events", "the log")
    row.pop("ANONYMOUS", None)
    return line_of({**row, "USER_ID": user})


@contextmanager
def merging(kind: RowKind) -> Iterator[DayMerge]:
    """An empty merge, whose file is gone at the end of the block."""
    with temporary_database(_SCHEMA, _TIES) as database:
        yield DayMerge(kind, 0, database)
