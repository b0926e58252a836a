"""Random access to one object by range reads."""

from collections.abc import Sequence
from threading import Lock

from larder.store.base import Store


class StoreReader:
    """A ``larder.tables.Reader`` of an object in a store. Thread-safe.

    Without ``size``, which the manifest states, one more round trip requests it.

    Attributes:
        round_trips: The number of sequential requests, which determines the time of a look-up in S3.
    """

    def __init__(self, store: Store, key: str, size: int | None = None) -> None:
        self._store = store
        self._key = key
        self._size = size
        self._lock = Lock()
        self.round_trips = 0

    @property
    def size(self) -> int:
        """The length of the object in bytes."""
        if self._size is None:
            self._count()
            self._size = self._store.size(self._key)
        return self._size

    def read(self, start: int, length: int, /) -> bytes:
        """The ``length`` bytes from ``start``; raises StoreError if the object has fewer."""
        return self.read_many([(start, length)])[0]

    def read_many(self, ranges: Sequence[tuple[int, int]], /) -> list[bytes]:
        """The bytes of each ``(start, length)``, in order, in one round trip."""
        self._count()
        return self._store.get_ranges(self._key, ranges)

    def _count(self) -> None:
        with self._lock:
            self.round_trips += 1
