"""What pages of a shop send: the script, keys that everyone can read, bodies of ``navigator.sendBeacon``."""

import json
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from tests.toys.live_store import open_served, publish
from tests.toys.shop import write_shop

from events import app
from larder.auth import parse_scope
from larder.events.settings import EventSettings, write_settings
from larder.events.sqlite import SqliteLiveStore
from larder_local.keys.issue import new_key
from larder_local.keys.key_store import KeyStore

__all__ = ["write_shop"]  # a fixture
EVENT = json.dumps({"type": "click", "item": "i1", "session_id": "visit"})
PAGE = {"origin": "https://shop.example", "content-type": "text/plain;charset=UTF-8"}
KeyFor = Callable[..., str]


@pytest.fixture
def key_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_shop: Callable[..., Path]) -> Iterator[KeyFor]:
    """Makes a key for scopes; the functions check keys, and ``shop`` takes events."""
    store = open_served(tmp_path, monkeypatch)
    monkeypatch.setenv("LARDER_AUTHORIZATION", "KEYS")
    for name in ("STORE", "QUEUE"):
        monkeypatch.setenv(f"LARDER_EVENTS_{name}", f"sqlite://{tmp_path}/events.db")
    publish(store, "shop", write_shop())
    write_settings(store, "shop", EventSettings(tracking_id="t"), None)
    app.service.reset()

    def make(*scopes: str) -> str:
        key, secret = new_key(tuple(map(parse_scope, scopes)), now=0)
        KeyStore.open(f"file://{tmp_path}/store").add(key)
        app.service.reset()  # an unknown key is looked for once a second only
        return f"{key.id}.{secret}"

    yield make
    app.service.reset()


def send(path: str, query: str, headers: dict[str, str], body: str = "", method: str = "POST") -> dict[str, Any]:
    """The answer to a request as API Gateway passes it on."""
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "queryStringParameters": dict(pair.split("=") for pair in query.split("&") if pair),
        "headers": headers,
        "requestContext": {"http": {"method": method, "path": path}},
        "body": body,
        "isBase64Encoded": False,
    }
    response = app.handler(event, None)
    return {**response, "headers": {name.lower(): value for name, value in response["headers"].items()}}


def test_a_beacon_with_a_key_for_events_alone_is_taken_and_logs_no_key(
    key_for: KeyFor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = key_for("events:shop", "events:other-*")
    answer = send("/v1/models/shop/events", f"key={key}", PAGE, EVENT)
    assert (answer["statusCode"], json.loads(answer["body"])["accepted"]) == (200, 1)
    assert answer["headers"]["access-control-allow-origin"] == "*"
    live = SqliteLiveStore.open(f"{tmp_path}/events.db")
    assert [event.item for event in live.read("shop", None, "visit").events] == ["i1"]
    printed = capsys.readouterr()
    assert '"route": "POST /v1/models/{model}/events"' in printed.out
    assert key.partition(".")[2] not in printed.out + printed.err


@pytest.mark.parametrize("scopes", [("admin",), ("events:shop", "items:shop"), ("events", "recommend:shop")])
@pytest.mark.parametrize("name", ["key", "access_token"])
def test_a_page_with_a_key_that_may_do_more_is_refused_with_what_to_do(
    key_for: KeyFor, scopes: tuple[str, ...], name: str
) -> None:
    key = key_for(*scopes)
    answer = send("/v1/models/shop/events", f"{name}={key}", PAGE, EVENT)
    message = json.loads(answer["body"])["error"]["message"]
    assert (answer["statusCode"], answer["headers"]["access-control-allow-origin"]) == (403, "*")
    assert f"larder keys revoke {key.partition('.')[0]}" in message
    assert "larder keys add events:MODEL" in message
    assert key.partition(".")[2] not in message
    # AND programs may use it: in a header also beside an origin, and in the query without one
    for query, headers in (("", {**PAGE, "x-api-key": key}), (f"{name}={key}", {})):
        assert send("/v1/models/shop/events", query, headers, EVENT)["statusCode"] == 200


def test_a_page_can_read_each_error(key_for: KeyFor) -> None:
    key = key_for("events:shop")
    sent = [
        ("/v1/models/shop/events", "", EVENT, 401),
        ("/v1/models/shop/events", f"key={key}x", EVENT, 401),
        ("/v1/models/other/events", f"key={key}", EVENT, 403),
        ("/v1/models/shop/events", f"key={key}", "{", 400),
        ("/v1/models/shop/events", f"key={key}", '{"type": "click", "item": "i1"}', 400),
        ("/v1/models/shop/events", f"key={key}&other=1", EVENT, 400),
    ]
    for path, query, body, status in sent:
        answer = send(path, query, PAGE, body)
        assert (answer["statusCode"], answer["headers"].get("access-control-allow-origin")) == (status, "*"), query


def test_the_key_of_a_page_opens_nothing_else(key_for: KeyFor) -> None:
    key = key_for("events:shop")
    for path in ("/v1/models/shop/items", "/v1/models/shop/users"):
        answer = send(path, f"key={key}", PAGE, '{"id": "i"}')
        assert (answer["statusCode"], "access-control-allow-origin" in answer["headers"]) == (403, False)


@pytest.mark.usefixtures("key_for")
def test_the_script_needs_no_key_is_small_and_may_be_kept() -> None:
    answer = send("/events.js", "", {}, method="GET")
    assert (answer["statusCode"], answer["headers"]["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert answer["headers"]["cache-control"] == "public, max-age=3600"
    assert len(answer["body"].encode()) <= 1024
    assert answer["body"] == files("larder.events").joinpath("snippet.js").read_text("utf-8")
