"""Rows of features on disk, found again by what they were made from.

A folder holds one sub-folder an origin (graph, image specification, package versions; ``origin``), and that holds
shards. A shard is two files that only grow: ``.rows`` has rows of float32, ``.keys`` has one entry of 20 bytes for
each, written after it: 16 bytes of SHA-256 over photo and view, and the row's CRC-32. An entry counts where its row
is whole; what a stopped process left half-written behind that is cut off by the next that appends. Each writer locks
the shard that it appends to, so that processes share a cache; readers need no lock.
"""

import fcntl
import json
import os
import platform
import secrets
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from larder.serving import ImageSpec

FOLDER: Final = Path(".larder/cache/features")
MAX_BYTES: Final = 4 * 2**30
SHARD_BYTES: Final = 32 * 2**20  # the unit of eviction
FORMAT: Final = 1  # raised when rows of the same origin would come out otherwise: decoding, views, this layout
KEY_BYTES: Final = 16

_ENTRY: Final = np.dtype([("key", f"S{KEY_BYTES}"), ("crc", "<u4")])
_ATTEMPTS: Final = 8
_PACKAGES: Final = ("onnxruntime", "numpy", "pillow")

Floats = NDArray[np.float32]


def origin(graph: bytes, output: str, image: ImageSpec, *, optimised: bool) -> dict[str, object]:
    """What decides a row beside its photo and view; the processor is named, for its kernels round in their own way."""
    return {
        "format": FORMAT,
        "graph": sha256(graph).hexdigest(),
        "output": output,
        "optimised": optimised,
        "image": asdict(image),
        "versions": {name: version(name) for name in _PACKAGES},
        "processor": _processor(),
    }


def key(*parts: str) -> bytes:
    """The key of a row: photo's digest, view's parameters."""
    return sha256("\n".join(parts).encode()).digest()[:KEY_BYTES]


@lru_cache(maxsize=1)
def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("ascii", "replace").splitlines():
            if line.startswith(("flags", "Features")):
                return f"{platform.machine()} {sha256(line.encode()).hexdigest()[:16]}"
    return f"{platform.machine()} {platform.processor()}"


@dataclass(frozen=True, slots=True)
class FeatureCache:
    """Rows of features under ``folder``, at most ``max_bytes`` of them: the shards that were used last stay.

    What cannot be written (a full disk) is not kept, and nothing else happens: a cache never ends a training.
    """

    folder: Path = FOLDER
    max_bytes: int = MAX_BYTES

    @contextmanager
    def rows(self, about: Mapping[str, object], width: int) -> Iterator["Rows"]:
        """Opens the rows ``[width]`` of one origin, for any number of threads."""
        text = json.dumps({**about, "width": width}, sort_keys=True, indent=1)
        place = self.folder / sha256(text.encode()).hexdigest()[:32]
        writable = _prepare(place, text)
        opened = Rows(place, width, writable, self.evict)
        try:
            yield opened
        finally:
            opened.close()
            self.evict()

    def evict(self) -> None:
        """Deletes the shards that were not used for longest, until the others fit."""
        shards = []
        for keys in self.folder.glob("*/*.keys"):
            with suppress(OSError):
                size = keys.stat().st_size + keys.with_suffix(".rows").stat().st_size
                shards.append((keys.stat().st_mtime_ns, size, keys))
        total = sum(size for _, size, _ in shards)
        for _, size, keys in sorted(shards):
            if total <= self.max_bytes:
                break
            total -= size
            for path in (keys, keys.with_suffix(".rows")):
                path.unlink(missing_ok=True)


def _prepare(place: Path, text: str) -> bool:
    try:
        place.mkdir(parents=True, exist_ok=True)
        about = place / "about.json"
        if not about.exists():
            about.write_text(text)
    except OSError:
        return False
    return True


@dataclass(slots=True)
class _Shard:
    """One pair of files, open for reading; ``entries`` is what of it is whole."""

    path: Path  # of the keys
    rows: int  # descriptor
    entries: NDArray[np.void]
    used: bool = False


