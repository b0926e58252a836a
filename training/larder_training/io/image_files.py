"""Photos and manifests in S3: listed or named there, and read from a local copy that is fetched once a version.

A copy lies in a folder named by a digest of the object's place and is named by its ETag, so a conditional GET tells
whether it still is the object. The cache holds one version of each object and can be deleted at any time.
"""

import os
from hashlib import sha256
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from larder.errors import InvalidRequest
from larder_training.io.s3 import SCHEME, is_remote, parse, store_of

if TYPE_CHECKING:  # obstore is loaded where S3 is really asked
    from larder.store import Blob

MAX_BYTES: Final = 64 * 2**20  # of one photo; larger objects are told as bad and not fetched
_HEX: Final = 32
_COPY: Final = ".copy"


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/larder/photos``, or the same under ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "larder" / "photos"


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


def fetch(url: str, *, max_bytes: int | None = None) -> Path:
    """The local copy of an object, fetched unless this version is there already: one round trip where it is.

    Raises:
        MissingObject: it does not exist, or may not be read.
        InvalidRequest: it has more than ``max_bytes`` (by default a photo's limit), or its key cannot be read.
        StoreError: the store failed. What was fetched before is kept for the next time.
    """
    bucket, key = parse(url)
    store, folder = store_of(bucket), cache_folder() / sha256(f"{bucket}/{key}".encode()).hexdigest()[:_HEX]
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
