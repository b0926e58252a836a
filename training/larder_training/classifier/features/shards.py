"""Shards: pairs of files that hold rows on disk and only grow.

``.rows`` has rows of float32, ``.keys`` has one entry of 20 bytes for each, written after it: 16 bytes of SHA-256 and
the row's CRC-32. An entry counts where its row is whole; what a stopped process left half-written behind that is cut
off by the next that appends. Each writer locks the shard that it appends to, so that processes share a folder; readers
need no lock.
"""

import fcntl
import os
import secrets
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

SHARD_BYTES: Final = 32 * 2**20  # of rows: the unit of eviction
KEY_BYTES: Final = 16
KEY: Final = np.dtype(f"S{KEY_BYTES}")

_ENTRY: Final = np.dtype([("key", KEY), ("crc", "<u4")])
_ATTEMPTS: Final = 8


@dataclass(slots=True)
class Shard:
    """One pair of files, open for reading rows of ``size`` bytes; ``entries`` is what of it is whole."""

    path: Path  # of the keys
    size: int
    rows: int  # descriptor
    entries: NDArray[np.void]
    used: bool = False

    def read(self, row: int) -> bytes | None:
        """The bytes of a row; None where the disk damaged them."""
        data = os.pread(self.rows, self.size, row * self.size)
        if len(data) != self.size or zlib.crc32(data) != self.entries["crc"][row]:
            return None
        self.used = True
        return data

    def close(self) -> None:
        """Closes the rows, and notes on the disk whether they were of use."""
        os.close(self.rows)
        if self.used:
            with suppress(OSError):
                os.utime(self.path)


def open_shards(place: Path, size: int) -> Iterator[Shard]:
    """Every shard of a folder, for reading rows of ``size`` bytes."""
    for path in sorted(place.glob("*.keys")):
        try:
            entries = np.frombuffer(path.read_bytes()[: _whole(path, size) * _ENTRY.itemsize], _ENTRY)
            yield Shard(path, size, os.open(path.with_suffix(".rows"), os.O_RDONLY), entries)
        except FileNotFoundError:  # another process took the shard away
            continue


def _whole(path: Path, size: int) -> int:
    """How many entries of a shard have their row."""
    return min(path.stat().st_size // _ENTRY.itemsize, path.with_suffix(".rows").stat().st_size // size)


@dataclass(slots=True)
class ShardWriter:
    """Appends to one shard, which it has locked; ``size`` is the bytes of its rows."""

    keys: BinaryIO
    rows: BinaryIO
    size: int

    @classmethod
    def begin(cls, place: Path, size: int) -> "ShardWriter":
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
    def _locked(cls, path: Path, size: int) -> "ShardWriter":
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

    @property
    def full(self) -> bool:
        """Whether another shard is to be begun."""
        return self.size >= SHARD_BYTES

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
