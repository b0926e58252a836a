"""Users are exported and removed: what their routes answer, who may ask, and that no log line names a user."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from tests.paths import ROOT
from tests.toys.live_store import open_served, publish
from tests.toys.shop import write_shop

from events import app
from larder.auth import parse_scope
from larder.events.log.compaction import compact
from larder.events.log.deletions import KEY, read_deletions
from larder.events.log.forgetting import forget
from larder.events.log.parts import write_parts
from larder.events.log.rows import parse_message
from larder.events.settings import EventSettings, write_settings
from larder.events.sqlite import SqliteQueue
from larder.store import Store
from larder_local.gateway.event import HttpRequest, encode
from larder_local.gateway.routes import find
from larder_local.gateway.template import load
from larder_local.keys.issue import new_key
from larder_local.keys.key_store import KeyStore

__all__ = ["write_shop"]  # a fixture
ROUTES = load(ROOT / "template.yaml").routes
ANN = "ann@example.org"
PATH = f"/v1/users/{quote(ANN)}"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_shop: Callable[..., Path]) -> Iterator[Store]:
    """The store of the function, with the live recommender ``shop``, which has events of two users."""
    store = open_served(tmp_path, monkeypatch)
    for name in ("STORE", "QUEUE"):
        monkeypatch.setenv(f"LARDER_EVENTS_{name}", f"sqlite://{tmp_path}/events.db")
    publish(store, "shop", write_shop())
    write_settings(store, "shop", EventSettings(tracking_id="t"), None)
    app.service.reset()
    clicks = [
        {"type": "click", "item": "i1", "session_id": "visit", "time": time.time() - 60},
        {"type": "click", "item": "i2", "user": ANN, "session_id": "visit", "time": time.time() - 50},
        {"type": "click", "item": "i3", "user": "bob", "time": time.time() - 40},
    ]
    assert ask("POST", "/v1/models/shop/events", {"events": clicks})[1]["accepted"] == 3
    for message in SqliteQueue.open(str(tmp_path / "events.db")).receive(100):
        write_parts(store, parse_message(message.body))
    yield store
    app.service.reset()


def ask(method: str, path: str, body: object = None, **query: str) -> tuple[int, Any]:
    """The status and the JSON of the answer to a request that comes through the template's routes."""
    match = find(ROUTES, method, path)
    assert match
    sent = b"" if body is None else json.dumps(body).encode()
    headers = [("content-type", "application/json"), ("host", "larder.example")]
    request = HttpRequest(method, path, urlencode(query), headers, sent, "127.0.0.1")
    response = app.handler(json.loads(encode(request, *match, "request-1")), None)
    return response["statusCode"], json.loads(response["body"])


@pytest.mark.usefixtures("store")
def test_an_export_has_events_and_sessions_of_one_user() -> None:
    status, answer = ask("GET", PATH)
    assert (status, answer["user"]) == (200, ANN)
    (shop,) = answer["models"]
    assert (shop["model"], shop["sessions"], shop["profile"]) == ("shop", ["visit"], {})
    assert [event["item"] for event in shop["events"]] == ["i1", "i2"]
    assert ask("GET", "/v1/users/u404") == (200, {"user": "u404", "models": []})


def test_a_removal_is_done_at_once_then_in_the_log_then_in_the_releases(
    store: Store, write_shop: Callable[..., Path]
) -> None:
    status, receipt = ask("DELETE", PATH)

    # THEN recent history is gone, and the receipt says what follows
    assert status == 202
    assert ask("GET", PATH)[1]["models"] == []
    assert len(ask("GET", "/v1/users/bob")[1]["models"]) == 1
    assert receipt["live"] is not None
    assert receipt["log"] is None
    assert [(entry["model"], entry["state"]) for entry in receipt["releases"]] == [("shop", "live")]
    path = f"/v1/deletions/{receipt['receipt']}"
    assert ask("GET", path) == (200, receipt)

    # WHEN the log is compacted
    compact(store)
    assert forget(store) == 1
    _, later = ask("GET", path)
    assert later["log"] is not None
    assert (later["done"], len(later["releases"])) == (False, 1)
    assert ANN not in store.get(KEY).data.decode()

    # WHEN a release that was trained later is live, and the older one is removed
    old = later["releases"][0]["release"]
    publish(store, "shop", write_shop(created=datetime.now(UTC) + timedelta(hours=1)), revision=2)
    for entry in list(store.list(f"models/shop/releases/{old}/")):
        store.delete(entry.key)
    _, last = ask("GET", path)
    assert (last["done"], last["releases"]) == (True, [])


