"""Answers of the function that explore new items, by the settings of the model."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.functions.recommend.test_paging import walk
from tests.functions.recommend.test_reading_live_events import RECOMMEND, live, metrics, sent
from tests.functions.recommend.test_stored_filters import ask, ids, store

from larder.events.base import LiveItem, LogRow
from larder.events.settings import read_settings, write_settings
from larder.events.sqlite import SqliteLiveStore
from larder.events.statistics import count_rows
from larder.release.keys import statistics_key
from larder.store import Store

__all__ = ["live", "store"]  # fixtures
NEW = [f"new{k}" for k in range(6)]


def explore(store: Store, live: SqliteLiveStore, weight: float = 0.5, days: int = 30) -> None:
    """Let the model explore, and put six items like no other."""
    settings, etag = read_settings(store, "shop")
    write_settings(store, "shop", replace(settings, exploration_weight=weight, exploration_days=days), etag)
    live.put_items("shop", [LiveItem(item, {"KIND": "fruit"}, time.time() - 2 * 86400) for item in NEW], seconds=3600)


def test_new_items_have_a_share_and_are_logged(store: Store, live: SqliteLiveStore, tmp_path: Path) -> None:
    explore(store, live)
    _, document = ask("GET", RECOMMEND, {"user": "ada", "n": "4"})

    reasons = {item["id"]: item["because"] for item in document["items"]}
    new = [item for item in reasons if item in NEW]
    assert len(new) == 2
    assert reasons[new[0]] == {"source": "exploration"}
    (row,) = sent(tmp_path)
    assert [new[0], "exploration"] in row["ITEMS"]


def test_items_beyond_the_age_are_not_new(store: Store, live: SqliteLiveStore) -> None:
    explore(store, live, days=1)
    assert not set(NEW) & set(ids(ask("GET", RECOMMEND, {"user": "ada"})))


def test_the_pages_of_a_list_agree_and_lists_differ(store: Store, live: SqliteLiveStore) -> None:
    explore(store, live)
    lists = [[item for page in walk(RECOMMEND, {"user": "ada", "n": "2"}) for item in page] for _ in range(5)]

    for items in lists:
        assert len(items) == len(set(items))
        assert set(NEW) < set(items)
    assert len({tuple(items) for items in lists}) > 1
    _, first = ask("GET", RECOMMEND, {"user": "ada", "n": "2", "next": ""})
    asked = {"user": "ada", "n": "2", "next": first["next"]}
    assert ids(ask("GET", RECOMMEND, asked)) == ids(ask("GET", RECOMMEND, asked))


def test_what_the_statistics_say_decides(store: Store, live: SqliteLiveStore) -> None:
    explore(store, live, weight=1.0)
    answers = [{"RECOMMENDATION_ID": f"0a1b2c3d-{k}", "TIMESTAMP": time.time(), "ITEMS": NEW} for k in range(300)]
    click = {"ITEM_ID": "new3", "TIMESTAMP": time.time(), "RECOMMENDATION_ID": "0a1b2c3d-1"}
    clicks = [{**click, "EVENT_ID": f"e{k}"} for k in range(200)]
    rows = [
        *(LogRow("shop", "recommendations", row) for row in answers),
        *(LogRow("shop", "events", r) for r in clicks),
    ]
    count_rows(store, rows)

    assert {ids(ask("GET", RECOMMEND, {"n": "1"}))[0] for _ in range(20)} == {"new3"}


def test_other_lists_do_not_explore(store: Store, live: SqliteLiveStore) -> None:
    explore(store, live, weight=1.0)

    assert not set(NEW) & set(ids(ask("GET", "/v1/models/shop/similar/apple")))
    assert ids(ask("POST", "/v1/models/shop/rank", body={"items": ["apple", "egg"]}))
    _, page = ask("GET", "/v1/models/shop/similar/apple", {"n": "1", "next": ""})
    _, explored = ask("GET", RECOMMEND, {"n": "1", "next": ""})
    assert len(explored["next"]) > len(page["next"])  # it has the seed


def test_personalizes_clients_read_personalizes_reason(store: Store, live: SqliteLiveStore) -> None:
    explore(store, live, weight=1.0)
    arn = "arn:aws:personalize:eu-west-1:123456789012:campaign/shop"

    _, best = ask("POST", "/recommendations", body={"campaignArn": arn, "userId": "ada", "numResults": 3})
    _, related = ask("POST", "/recommendations", body={"campaignArn": arn, "itemId": "apple", "numResults": 3})

    assert [item["reason"] for item in best["itemList"]] == [["Exploration"]] * 3
    assert not set(NEW) & {item["itemId"] for item in related["itemList"]}


def test_damaged_statistics_cost_the_exploration_and_not_the_answer(
    store: Store, live: SqliteLiveStore, capsys: pytest.CaptureFixture[str]
) -> None:
    explore(store, live, weight=1.0)
    store.put(statistics_key("shop"), b"{")

    assert ids(ask("GET", RECOMMEND, {"user": "ada"}))[0] == "egg"
    assert metrics(capsys.readouterr().out) == ["LiveReadFailed"]
