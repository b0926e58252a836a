"""The live store in a SQLite file."""

import json
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from larder.events.base import LiveItem, Profile, Recent, RecentEvent, UserExport
from larder.events.event import Event
from larder.events.sqlite.database import Database

_OLDEST: Final = "SELECT id FROM events WHERE model = ? AND owner = ? ORDER BY time DESC, id LIMIT -1 OFFSET ?"


class SqliteLiveStore:
    """Recent events, profiles and items of all models; see ``larder.events.base.LiveStore``.

    A history belongs to an owner: ``u#<user>`` or ``s#<session>``. A session is tied to the first user who acts in it:
    its events are copied to theirs, and remain for what the session asks without a user.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        """Use a database.

        Args:
            database: The file.
            clock: Epoch seconds, by which histories expire.
        """
        self._database = database
        self._clock = clock

    @classmethod
    def open(cls, path: str) -> "SqliteLiveStore":
        """The store in the file of a ``sqlite://`` URL's path; raises StoreError."""
        return cls(Database.at(path, durable=False))

    def add(self, model: str, events: Sequence[Event], *, keep: int, seconds: float) -> list[bool]:
        """See ``LiveStore.add``."""
        with self._database.writing() as connection:
            self._remove_expired(connection)
            added = [_add(connection, model, event) for event in events]
            owners = dict.fromkeys(owner for event in events for owner in _owners(connection, model, event))
            for owner in owners:
                extra = connection.execute(_OLDEST, (model, owner, keep)).fetchall()
                connection.executemany(
                    "DELETE FROM events WHERE model = ? AND owner = ? AND id = ?",
                    [(model, owner, id_) for (id_,) in extra],
                )
            expires = self._clock() + seconds
            connection.executemany(
                "INSERT INTO owners VALUES (?, ?, ?) "
                "ON CONFLICT DO UPDATE SET expires = max(expires, excluded.expires)",
                [(model, owner, expires) for owner in owners],
            )
        return added

    def read(self, model: str, user: str | None, session: str | None) -> Recent:
        """See ``LiveStore.read``."""
        owners = [] if user is None else [f"u#{user}", f"s#{user}"]
        owners += [] if session is None else [f"s#{session}"]
        now = self._clock()
        with self._database.reading() as connection:
            events = _events(connection, model, owners, now)
            profile = {} if user is None else _profile(connection, model, user, now)
            version = _version(connection, model)
        return Recent(events, profile, version)

    def put_items(self, model: str, items: Sequence[LiveItem], *, seconds: float) -> None:
        """See ``LiveStore.put_items``."""
        expires = self._clock() + seconds
        rows = [
            (model, item.id, json.dumps(dict(item.columns)), item.time, json.dumps(item.neighbours), expires)
            for item in items
        ]
        with self._database.writing() as connection:
            self._remove_expired(connection)
            connection.executemany(  # replaced, so that it gets a new version
                "REPLACE INTO items (model, id, columns, time, neighbours, expires) VALUES (?, ?, ?, ?, ?, ?)", rows
            )

    def items(self, model: str, after: str = "") -> tuple[list[LiveItem], str]:
        """See ``LiveStore.items``."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT id, columns, time, neighbours FROM items WHERE model = ? AND version > ? AND expires > ? "
                "ORDER BY version",
                (model, int(after or 0), self._clock()),
            ).fetchall()
            version = _version(connection, model)
        items = [
            LiveItem(id_, json.loads(columns), put, tuple((name, weight) for name, weight in json.loads(neighbours)))
            for id_, columns, put, neighbours in rows
        ]
        return items, version or after

    def put_users(self, model: str, profiles: Mapping[str, Profile], *, seconds: float) -> None:
        """See ``LiveStore.put_users``."""
        expires = self._clock() + seconds
        with self._database.writing() as connection:
            self._remove_expired(connection)
            connection.executemany(
                "REPLACE INTO profiles VALUES (?, ?, ?, ?)",
                [(model, user, json.dumps(dict(profile)), expires) for user, profile in profiles.items()],
            )

    def export_user(self, model: str, user: str) -> UserExport:
        """See ``LiveStore.export_user``."""
        now = self._clock()
        with self._database.reading() as connection:
            sessions = _sessions(connection, model, user)
            owners = [f"u#{user}", f"s#{user}", *(f"s#{session}" for session in sessions)]
            return UserExport(
                _events(connection, model, owners, now), _profile(connection, model, user, now), tuple(sessions)
            )

    def delete_user(self, model: str, user: str) -> None:
        """See ``LiveStore.delete_user``."""
        with self._database.writing() as connection:
            sessions = _sessions(connection, model, user)
            for owner in (f"u#{user}", f"s#{user}", *(f"s#{session}" for session in sessions)):
                connection.execute("DELETE FROM events WHERE model = ? AND owner = ?", (model, owner))
                connection.execute("DELETE FROM owners WHERE model = ? AND owner = ?", (model, owner))
            connection.execute("DELETE FROM sessions WHERE model = ? AND user = ?", (model, user))
            connection.execute("DELETE FROM profiles WHERE model = ? AND user = ?", (model, user))
        self._database.truncate_log()  # which has what was there before

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _remove_expired(self, connection: sqlite3.Connection) -> None:
        now = self._clock()
        expired = connection.execute("SELECT model, owner FROM owners WHERE expires <= ?", (now,)).fetchall()
        for model, owner in expired:
            connection.execute("DELETE FROM events WHERE model = ? AND owner = ?", (model, owner))
            connection.execute("DELETE FROM owners WHERE model = ? AND owner = ?", (model, owner))
            kind, _, name = owner.partition("#")
            column = "user" if kind == "u" else "session"
            connection.execute(f"DELETE FROM sessions WHERE model = ? AND {column} = ?", (model, name))  # noqa: S608  # one of two names
        connection.execute("DELETE FROM profiles WHERE expires <= ?", (now,))
        connection.execute("DELETE FROM items WHERE expires <= ?", (now,))


def _owners(connection: sqlite3.Connection, model: str, event: Event) -> list[str]:
    """Whose history has the event: the user's; or the session's, and the user's that it is tied to."""
    if event.user is not None:
        return [f"u#{event.user}"]
    tied = connection.execute(
        "SELECT user FROM sessions WHERE model = ? AND session = ?", (model, event.session)
    ).fetchone()
    return [f"s#{event.session}", *(f"u#{user}" for user in tied or ())]


