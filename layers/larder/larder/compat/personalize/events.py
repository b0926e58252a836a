"""Personalize Events: PutEvents, PutItems and PutUsers.

A call is taken whole or refused whole, with the entry that is wrong. The answer comes when all is durable.

An event without ``itemId`` may have the item in its ``properties``, where the first version of Personalize's API had
it, as it had ``eventValue``. An event of no item at all is refused: neither an answer nor a training could use it.
"""

import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NoReturn, TypeVar, cast

from larder.compat.aws_errors import request_headers
from larder.compat.parameters import Parameters
from larder.compat.personalize.errors import runtime_error as format_error
from larder.compat.personalize.names import check_exists, dataset_named
from larder.compat.personalize.requests import as_trained, check_id
from larder.errors import InvalidRequest
from larder.events.event import MAX_IMPRESSION, MAX_PROPERTIES, Event, Properties
from larder.events.parsing import (
    Batch,
    Described,
    check_time,
    column_value,
    identified,
    is_property,
    parse_time,
    unknown_column,
)
from larder.release.serving import ColumnType
from larder.web.event_service import EventService
from larder.web.request import Request, read_json
from larder.web.resolver import Response
from larder.web.responses import release_headers

__all__ = ["format_error", "put_actions", "put_events", "put_items", "put_users"]

_PUT_EVENTS: Final = ("trackingId", "userId", "sessionId", "eventList")
_EVENT: Final = (
    "eventId",
    "eventType",
    "eventValue",
    "itemId",
    "properties",
    "sentAt",
    "recommendationId",
    "impression",
    "metricAttribution",
)
_SOURCE: Final = "eventAttributionSource"
_MOST: Final = 10  # entries of a call
_MAX_ITEM: Final = 32_000  # characters of properties
_MAX_USER: Final = 24_000
_MAX_RECOMMENDATION: Final = 40
_MAX_SOURCE: Final = 1024
# What an event has fields for, by names in lower case. Personalize refuses these among the properties, too.
_RESERVED: Final = frozenset(("userid", "sessionid", "eventtype", "timestamp", "recommendationid", "impression"))
_NUMBER: Final = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?")  # as a text, as in examples of Personalize's old guide

Document = dict[str, object]
T = TypeVar("T")


def put_events(request: Request, service: EventService) -> Response[str]:
    """PutEvents: up to ten events of one session."""
    request.authorize()
    sent = Parameters(request.json(), _PUT_EVENTS)
    model = service.intake.tracking_ids.model(
        sent.text("trackingId"), lambda name: request.caller.may(request.action, name)
    )
    settings = service.intake.taking(model)
    session, now = _id(sent, "sessionId"), time.time()
    user = _id(sent, "userId") if "userId" in sent else None
    events = _entries(sent, "eventList", _EVENT, lambda entry: _event(entry, user, session, now))
    service.intake.events(model, settings, Batch(events, ()))
    return _taken(model)


def put_items(request: Request, service: EventService) -> Response[str]:
    """PutItems: up to ten items, new or known, with their columns."""
    sent = Parameters(request.json(), ("datasetArn", "items"))
    model = _dataset(request, service, sent, "ITEMS")
    service.intake.taking(model)
    loaded, serving = service.release(request, model)
    read = _reader("itemId", serving.columns, _MAX_ITEM)
    items = _entries(sent, "items", ("itemId", "properties"), read)
    service.intake.items(model, Batch(items, ()), loaded.value)
    return _taken(model)


def put_users(request: Request, service: EventService) -> Response[str]:
    """PutUsers: the profiles of up to ten users."""
    sent = Parameters(request.json(), ("datasetArn", "users"))
    model = _dataset(request, service, sent, "USERS")
    settings = service.intake.taking(model)
    _, serving = service.release(request, model)
    read = _reader("userId", serving.user_columns, _MAX_USER)
    users = _entries(sent, "users", ("userId", "properties"), read)
    service.intake.users(model, settings, Batch(users, ()))
    return _taken(model)


def put_actions(request: Request, service: EventService) -> NoReturn:  # noqa: ARG001  # as every operation
    """PutActions and PutActionInteractions: no model of Larder recommends actions."""
    raise InvalidRequest("Models here recommend items, not actions: call PutItems and PutEvents.")


def _dataset(request: Request, service: EventService, sent: Parameters, kind: str) -> str:
    """The model of ``datasetArn``; the caller may use it, whether it exists or not."""
    model = dataset_named(sent.text("datasetArn"), kind, service.model_of)
    request.authorize(model)
    check_exists(model, "dataset-group")
    return model


