"""What the recommendations of one UTC day earned: ``logs/<model>/attribution/<day>.json``.

It has counts and no id of a user. It is made of the day's files of the log, and made again when they change, so that a
document that cannot be read costs nothing. Its size is bounded: releases, sources of reasons and
51 positions by 21 filters, and 101 sources of events.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from larder.errors import StoreError

FORMAT: Final = 1
WINDOW_SECONDS: Final = 86400.0
"""How long after an answer an event counts for it."""
POSITIONS: Final = 50
"""Positions that are counted one by one; ``POSITIONS + 1`` is all later ones."""
EXPRESSION: Final = "(expression)"
"""The filters that a request states itself: their texts may have anything, also what identifies a user."""
OTHER: Final = "(other)"
"""What is beyond the most names of a day."""


class Place(NamedTuple):
    """Where items were shown.

    Attributes:
        release: The release that answered.
        source: The source of the item's reason; empty without one.
        position: The position in the list over all pages, from 1.
        filter: The stored filter's name, or ``EXPRESSION``; empty without one.
    """

    release: str
    source: str
    position: int
    filter: str


class TypeTotal(NamedTuple):
    """Events of one type.

    Attributes:
        events: Their number.
        value: The sum of their values.
    """

    events: int = 0
    value: float = 0.0

    def plus(self, events: int, value: float) -> "TypeTotal":
        """It with further events."""
        return TypeTotal(self.events + events, self.value + value)


@dataclass(slots=True)
class TypeCount:
    """The attributed events of one type.

    Attributes:
        impressions: Impressions that have at least one of them.
        events: Their number.
        value: The sum of their values.
    """

    impressions: int = 0
    events: int = 0
    value: float = 0.0

    def add(self, other: "TypeCount") -> None:
        """Add counts of other impressions."""
        self.impressions += other.impressions
        self.events += other.events
        self.value += other.value


@dataclass(slots=True)
class Earned:
    """What items at one place earned.

    Attributes:
        impressions: Items in answers.
        events: The attributed events by type, in lower case.
    """

    impressions: int = 0
    events: dict[str, TypeCount] = field(default_factory=dict)

    def add(self, other: "Earned") -> None:
        """Add what other impressions earned."""
        self.impressions += other.impressions
        for name, count in other.events.items():
            self.events.setdefault(name, TypeCount()).add(count)


@dataclass(frozen=True, slots=True)
class DayAttribution:
    """What the recommendations of a day earned.

    Attributes:
        day: The UTC day of the answers, such as ``2026-11-29``.
        read: The ETags of the objects that it was made of, by key; empty for one that did not exist.
        places: The counts by place.
        sources: The events of the day that name no recommendation but who showed the item: by that and by type.
    """

    day: str
    read: Mapping[str, str]
    places: Mapping[Place, Earned]
    sources: Mapping[str, Mapping[str, TypeTotal]]


def parse_attribution(data: bytes, key: str) -> DayAttribution:
    """The day of a document; raises StoreError, which names ``key``, if it breaks the format."""
    try:
        document: Any = json.loads(data)
        if document["format"] != FORMAT:
            raise StoreError(f"{key} has another format than {FORMAT}: make it again by `larder events compact`.")
        read = {str(name): str(etag) for name, etag in document["read"].items()}
        places = {
            Place(str(release), str(source), int(position), str(filter_)): Earned(int(impressions), _types(events))
            for release, source, position, filter_, impressions, events in document["places"]
        }
        sources = {
            str(source): {str(name): TypeTotal(int(events), float(value)) for name, (events, value) in types.items()}
            for source, types in document["sources"].items()
        }
        return DayAttribution(str(document["day"]), read, places, sources)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        remedy = "make it again by `larder events compact`"
        raise StoreError(f"{key} is not a document of attribution ({error!r:.100}): {remedy}.") from error


def _types(events: Mapping[str, Any]) -> dict[str, TypeCount]:
    return {
        str(name): TypeCount(int(impressions), int(count), float(value))
        for name, (impressions, count, value) in events.items()
    }


def dump_attribution(day: DayAttribution) -> bytes:
    """The document: the same bytes for the same content."""
    document = {
        "format": FORMAT,
        "day": day.day,
        "read": dict(sorted(day.read.items())),
        "places": [[*place, earned.impressions, _lists(earned)] for place, earned in sorted(day.places.items())],
        "sources": {source: dict(sorted(types.items())) for source, types in sorted(day.sources.items())},
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _lists(earned: Earned) -> dict[str, list[float]]:
    return {name: [count.impressions, count.events, count.value] for name, count in sorted(earned.events.items())}
