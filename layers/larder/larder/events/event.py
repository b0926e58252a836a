"""An event: one thing that a user or an anonymous visitor did with an item."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

MAX_AGE_SECONDS: Final = 14 * 86400
"""An event that is older is refused: it belongs into the log that training reads."""
MAX_AHEAD_SECONDS: Final = 300
"""An event that is further in the future is refused: the sender's clock is wrong."""
MAX_EVENTS: Final = 500  # of one request of the native route
MAX_IMPRESSION: Final = 25
MAX_PROPERTIES: Final = 1024  # characters of JSON, as Personalize has it

Properties = Mapping[str, str | float | bool | None]
_NO_PROPERTIES: Final[Properties] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Event:
    """One event. At least one of ``user`` and ``session`` is set.

    Attributes:
        id: Identifies the event: one that comes again is ignored.
        type: What happened: ``view``, ``click``, ``cart``, ``purchase``, or any name of the shop.
        item: The item's id.
        time: When it happened, in epoch seconds.
        user: The user's id; None for an anonymous visitor.
        session: The id of the visit, which ties an anonymous visitor's events together, and to the user who logs in.
        value: A number that belongs to the event, such as a price or a rating.
        recommendation: The id of the recommendation that showed the item.
        impression: The items that were shown together with this one.
        source: Who showed the item, if it was no recommendation: ``eventAttributionSource`` of Personalize.
        properties: Other facts, which the log keeps.
    """

    id: str
    type: str
    item: str
    time: float
    user: str | None = None
    session: str | None = None
    value: float | None = None
    recommendation: str | None = None
    impression: tuple[str, ...] = ()
    source: str | None = None
    properties: Properties = field(default_factory=lambda: _NO_PROPERTIES)

    def row(self) -> dict[str, object]:
        """The row of the log, with Personalize's columns, which training reads.

        An anonymous visitor's ``USER_ID`` is their session: the daily compaction replaces it by the user who logs in
        in the same session.
        """
        row = {
            "USER_ID": self.user if self.user is not None else self.session,
            "ITEM_ID": self.item,
            "EVENT_TYPE": self.type,
            "TIMESTAMP": self.time,
            "EVENT_VALUE": self.value,
            "EVENT_ID": self.id,
            "SESSION_ID": self.session,
            "ANONYMOUS": True if self.user is None else None,
            "RECOMMENDATION_ID": self.recommendation,
            "IMPRESSION": "|".join(self.impression) or None,
            "EVENT_ATTRIBUTION_SOURCE": self.source,
            "PROPERTIES": json.dumps(dict(self.properties), ensure_ascii=False) if self.properties else None,
        }
        return {name: value for name, value in row.items() if value is not None}


def derived_id(*parts: object) -> str:
    """The id of an event that has none: the same for the same content, so that a retry is the same event."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
