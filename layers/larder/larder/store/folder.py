"""A folder as a store."""

import builtins
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
    """A folder. The ETag of an object is a digest of its content.

    obstore's own ETag (inode, time, size) is not sufficient: the clock of a file system ticks every few milliseconds
    and inodes are reused, so two versions can have the same. Writers take turns by ``flock`` of a file, which is inside
    the folder, so that containers that mount the folder share the lock. Readers need no lock, since a write ends with a
    rename.
    """

    def __init__(self, root: Path, *, private: bool = False) -> None:
        """Open or create the folder; a ``private`` one writes files that only their owner may read."""
        try:
            backend = LocalStore(root, automatic_cleanup=True, mkdir=True)
        except Exception as error:
            raise StoreError(
                f"{root.name!r} cannot be opened as a folder: give one that exists or can be created."
            ) from error
        super().__init__(root.as_uri(), backend)
        self._root = root
        self._private = private

    def get(self, key: str) -> Blob:
        """See ``Store``; the ETag is a digest of the content."""
        if self._path(key).is_dir():
            raise MissingObject(f"{key} is a folder, not an object: name an object in it.")
        data = super().get(key).data
        return Blob(data, _digest(data))

    def get_if_changed(self, key: str, etag: str) -> Blob | None:
        """See ``Store``; reads the file in any case."""
        blob = self.get(key)
        return None if blob.etag == etag else blob

    def put(self, key: str, data: bytes, *, etag: str | None = None, create: bool = False) -> str:
        """See ``Store``. Every put takes the lock, so that none is between the comparison and the write of another."""
        self._path(key)
        with self._locked():
            if etag is not None and self._current(key) != etag:
                raise conflict(key)
            with self._masked():
                super().put(key, data, create=create)
        return _digest(data)

    def delete(self, key: str) -> None:
        """See ``Store``; removes folders that become empty."""
        self._path(key)
        with self._locked():
            super().delete(key)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """See ``Store``."""
        return (entry for entry in super().list(prefix) if entry.key != LOCK)

    def folders(self, prefix: str = "") -> builtins.list[str]:
        """See ``Store``; looks at no file, so that 100,000 folders take less than a tenth of a second."""
        folder = self._root / check_key(prefix.removesuffix("/")) if prefix else self._root
        try:
            with os.scandir(folder) as entries:
                return sorted(entry.name for entry in entries if entry.is_dir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise StoreError(
                f"The store's folder cannot be listed ({error.strerror}): change its permissions."
            ) from error

    def local_path(self, key: str) -> Path | None:
        """The path of the file."""
        return self._path(key)

    def _path(self, key: str) -> Path:
        if check_key(key) == LOCK:
            raise InvalidRequest(f"{LOCK} is reserved for the store: use another name.")
        return self._root / key

    def _current(self, key: str) -> str | None:
        try:
            return self.get(key).etag
        except MissingObject:
            return None

    @contextmanager
    def _masked(self) -> Iterator[None]:
        """Let files begin with their mode: a change afterwards would come too late. The mask is the whole process's."""
        if not self._private:
            yield
            return
        mask = os.umask(0o077)
        try:
            yield
        finally:
            os.umask(mask)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        import fcntl  # only on POSIX, and only needed to write to a folder

        try:
            lock = os.open(self._root / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise StoreError(
                f"The store's folder is not writable ({error.strerror}): change its permissions."
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)  # its own descriptor, so that threads exclude each other too
            yield
        finally:
            os.close(lock)


def _digest(data: bytes) -> str:
    return f'"{blake2b(data, digest_size=16).hexdigest()}"'
