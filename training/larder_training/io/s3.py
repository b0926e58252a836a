"""What a training reads from S3: named by a URL, listed below a prefix."""

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from larder.errors import InvalidRequest

if TYPE_CHECKING:  # obstore is loaded where S3 is really asked
    from larder.store import Store

SCHEME: Final = "s3://"
_VARIABLES: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN")


def is_remote(source: Path | str) -> bool:
    """Whether the text names an object or a prefix in S3."""
    return isinstance(source, str) and source.startswith(SCHEME)


def source(text: str) -> Path | str:
    """What a command is given, as readers take it: an s3:// URL as it is, anything else as a path."""
    return text if is_remote(text) else Path(text)


def parse(url: str) -> tuple[str, str]:
    """The bucket and the key of ``s3://bucket/key``. Raises InvalidRequest where one is missing."""
    bucket, _, key = url.removeprefix(SCHEME).partition("/")
    if not url.startswith(SCHEME) or not bucket or not key.strip("/"):
        raise InvalidRequest(f"{url[:80]!r} is no s3://bucket/key: write both.")
    return bucket, key


def listed(url: str) -> Iterator[tuple[str, str]]:
    """Every object below ``s3://bucket/prefix`` in the order of their names: its URL and its path below the prefix.

    Markers of folders (empty objects that other objects lie under) and hidden names are not seen.
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
    """The bucket's store, opened once for each setting of the variables that decide where and as whom."""
    return _opened(bucket, tuple(os.environ.get(name) for name in _VARIABLES))


@lru_cache(maxsize=16)
def _opened(bucket: str, _environment: tuple[str | None, ...]) -> "Store":
    from larder.store import open_store

    return open_store(SCHEME + bucket)
