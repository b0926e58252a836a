"""This benchmark's processes: each on the core it belongs to, counted in processor seconds and in bytes."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

LOAD_CORE: Final = 0  # the load, the object store and this program
SERVING_CORE: Final = 1  # what is measured, alone there
_TICK: Final = os.sysconf("SC_CLK_TCK")
_STOP_SECONDS: Final = 20.0


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
    """Ends the process and its children, which have a group of their own."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(_STOP_SECONDS)
        except ProcessLookupError:
            process.wait()
        except subprocess.TimeoutExpired:
            continue


def tree(root: int) -> list[int]:
    """The process and all below it."""
    found = [root]
    for task in Path(f"/proc/{root}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += tree(int(child))
    return found


def cpu_seconds(roots: Sequence[int]) -> float:
    """Processor time, user's and system's, that the trees below ``roots`` have used so far."""
    ticks = 0
    for process in _all(roots):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])  # utime and stime, proc(5)
    return ticks / _TICK


def memory(roots: Sequence[int]) -> int:
    """Bytes in memory of the trees below ``roots``; a page that several share is divided among them (PSS)."""
    total = 0
    for process in _all(roots):
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        total += next(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


def _all(roots: Sequence[int]) -> list[int]:
    return [process for root in roots for process in tree(root)]


def size(*places: Path) -> int:
    """Bytes of the files in these folders, as they lie unpacked; a link counts as what it is."""
    return sum(path.lstat().st_size for place in places for path in place.rglob("*") if not path.is_dir())
