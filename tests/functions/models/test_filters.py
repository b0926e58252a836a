"""The routes of stored filters."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.toys.http_calls import call
from tests.toys.live_store import publish
from tests.toys.rollout import classifier
from tests.toys.shop import write_shop

from larder.release.keys import pointer_key
from larder.store import Store
from models import app

__all__ = ["classifier", "write_shop"]  # fixtures
CHEAP = "INCLUDE ItemID WHERE Items.PRICE < $LIMIT"
FILTERS = "/v1/models/shop/filters"


def ask(method: str, path: str, body: object = None) -> tuple[int, Any]:
    return call(app.handler, method, path, body)


@pytest.mark.usefixtures("store")
def test_a_filter_is_stored_replaced_listed_and_removed() -> None:
    assert ask("GET", FILTERS) == (200, {"model": "shop", "filters": []})

    status, first = ask("PUT", f"{FILTERS}/cheap", {"expression": CHEAP})
    assert (status, first["expression"], "updated" in first) == (200, CHEAP, False)
    assert ask("GET", f"{FILTERS}/cheap") == (200, first)

    status, second = ask("PUT", f"{FILTERS}/cheap", {"expression": "EXCLUDE ItemID WHERE Items.PRICE = 1"})
    assert (status, second["created"]) == (200, first["created"])
    assert second["updated"] >= first["created"]
    _, listed = ask("GET", FILTERS)
    assert [(entry["name"], entry["expression"]) for entry in listed["filters"]] == [("cheap", second["expression"])]

    assert ask("DELETE", f"{FILTERS}/cheap") == (200, second)
    status, gone = ask("DELETE", f"{FILTERS}/cheap")
    assert (status, gone["error"]["code"]) == (404, "not_found")


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("name", "body", "hint"),
    [
        (
            "f",
            {"expression": "INCLUDE ItemID WHERE Items.NO = 1"},
            "at character 22.*no column NO; they have Items.KIND",
        ),
        ("f", {"expression": "INCLUDE ItemID WHERE Items.KIND = 1"}, "at character 22.*KIND is a category"),
        ("f", {"expression": "INCLUDE ItemID"}, "at its end"),
        ("f", {"expression": "EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (*)"}, "train the model again"),
        ("f", {"expression": "EXCLUDE ItemID WHERE Items.PRICE = 1 IF CurrentUser.NO = 1"}, "at character 41"),
        ("f", {"expression": ""}, "at its end"),
        ("f", {"expression": 1}, "expression: must be"),
        ("f", {}, "expression: is missing"),
        ("f", {"expression": CHEAP, "name": "f"}, "name: is unknown"),
        ("-f", {"expression": CHEAP}, "is not a filter name"),
    ],
)
def test_a_filter_that_cannot_be_used_is_not_stored(name: str, body: object, hint: str) -> None:
    status, document = ask("PUT", f"{FILTERS}/{name}", body)

    assert status == 400
    assert re.search(hint, document["error"]["message"])
    assert ask("GET", FILTERS)[1]["filters"] == []


@pytest.mark.usefixtures("store")
def test_a_model_that_does_not_exist_has_no_filters() -> None:
    status, document = ask("PUT", "/v1/models/shoes/filters/f", {"expression": CHEAP})

    assert (status, document["error"]["code"]) == (404, "not_found")


def test_a_classifier_has_no_filters(store: Store, classifier: Callable[..., Path]) -> None:
    publish(store, "pets", classifier())

    status, document = ask("PUT", "/v1/models/pets/filters/f", {"expression": CHEAP})

    assert (status, "is a classifier" in document["error"]["message"]) == (400, True)


def test_without_a_live_release_only_the_expression_is_checked(store: Store) -> None:
    store.delete(pointer_key("shop"))

    assert ask("PUT", f"{FILTERS}/f", {"expression": "INCLUDE ItemID WHERE Items.NO = 1"})[0] == 200
    assert ask("PUT", f"{FILTERS}/f", {"expression": "INCLUDE ItemID WHERE Items"})[0] == 400
