"""The SQLite file: its schema, and a connection that threads share."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Final
from urllib.parse import unquote

from larder.errors import StoreError

VERSION: Final = 1
_WAIT_SECONDS: Final = 5.0  # for another process's write, which takes milliseconds
_SCHEMA: Final = """
CREATE TABLE events (
    model TEXT, owner TEXT, id TEXT, item TEXT, type TEXT, time REAL, PRIMARY KEY (model, owner, id)
) WITHOUT ROWID;
CREATE TABLE owners (model TEXT, owner TEXT, expires REAL, PRIMARY KEY (model, owner)) WITHOUT ROWID;
CREATE INDEX owners_by_expiry ON owners (expires);
CREATE TABLE sessions (model TEXT, session TEXT, user TEXT, PRIMARY KEY (model, session)) WITHOUT ROWID;
CREATE INDEX sessions_by_user ON sessions (model, user);
CREATE TABLE profiles (
    model TEXT, user TEXT, columns TEXT, expires REAL, PRIMARY KEY (model, user)
) WITHOUT ROWID;
CREATE TABLE items (
    version INTEGER PRIMARY KEY AUTOINCREMENT, model TEXT, id TEXT, columns TEXT, time REAL, neighbours TEXT,
    expires REAL, UNIQUE (model, id)
);
CREATE INDEX items_by_version ON items (model, version);
CREATE TABLE messages (
    number INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT, visible REAL, receives INTEGER, receipt TEXT, dead INTEGER
);
CREATE INDEX messages_by_time ON messages (dead, visible);
"""


class Database:
    """One connection to a file in WAL mode. Thread-safe, and safe beside other processes.

    A process that is killed loses no transaction that was committed; with ``durable``, neither does a machine that
    loses power.
    """

    def __init__(self, path: Path, *, durable: bool) -> None:
        """Open the file, made if it is missing; raises StoreError.

        Args:
            path: The file; its folder must exist.
            durable: Whether a commit waits until the data are on the disk.
        """
        self._name = path.name
        self._lock = Lock()
        with self._translated():
            self._connection = sqlite3.connect(
                path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._use_wal()
            self._connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        with self.writing() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version == 0:
                for statement in _SCHEMA.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {VERSION}")
            elif version != VERSION:
                raise StoreError(f"{self._name} has another format than {VERSION}: remove it, or use its Larder.")

    @classmethod
    def at(cls, path: str, *, durable: bool) -> "Database":
        """The database of the path of a ``sqlite://`` URL."""
        return cls(Path(unquote(path)), durable=durable)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one state of the file, whatever others write; raises StoreError."""
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A connection that alone may write: all is committed at the end, or nothing; raises StoreError."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    def truncate_log(self) -> None:
        """Write the log ahead into the file and empty it, as far as no other process reads; raises StoreError."""
        with self._lock, self._translated():
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._lock, self._translated():
            self._connection.execute(begin)
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(f"{self._name} of the live events failed ({error}): try again.") from error

    def _use_wal(self) -> None:
        """Switch to WAL; where several processes do so at once, SQLite refuses some without waiting."""
        until = time.monotonic() + _WAIT_SECONDS
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.01)
            else:
                return
