"""Latency and memory of look-ups in a local table of a million users.

Run from the repository's root: ``.venv/bin/python benchmarks/tables/lookup.py``. Needs 2 GB of temporary disk.
"""

import argparse
import platform
import random
import re
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from larder.release.serving import TableSpec
from larder.tables import KeyedTable, MappedFile
from larder_training.release.tables import write_keyed

MIB = 2**20


def main() -> None:
    """Writes the table and measures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=60)
    parser.add_argument("--lookups", type=int, default=100_000)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "users.safetensors"
        started = time.perf_counter()
        spec = write(path, options.users, options.width)
        print(f"python {platform.python_version()} on {platform.machine()}, {options.users:,} users x {options.width}")
        print(f"{'written in':32} {time.perf_counter() - started:10.1f} s")
        print(f"{'file':32} {path.stat().st_size / MIB:10.1f} MiB, head {spec.head_bytes:,} bytes")
        measure(path, spec, options.lookups)


def write(path: Path, users: int, width: int) -> TableSpec:
    """Writes a table of random rows; its arrays are on disk, as for a table that is larger than memory."""
    rng = np.random.default_rng(0)
    items = np.memmap(path.with_name("items"), np.uint32, "w+", shape=(users, width))
    scores = np.memmap(path.with_name("scores"), np.float16, "w+", shape=(users, width))
    for start in range(0, users, 65_536):
        block = items[start : start + 65_536].shape
        items[start : start + 65_536] = rng.integers(0, 100_000, block)
        scores[start : start + 65_536] = np.sort(rng.random(block))[:, ::-1]
    return write_keyed(path, [f"user-{number}" for number in range(users)], items, scores)


def measure(path: Path, spec: TableSpec, lookups: int) -> None:
    """Prints the latency of look-ups of known and unknown users, and the growth of memory."""
    draw = random.Random(1)  # noqa: S311  # not a secret
    known = [f"user-{draw.randrange(spec.rows)}" for _ in range(lookups)]
    with MappedFile(path) as reader:
        started = time.perf_counter()
        table = KeyedTable.open(reader, spec)
        print(f"{'opened in':32} {(time.perf_counter() - started) * 1e3:10.2f} ms")
        before = resident()
        report("known user", [timed(table, user) for user in known])
        after = resident()
        report("unknown user", [timed(table, f"unknown-{number}") for number in range(lookups)])
    for kind, name in (("RssAnon", "own memory"), ("RssFile", "mapped pages (page cache)")):
        print(f"{name + ', growth':32} {(after[kind] - before[kind]) / MIB:10.1f} MiB over {lookups:,} users")


def timed(table: KeyedTable, user: str) -> int:
    """Nanoseconds of one look-up."""
    started = time.perf_counter_ns()
    table.lookup(user)
    return time.perf_counter_ns() - started


def report(name: str, nanoseconds: list[int]) -> None:
    """Prints the median and the 99th percentile."""
    p50, p99 = np.percentile(nanoseconds, [50, 99]) / 1e3
    print(f"{name:32} {p50:10.1f} us median, {p99:.1f} us p99")


def resident() -> dict[str, int]:
    """Bytes of this process in memory, by kind (Linux)."""
    if sys.platform != "linux":
        sys.exit("Memory is read from /proc/self/status: run this on Linux.")
    status = Path("/proc/self/status").read_text()
    return {kind: int(kib) * 1024 for kind, kib in re.findall(r"(Rss\w+):\s+(\d+) kB", status)}


if __name__ == "__main__":
    main()
