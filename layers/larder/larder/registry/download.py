"""A file of a release over HTTP: a presigned URL where the store can sign one, else the bytes, whole or in part."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from larder.errors import TooLarge
from larder.store import Store

MAX_SENT: Final = 4_500_000  # Lambda answers with 6 MB at most, and base64 makes 4 bytes of 3
PRESIGNED_SECONDS: Final = 300
_TYPES: Final = {"json": "application/json", "html": "text/html; charset=utf-8"}
# A report is a page of somebody's making: a browser that opens it runs no script of it and asks nobody for more.
_SAFE: Final = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    "x-content-type-options": "nosniff",
}
_RANGE = re.compile(r"bytes=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Download:
    """An HTTP answer: 307 with a ``location``, 200 or 206 with bytes, or 416 with none."""

    status: int
    content_type: str
    headers: Mapping[str, str]
    body: bytes = b""


def download(store: Store, key: str, size: int, wanted: str | None) -> Download:
    """The object under ``key`` of ``size`` bytes; ``wanted`` is the request's Range header.

    Raises TooLarge where the store cannot sign a URL and more than 4.5 MB are asked for at once.
    """
    content_type = _TYPES.get(key.rpartition(".")[2], "application/octet-stream")
    url = store.presign(key, PRESIGNED_SECONDS)
    if url:
        return Download(307, content_type, {"location": url, "cache-control": "no-store"})
    headers = {**_SAFE, "accept-ranges": "bytes"}
    found = part(wanted, size)
    if found is None:
        return Download(416, content_type, {**headers, "content-range": f"bytes */{size}"})
    start, length = found
    if length > MAX_SENT:
        advice = f"ask for parts of it with a header as: Range: bytes=0-{MAX_SENT - 1}"
        raise TooLarge(f"{length} bytes are more than one answer can take ({MAX_SENT}): {advice}.")
    body = store.get_ranges(key, [(start, length)])[0]
    if length == size:
        return Download(200, content_type, headers, body)
    return Download(206, content_type, {**headers, "content-range": f"bytes {start}-{start + length - 1}/{size}"}, body)


def part(header: str | None, size: int) -> tuple[int, int] | None:
    """Which ``(start, length)`` of ``size`` bytes a Range header asks for (RFC 9110, section 14).

    All of them where there is no header, or one that cannot be read, or one for several parts: a server may ignore
    those (section 14.2). None where no byte of the range exists, which is status 416.
    """
    found = _RANGE.fullmatch(header.strip()) if header else None
    first, last = found.groups() if found else ("", "")
    if first and last and int(last) < int(first):
        return 0, size
    if first:
        start = int(first)
        return (start, min(int(last or size), size - 1) - start + 1) if start < size else None
    if last:
        length = min(int(last), size)
        return (size - length, length) if length else None
    return 0, size
