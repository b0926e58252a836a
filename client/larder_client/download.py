"""Downloads a file of a release in parts, and checks its SHA-256 before the file gets its name."""

import os
import secrets
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from larder_client.answers import File
from larder_client.errors import APIError, UnexpectedAnswer
from larder_client.session import Session
from larder_client.transport import Response

_SERVICE_PART: Final = 4_500_000  # bytes that the service sends at most in one answer
_STORE_PART: Final = 16_000_000  # S3 has no limit; this bounds memory


def download(session: Session, file: File, target: Path) -> None:
    """Writes ``file`` to ``target``; an incomplete file never has that name.

    Raises ClientError, and OSError if the file cannot be written.
    """
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    digest = sha256()
    try:
        with partial.open("xb") as sink:
            for part in _parts(session, file):
                digest.update(part)
                sink.write(part)
        if digest.hexdigest() != file.sha256:
            raise UnexpectedAnswer(f"{session.url}{file.path}", "its bytes have another SHA-256 than the release lists")
        os.replace(partial, target)  # noqa: PTH105  the name says that an existing file is replaced
    finally:
        partial.unlink(missing_ok=True)


def _parts(session: Session, file: File) -> Iterator[bytes]:
    """The file's bytes: from the service, or from the presigned URL that it redirects to."""
    start, location, located_at = 0, None, -1
    while start < file.bytes:
        if location is None:
            response = session.send("GET", file.path, _range(start, _SERVICE_PART, file))
            if response.status == 307:
                location, located_at = _location(session, file, response), start
                continue
        else:
            try:
                response = session.fetch(location, _range(start, _STORE_PART, file))
            except APIError as error:
                if error.status != 403 or located_at == start:
                    raise
                location = None  # the URL has expired: request a new one
                continue
        part = _part(session, file, start, response)
        yield part
        start += len(part)


def _range(start: int, length: int, file: File) -> dict[str, str]:
    return {"range": f"bytes={start}-{min(start + length, file.bytes) - 1}"}


def _location(session: Session, file: File, response: Response) -> str:
    location = response.headers.get("location", "")
    if not location.startswith(("https://", "http://")):
        raise UnexpectedAnswer(f"{session.url}{file.path}", f"a redirection to {location!r:.60}")
    return location


def _part(session: Session, file: File, start: int, response: Response) -> bytes:
    whole = response.status == 200 and start == 0 and len(response.body) == file.bytes
    part = response.status == 206 and response.headers.get("content-range", "").startswith(f"bytes {start}-")
    if not (whole or part) or not response.body:
        raise UnexpectedAnswer(f"{session.url}{file.path}", f"status {response.status} for the part from byte {start}")
    return response.body
