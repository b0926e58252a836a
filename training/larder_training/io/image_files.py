"""Local copies of images and manifests in S3; each version of an object is downloaded once.

A copy is in a folder named by a digest of bucket and key, and its name is the ETag, so that a conditional GET checks
whether it is current. The cache has one version of each object and can be deleted at any time.
"""

import os
from hashlib import sha256
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from larder.errors import InvalidRequest
from larder_training.io.s3 import SCHEME, is_remote, parse, store_of

if TYPE_CHECKING:  # obstore loads only if S3 is used
    from larder.store import Blob

MAX_BYTES: Final = 64 * 2**20  # of one image; larger objects count as bad files and are not downloaded
_HEX: Final = 32
_COPY: Final = ".copy"


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/larder/images``, or the same under ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "larder" / "images"


def beside(manifest: str, name: str) -> str:
    """The URL of an entry of a manifest at ``s3://``: the entry itself, or a path relative to the manifest."""
    if is_remote(name):
        parse(name)
        return name
    bucket, key = parse(manifest)
    joined = normpath(str(PurePosixPath(key).parent / name))
    if name.startswith("/") or joined.startswith("..") or "://" in name:
        raise InvalidRequest(
            f"{manifest} lists {name[:80]!r}, which is not in S3: give an s3:// URL, or a path relative to it."
        )
    return f"{SCHEME}{bucket}/{joined}"


def fetch(url: str, *, max_bytes: int | None = None) -> Path:
    """The local copy of an object; the object is downloaded only if its version is not cached.

    Raises:
        MissingObject: The object does not exist, or access is denied.
        InvalidRequest: It has more than ``max_bytes`` (default: ``MAX_BYTES``), or its key is invalid.
        StoreError: The store failed. Earlier downloads stay in the cache.
    """
    bucket, key = parse(url)
    store, folder = store_of(bucket), cache_folder() / sha256(f"{bucket}/{key}".encode()).hexdigest()[:_HEX]
    limit = MAX_BYTES if max_bytes is None else max_bytes
    known = next(iter(sorted(folder.glob(f"*{_COPY}"))), None)
    if known is None:
        size = store.size(key)
        if size > limit:
            raise InvalidRequest(f"The file has {size} bytes; the limit is {limit}. Save a smaller one.")
        blob: Blob | None = store.get(key)
    else:
        blob = store.get_if_changed(key, unquote(known.name.removesuffix(_COPY)))
    if blob is None and known is not None:
        return known
    assert blob is not None  # noqa: S101 - only a conditional get gives None
    return _keep(blob, folder, known)


def _keep(blob: "Blob", folder: Path, old: Path | None) -> Path:
    """Writes a copy atomically, and deletes the old version."""
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
