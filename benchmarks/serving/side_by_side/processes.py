"""The processes of this benchmark: their cores, processor seconds and memory."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

LOAD_CORE: Final = 0  # the load, the object store and this program
SERVING_CORE: Final = 1  # the measured processes alone
_TICK: Final = os.sysconf("SC_CLK_TCK")
_STOP_SECONDS: Final = 20.0
_ENDED: Final = (FileNotFoundError, ProcessLookupError)  # how /proc reports a process that has ended


@contextmanager
def started(
    command: Sequence[str | Path], *, log: Path, core: int, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs ``command`` on ``core`` until the block ends, its output in ``log``."""
    pinned = ["taskset", "-c", str(core), *map(str, command)]
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603  commands of this benchmark
            pinned,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the process and its children, which have their own process group."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(_STOP_SECONDS)
        except ProcessLookupError:
            process.wait()
        except subprocess.TimeoutExpired:
            continue


def tree(root: int) -> list[int]:
    """The process and its descendants; a process or thread that ends meanwhile is left out."""
    processes = [root]
    try:
        tasks = list(Path(f"/proc/{root}/task").iterdir())
    except _ENDED:
        return processes
    for task in tasks:
        for child in _read(task / "children").split():
            processes += tree(int(child))
    return processes


def cpu_seconds(roots: Sequence[int]) -> float:
    """Processor time, user and system, that the running processes of these trees have used so far."""
    ticks = 0
    for process in _all(roots):
        fields = _read(Path(f"/proc/{process}/stat")).rpartition(")")[2].split()
        if fields:
            ticks += int(fields[11]) + int(fields[12])  # utime and stime, proc(5)
    return ticks / _TICK


def memory(roots: Sequence[int]) -> int:
    """Bytes in memory of these trees; a page that several processes share is divided among them (PSS)."""
    total = 0
    for process in _all(roots):
        lines = _read(Path(f"/proc/{process}/smaps_rollup")).splitlines()
        total += sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


def _read(path: Path) -> str:
    """The text of a file of /proc, empty if its process has ended: it may end between the listing and the read."""
    try:
        return path.read_text()
    except _ENDED:
        return ""


def _all(roots: Sequence[int]) -> list[int]:
    return [process for root in roots for process in tree(root)]


def size(*folders: Path) -> int:
    """Bytes of the files in these folders; a link counts as a link."""
    return sum(path.lstat().st_size for folder in folders for path in folder.rglob("*") if not path.is_dir())
