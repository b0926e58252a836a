"""Writes and lists the objects of the log."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, cast

from larder.events.base import ROW_KINDS, LogRow, RowKind
from larder.events.log.rows import TIMESTAMP, compress, day_of, line_of
from larder.release.keys import log_prefix
from larder.store import Store

LOGS: Final = "logs"
_SUFFIX: Final = ".jsonl.gz"
_HEX: Final = 32
_DAY: Final = re.compile(r"(\d{4}-\d{2}-\d{2})(/[0-9a-f]+)?\.jsonl\.gz")


@dataclass(slots=True)
class Day:
    """What the store has of one day of one kind of rows.

    Attributes:
        key: The key of the day's file, whether it exists or not.
        has_file: Whether it exists.
        parts: The keys of the parts.
        size: The length of all of them in bytes.
    """

    key: str
    has_file: bool = False
    parts: list[str] = field(default_factory=list)
    size: int = 0

    @property
    def keys(self) -> list[str]:
        """The keys of its file, if it exists, and of the parts."""
        return [*([self.key] if self.has_file else []), *self.parts]


def day_key(model: str, kind: RowKind, day: str) -> str:
    """The key of a day's file."""
    return f"{log_prefix(model, kind)}{day}{_SUFFIX}"


def write_parts(store: Store, rows: Iterable[LogRow]) -> list[str]:
    """Writes one part for each model, kind and day of the rows, and returns the keys.

    A part is named by its content, so that the same rows are the same object. Raises StoreError if a part could not be
    written; the caller gets all rows again, and the compaction removes what is double.
    """
    groups: dict[tuple[str, RowKind, str], list[bytes]] = defaultdict(list)
    for entry in rows:
        day = day_of(cast("float", entry.row[TIMESTAMP]))
        groups[entry.model, entry.kind, day].append(line_of(entry.row))
    keys = []
    for (model, kind, day), lines in groups.items():
        name = hashlib.sha256(b"\n".join(lines)).hexdigest()[:_HEX]
        keys.append(f"{log_prefix(model, kind)}{day}/{name}{_SUFFIX}")
        store.put(keys[-1], compress(lines))
    return keys


def logged_models(store: Store) -> list[str]:
    """The models that have a log, sorted."""
    return store.folders(LOGS)


def list_days(store: Store, model: str, kind: RowKind) -> dict[str, Day]:
    """The days of a log, in order of time. Objects that are not named as parts and days are left alone."""
    prefix = log_prefix(model, kind)
    days: dict[str, Day] = {}
    for entry in store.list(prefix):
        if match := _DAY.fullmatch(entry.key.removeprefix(prefix)):
            day = days.setdefault(match[1], Day(day_key(model, kind, match[1])))
            day.size += entry.size
            if match[2]:
                day.parts.append(entry.key)
            else:
                day.has_file = True
    for day in days.values():
        day.parts.sort()
    return dict(sorted(days.items()))


def all_days(store: Store, model: str) -> list[tuple[RowKind, str, Day]]:
    """Every day of every kind of a model's log."""
    return [(kind, name, day) for kind in ROW_KINDS for name, day in list_days(store, model, kind).items()]