@dataclass(slots=True)
class Rows:
    """The rows of one origin, as they were found on opening; ``append`` adds to the disk, not to what is found."""

    place: Path
    width: int
    writable: bool
    make_room: Callable[[], None]
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)
    _shards: list[_Shard] = field(init=False)
    _keys: NDArray[np.bytes_] = field(init=False)
    _places: NDArray[np.int64] = field(init=False)  # shard * 2^32 + row, in the order of _keys
    _writer: "_Writer | None" = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._shards = list(_open_shards(self.place, 4 * self.width))
        keys = [shard.entries["key"] for shard in self._shards]
        places = [(number << 32) + np.arange(len(shard.entries)) for number, shard in enumerate(self._shards)]
        found = np.concatenate([np.empty(0, _ENTRY["key"]), *keys])
        order = np.argsort(found, kind="stable")
        self._keys = found[order]
        self._places = np.concatenate([np.empty(0, np.int64), *places])[order]

    def read(self, keys: Sequence[bytes]) -> list[Floats | None]:
        """The row of each key, or None where there is none or the disk damaged it."""
        if not len(self._keys):
            return [None] * len(keys)
        positions = np.searchsorted(self._keys, np.array(keys, _ENTRY["key"]))
        return [self._at(int(position), wanted) for position, wanted in zip(positions, keys, strict=True)]

    def _at(self, position: int, wanted: bytes) -> Floats | None:
        # numpy hands "S" out without the zeros at its end
        if position == len(self._keys) or self._keys[position].ljust(KEY_BYTES, b"\0") != wanted:
            return None
        number, row = divmod(int(self._places[position]), 2**32)
        shard, size = self._shards[number], 4 * self.width
        data = os.pread(shard.rows, size, row * size)
        if len(data) != size or zlib.crc32(data) != shard.entries["crc"][row]:
            return None
        shard.used = True
        return np.frombuffer(data, np.float32)

    def append(self, keys: Iterable[bytes], rows: Iterable[Floats]) -> None:
        """Writes rows ``[width]`` to the disk; whoever opens the origin later finds them."""
        with self._lock:
            if self.writable:
                self._append(keys, rows)

    def _append(self, keys: Iterable[bytes], rows: Iterable[Floats]) -> None:
        try:
            for one, row in zip(keys, rows, strict=True):
                if self._writer is None or self._writer.size >= SHARD_BYTES:
                    self._end_writing()
                    self.make_room()
                    self._writer = _Writer.begin(self.place, 4 * self.width)
                self._writer.write(one, np.ascontiguousarray(row, np.float32).tobytes())
        except OSError:
            self.writable = False

    def close(self) -> None:
        """Ends the writing, and notes which shards were of use."""
        self._end_writing()
        for shard in self._shards:
            os.close(shard.rows)
            if shard.used:
                with suppress(OSError):
                    os.utime(shard.path)
        self._shards = []

    def _end_writing(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _open_shards(place: Path, size: int) -> Iterator[_Shard]:
    for path in sorted(place.glob("*.keys")):
        try:
            entries = np.frombuffer(path.read_bytes()[: _whole(path, size) * _ENTRY.itemsize], _ENTRY)
            yield _Shard(path, os.open(path.with_suffix(".rows"), os.O_RDONLY), entries)
        except FileNotFoundError:  # another process took the shard away
            continue


def _whole(path: Path, size: int) -> int:
    """How many entries of a shard have their row."""
    return min(path.stat().st_size // _ENTRY.itemsize, path.with_suffix(".rows").stat().st_size // size)


@dataclass(slots=True)
class _Writer:
    """Appends to one shard, which it has locked."""

    keys: BinaryIO
    rows: BinaryIO
    size: int

    @classmethod
    def begin(cls, place: Path, size: int) -> "_Writer":
        """Goes on in a shard that has room and that nobody writes to, else begins one."""
        for path in sorted(place.glob("*.keys")):
            with suppress(OSError):
                if path.with_suffix(".rows").stat().st_size < SHARD_BYTES:
                    return cls._locked(path, size)
        for _ in range(_ATTEMPTS):
            path = place / f"{secrets.token_hex(8)}.keys"
            for name in (path.with_suffix(".rows"), path):
                name.touch(exist_ok=False)
            with suppress(BlockingIOError):  # another process was quicker to lock it
                return cls._locked(path, size)
        raise OSError(f"No shard in {place} can be locked. Use a cache on a local disk.")

    @classmethod
    def _locked(cls, path: Path, size: int) -> "_Writer":
        """Raises OSError where another process has it."""
        # Unbuffered: what is written outlives a killed process, and the entry comes after its row.
        keys = path.open("r+b", buffering=0)
        try:
            fcntl.flock(keys, fcntl.LOCK_EX | fcntl.LOCK_NB)
            whole = _whole(path, size)
            rows = path.with_suffix(".rows").open("r+b", buffering=0)
        except OSError:
            keys.close()
            raise
        for file, each in ((keys, _ENTRY.itemsize), (rows, size)):
            file.truncate(whole * each)
            file.seek(0, os.SEEK_END)
        return cls(keys, rows, whole * size)

    def write(self, key: bytes, row: bytes) -> None:
        """Appends a row and then its entry. Raises OSError where it does not go on the disk whole."""
        entry = key + zlib.crc32(row).to_bytes(4, "little")
        if self.rows.write(row) != len(row) or self.keys.write(entry) != len(entry):
            raise OSError(f"{self.rows.name} took a row in part: the disk is full. Make room.")
        self.size += len(row)

    def close(self) -> None:
        """Closes both files, and with them ends the lock."""
        self.rows.close()
        self.keys.close()
