"""The keys of a deployment in the memory of one process, renewed from the store."""

import logging
import math
import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from larder.auth.keys import DOCUMENT, Key, parse_entries, parse_entry
from larder.errors import LarderError, MissingObject, StoreError

if TYPE_CHECKING:  # a command that only reads a key's text does not load the S3 client
    from larder.store import Store

REFRESH_SECONDS: Final = 15.0  # half of the time within which a revoked key must be refused everywhere
KEEP_SECONDS: Final = 300.0
_UNKNOWN_SECONDS: Final = 1.0  # a caller who tries ids costs at most one small request a second
_log = logging.getLogger(__name__)


class _Document:
    """A version of the document.

    Attributes:
        entries: The entries by id, not checked yet.
        etag: Its ETag; empty if it does not exist.
    """

    def __init__(self, entries: Mapping[str, Any], etag: str) -> None:
        self.entries: Final = entries
        self.etag: Final = etag
        self._keys: dict[str, Key] = {}  # those that requests named

    def key(self, key_id: str) -> Key | None:
        """The key, or None; raises InvalidKeys for a damaged entry."""
        if key_id not in self._keys and key_id in self.entries:
            self._keys[key_id] = parse_entry(key_id, self.entries[key_id])
        return self._keys.get(key_id)


def _signs(entry: object) -> bool:
    secrets = entry.get("secrets") if isinstance(entry, dict) else None
    return isinstance(secrets, list) and any(isinstance(secret, dict) and "plain" in secret for secret in secrets)


class KeyRing:
    """The keys of one store. Thread-safe.

    The document is read again, conditionally, when it is ``refresh_seconds`` old. One thread does that, while the
    others use the version that they have. A key that is not in it is looked for in the store too, but at most once a
    second, so that a new key works at once.

    If the store does not answer, or the document breaks its format, the last version stays in use for ``KEEP_SECONDS``.
    That is as stale as the answers of a Lambda authorizer are by default, and longer than a store is usually out of
    reach; for longer, no key could be revoked. Then requests fail with 503 until the store answers. A document that
    was deleted is empty: no key is valid.
    """

    def __init__(
        self,
        store: "Store",
        *,
        refresh_seconds: float = REFRESH_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._refresh_seconds = refresh_seconds
        self._clock = clock
        self._lock = Lock()  # held by the thread that reads
        self._document: _Document | None = None
        self._attempted = -math.inf  # when it was read, or a read failed
        self._current_at = -math.inf  # when the document was known to be current

    def get(self, key_id: str) -> Key | None:
        """The key with this id, or None. Raises StoreError or InvalidKeys if the keys cannot be read."""
        document = self._renewed(self._refresh_seconds)
        if key_id not in document.entries:
            document = self._renewed(_UNKNOWN_SECONDS)
        return document.key(key_id)

    def preload(self) -> None:
        """Read the keys, so that the first request need not wait. Never raises: that request reports errors."""
        try:
            self._renewed(self._refresh_seconds)
        except LarderError as error:
            _log.warning("the keys are not preloaded: %s", error)

    @property
    def has_signing_keys(self) -> bool:
        """Whether a key of the version in memory can sign."""
        known = self._document
        return known is not None and any(_signs(entry) for entry in known.entries.values())

    def renew(self) -> None:
        """Read the keys again before their next use, for a process that is restored from a snapshot."""
        self._attempted = self._current_at = -math.inf

    def _renewed(self, seconds: float) -> _Document:
        """The document, read again if the last attempt to is ``seconds`` ago."""
        known = self._document
        if known is not None and self._clock() - self._attempted < seconds:
            return self._if_usable(known)
        if not self._lock.acquire(blocking=known is None or self._is_stale()):
            return self._if_usable(known)
        try:
            if (
                self._document is None or self._clock() - self._attempted >= seconds
            ):  # no other thread read it meanwhile
                self._read()
            return self._if_usable(self._document)
        finally:
            self._lock.release()

    def _read(self) -> None:
        known = self._document
        self._attempted = self._clock()
        try:
            self._document = self._fetch(known)
        except LarderError as error:
            if known is None or self._is_stale():
                raise
            _log.warning("the keys cannot be read; those that are known stay in use: %s", error)
            return
        self._current_at = self._clock()

    def _fetch(self, known: _Document | None) -> _Document:
        try:
            blob = self._store.get_if_changed(DOCUMENT, known.etag if known is not None else "")
        except MissingObject:
            if known is None or known.etag:
                _log.warning("%s does not exist, or this role may not read it: no key is valid", DOCUMENT)
            return _Document({}, "")
        if blob is None:
            assert known is not None  # noqa: S101  # for the type checker: only a known ETag can be unchanged
            return known
        return _Document(parse_entries(blob.data), blob.etag)

    def _is_stale(self) -> bool:
        return self._clock() - self._current_at > KEEP_SECONDS

    def _if_usable(self, document: _Document | None) -> _Document:
        if document is None or self._is_stale():
            raise StoreError("The keys cannot be read from the store at the moment: send the request again.")
        return document
