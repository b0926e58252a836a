"""Time and peak memory of reading and of training by the number of events, on a generated log.

    python benchmarks/recommender/scale.py                       # 5, 10, 25 and 50 million events; writes scale.svg
    python benchmarks/recommender/scale.py --stage read --events 5 10

The log is generated from a seed, in files of a million events. Each user has a taste, sessions have a topic, and item
popularity follows Zipf's law. Each size runs in its own process, with fixed hyperparameters and without a reranker.
Memory is the peak resident memory of the process (ru_maxrss).
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

MILLION: Final = 1_000_000
START: Final = 1_700_000_000  # epoch seconds
DAYS: Final = 365
TYPES: Final = ("cart", "pay", "view")
SHARES: Final = (0.12, 0.08, 0.8)
TASTES: Final = 50
EVENTS_PER_USER: Final = 50
LIMIT_GIB: Final = 8.0
Format = Literal["parquet", "csv"]


def generate(folder: Path, events: int, items: int, seed: int, written_as: Format) -> None:
    """Writes ``events`` events in files of a million. The number of users, and so each file, depends on ``events``."""
    users = max(events // EVENTS_PER_USER, 1)
    for number, first in enumerate(range(0, events, MILLION)):
        chunk = _chunk(np.random.default_rng([seed, number]), min(MILLION, events - first), users, items)
        path = folder / f"part-{number:05}.{written_as}"
        if written_as == "csv":
            chunk.write_csv(path)
        else:
            chunk.write_parquet(path)


def _chunk(random: np.random.Generator, events: int, users: int, items: int) -> pl.DataFrame:
    lengths = random.geometric(0.2, events)  # five events per session on average
    session = np.repeat(np.arange(events), lengths)[:events]
    sessions = int(session[-1]) + 1
    user = (users * random.random(sessions) ** 1.5).astype(np.int64)  # some are more active
    taste = np.where(random.random(sessions) < 0.7, user % TASTES, random.integers(0, TASTES, sessions))
    item = (_zipf(random, events, items) + taste[session] * (items // TASTES)) % items
    gaps = random.integers(2, 90, events)
    starts = np.flatnonzero(np.insert(session[1:] != session[:-1], 0, True))
    since = np.cumsum(gaps)
    start = START + random.integers(0, DAYS * 86_400, sessions)
    moment = start[session] + since - since[starts][session]
    return pl.DataFrame({"user": user[session], "item": item, "TIMESTAMP": moment}).select(
        pl.format("u{}", pl.col("user").cast(pl.String).str.zfill(8)).alias("USER_ID"),
        pl.format("p{}", pl.col("item").cast(pl.String).str.zfill(6)).alias("ITEM_ID"),
        "TIMESTAMP",
        pl.Series("EVENT_TYPE", np.array(TYPES)[random.choice(len(TYPES), events, p=SHARES)]),
    )


def _zipf(random: np.random.Generator, events: int, items: int) -> NDArray[np.int64]:
    """Random ranks from 0; the k-th has a probability proportional to 1/k."""
    shares = np.cumsum(1 / np.arange(1, items + 1))
    ranks: NDArray[np.int64] = np.searchsorted(shares, random.random(events) * shares[-1]).astype(np.int64)
    return ranks


def measure(folder: Path, stage: str) -> dict[str, float]:
    """Reads the log or trains on it in this process; returns seconds, processor seconds and peak GiB."""
    from larder_training.recommender.config.options import RecommenderOptions
    from larder_training.recommender.data.interactions import read_interactions
    from larder_training.recommender.train import train
    from larder_training.reporting.progress import Progress

    start = time.monotonic()
    if stage == "read":
        read_interactions(folder)
    else:
        with tempfile.TemporaryDirectory(prefix="larder-") as out:
            options = RecommenderOptions(
                folder,
                "scale",
                out=Path(out),
                event_weights={"view": 1.0, "cart": 3.0, "pay": 5.0},
                half_life_days=90.0,
                repeats="never",
                width=100,
                minutes=None,
                trials=0,
                reranker="never",
                without=("item_knn",),  # EASE is slower and needs more memory
            )
            train(options, Progress())
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": round(time.monotonic() - start, 1),
        "processor": round(used.ru_utime + used.ru_stime, 1),
        "gib": round(used.ru_maxrss / 2**20, 2),
    }


def plot(results: dict[int, dict[str, float]], stage: str, path: Path) -> None:
    """Plots time and memory by the number of events."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(8, 3.2), layout="constrained")
    time_axes, memory_axes = drawing.subplots(1, 2)
    for axes, name, label in (
        (time_axes, "processor", "processor time"),
        (time_axes, "seconds", "wall-clock time"),
        (memory_axes, "gib", ""),
    ):
        axes.plot(list(results), [result[name] for result in results.values()], marker="o", label=label)
    time_axes.legend(frameon=False)
    for axes, label in ((time_axes, "seconds"), (memory_axes, "peak GiB")):
        axes.set_xlabel(f"million events ({stage})")
        axes.set_ylabel(label)
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
    memory_axes.axhline(LIMIT_GIB, linestyle="--", color="grey")
    drawing.savefig(path, metadata={"Date": None})


def main() -> None:
    """Prints a table and writes a plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=[5, 10, 25, 50], help="millions")
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--format", choices=["parquet", "csv"], default="parquet")
    parser.add_argument("--stage", choices=["read", "train"], default="train")
    parser.add_argument("--plot", type=Path, help="SVG file [default for train: scale.svg in this folder]")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one, arguments.stage)))
        return
    results: dict[int, dict[str, float]] = {}
    print(f"{'million events':>14} {'seconds':>9} {'processor':>9} {'peak GiB':>9}")
    for millions in arguments.events:
        with tempfile.TemporaryDirectory(prefix="larder-scale-") as folder:
            generate(Path(folder), millions * MILLION, arguments.items, arguments.seed, arguments.format)
            command = [sys.executable, __file__, "--one", folder, "--stage", arguments.stage]
            process = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603  # this script
        results[millions] = json.loads(process.stdout.splitlines()[-1])
        row = results[millions]
        print(f"{millions:>14} {row['seconds']:>9.1f} {row['processor']:>9.1f} {row['gib']:>9.2f}", flush=True)
    path = arguments.plot or (Path(__file__).with_name("scale.svg") if arguments.stage == "train" else None)
    if path:
        plot(results, arguments.stage, path)


if __name__ == "__main__":
    main()
