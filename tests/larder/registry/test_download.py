"""Range headers by RFC 9110, and files for which a store signs URLs."""

import urllib.request
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from larder.errors import TooLarge
from larder.registry.download import MAX_SENT, download, part
from larder.store import open_store


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, (0, 1000)),
        ("", (0, 1000)),
        # examples of section 14.1.2, for a file of 1000 bytes
        ("bytes=0-499", (0, 500)),
        ("bytes=500-999", (500, 500)),
        ("bytes=-500", (500, 500)),
        ("bytes=500-", (500, 500)),
        ("bytes=0-0,-1", (0, 1000)),  # several parts: may be ignored
        ("BYTES=1-2", (1, 2)),
        (" bytes= 1-2 ", (1, 2)),
        ("bytes=999-5000", (999, 1)),
        ("bytes=-5000", (0, 1000)),
        ("bytes=1000-", None),
        ("bytes=-0", None),
        # invalid headers are ignored
        ("bytes=2-1", (0, 1000)),
        ("bytes=-", (0, 1000)),
        ("bytes=a-b", (0, 1000)),
        ("bytes=²-", (0, 1000)),
        ("items=0-1", (0, 1000)),
        ("bytes=0-" + "9" * 5000, (0, 1000)),
    ],
)
def test_a_range_is_parsed_by_the_rfc(header: str | None, expected: tuple[int, int] | None) -> None:
    assert part(header, 1000) == expected


@given(st.integers(0, 50), st.integers(0, 60), st.integers(0, 60))
def test_a_part_equals_a_slice(size: int, first: int, last: int) -> None:
    data = bytes(range(size))
    for header, expected in [
        (f"bytes={first}-{last}", data[first : last + 1] if last >= first else data),
        (f"bytes={first}-", data[first:]),
        (f"bytes=-{last}", data[-last:] if last else b""),
    ]:
        span = part(header, size)
        assert (b"" if span is None else data[span[0] : span[0] + span[1]]) == expected


def test_an_empty_file_can_be_downloaded(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}")
    store.put("models/empty", b"")
    assert download(store, "models/empty", 0, None).body == b""
    assert download(store, "models/empty", 0, "bytes=0-").status == 416


def test_the_limit_is_exact(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}")
    store.put("models/large", b"x" * MAX_SENT)
    assert len(download(store, "models/large", MAX_SENT, None).body) == MAX_SENT
    with pytest.raises(TooLarge, match="request parts of it"):
        download(store, "models/large", MAX_SENT + 1, None)


def test_s3_sends_its_files_by_presigned_urls(s3_url: str) -> None:
    # GIVEN a file in S3
    store = open_store(s3_url)
    store.put("models/pets/releases/r/model.onnx", b"weights")
    # WHEN it is requested
    redirect = download(store, "models/pets/releases/r/model.onnx", 7, "bytes=0-1")
    # THEN the response redirects to S3 without any bytes of the file, and must not be cached
    assert (redirect.status, redirect.body, redirect.headers["cache-control"]) == (307, b"", "no-store")
    with urllib.request.urlopen(redirect.headers["location"], timeout=10) as response:  # noqa: S310  # our own server
        assert response.read() == b"weights"
