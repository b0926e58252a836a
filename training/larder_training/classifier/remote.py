"""Photos and manifests in S3: listed or named there, and read from a local copy that is fetched once a version.

A copy lies in a folder named by a digest of the object's place and is named by its ETag, so a conditional GET tells
whether it still is the object. The cache holds one version of each object and can be deleted at any time.
"""

import os
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from larder.errors import InvalidRequest

if TYPE_CHECKING:  # obstore is loaded where S3 is really asked
    from larder.store import Blob, Store

SCHEME: Final = "s3://"
MAX_BYTES: Final = 64 * 2**20  # of one photo; larger objects are told as bad and not fetched
_HEX: Final = 32
_COPY: Final = ".copy"
_VARIABLES: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN")


def is_remote(source: Path | str) -> bool:
    """Whether the text names an object or a prefix in S3."""
    return isinstance(source, str) and source.startswith(SCHEME)


def source(text: str) -> Path | str:
    """What a command is given, as ``read_dataset`` takes it: an s3:// URL as it is, anything else as a path."""
    return text if is_remote(text) else Path(text)


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/larder/photos``, or the same under ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "larder" / "photos"


def parse(url: str) -> tuple[str, str]:
    """The bucket and the key of ``s3://bucket/key``. Raises InvalidRequest where one is missing."""
    bucket, _, key = url.removeprefix(SCHEME).partition("/")
    if not url.startswith(SCHEME) or not bucket or not key.strip("/"):
        raise InvalidRequest(f"{url[:80]!r} is no s3://bucket/key: write both.")
    return bucket, key


def beside(manifest: str, name: str) -> str:
    """The URL of what a manifest at ``s3://`` names: itself a URL there, or a path that starts at the manifest."""
    if is_remote(name):
        parse(name)
        return name
    bucket, key = parse(manifest)
    joined = normpath(str(PurePosixPath(key).parent / name))
    if name.startswith("/") or joined.startswith("..") or "://" in name:
        raise InvalidRequest(
            f"{manifest} names {name[:80]!r}, which is not in S3: write an s3:// URL, or a path relative to it."
        )
    return f"{SCHEME}{bucket}/{joined}"


def listed(url: str) -> Iterator[tuple[str, str]]:
    """Every object below ``s3://bucket/prefix`` in the order of their names: its URL and its path below the prefix.

    Markers of folders (empty objects that other objects lie under) and hidden names are not seen.
    """
    bucket, _, prefix = url.removeprefix(SCHEME).rstrip("/").partition("/")
    start = f"{prefix}/" if prefix else ""
    keys = sorted(entry.key for entry in _bucket(bucket).list(prefix))
    folders = {str(parent) for key in keys for parent in PurePosixPath(key).parents}
    for key in keys:
        inside = key.removeprefix(start)
        if key not in folders and not any(part.startswith(".") for part in inside.split("/")):
            yield f"{SCHEME}{bucket}/{key}", inside


def fetch(url: str, *, max_bytes: int | None = None) -> Path:
    """The local copy of an object, fetched unless this version is there already: one round trip where it is.

    Raises:
        MissingObject: it does not exist, or may not be read.
        InvalidRequest: it has more than ``max_bytes`` (by default a photo's limit), or its key cannot be read.
        StoreError: the store failed. What was fetched before is kept for the next time.
    """
    bucket, key = parse(url)
    store, folder = _bucket(bucket), cache_folder() / sha256(f"{bucket}/{key}".encode()).hexdigest()[:_HEX]
    limit = MAX_BYTES if max_bytes is None else max_bytes
    known = next(iter(sorted(folder.glob(f"*{_COPY}"))), None)
    if known is None:
        size = store.size(key)
        if size > limit:
            raise InvalidRequest(f"It has {size} bytes; the limit is {limit}. Save it smaller.")
        blob: Blob | None = store.get(key)
    else:
        blob = store.get_if_changed(key, unquote(known.name.removesuffix(_COPY)))
    if blob is None and known is not None:
        return known
    assert blob is not None  # noqa: S101 - only a conditional get gives None
    return _keep(blob, folder, known)


def _keep(blob: "Blob", folder: Path, old: Path | None) -> Path:
    """Writes a copy that appears whole or not at all; the old version goes."""
    from larder.store import part_beside

    path = folder / (quote(blob.etag, safe="") + _COPY)
    folder.mkdir(parents=True, exist_ok=True)
    part = part_beside(path)
    try:
        part.write_bytes(blob.data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    if old is not None and old != path:
        old.unlink(missing_ok=True)
    return path


@lru_cache(maxsize=16)
def _opened(bucket: str, _environment: tuple[str | None, ...]) -> "Store":
    from larder.store import Store

    return Store.open(SCHEME + bucket)


def _bucket(bucket: str) -> "Store":
    """The bucket's store, opened once for each setting of the variables that decide where and as whom."""
    return _opened(bucket, tuple(os.environ.get(name) for name in _VARIABLES))
