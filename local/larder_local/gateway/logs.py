"""The output of the workers: one file per function, as CloudWatch has one log group per function."""

import asyncio
import contextlib
import os
from pathlib import Path
from typing import IO, Final

KEPT: Final = 4
_LARGEST: Final = 8 * 2**20
_LONGEST_LINE: Final = 2**16


def full_files(path: Path) -> dict[int, Path]:
    """The full files of the log ``path`` that are kept, by number, oldest first."""
    found = {}
    for file in path.parent.glob(f"{path.name}.*"):
        number = file.name.removeprefix(f"{path.name}.")
        if number.isdecimal():
            found[int(number)] = file
    return dict(sorted(found.items()))


class FunctionLog:
    """Appends whole lines to ``path``; at 8 MiB the file is renamed to ``<path>.<number>`` and a new one begins.

    The numbers go up, and the newest KEPT full files stay, so that who reads the log from time to time misses nothing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] = path.open("ab", buffering=0)

    def write(self, lines: bytes) -> None:
        """Appends whole lines, so that the lines of several workers do not mix."""
        with contextlib.suppress(OSError):  # a full disk loses log lines, not responses
            if os.fstat(self._file.fileno()).st_size + len(lines) > _LARGEST:
                self._file.close()
                self._rename()
                self._file = self.path.open("ab", buffering=0)
            self._file.write(lines)

    def _rename(self) -> None:
        full = full_files(self.path)
        number = max(full, default=0) + 1
        self.path.replace(self.path.with_name(f"{self.path.name}.{number}"))
        for old in list(full.values())[: max(0, len(full) + 1 - KEPT)]:
            old.unlink()

    async def copy(self, stream: asyncio.StreamReader) -> None:
        """Copies a worker's output until it ends."""
        rest = b""
        while chunk := await stream.read(_LONGEST_LINE):
            lines, newline, rest = (rest + chunk).rpartition(b"\n")
            if len(rest) > _LONGEST_LINE:
                lines, rest = lines + newline + rest, b""
            if lines:
                self.write(lines + b"\n")
        if rest:
            self.write(rest + b"\n")

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
