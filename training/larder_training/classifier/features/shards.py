"""Shards: append-only pairs of files with rows.

``.rows`` has rows of float32. ``.keys`` has an entry of 20 bytes for each row, written after it: 16 bytes of SHA-256,
and the CRC-32 of the row. An entry is valid if its row is complete; the next writer truncates incomplete rows of a
stopped process. Each writer locks its shard, so that processes can share a folder; readers need no lock.
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
    """One pair of files, open for reading.

    Attributes:
        path: The file of the keys.
        size: Bytes of a row.
        rows: Descriptor of the file of rows.
        entries: The entries with complete rows.
        used: Whether a row was read.
    """

    path: Path
    size: int
    rows: int
    entries: NDArray[np.void]
    used: bool = False

    def read(self, row: int) -> bytes | None:
        """The bytes of a row; None if they are damaged."""
        data = os.pread(self.rows, self.size, row * self.size)
        if len(data) != self.size or zlib.crc32(data) != self.entries["crc"][row]:
            return None
        self.used = True
        return data

    def close(self) -> None:
        """Closes the files, and updates the modification time if a row was read."""
        os.close(self.rows)
        if self.used:
            with suppress(OSError):
                os.utime(self.path)


def open_shards(folder: Path, size: int) -> Iterator[Shard]:
    """Opens every shard of a folder; its rows have ``size`` bytes."""
    for path in sorted(folder.glob("*.keys")):
        try:
            entries = np.frombuffer(path.read_bytes()[: _whole(path, size) * _ENTRY.itemsize], _ENTRY)
            yield Shard(path, size, os.open(path.with_suffix(".rows"), os.O_RDONLY), entries)
        except FileNotFoundError:  # another process deleted the shard
            continue


def _whole(path: Path, size: int) -> int:
    """The number of entries of a shard with a complete row."""
    return min(path.stat().st_size // _ENTRY.itemsize, path.with_suffix(".rows").stat().st_size // size)


@dataclass(slots=True)
class ShardWriter:
    """Appends to one locked shard; ``size`` is the number of bytes of its rows."""

    keys: BinaryIO
    rows: BinaryIO
    size: int

    @classmethod
    def begin(cls, folder: Path, size: int) -> "ShardWriter":
        """Opens a shard that is not full and not locked, else creates one."""
        for path in sorted(folder.glob("*.keys")):
            with suppress(OSError):
                if path.with_suffix(".rows").stat().st_size < SHARD_BYTES:
                    return cls._locked(path, size)
        for _ in range(_ATTEMPTS):
            path = folder / f"{secrets.token_hex(8)}.keys"
            for name in (path.with_suffix(".rows"), path):
                name.touch(exist_ok=False)
            with suppress(BlockingIOError):  # another process locked it first
                return cls._locked(path, size)
        raise OSError(f"No shard in {folder} can be locked. Use a cache on a local disk.")

    @classmethod
    def _locked(cls, path: Path, size: int) -> "ShardWriter":
        """Locks a shard and truncates incomplete rows; raises OSError if another process has locked it."""
        # Unbuffered, so that written rows survive a killed process, and an entry is written after its row.
        keys = path.open("r+b", buffering=0)
        try:
            fcntl.flock(keys, fcntl.LOCK_EX | fcntl.LOCK_NB)
            whole = _whole(path, size)
            rows = path.with_suffix(".rows").open("r+b", buffering=0)
        except OSError:
            keys.close()
            raise
        for file, item_size in ((keys, _ENTRY.itemsize), (rows, size)):
            file.truncate(whole * item_size)
            file.seek(0, os.SEEK_END)
        return cls(keys, rows, whole * size)

    @property
    def full(self) -> bool:
        """Whether to continue in another shard."""
        return self.size >= SHARD_BYTES

    def write(self, key: bytes, row: bytes) -> None:
        """Appends a row and then its entry; raises OSError if the disk is full."""
        entry = key + zlib.crc32(row).to_bytes(4, "little")
        if self.rows.write(row) != len(row) or self.keys.write(entry) != len(entry):
            raise OSError(f"{self.rows.name} has an incomplete row: the disk is full. Free some space.")
        self.size += len(row)

    def close(self) -> None:
        """Closes both files, which releases the lock."""
        self.rows.close()
        self.keys.close()
