"""Personalize Events: what is taken, what each wrong call is answered, and which model a tracking id means."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.functions.events.test_events import file, logged, store
from tests.toys.live_store import publish
from tests.toys.shop import write_shop

from events import app
from larder.events.event import MAX_AGE_SECONDS
from larder.events.settings import EventSettings, read_settings, write_settings
from larder.events.sqlite import SqliteLiveStore
from larder.store import Store

__all__ = ["file", "store", "write_shop"]  # fixtures
pytestmark = pytest.mark.usefixtures("store")
ARN = "arn:aws:personalize:eu-west-1:123456789012:dataset"
ITEMS, USERS = f"{ARN}/shop/ITEMS", f"{ARN}/shop/USERS"
DAY = 86_400


def post(path: str, body: object) -> tuple[int, dict[str, str], str]:
    event = {
        "version": "2.0",
        "rawPath": path,
        "headers": {"content-type": "application/json"},
        "requestContext": {"http": {"method": "POST", "path": path}},
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }
    response = app.handler(event, None)
    return response["statusCode"], response["headers"], response["body"]


def events(*entries: dict[str, Any], **changes: object) -> dict[str, object]:
    return {"trackingId": "t", "userId": "ada", "sessionId": "s", "eventList": list(entries), **changes}


def event(**changes: object) -> dict[str, Any]:
    fields = {"eventType": "click", "itemId": "egg", "sentAt": int(time.time()), **changes}
    return {name: value for name, value in fields.items() if value is not None}


# -------------------------------------------------------------------------------------------------------------- Taken


def test_all_fields_of_an_event_are_logged(file: str) -> None:
    now = time.time()
    sent = event(
        eventId="e1",
        eventValue=2.5,
        sentAt=now,
        recommendationId="r" * 40,
        impression=["egg", "fig"],
        metricAttribution={"eventAttributionSource": "the newsletter"},
        properties=json.dumps({"numberOfRatings": "12", "gift": True, "none": None}),
    )
    status, headers, body = post("/events", events(sent))
    assert (status, body, headers["x-larder-model"]) == (200, "", "shop")
    assert headers["x-amzn-requestid"]
    (row,) = logged(file)
    assert json.loads(row.pop("PROPERTIES")) == {"numberOfRatings": "12", "gift": True, "none": None}
    assert row == {
        "USER_ID": "ada",
        "ITEM_ID": "egg",
        "EVENT_TYPE": "click",
        "TIMESTAMP": now,
        "EVENT_VALUE": 2.5,
        "EVENT_ID": "e1",
        "SESSION_ID": "s",
        "RECOMMENDATION_ID": "r" * 40,
        "IMPRESSION": "egg|fig",
        "EVENT_ATTRIBUTION_SOURCE": "the newsletter",
    }


def test_an_event_that_comes_again_counts_once(file: str) -> None:
    # GIVEN an event with an id, and one without, whose id is that of its content
    for sent in (event(eventId="e1"), event(itemId="fig")):
        for _ in range(2):
            assert post("/events", events(sent))[0] == 200
    recent = SqliteLiveStore.open(file).read("shop", "ada", None).events
    assert sorted(event.item for event in recent) == ["egg", "fig"]


@pytest.mark.parametrize(
    ("properties", "item", "value"),
    [
        ({"itemId": "fig"}, "fig", None),
        ({"itemId": "fig", "eventValue": "4.5"}, "fig", 4.5),
        ({"itemId": "fig", "eventValue": -3}, "fig", -3.0),
    ],
)
def test_the_item_and_the_value_may_be_properties(
    file: str, properties: dict[str, object], item: str, value: float | None
) -> None:
    sent = event(itemId=None, properties=json.dumps({**properties, "device": "phone"}))
    assert post("/events", events(sent))[0] == 200
    (row,) = logged(file)
    assert (row["ITEM_ID"], row.get("EVENT_VALUE"), row["PROPERTIES"]) == (item, value, '{"device": "phone"}')


def test_an_anonymous_event_is_of_the_session(file: str) -> None:
    assert post("/events", events(event(), userId=None))[0] == 200
    (row,) = logged(file)
    assert (row["USER_ID"], row["SESSION_ID"], row["ANONYMOUS"]) == ("s", "s", True)


def test_columns_are_as_trained_or_in_camel_case(file: str) -> None:
    entries = [
        {"itemId": "a", "properties": json.dumps({"kind": "fruit|red", "Price": 3, "title": None})},
        {"itemId": "b", "properties": json.dumps({"KIND": ["fruit", "red"], "PRICE": 3.0})},
        {"itemId": "c"},
    ]
    assert post("/items", {"datasetArn": ITEMS, "items": entries})[0] == 200
    rows = logged(file)
    assert [(row["ITEM_ID"], row.get("KIND"), row.get("PRICE")) for row in rows] == [
        ("a", "fruit|red", 3.0),
        ("b", "fruit|red", 3.0),
        ("c", None, None),
    ]
    users = [{"userId": "u", "properties": json.dumps({"city": "Berlin", "AGE": 30})}]
    assert post("/users", {"datasetArn": USERS, "users": users})[0] == 200
    assert SqliteLiveStore.open(file).read("shop", "u", None).profile == {"CITY": "Berlin", "AGE": 30.0}


# ------------------------------------------------------------------------------------------------------------ Refused

LONG = "x" * 257


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"itemId": None}, "eventList[1].itemId is missing: send the id of the item"),
        ({"itemId": ""}, "eventList[1].itemId has 0 characters: send 1 to 256."),
        ({"itemId": LONG}, "eventList[1].itemId has 257 characters"),
        ({"itemId": 7}, "eventList[1].itemId is 7: send a string."),
        ({"itemId": None, "properties": '{"itemId": 7}'}, "eventList[1].properties.itemId is 7: send a string."),
        ({"eventType": None}, "eventList[1].eventType is missing"),
        ({"eventId": ""}, "eventList[1].eventId has 0 characters"),
        ({"sentAt": None}, "eventList[1].sentAt is missing: send the time of the event in epoch seconds."),
        ({"sentAt": "now"}, "eventList[1].sentAt is 'now': send epoch seconds"),
        ({"sentAt": 1.7e12}, "eventList[1].sentAt is 1700000000000.0, which are milliseconds"),
        ({"sentAt": time.time() - MAX_AGE_SECONDS - DAY}, "eventList[1].sentAt is more than 14 days ago"),
        ({"sentAt": time.time() + DAY}, "in the future: check the sender's clock."),
        ({"eventValue": "2"}, "eventList[1].eventValue is '2': send a number"),
        ({"eventValue": 10**400}, "eventList[1].eventValue is 1"),
        ({"properties": '{"eventValue": "much"}'}, "eventList[1].properties.eventValue is 'much': send a number"),
        ({"properties": {"a": 1}}, "eventList[1].properties is dict: send a string."),
        ({"properties": ""}, "eventList[1].properties has 0 characters: send 1 to 1024."),
        ({"properties": '{"a": 1'}, "send a JSON object as a text"),
        ({"properties": "[]"}, "send a JSON object as a text"),
        ({"properties": '{"a": NaN}'}, "send a JSON object as a text"),
        ({"properties": '{"a": "\\ud800"}'}, "send a JSON object as a text"),
        ({"properties": json.dumps({"a": "x" * 1100})}, "has 1109 characters: send 1 to 1024."),
        ({"properties": '{"a": [1]}'}, "eventList[1].properties.a is [1]: send a text"),
        ({"properties": '{"USERID": "u"}'}, "eventList[1].properties has 'USERID', which is not a property"),
        ({"recommendationId": "r" * 41}, "eventList[1].recommendationId has 41 characters: send 1 to 40."),
        ({"impression": ["i"] * 26}, "eventList[1].impression has 26 entries: send at most 25."),
        ({"impression": [""]}, "An id of eventList[1].impression has 0 characters"),
        ({"metricAttribution": {}}, "eventList[1].metricAttribution.eventAttributionSource is missing"),
        ({"other": 1}, "'eventList[1].other' is not a field here"),
    ],
)
def test_a_wrong_event_is_named_and_nothing_of_the_call_is_taken(
    file: str, change: dict[str, object], message: str
) -> None:
    status, headers, body = post("/events", events(event(), event(**change)))
    assert (status, headers["x-amzn-errortype"]) == (400, "InvalidInputException")
    assert message in json.loads(body)["message"]
    assert logged(file) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trackingId": None}, "trackingId is missing: send a string."),
        ({"sessionId": None}, "sessionId is missing"),
        ({"sessionId": ""}, "sessionId has 0 characters"),
        ({"userId": ""}, "userId has 0 characters"),
        ({"eventList": []}, "eventList is empty: send 1 to 10 entries."),
        ({"eventList": [event()] * 11}, "eventList has 11 entries: send at most 10."),
        ({"eventList": [1]}, "eventList is list: send a list of objects."),
        ({"other": 1}, "'other' is not a field here"),
    ],
)
def test_a_wrong_call_is_refused(file: str, change: dict[str, object], message: str) -> None:
    status, _, body = post("/events", {**events(event()), **change})
    assert status == 400
    assert message in json.loads(body)["message"]
    assert logged(file) == []


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/items", {"datasetArn": USERS}, "is not the ARN of a dataset of items: use arn:aws:personalize:"),
        ("/users", {"datasetArn": ITEMS}, "dataset/<model>/USERS"),
        ("/items", {"datasetArn": "shop"}, "is not the ARN of a dataset"),
        ("/items", {"datasetArn": ITEMS, "items": []}, "items is empty"),
        ("/items", {"datasetArn": ITEMS, "items": [{"itemId": "a"}] * 11}, "items has 11 entries"),
        ("/items", {"datasetArn": ITEMS, "items": [{}]}, "items[0].itemId is missing"),
        ("/users", {"datasetArn": USERS, "users": [{"userId": LONG}]}, "users[0].userId has 257 characters"),
        ("/users", {"datasetArn": USERS, "users": [{"userId": "u", "properties": "x" * 24_001}]}, "send 1 to 24000."),
        ("/items", {"datasetArn": ITEMS, "items": [{"itemId": "a", "properties": "x" * 32_001}]}, "send 1 to 32000."),
    ],
)
def test_wrong_items_and_users_are_refused(file: str, path: str, body: dict[str, object], message: str) -> None:
    status, headers, answer = post(path, body)
    assert (status, headers["x-amzn-errortype"]) == (400, "InvalidInputException")
    assert message in json.loads(answer)["message"]
    assert logged(file) == []


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"colour": "red"}, "properties.colour is not a column of the live release: use one of KIND, PRICE, TITLE."),
        ({"price": "3"}, "properties.price is '3': send a finite number."),
        ({"kind": True}, "properties.kind is True: send a text"),
        ({"price": 1, "PRICE": 2}, "properties.PRICE is column PRICE a second time: send it once."),
    ],
)
def test_a_wrong_column_is_named_with_its_entry(file: str, properties: dict[str, object], message: str) -> None:
    items = [{"itemId": "a"}, {"itemId": "b", "properties": json.dumps(properties)}]
    status, _, body = post("/items", {"datasetArn": ITEMS, "items": items})
    assert status == 400
    assert f"items[1].{message}" in json.loads(body)["message"]
    assert logged(file) == []


# ------------------------------------------------------------------------------------------------------- Tracking ids


def change(store: Store, model: str, **changes: Any) -> None:  # noqa: ANN401  # any setting
    _, etag = read_settings(store, model)
    write_settings(store, model, EventSettings(**changes), etag)


def put(tracking_id: str) -> tuple[int, str]:
    status, _, body = post("/events", events(event(), trackingId=tracking_id))
    return status, json.loads(body)["message"] if body else ""


def test_a_tracking_id_that_changed_is_read_again(store: Store) -> None:
    assert put("t")[0] == 200
    change(store, "shop", tracking_id="new")
    assert put("new")[0] == 200
    assert put("t")[0] == 404


def test_a_model_whose_events_are_off_says_how_to_turn_them_on(store: Store) -> None:
    change(store, "shop", tracking_id="t", enabled=False)
    status, message = put("t")
    assert (status, message) == (404, "Model 'shop' takes no events: turn them on by `larder events on shop`.")


def test_a_tracking_id_of_two_models_is_refused(store: Store, write_shop: Callable[..., Path]) -> None:
    publish(store, "other", write_shop())
    change(store, "other", tracking_id="t")
    status, message = put("t")
    assert status == 400
    assert message.startswith("other and shop have the tracking id 't': change it")


def test_damaged_settings_of_one_model_do_not_stop_the_others(store: Store, write_shop: Callable[..., Path]) -> None:
    publish(store, "other", write_shop())
    store.put("models/other/events.json", b"{")
    assert put("t")[0] == 200
    status, message = put("that-of-other")
    assert (status, "models/other/events.json" in message) == (503, True)
