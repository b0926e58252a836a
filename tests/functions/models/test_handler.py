"""The function, called with events of API Gateway on a store in a folder."""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tests.paths import EVENTS

from larder.release.keys import file_key, pointer_key
from larder.release.manifest import FileEntry, Manifest, dump
from larder.release.pointer import Pointer, dump_pointer
from larder.store import Store, open_store
from models import app

CASES = EVENTS / "models"
REPORT = b"<!doctype html><title>pets</title>"
RELEASE = "20260102t030405z-0a1b2c3d"
NEWER = "20260103t000000z-11111111"
NEWEST = "20260104t000000z-22222222"


@dataclass(frozen=True)
class Service:
    """A store with the content that a rollout writes, and the function that serves from it."""

    store: Store

    def publish(self, manifest: Manifest, files: Mapping[str, bytes] | None = None) -> None:
        """Writes a release as an upload does: the manifest last, with the lengths of the files."""
        files = {**{name: bytes(entry.bytes) for name, entry in manifest.files.items()}, **(files or {})}
        entries = {**manifest.files, **{name: FileEntry(len(data), "b" * 64) for name, data in files.items()}}
        for name, data in files.items():
            self.store.put(file_key(manifest.model, manifest.release, name), data)
        document = dump(replace(manifest, files=entries))
        self.store.put(file_key(manifest.model, manifest.release, "manifest.json"), document)

    def point(self, model: str, pointer: Pointer) -> None:
        """Writes the pointer of a model."""
        self.store.put(pointer_key(model), dump_pointer(pointer))

    def ask(
        self,
        case: str,
        *,
        path: str | None = None,
        names: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Sends a saved event with some values replaced."""
        event = json.loads((CASES / f"{case}.json").read_text())
        event["headers"] |= headers or {}
        event["pathParameters"] = names or event.get("pathParameters")
        event["queryStringParameters"] = query or event.get("queryStringParameters")
        event["rawPath"] = event["requestContext"]["http"]["path"] = path or event["rawPath"]
        return app.handler(event, None)


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """The function with an empty store, in an environment like the template's."""
    url = f"file://{tmp_path}/store"
    environment = {
        "LARDER_STORE": url,
        "LARDER_CACHE_DIR": str(tmp_path / "cache"),
        "LARDER_CACHE_BYTES": "1000000",
        "LARDER_REFRESH_SECONDS": "30",
        "LARDER_MAX_PIXELS": "1000000",
        "LARDER_AUTHORIZATION": "NONE",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    app.service.reset()
    yield Service(open_store(url))
    app.service.reset()


@pytest.fixture
def service(empty: Service, classifier_manifest: Manifest, recommender_manifest: Manifest) -> Service:
    """``pets`` with a live release, and ``shop`` without one."""
    by_label = [{"label": "cat", "recall": 0.9}, {"label": "dog", "recall": 1.0}]
    test = {"accuracy": 0.95, "accuracy_interval_95": [0.9, 0.99], "labels": by_label}
    evaluation = {"split": "by class", "test": test, "confusion": [[9, 1], [0, 8]], "skipped": None}
    evaluation["counts"] = {f"label-{number}": number for number in range(100)}
    pets = replace(classifier_manifest, evaluation=evaluation, structure={"parameters": 21})
    empty.publish(pets, {"model.onnx": bytes(range(200)), "report.html": REPORT})
    empty.point("pets", Pointer(pets.release))
    empty.publish(recommender_manifest)
    return empty


def body(answer: dict[str, Any], status: int = 200) -> dict[str, Any]:
    assert answer["statusCode"] == status, answer["body"]
    document: dict[str, Any] = json.loads(answer["body"])
    return document


def refusal(answer: dict[str, Any], status: int, code: str) -> str:
    error = body(answer, status)["error"]
    assert error["code"] == code
    return str(error["message"])


def test_an_empty_store_has_no_models(empty: Service) -> None:
    assert body(empty.ask("list")) == {"models": [], "next": None}


def test_models_are_listed_with_their_live_release(service: Service) -> None:
    created = "2026-01-02T03:04:05Z"
    assert body(service.ask("list"))["models"] == [
        {"model": "pets", "kind": "classifier", "live": RELEASE, "created": created},
        {"model": "shop", "kind": "recommender", "live": None, "created": created},
    ]


def test_one_broken_model_does_not_hide_the_others(service: Service) -> None:
    # GIVEN a broken pointer, a pointer to a missing release, an incomplete upload, and a folder that is not a model
    service.store.put(pointer_key("broken"), b"{")
    service.point("dangling", Pointer(NEWER))
    service.store.put(file_key("unfinished", NEWER, "model.onnx"), b"x")
    service.store.put("models/No_Model/live.json", b"{}")
    # WHEN the models are listed
    models = body(service.ask("list"))["models"]
    # THEN each is listed with what can be read
    assert [(entry["model"], entry["kind"], entry["live"]) for entry in models] == [
        ("broken", None, None),
        ("dangling", None, None),
        ("pets", "classifier", RELEASE),
        ("shop", "recommender", None),
    ]


def test_a_classifier_is_described_by_pointer_labels_and_metrics(service: Service) -> None:
    answer = service.ask("describe")
    assert body(answer) == {
        "model": "pets",
        "kind": "classifier",
        "live": RELEASE,
        "previous": None,
        "canary": None,
        "canary_percent": 0,
        "revision": 1,
        "release": RELEASE,
        "created": "2026-01-02T03:04:05Z",
        "labels": ["cat", "dog"],
        # without tables
        "evaluation": {"split": "by class", "test": {"accuracy": 0.95, "accuracy_interval_95": [0.9, 0.99]}},
    }
    assert answer["headers"]["x-larder-model"] == "pets"
    assert answer["headers"]["x-larder-release"] == RELEASE


def test_a_recommender_without_a_live_release_is_described_by_its_newest(service: Service) -> None:
    document = body(service.ask("describe", names={"model": "shop"}))
    assert (document["live"], document["revision"], document["release"]) == (None, 0, RELEASE)
    assert (document["items"], document["users"], document["columns"]) == (
        3,
        5,
        {"BRAND": "category", "PRICE": "number"},
    )


def test_releases_are_newest_first_with_their_state(service: Service, classifier_manifest: Manifest) -> None:
    # GIVEN five releases (previous, live, canary, rejected and not in use) and an incomplete upload
    others = ["20260101t000000z-00000000", NEWER, NEWEST, "20260105t000000z-33333333"]
    for release in others:
        service.publish(replace(classifier_manifest, release=release))
    service.store.put(file_key("pets", others[3], "rejected.json"), b'{"reason": "model.onnx has another SHA-256."}')
    service.store.put(file_key("pets", "20260106t000000z-44444444", "model.onnx"), b"x")
    service.point("pets", Pointer(NEWER, previous=RELEASE, canary=NEWEST, canary_percent=10, revision=3))
    # WHEN they are listed
    document = body(service.ask("releases"))
    # THEN each has its state, and the incomplete one is counted, but not listed
    assert (document["total"], document["next"]) == (6, None)
    assert [(entry["release"], entry["state"], entry["reason"]) for entry in document["releases"]] == [
        (others[3], "rejected", "model.onnx has another SHA-256."),
        (NEWEST, "canary", None),
        (NEWER, "live", None),
        (RELEASE, "previous", None),
        (others[0], "stored", None),
    ]


def test_an_unreadable_release_is_listed_with_the_reason(service: Service, classifier_manifest: Manifest) -> None:
    future = dump(replace(classifier_manifest, release=NEWER)).replace(b'"format": 1', b'"format": 5')
    service.store.put(file_key("pets", NEWER, "manifest.json"), future)
    newest = body(service.ask("releases"))["releases"][0]
    assert (newest["release"], newest["state"], newest["kind"]) == (NEWER, "damaged", None)
    assert "reads 1 to 4 only; upgrade it" in newest["reason"]
    assert "upgrade it" in refusal(
        service.ask("manifest", names={"model": "pets", "release": NEWER}), 422, "invalid_manifest"
    )


@pytest.mark.parametrize(("content", "reason"), [(None, "model.onnx is missing"), (b"x", "model.onnx has 1 bytes")])
def test_a_damaged_release_is_never_listed_as_live(service: Service, content: bytes | None, reason: str) -> None:
    key = file_key("pets", RELEASE, "model.onnx")
    service.store.delete(key)
    if content is not None:
        service.store.put(key, content)
    (release,) = body(service.ask("releases"))["releases"]
    assert (release["release"], release["state"]) == (RELEASE, "damaged")
    assert release["reason"].startswith(reason)


def test_a_rejection_with_an_unreadable_reason_is_listed(service: Service, classifier_manifest: Manifest) -> None:
    service.publish(replace(classifier_manifest, release=NEWER))
    for content in (b"{", b"[]", b"{}"):
        service.store.put(file_key("pets", NEWER, "rejected.json"), content)
        newest = body(service.ask("releases"))["releases"][0]
        assert newest["state"] == "rejected"
        assert "publish the release again" in newest["reason"]


@pytest.mark.parametrize("n", ["0", "101", "-1", "1.5", "many", "", "²", "9" * 99])
def test_an_invalid_number_of_releases_is_a_400(service: Service, n: str) -> None:
    assert "from 1 to 100" in refusal(service.ask("releases", query={"n": n}), 400, "invalid_request")


def test_only_the_newest_n_releases_are_listed(service: Service, classifier_manifest: Manifest) -> None:
    service.publish(replace(classifier_manifest, release=NEWER))
    document = body(service.ask("releases", query={"n": "1"}))
    assert document["total"] == 2
    assert [entry["release"] for entry in document["releases"]] == [NEWER]


def test_a_manifest_is_returned_as_stored(service: Service) -> None:
    stored = json.loads(service.store.get(file_key("pets", RELEASE, "manifest.json")).data)
    answer = service.ask("manifest")
    assert body(answer) == stored
    assert answer["headers"]["x-larder-release"] == RELEASE


def test_a_structure_and_the_list_of_files_come_from_the_manifest(service: Service) -> None:
    names = {"model": "pets", "release": RELEASE}
    assert body(service.ask("structure")) == {**names, "kind": "classifier", "structure": {"parameters": 21}}
    folder = f"/v1/models/pets/releases/{RELEASE}/files"
    assert body(service.ask("files")) == {
        **names,
        "files": [
            {"name": "model.onnx", "bytes": 200, "sha256": "b" * 64, "path": f"{folder}/model.onnx"},
            {"name": "report.html", "bytes": 34, "sha256": "b" * 64, "path": f"{folder}/report.html"},
        ],
    }


def test_unknown_names_are_404s(service: Service) -> None:
    unknown = {"model": "pest", "release": NEWER, "name": "weights.bin"}
    for case, invalid in [
        ("describe", "model"),
        ("releases", "model"),
        ("manifest", "model"),
        ("manifest", "release"),
        ("structure", "release"),
        ("files", "release"),
        ("file", "release"),
        ("file", "name"),
    ]:
        known = {"model": "pets", "release": RELEASE, "name": "report.html"}
        assert "use a name" in refusal(service.ask(case, names={**known, invalid: unknown[invalid]}), 404, "not_found")


@pytest.mark.parametrize("invalid", ["..", "../pets", "a/b", "Pets", "", "-", "x" * 64, "%2e%2e", "pets\n", "\x00"])
@pytest.mark.parametrize("name", ["model", "release", "name"])
def test_an_invalid_name_is_a_400(service: Service, name: str, invalid: str) -> None:
    known = {"model": "pets", "release": RELEASE, "name": "report.html"}
    status = 404 if (name, invalid) == ("name", "x" * 64) else 400  # a valid file name
    assert service.ask("file", names={**known, name: invalid})["statusCode"] == status


def test_the_manifest_is_not_one_of_its_files(service: Service) -> None:
    for name in ("manifest.json", "rejected.json", "live.json"):
        known = {"model": "pets", "release": RELEASE, "name": name}
        refusal(service.ask("file", names=known), 404, "not_found")


@pytest.mark.parametrize("case", ["describe", "manifest", "structure", "files", "file", "openapi", "unknown_parameter"])
def test_an_unknown_parameter_is_named(service: Service, case: str) -> None:
    message = refusal(service.ask(case, query={"verbose": "1"}), 400, "invalid_request")
    assert message == "'verbose' is not a parameter here: this route takes no parameters."
    assert "'verbose'" in refusal(service.ask("releases", query={"verbose": "1"}), 400, "invalid_request")


def test_the_description_of_the_api_is_served(empty: Service) -> None:
    answer = empty.ask("openapi")
    assert answer["headers"]["Content-Type"] == "application/json"
    assert body(answer)["openapi"].startswith("3.1")


def test_an_unknown_route_is_a_404_in_the_form_of_all_errors(empty: Service) -> None:
    assert "/openapi.json" in refusal(empty.ask("list", path="/v1/modles"), 404, "not_found")


def test_a_new_model_is_listed_at_once(service: Service, classifier_manifest: Manifest) -> None:
    assert len(body(service.ask("list"))["models"]) == 2
    service.publish(replace(classifier_manifest, model="birds"))
    assert [entry["model"] for entry in body(service.ask("list"))["models"]] == ["birds", "pets", "shop"]


def test_a_folder_sends_whole_files(service: Service) -> None:
    answer = service.ask("file")
    assert answer["statusCode"] == 200
    assert base64.b64decode(answer["body"]) == REPORT
    assert answer["headers"]["Content-Type"] == "text/html; charset=utf-8"
    assert answer["headers"]["accept-ranges"] == "bytes"
    # a page from elsewhere must not run scripts in this origin
    assert answer["headers"]["content-security-policy"].startswith("default-src 'none'")
    assert answer["headers"]["x-larder-release"] == RELEASE


def test_a_part_of_a_file_is_a_206(service: Service) -> None:
    answer = service.ask("part_of_file")
    assert answer["statusCode"] == 206
    assert base64.b64decode(answer["body"]) == bytes([1, 2])
    assert answer["headers"]["content-range"] == "bytes 1-2/200"
    assert answer["headers"]["Content-Type"] == "application/octet-stream"


def test_a_range_after_the_end_is_a_416(service: Service) -> None:
    answer = service.ask("part_of_file", headers={"range": "bytes=200-"})
    assert (answer["statusCode"], answer["headers"]["content-range"]) == (416, "bytes */200")


def test_the_error_for_a_large_file_says_how_to_request_parts(service: Service, classifier_manifest: Manifest) -> None:
    content = b"\x01" * 4_500_001
    service.publish(replace(classifier_manifest, release=NEWER), {"model.onnx": content})
    known = {"model": "pets", "release": NEWER, "name": "model.onnx"}
    assert "Range: bytes=0-4499999" in refusal(service.ask("file", names=known), 413, "too_large")
    first = service.ask("file", names=known, headers={"range": "bytes=0-4499999"})
    last = service.ask("file", names=known, headers={"range": "bytes=4500000-"})
    assert (first["statusCode"], last["statusCode"]) == (206, 206)
    assert len(first["body"]) <= 6 * 2**20
    assert base64.b64decode(first["body"]) + base64.b64decode(last["body"]) == content


def test_s3_has_the_same_documents_and_redirects_to_its_files(
    empty: Service, classifier_manifest: Manifest, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN the same release, in S3
    monkeypatch.setenv("LARDER_STORE", s3_url)
    service = replace(empty, store=open_store(s3_url))
    assert body(service.ask("list")) == {"models": [], "next": None}
    service.publish(classifier_manifest, {"report.html": REPORT})
    # THEN models without a pointer, with a pointer, and unknown ones are distinguished
    assert body(service.ask("describe"))["live"] is None
    service.point("pets", Pointer(RELEASE))
    assert body(service.ask("list"))["models"][0]["live"] == RELEASE
    assert [entry["state"] for entry in body(service.ask("releases"))["releases"]] == ["live"]
    refusal(service.ask("describe", names={"model": "pest"}), 404, "not_found")
    # AND S3 sends the file itself
    answer = service.ask("file")
    assert answer["statusCode"] == 307
    assert "X-Amz-Signature=" in answer["headers"]["location"]
    assert answer["headers"]["x-larder-release"] == RELEASE
