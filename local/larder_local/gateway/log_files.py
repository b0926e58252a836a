"""Reads the log files of `larder up`, each line once, while they are written and renamed."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from larder.rollout.canary.log_source import LogPage
from larder_local.gateway.logs import full_files

_OF_CANARY: Final = b'"arm": "'
Places = dict[str, tuple[int, int]]


class LogFiles:
    """A LogSource of the files in a folder: the lines of requests whose key chose a release.

    The place in the log is, by function, the number that the file has or will have once it is full, and the bytes of
    it that were read.
    """

    def __init__(self, folder: Path) -> None:
        """Read the logs in ``folder``, which need not exist."""
        self._folder = folder

    def pages(self, read_until: str | None, since: datetime) -> Iterator[LogPage]:
        """A page for each file with something new; full files first."""
        del since  # who adds the lines up leaves earlier ones out
        places: Places = {name: (place[0], place[1]) for name, place in json.loads(read_until or "{}").items()}
        for path in sorted(self._folder.glob("*.log")):
            until = datetime.now(UTC)
            for number, file in _files(path, places.get(path.name, (0, 0))[0]):
                with file:
                    read, begin = places.get(path.name, (0, 0))
                    lines, end = _lines(file, begin if number == read else 0)
                places[path.name] = number, end
                yield LogPage(lines, json.dumps(places), until)


def _files(path: Path, first: int) -> Iterator[tuple[int, IO[bytes]]]:
    """The files of one log from number ``first`` on, with their numbers.

    The newest is opened first: if it is renamed meanwhile, it is still the file that was opened.
    """
    newest = _open(path)
    if newest is None:
        return
    full = {number: file for number, name in full_files(path).items() if (file := _open(name)) is not None}
    same = [number for number, file in full.items() if _inode(file) == _inode(newest)]
    last = same[0] if same else max(full, default=0) + 1
    for number, file in full.items():
        if first <= number < last:
            yield number, file
        else:
            file.close()
    yield last, newest


def _open(path: Path) -> IO[bytes] | None:
    """The file; None if it has just been renamed or removed."""
    try:
        return path.open("rb")
    except FileNotFoundError:
        return None


def _inode(file: IO[bytes]) -> int:
    return os.fstat(file.fileno()).st_ino


def _lines(file: IO[bytes], begin: int) -> tuple[list[str], int]:
    """The lines of a canary after the byte ``begin``, and the end of the last whole line."""
    end = begin if begin <= os.fstat(file.fileno()).st_size else 0  # someone has emptied it
    file.seek(end)
    found = []
    for line in file:
        if not line.endswith(b"\n"):
            break
        end += len(line)
        if _OF_CANARY in line:
            found.append(line.decode(errors="replace"))
    return found, end
