"""Downloads files of backbones into a cache, which they are used from afterwards."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import file_digest
from http.client import HTTPException
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from larder.errors import InvalidRequest
from larder_training.reporting.progress import Progress

MAX_BYTES: Final = 2**30
TIMEOUT: Final = 60.0  # seconds without data
MIRROR: Final = "LARDER_BACKBONES"
_PIECE: Final = 2**20


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/larder/backbones``, or the same under ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "larder" / "backbones"


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in lower-case hex."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yields a path to write to; the file appears at ``path`` as a whole, or not at all.

    Raises:
        InvalidRequest: The folder cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".writing-", dir=path.parent))
    except OSError as error:
        raise InvalidRequest(
            f"The cache of backbones {path.parent} cannot be written to ({error.strerror}). Set XDG_CACHE_HOME to a "
            "folder that can."
        ) from error
    try:
        yield scratch / path.name
        (scratch / path.name).replace(path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def scheme_of(place: str) -> str:
    """The scheme of a URL; empty for a path, which may begin with a drive letter.

    Raises:
        InvalidRequest: It looks like a URL, but is not a valid one.
    """
    try:
        scheme = urlsplit(place).scheme
    except ValueError as error:
        raise InvalidRequest(f"{place!r} is not a valid URL: {error}. Check it.") from error
    return scheme if len(scheme) > 1 else ""


def download(url: str, path: Path, progress: Progress) -> None:
    """Downloads a file by http or https.

    Raises:
        InvalidRequest: It cannot be downloaded as a whole, or is too large.
    """
    if (scheme := scheme_of(url)) not in {"http", "https"}:
        raise InvalidRequest(f"A backbone cannot be downloaded by {scheme}. Give a path, or an http or https URL.")
    with new_file(path) as scratch:
        try:
            _receive(url, scratch, path.name, progress)
        # HTTPException: the URL has a space, or a chunked reply is cut short; ValueError: no host can have this name.
        except (OSError, HTTPException, ValueError) as error:
            raise InvalidRequest(f"The backbone cannot be downloaded from {url}: {error}. Check the URL.") from error


def _receive(url: str, to: Path, name: str, progress: Progress) -> None:
    request = Request(url, headers={"User-Agent": "larder"})  # noqa: S310 - download() let only http and https through
    with urlopen(request, timeout=TIMEOUT) as reply, to.open("wb") as file:  # noqa: S310 - as above
        total = int(reply.headers.get("Content-Length") or 0)
        with progress.task(f"Downloading {name}", total) as advance:
            while piece := reply.read(_PIECE):
                file.write(piece)
                advance(len(piece))
                if file.tell() > MAX_BYTES:
                    raise InvalidRequest(f"The backbone has more than {MAX_BYTES} bytes. Give a smaller one.")
        if total and file.tell() != total:
            raise InvalidRequest(f"Only {file.tell()} of the backbone's {total} bytes were received. Try again.")


def mirror() -> str | None:
    """The folder or URL with copies of the catalogue's files, which ``LARDER_BACKBONES`` names; None without one."""
    return os.environ.get(MIRROR) or None


def fetch(url: str | None, file: str, to: Path, progress: Progress) -> bool:
    """Brings a file of the catalogue to ``to``: from the mirror if there is one, else from its URL.

    Args:
        url: The file's own URL; None if it has none that can be downloaded.
        file: Its name in a mirror.
        to: Where it is written.
        progress: Advances with each byte of a download.

    Returns:
        Whether the file is there; False only without a mirror and without a URL.

    Raises:
        InvalidRequest: It cannot be downloaded, or the mirror lacks it.
    """
    copies = mirror()
    if copies is None:
        if url is not None:
            download(url, to, progress)
        return url is not None
    if scheme_of(copies):
        download(f"{copies.rstrip('/')}/{file}", to, progress)
        return True
    copy = Path(copies) / file
    if not copy.is_file():
        raise InvalidRequest(f"{MIRROR} names {copies}, which has no {file}. Copy this file there, or unset {MIRROR}.")
    with new_file(to) as scratch:
        shutil.copyfile(copy, scratch)
    return True
