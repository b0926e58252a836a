"""The events function, with SQLite: what is taken, refused, a duplicate; and what the next recommendation has."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.toys.http_calls import call
from tests.toys.live_store import open_served, publish
from tests.toys.shop import write_shop

from events import app
from larder.events.event import MAX_AGE_SECONDS
from larder.events.log.rows import parse_message
from larder.events.settings import EventSettings, write_settings
from larder.events.sqlite import SqliteLiveStore, SqliteQueue
from larder.store import Store
from recommend import app as recommend

__all__ = ["write_shop"]  # a fixture
EVENTS = "/v1/models/shop/events"


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "events.db")


@pytest.fixture
def store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_shop: Callable[..., Path], file: str
) -> Iterator[Store]:
    """The store of the functions, with the live recommender ``shop`` that takes events."""
    store = open_served(tmp_path, monkeypatch)
    for name in ("STORE", "QUEUE"):
        monkeypatch.setenv(f"LARDER_EVENTS_{name}", f"sqlite://{file}")
    publish(store, "shop", write_shop())
    write_settings(store, "shop", EventSettings(tracking_id="t"), None)
    services = (app.service, recommend.service)
    for service in services:
        service.reset()
    yield store
    for service in services:
        service.reset()


def post(path: str, body: object) -> tuple[int, Any]:
    return call(app.handler, "POST", path, body)


def logged(file: str) -> list[dict[str, Any]]:
    return [dict(row.row) for message in SqliteQueue.open(file).receive(1000) for row in parse_message(message.body)]


@pytest.mark.usefixtures("store")
def test_an_event_is_taken_once_and_is_in_the_log_and_the_history(file: str) -> None:
    event = {"id": "e1", "type": "click", "item": "i1", "user": "ada", "time": time.time() - 60, "value": 2}
    assert post(EVENTS, event) == (200, {"model": "shop", "accepted": 1, "duplicates": 0, "refused": []})
    assert post(EVENTS, event)[1]["duplicates"] == 1
    rows = logged(file)
    assert {row["EVENT_ID"] for row in rows} == {"e1"}
    assert (rows[0]["USER_ID"], rows[0]["ITEM_ID"], rows[0]["EVENT_VALUE"]) == ("ada", "i1", 2.0)
    assert [event.item for event in SqliteLiveStore.open(file).read("shop", "ada", None).events] == ["i1"]


@pytest.mark.usefixtures("store")
def test_an_event_without_id_is_the_same_event_when_its_sender_states_the_time(file: str) -> None:
    event = {"type": "click", "item": "i1", "session_id": "v", "time": int(time.time())}
    assert [post(EVENTS, event)[1]["duplicates"] for _ in range(2)] == [0, 1]
    del event["time"]
    assert [post(EVENTS, event)[1]["duplicates"] for _ in range(2)] == [0, 0]
    assert all(row["ANONYMOUS"] and row["USER_ID"] == "v" for row in logged(file))


GOOD: dict[str, Any] = {"type": "click", "item": "i1", "user": "ada"}


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"item": None}, "item: must be text"),
        ({"user": None}, "user and session_id are missing"),
        ({"type": ""}, "type has 0 characters"),
        ({"item": "x" * 257}, "item has 257 characters"),
        ({"user": "\ud800"}, None),
        ({"other": 1}, "other: is unknown"),
        ({"time": "yesterday"}, "ISO 8601"),
        ({"time": "2026-01-02T03:04:05"}, "without an offset"),
        ({"time": 1.7e12}, "milliseconds"),
        ({"time": time.time() - MAX_AGE_SECONDS - 60}, "14 days ago"),
        ({"time": time.time() + 3600}, "in the future"),
        ({"value": "much"}, "value: must be a number"),
        ({"impression": ["i"] * 26}, "impression has 26 entries"),
        ({"properties": {"text": "x" * 1100}}, "properties has more than 1024"),
        ({"properties": {"list": [1]}}, "properties: must have texts"),
        ({"properties": {"number": 10**400}}, "finite numbers"),
        ({"id": ""}, "id: is empty"),
    ],
)
def test_an_invalid_event_is_refused_with_its_place_and_the_others_are_taken(
    file: str, change: dict[str, Any], hint: str | None
) -> None:
    bad = {**GOOD, **change}
    status, answer = post(EVENTS, {"events": [GOOD, bad, {**GOOD, "item": "i2"}]})
    if hint is None:  # half a character is not UTF-8, so the whole request is invalid
        assert status == 400
        return
    assert (status, answer["accepted"]) == (200, 2)
    (refused,) = answer["refused"]
    assert refused["index"] == 1
    assert hint in refused["message"]
    assert [row["ITEM_ID"] for row in logged(file)] == ["i1", "i2"]
    # AND alone it is a 400
    status, answer = post(EVENTS, bad)
    assert (status, answer["error"]["code"]) == (400, "invalid_request")
    assert hint in answer["error"]["message"]


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("body", [{"events": []}, {"events": {}}, {"events": [GOOD] * 501}, {"events": [GOOD], "a": 1}])
def test_a_batch_has_1_to_500_events(file: str, body: dict[str, Any]) -> None:
    assert post(EVENTS, body)[0] == 400
    assert logged(file) == []


def test_a_model_without_events_says_how_to_turn_them_on(store: Store) -> None:
    write_settings(
        store, "shop", EventSettings(enabled=False, tracking_id="t"), store.get("models/shop/events.json").etag
    )
    status, answer = post(EVENTS, GOOD)
    assert (status, answer["error"]["code"]) == (404, "not_found")
    assert "larder events on shop" in answer["error"]["message"]


@pytest.mark.usefixtures("store")
def test_a_deployment_without_events_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LARDER_EVENTS_STORE")
    assert "This deployment takes no events" in post(EVENTS, GOOD)[1]["error"]["message"]


@pytest.mark.usefixtures("store")
def test_items_and_users_are_checked_by_the_releases_columns(file: str) -> None:
    items = {"items": [{"id": "new", "columns": {"PRICE": 3, "KIND": "mug"}}, {"id": "x", "columns": {"NO": 1}}]}
    status, answer = post("/v1/models/shop/items", items)
    assert (status, answer["accepted"]) == (200, 1)
    assert "columns.NO is not a column" in answer["refused"][0]["message"]
    for price in ("3", 10**400, True):
        assert post("/v1/models/shop/items", {"id": "x", "columns": {"PRICE": price}})[0] == 400
    (row,) = logged(file)
    assert (row["ITEM_ID"], row["PRICE"]) == ("new", 3.0)
    (item,) = SqliteLiveStore.open(file).items("shop")[0]
    assert item.id == "new"
    assert "columns.NO" in post("/v1/models/shop/users", {"id": "u", "columns": {"NO": 1}})[1]["error"]["message"]


def test_a_newly_put_item_is_at_once_among_the_first_ten_of_someone_fitting(
    store: Store, write_shop: Callable[..., Path]
) -> None:
    # GIVEN a shop of 20 mugs, 20 lamps and 20 rugs in ten colours, where who sees one gets those of its kind
    kinds, colours = ["mug", "lamp", "rug"], [f"colour-{number}" for number in range(10)]
    ids = [f"{kind}-{number}" for kind in kinds for number in range(20)]
    titles = [f"{kind} {colours[number % 10]}" for kind in kinds for number in range(20)]
    rows = [[(item // 20 * 20 + (item + k) % 20, 1 - k / 40) for k in range(1, 20)] for item in range(60)]
    texts, popular = (
        {"KIND": ("category", [name[:3] for name in ids]), "TITLE": ("text", titles)},
        [(0, 1.0), (20, 0.5)],
    )
    publish(
        store,
        "shop",
        write_shop(ids=ids, columns=texts, neighbours=rows, users={}, segments={"": popular}, widths=(19, 4, 2)),
    )
    for service in (app.service, recommend.service):
        service.reset()
    # WHEN an item with the columns of a mug is put, and a visitor has clicked two other mugs
    twin = {"id": "twin", "columns": {"KIND": "mug", "TITLE": titles[5]}}
    assert post("/v1/models/shop/items", twin)[0] == 200
    for item in ("mug-2", "mug-3"):
        assert post(EVENTS, {"type": "click", "item": item, "session_id": "visit"})[0] == 200
    # THEN the next answer has it among the first ten, with its reason
    _, answer = call(recommend.handler, "GET", "/v1/models/shop/recommend", session_id="visit", n="10")
    found = {item["id"]: item["because"] for item in answer["items"]}
    assert found["twin"]["source"] == "content"
    assert "mug-5" in found["twin"]["items"]


@pytest.mark.usefixtures("store")
def test_the_next_recommendation_has_what_was_just_clicked() -> None:
    # GIVEN what a visitor without history gets
    path = "/v1/models/shop/recommend"
    _, before = call(recommend.handler, "GET", path, session_id="visit", n="3")
    clicked = before["items"][0]["id"]
    # WHEN they click on it
    assert post(EVENTS, {"type": "click", "item": clicked, "session_id": "visit"})[0] == 200
    # THEN the next answer is another one, and names its recommendation
    _, after = call(recommend.handler, "GET", path, session_id="visit", n="3")
    assert after["items"] != before["items"]
    assert after["recommendation_id"] != before["recommendation_id"]
    # AND another visitor's answer is the first one
    assert call(recommend.handler, "GET", path, session_id="other", n="3")[1]["items"] == before["items"]
