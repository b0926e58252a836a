"""The files of one release, as local files or range reads, checked against the manifest."""

import hashlib
import time
from collections.abc import Collection
from pathlib import Path
from threading import Lock, Thread

from larder.errors import ReleaseError, StoreError
from larder.host.disk_cache import DiskCache, Hold
from larder.release.keys import file_key
from larder.release.manifest import FileEntry, Manifest
from larder.store import Store, StoreReader, part_beside
from larder.tables import MappedFile, Reader


class ReleaseFiles:
    """The files that a model is loaded from. Thread-safe.

    A file of a ``file://`` store is read in place; a file of another store is downloaded into the cache. Its length and
    SHA-256 are checked when its path is first requested. The cache keeps the files until this object is closed or
    freed; memory maps and sessions stay valid after that.

    Attributes:
        manifest: The manifest of the release.
        seconds: The time spent in ``fetch``.
    """

    def __init__(self, store: Store, manifest: Manifest, cache: DiskCache) -> None:
        self.manifest = manifest
        self.seconds = 0.0
        self._store = store
        self._cache = cache
        self._hold: Hold | None = None
        self._paths: dict[str, Path] = {}
        self._lock = Lock()  # of the fields above, held briefly
        self._locks = {name: Lock() for name in manifest.files}  # one per file, held during its download

    def fetch(self, names: Collection[str]) -> None:
        """Download several files concurrently, since each needs at least one round trip. Raises as ``path``."""
        begun, failures = time.perf_counter(), list[Exception]()

        def download(name: str) -> None:
            try:
                self.path(name)
            except Exception as error:  # noqa: BLE001  # raised below, in the calling thread
                failures.append(error)

        threads = [Thread(target=download, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.seconds += time.perf_counter() - begun
        if failures:
            raise failures[0]

    def path(self, name: str) -> Path:
        """The path of the file on this machine, downloaded if necessary.

        Raises ReleaseError if the manifest does not list ``name`` or states other bytes, StoreError if the download
        fails.
        """
        entry, key = self._entry(name)
        with self._locks[name]:
            if name not in self._paths:
                local = self._store.local_path(key)
                self._paths[name] = (
                    self._download(name, entry, key) if local is None else self._check(name, entry, local)
                )
            return self._paths[name]

    def reader(self, name: str) -> Reader:
        """Random access: a memory map of a local file, else range reads of the store. Raises as ``path``.

        Range reads are not checked against the SHA-256: the rollout has done that before the release went live.
        """
        entry, key = self._entry(name)
        if name in self._paths or self._store.local_path(key) is not None:
            return MappedFile(self.path(name))
        return StoreReader(self._store, key, entry.bytes)

    def close(self) -> None:
        """Allow the cache to evict the files. Memory maps and sessions stay valid."""
        if self._hold is not None:
            self._hold.close()

    def _entry(self, name: str) -> tuple[FileEntry, str]:
        entry = self.manifest.files.get(name)
        if entry is None:
            raise ReleaseError(
                f"Release {self.manifest.release} has no file {name[:80]!r}: train and publish it again."
            )
        return entry, file_key(self.manifest.model, self.manifest.release, name)

    def _check(self, name: str, entry: FileEntry, path: Path) -> Path:
        if not _matches(path, entry):
            raise self._differs(name)
        return path

    def _download(self, name: str, entry: FileEntry, key: str) -> Path:
        with self._lock:
            if self._hold is None:
                self._hold = self._cache.hold(self.manifest.model, self.manifest.release)
            path = self._hold.folder / name
        if _matches(path, entry):  # downloaded by an earlier or another process
            return path
        self._cache.make_room(entry.bytes)
        part = part_beside(path)
        try:
            if self._fetch(key, part, entry.bytes) != entry.sha256:
                raise self._differs(name)
            part.replace(path)
        except OSError as error:
            raise StoreError(
                f"{key} cannot be stored on this machine ({error.strerror}): provide more disk space."
            ) from error
        finally:
            part.unlink(missing_ok=True)
        return path

    def _fetch(self, key: str, path: Path, limit: int) -> str:
        """Download the object to ``path`` and return its SHA-256; stops early after more than ``limit`` bytes."""
        digest, length = hashlib.sha256(), 0
        with path.open("xb") as file:
            for chunk in self._store.stream(key):
                digest.update(chunk)
                file.write(chunk)
                length += len(chunk)
                if length > limit:
                    return "more bytes than stated"
        return digest.hexdigest()

    def _differs(self, name: str) -> ReleaseError:
        return ReleaseError(
            f"{name} of release {self.manifest.release} differs from its manifest in length or SHA-256: train and "
            "publish a new release."
        )


def _matches(path: Path, entry: FileEntry) -> bool:
    try:
        with path.open("rb") as file:
            if path.stat().st_size != entry.bytes:
                return False
            return hashlib.file_digest(file, "sha256").hexdigest() == entry.sha256
    except FileNotFoundError:
        return False
