"""Downloaded releases on the local disk, up to a limit, shared by all processes of the machine.

::

    <root>/<model>/<release>/<files>
    <root>/<model>/<release>/.hold     locked (shared) by processes that use the release; its mtime is the latest use

A release that is held is never evicted. The kernel releases a lock when its process ends, even if it crashes.
"""

import fcntl
import os
import weakref
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Final

from larder.release.keys import check_model, check_release
from larder.store import part_beside

_HOLD: Final = ".hold"


class Hold:
    """A release in use: its folder stays until ``close``, or until this object is freed.

    Attributes:
        folder: The folder of the release.
    """

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self._finalizer = weakref.finalize(self, os.close, lock)

    def close(self) -> None:
        """Allow the release to be evicted."""
        self._finalizer()


class DiskCache:
    """The folder ``root``, limited to ``max_bytes`` by evicting whole releases, least recently used first.

    Releases in use may exceed the limit. Safe for threads and processes.
    """

    def __init__(self, root: Path, max_bytes: int) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._lock = Lock()

    def hold(self, model: str, release: str) -> Hold:
        """Hold a release's folder, created if missing, and mark it as just used."""
        folder = self._root / check_model(model) / check_release(release)
        while True:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                lock = os.open(folder / _HOLD, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            except FileNotFoundError:  # evicted since mkdir
                continue
            except FileExistsError:
                if folder.is_file():
                    raise
                continue  # evicted while mkdir checked whether it is a folder
            fcntl.flock(lock, fcntl.LOCK_SH)
            if _is_same(lock, folder / _HOLD):
                os.utime(lock)
                return Hold(folder, lock)
            os.close(lock)  # evicted while this waited: the lock is of a deleted file

    def make_room(self, nbytes: int) -> None:
        """Evict until ``nbytes`` more are within the limit, or no release can be evicted."""
        with self._lock:
            releases = sorted(self._releases())
            excess = sum(size for _, size, _ in releases) + nbytes - self._max_bytes
            for _, size, folder in releases:
                if excess <= 0:
                    return
                if _evict(folder):
                    excess -= size

    def _releases(self) -> Iterator[tuple[float, int, Path]]:
        """The time of the latest use, the size and the folder of each release."""
        for folder in self._root.glob("*/*"):
            try:
                files = [path.stat() for path in folder.iterdir()]
                yield (folder / _HOLD).stat().st_mtime, sum(file.st_size for file in files), folder
            except FileNotFoundError:
                continue  # another process is evicting or renaming


def _evict(folder: Path) -> bool:
    try:
        lock = os.open(folder / _HOLD, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _is_same(lock, folder / _HOLD):  # evicted by another process, and maybe held again
            return True
        # Rename it first: a process that holds the release from now on starts with a new, empty folder.
        import shutil  # not needed in a cold start

        trash = part_beside(folder)
        folder.rename(trash)
        shutil.rmtree(trash, ignore_errors=True)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
