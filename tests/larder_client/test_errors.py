"""Error statuses become typed errors, with the message of the service or with advice."""

import pickle
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from tests.larder_client.conftest import Reply, Scripted

import larder_client
from larder_client import APIError, Client, ConnectionFailed, Forbidden, NotFound, Retry, TimedOut, UnexpectedAnswer
from larder_client.errors import api_error


@pytest.mark.parametrize(
    ("status", "name", "retryable"),
    [
        (400, "BadRequest", False),
        (401, "Unauthorized", False),
        (403, "Forbidden", False),
        (404, "NotFound", False),
        (409, "APIError", False),
        (413, "TooLarge", False),
        (415, "UnsupportedMedia", False),
        (422, "Unprocessable", False),
        (429, "TooManyRequests", True),
        (500, "ServerError", False),
        (502, "ServerError", True),
        (503, "Unavailable", True),
        (504, "ServerError", True),
        (599, "ServerError", False),
    ],
)
def test_each_status_has_an_error_class(scripted: Scripted, status: int, name: str, *, retryable: bool) -> None:
    scripted.replies = [Reply(status, {"error": {"code": "some_code", "message": "This is wrong: do that."}})]
    with scripted.client() as client, pytest.raises(APIError) as raised:
        client.model("pets")

    error = raised.value
    assert type(error) is getattr(larder_client, name)
    assert (error.status, error.code, str(error)) == (status, "some_code", "This is wrong: do that.")
    assert error.retryable is retryable
    assert len(scripted.arrivals) == (4 if retryable else 1)


@pytest.mark.parametrize("body", [b'{"message": "Forbidden"}', b"<html>", b"", b"[1]", b'{"error": "text"}'])
def test_an_answer_of_the_gateway_gets_advice(body: bytes) -> None:
    error = api_error(403, {}, body)
    assert isinstance(error, Forbidden)
    assert error.code is None
    assert str(error).startswith("The service answered 403 Forbidden: it accepts signed requests only; pass sign")


def test_a_status_without_a_name_is_a_number() -> None:
    assert str(api_error(599, {}, b"")).startswith("The service answered 599: ")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), (" 0 ", 0.0), ("-1", None), ("soon", None), ("", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)],
)
def test_retry_after_is_a_number_or_a_date(header: str, seconds: float | None) -> None:
    assert api_error(429, {"retry-after": header}, b"").retry_after == seconds


@pytest.mark.parametrize("zone", ["GMT", "-0000"])
def test_retry_after_may_be_a_date_to_come(zone: str) -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=60)).replace("+0000", zone)
    seconds = api_error(503, {"retry-after": moment}, b"").retry_after
    assert seconds is not None
    assert 50 < seconds <= 60


@pytest.mark.parametrize(
    "error",
    [
        NotFound(404, "not_found", "Unknown model: publish one.", 3.0),
        TimedOut("http://127.0.0.1:1/v1/models", "nothing for 1 s"),
        ConnectionFailed("http://127.0.0.1:1/v1/models", "refused", retryable=False),
        UnexpectedAnswer("http://127.0.0.1:1/v1/models", "not a JSON object"),
    ],
)
def test_errors_can_be_pickled(error: larder_client.ClientError) -> None:
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301  our own bytes
    assert type(copy) is type(error)
    assert (str(copy), vars(copy)) == (str(error), vars(error))


def test_the_error_for_a_stopped_service_has_its_url_and_advice() -> None:
    with Client("http://127.0.0.1:9", retries=0) as client, pytest.raises(ConnectionFailed) as raised:
        client.recommend("shop", user="u0001")
    assert raised.value.retryable
    assert str(raised.value).startswith("No answer from http://127.0.0.1:9/v1/models/shop/recommend (")
    assert str(raised.value).endswith("): check the URL, and that the service runs.")


def test_a_message_has_neither_the_query_nor_the_key(scripted: Scripted) -> None:
    scripted.replies = [Reply(hang_up=True)]
    client = Client(scripted.url, "secret-key", retries=Retry(0))
    with client, pytest.raises(ConnectionFailed) as raised:
        client.similar("shop", "p1", exclude=["private-id"])
    assert "private-id" not in str(raised.value)
    assert "secret-key" not in f"{raised.value!r}{client!r}"


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "127.0.0.1:8080", "http://", "http://u:p@host", "http://host/?a=b", "http://host#a", ""],
)
def test_an_unusable_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"^The URL .*: "):
        Client(url)
