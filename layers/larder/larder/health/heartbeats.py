"""The heartbeats of the last hour of a model: ``heartbeats.json`` beside its pointer.

::

    {"format": 1,
     "interval": 300,
     "heartbeats": [{"time": "2026-11-30T10:05:00Z",
                     "release": "20261130t080000z-89abcdef",
                     "available": true,
                     "latency_ms": 31.5,
                     "reason": null}]}

One process writes it. What cannot be read counts as no heartbeat: the next one replaces it.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from statistics import fmean, median
from typing import Final

from larder.errors import MissingObject
from larder.release.json_fields import FieldReader
from larder.release.keys import heartbeats_key
from larder.store import Store

FORMAT: Final = 1
KEPT_SECONDS: Final = 3600
_MAX_KEPT: Final = 120
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What one heartbeat found.

    Attributes:
        time: When, UTC.
        release: The release that was live.
        available: Whether it gave its golden answers.
        latency_ms: The median time of its answers; None if there was none.
        reason: Why it is not available, as a sentence; None if it is.
    """

    time: str
    release: str
    available: bool
    latency_ms: float | None
    reason: str | None

    @property
    def seconds(self) -> float:
        """Its time in seconds since the epoch."""
        return datetime.strptime(self.time, _TIME).replace(tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True)
class HealthRecord:
    """The last heartbeats of a model.

    Attributes:
        interval: The seconds between two of them.
        heartbeats: Those of the last hour, the oldest first.
    """

    interval: int
    heartbeats: tuple[Heartbeat, ...]

    def last(self, release: str, now: float) -> Heartbeat | None:
        """The last heartbeat, if it asked this release and is not older than three intervals."""
        newest = self.heartbeats[-1] if self.heartbeats else None
        if newest is None or newest.release != release or now - newest.seconds > 3 * self.interval:
            return None
        return newest

    def availability(self) -> float | None:
        """The share of heartbeats that found the model available; None without any."""
        return fmean(entry.available for entry in self.heartbeats) if self.heartbeats else None

    def latency(self) -> float | None:
        """The median latency in milliseconds; None without an answer."""
        times = [entry.latency_ms for entry in self.heartbeats if entry.latency_ms is not None]
        return median(times) if times else None


def format_time(seconds: float) -> str:
    """A time as the document has it."""
    return datetime.fromtimestamp(seconds, UTC).strftime(_TIME)


def read_health(store: Store, model: str, now: float) -> HealthRecord:
    """The heartbeats of the last hour before ``now``; raises StoreError if the store fails."""
    try:
        fields = FieldReader(json.loads(store.get(heartbeats_key(model)).data))
    except (MissingObject, ValueError, RecursionError):
        return HealthRecord(0, ())
    number, interval = fields.integer("format"), fields.integer("interval", 1)
    entries = [_heartbeat(FieldReader(entry, "heartbeats", fields.problems)) for entry in fields.sequence("heartbeats")]
    if fields.problems or number != FORMAT:
        return HealthRecord(0, ())
    return HealthRecord(interval, _recent(entries, now))


def add_heartbeat(store: Store, model: str, heartbeat: Heartbeat, interval: int) -> None:
    """Add a heartbeat to the record, which loses those that are older than an hour; raises StoreError."""
    now = heartbeat.seconds
    kept = _recent([*read_health(store, model, now).heartbeats, heartbeat], now)
    document = {"format": FORMAT, "interval": interval, "heartbeats": [asdict(entry) for entry in kept]}
    store.put(heartbeats_key(model), (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode())


def _recent(heartbeats: Sequence[Heartbeat], now: float) -> tuple[Heartbeat, ...]:
    return tuple(entry for entry in heartbeats if now - entry.seconds < KEPT_SECONDS)[-_MAX_KEPT:]


def _heartbeat(fields: FieldReader) -> Heartbeat:
    entry = Heartbeat(
        time=fields.text("time", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
        release=fields.text("release"),
        available=fields.boolean("available"),
        latency_ms=fields.number("latency_ms", 0.0) if fields.has("latency_ms") else None,
        reason=fields.text("reason") if fields.has("reason") else None,
    )
    try:
        entry.seconds  # noqa: B018  # it raises for what is not a time, such as a month 13
    except ValueError:
        fields.note("time", f"is {entry.time[:40]!r}, which is not a time")
    return entry
