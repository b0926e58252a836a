"""The native requests of live events: JSON into events, items and profiles, each with an error of its own."""

import json
import math
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Generic, TypeVar

from larder.errors import InvalidRequest
from larder.events.base import Columns
from larder.events.event import (
    MAX_AGE_SECONDS,
    MAX_AHEAD_SECONDS,
    MAX_EVENTS,
    MAX_IMPRESSION,
    MAX_PROPERTIES,
    Event,
    derived_id,
)
from larder.recommender.field_checks import check_id, check_ids, check_unicode
from larder.release.json_fields import FieldReader
from larder.release.serving import ColumnType

MAX_TEXT: Final = 32_000
"""The most characters of an item's or a user's columns as JSON, as Personalize has it for items."""
_MILLISECONDS: Final = 1e11  # as seconds, the year 5138

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An entry of a batch that was refused.

    Attributes:
        index: Its place in the batch, from 0.
        message: What is wrong, and what to do.
    """

    index: int
    message: str


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """The entries of a request.

    Attributes:
        valid: Those that can be taken.
        refused: The others.
    """

    valid: tuple[T, ...]
    refused: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class Described:
    """An item or a user with columns.

    Attributes:
        id: The id.
        columns: The columns, named as the release has them.
    """

    id: str
    columns: Columns


def read_events(document: Mapping[str, object], now: float | None = None) -> Batch[Event]:
    """The events of a request: one event, or ``{"events": [...]}``; raises InvalidRequest if it is neither."""
    received = time.time() if now is None else now
    return _batch(_entries(document, "events"), lambda entry: _event(entry, received))


def read_described(document: Mapping[str, object], name: str, columns: Mapping[str, ColumnType]) -> Batch[Described]:
    """The items or users of a request: one of them, or a list in ``name``; raises InvalidRequest if it is neither.

    Args:
        document: The request's JSON.
        name: ``items`` or ``users``.
        columns: The columns that the release has, and their types.
    """
    return _batch(_entries(document, name), lambda entry: _described(entry, columns))


def check_event(event: Event, now: float) -> Event:
    """Return an event; raises InvalidRequest for ids, a time or facts that no event may have."""
    for name, value in (("type", event.type), ("item", event.item), ("id", event.id)):
        check_id(name, value)
    optionals = {
        "user": event.user,
        "session_id": event.session,
        "recommendation_id": event.recommendation,
        "source": event.source,
    }
    for name, optional in optionals.items():
        if optional is not None:
            check_id(name, optional)
    if event.user is None and event.session is None:
        raise InvalidRequest("user and session_id are missing: send at least one of them.")
    check_ids("impression", event.impression, MAX_IMPRESSION)
    if len(json.dumps(dict(event.properties), ensure_ascii=False)) > MAX_PROPERTIES:
        raise InvalidRequest(f"properties has more than {MAX_PROPERTIES} characters of JSON: send fewer.")
    check_time("time", event.time, now)
    return event


def check_time(name: str, moment: float, now: float) -> None:
    """Raise InvalidRequest for a time that is too long ago or in the future; ``name`` is that of the field."""
    if moment < now - MAX_AGE_SECONDS:
        days = MAX_AGE_SECONDS // 86400
        raise InvalidRequest(f"{name} is more than {days} days ago: add the event to the log that training reads.")
    if moment > now + MAX_AHEAD_SECONDS:
        raise InvalidRequest(f"{name} is {moment - now:.0f} seconds in the future: check the sender's clock.")


def parse_time(name: str, value: object) -> float:
    """Epoch seconds of a number or of ISO 8601 with an offset; raises InvalidRequest. ``name`` is that of the field."""
    remedy = "send epoch seconds, or ISO 8601 with an offset such as 2026-01-02T03:04:05Z"
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError as error:
            raise InvalidRequest(f"{name} is {value[:40]!r}: {remedy}.") from error
        if moment.tzinfo is None:
            raise InvalidRequest(f"{name} is {value[:40]!r}, without an offset: {remedy}.")
        return moment.timestamp()
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise InvalidRequest(f"{name} is {value!r:.40}: {remedy}.")
    if value >= _MILLISECONDS:
        raise InvalidRequest(f"{name} is {value!r:.40}, which are milliseconds: {remedy}.")
    return float(value)


def _entries(document: Mapping[str, object], name: str) -> Sequence[object]:
    if name not in document:
        return [document]
    entries = document[name]
    if len(document) > 1 or not isinstance(entries, list) or not entries:
        raise InvalidRequest(f'{name} must be a list with at least one entry, alone: send {{"{name}": [...]}}.')
    if len(entries) > MAX_EVENTS:
        raise InvalidRequest(f"{name} has {len(entries)} entries: send at most {MAX_EVENTS} in one request.")
    return entries


def _batch(entries: Sequence[object], read: Callable[[object], U]) -> Batch[U]:
    valid: list[U] = []
    refused: list[Refusal] = []
    for index, entry in enumerate(entries):
        try:
            valid.append(read(entry))
        except InvalidRequest as error:
            refused.append(Refusal(index, str(error)))
    return Batch(tuple(valid), tuple(refused))


def _event(entry: object, now: float) -> Event:
    fields = FieldReader(entry)
    if fields.anything("id") == "":
        fields.note("id", "is empty; leave it out, or send what identifies the event")
    moment = parse_time("time", fields.anything("time")) if fields.has("time") else None
    event = Event(
        id=_optional(fields, "id") or "",
        type=fields.text("type"),
        item=fields.text("item"),
        time=now if moment is None else moment,
        user=_optional(fields, "user"),
        session=_optional(fields, "session_id"),
        value=fields.number("value") if fields.has("value") else None,
        recommendation=_optional(fields, "recommendation_id"),
        impression=fields.texts("impression") if fields.has("impression") else (),
        source=_optional(fields, "source"),
        properties=_properties(fields),
    )
    _check(fields)
    return check_event(identified(event, known_time=moment is not None), now)


def identified(event: Event, *, known_time: bool) -> Event:
    """``event`` with an id: its own, else one of its content if its sender stated the time, else a random one."""
    if event.id:
        return event
    if not known_time:
        return replace(event, id=uuid.uuid4().hex)
    parts = (event.type, event.item, event.time, event.user, event.session, event.value, event.recommendation)
    return replace(event, id=derived_id(*parts))


def _optional(fields: FieldReader, name: str) -> str | None:
    return fields.text(name) if fields.has(name) else None


def _properties(fields: FieldReader) -> dict[str, str | float | bool | None]:
    if not fields.has("properties"):
        return {}
    properties = dict(fields.mapping("properties"))
    if not all(map(is_property, properties.values())):
        fields.note("properties", "must have texts, finite numbers, true, false or null only")
        return {}
    return properties  # type: ignore[return-value]  # checked above


def is_property(value: object) -> bool:
    """Whether an event may have ``value`` as one of its properties."""
    return value is None or isinstance(value, str | bool) or _is_finite(value)


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) <= sys.float_info.max  # JSON has whole numbers of any length


def _check(fields: FieldReader) -> None:
    fields.finish()
    if fields.problems:
        raise InvalidRequest(f"{'; '.join(fields.problems)}.")


def _described(entry: object, columns: Mapping[str, ColumnType]) -> Described:
    fields = FieldReader(entry)
    id_ = fields.text("id")
    sent = fields.mapping("columns") if fields.has("columns") else {}
    _check(fields)
    return described(id_, sent, columns)


def described(id_: str, sent: Mapping[str, object], columns: Mapping[str, ColumnType]) -> Described:
    """An item or user with checked columns; raises InvalidRequest for an unknown column or a value of another type."""
    check_id("id", id_)
    if len(json.dumps(dict(sent), ensure_ascii=False)) > MAX_TEXT:
        raise InvalidRequest(f"columns has more than {MAX_TEXT} characters of JSON: send fewer.")
    values = {name: value for name, value in sent.items() if value is not None}
    for name in values:
        if name not in columns:
            raise unknown_column(f"columns.{name[:80]}", columns)
    return Described(id_, {name: column_value(f"columns.{name}", values[name], columns[name]) for name in values})


def unknown_column(name: str, columns: Mapping[str, ColumnType]) -> InvalidRequest:
    """The error for a field ``name`` that is none of a release's columns."""
    known = ", ".join(sorted(columns)) or "none"
    return InvalidRequest(f"{name} is not a column of the live release: use one of {known}.")


def column_value(name: str, value: object, kind: ColumnType) -> str | float:
    """A value of a column of this type; raises InvalidRequest for another one. ``name`` is that of the field."""
    if kind == "number":
        if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
            raise InvalidRequest(f"{name} is {value!r:.60}: send a finite number.")
        return float(value)
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        value = "|".join(value)
    if not isinstance(value, str):
        raise InvalidRequest(f"{name} is {value!r:.60}: send a text, or a list of texts.")
    check_unicode(name, value)
    return value
