"""Counts the events of senders who name who showed the item, if it was no recommendation."""

import math
from collections.abc import Mapping
from typing import Final

from larder.events.attribution.document import TypeTotal
from larder.events.attribution.names import Names

Row = Mapping[str, object]
_MAX_SOURCES: Final = 100  # as Personalize's metric attribution has
_MAX_TYPES: Final = 50
_MAX_VALUE: Final = 1e200  # the sum of a day's is a number
_UNNAMED_TYPE: Final = "interaction"


class SourceCounts:
    """The events of a day by ``EVENT_ATTRIBUTION_SOURCE``; an event that names a recommendation counts for that alone.

    Attributes:
        totals: By source and type in lower case.
    """

    def __init__(self) -> None:
        self.totals: dict[str, dict[str, TypeTotal]] = {}
        self._sources = Names(_MAX_SOURCES)
        self._types = Names(_MAX_TYPES)

    def add(self, row: Row) -> None:
        """Count an event."""
        source = row.get("EVENT_ATTRIBUTION_SOURCE")
        if not isinstance(source, str) or not source or row.get("RECOMMENDATION_ID"):
            return
        by_type = self.totals.setdefault(self._sources.get(source), {})
        name = self._types.get(type_of(row))
        by_type[name] = by_type.get(name, TypeTotal()).plus(1, value_of(row))


def type_of(row: Row) -> str:
    """The type of an event, in lower case."""
    return str(row.get("EVENT_TYPE") or _UNNAMED_TYPE).lower()


def value_of(row: Row) -> float:
    """The value of an event; 0 without one, and for one whose sum would not be a number."""
    value = row.get("EVENT_VALUE")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return float(value) if math.isfinite(value) and abs(value) < _MAX_VALUE else 0.0
