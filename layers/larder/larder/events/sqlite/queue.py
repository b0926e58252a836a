"""The queue in a SQLite file, with what SQS does on AWS: visibility, receipts, and dead letters."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from larder.events.base import LogRow
from larder.events.messages import encode_rows
from larder.events.sqlite.database import Database

MAX_RECEIVES: Final = 5
"""A message that was received so often and not deleted is a dead letter, as in the template's queue."""


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """A message that was received.

    Attributes:
        id: Its id, which stays the same.
        receipt: The handle by which this receiver deletes it.
        body: The body; see ``larder.events.messages``.
        receives: How often it was received, this time included.
    """

    id: str
    receipt: str
    body: str
    receives: int


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """The numbers of messages.

    Attributes:
        waiting: Those that can be received.
        in_flight: Those that were received, and whose time to be deleted has not ended.
        dead: The dead letters.
    """

    waiting: int
    in_flight: int
    dead: int


class SqliteQueue:
    """The way to the log; see ``larder.events.base.LogQueue``. Safe with several senders and receivers."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        """Use a database.

        Args:
            database: The file, opened as durable.
            clock: Epoch seconds, by which messages become visible again.
        """
        self._database = database
        self._clock = clock

    @classmethod
    def open(cls, path: str) -> "SqliteQueue":
        """The queue in the file of a ``sqlite://`` URL's path; raises StoreError."""
        return cls(Database.at(path, durable=True))

    def send(self, rows: Sequence[LogRow]) -> None:
        """See ``LogQueue.send``: all rows are on the disk when it returns."""
        now = self._clock()
        messages = [(body, now) for body in encode_rows(rows)]
        with self._database.writing() as connection:
            connection.executemany(
                "INSERT INTO messages (body, visible, receives, receipt, dead) VALUES (?, ?, 0, '', 0)", messages
            )

    def receive(self, limit: int = 10, visibility_seconds: float = 60.0) -> list[QueueMessage]:
        """At most ``limit`` messages, oldest first; others do not get them for ``visibility_seconds``."""
        now = self._clock()
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE messages SET dead = 1 WHERE dead = 0 AND visible <= ? AND receives >= ?", (now, MAX_RECEIVES)
            )
            rows = connection.execute(
                "SELECT number, body, receives FROM messages WHERE dead = 0 AND visible <= ? ORDER BY number LIMIT ?",
                (now, limit),
            ).fetchall()
            messages = [
                QueueMessage(str(number), f"{number}-{os.urandom(8).hex()}", body, receives + 1)
                for number, body, receives in rows
            ]
            connection.executemany(
                "UPDATE messages SET visible = ?, receives = ?, receipt = ? WHERE number = ?",
                [(now + visibility_seconds, message.receives, message.receipt, message.id) for message in messages],
            )
        return messages

    def delete(self, receipts: Sequence[str]) -> None:
        """Remove messages; nothing happens for the receipt of one that was received again since."""
        numbered = [(int(receipt.partition("-")[0]), receipt) for receipt in receipts]
        with self._database.writing() as connection:
            connection.executemany("DELETE FROM messages WHERE number = ? AND receipt = ?", numbered)

    def counts(self) -> QueueCounts:
        """How many messages there are."""
        now = self._clock()
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT CASE WHEN dead OR (visible <= ? AND receives >= ?) THEN 'dead' "
                "WHEN visible <= ? THEN 'waiting' ELSE 'in_flight' END, count(*) FROM messages GROUP BY 1",
                (now, MAX_RECEIVES, now),
            )
            counts = dict(rows.fetchall())
        return QueueCounts(counts.get("waiting", 0), counts.get("in_flight", 0), counts.get("dead", 0))

    def redrive(self) -> int:
        """Let the dead letters be received again; returns their number."""
        now = self._clock()
        with self._database.writing() as connection:
            return connection.execute(
                "UPDATE messages SET dead = 0, receives = 0, visible = ? "
                "WHERE dead = 1 OR (visible <= ? AND receives >= ?)",
                (now, now, MAX_RECEIVES),
            ).rowcount

    def close(self) -> None:
        """Close the file."""
        self._database.close()
