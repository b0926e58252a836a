"""The heartbeat, through HTTP and the real handlers."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import numpy as np
import pytest
from tests.functions.heartbeat.conftest import Api, lines

from heartbeat import app
from larder.auth.scopes import parse_scope
from larder.health.heartbeats import KEPT_SECONDS, Heartbeat, add_heartbeat, format_time, read_health
from larder.release.keys import heartbeats_key
from larder.store import Store
from larder_local.keys.issue import new_key
from larder_local.keys.key_store import KeyStore
from larder_training.release.tables import write_probes
from models import app as models

Write = Callable[..., Path]
Live = Callable[[Path], str]


@pytest.fixture
def key(store: Store, monkeypatch: pytest.MonkeyPatch) -> str:
    """The secret of the heartbeat's key."""
    return make_key(store, monkeypatch)


def make_key(store: Store, monkeypatch: pytest.MonkeyPatch, *scopes: str, **changes: Any) -> str:  # noqa: ANN401  # any argument of new_key
    """Adds a key, and names it to the function; returns its secret."""
    parsed = [parse_scope(scope) for scope in scopes or ("classify:*", "recommend:*")]
    made, secret = new_key(parsed, now=int(time.time()), **{"signs": True, **changes})
    KeyStore(store).add(made)
    monkeypatch.setenv("LARDER_HEARTBEAT_KEY", made.id)
    return secret


def beat() -> dict[str, Any]:
    app.service.reset()
    return app.handler({}, None)


def metrics(line: dict[str, Any]) -> dict[str, Any]:
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Larder"
    assert directive["Dimensions"] == ([["model"]] if line["model"] else [[]])
    return {metric["Name"]: (metric["Unit"], line[metric["Name"]]) for metric in directive["Metrics"]}