def _entries(sent: Parameters, name: str, fields: Sequence[str], read: Callable[[Parameters], T]) -> tuple[T, ...]:
    entries = sent.children(name, fields, _MOST)
    if not entries:
        raise InvalidRequest(f"{name} is empty: send 1 to {_MOST} entries.")
    return tuple(read(entry) for entry in entries)


def _event(sent: Parameters, user: str | None, session: str, now: float) -> Event:
    properties = _properties(sent, MAX_PROPERTIES)
    event = Event(
        id=_id(sent, "eventId") if "eventId" in sent else "",
        type=_id(sent, "eventType"),
        item=_item(sent, properties),
        time=_time(sent, now),
        user=user,
        session=session,
        value=_value(sent, properties),
        recommendation=_text(sent, "recommendationId", _MAX_RECOMMENDATION) if "recommendationId" in sent else None,
        impression=_impression(sent),
        source=_source(sent),
        properties=_facts(sent, properties),  # last: the others have taken out what is theirs
    )
    return identified(event, known_time=True)


def _item(sent: Parameters, properties: Document) -> str:
    if "itemId" in sent:
        return _id(sent, "itemId")
    if "itemId" not in properties:
        raise sent.wrong("itemId", "the id of the item that the event is about")
    return _id(_moved(sent, properties, "itemId"), "itemId")


def _value(sent: Parameters, properties: Document) -> float | None:
    if "eventValue" not in sent and "eventValue" in properties:
        sent = _moved(sent, properties, "eventValue")
        text = sent.values.get("eventValue")
        if isinstance(text, str) and _NUMBER.fullmatch(text):
            return float(text)
    return sent.number("eventValue", -sys.float_info.max, sys.float_info.max)


def _moved(sent: Parameters, properties: Document, name: str) -> Parameters:
    """A parameter that stands in the properties, among the facts of the event."""
    return Parameters({name: properties.pop(name)}, (name,), f"{sent.path}properties.")


def _time(sent: Parameters, now: float) -> float:
    if "sentAt" not in sent:
        raise sent.wrong("sentAt", "the time of the event in epoch seconds")
    moment = parse_time(f"{sent.path}sentAt", sent.values["sentAt"])
    check_time(f"{sent.path}sentAt", moment, now)
    return moment


def _impression(sent: Parameters) -> tuple[str, ...]:
    items = sent.texts("impression", MAX_IMPRESSION)
    for item in items:
        check_id(f"An id of {sent.path}impression", item)
    return tuple(items)


def _source(sent: Parameters) -> str | None:
    if "metricAttribution" not in sent:
        return None
    return _text(sent.child("metricAttribution", (_SOURCE,)), _SOURCE, _MAX_SOURCE)


def _facts(sent: Parameters, properties: Document) -> Properties:
    for name, value in properties.items():
        if name.casefold() in _RESERVED:
            raise InvalidRequest(f"{sent.path}properties has {name!r}, which is not a property: send it beside them.")
        if not is_property(value):
            path = f"{sent.path}properties.{name[:80]}"
            raise InvalidRequest(f"{path} is {value!r:.60}: send a text, a finite number, true, false or null.")
    return cast("Properties", properties)


def _reader(id_: str, columns: Mapping[str, ColumnType], most: int) -> Callable[[Parameters], Described]:
    """Reads an item or a user, whose properties have the release's columns, as trained or in camelCase."""

    def read(sent: Parameters) -> Described:
        values: dict[str, str | float] = {}
        for name, value in _properties(sent, most).items():
            path, column = f"{sent.path}properties.{name[:80]}", as_trained(name, columns)
            if column is None:
                raise unknown_column(path, columns)
            if column in values:
                raise InvalidRequest(f"{path} is column {column} a second time: send it once.")
            if value is not None:
                values[column] = column_value(path, value, columns[column])
        return Described(_id(sent, id_), values)

    return read


def _properties(sent: Parameters, most: int) -> dict[str, object]:
    """The JSON object that ``properties`` holds as a text; empty if it was not sent."""
    if "properties" not in sent:
        return {}
    text = _text(sent, "properties", most)
    try:
        return read_json(text.encode())
    except InvalidRequest as error:
        raise sent.wrong("properties", 'a JSON object as a text, such as {"price": 9.5} by json.dumps') from error


def _id(sent: Parameters, name: str) -> str:
    return check_id(f"{sent.path}{name}", sent.text(name))


def _text(sent: Parameters, name: str, most: int) -> str:
    value = sent.text(name)
    if not 1 <= len(value) <= most:
        raise InvalidRequest(f"{sent.path}{name} has {len(value)} characters: send 1 to {most}.")
    return value


def _taken(model: str) -> Response[str]:
    """Personalize's answer, which is empty."""
    headers = {**release_headers(model, None), **request_headers()}
    return Response(200, content_type="application/json", body="", headers=headers)
