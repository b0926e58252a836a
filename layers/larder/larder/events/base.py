"""What every store of live data and every queue to the log can do; one module has each of them.

The live store has what the next answer needs: each user's and session's recent events, profiles that were sent, and
items that were sent since the release. It is bounded and expires. The log has everything, for training.

::

    live store     larder.events.aws (DynamoDB)     larder.events.sqlite (a developer's machine)
    queue          larder.events.aws (SQS)          larder.events.sqlite
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, Protocol

from larder.events.event import Event

Profile = Mapping[str, str | float]
Columns = Mapping[str, str | float]
RowKind = Literal["events", "items", "users", "recommendations"]
"""What a row of the log is about; each has its own folder."""

ROW_KINDS: Final[tuple[RowKind, ...]] = ("events", "items", "users", "recommendations")
_NO_PROFILE: Final[Profile] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RecentEvent:
    """One recent event, as far as an answer needs it.

    Attributes:
        item: The item's id.
        type: What happened.
        time: Epoch seconds.
    """

    item: str
    type: str
    time: float


@dataclass(frozen=True, slots=True)
class Recent:
    """What is known of a user or visitor since the release.

    Attributes:
        events: Their events, oldest first, each once; at most ``EventSettings.recent_events``.
        profile: The columns of PutUsers; empty if none were sent.
        items_version: Changes when an item is put; empty if none ever was.
    """

    events: tuple[RecentEvent, ...] = ()
    profile: Profile = field(default_factory=lambda: _NO_PROFILE)
    items_version: str = ""


@dataclass(frozen=True, slots=True)
class LiveItem:
    """An item that was put since the release.

    Attributes:
        id: The item's id.
        columns: Its columns, named as the release has them.
        time: When it was put, in epoch seconds.
        neighbours: The most similar items of the release that placed it, by id, with their similarities, 0 to 1; empty
            for an item that the release knows.
    """

    id: str
    columns: Columns
    time: float
    neighbours: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class UserExport:
    """Everything that a live store has of a user.

    Attributes:
        events: Their recent events, oldest first.
        profile: The columns of PutUsers.
        sessions: The sessions that were tied to them.
    """

    events: tuple[RecentEvent, ...]
    profile: Profile
    sessions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LogRow:
    """One row on its way to the log.

    Attributes:
        model: The model that it belongs to.
        kind: What it is about.
        row: Its columns.
    """

    model: str
    kind: RowKind
    row: Mapping[str, object]


class LiveStore(Protocol):
    """Recent events, profiles and items of all models. Thread-safe. Every failure raises StoreError."""

    def add(self, model: str, events: Sequence[Event], *, keep: int, seconds: float) -> list[bool]:
        """Add events to the history of their user, or of their session if they have no user.

        The first event with a user and a session ties the session to the user: its events become the user's.

        Args:
            model: The model.
            events: Events, in any order of time.
            keep: The number of newest events that a history has at least; older ones may be dropped.
            seconds: How long a history lives after its last event.

        Returns:
            For each event, whether it is new; False for one whose id the history has already.
        """
        ...

    def read(self, model: str, user: str | None, session: str | None) -> Recent:
        """What is known of a user and of a session, in one round trip.

        A ``user`` that is also the id of a session, as of Personalize's anonymous visitors, gets that session's events.
        """
        ...

    def put_items(self, model: str, items: Sequence[LiveItem], *, seconds: float) -> None:
        """Add items or replace them; then ``items_version`` of every read changes."""
        ...

    def items(self, model: str, after: str = "") -> tuple[list[LiveItem], str]:
        """The items that were put after the version ``after``, and the version that they make; all for an empty one.

        It may return items again that an earlier call returned.
        """
        ...

    def put_users(self, model: str, profiles: Mapping[str, Profile], *, seconds: float) -> None:
        """Add profiles or replace them, by user."""
        ...

    def export_user(self, model: str, user: str) -> UserExport:
        """Everything that the store has of a user."""
        ...

    def delete_user(self, model: str, user: str) -> None:
        """Remove a user: their events, profile, and the sessions that were tied to them."""
        ...


class LogQueue(Protocol):
    """The way to the log: what it has accepted survives, and comes to the log at least once. Thread-safe."""

    def send(self, rows: Sequence[LogRow]) -> None:
        """Returns when all rows are durable; raises StoreError if that is not certain, and the caller sends again."""
        ...

    def redrive(self) -> int:
        """Let the messages that could not be written to the log come again; returns their number."""
        ...

    def close(self) -> None:
        """Close its connections or files."""
        ...
