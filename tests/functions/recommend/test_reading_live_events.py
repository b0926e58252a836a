"""Answers of the function by live events: a store and a queue in a SQLite file, and what happens when they fail."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.functions.recommend.test_stored_filters import ask, ids, store
from tests.toys.live_store import publish

from larder.events import live_reader
from larder.events.base import LiveItem
from larder.events.event import Event
from larder.events.settings import EventSettings, read_settings, write_settings
from larder.events.sqlite import SqliteLiveStore, SqliteQueue
from larder.store import Store
from recommend import app

__all__ = ["store"]  # a fixture
RECOMMEND = "/v1/models/shop/recommend"
NOT_READ = "Recent events could not be read: this answer is by the release alone."


@pytest.fixture
def live(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqliteLiveStore:
    """The live store of the function; its model ``shop`` takes events, and hides what was bought."""
    for name, file in (("STORE", "events"), ("QUEUE", "queue")):
        monkeypatch.setenv(f"LARDER_EVENTS_{name}", f"sqlite://{tmp_path}/{file}.db")
    for deadline in ("READ_SECONDS", "LOG_SECONDS"):  # a busy machine must not decide what is read
        monkeypatch.setattr(live_reader, deadline, 10.0)
    app.service.reset()
    write_settings(store, "shop", EventSettings(hidden=("purchase",)), None)
    return SqliteLiveStore.open(f"{tmp_path}/events.db")


def change_settings(store: Store, **changes: bool) -> None:
    settings, etag = read_settings(store, "shop")
    write_settings(store, "shop", replace(settings, **changes), etag)  # type: ignore[arg-type]  # the fields that tests change are booleans


def happen(
    live: SqliteLiveStore, *items: str, type_: str = "click", user: str | None = None, session: str | None = None
) -> None:
    now = time.time()
    events = [
        Event(f"{now}-{place}", type_, item, now + place / 1000, user, session) for place, item in enumerate(items)
    ]
    live.add("shop", events, keep=50, seconds=3600)


def sent(path: Path) -> list[dict[str, Any]]:
    messages = SqliteQueue.open(f"{path}/queue.db").receive()
    rows = [row for message in messages for row in json.loads(message.body)["rows"]]
    assert {(model, kind) for model, kind, _ in rows} <= {("shop", "recommendations")}
    return [row for _, _, row in rows]


def metrics(output: str) -> list[str]:
    """The metrics of the lines that are not those of requests."""
    lines = [line for line in map(json.loads, output.splitlines()) if "_aws" in line and "route" not in line]
    return [metric["Name"] for line in lines for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]]


def test_a_click_is_in_the_next_answer(live: SqliteLiveStore) -> None:
    before = ask("GET", RECOMMEND, {"user": "eve"})
    happen(live, "fig", user="eve")

    after = ask("GET", RECOMMEND, {"user": "eve"})

    assert ids(after)[0] == "egg"
    assert ids(after) != ids(before)
    assert after[1]["items"][0]["because"] == {"source": "session", "items": ["fig"]}


def test_a_session_is_read_by_its_id_and_after_the_login_by_the_user(live: SqliteLiveStore) -> None:
    happen(live, "fig", session="s1")
    assert ids(ask("GET", RECOMMEND, {"session_id": "s1"}))[0] == "egg"
    assert ids(ask("POST", RECOMMEND, body={"session_id": "s1"}))[0] == "egg"
    assert ids(ask("GET", RECOMMEND, {"user": "eve"}))[0] == "apple"

    happen(live, "dill, fresh", user="eve", session="s1")
    assert ids(ask("GET", RECOMMEND, {"user": "eve"})) == (
        ids(ask("POST", RECOMMEND, body={"session": ["fig", "dill, fresh"]}))
    )


def test_personalizes_clients_get_live_answers_too(live: SqliteLiveStore, tmp_path: Path) -> None:
    # GIVEN a visitor without a user's id, whom Personalize's clients name by the session
    arn = "arn:aws:personalize:eu-west-1:123456789012:campaign/shop"
    happen(live, "fig", session="s1")

    _, best = ask("POST", "/recommendations", body={"campaignArn": arn, "userId": "s1", "numResults": 2})
    ranking = {"campaignArn": arn, "userId": "s1", "inputList": ["apple", "egg"]}
    _, ranked = ask("POST", "/personalize-ranking", body=ranking)

    # THEN both follow the click, and their ids are those of the log, with what the caller got
    assert best["itemList"][0]["itemId"] == "egg"
    assert [item["itemId"] for item in ranked["personalizedRanking"]] == ["egg", "apple"]
    rows = sent(tmp_path)
    assert [row["RECOMMENDATION_ID"] for row in rows] == [best["recommendationId"], ranked["recommendationId"]]
    assert [len(row["ITEMS"]) for row in rows] == [2, 2]


def test_what_was_bought_is_hidden_and_filters_see_it(live: SqliteLiveStore) -> None:
    happen(live, "egg", type_="purchase", user="ada")

    assert "egg" not in ids(ask("POST", RECOMMEND, body={"user": "ada", "include_seen": True}))
    text = 'INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("purchase")'
    assert ids(ask("POST", RECOMMEND, body={"user": "ada", "filter": text, "include_seen": True})) == []


def test_an_item_that_was_put_is_recommended(live: SqliteLiveStore) -> None:
    item = LiveItem("plum", {"KIND": "fruit", "PRICE": 1.0}, time.time(), (("apple", 0.5), ("egg", 0.5)))
    live.put_items("shop", [item], seconds=3600)

    assert "plum" in ids(ask("GET", RECOMMEND, {"user": "ada"}))


@pytest.mark.usefixtures("live")
def test_a_later_page_is_logged_with_the_number_of_items_before_it(tmp_path: Path) -> None:
    _, first = ask("GET", RECOMMEND, {"user": "ada", "n": "2", "next": ""})
    ask("GET", RECOMMEND, {"user": "ada", "n": "2", "next": first["next"]})
    assert [row.get("ITEMS_BEFORE") for row in sent(tmp_path)] == [None, 2]


@pytest.mark.usefixtures("live")
def test_each_answer_is_logged_by_its_id(store: Store, tmp_path: Path) -> None:
    # WHEN each route has answered
    _, first = ask("POST", RECOMMEND, body={"user": "ada", "n": 2, "filter": "EXCLUDE ItemID WHERE Items.PRICE > 9"})
    _, ranked = ask("POST", "/v1/models/shop/rank", body={"session_id": "s1", "items": ["fig", "plum"]})
    _, similar = ask("GET", "/v1/models/shop/similar/apple", {"n": "1"})

    # THEN its id names the release, and the log has its list
    digest = first["release"].rpartition("-")[2]
    for document in (first, ranked, similar):
        assert document["recommendation_id"].startswith(digest)
        assert len(document["recommendation_id"]) <= 40
    rows = sent(tmp_path)
    assert [row["RECOMMENDATION_ID"] for row in rows] == [
        document["recommendation_id"] for document in (first, ranked, similar)
    ]
    assert abs(rows[0].pop("TIMESTAMP") - time.time()) < 60
    assert rows[0] == {
        "RECOMMENDATION_ID": first["recommendation_id"],
        "RELEASE": first["release"],
        "USER_ID": "ada",
        "FILTER": "EXCLUDE ItemID WHERE Items.PRICE > 9",
        "ITEMS": [["egg", "user"], ["fig", "user"]],
    }
    assert rows[1]["SESSION_ID"] == "s1"
    assert rows[1]["ITEMS"][1] == ["plum", None]

    # AND none is logged where the settings say so
    change_settings(store, logs_recommendations=False)
    assert "recommendation_id" in ask("GET", RECOMMEND)[1]
    assert sent(tmp_path) == []


def test_a_model_without_events_answers_as_before(store: Store, live: SqliteLiveStore, tmp_path: Path) -> None:
    happen(live, "fig", user="eve")
    change_settings(store, enabled=False)

    status, document = ask("GET", RECOMMEND, {"user": "eve", "session_id": "s1"})

    assert (status, document["items"][0]["id"]) == (200, "apple")
    assert "recommendation_id" not in document
    assert document["warnings"] == ["session_id has no effect: no live events are read here."]
    assert sent(tmp_path) == []


def test_a_request_for_a_release_gets_what_that_release_answers_at_any_time(live: SqliteLiveStore) -> None:
    release = ask("GET", RECOMMEND)[1]["release"]
    happen(live, "fig", user="eve")
    event = {
        "version": "2.0",
        "rawPath": RECOMMEND,
        "headers": {"x-larder-release": release},
        "queryStringParameters": {"user": "eve"},
        "pathParameters": {"model": "shop"},
        "requestContext": {"http": {"method": "GET", "path": RECOMMEND}},
    }
    document = json.loads(app.handler(event, None)["body"])

    assert document["items"][0]["id"] == "apple"
    assert "recommendation_id" not in document


@pytest.mark.parametrize("damage", ["folder in its place", "too slow"])
def test_without_the_store_the_tables_answer_and_a_metric_counts_it(
    live: SqliteLiveStore,
    tmp_path: Path,
    damage: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GIVEN a click, and a store that cannot be read, or not in time
    happen(live, "fig", user="zanzibar")
    if damage == "too slow":
        monkeypatch.setattr(live_reader, "READ_SECONDS", 0.05)
        monkeypatch.setattr(SqliteLiveStore, "read", lambda *_: time.sleep(0.2))
    else:
        monkeypatch.setenv("LARDER_EVENTS_STORE", f"sqlite://{tmp_path}")
        app.service.reset()

    # WHEN a user asks THEN the answer is the release's, and says so
    status, document = ask("GET", RECOMMEND, {"user": "zanzibar"})
    assert (status, document["items"][0]["id"]) == (200, "apple")
    assert document["warnings"] == [NOT_READ]
    assert document["recommendation_id"]
    output = capsys.readouterr().out
    assert metrics(output).count("LiveReadFailed") == 1  # a busy disk may delay the log too
    assert "zanzibar" not in output  # nor anything else of the user


def test_a_list_that_cannot_be_logged_costs_no_answer(
    live: SqliteLiveStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LARDER_EVENTS_QUEUE", f"sqlite://{tmp_path}")
    app.service.reset()
    happen(live, "fig", user="eve")

    assert ids(ask("GET", RECOMMEND, {"user": "eve"}))[0] == "egg"
    assert metrics(capsys.readouterr().out) == ["RecommendationLogFailed"]


@pytest.mark.usefixtures("live")
def test_settings_that_cannot_be_read_leave_the_answer_to_the_tables(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    _, etag = read_settings(store, "shop")
    store.put("models/shop/events.json", b"{", etag=etag)

    assert ids(ask("GET", RECOMMEND, {"user": "eve"}))[0] == "apple"
    assert metrics(capsys.readouterr().out) == ["LiveReadFailed"]


def test_events_that_made_the_users_row_do_not_count_again(
    store: Store, live: SqliteLiveStore, write_shop: Callable[..., Path]
) -> None:
    # GIVEN a release that was trained on the click
    happen(live, "fig", user="ada")
    before = ids(ask("GET", RECOMMEND, {"user": "ada"}))
    folder = write_shop(created=datetime(2026, 2, 1, tzinfo=UTC), training={"data": {"last": int(time.time()) + 1}})
    publish(store, "shop", folder)

    # WHEN ada, whose row has the click, asks THEN it does not count, but it is not shown to her either
    after = ids(ask("GET", RECOMMEND, {"user": "ada"}))
    _, plain = ask("POST", RECOMMEND, body={"user": "zoë"})
    assert plain["items"]
    assert after != before
    assert "fig" not in after
