"""Releases loaded on demand, and kept in memory up to a limit."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Generic, Protocol, TypeVar

from larder.errors import NotFound
from larder.host.disk_cache import DiskCache
from larder.host.release_files import ReleaseFiles
from larder.registry import Registry
from larder.release.manifest import Kind, Manifest
from larder.release.routes import MODEL_ROUTES
from larder.runtime.cold_start import cold_start


class ServableModel(Protocol):
    """A release in memory: a classifier or a recommender."""

    @property
    def nbytes(self) -> int:
        """The memory it holds, in bytes."""

    def close(self) -> None:
        """Release what garbage collection does not. Called when the host closes."""


T = TypeVar("T", bound=ServableModel)


@dataclass(frozen=True, slots=True)
class LoadedRelease(Generic[T]):
    """A loaded release. It stays usable as long as there is a reference to it, even if another release goes live.

    Attributes:
        manifest: The release's manifest.
        value: The classifier or the recommender.
        files: The files it was loaded from.
    """

    manifest: Manifest
    value: T
    files: ReleaseFiles = field(repr=False)


class ReleaseCache(Generic[T]):
    """The loaded releases of one kind, least recently used evicted first. Thread-safe.

    Releases in memory (by ``nbytes``) and their files on disk are each kept up to ``max_bytes``; the release that was
    just requested is never evicted.

    An evicted release is not closed, since other threads may still answer from it. The cache drops its reference, and
    Python frees it with the last one (memory maps and sessions included).
    """

    def __init__(
        self,
        registry: Registry,
        kind: Kind,
        open_release: Callable[[ReleaseFiles], T],
        *,
        cache_dir: Path,
        max_bytes: int,
    ) -> None:
        self._registry = registry
        self._kind = kind
        self._open_release = open_release
        self._cache = DiskCache(cache_dir, max_bytes)
        self._max_bytes = max_bytes
        self._lock = Lock()  # of the collection below, held briefly
        self._loaded: OrderedDict[tuple[str, str], LoadedRelease[T]] = OrderedDict()
        self._opening = Lock()  # one release loads at a time, which also limits peak memory

    def get(self, model: str, release: str) -> LoadedRelease[T]:
        """A release that the pointer names.

        Raises NotFound if it is of the other kind, ReleaseError or StoreError if it does not load.
        """
        loaded = self._find(model, release)
        if loaded is not None:
            return loaded
        with self._opening:
            loaded = self._find(model, release)  # another thread may have loaded it meanwhile
            if loaded is None:
                loaded = self._open(self._manifest(model, release))
                self._keep(loaded)
            return loaded

    def get_named(self, model: str, release: str) -> LoadedRelease[T]:
        """A release that a request names. Raises NotFound if it does not exist or is rejected, else as ``get``."""
        loaded = self._find(model, release)
        if loaded is not None:
            return loaded
        listing = f"GET /v1/models/{model}/releases"
        if not self._registry.has_release(model, release):
            raise NotFound(f"Model {model!r} has no release {release!r}: {listing} lists them.")
        if self._registry.is_rejected(model, release):
            raise NotFound(f"Release {release} of {model} was rejected: {listing} gives the reason.")
        return self.get(model, release)

    def close(self) -> None:
        """Close every loaded release. No request may use one afterwards."""
        with self._lock:
            releases = list(self._loaded.values())
            self._loaded.clear()
        for release in releases:
            release.value.close()
            release.files.close()

    def _find(self, model: str, release: str) -> LoadedRelease[T] | None:
        with self._lock:
            loaded = self._loaded.get((model, release))
            if loaded is not None:
                self._loaded.move_to_end((model, release))
            return loaded

    def _manifest(self, model: str, release: str) -> Manifest:
        with cold_start.measured("pointer"):
            manifest = self._registry.manifest(model, release)
        if manifest.kind != self._kind:
            route = MODEL_ROUTES[manifest.kind].format(model=model)
            raise NotFound(f"Model {model} is a {manifest.kind}, not a {self._kind}: use POST {route}.")
        return manifest

    def _open(self, manifest: Manifest) -> LoadedRelease[T]:
        files = ReleaseFiles(self._registry.store, manifest, self._cache)
        begun = time.perf_counter()
        try:
            return LoadedRelease(manifest, self._open_release(files), files)
        except BaseException:
            files.close()
            raise
        finally:
            cold_start.add("files", files.seconds)
            cold_start.add("session", time.perf_counter() - begun - files.seconds)

    def _keep(self, loaded: LoadedRelease[T]) -> None:
        with self._lock:
            self._loaded[loaded.manifest.model, loaded.manifest.release] = loaded
            excess = sum(other.value.nbytes for other in self._loaded.values()) - self._max_bytes
            while excess > 0 and len(self._loaded) > 1:
                _, evicted = self._loaded.popitem(last=False)
                excess -= evicted.value.nbytes
