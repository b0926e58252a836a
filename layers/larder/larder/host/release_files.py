"""The files of one release, as local files or as range reads, and never other bytes than its manifest states."""

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
    """What a model is opened from. Thread-safe.

    A file of a ``file://`` store is read where it lies; one of another store is downloaded into the cache. Either way
    its length and SHA-256 are checked when this object first hands out its path. The cache keeps the files while this
    object exists and is not closed; a map or a session that was made from them stays valid after that.
    """

    def __init__(self, store: Store, manifest: Manifest, cache: DiskCache) -> None:
        self.manifest = manifest
        self.seconds = 0.0
        self._store = store
        self._cache = cache
        self._hold: Hold | None = None
        self._paths: dict[str, Path] = {}
        self._lock = Lock()  # of the fields above, held for moments
        self._locks = {name: Lock() for name in manifest.files}  # of one file's download each

    def fetch(self, names: Collection[str]) -> None:
        """Makes ``path`` ready for several files: all are downloaded at once, since each one's first byte is a round
        trip. Raises as ``path``.
        """
        begun, failures = time.perf_counter(), list[Exception]()

        def download(name: str) -> None:
            try:
                self.path(name)
            except Exception as error:  # noqa: BLE001  # raised below, by the thread that asked
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
        """The whole file, on this machine.

        Raises ReleaseError where the manifest does not list ``name`` or the bytes are not those that it states,
        StoreError where they do not arrive.
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
        """Random access: a map where ``path`` has the file or the store is a folder, else range reads of the store.

        Range reads are not checked against the SHA-256: the rollout did that before the release went live. Raises as
        ``path``.
        """
        entry, key = self._entry(name)
        if name in self._paths or self._store.local_path(key) is not None:
            return MappedFile(self.path(name))
        return StoreReader(self._store, key, entry.bytes)

    def close(self) -> None:
        """Lets the cache evict the files. Maps and sessions that were made from them stay valid."""
        if self._hold is not None:
            self._hold.close()

    def _entry(self, name: str) -> tuple[FileEntry, str]:
        entry = self.manifest.files.get(name)
        if entry is None:
            raise ReleaseError(
                f"Release {self.manifest.release} lists no file {name[:80]!r}: train and publish it again, complete."
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
        if _matches(path, entry):  # by an earlier or another process
            return path
        self._cache.make_room(entry.bytes)
        part = part_beside(path)
        try:
            if self._fetch(key, part, entry.bytes) != entry.sha256:
                raise self._differs(name)
            part.replace(path)
        except OSError as error:
            raise StoreError(f"{key} cannot be kept on this machine ({error.strerror}): give it more disk.") from error
        finally:
            part.unlink(missing_ok=True)
        return path

    def _fetch(self, key: str, path: Path, limit: int) -> str:
        """Writes the object to ``path`` and returns its SHA-256; stops early where it has more than ``limit`` bytes."""
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
            f"{name} of release {self.manifest.release} is not what its manifest states: its length or SHA-256 "
            "differs. Train and publish a new release."
        )


def _matches(path: Path, entry: FileEntry) -> bool:
    try:
        with path.open("rb") as file:
            if path.stat().st_size != entry.bytes:
                return False
            return hashlib.file_digest(file, "sha256").hexdigest() == entry.sha256
    except FileNotFoundError:
        return False
