"""The document of keys in a store, changed by compare-and-swap, so that two commands at once lose nothing."""

import time
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from larder.auth.keys import DOCUMENT, MAX_KEYS, Key, dump_keys, parse_keys
from larder.errors import Conflict, InvalidRequest, MissingObject, NotFound
from larder.store import Store, open_store
from larder_local.console import suggestion

T = TypeVar("T")
_ATTEMPTS: Final = 10


class KeyStore:
    """The keys of one store."""

    def __init__(self, store: Store) -> None:
        """Use ``store``, which should be private."""
        self._store = store

    @classmethod
    def open(cls, url: str, kms_key: str | None = None) -> "KeyStore":
        """The keys of the store at ``url``; ``kms_key`` encrypts them in a bucket (None: the key of S3)."""
        return cls(open_store(url, private=True, kms_key=kms_key))

    def read(self) -> dict[str, Key]:
        """All keys by id; raises InvalidKeys if the document breaks its format."""
        return self._read()[0]

    def get(self, key_id: str) -> Key:
        """One key; raises NotFound, with the nearest ids."""
        return _find(self.read(), key_id)

    def add(self, key: Key) -> None:
        """Add a key. If there are too many, the oldest that is expired or revoked leaves the document.

        Raises InvalidRequest if all of them are active.
        """

        def change(keys: dict[str, Key]) -> None:
            ended = [other for other in keys.values() if other.state(time.time()) != "active"]
            if len(keys) >= MAX_KEYS:
                if not ended:
                    raise InvalidRequest(f"There are {MAX_KEYS} keys, and all are active: revoke one.")
                del keys[min(ended, key=lambda other: other.created).id]
            keys[key.id] = key

        self._update(change)

    def replace(self, key_id: str, change: Callable[[Key], Key]) -> Key:
        """Put ``change`` of a key in its place and return it; raises NotFound."""

        def changed(keys: dict[str, Key]) -> Key:
            keys[key_id] = change(_find(keys, key_id))
            return keys[key_id]

        return self._update(changed)

    def _update(self, change: Callable[[dict[str, Key]], T]) -> T:
        for attempt in range(_ATTEMPTS):
            keys, etag = self._read()
            result = change(keys)
            try:
                self._store.put(DOCUMENT, dump_keys(keys), etag=etag, create=etag is None)
            except Conflict:
                if attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(0.05 * attempt)  # another command was faster
            else:
                break
        return result

    def _read(self) -> tuple[dict[str, Key], str | None]:
        try:
            blob = self._store.get(DOCUMENT)
        except MissingObject:
            return {}, None
        return parse_keys(blob.data), blob.etag


def _find(keys: Mapping[str, Key], key_id: str) -> Key:
    try:
        return keys[key_id]
    except KeyError as error:
        hint = suggestion(key_id, keys) or " `larder keys list` shows all keys."
        raise NotFound(f"There is no key {key_id[:40]!r}.{hint}") from error
