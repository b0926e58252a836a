"""The schedule of a model: ``models/<model>/schedule.json``.

A model without the document is trained only by requests.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from larder.errors import InvalidRequest, MissingObject, StoreError
from larder.jobs.schedules.cron import parse_cron
from larder.release.json_fields import FieldReader
from larder.release.keys import schedule_key
from larder.store import Store

FORMAT: Final = 1
_ZONE: Final = r"[A-Za-z0-9_+-]{1,40}(/[A-Za-z0-9_+-]{1,40}){0,2}"
_MAX_EVENTS: Final = 10**12


@dataclass(frozen=True, slots=True)
class Schedule:
    """When and how a model is trained again.

    Attributes:
        enabled: Whether it is in force.
        cron: The times, as a cron expression of five fields; empty for none.
        time_zone: The time zone of these times, a name of the IANA database.
        after_events: Train after so many new events since the live release was trained; 0 for no number.
        on_drift: Whether an alarm about drift starts a training.
        channels: The data, as a training job has them; what is omitted is that of the live release's job.
        hyperparameters: The hyperparameters, in JSON's types; what is omitted is that of the live release's job.
    """

    enabled: bool = True
    cron: str = ""
    time_zone: str = "UTC"
    after_events: int = 0
    on_drift: bool = False
    channels: Mapping[str, str] = field(default_factory=dict)
    hyperparameters: Mapping[str, object] = field(default_factory=dict)


NO_SCHEDULE: Final = Schedule(enabled=False)
"""The schedule of a model that has none."""


def read_schedule(store: Store, model: str) -> tuple[Schedule, str | None]:
    """The schedule of a model, and the ETag of its document, None if there is none.

    Raises StoreError if the store fails or the document breaks the format.
    """
    try:
        blob = store.get(schedule_key(model))
    except MissingObject:
        return NO_SCHEDULE, None
    return _parse(blob.data, model), blob.etag


def write_schedule(store: Store, model: str, schedule: Schedule, etag: str | None) -> None:
    """Replace the schedule of a model; raises Conflict if another writer came first."""
    data = json.dumps({"format": FORMAT, **asdict(schedule)}, indent=2, ensure_ascii=False) + "\n"
    store.put(schedule_key(model), data.encode(), etag=etag, create=etag is None)


def changed_schedule(schedule: Schedule, changes: Mapping[str, object]) -> Schedule:
    """``schedule`` with the fields of ``changes``; raises InvalidRequest with each invalid or unknown field."""
    fields = FieldReader({**asdict(schedule), **changes})
    changed = _read(fields)
    if changed.cron:
        try:
            parse_cron(changed.cron)
        except InvalidRequest as error:
            fields.note("cron", str(error).removesuffix("."))
    zones = available_timezones()  # none where the database is missing: then EventBridge Scheduler checks the name
    if not fields.problems and zones and changed.time_zone not in zones:
        fields.note("time_zone", f"is {changed.time_zone!r}, which is not a time zone; give one such as Europe/Berlin")
    if changed.enabled and not (changed.cron or changed.after_events or changed.on_drift):
        fields.note("enabled", "is true, but nothing starts a training; give cron, after_events or on_drift")
    if fields.problems:
        raise InvalidRequest(f"The schedule is invalid: {'; '.join(fields.problems)}.")
    return changed


def next_time(schedule: Schedule, after: datetime) -> datetime | None:
    """When a training is asked for next by the times, UTC; None if there are no times."""
    if not schedule.enabled or not schedule.cron:
        return None
    from cronsim import CronSim  # as in parse_cron

    return next(CronSim(schedule.cron, after.astimezone(ZoneInfo(schedule.time_zone)))).astimezone(UTC)


def _parse(data: bytes, model: str) -> Schedule:
    key = schedule_key(model)
    remedy = f"remove it and set it again: larder schedule {model}"
    try:
        fields = FieldReader(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{key} is not JSON ({error}): {remedy}.") from error
    if fields.integer("format") != FORMAT:
        raise StoreError(f"{key} has another format than {FORMAT}: use a newer version of Larder.")
    schedule = _read(fields)
    if fields.problems:
        raise StoreError(f"{key} is not valid ({'; '.join(fields.problems)}): {remedy}.")
    return schedule


def _read(fields: FieldReader) -> Schedule:
    channels = fields.mapping("channels")
    if wrong := [name for name, uri in channels.items() if not isinstance(uri, str)]:
        fields.note("channels", f"{wrong[0][:60]!r} must be text")
    schedule = Schedule(
        enabled=fields.boolean("enabled"),
        cron=fields.text("cron"),
        time_zone=fields.text("time_zone", _ZONE),
        after_events=fields.integer("after_events", 0, _MAX_EVENTS),
        on_drift=fields.boolean("on_drift"),
        channels={name: uri for name, uri in channels.items() if isinstance(uri, str)},
        hyperparameters=fields.mapping("hyperparameters"),
    )
    fields.finish()
    return schedule
