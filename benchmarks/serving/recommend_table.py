"""The time and memory of a request to the recommend function with a million users in a local table.

The handler gets the event of API Gateway for ``GET /v1/models/shop/recommend?user=...&n=20``, each time for another
user: routing, checks, the user's row, the rows for the reasons, JSON and the log line; then the events of sessions with
20 items. Run from the repository's root: ``.venv/bin/python benchmarks/serving/recommend_table.py``. Needs 2 GB of
temporary disk. ``--slots 100 --recent 50 --neighbours 100`` are the widths that training writes; ``--transitions`` adds
co-visitation and repeat consumption.
"""

import argparse
import contextlib
import gc
import json
import os
import platform
import random
import re
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from larder.release.pointer import Pointer, dump_pointer
from larder.release.serving import RecommenderServing, TableSpec
from larder_training.release.tables import write_dense, write_keyed, write_vocabulary
from larder_training.release.writer import write_release

MIB = 2**20
EVENT = Path(__file__).parents[2] / "tests/events/recommend/recommend_by_query.json"
SESSION = 20


def main() -> None:
    """Writes a release and measures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--slots", type=int, default=50, help="recommendations per user")
    parser.add_argument("--recent", type=int, default=10, help="recent items per user")
    parser.add_argument("--neighbours", type=int, default=50, help="slots of the rows of items and segments")
    parser.add_argument("--transitions", action="store_true", help="add co-visitation and repeat consumption")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        write(Path(folder), options)
        os.environ |= {
            "LARDER_STORE": (Path(folder) / "store").as_uri(),
            "LARDER_CACHE_DIR": str(Path(folder) / "cache"),
            "LARDER_CACHE_BYTES": "200000000",
            "LARDER_REFRESH_SECONDS": "30",
            "LARDER_MAX_PIXELS": "50000000",
            "LARDER_AUTHORIZATION": "NONE",
        }
        print(f"python {platform.python_version()} on {platform.machine()}, {options.users:,} users")
        measure(options.users, options.items, options.requests)


def write(folder: Path, options: argparse.Namespace) -> None:
    """Writes a live release of random rows; the arrays of the users' table are on disk."""
    rng = np.random.default_rng(0)
    items, width = options.items, options.neighbours
    tables = folder / "tables"
    tables.mkdir()
    write_vocabulary(tables / "items.safetensors", [f"item-{number}" for number in range(items)], {})
    near = rng.integers(0, items, (items, width)).astype(np.uint32)
    serving = RecommenderServing(
        items_file="items.safetensors",
        items=items,
        columns={},
        neighbours=write_dense(tables / "neighbours.safetensors", near, _descending(rng, near.shape)),
        users=_write_users(tables, options),
        user_slots=options.slots,
        segments=write_keyed(tables / "segments.safetensors", [""], near[:1], _descending(rng, (1, width))),
        segments_by=(),
        profile={},
        weights={"user": 1.0, "session": 0.5, "segment": 0.1},
        session_decay=0.8,
        session_length=SESSION,
    )
    if options.transitions:
        next_ = rng.integers(0, items, near.shape).astype(np.uint32)
        serving = replace(
            serving,
            transitions=write_dense(tables / "transitions.safetensors", next_, _descending(rng, near.shape)),
            weights={**serving.weights, "transition": 0.5, "revisit": 0.25},
            transition_decay=0.5,
            revisit_decay=0.8,
        )
    files = {path.name: path for path in tables.glob("*.safetensors")}
    release = write_release(
        folder / "store/models/shop/releases",
        model="shop",
        kind="recommender",
        serving=serving,
        files=files,
        evaluation={},
        training={},
        structure={},
    )
    (release.parents[1] / "live.json").write_bytes(dump_pointer(Pointer(release.name)))
    for path in tables.iterdir():
        path.unlink()


def _write_users(tables: Path, options: argparse.Namespace) -> TableSpec:
    rng = np.random.default_rng(1)
    users, slots = options.users, options.slots
    numbers = np.memmap(tables / "numbers", np.uint32, "w+", shape=(users, slots + options.recent))
    scores = np.memmap(tables / "scores", np.float16, "w+", shape=numbers.shape)
    for start in range(0, users, 65_536):
        block = numbers[start : start + 65_536].shape
        numbers[start : start + 65_536] = rng.integers(0, options.items, block)
        scores[start : start + 65_536, :slots] = _descending(rng, (block[0], slots))
    return write_keyed(tables / "users.safetensors", [f"user-{number}" for number in range(users)], numbers, scores)


def _descending(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.sort(rng.uniform(0.01, 1, shape))[:, ::-1]


def measure(users: int, items: int, requests: int) -> None:
    """Prints the latency for known users, unknown users and sessions, and the growth of memory over the first."""
    from recommend import app

    event = json.loads(EVENT.read_text())
    draw = random.Random(2)  # noqa: S311  # not a secret
    with Path(os.devnull).open("w") as log, contextlib.redirect_stdout(log):
        for number in range(1_000):
            timed_request(app.handler, event, user=f"user-{number}")
        gc.collect()
        before = resident()
        known = [timed_request(app.handler, event, user=f"user-{draw.randrange(users)}") for _ in range(requests)]
        after = resident()
        unknown = [timed_request(app.handler, event, user=f"unknown-{number}") for number in range(requests // 10)]
        item_lists = [",".join(f"item-{draw.randrange(items)}" for _ in range(SESSION)) for _ in range(requests // 10)]
        sessions = [timed_request(app.handler, event, session=items) for items in item_lists]
    for name, seconds in (("known user", known), ("unknown user", unknown), ("session", sessions)):
        for clock, times in zip(("wall", "thread"), zip(*seconds, strict=True), strict=True):
            cuts = statistics.quantiles(times, n=100)
            print(f"{name:14} {clock:6} {1e3 * cuts[49]:7.3f} ms p50, {1e3 * cuts[98]:7.3f} ms p99")
    for kind in before:
        print(f"{kind:14} {before[kind] / MIB:7.1f} MiB, {(after[kind] - before[kind]) / MIB:+7.1f} MiB growth")


def timed_request(handler: Any, event: dict[str, Any], **query: str) -> tuple[float, float]:  # noqa: ANN401  # the handler of any function
    """The wall time and the thread time of the handler for a query, in seconds."""
    path = "/v1/models/shop/recommend"
    context = {**event["requestContext"], "http": {**event["requestContext"]["http"], "path": path, "method": "GET"}}
    request = {**event, "rawPath": path, "requestContext": context, "queryStringParameters": {**query, "n": "20"}}
    request["pathParameters"] = {"model": "shop"}
    begun, worked = time.perf_counter(), time.thread_time()
    response = handler(request, None)
    seconds = time.perf_counter() - begun, time.thread_time() - worked
    if response["statusCode"] != 200:
        sys.exit(f"The handler returned {response}")
    return seconds


def resident() -> dict[str, int]:
    """Bytes of this process in memory, by kind (Linux)."""
    if sys.platform != "linux":
        sys.exit("Memory is read from /proc/self/status: run this on Linux.")
    status = Path("/proc/self/status").read_text()
    return {kind: int(kib) * 1024 for kind, kib in re.findall(r"(Rss\w+|VmRSS):\s+(\d+) kB", status)}


if __name__ == "__main__":
    main()
