"""Answers: every field is documented, and another JSON shape is refused."""

import re
from dataclasses import FrozenInstanceError, fields, is_dataclass
from datetime import UTC, datetime

import pytest
from tests.larder_client.conftest import Reply, Scripted

import larder_client
from larder_client import Classification, Label, ModelSummary, UnexpectedAnswer

CLASSES = [value for value in vars(larder_client).values() if isinstance(value, type) and is_dataclass(value)]
CLASSIFICATION = {
    "model": "pets",
    "release": "r1",
    "labels": [{"name": "cat", "confidence": 1}],
    "unknown": False,
    "later": "a field that a later service adds",
}


@pytest.mark.parametrize("dataclass", CLASSES, ids=lambda dataclass: dataclass.__name__)
def test_every_field_is_documented_in_order(dataclass: type) -> None:
    assert dataclass.__doc__
    documented = re.findall(r"^        (\w+): ", dataclass.__doc__.partition("Attributes:\n")[2], re.MULTILINE)
    assert documented == [field.name for field in fields(dataclass)]


def test_an_answer_keeps_unknown_fields_of_its_json() -> None:
    answer = Classification.read(CLASSIFICATION)
    assert answer.labels == (Label("cat", 1.0),)
    assert isinstance(answer.labels[0].confidence, float)
    assert answer.document["later"] == "a field that a later service adds"
    assert "later" not in repr(answer)
    with pytest.raises(FrozenInstanceError):
        answer.model = "dogs"  # type: ignore[misc]  # it is read-only


def test_times_have_a_zone() -> None:
    document = {"model": "pets", "kind": None, "live": None, "created": "2026-01-02T03:04:05Z"}
    assert ModelSummary.read(document).created == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"labels": None}, "labels is None"),
        ({"labels": ["cat"]}, "indices"),
        ({"labels": [{"name": "cat"}]}, "confidence is missing"),
        ({"labels": [{"name": "cat", "confidence": "high"}]}, "confidence is 'high'"),
        ({"unknown": "no"}, "unknown is 'no'"),
        ({"model": 7}, "model is 7"),
    ],
)
def test_another_json_shape_is_unexpected(scripted: Scripted, changed: dict[str, object], reason: str) -> None:
    scripted.replies = [Reply(document={**CLASSIFICATION, **changed})]
    with scripted.client() as client, pytest.raises(UnexpectedAnswer, match=reason) as raised:
        client.classify("pets", b"image")
    assert raised.value.url == f"{scripted.url}/v1/models/pets/classify"
    assert "check the URL" in str(raised.value)


@pytest.mark.parametrize("body", [b"<html>a portal</html>", b"[]", b"\xff"])
def test_an_answer_that_is_not_a_json_object_is_unexpected(scripted: Scripted, body: bytes) -> None:
    scripted.replies = [Reply(body=body)]
    with scripted.client() as client, pytest.raises(UnexpectedAnswer):
        client.models()
    assert len(scripted.arrivals) == 1


def test_the_error_for_a_redirect_has_its_location(scripted: Scripted) -> None:
    scripted.replies = [Reply(301, headers={"location": "https://other.example/"}, body=b"")]
    with scripted.client() as client, pytest.raises(UnexpectedAnswer, match=r"status 301 to https://other\.example/"):
        client.models()
