"""Events in, answers out, with a real release in a real store: what is asked for, and every way to ask wrongly."""

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
from larder.release.keys import pointer_key
from larder.release.pointer import Pointer, dump_pointer
from larder.store import Blob, Store

Ask = Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]
Photo = Callable[..., bytes]

CASES = EVENTS / "classify"

ANSWERS = {
    "picture": 200,
    "picture-options": 200,
    "picture-without-type": 200,
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


def event(name: str = "picture", **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - an event holds JSON of any kind
    return {**json.loads((CASES / f"{name}.json").read_text()), **changes}


def with_picture(data: bytes) -> dict[str, Any]:
    return event(body=base64.b64encode(data).decode())


def with_json(document: object, **changes: object) -> dict[str, Any]:
    return event("json-image", body=document if isinstance(document, str) else json.dumps(document), **changes)


def refused(answer: tuple[int, dict[str, Any]]) -> tuple[int, str]:
    """The status and the message of an error in Larder's form."""
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


def test_a_pictures_bytes_are_labelled(ask: Ask, store: Path) -> None:
    (release,) = [path.name for path in (store / "models/digits/releases").iterdir()]
    for name in ("picture", "picture-without-type"):
        status, answer = ask(event(name))
        assert status == 200
        assert answer == {
            "model": "digits",
            "release": release,
            "labels": [{"name": "red", "confidence": pytest.approx(0.997, abs=0.003)}],
            "unknown": False,
        }


def test_options_are_read_from_the_query_string_and_from_json(ask: Ask, photo: Photo) -> None:
    assert [label["name"] for label in ask(event("picture-options"))[1]["labels"]] == ["blue", "green"]
    image = base64.b64encode(photo((20, 30, 200))).decode()
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


def test_a_stored_picture_is_labelled_by_its_key(ask: Ask, store: Path, photo: Photo) -> None:
    assert ask(event("json-object"))[1]["labels"][0]["name"] == "red"
    (store / "uploads/2026").mkdir()
    (store / "uploads/2026/blåbær (1).png").write_bytes(photo((20, 30, 200)))
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
def test_a_key_that_is_none_under_uploads_is_refused(ask: Ask, key: object) -> None:
    status, message = refused(ask(with_json({"object": key})))
    assert status == 400
    assert "uploads/" in message
    assert len(message) < 300


def test_a_stored_picture_that_is_missing_is_a_404(ask: Ask) -> None:
    status, message = refused(ask(with_json({"object": "uploads/none.jpg"})))
    assert (status, "upload it first" in message) == (404, True)


def test_a_stored_picture_over_20_mb_is_not_downloaded(ask: Ask, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (store / "uploads/huge.jpg").open("wb") as file:
        file.truncate(20_000_001)
    ask(event())  # opens the store
    asked: list[str] = []
    folder = type(app.service.store)
    get = folder.get

    def noted(self: Store, key: str) -> Blob:
        asked.append(key)
        return get(self, key)

    monkeypatch.setattr(folder, "get", noted)
    status, message = refused(ask(with_json({"object": "uploads/huge.jpg"})))
    assert (status, "20000001 bytes" in message) == (413, True)
    assert "uploads/huge.jpg" not in asked
    ask(event("json-object"))
    assert "uploads/red.jpg" in asked


@pytest.mark.parametrize("size", [4_718_593, 10_000_000])
def test_a_picture_too_large_for_an_event_is_pointed_to_the_store(ask: Ask, size: int) -> None:
    data = b"\xff\xd8\xff" + bytes(size - 3)
    for asked in (with_picture(data), with_json({"image": base64.b64encode(data).decode()})):
        status, message = refused(ask(asked))
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
def test_a_number_that_cannot_be_meant_is_refused_in_query_and_json(ask: Ask, name: str, value: str) -> None:
    status, message = refused(ask(event(queryStringParameters={name: value})))
    assert (status, message.startswith(name)) == (400, True)
    assert len(message) < 150
    image = "iVBORw0KGgo="
    for text in (value, json.dumps(value)):
        status, message = refused(ask(with_json(f'{{"image": "{image}", "{name}": {text}}}')))
        assert status == 400
        assert name in message or "JSON" in message


def test_a_number_in_a_query_string_has_no_blanks_around_it(ask: Ask) -> None:
    for value in (" 1", "1 ", "1\n"):
        assert refused(ask(event(queryStringParameters={"min_confidence": value})))[0] == 400


def test_in_json_a_number_is_no_text(ask: Ask) -> None:
    for name in ("max_labels", "min_confidence"):
        status, message = refused(ask(with_json({"image": "iVBORw0KGgo=", name: "1"})))
        assert (status, message.startswith(f"{name} is '1': use")) == (400, True)


def test_a_key_of_other_characters_is_told_which_may_be_used(ask: Ask) -> None:
    status, message = refused(ask(with_json({"object": "uploads/cat#1.jpg"})))
    assert (status, "letters, digits" in message, "at most 250" in message) == (400, True, True)


def test_half_a_label_is_no_number_of_labels(ask: Ask) -> None:
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
        '{"picture": "AAAA"}',
        '{"image": "AAAA", "max_label": 3}',
        "[" * 100_000,
    ],
)
def test_json_that_asks_for_nothing_that_can_be_given_is_refused(ask: Ask, body: str) -> None:
    status, message = refused(ask(with_json(body)))
    assert status == 400
    assert message.endswith(".")


def test_a_headers_name_may_be_in_any_case(ask: Ask) -> None:
    asked = event("json-image")  # `sam local` passes names on as the caller wrote them
    headers = {name.title(): value for name, value in asked["headers"].items()}
    assert ask({**asked, "headers": headers}) == ask(asked)


def test_a_misspelt_parameter_is_named(ask: Ask) -> None:
    status, message = refused(ask(event(queryStringParameters={"max_label": "3"})))
    assert (status, "'max_label'" in message, "max_labels" in message) == (400, True, True)


@pytest.mark.parametrize("model", ["..", "../..", "..%2f..", "a/b", "Digits", "-", "x" * 64, "digits\n", "%00"])
def test_a_name_that_no_model_can_have_is_refused(ask: Ask, model: str) -> None:
    path = f"/v1/models/{model}/classify"
    status, message = refused(ask(event(rawPath=path, pathParameters={"model": model})))
    assert status in {400, 404}
    assert message.endswith(".")


def test_a_release_may_be_named_and_must_exist(ask: Ask, store: Path) -> None:
    (release,) = [path.name for path in (store / "models/digits/releases").iterdir()]
    headers = event()["headers"]
    assert ask(event(headers={**headers, "x-larder-release": release}))[1]["release"] == release
    assert refused(ask(event(headers={**headers, "x-larder-release": "20200101t000000z-00000000"})))[0] == 404
    assert refused(ask(event(headers={**headers, "x-larder-release": "../../live.json"})))[0] == 400


def test_the_answers_headers_say_which_release_gave_it(ask: Ask) -> None:
    ask(event())
    answer = app.handler(event(), None)
    assert answer["headers"]["x-larder-release"] == json.loads(answer["body"])["release"]


@pytest.mark.parametrize(
    ("size", "mode", "kind"),
    [((1, 1), "RGB", "PNG"), ((64, 64), "CMYK", "JPEG"), ((3, 500), "P", "PNG"), ((9, 9), "I;16", "PNG")],
)
def test_unusual_pictures_are_labelled(ask: Ask, size: tuple[int, int], mode: str, kind: str) -> None:
    from io import BytesIO

    from PIL import Image

    file = BytesIO()
    Image.new(mode, size).save(file, kind)
    status, answer = ask(with_picture(file.getvalue()))
    assert status == 200
    assert answer["unknown"]  # black


def test_a_new_release_answers_at_the_next_look_at_the_pointer(
    ask: Ask, publish: Callable[[bytes], str], graph: Callable[..., bytes]
) -> None:
    before = ask(event())[1]
    release = publish(graph(scale=0.5 / 255))
    after = ask(event())[1]
    assert before["release"] != release
    assert after["release"] == release
    assert after["labels"][0]["confidence"] < before["labels"][0]["confidence"]


def test_a_release_that_does_not_open_leaves_the_one_before_in_place(
    ask: Ask, publish: Callable[[bytes], str], graph: Callable[..., bytes]
) -> None:
    before = ask(event())[1]
    publish(graph(height=9))
    assert ask(event())[1] == before


def test_a_cold_function_answers_from_the_release_before_and_says_so(
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


def test_a_wrong_environment_is_told_in_the_log_and_not_to_the_caller(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LARDER_STORE", "ftp://secret-host")
    for name in ("health", "picture"):
        status, message = refused(ask(event(name)))
        assert (status, "secret-host" in message) == (500, False)


def test_importing_the_function_reads_no_environment() -> None:
    # GIVEN a fresh interpreter without one variable of Larder's
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LARDER_")}
    program = "from classify import app; assert not app.service.is_open"
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)  # noqa: S603 - our own program
