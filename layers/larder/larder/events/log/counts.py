"""Counts of the rows of a log, by day."""

from dataclasses import dataclass

from larder.events.base import RowKind
from larder.events.log.parts import all_days
from larder.events.log.rows import ID_COLUMNS, read_lines, read_row
from larder.store import Store


@dataclass(frozen=True, slots=True)
class DayCounts:
    """One day of one kind of rows.

    Attributes:
        kind: The kind.
        day: The UTC day.
        rows: How many different ids it has.
        duplicates: How many rows are there beside the one of each id.
        parts: How many parts the compaction has not taken up yet.
        bytes: The length of all objects.
    """

    kind: RowKind
    day: str
    rows: int
    duplicates: int
    parts: int
    bytes: int


def count_days(store: Store, model: str) -> list[DayCounts]:
    """The counts of every day of a model's log, by kind, then day; reads all of it. Raises StoreError."""
    counts = []
    for kind, name, day in all_days(store, model):
        ids: set[object] = set()
        rows = 0
        for key in day.keys:
            for line in read_lines(store.get(key).data, key):
                ids.add(read_row(line, kind, key)[ID_COLUMNS[kind]])
                rows += 1
        counts.append(DayCounts(kind, name, len(ids), rows - len(ids), len(day.parts), day.size))
    return counts
