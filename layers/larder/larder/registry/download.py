"""Download a file of a release over HTTP: by a presigned URL if the store can sign one, else the bytes or a part."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from larder.errors import TooLarge
from larder.store import Store

MAX_SENT: Final = 4_500_000  # a response of Lambda has at most 6 MB, and base64 makes 4 bytes of 3
PRESIGNED_SECONDS: Final = 300
_TYPES: Final = {"json": "application/json", "html": "text/html; charset=utf-8"}
# Reports are pages that anyone may have written, so the browser must not run scripts or load anything.
_SAFE: Final = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    "x-content-type-options": "nosniff",
}
_RANGE = re.compile(r"bytes=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Download:
    """An HTTP response.

    Attributes:
        status: 307 with a ``location``, 200 or 206 with the bytes, or 416 without.
        content_type: The media type.
        headers: Further headers.
        body: The bytes.
    """

    status: int
    content_type: str
    headers: Mapping[str, str]
    body: bytes = b""


def download(store: Store, key: str, size: int, range_header: str | None) -> Download:
    """The response for the object ``key`` of ``size`` bytes.

    Raises TooLarge if the store cannot sign a URL and more than 4.5 MB are requested.
    """
    content_type = _TYPES.get(key.rpartition(".")[2], "application/octet-stream")
    url = store.presign(key, PRESIGNED_SECONDS)
    if url:
        return Download(307, content_type, {"location": url, "cache-control": "no-store"})
    headers = {**_SAFE, "accept-ranges": "bytes"}
    span = part(range_header, size)
    if span is None:
        return Download(416, content_type, {**headers, "content-range": f"bytes */{size}"})
    start, length = span
    if length > MAX_SENT:
        advice = f"request parts of it with a header such as Range: bytes=0-{MAX_SENT - 1}"
        raise TooLarge(f"{length} bytes are too many for one response; the limit is {MAX_SENT}: {advice}.")
    body = store.get_ranges(key, [(start, length)])[0]
    if length == size:
        return Download(200, content_type, headers, body)
    return Download(206, content_type, {**headers, "content-range": f"bytes {start}-{start + length - 1}/{size}"}, body)


def part(header: str | None, size: int) -> tuple[int, int] | None:
    """The ``(start, length)`` of ``size`` bytes that a Range header requests (RFC 9110, section 14).

    All bytes without a header, or for one that is invalid or has several parts, which a server may ignore (section
    14.2). None if no byte of the range exists, which is status 416.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    first, last = match.groups() if match else ("", "")
    if first and last and int(last) < int(first):
        return 0, size
    if first:
        start = int(first)
        return (start, min(int(last or size), size - 1) - start + 1) if start < size else None
    if last:
        length = min(int(last), size)
        return (size - length, length) if length else None
    return 0, size
