"""Open the store of a URL."""

import os
import re
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from obstore.store import MemoryStore, S3Store

from larder.errors import StoreError
from larder.store.base import Store
from larder.store.credentials import container_credentials
from larder.store.errors import check_key
from larder.store.folder import FolderStore

if TYPE_CHECKING:  # names in obstore's stubs that do not exist at run time
    from obstore.store import ClientConfig, RetryConfig, S3Config

# A Lambda behind an HTTP API has 30 s, so fail while there is time to respond. ``timeout`` is for the whole body, so it
# must allow the longest download (15 min, the longest run of a function); ``read_timeout`` ends one that stalls.
_RETRIES: "Final[RetryConfig]" = {"max_retries": 3, "retry_timeout": timedelta(seconds=10)}
_CLIENT: "Final[ClientConfig]" = {"connect_timeout": "3s", "read_timeout": "10s", "timeout": "15m"}
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_LOOPBACK = re.compile(r"http://(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?(?:/.*)?")
_USE: Final = "use s3://bucket, s3://bucket/prefix, file:///folder or memory://"

_memories: Final[dict[str, MemoryStore]] = {}
_memories_lock: Final = Lock()


def open_url(url: str, *, private: bool, kms_key: str | None) -> Store:
    """See ``larder.store.open_store``."""
    scheme, _, rest = url.partition("://")
    if scheme == "s3":
        return _open_bucket(url, rest, _encryption(kms_key) if private else {})
    if scheme == "file" and rest.startswith("/"):
        return FolderStore(Path(os.path.normpath(unquote(rest))), private=private)
    if scheme == "memory":
        with _memories_lock:
            memory = _memories.setdefault(rest, MemoryStore()) if rest else MemoryStore()
        return Store(url, memory)
    raise StoreError(f"{url[:80]!r} is not a store: {_USE}.")


def _encryption(kms_key: str | None) -> "S3Config":
    named: S3Config = {"server_side_encryption": "aws:kms"}
    return named if kms_key is None else {**named, "sse_kms_key_id": kms_key}


def _open_bucket(url: str, rest: str, config: "S3Config") -> Store:
    bucket, _, prefix = rest.rstrip("/").partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise StoreError(f"{url[:80]!r} has no valid bucket name: {_USE}.")
    client = _CLIENT.copy()
    if _LOOPBACK.fullmatch(os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""):
        client["allow_http"] = True  # an emulator on this machine; all other traffic must be encrypted

    def connect() -> S3Store:
        try:
            return S3Store(
                bucket,
                prefix=check_key(prefix) if prefix else None,
                config=config,
                client_options=client,
                retry_config=_RETRIES,
                credential_provider=container_credentials(os.environ),
            )
        except Exception as error:
            raise StoreError(f"{url[:80]!r} cannot be opened: {_USE}, and check the AWS_ variables.") from error

    return Store(url.rstrip("/"), connect(), connect)
