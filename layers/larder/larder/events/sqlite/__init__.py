"""The live store and the queue of a developer's machine: one SQLite file that several processes share."""

from larder.events.sqlite.live_store import SqliteLiveStore
from larder.events.sqlite.queue import QueueCounts, QueueMessage, SqliteQueue

__all__ = ["QueueCounts", "QueueMessage", "SqliteLiveStore", "SqliteQueue"]
