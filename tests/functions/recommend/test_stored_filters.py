"""Requests that name a stored filter."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.toys.live_store import open_served, publish

from larder.registry.stored_filters import add_filter, put_filter, remove_filter
from larder.store import Store
from recommend import app

CHEAP = "INCLUDE ItemID WHERE Items.PRICE < $LIMIT"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_shop: Callable[..., Path]) -> Iterator[Store]:
    """The store of a function with the live model ``shop``, which reads its filters again for each request."""
    store = open_served(tmp_path, monkeypatch)
    publish(store, "shop", write_shop())
    app.service.reset()
    yield store
    app.service.reset()


def ask(method: str, path: str, query: dict[str, str] | None = None, body: object = None) -> tuple[int, Any]:
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": urlencode(query or {}),
        "queryStringParameters": query or {},
        "pathParameters": {"model": "shop", "item": path.rpartition("/")[2]},  # as API Gateway decodes them
        "headers": {"content-type": "application/json"},
        "requestContext": {"http": {"method": method, "path": path}},
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }
    response = app.handler(event, None)
    return response["statusCode"], json.loads(response["body"])


def ids(answer: tuple[int, Any]) -> list[str]:
    status, document = answer
    assert status == 200, document
    return [item["id"] for item in document["items"]]


def test_every_route_takes_the_name_of_a_stored_filter(store: Store) -> None:
    add_filter(store, "shop", "cheap", CHEAP)
    named = {"filter": "@cheap", "filter_values.LIMIT": "2"}
    body = {"filter": "@cheap", "filter_values": {"LIMIT": 2}}

    assert ids(ask("GET", "/v1/models/shop/recommend", {"user": "ada", **named})) == ["egg", "Grünkohl 🥬", "apple"]
    assert ids(ask("POST", "/v1/models/shop/recommend", body={"user": "ada", **body}))[0] == "egg"
    assert ids(ask("GET", "/v1/models/shop/similar/bread", named)) == ["apple", "egg"]
    assert ids(ask("POST", "/v1/models/shop/rank", body={"items": ["fig", "egg", "apple"], **body})) == ["apple", "egg"]
    promotion = {"name": "p", "percent": 50, **body}
    assert ids(ask("POST", "/v1/models/shop/recommend", body={"user": "ada", "n": 2, "promotions": [promotion]}))


def test_a_replaced_filter_is_used_and_a_removed_one_is_a_404(store: Store) -> None:
    add_filter(store, "shop", "f", "INCLUDE ItemID WHERE Items.PRICE < 1")
    asked = ("GET", "/v1/models/shop/recommend", {"filter": "@f", "user": "ada"})
    assert ids(ask(*asked)) == ["egg"]

    put_filter(store, "shop", "f", "INCLUDE ItemID WHERE Items.PRICE = 3")
    assert ids(ask(*asked)) == ["fig"]

    remove_filter(store, "shop", "f")
    status, document = ask(*asked)
    assert (status, document["error"]["code"]) == (404, "not_found")
    assert "'shop' has no stored filter 'f'" in document["error"]["message"]


def test_a_stored_filter_that_the_release_cannot_answer_is_refused_when_it_is_used(store: Store) -> None:
    add_filter(store, "shop", "f", "INCLUDE ItemID WHERE Items.NO < 1")

    status, document = ask("GET", "/v1/models/shop/recommend", {"filter": "@f"})

    assert status == 400
    assert "at character 22" in document["error"]["message"]


@pytest.mark.usefixtures("store")
def test_ranked_items_that_the_model_does_not_know_pass_no_filter() -> None:
    body = {"items": ["no such", "fig", "egg"], "filter": "EXCLUDE ItemID WHERE Items.PRICE < 1"}

    status, document = ask("POST", "/v1/models/shop/rank", body=body)

    assert (status, [item["id"] for item in document["items"]]) == (200, ["fig"])
    assert document["warnings"] == ["Items that the model does not know pass no filter: 1, such as 'no such'."]
