"""Downloaded releases on the local disk, within a bound, shared by all processes of the machine.

::

    <root>/<model>/<release>/<files>
    <root>/<model>/<release>/.hold     locked (shared) by whoever uses the release; its time is that of the latest use

A release that anyone holds is never evicted; the kernel lets go of a lock when its process ends, however it ends.
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
    """A release in use: its ``folder`` stays until ``close``, or until nothing refers to this any more."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self._finalizer = weakref.finalize(self, os.close, lock)

    def close(self) -> None:
        """Lets the release be evicted."""
        self._finalizer()


class DiskCache:
    """The folder ``root``, kept to ``max_bytes`` by removing whole releases, the least recently used first.

    Releases in use may exceed the bound together: they are needed. Safe for threads and processes.
    """

    def __init__(self, root: Path, max_bytes: int) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._lock = Lock()

    def hold(self, model: str, release: str) -> Hold:
        """The release's folder, made where absent and marked as used now."""
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
                continue  # evicted while mkdir found that it exists and looked whether it is a folder
            fcntl.flock(lock, fcntl.LOCK_SH)
            if _is_same(lock, folder / _HOLD):
                os.utime(lock)
                return Hold(folder, lock)
            os.close(lock)  # evicted while we waited: what we hold is a file without a name

    def make_room(self, nbytes: int) -> None:
        """Evicts until ``nbytes`` more fit the bound, or nothing is left that may be evicted."""
        with self._lock:
            releases = sorted(self._releases())
            excess = sum(size for _, size, _ in releases) + nbytes - self._max_bytes
            for _, size, folder in releases:
                if excess <= 0:
                    return
                if _evict(folder):
                    excess -= size

    def _releases(self) -> Iterator[tuple[float, int, Path]]:
        """The time of the latest use, the bytes and the folder of each release."""
        for folder in self._root.glob("*/*"):
            try:
                files = [path.stat() for path in folder.iterdir()]
                yield (folder / _HOLD).stat().st_mtime, sum(file.st_size for file in files), folder
            except FileNotFoundError:
                continue  # another process evicts or renames here at this moment


def _evict(folder: Path) -> bool:
    try:
        lock = os.open(folder / _HOLD, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _is_same(lock, folder / _HOLD):  # evicted by another process, and perhaps held anew
            return True
        # Renamed first: whoever holds the release from here on begins with an empty folder of his own.
        import shutil  # of no use to a cold start

        grave = part_beside(folder)
        folder.rename(grave)
        shutil.rmtree(grave, ignore_errors=True)
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
