"""Trending items over HTTP: events that were counted are there, without a training."""

import json
import time
from pathlib import Path

import pytest
from tests.functions.recommend.test_paging import walk
from tests.functions.recommend.test_reading_live_events import change_settings, live, sent
from tests.functions.recommend.test_stored_filters import ask, ids, store

from larder.events.base import LogRow
from larder.events.statistics import count_rows
from larder.release.keys import statistics_key
from larder.store import Store
from recommend import app

__all__ = ["live", "store"]  # fixtures
TRENDING = "/v1/models/shop/trending"


def happen(store: Store, **counts: int) -> None:
    """Count events of items, as the function that writes the log does."""
    rows = [
        {"EVENT_ID": f"{item}-{k}-{time.time()}", "ITEM_ID": item, "TIMESTAMP": time.time() - 60}
        for item, count in counts.items()
        for k in range(count)
    ]
    count_rows(store, [LogRow("shop", "events", row) for row in rows])


@pytest.mark.usefixtures("live")
def test_what_grows_is_in_the_next_answer(store: Store, tmp_path: Path) -> None:
    assert ids(ask("GET", TRENDING)) == []

    happen(store, egg=8, fig=20, bread=1)
    status, document = ask("GET", TRENDING, {"n": "5"})

    assert status == 200
    assert [(item["id"], item["because"]) for item in document["items"]] == [
        ("fig", {"source": "trending"}),
        ("egg", {"source": "trending"}),
    ]
    assert document["items"][0]["score"] > document["items"][1]["score"] > 2
    assert [row["RECOMMENDATION_ID"] for row in sent(tmp_path)][-1] == document["recommendation_id"]
    happen(store, egg=30)
    assert ids(ask("GET", TRENDING, {"n": "1"})) == ["egg"]


@pytest.mark.usefixtures("live")
def test_filters_and_pages_are_those_of_other_lists(store: Store) -> None:
    happen(store, egg=8, fig=20, apple=30)

    assert walk(TRENDING, {"n": "2"}) == [["apple", "fig"], ["egg"]]
    fruit = {"filter": 'INCLUDE ItemID WHERE Items.KIND IN ("fruit")', "exclude": "apple"}
    assert ids(ask("GET", TRENDING, fruit)) == ["fig"]


@pytest.mark.usefixtures("live")
def test_a_release_that_the_request_names_answers_with_its_own_items(store: Store) -> None:
    happen(store, fig=20)
    release = ask("GET", TRENDING)[1]["release"]
    event = {
        "version": "2.0",
        "rawPath": TRENDING,
        "headers": {"x-larder-release": release},
        "pathParameters": {"model": "shop"},
        "requestContext": {"http": {"method": "GET", "path": TRENDING}},
    }
    document = json.loads(app.handler(event, None)["body"])

    assert [item["id"] for item in document["items"]] == ["fig"]
    assert "recommendation_id" not in document


def test_a_model_without_events_and_a_service_without_them_say_what_to_do(
    store: Store, request: pytest.FixtureRequest
) -> None:
    status, document = ask("GET", TRENDING)
    assert (status, document["error"]["code"]) == (404, "not_found")
    assert "This service takes no events" in document["error"]["message"]

    request.getfixturevalue("live")
    change_settings(store, enabled=False)
    status, document = ask("GET", TRENDING)
    assert (status, "larder events on shop" in document["error"]["message"]) == (404, True)


@pytest.mark.usefixtures("live")
def test_damaged_statistics_are_no_empty_list(store: Store) -> None:
    store.put(statistics_key("shop"), b"{")
    status, document = ask("GET", TRENDING)
    assert (status, document["error"]["code"]) == (503, "store_unavailable")
