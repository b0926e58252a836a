"""What a release states about its users for filters: what they did, and their profiles.

The files are opened at the first request that asks for them.
"""

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Final

from larder.release.serving import RecommenderServing
from larder.tables import KeyedTable, Reader, invalid
from larder.tables.vocabulary import Vocabulary

CONTINUATION: Final = "\n"
"""The k-th further row of a user's events has the key ``<user>\\n<k>``; no user's id has a line break."""


class UserData:
    """The users' events and profiles of one release. Thread-safe."""

    def __init__(self, serving: RecommenderServing, reader: Callable[[str], Reader]) -> None:
        self._serving: Final = serving
        self._reader: Final = reader
        self._lock: Final = Lock()  # held while a file is opened
        self._events: KeyedTable | None = None
        self._profiles: tuple[KeyedTable, Vocabulary] | None = None

    @property
    def nbytes(self) -> int:
        """The memory of what has been opened, in bytes."""
        profiles = sum(part.nbytes for part in self._profiles) if self._profiles else 0
        return profiles + (self._events.nbytes if self._events else 0)

    def history(self, user: str) -> Mapping[str, set[int]]:
        """The items of a user's events, by event type; empty for an unknown user. Raises InvalidTable."""
        stated = self._serving.interactions
        found: dict[str, set[int]] = {}
        if stated is None or CONTINUATION in user:
            return found
        table, types = self._open_events(), stated.events
        row, part = table.lookup(user), 0
        while row is not None:
            for item, code in zip(row.items, row.scores, strict=True):
                if code not in range(len(types)):
                    raise invalid(stated.table.file, f"a row has the event type {code}, but there are {len(types)}")
                found.setdefault(types[int(code)], set()).add(item)
            part += 1
            full = len(row.items) == stated.table.width
            row = table.lookup(f"{user}{CONTINUATION}{part}") if full else None
        return found

    def profile(self, user: str) -> Mapping[str, str | float]:
        """The stored profile of a user; empty for an unknown user. Raises InvalidTable."""
        stated = self._serving.profiles
        if stated is None:
            return {}
        users, profiles = self._open_profiles()
        row = users.lookup(user)
        if row is None or not row.items:
            return {}
        number = row.items[0]
        if number >= len(profiles):
            raise invalid(stated.users.file, f"a row has the profile {number}, but there are {len(profiles)}")
        values = {column: profiles.value(column, number) for column in stated.columns}
        return {column: value for column, value in values.items() if value is not None}

    def _open_events(self) -> KeyedTable:
        stated = self._serving.interactions
        assert stated is not None, "the caller has checked it"  # noqa: S101  # for the type checker
        with self._lock:
            if self._events is None:
                self._events = KeyedTable.open(self._reader(stated.table.file), stated.table)
            return self._events

    def _open_profiles(self) -> tuple[KeyedTable, Vocabulary]:
        stated = self._serving.profiles
        assert stated is not None, "the caller has checked it"  # noqa: S101  # for the type checker
        with self._lock:
            if self._profiles is None:
                users = KeyedTable.open(self._reader(stated.users.file), stated.users)
                self._profiles = users, Vocabulary.open(self._reader(stated.file), stated.file)
            return self._profiles
