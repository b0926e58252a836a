"""Downloads a backbone from a URL into a cache, and records its digest."""

import os
import shutil
import tempfile
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urldefrag, urlsplit
from urllib.request import Request, urlopen

from larder.errors import InvalidRequest
from larder_training.reporting.progress import Progress

MAX_BYTES: Final = 2**30
TIMEOUT: Final = 60.0  # seconds without data
_PIECE: Final = 2**20


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/larder/backbones``, or the same under ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "larder" / "backbones"


def file_digest_of(path: Path) -> str:
    """SHA-256 of a file, in lower-case hex."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def locate_backbone(backbone: str, progress: Progress) -> tuple[Path, dict[str, object]]:
    """The file of a backbone given by path or URL, and its description for the manifest.

    A URL may end in ``#sha256=HEX``; a file with another digest is then refused. A downloaded file is cached.

    Raises:
        InvalidRequest: The file does not exist, cannot be downloaded or has another digest.
    """
    scheme = urlsplit(backbone).scheme
    if len(scheme) < 2:  # a path, maybe with a drive letter
        path = Path(backbone)
        if not path.is_file():
            raise InvalidRequest(f"The backbone {path.name!r} does not exist. Check the path.")
        return path, {"file": path.name, "sha256": file_digest_of(path)}
    if scheme not in {"http", "https"}:
        raise InvalidRequest(f"A backbone cannot be downloaded by {scheme}. Give a path, or an http or https URL.")
    url, fragment = urldefrag(backbone)
    path = cache_folder() / sha256(url.encode()).hexdigest()[:16] / (Path(urlsplit(url).path).name or "backbone.onnx")
    if not path.exists():
        _download(url, path, progress)
    actual = file_digest_of(path)
    expected = parse_qs(fragment).get("sha256", [actual])[0].lower()
    if actual != expected:
        path.unlink()
        raise InvalidRequest(f"The backbone's SHA-256 is {actual}, not {expected}. Check the URL and the digest.")
    progress.say(f"Backbone {url}: SHA-256 {actual}")
    return path, {"url": url, "sha256": actual}


def _download(url: str, path: Path, progress: Progress) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    request = Request(url, headers={"User-Agent": "larder"})  # noqa: S310 - locate_backbone() let only http and https through
    scratch = Path(tempfile.mkdtemp(prefix=".downloading-", dir=path.parent))
    try:
        with urlopen(request, timeout=TIMEOUT) as reply, (scratch / "file").open("wb") as file:  # noqa: S310 - as above
            total = int(reply.headers.get("Content-Length") or 0)
            with progress.task(f"Downloading {path.name}", total) as advance:
                while piece := reply.read(_PIECE):
                    file.write(piece)
                    advance(len(piece))
                    if file.tell() > MAX_BYTES:
                        raise InvalidRequest(f"The backbone has more than {MAX_BYTES} bytes. Give a smaller one.")
            if total and file.tell() != total:
                raise InvalidRequest(f"Only {file.tell()} of the backbone's {total} bytes were received. Try again.")
        (scratch / "file").rename(path)
    except OSError as error:
        raise InvalidRequest(f"The backbone cannot be downloaded from {url}: {error}. Check the URL.") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
