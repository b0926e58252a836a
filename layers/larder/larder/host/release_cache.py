"""Releases of models, opened on demand and kept within a bound."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Final, Generic, Protocol, TypeVar

from larder.errors import MissingObject, NotFound, ReleaseError
from larder.host.disk_cache import DiskCache
from larder.host.release_files import ReleaseFiles
from larder.release import manifest
from larder.release.keys import MANIFEST, REJECTED, file_key
from larder.release.manifest import Kind, Manifest
from larder.runtime.cold_start import cold_start
from larder.store import Store

_ROUTES: Final = {"classifier": "POST /v1/models/{}/classify", "recommender": "GET /v1/models/{}/recommend"}


class ServableModel(Protocol):
    """What a release is opened as: a classifier, a recommender."""

    @property
    def nbytes(self) -> int:
        """Bytes of memory that it holds."""

    def close(self) -> None:
        """Gives up what does not go with the object itself. Called when the host is closed."""


T = TypeVar("T", bound=ServableModel)


@dataclass(frozen=True, slots=True)
class LoadedRelease(Generic[T]):
    """An opened release. It stays usable for as long as it is referred to, whatever goes live meanwhile."""

    manifest: Manifest
    value: T
    files: ReleaseFiles = field(repr=False)


class ReleaseCache(Generic[T]):
    """The opened releases of one kind. Thread-safe.

    They are kept up to ``max_bytes`` (by ``nbytes``), downloaded files likewise on disk; the least recently used goes
    first, the one just asked for never.

    One that is replaced or evicted is not closed under those who still answer from it: it is forgotten, and Python
    frees it with the last reference (maps and sessions go with their objects).
    """

    def __init__(
        self, store: Store, kind: Kind, open_release: Callable[[ReleaseFiles], T], *, cache_dir: Path, max_bytes: int
    ) -> None:
        self._store = store
        self._kind = kind
        self._open_release = open_release
        self._cache = DiskCache(cache_dir, max_bytes)
        self._max_bytes = max_bytes
        self._lock = Lock()  # of the collection below, held for moments
        self._kept: OrderedDict[tuple[str, str], LoadedRelease[T]] = OrderedDict()
        self._opening = Lock()  # one release opens at a time: that bounds the peak of memory too

    def get(self, model: str, release: str) -> LoadedRelease[T]:
        """A release that the pointer names.

        Raises NotFound where it is of the other kind, ReleaseError or StoreError where it does not open.
        """
        served = self._find(model, release)
        if served is not None:
            return served
        with self._opening:
            served = self._find(model, release)  # another thread may have opened it while we waited
            if served is None:
                served = self._open(self._manifest(model, release))
                self._keep(served)
            return served

    def get_named(self, model: str, release: str) -> LoadedRelease[T]:
        """A release that a request names: raises NotFound where there is none or it was rejected, else as ``get``."""
        served = self._find(model, release)
        if served is not None:
            return served
        try:
            self._store.size(file_key(model, release, MANIFEST))
        except MissingObject as error:
            raise NotFound(
                f"Model {model!r} has no release {release!r}: GET /v1/models/{model}/releases lists them."
            ) from error
        if self.is_rejected(model, release):
            raise NotFound(f"Release {release} of {model} was rejected: GET /v1/models/{model}/releases tells why.")
        return self.get(model, release)

    def is_rejected(self, model: str, release: str) -> bool:
        """Whether the rollout refused it."""
        try:
            self._store.size(file_key(model, release, REJECTED))
        except MissingObject:
            return False
        return True

    def close(self) -> None:
        """Closes every opened release. Only for when nobody asks any more."""
        with self._lock:
            kept = list(self._kept.values())
            self._kept.clear()
        for served in kept:
            served.value.close()
            served.files.close()

    def _find(self, model: str, release: str) -> LoadedRelease[T] | None:
        with self._lock:
            served = self._kept.get((model, release))
            if served is not None:
                self._kept.move_to_end((model, release))
            return served

    def _manifest(self, model: str, release: str) -> Manifest:
        with cold_start.measured("pointer"):
            found = manifest.parse(self._store.get(file_key(model, release, MANIFEST)).data)
        if (found.model, found.release) != (model, release):
            raise ReleaseError(
                f"The manifest of {model}/{release} is {found.model}/{found.release}'s: publish that where it belongs."
            )
        if found.kind != self._kind:
            route = _ROUTES[found.kind].format(model)
            raise NotFound(f"Model {model} is a {found.kind}, not a {self._kind}: ask it by {route}.")
        return found

    def _open(self, found: Manifest) -> LoadedRelease[T]:
        files = ReleaseFiles(self._store, found, self._cache)
        begun = time.perf_counter()
        try:
            return LoadedRelease(found, self._open_release(files), files)
        except BaseException:
            files.close()
            raise
        finally:
            cold_start.add("files", files.seconds)
            cold_start.add("session", time.perf_counter() - begun - files.seconds)

    def _keep(self, served: LoadedRelease[T]) -> None:
        with self._lock:
            self._kept[served.manifest.model, served.manifest.release] = served
            excess = sum(kept.value.nbytes for kept in self._kept.values()) - self._max_bytes
            while excess > 0 and len(self._kept) > 1:
                _, evicted = self._kept.popitem(last=False)
                excess -= evicted.value.nbytes
