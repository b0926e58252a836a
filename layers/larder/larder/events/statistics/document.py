"""The statistics of a model: ``logs/<model>/statistics.json``.

Its size is bounded, whatever comes: 48 hours of at most 1,000 items each, 20,000 items that were shown, 50 releases and
the hashes of 20,000 rows, and 31 days of quarters of an hour. With ids of 20 characters that is at most 2.5 MB.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from larder.errors import StoreError

FORMAT: Final = 1
HOURS: Final = 48
ITEMS_PER_HOUR: Final = 1000  # those with the most events; the trend of an item with fewer is noise
MAX_SHOWN: Final = 20_000
MAX_RELEASES: Final = 50
MAX_ROWS: Final = 20_000
QUARTER_SECONDS: Final = 900
MAX_QUARTERS: Final = 31 * 96


class Shown(NamedTuple):
    """How often an item was recommended, and what came of it.

    Attributes:
        impressions: Answers that had the item.
        clicks: Events with the item that name a recommendation.
    """

    impressions: int = 0
    clicks: int = 0


@dataclass(frozen=True, slots=True)
class EventStatistics:
    """The statistics of a model.

    Attributes:
        hours: By hour since the epoch, the number of events of each item, other than those that name a recommendation
            only to say that it was shown.
        items: By item, how often it was recommended and clicked; those that were shown last are the last.
        releases: By the first 8 digits of recommendation ids, which are those of the release's digest: the number of
            answers (``""``) and of attributed events by type.
        rows: Hashes of the last rows that were counted, so that a row that comes twice counts once.
        arrivals: The number of events that were counted in a quarter of an hour, by its begin in epoch seconds.
    """

    hours: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    items: Mapping[str, Shown] = field(default_factory=dict)
    releases: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    rows: tuple[str, ...] = ()
    arrivals: Mapping[int, int] = field(default_factory=dict)


def parse_statistics(data: bytes, key: str) -> EventStatistics:
    """The statistics of a document; raises StoreError, which names ``key``, if it breaks the format."""
    remedy = "remove it; statistics then begin again"
    try:
        document: Any = json.loads(data)
        if document["format"] != FORMAT:
            raise StoreError(f"{key} has another format than {FORMAT}: use a newer version of Larder.")
        return EventStatistics(
            {int(hour): _counts(counts) for hour, counts in document["hours"].items()},
            {str(item): Shown(*map(int, shown)) for item, shown in document["items"].items()},
            {str(release): _counts(counts) for release, counts in document["releases"].items()},
            tuple(map(str, document["rows"])),
            {
                int(quarter): int(count) for quarter, count in document.get("arrivals", {}).items()
            },  # older documents have none
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError(f"{key} is not a document of statistics ({error!r:.100}): {remedy}.") from error


def _counts(counts: Mapping[str, Any]) -> dict[str, int]:
    return {str(name): int(count) for name, count in counts.items()}


def dump_statistics(statistics: EventStatistics) -> bytes:
    """The document."""
    document = {
        "format": FORMAT,
        "hours": {str(hour): counts for hour, counts in sorted(statistics.hours.items())},
        "items": statistics.items,
        "releases": statistics.releases,
        "rows": statistics.rows,
        "arrivals": {str(quarter): count for quarter, count in sorted(statistics.arrivals.items())},
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def largest(counts: Mapping[str, int], most: int) -> Mapping[str, int]:
    """The entries with the largest counts, of equal ones the earlier."""
    if len(counts) <= most:
        return counts
    return dict(sorted(counts.items(), key=lambda pair: -pair[1])[:most])


def last(entries: Iterable[tuple[str, Any]], most: int) -> dict[str, Any]:
    """The last entries."""
    listed = list(entries)
    return dict(listed[-most:])
