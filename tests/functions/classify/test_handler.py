"""The function with a real release in a real store: valid requests, and every kind of invalid one."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.paths import EVENTS

from classify import app
from larder.classifier.graph import Classifier
from larder.release.keys import pointer_key
from larder.release.pointer import Pointer, dump_pointer
from larder.store import Blob, Store

Ask = Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]
MakeImage = Callable[..., bytes]

CASES = EVENTS / "classify"

ANSWERS = {
    "image": 200,
    "image-options": 200,
    "image-without-type": 200,
    "json-image": 200,
    "json-object": 200,
    "health": 200,
    "broken-base64": 400,
    "dot-dot-model": 400,
    "empty": 400,
    "json-dot-dot": 400,
    "json-nan": 400,
    "json-side": 400,
    "wrong-json": 400,
    "unknown-model": 404,
    "form": 415,
    "html": 415,
    "pdf-called-jpg": 415,
    "truncated": 422,
}


def event(name: str = "image", **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - an event holds JSON of any kind
    return {**json.loads((CASES / f"{name}.json").read_text()), **changes}


def with_image(data: bytes) -> dict[str, Any]:
    return event(body=base64.b64encode(data).decode())


def with_json(document: object, **changes: object) -> dict[str, Any]:
    return event("json-image", body=document if isinstance(document, str) else json.dumps(document), **changes)


def refused(answer: tuple[int, dict[str, Any]]) -> tuple[int, str]:
    """The status and the message of an error response."""
    status, document = answer
    assert set(document) == {"error"}
    assert set(document["error"]) == {"code", "message"}
    return status, document["error"]["message"]


def test_every_event_file_is_in_the_table() -> None:
    assert {path.stem for path in CASES.glob("*.json")} == set(ANSWERS)


@pytest.mark.parametrize("name", ANSWERS)
def test_each_event_gets_its_status_and_an_error_says_what_to_do(ask: Ask, name: str) -> None:
    status, document = ask(event(name))
    assert status == ANSWERS[name], document
    if status != 200:
        message = refused((status, document))[1]
        assert message.endswith(".")
        assert any(word in message.lower() for word in ("send", "use", "convert", "get ", "upload", "publish", "train"))
        assert "Traceback" not in message


def test_an_image_is_classified(ask: Ask, store: Path) -> None:
    (release,) = [path.name for path in (store / "models/digits/releases").iterdir()]
    for name in ("image", "image-without-type"):
        status, answer = ask(event(name))
        assert status == 200
        assert answer == {
            "model": "digits",
            "release": release,
            "labels": [{"name": "red", "confidence": pytest.approx(0.997, abs=0.003)}],
            "unknown": False,
        }


def test_options_are_read_from_the_query_string_and_from_json(ask: Ask, make_image: MakeImage) -> None:
    assert [label["name"] for label in ask(event("image-options"))[1]["labels"]] == ["blue", "green"]
    image = base64.b64encode(make_image((20, 30, 200))).decode()
    cases: list[tuple[dict[str, object], dict[str, str], list[str]]] = [
        ({}, {}, ["blue"]),
        ({"min_confidence": 0}, {}, ["blue", "green", "red"]),
        ({"min_confidence": 0, "max_labels": 1}, {}, ["blue"]),
        ({}, {"min_confidence": "0", "max_labels": "2"}, ["blue", "green"]),
        ({"max_labels": 3}, {"min_confidence": "0.0", "max_labels": "2"}, ["blue", "green", "red"]),
        ({"min_confidence": 1}, {}, []),
    ]
    for fields, query, expected in cases:
        status, answer = ask(with_json({"image": image, **fields}, queryStringParameters=query))
        assert (status, [label["name"] for label in answer["labels"]]) == (200, expected), (fields, query)


def test_a_stored_image_is_classified_by_its_key(ask: Ask, store: Path, make_image: MakeImage) -> None:
    assert ask(event("json-object"))[1]["labels"][0]["name"] == "red"
    (store / "uploads/2026").mkdir()
    (store / "uploads/2026/blåbær (1).png").write_bytes(make_image((20, 30, 200)))
    assert ask(with_json({"object": "uploads/2026/blåbær (1).png"}))[1]["labels"][0]["name"] == "blue"


@pytest.mark.parametrize(
    "key",
    [
        "../secret.jpg",
        "uploads/../models/digits/live.json",
        "uploads/x/../../models/digits/live.json",
        "uploads/..",
        "uploads/./red.jpg",
        "uploads//red.jpg",
        "uploads/",
        "uploads",
        "/uploads/red.jpg",
        "uploads/..%2fmodels/digits/live.json",
        "uploads/%2e%2e/models/digits/live.json",
        "uploads/..\\models",
        "uploads/red.jpg\n",
        "uploads/red.jpg\0",
        "models/digits/live.json",
        "Uploads/red.jpg",
        "uploads/" + "x" * 300,
        "s3://bucket/uploads/red.jpg",
        "",
        7,
        None,
        ["uploads/red.jpg"],
    ],
)
def test_a_key_outside_uploads_is_refused(ask: Ask, key: object) -> None:
    status, message = refused(ask(with_json({"object": key})))
    assert status == 400
    assert "uploads/" in message
    assert len(message) < 300


def test_a_missing_stored_image_is_a_404(ask: Ask) -> None:
    status, message = refused(ask(with_json({"object": "uploads/none.jpg"})))
    assert (status, "upload it first" in message) == (404, True)


def test_a_stored_image_over_20_mb_is_not_downloaded(ask: Ask, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (store / "uploads/huge.jpg").open("wb") as file:
        file.truncate(20_000_001)
    ask(event())  # opens the store
    keys: list[str] = []
    folder = type(app.service.store)
    get = folder.get

    def noted(self: Store, key: str) -> Blob:
        keys.append(key)
        return get(self, key)

    monkeypatch.setattr(folder, "get", noted)
    status, message = refused(ask(with_json({"object": "uploads/huge.jpg"})))
    assert (status, "20000001 bytes" in message) == (413, True)
    assert "uploads/huge.jpg" not in keys
    ask(event("json-object"))
    assert "uploads/red.jpg" in keys


@pytest.mark.parametrize("size", [4_718_593, 10_000_000])
def test_the_error_of_a_large_image_points_to_the_store(ask: Ask, size: int) -> None:
    data = b"\xff\xd8\xff" + bytes(size - 3)
    for request in (with_image(data), with_json({"image": base64.b64encode(data).decode()})):
        status, message = refused(ask(request))
        assert status == 413
        assert str(size) in message
        assert '{"object": "uploads/..."}' in message


@pytest.mark.parametrize("name", ["max_labels", "min_confidence"])
@pytest.mark.parametrize(
    "value",
    [
        *("NaN", "nan", "-1", "-0.5", "inf", "1e999", "", "x", "0x1", "1001", "true", "null", "9" * 5000, "[1]"),
        *("0_1", "+1", "\u0661"),
    ],
)
def test_an_invalid_number_is_refused_in_query_and_json(ask: Ask, name: str, value: str) -> None:
    status, message = refused(ask(event(queryStringParameters={name: value})))
    assert (status, message.startswith(name)) == (400, True)
    assert len(message) < 150
    image = "iVBORw0KGgo="
    for text in (value, json.dumps(value)):
        status, message = refused(ask(with_json(f'{{"image": "{image}", "{name}": {text}}}')))
        assert status == 400
        assert name in message or "JSON" in message


def test_a_number_in_a_query_string_has_no_white_space(ask: Ask) -> None:
    for value in (" 1", "1 ", "1\n"):
        assert refused(ask(event(queryStringParameters={"min_confidence": value})))[0] == 400


def test_in_json_a_number_must_not_be_text(ask: Ask) -> None:
    for name in ("max_labels", "min_confidence"):
        status, message = refused(ask(with_json({"image": "iVBORw0KGgo=", name: "1"})))
        assert (status, message.startswith(f"{name} is '1': use")) == (400, True)


def test_the_error_of_a_key_lists_the_allowed_characters(ask: Ask) -> None:
    status, message = refused(ask(with_json({"object": "uploads/cat#1.jpg"})))
    assert (status, "letters, digits" in message, "at most 250" in message) == (400, True, True)


def test_max_labels_is_a_whole_number(ask: Ask) -> None:
    for value in ("0", "2.5", "2.0"):
        assert refused(ask(event(queryStringParameters={"max_labels": value})))[0] == 400
    assert refused(ask(with_json({"image": "", "max_labels": 2.5})))[0] == 400


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"image": 1}',
        '{"image": null}',
        '{"image": "*"}',
        '{"image": "é"}',
        '{"image": "AAAA", "object": "uploads/red.jpg"}',
        '{"image": ""}',
        '{"file": "AAAA"}',
        '{"image": "AAAA", "max_label": 3}',
        "[" * 100_000,
    ],
)
def test_json_without_exactly_one_valid_image_is_refused(ask: Ask, body: str) -> None:
    status, message = refused(ask(with_json(body)))
    assert status == 400
    assert message.endswith(".")


def test_header_names_are_case_insensitive(ask: Ask) -> None:
    request = event("json-image")  # `sam local` passes names on as the caller wrote them
    headers = {name.title(): value for name, value in request["headers"].items()}
    assert ask({**request, "headers": headers}) == ask(request)


def test_a_misspelt_parameter_is_named(ask: Ask) -> None:
    status, message = refused(ask(event(queryStringParameters={"max_label": "3"})))
    assert (status, "'max_label'" in message, "max_labels" in message) == (400, True, True)


@pytest.mark.parametrize("model", ["..", "../..", "..%2f..", "a/b", "Digits", "-", "x" * 64, "digits\n", "%00"])
def test_an_invalid_model_name_is_refused(ask: Ask, model: str) -> None:
    path = f"/v1/models/{model}/classify"
    status, message = refused(ask(event(rawPath=path, pathParameters={"model": model})))
    assert status in {400, 404}
    assert message.endswith(".")


def test_a_request_may_name_a_release_that_exists(ask: Ask, store: Path) -> None:
    (release,) = [path.name for path in (store / "models/digits/releases").iterdir()]
    headers = event()["headers"]
    assert ask(event(headers={**headers, "x-larder-release": release}))[1]["release"] == release
    assert refused(ask(event(headers={**headers, "x-larder-release": "20200101t000000z-00000000"})))[0] == 404
    assert refused(ask(event(headers={**headers, "x-larder-release": "../../live.json"})))[0] == 400


def test_the_headers_name_the_release(ask: Ask) -> None:
    ask(event())
    answer = app.handler(event(), None)
    assert answer["headers"]["x-larder-release"] == json.loads(answer["body"])["release"]


@pytest.mark.parametrize(
    ("size", "mode", "kind"),
    [((1, 1), "RGB", "PNG"), ((64, 64), "CMYK", "JPEG"), ((3, 500), "P", "PNG"), ((9, 9), "I;16", "PNG")],
)
def test_unusual_images_are_classified(ask: Ask, size: tuple[int, int], mode: str, kind: str) -> None:
    from io import BytesIO

    from PIL import Image

    file = BytesIO()
    Image.new(mode, size).save(file, kind)
    status, answer = ask(with_image(file.getvalue()))
    assert status == 200
    assert answer["unknown"]  # black


def test_a_new_release_answers_after_the_pointer_is_read_again(
    ask: Ask, publish: Callable[[bytes], str], graph: Callable[..., bytes]
) -> None:
    before = ask(event())[1]
    release = publish(graph(scale=0.5 / 255))
    after = ask(event())[1]
    assert before["release"] != release
    assert after["release"] == release
    assert after["labels"][0]["confidence"] < before["labels"][0]["confidence"]


def test_the_current_release_keeps_answering_if_the_new_one_does_not_load(
    ask: Ask, publish: Callable[[bytes], str], graph: Callable[..., bytes]
) -> None:
    before = ask(event())[1]
    publish(graph(height=9))
    assert ask(event())[1] == before


def test_a_new_process_answers_from_the_previous_release_if_the_live_one_does_not_load(
    ask: Ask, store: Path, publish: Callable[[bytes], str], graph: Callable[..., bytes]
) -> None:
    before = ask(event())[1]["release"]
    broken = publish(graph(height=9))
    (store / pointer_key("digits")).write_bytes(dump_pointer(Pointer(broken, previous=before)))
    app.service.reset()  # as a process that has just started
    answer = app.handler(event(), None)
    assert (answer["statusCode"], answer["headers"]["x-larder-release"]) == (200, before)


def test_no_log_line_identifies_a_caller_or_shows_what_was_sent(ask: Ask, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ANSWERS:
        ask(event(name))
    ask(with_json({"object": "uploads/jane-doe.jpg"}))
    out, err = capfd.readouterr()
    assert err == ""
    lines = [json.loads(line) for line in out.splitlines()]
    assert len([line for line in lines if "route" in line]) == len(ANSWERS) + 1
    for secret in ("203.0.113.7", "curl", "uploads", "jane", "/9j/", "iVBOR", "PDF"):
        assert secret not in out


@pytest.mark.usefixtures("ask")
def test_the_log_has_what_the_watch_of_a_canary_reads(
    store: Path,
    publish: Callable[[bytes], str],
    graph: Callable[..., bytes],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Context:
        aws_request_id = "r1"

    canary, stable = publish(graph()), publish(graph(scale=0.5 / 255))
    (store / pointer_key("digits")).write_bytes(dump_pointer(Pointer(stable, canary=canary, canary_percent=50)))
    sent = event()
    app.handler(sent, Context())  # no key, so the watch counts nothing of it
    for number in range(20):
        app.handler({**sent, "headers": {**sent["headers"], "x-larder-key": f"u{number}"}}, Context())
    monkeypatch.setattr(Classifier, "classify", lambda *_, **__: 1 / 0)
    app.handler({**sent, "headers": {**sent["headers"], "x-larder-key": "u1"}}, Context())
    plain, *rest = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert (plain["arm"], "time" in plain) == (None, False)
    # THEN each request has a line when it begins, and one when it has been answered, with its first label
    begun = [line for line in rest if line.get("begun")]
    answered = [line for line in rest if "route" in line]
    same = ("arm", "model", "release", "request")
    assert [[line[name] for name in same] for line in begun] == [[line[name] for name in same] for line in answered]
    assert {line["release"] for line in begun} == {canary, stable}
    assert all(before["time"] <= after["time"] for before, after in zip(begun, answered, strict=True))
    assert {(line["unknown"], line["label"] is None) for line in answered[:20]} == {(False, False)}
    assert (answered[20]["status"], "unknown" in answered[20], "label" in answered[20]) == (500, False, False)


def test_an_invalid_environment_is_reported_in_the_log_only(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LARDER_STORE", "ftp://secret-host")
    for name in ("health", "image"):
        status, message = refused(ask(event(name)))
        assert (status, "secret-host" in message) == (500, False)


def test_importing_the_function_reads_no_environment() -> None:
    # GIVEN a fresh interpreter without any of Larder's variables
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LARDER_")}
    program = "from classify import app; assert not app.service.is_open"
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)  # noqa: S603 - our own program
