"""The function that handles the bucket's events (tests/events/rollout)."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.paths import EVENTS
from tests.toys.rollout import Lambda

from larder.errors import FunctionUnavailable, InvalidRequest, NotFound, SettingsError
from larder.release.keys import MANIFEST, file_key, pointer_key
from larder.release.manifest import parse
from larder.release.pointer import Pointer, parse_pointer
from larder.rollout import upload
from larder.rollout.aws.s3_event import parse_event
from larder.store import Store
from rollout import app

Write = Callable[..., Path]
EVENT = json.loads((EVENTS / "rollout/manifest-created.json").read_text())


def created(key: object, kind: str = "Object Created") -> dict[str, Any]:
    event: dict[str, Any] = copy.deepcopy(EVENT)
    event["detail-type"] = kind
    event["detail"]["object"]["key"] = key
    return event


def manifest_of(model: str, release: str) -> dict[str, Any]:
    return created(file_key(model, release, "manifest.json"))


@pytest.fixture
def handler(
    store: Store, functions: Lambda, monkeypatch: pytest.MonkeyPatch
) -> Callable[[dict[str, Any]], dict[str, str | None]]:
    """The handler of a process that has just started."""
    for name, value in {"STORE": store.url, "CLASSIFY_FUNCTION": "classify", "RECOMMEND_FUNCTION": "recommend"}.items():
        monkeypatch.setenv(f"LARDER_{name}", value)
    app.service.reset()
    assert functions.events == []
    return lambda event: app.handler(event, None)


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The log lines of rollouts; those of the functions that they call have a route."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line for line in lines if "route" not in line]


def metrics(line: dict[str, Any]) -> dict[str, Any]:
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"]) == ("Larder", [[], ["model"]])
    return {metric["Name"]: line[metric["Name"]] for metric in directive["Metrics"]}


def test_a_release_goes_live_and_a_repeated_event_changes_nothing(
    store: Store,
    handler: Callable[..., Any],
    functions: Lambda,
    golden_classifier: Write,
    capsys: pytest.CaptureFixture[str],
) -> None:
    manifest = upload(golden_classifier(), store).manifest
    assert handler(manifest_of("pets", manifest.release)) == {"state": "promoted", "reason": None}
    before, calls = store.get(pointer_key("pets")), len(functions.events)
    assert parse_pointer(before.data) == Pointer(manifest.release)
    (line,) = logged(capsys)
    assert (line["level"], line["model"], line["release"], line["revision"]) == ("INFO", "pets", manifest.release, 1)
    assert metrics(line) == {"RolloutPromoted": [1.0]}

    assert handler(manifest_of("pets", manifest.release)) == {"state": "kept", "reason": "It is live already."}
    assert store.get(pointer_key("pets")) == before
    assert len(functions.events) == calls
    (line,) = logged(capsys)
    assert (line["state"], line["model"], "_aws" in line) == ("kept", "pets", False)


def test_a_damaged_release_is_rejected_and_the_old_one_stays_live(
    store: Store,
    handler: Callable[..., Any],
    functions: Lambda,
    golden_classifier: Write,
    capsys: pytest.CaptureFixture[str],
) -> None:
    good = upload(golden_classifier(1), store).manifest
    handler(manifest_of("pets", good.release))
    before, calls = store.get(pointer_key("pets")), len(functions.events)
    logged(capsys)
    bad = golden_classifier(2)
    graph = bytearray((bad / "model.onnx").read_bytes())
    graph[-1] ^= 1
    (bad / "model.onnx").write_bytes(graph)
    manifest = parse((bad / MANIFEST).read_bytes())
    for path in bad.iterdir():  # an upload without Larder's checks
        store.upload(file_key(manifest.model, manifest.release, path.name), path)
    for _ in range(2):
        reply = handler(manifest_of("pets", manifest.release))
    (first, second) = logged(capsys)
    assert metrics(first) == {"RolloutRejected": [1.0]}
    assert (first["level"], first["live"]) == ("WARNING", good.release)
    assert "model.onnx is damaged" in first["reason"]
    assert (second["state"], reply["state"]) == ("kept", "kept")
    written = json.loads(store.get(file_key("pets", manifest.release, "rejected.json")).data)
    assert written["reason"] == first["reason"]
    assert store.get(pointer_key("pets")) == before
    assert len(functions.events) == calls


def test_temporary_failures_raise_so_that_lambda_retries(
    store: Store, handler: Callable[..., Any], functions: Lambda, golden_classifier: Write
) -> None:
    manifest = upload(golden_classifier(), store).manifest
    functions.reply = (
        200,
        {"x-amz-function-error": "Unhandled"},
        {"errorMessage": "Task timed out after 29.00 seconds"},
    )
    with pytest.raises(FunctionUnavailable):
        handler(manifest_of("pets", manifest.release))
    functions.reply = None
    assert handler(manifest_of("pets", manifest.release))["state"] == "promoted"
    with pytest.raises(NotFound):  # since an event came for it, the likely reason is that the role must not read it
        handler(manifest_of("pets", "20260102t000000z-00000000"))


OTHERS = [
    EVENT | {"detail": {}},
    {},
    created("models/pets/live.json"),
    created("models/pets/releases/r1/model.onnx"),
    created("models/pets/releases/r1/deeper/manifest.json"),
    created("uploads/models/pets/releases/r1/manifest.json"),
    created("models/Pets/releases/r1/manifest.json"),
    created("models/../releases/r1/manifest.json"),
    created(7),
    created("models/pets/releases/r1/manifest.json", "Object Deleted"),
]


@pytest.mark.parametrize("event", OTHERS)
def test_other_events_are_ignored(store: Store, handler: Callable[..., Any], event: dict[str, Any]) -> None:
    assert handler(event)["state"] == "ignored"
    assert list(store.list()) == []
    with pytest.raises(InvalidRequest):
        parse_event(event)


def test_an_incomplete_environment_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LARDER_CLASSIFY_FUNCTION", raising=False)
    app.service.reset()
    with pytest.raises(SettingsError, match="LARDER_CLASSIFY_FUNCTION is missing"):
        app.handler(EVENT, None)
