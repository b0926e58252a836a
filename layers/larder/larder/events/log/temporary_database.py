"""A temporary database of SQLite, for what is too large for memory."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final

_CACHE_KIB: Final = 65536


@contextmanager
def temporary_database(*schema: str) -> Iterator[sqlite3.Connection]:
    """A new database with this schema, in a transaction; its file is gone at the end of the block.

    It keeps at most 64 MiB in memory.
    """
    with closing(sqlite3.connect("", isolation_level=None)) as database:  # "" is a temporary file
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        database.execute("PRAGMA temp_store = FILE")
        for statement in schema:
            database.execute(statement)
        database.execute("BEGIN")  # one transaction: each insert of its own would be slow
        yield database