def test_one_model_alone(store: Store, write_shop: Callable[..., Path]) -> None:
    publish(store, "cinema", write_shop())
    assert ask("DELETE", PATH, model="cinema")[1]["models"] == ["cinema"]
    assert len(ask("GET", PATH)[1]["models"]) == 1
    assert ask("DELETE", PATH)[1]["models"] == ["cinema", "shop"]
    assert len(read_deletions(store).entries) == 1


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("method", "path", "query", "status"),
    [
        ("GET", "/v1/deletions/nothing", {}, 404),
        ("GET", f"/v1/users/{'x' * 257}", {}, 400),
        ("DELETE", PATH, {"model": "No"}, 400),
        ("DELETE", PATH, {"all": "1"}, 400),
    ],
)
def test_other_requests_are_refused(method: str, path: str, query: dict[str, str], status: int) -> None:
    assert ask(method, path, **query)[0] == status


@pytest.mark.usefixtures("store")
def test_a_deployment_without_events_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LARDER_EVENTS_STORE")
    app.service.reset()
    assert "This deployment takes no events" in ask("DELETE", PATH)[1]["error"]["message"]


@pytest.mark.parametrize("user", ["a/b", "ä 漢", "100%", "a?b#c"])
@pytest.mark.usefixtures("store")
def test_an_id_may_have_any_characters(user: str) -> None:
    ask("POST", "/v1/models/shop/events", {"type": "click", "item": "i1", "user": user})
    path = f"/v1/users/{quote(user, safe='')}"
    assert ask("GET", path)[1]["user"] == user
    assert ask("DELETE", path)[0] == 202
    assert ask("GET", path)[1]["models"] == []


def test_a_key_needs_the_scope_for_each_model(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_shop: Callable[..., Path]
) -> None:
    publish(store, "cinema", write_shop())
    monkeypatch.setenv("LARDER_AUTHORIZATION", "KEYS")
    app.service.reset()
    held = KeyStore.open(f"file://{tmp_path}/store")
    secrets = {}
    for name, scope in {"shop": "privacy:shop", "all": "privacy", "users": "users"}.items():
        key, secret = new_key((parse_scope(scope),), now=0)
        held.add(key)
        secrets[name] = f"{key.id}.{secret}"

    def status(name: str, method: str = "DELETE", path: str = PATH, **query: str) -> int:
        return ask(method, path, key=secrets[name], **query)[0]

    assert [status("shop"), status("shop", "GET"), status("users"), status("users", "GET")] == [403] * 4
    assert [status("shop", model="shop"), status("shop", model="cinema")] == [202, 403]
    assert ask("DELETE", PATH, model="shop")[0] == 401
    receipt = f"/v1/deletions/{read_deletions(store).entries[0].receipt}"
    assert [status(name, "GET", receipt) for name in ("shop", "all", "users")] == [200, 200, 403]
    assert status("all") == 202
    assert status("shop", "GET", receipt) == 403, "the receipt is of both models now"


@pytest.mark.usefixtures("store")
def test_no_log_line_names_the_user(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    ask("GET", PATH)
    ask("DELETE", PATH)
    ask("DELETE", PATH, model="No")
    monkeypatch.setattr(app.service.users, "remove", lambda *_: 1 / 0)  # a defect, whose frames are logged
    assert ask("DELETE", PATH)[0] == 500
    lines = capsys.readouterr().out
    assert [json.loads(line).get("route") for line in lines.splitlines()][-1] == "DELETE /v1/users/{user+}"
    assert "ZeroDivisionError" in lines
    assert "ann" not in lines