def test_models_that_give_their_golden_answers_are_available(
    api: Api,
    key: str,
    live: Live,
    store: Store,
    golden_classifier: Write,
    golden_recommender: Write,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pets, shop = live(golden_classifier()), live(golden_recommender())
    assert beat() == {"available": True, "models": {"pets": True, "shop": True}}
    # THEN it asked through HTTP, with its key, and named the release that is live
    asked = {request.path: dict(request.headers) for request in api.requests}
    assert set(asked) == {"/health", "/v1/models/pets/classify", "/v1/models/shop/recommend"}
    assert asked["/v1/models/shop/recommend"]["x-larder-release"] == shop
    # AND its lines are the metrics, by model and over all, without the secret
    written = capsys.readouterr().out
    assert key not in written
    found = {line["model"]: line for line in map(json.loads, written.splitlines()) if "route" not in line}
    assert {model: line["release"] for model, line in found.items()} == {None: None, "pets": pets, "shop": shop}
    for line in found.values():
        measured = metrics(line)
        assert (measured["Available"], line["level"], line["reason"]) == (("None", [1]), "INFO", None)
        unit, times = measured["HeartbeatLatency"]
        assert (unit, len(times)) == ("Milliseconds", 1)  # a golden request each
    # AND the API says so
    heartbeat = ask_models("/v1/models/pets/ready", key)["heartbeat"]
    assert (heartbeat["available"], heartbeat["release"], heartbeat["latency_ms"] > 0) == (True, pets, True)
    assert read_health(store, "shop", time.time()).availability() == 1.0


def ask_models(path: str, secret: str, status: int = 200) -> dict[str, Any]:
    """The answer of the models function to a caller with every right."""
    assert secret
    http = {"method": "GET", "path": path, "sourceIp": "127.0.0.1"}
    context = {"http": http, "stage": "$default", "authorizer": {"larder": {"scopes": ["admin"]}}}
    response = models.handler({"version": "2.0", "rawPath": path, "headers": {}, "requestContext": context}, None)
    assert response["statusCode"] == status, response
    document: dict[str, Any] = json.loads(response["body"])
    return document


def test_a_model_that_answers_otherwise_is_not_available_nor_ready(
    api: Api,
    key: str,
    live: Live,
    golden_classifier: Write,
    golden_recommender: Write,
    capsys: pytest.CaptureFixture[str],
) -> None:
    live(golden_classifier(cat=0.5)), live(golden_recommender())
    assert beat() == {"available": False, "models": {"pets": False, "shop": True}}
    found = lines(capsys)
    reason = "Golden request 0 has 'cat' at 0.924 in place of 0.500"
    assert reason in found["pets"]["reason"]
    assert (metrics(found["pets"])["Available"], metrics(found["shop"])["Available"][1]) == (("None", [0]), [1])
    assert (metrics(found[None])["Available"][1], found[None]["reason"][:5]) == ([0], "pets:")
    assert reason in ask_models("/v1/models/pets/ready", key, 503)["error"]["message"]
    assert ask_models("/v1/models/pets/live", key)["status"] == "live"
    assert ask_models("/v1/models/shop/ready", key)["status"] == "ready"
    # WHEN a sound release goes live THEN the heartbeat of the other one does not count
    release = live(golden_classifier(1))
    assert ask_models("/v1/models/pets/ready", key) == {
        "model": "pets",
        "status": "ready",
        "release": release,
        "heartbeat": None,
    }
    assert api.requests


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ((401, b'{"error": {"code": "unauthorized", "message": "No."}}'), "The API gave status 401 (the heartbeat's"),
        ((403, b'{"message": "Forbidden"}'), "(the heartbeat's key or role may not call): Forbidden"),
        ((503, b'{"error": {"code": "not_ready", "message": "Later."}}'), "The API gave status 503: Later."),
        ((502, b"<html>"), "The API gave status 502 and no JSON object."),
        ((200, b'["a"]'), "The API gave status 200 and no JSON object."),
        ((200, b'{"hello": 1}'), "Golden request 0 got an answer of another form"),
    ],
)
@pytest.mark.usefixtures("key")
def test_any_other_answer_is_an_availability_of_zero_with_a_sentence(
    api: Api,
    live: Live,
    golden_classifier: Write,
    reply: tuple[int, bytes],
    reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    live(golden_classifier())
    api.reply = reply
    assert beat()["models"] == {"pets": False}
    found = lines(capsys)["pets"]
    assert reason in found["reason"]
    assert found["level"] == "WARNING"


@pytest.mark.usefixtures("key")
def test_an_api_that_cannot_be_reached_is_not_available(
    api: Api,
    live: Live,
    golden_classifier: Write,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    live(golden_classifier())
    monkeypatch.setenv("LARDER_API_URL", "http://127.0.0.1:9")
    assert beat() == {"available": False, "models": {"pets": False}}
    found = lines(capsys)
    assert found[None]["reason"] == found["pets"]["reason"] == "The API could not be reached (ConnectionRefusedError)."
    assert "HeartbeatLatency" not in metrics(found["pets"])
    assert api.requests == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"signs": False}, "was made without --signing"),
        ({"expires": 1}, "is expired"),
        ({}, "does not exist"),
    ],
)
def test_without_a_usable_key_no_model_is_available(
    api: Api,
    live: Live,
    store: Store,
    golden_classifier: Write,
    changes: dict[str, Any],
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    live(golden_classifier())
    make_key(store, monkeypatch, **changes)
    if not changes:
        monkeypatch.setenv("LARDER_HEARTBEAT_KEY", "LK" + 18 * "A")
    assert beat() == {"available": False, "models": {"pets": False}}
    found = lines(capsys)["pets"]
    assert reason in found["reason"]
    assert "larder keys add --signing" in found["reason"]
    assert [request.path for request in api.requests] == ["/health"]


@pytest.mark.usefixtures("api")
def test_a_key_that_may_not_ask_a_model_is_stated(
    live: Live,
    store: Store,
    golden_classifier: Write,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    live(golden_classifier())
    secret = make_key(store, monkeypatch, "recommend:*")
    assert beat()["models"] == {"pets": False}
    printed = capsys.readouterr().out
    assert "The API gave status 403" in printed
    assert secret not in printed


@pytest.mark.usefixtures("live")
def test_with_no_key_it_asks_only_whether_the_api_answers(
    api: Api, live: Live, golden_classifier: Write, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    live(golden_classifier())
    assert beat() == {"available": True, "models": {}}
    assert [request.path for request in api.requests] == ["/health"]
    hint, line = (json.loads(text) for text in capsys.readouterr().out.splitlines() if "route" not in text)
    assert "larder keys add --signing" in hint["reason"]
    assert metrics(line)["Available"] == ("None", [1])
    assert read_health(store, "pets", time.time()).heartbeats == ()


def test_a_public_api_needs_no_key(
    api: Api, live: Live, golden_classifier: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(golden_classifier())
    monkeypatch.setenv("LARDER_AUTHORIZATION", "NONE")
    assert beat()["available"] is True
    assert "x-api-key" not in api.headers()


def test_with_iam_it_signs_as_botocore_does(
    api: Api, live: Live, golden_recommender: Write, golden_classifier: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"ACCESS_KEY_ID": "AKID", "SECRET_ACCESS_KEY": "secret", "SESSION_TOKEN": "token"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("LARDER_AUTHORIZATION", "AWS_IAM")
    live(golden_classifier()), live(golden_recommender())
    assert beat()["available"] is True
    credentials = botocore.credentials.Credentials("AKID", "secret", "token")
    for number, request in enumerate(api.requests):
        sent = api.headers(number)
        signed = sent["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
        same = botocore.awsrequest.AWSRequest(
            request.method,
            f"{api.url}{request.path}",
            {name: sent[name] for name in signed},
            request.body,
            dict(pair.split("=") for pair in request.query.split("&") if pair),
        )
        same.context["timestamp"] = sent["x-amz-date"]
        signer = botocore.auth.SigV4Auth(credentials, "execute-api", "eu-central-1")
        text = signer.string_to_sign(same, signer.canonical_request(same))
        assert sent["authorization"].endswith(signer.signature(text, same))
        assert {"host", "x-amz-date", "x-amz-security-token"} <= set(signed)


def test_a_release_that_was_replaced_meanwhile_is_no_failure(
    api: Api, key: str, live: Live, store: Store, golden_classifier: Write
) -> None:
    first = live(golden_classifier())
    second = golden_classifier(1)

    def replace() -> None:
        if api.requests[-1].path == "/health" or live_now != [first]:
            return
        live_now[0] = live(second)
        for entry in list(store.list(f"models/pets/releases/{first}/")):
            store.delete(entry.key)

    live_now = [first]
    api.before = replace
    assert beat()["models"] == {"pets": True}
    assert read_health(store, "pets", time.time()).heartbeats[-1].release == second.name
    assert key


@pytest.mark.usefixtures("key")
def test_all_golden_requests_have_their_turn(
    api: Api, live: Live, tmp_path: Path, classifier: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN eight golden requests, of which each heartbeat asks three
    bodies = [b"request %d" % number for number in range(8)]
    write_probes(tmp_path / "eight", bodies, probabilities=np.full((8, 2), 0.5, np.float32))
    live(classifier(files={"probes.safetensors": (tmp_path / "eight").read_bytes()}))
    api.reply = (200, b'{"labels": [{"name": "cat", "confidence": 0.5}, {"name": "dog", "confidence": 0.5}]}')
    asked: list[bytes] = []
    for turn in range(3):
        monkeypatch.setattr(time, "time", lambda turn=turn: 1_000_000_000 + 300.0 * turn)
        assert beat()["models"] == {"pets": True}
        asked += [request.body for request in api.requests if request.method == "POST"]
        api.requests.clear()
    assert set(asked) == set(bodies)
    assert len(asked) == 9


def test_the_record_has_the_last_hour_and_is_replaced_if_it_cannot_be_read(store: Store) -> None:
    now = 1_800_000_000.0
    for minute in range(0, 100, 5):
        beat_ = Heartbeat(format_time(now + 60 * minute), "r1", minute % 10 == 0, 10.0 + minute, None)
        add_heartbeat(store, "pets", beat_, 300)
    end = now + 60 * 95
    record = read_health(store, "pets", end)
    assert (len(record.heartbeats), record.availability(), record.latency()) == (12, 0.5, 77.5)
    assert record.last("r1", end) == record.heartbeats[-1]
    assert record.last("r2", end) is None
    assert record.last("r1", end + 901) is None
    assert read_health(store, "pets", end + KEPT_SECONDS).heartbeats == ()
    for text in (b"{", b"[]", b'{"format": 2}', b'{"format": 1, "interval": 60, "heartbeats": [{"time": "x"}]}'):
        store.put(heartbeats_key("pets"), text)
        assert read_health(store, "pets", end).heartbeats == ()
    add_heartbeat(store, "pets", beat_, 300)
    assert read_health(store, "pets", end).heartbeats == (beat_,)


def test_a_model_without_a_live_release_is_neither_live_nor_ready(
    api: Api, key: str, store: Store, live: Live, golden_classifier: Write
) -> None:
    release = live(golden_classifier())
    assert beat()["models"] == {"pets": True}
    store.delete(f"models/pets/releases/{release}/model.onnx")
    assert "model.onnx is missing" in ask_models("/v1/models/pets/ready", key, 503)["error"]["message"]
    store.delete("models/pets/live.json")
    for question in ("live", "ready"):
        error = ask_models(f"/v1/models/pets/{question}", key, 503)["error"]
        assert (error["code"], "No release of pets is live" in error["message"]) == ("not_ready", True)
        assert ask_models(f"/v1/models/dogs/{question}", key, 404)["error"]["code"] == "not_found"
    assert beat() == {"available": True, "models": {}}
    assert api.requests