def _add(connection: sqlite3.Connection, model: str, event: Event) -> bool:
    if event.user is not None and event.session is not None:
        _tie(connection, model, event.session, event.user)
    rows = [(model, owner, event.id, event.item, event.type, event.time) for owner in _owners(connection, model, event)]
    return connection.executemany("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?)", rows).rowcount > 0


def _tie(connection: sqlite3.Connection, model: str, session: str, user: str) -> None:
    """Tie a session to the first user who acts in it."""
    tied = connection.execute("INSERT OR IGNORE INTO sessions VALUES (?, ?, ?)", (model, session, user))
    if tied.rowcount == 1:
        connection.execute(
            "INSERT OR IGNORE INTO events SELECT model, ?, id, item, type, time FROM events "
            "WHERE model = ? AND owner = ?",
            (f"u#{user}", model, f"s#{session}"),
        )


def _events(connection: sqlite3.Connection, model: str, owners: Sequence[str], now: float) -> tuple[RecentEvent, ...]:
    """The events of all owners, oldest first, each once."""
    events: dict[str, RecentEvent] = {}
    for owner in dict.fromkeys(owners):
        rows = connection.execute(
            "SELECT id, item, type, time FROM events JOIN owners USING (model, owner) "
            "WHERE model = ? AND owner = ? AND expires > ?",
            (model, owner, now),
        )
        events.update((id_, RecentEvent(item, type_, when)) for id_, item, type_, when in rows)
    return tuple(event for _, event in sorted(events.items(), key=lambda entry: (entry[1].time, entry[0])))


def _profile(connection: sqlite3.Connection, model: str, user: str, now: float) -> Profile:
    row = connection.execute(
        "SELECT columns FROM profiles WHERE model = ? AND user = ? AND expires > ?", (model, user, now)
    ).fetchone()
    profile: Profile = json.loads(row[0]) if row else {}
    return profile


def _version(connection: sqlite3.Connection, model: str) -> str:
    (version,) = connection.execute("SELECT max(version) FROM items WHERE model = ?", (model,)).fetchone()
    return "" if version is None else str(version)


def _sessions(connection: sqlite3.Connection, model: str, user: str) -> list[str]:
    rows = connection.execute("SELECT session FROM sessions WHERE model = ? AND user = ? ORDER BY 1", (model, user))
    return [session for (session,) in rows]
