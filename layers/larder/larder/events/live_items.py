"""Recommenders that know the items that were put since their release, kept for each release that serves."""

from threading import Lock
from weakref import WeakKeyDictionary

from larder.events.base import LiveStore
from larder.recommender import LiveCatalogue, Recommender


class LiveItems:
    """The recommenders of a live store's models, extended by live items. Thread-safe.

    Items are read again only when their version has changed, and then only those that were put since. A release that is
    dropped from memory takes its extension with it.
    """

    def __init__(self, live: LiveStore) -> None:
        self._live = live
        self._lock = Lock()  # held while items are read, so that one thread reads them for all
        self._extended: WeakKeyDictionary[Recommender, tuple[str, LiveCatalogue, Recommender]] = WeakKeyDictionary()

    def extended(self, model: str, recommender: Recommender, version: str) -> Recommender:
        """The recommender with the items of ``version``: itself for the empty version, which is that of no item.

        Raises StoreError if items cannot be read.
        """
        if not version:
            return recommender
        known = self._extended.get(recommender)
        if known is None or known[0] != version:
            with self._lock:
                known = self._extended.get(recommender)
                if known is None or known[0] != version:
                    known = self._extended[recommender] = self._updated(model, recommender, version, known)
        return known[2]

    def _updated(
        self,
        model: str,
        recommender: Recommender,
        version: str,
        known: tuple[str, LiveCatalogue, Recommender] | None,
    ) -> tuple[str, LiveCatalogue, Recommender]:
        catalogue = LiveCatalogue(recommender.items, recommender.content) if known is None else known[1]
        put, newest = self._live.items(model, "" if known is None else known[0])
        catalogue = catalogue.updated(put)
        # The read may be newer than ``version``, which a slower request of another thread names: keep the newer.
        return newest or version, catalogue, recommender.extended(catalogue)
