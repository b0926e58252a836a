"""Downloads: in parts, from the service or from the URL of its redirect, and never incomplete."""

from hashlib import sha256
from pathlib import Path

import pytest
from tests.larder_client.conftest import Reply, Scripted, scripted_server

from larder.store import open_store
from larder_client import Client, Forbidden, UnexpectedAnswer

PATH = "/v1/models/pets/releases/r/files/model.onnx"
PART = 4_500_000


def listing(data: bytes, digest: str | None = None) -> Reply:
    entry = {"name": "model.onnx", "bytes": len(data), "sha256": digest or sha256(data).hexdigest(), "path": PATH}
    return Reply(document={"model": "pets", "release": "r", "files": [entry]})


def part(data: bytes, start: int, length: int = PART) -> Reply:
    end = min(start + length, len(data))
    return Reply(206, body=data[start:end], headers={"content-range": f"bytes {start}-{end - 1}/{len(data)}"})


def redirect(location: str) -> Reply:
    return Reply(307, body=b"", headers={"location": location})


def download(client: Client, target: Path) -> bytes:
    return client.download("pets", "r", "model.onnx", target).read_bytes()


def test_a_large_file_is_downloaded_in_parts(scripted: Scripted, tmp_path: Path) -> None:
    data = bytes(range(250)) * 40_000  # 10 MB
    scripted.replies = [listing(data), part(data, 0), Reply(503), part(data, PART), part(data, 2 * PART)]
    with scripted.client() as client:
        assert download(client, tmp_path / "a") == data
    ranges = [arrival.headers["range"] for arrival in scripted.arrivals[1:]]
    assert ranges == ["bytes=0-4499999", "bytes=4500000-8999999", "bytes=4500000-8999999", "bytes=9000000-9999999"]


def test_an_empty_file_needs_no_request(scripted: Scripted, tmp_path: Path) -> None:
    scripted.replies = [listing(b"")]
    with scripted.client() as client:
        assert download(client, tmp_path / "a") == b""
    assert len(scripted.arrivals) == 1


def test_s3_sends_the_file_through_a_presigned_url(scripted: Scripted, s3_url: str, tmp_path: Path) -> None:
    # GIVEN a file in S3, and a service that redirects to a presigned URL
    data = bytes(range(250)) * 80_000  # 20 MB: two parts
    store = open_store(s3_url)
    store.put("models/model.onnx", data)
    location = store.presign("models/model.onnx", 300)
    assert location
    scripted.replies = [listing(data), redirect(location)]
    # WHEN it is downloaded THEN the service is called for the list and once for the URL
    with scripted.client(key="k1") as client:
        assert download(client, tmp_path) == data
    assert len(scripted.arrivals) == 2


def test_another_server_gets_neither_key_nor_signature(scripted: Scripted, tmp_path: Path) -> None:
    with scripted_server() as other:
        other.replies = [part(b"weights", 0)]
        scripted.replies = [listing(b"weights"), redirect(f"{other.url}/presigned?signature=1")]
        with scripted.client(key="k1", sign=lambda _: {"authorization": "me"}) as client:
            assert download(client, tmp_path / "a") == b"weights"
        (arrival,) = other.arrivals
    assert scripted.arrivals[1].headers["authorization"] == "me"
    assert (arrival.target, arrival.headers["range"]) == ("/presigned?signature=1", "bytes=0-6")
    assert not {"x-api-key", "authorization"} & set(arrival.headers)


def test_a_url_that_expired_is_asked_for_again(scripted: Scripted, tmp_path: Path) -> None:
    data = bytes(250) * 80_000
    with scripted_server() as other:
        other.replies = [part(data, 0, 16_000_000), Reply(403, body=b"<Error/>"), part(data, 16_000_000)]
        scripted.replies = [listing(data), redirect(f"{other.url}/first"), redirect(f"{other.url}/second")]
        with scripted.client() as client:
            assert download(client, tmp_path / "a") == data
        assert [arrival.target for arrival in other.arrivals] == ["/first", "/first", "/second"]


def test_a_url_that_is_refused_at_once_is_an_error(scripted: Scripted, tmp_path: Path) -> None:
    with scripted_server() as other:
        other.replies = [Reply(403, body=b"<Error/>")]
        scripted.replies = [listing(b"weights"), redirect(f"{other.url}/first")]
        with scripted.client() as client, pytest.raises(Forbidden):
            download(client, tmp_path / "a")
        assert len(other.arrivals) == 1


@pytest.mark.parametrize(
    "reply",
    [
        Reply(206, body=b"weights"),  # of an unknown part
        Reply(206, body=b"", headers={"content-range": "bytes 0-6/7"}),
        Reply(200, body=b"weight"),
        Reply(204, body=b""),
        redirect("ftp://elsewhere/"),
        redirect(""),
    ],
)
def test_an_answer_without_the_requested_part_is_refused(scripted: Scripted, tmp_path: Path, reply: Reply) -> None:
    scripted.replies = [listing(b"weights"), reply]
    with scripted.client() as client, pytest.raises(UnexpectedAnswer):
        download(client, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_a_file_with_another_digest_does_not_replace_the_old_one(scripted: Scripted, tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_bytes(b"before")
    scripted.replies = [listing(b"weights", "0" * 64), Reply(200, body=b"weights")]
    with scripted.client() as client, pytest.raises(UnexpectedAnswer, match="another SHA-256"):
        download(client, target)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"before")]
