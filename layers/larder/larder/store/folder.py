"""A folder as a store."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Final

from obstore.store import LocalStore

from larder.errors import InvalidRequest, MissingObject, StoreError
from larder.store.base import Blob, Entry, Store
from larder.store.errors import check_key, conflict

LOCK: Final = ".larder.lock"


class FolderStore(Store):
    """A folder. An object's ETag is a digest of its content, as S3's is for a plain put.

    obstore's own ETag (inode, time, size) would not do: a file system's clock ticks every few milliseconds and inodes
    are used again, so two versions can share one. Writers take turns by ``flock`` of a file in the folder (inside it,
    so that a container which mounts the folder shares the lock); readers need none, since a write ends with a rename.
    """

    def __init__(self, root: Path) -> None:
        try:
            backend = LocalStore(root, automatic_cleanup=True, mkdir=True)
        except Exception as error:
            raise StoreError(
                f"{root.name!r} cannot be opened as a folder: name one that may be made or read."
            ) from error
        super().__init__(root.as_uri(), backend)
        self._root = root

    def get(self, key: str) -> Blob:
        """As Store's, with the content's digest for an ETag."""
        if self._path(key).is_dir():
            raise MissingObject(f"{key} is a folder, not an object: name an object in it.")
        data = super().get(key).data
        return Blob(data, _digest(data))

    def get_if_changed(self, key: str, etag: str) -> Blob | None:
        """As Store's. Reads the file either way."""
        blob = self.get(key)
        return None if blob.etag == etag else blob

    def put(self, key: str, data: bytes, *, etag: str | None = None, create: bool = False) -> str:
        """As Store's. Every put takes the lock, so that none falls between another's comparison and its write."""
        self._path(key)
        with self._locked():
            if etag is not None and self._current(key) != etag:
                raise conflict(key)
            super().put(key, data, create=create)
        return _digest(data)

    def delete(self, key: str) -> None:
        """As Store's; a folder that becomes empty goes too."""
        self._path(key)
        with self._locked():
            super().delete(key)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """As Store's."""
        return (entry for entry in super().list(prefix) if entry.key != LOCK)

    def local_path(self, key: str) -> Path | None:
        """The file itself."""
        return self._path(key)

    def _path(self, key: str) -> Path:
        if check_key(key) == LOCK:
            raise InvalidRequest(f"{LOCK} is the store's own: use another name.")
        return self._root / key

    def _current(self, key: str) -> str | None:
        try:
            return self.get(key).etag
        except MissingObject:
            return None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        import fcntl  # POSIX alone has it, and only a folder that is written to needs it

        try:
            lock = os.open(self._root / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise StoreError(f"The store's folder cannot be written to ({error.strerror}): mend its rights.") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)  # a descriptor of our own: threads exclude one another too
            yield
        finally:
            os.close(lock)


def _digest(data: bytes) -> str:
    return f'"{blake2b(data, digest_size=16).hexdigest()}"'
