"""The live store in a DynamoDB table; ``larder.events.aws.table`` has its layout."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from larder.errors import StoreError
from larder.events.aws.api import AwsApi
from larder.events.aws.histories import Histories
from larder.events.aws.table import (
    EXPIRES,
    ITEM,
    PROFILE,
    Attributes,
    Table,
    hashed,
    is_expired,
    items_key,
    parse_history,
    session_key,
    user_key,
)
from larder.events.base import LiveItem, Profile, Recent, RecentEvent, UserExport
from larder.events.event import Event

READ_SECONDS: Final = 0.05
"""The time of ``read``, with connecting; a recommendation does not wait longer for live events."""
INDEX: Final = "by-version"
_MARGIN_MS: Final = 60_000
"""Items that another writer with a slower clock put shortly before a version are read again with the next."""


class DynamoDbLiveStore:
    """Recent events, profiles and items of all models; see ``larder.events.base.LiveStore``.

    A session's events are copied to the user whom it is tied to, also those that come later.
    """

    def __init__(self, table: Table, read_seconds: float = READ_SECONDS) -> None:
        """Use a table.

        Args:
            table: The table.
            read_seconds: The time of ``read``.
        """
        self._table = table
        self._read_seconds = read_seconds

    @classmethod
    def open(cls, name: str) -> "DynamoDbLiveStore":
        """The store in a table of the environment's region; raises StoreError. Connects at the first call."""
        return cls(Table(AwsApi.open("dynamodb", "DynamoDB_20120810"), name))

    def connect(self) -> None:
        """Connect, so that the first ``read`` does not wait for it; raises StoreError."""
        self._table.api.connect()

    def close(self) -> None:
        """Close its connections; the next call opens new ones."""
        self._table.api.close()

    def add(self, model: str, events: Sequence[Event], *, keep: int, seconds: float) -> list[bool]:
        """See ``LiveStore.add``."""
        histories = Histories(self._table, model, keep, seconds)
        owners: dict[tuple[str | None, str | None], list[Event]] = {}
        for event in events:
            owners.setdefault((event.user, event.session if event.user is None else None), []).append(event)
        # Sessions first, so that their events are there when a user of the same batch logs in.
        left: dict[tuple[tuple[str | None, str | None], str], bool] = {}
        for owner in sorted(owners, key=lambda owner: owner[0] is not None):
            user, session = owner
            if user is not None:
                new = histories.add_to_user(user, owners[owner])
            else:
                new = histories.add_to_session(session or "", owners[owner])
            left |= {(owner, id_): True for id_ in new}
        return [
            left.pop(((event.user, event.session if event.user is None else None), event.id), False) for event in events
        ]

    def read(self, model: str, user: str | None, session: str | None) -> Recent:
        """See ``LiveStore.read``; raises StoreError after ``read_seconds``."""
        of_user = [] if user is None else [user_key(model, user), session_key(model, user)]
        owners = [*of_user, *([] if session is None else [session_key(model, session)])]
        profile = [] if user is None else [user_key(model, user, PROFILE)]
        head = items_key(model)
        found = self._table.get([*owners, *profile, head], seconds=self._read_seconds, again=False)
        events = self._events([found.get(key) for key in owners])
        return Recent(events, self._profile(found.get(profile[0])) if profile else {}, _version(found.get(head)))

    def put_items(self, model: str, items: Sequence[LiveItem], *, seconds: float) -> None:
        """See ``LiveStore.put_items``."""
        if not items:
            return
        now = self._table.clock()
        expires, version = {"N": f"{now + seconds:.0f}"}, {"S": f"{now * 1000:013.0f}"}
        self._table.put(
            (items_key(model, hashed(ITEM, item.id)), {EXPIRES: expires, "v": version, "d": {"S": _item_text(item)}})
            for item in items
        )
        self._table.bump(items_key(model), "n", {"v": version})  # last: a reader of the new version finds the items

    def items(self, model: str, after: str = "") -> tuple[list[LiveItem], str]:
        """See ``LiveStore.items``."""
        head = items_key(model)
        version = _version(self._table.get([head]).get(head))
        if version == after:
            return [], after
        start = int(after.partition("-")[2] or 0) - _MARGIN_MS
        now = self._table.clock()
        rows = self._table.query(INDEX, head[0], f"{max(0, start):013d}")
        return [_item(row["d"]["S"]) for row in rows if "d" in row and not is_expired(row, now)], version

    def put_users(self, model: str, profiles: Mapping[str, Profile], *, seconds: float) -> None:
        """See ``LiveStore.put_users``."""
        expires = {"N": f"{self._table.clock() + seconds:.0f}"}
        self._table.put(
            (user_key(model, user, PROFILE), {EXPIRES: expires, "d": {"S": json.dumps(dict(profile))}})
            for user, profile in profiles.items()
        )

    def export_user(self, model: str, user: str) -> UserExport:
        """See ``LiveStore.export_user``."""
        key, profile = user_key(model, user), user_key(model, user, PROFILE)
        found = self._table.get([key, profile])
        sessions = self._sessions(found.get(key))
        keys = [session_key(model, session) for session in (user, *sessions)]
        histories = self._table.get(keys)
        events = self._events([found.get(key), *histories.values()])
        return UserExport(events, self._profile(found.get(profile)), tuple(sessions))

    def delete_user(self, model: str, user: str) -> None:
        """See ``LiveStore.delete_user``."""
        key = user_key(model, user)
        sessions = self._sessions(self._table.get([key]).get(key))
        others = [session_key(model, session) for session in (user, *sessions)]
        self._table.delete([*others, user_key(model, user, PROFILE)])
        self._table.delete([key])  # last: it names the sessions, so a deletion that was interrupted can be repeated

    def _events(self, items: Sequence[Attributes | None]) -> tuple[RecentEvent, ...]:
        """The events of all histories, oldest first, each once."""
        now = self._table.clock()
        events: dict[str, RecentEvent] = {}
        for item in items:
            events |= parse_history(item, now).counted()
        return tuple(events[name] for name in sorted(events, key=lambda name: (events[name].time, name)))

    def _sessions(self, item: Attributes | None) -> list[str]:
        """The sessions that a history states as its user's, also one that has expired."""
        ties = parse_history(item, 0.0).sessions.values()
        return sorted(session for _, session in ties if session is not None)

    def _profile(self, item: Attributes | None) -> Profile:
        if not item or is_expired(item, self._table.clock()):
            return {}
        profile: Profile = json.loads(item["d"]["S"])
        return profile


def _version(head: Attributes | None) -> str:
    return f"{head['n']['N']}-{head['v']['S']}" if head else ""


def _item_text(item: LiveItem) -> str:
    return json.dumps([item.id, dict(item.columns), item.time, item.neighbours], ensure_ascii=False)


def _item(text: str) -> LiveItem:
    try:
        id_, columns, put, neighbours = json.loads(text)
    except ValueError as error:
        raise StoreError("The table of live events has an item that is not readable: put it again.") from error
    return LiveItem(id_, columns, put, tuple((name, weight) for name, weight in neighbours))
