"""Inputs in S3: URLs, and the objects below a prefix."""

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from larder.errors import InvalidRequest

if TYPE_CHECKING:  # obstore is imported only if S3 is used
    from larder.store import Store

SCHEME: Final = "s3://"
_VARIABLES: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN")


def is_remote(source: Path | str) -> bool:
    """Whether it is the URL of an object or a prefix in S3."""
    return isinstance(source, str) and source.startswith(SCHEME)


def source(text: str) -> Path | str:
    """Converts an argument of a command: an s3:// URL stays as it is, anything else becomes a path."""
    return text if is_remote(text) else Path(text)


def parse(url: str) -> tuple[str, str]:
    """The bucket and the key of ``s3://bucket/key``. Raises InvalidRequest if one is missing."""
    bucket, _, key = url.removeprefix(SCHEME).partition("/")
    if not url.startswith(SCHEME) or not bucket or not key.strip("/"):
        raise InvalidRequest(f"{url[:80]!r} is not of the form s3://bucket/key: give both parts.")
    return bucket, key


def listed(url: str) -> Iterator[tuple[str, str]]:
    """The objects below ``s3://bucket/prefix``, sorted by name: URL, and path below the prefix.

    Folder markers (objects with other objects below them) and names that begin with a dot are omitted.
    """
    bucket, _, prefix = url.removeprefix(SCHEME).rstrip("/").partition("/")
    start = f"{prefix}/" if prefix else ""
    keys = sorted(entry.key for entry in store_of(bucket).list(prefix))
    folders = {str(parent) for key in keys for parent in PurePosixPath(key).parents}
    for key in keys:
        inside = key.removeprefix(start)
        if key not in folders and not any(part.startswith(".") for part in inside.split("/")):
            yield f"{SCHEME}{bucket}/{key}", inside


def store_of(bucket: str) -> "Store":
    """The store of a bucket, opened once per endpoint, region and credentials in the environment."""
    return _opened(bucket, tuple(os.environ.get(name) for name in _VARIABLES))


@lru_cache(maxsize=16)
def _opened(bucket: str, _environment: tuple[str | None, ...]) -> "Store":
    from larder.store import open_store

    return open_store(SCHEME + bucket)
