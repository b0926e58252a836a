"""What is known of a user or a visitor beyond the release: plain data, which ``larder.events`` reads for a request."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from larder.recommender.response import Unknown

if TYPE_CHECKING:  # imported where the field is made
    from larder.recommender.new_items.exploration import Exploration

_NO_PROFILE: Mapping[str, str | float] = MappingProxyType({})
NEVER: Final = -1.0


class LiveEvent(NamedTuple):
    """One recent event.

    Attributes:
        item: The item's id.
        type: What happened.
        time: Epoch seconds.
    """

    item: str
    type: str
    time: float


@dataclass(frozen=True, slots=True)
class Live:
    """What is known live for one request.

    Attributes:
        events: Recent events, oldest first.
        profile: The user's columns as they were sent last; those that the release does not have are ignored.
        hidden: Event types, in ``casefold``, after which an item is not recommended to the user again.
        trained_until: Epoch seconds of the last event that the release was trained on; ``NEVER`` if it states none.
        repeats: Whether the release recommends items that users had before: then live events hide no item.
        warning: Why less is known than could be; empty if nothing went wrong.
        exploration: What the answer explores; None for nothing.
    """

    events: Sequence[LiveEvent] = ()
    profile: Mapping[str, str | float] = field(default_factory=lambda: _NO_PROFILE)
    hidden: AbstractSet[str] = frozenset()
    trained_until: float = NEVER
    repeats: bool = False
    warning: str = ""
    exploration: "Exploration | None" = None

    def items_by_type(self, number: Callable[[str], int | None]) -> dict[str, set[int]]:
        """The numbers of the events' items, by event type; a type is there even if the release knows none of them."""
        found: dict[str, set[int]] = {}
        for event in self.events:
            items, item = found.setdefault(event.type, set()), number(event.item)
            if item is not None:
                items.add(item)
        return found

    def hides(self, event_type: str) -> bool:
        """Whether items of events of this type are hidden; case does not count, as in filters."""
        return event_type.casefold() in self.hidden


class Session(NamedTuple):
    """The items of a request's session, newest first, by number.

    Attributes:
        items: The item in view, the request's session, and the live events since the release was trained.
        trained: Items of older live events: a user's row was made from these, so they count only for one without a row.
        unknown: The ids of the request that the release does not know.
        stated: How many of ``items`` the request itself states; they are the first ones.
    """

    items: Sequence[int]
    trained: Sequence[int]
    unknown: Unknown
    stated: int

    def seen(self, *, live: bool) -> set[int]:
        """The items that the request states, and those of live events if ``live``."""
        return {*self.items, *self.trained} if live else set(self.items[: self.stated])


def join_session(
    item: str | None, session: Sequence[str], live: Live | None, number: Callable[[str], int | None]
) -> Session:
    """The session of a request and of its live events.

    What the request states is newer than all live events. A live event counts if no newer one, nor the request, has the
    same item; live items that the release does not know are ignored.
    """
    items = [] if item is None else [number(item)]
    unknown_item = item if items == [None] else None
    unknown: list[str] = []
    for recent in reversed(session):
        items.append(found := number(recent))
        if found is None:
            unknown.append(recent)
    joined = [known for known in items if known is not None]
    trained: list[int] = []
    stated = len(joined)
    if live is not None and live.events:
        known = set(joined)
        for event in reversed(live.events):
            found = number(event.item)
            if found is not None and found not in known:
                known.add(found)
                (joined if event.time > live.trained_until else trained).append(found)
    return Session(joined, trained, Unknown(None, unknown_item, tuple(dict.fromkeys(unknown))), stated)
