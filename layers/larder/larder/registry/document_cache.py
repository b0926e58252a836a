"""A document of each model, such as its filters, kept in memory and read again by its age."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Final, Generic, TypeVar

from larder.errors import MissingObject
from larder.store import Store

MAX_MODELS: Final = 64
"""How many documents are kept."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Read(Generic[T]):
    value: T
    etag: str
    fresh_until: float


class DocumentCache(Generic[T]):
    """One document of each model of a store, read again at most every ``refresh_seconds``. Thread-safe.

    While one thread reads a document again, the others get what was read before.
    """

    def __init__(
        self,
        store: Store,
        refresh_seconds: float,
        key: Callable[[str], str],
        parse: Callable[[bytes, str], T],
        absent: Callable[[], T],
        *,
        renew: Callable[[T], T] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read nothing yet.

        Args:
            store: Where the documents are.
            refresh_seconds: How long a document is used without another read.
            key: The key of a model's document.
            parse: The value of a document's bytes, of this model.
            absent: The value for a model without the document.
            renew: The value of a document that was read again and has not changed; None if it stays the same.
            clock: The time in seconds.
        """
        self._store = store
        self._refresh_seconds = refresh_seconds
        self._key = key
        self._parse = parse
        self._absent = absent
        self._renew = renew
        self._clock = clock
        self._lock = Lock()
        self._models: dict[str, _Read[T]] = {}

    def get(self, model: str, usable: Callable[[T], bool] | None = None) -> T:
        """The value of a model's document; StoreError if it cannot be read.

        A value that is not ``usable`` is read again whatever its age.
        """
        read = self._models.get(model)
        is_usable = read is not None and (usable is None or usable(read.value))
        if is_usable and not self._is_stale(read):
            assert read is not None  # noqa: S101  # for the type checker
            return read.value
        if self._lock.acquire(blocking=not is_usable):
            try:
                read = self._models.get(model)  # another thread may have read it just now
                if read is None or self._is_stale(read) or not (usable is None or usable(read.value)):
                    read = self._models[model] = self._refreshed(model, read)
                    while len(self._models) > MAX_MODELS:
                        del self._models[next(iter(self._models))]
            finally:
                self._lock.release()
        assert read is not None  # noqa: S101  # for the type checker: without one, the lock was waited for
        return read.value

    def _is_stale(self, read: _Read[T] | None) -> bool:
        return read is None or self._clock() >= read.fresh_until

    def _refreshed(self, model: str, old: _Read[T] | None) -> _Read[T]:
        try:
            blob = self._store.get_if_changed(self._key(model), old.etag if old else "")
        except MissingObject:
            value, etag = self._absent(), ""
        else:
            if blob is not None:
                value, etag = self._parse(blob.data, model), blob.etag
            else:
                assert old is not None, "only an ETag can be unchanged"  # noqa: S101  # for the type checker
                value, etag = self._renew(old.value) if self._renew else old.value, old.etag
        return _Read(value, etag, self._clock() + self._refresh_seconds)
