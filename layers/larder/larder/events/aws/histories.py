"""Histories of users and sessions: events added without a read, trimmed, and carried from sessions to users.

An UpdateItem sets each event where its id is not there yet, and returns the item as it was. So an event may come twice
and in any order, writers need no lock, and the caller learns from the same call which events are new, whether the
history is too long, and whether a session was tied before.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from larder.events.aws.table import (
    EVENT,
    EXPIRES,
    SESSION,
    Attributes,
    History,
    Key,
    Table,
    Update,
    hashed,
    is_expired,
    parse_history,
    session_key,
    user_key,
)
from larder.events.event import Event

_AT_ONCE: Final = 20
"""Events of one update. With them, 110 events of the longest ids still fit into DynamoDB's 400 KB and its expression
of 4 KB."""
_SLACK: Final = 10
"""Events beyond ``keep`` before a history is trimmed: one write in ten events instead of one each."""
_TIES: Final = 20
"""Sessions that stay tied to a user; the events of older ones are the user's already."""


class Histories:
    """The histories of one model."""

    def __init__(self, table: Table, model: str, keep: int, seconds: float) -> None:
        """Begin to write.

        Args:
            table: The table.
            model: The model.
            keep: The number of newest events that a history has at least.
            seconds: How long a history lives after its last event.
        """
        self._table = table
        self._model = model
        self._keep = keep
        self._now = table.clock()
        self._expires = self._now + seconds

    def add_to_user(self, user: str, events: Sequence[Event]) -> set[str]:
        """Add a user's events, and tie the sessions in which they act; returns the ids of those that are new."""
        key, named = user_key(self._model, user), {hashed(EVENT, event.id): event.id for event in events}
        history, known = self._add(key, _texts(events))
        sessions = dict.fromkeys(event.session for event in events if event.session is not None)
        tied = dict(history.sessions)
        for session in sessions:
            if hashed(SESSION, session) not in tied:
                tied[hashed(SESSION, session)] = self._tie(user, key, session)
        self._forget_oldest_ties(key, tied)
        return {id_ for name, id_ in named.items() if name not in known}

    def add_to_session(self, session: str, events: Sequence[Event]) -> set[str]:
        """Add an anonymous visitor's events, also to the user who logged in meanwhile; returns the new ids."""
        history, known = self._add(session_key(self._model, session), _texts(events))
        if history.user is not None:
            self._add(user_key(self._model, history.user), _texts(events))
        return {event.id for event in events if hashed(EVENT, event.id) not in known}

    def _add(self, key: Key, texts: Mapping[str, str]) -> tuple[History, set[str]]:
        """Add events, by name; returns the history before, and the names that it had already."""
        before, known = None, set[str]()
        for names in _chunks(list(texts)):
            old = self._update(key, {name: {"S": texts[name]} for name in names})
            history = parse_history(old, self._now)
            before = before or history
            known |= history.events.keys() & set(names)
            self._trim(key, old, {name: texts[name] for name in names} | dict(history.events))
        return before or History(), known

    def _update(self, key: Key, events: Attributes) -> Attributes:
        values = {EXPIRES: {"N": f"{self._expires:.0f}"}, "k": {"N": str(self._keep)}}
        return self._table.update(key, Update(values, events))

    def _trim(self, key: Key, old: Attributes, events: Mapping[str, str]) -> None:
        """Remove what is older than the newest events, and all of an item that had expired before it was written."""
        newest = History(events).newest()
        extra = newest[self._keep :] if len(newest) > self._keep + _SLACK else []
        expired = (
            [name for name in old if name.startswith((EVENT, SESSION)) or name == "u"]
            if is_expired(old, self._now)
            else []
        )
        removed = [*extra, *(name for name in expired if name not in events)]
        for names in _chunks(removed, 5 * _AT_ONCE):
            self._table.update(key, Update(removed=names))

    def _tie(self, user: str, key: Key, session: str) -> tuple[float, str | None]:
        """Tie a session to the user, unless it is another one's, and copy its events; returns the tie."""
        other = session_key(self._model, session)
        values = {EXPIRES: {"N": f"{self._expires:.0f}"}}
        old = self._table.update(other, Update(values, {"u": {"S": user}, "k": {"N": str(self._keep)}}))
        if is_expired(old, self._now):  # DynamoDB has not removed it yet
            self._table.update(
                other, Update({"u": {"S": user}}, removed=[name for name in old if name.startswith(EVENT)])
            )
        history = parse_history(old, self._now)
        tie = (self._now, session if history.user in (None, user) else None)
        if tie[1] is not None:
            self._add(key, {name: history.events[name] for name in history.newest()[: self._keep]})
        # Last, so that the next event ties the session again if this process ends before.
        self._table.update(key, Update({hashed(SESSION, session): {"S": json.dumps(tie)}}))
        return tie

    def _forget_oldest_ties(self, key: Key, tied: Mapping[str, tuple[float, str | None]]) -> None:
        oldest = sorted(tied, key=lambda name: tied[name][0])[:-_TIES]
        if oldest:
            sessions = [session for _, session in (tied[name] for name in oldest) if session is not None]
            self._table.delete(session_key(self._model, session) for session in sessions)
            self._table.update(key, Update(removed=oldest))


def _texts(events: Iterable[Event]) -> dict[str, str]:
    """The attributes of events."""
    return {
        hashed(EVENT, event.id): json.dumps(
            [event.time, event.type, event.item], ensure_ascii=False, separators=(",", ":")
        )
        for event in events
    }


def _chunks(names: Sequence[str], size: int = _AT_ONCE) -> Iterable[Sequence[str]]:
    return (names[start : start + size] for start in range(0, len(names), size))
