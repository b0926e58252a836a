"""Seconds and peak memory of reading and of a whole training by the number of events, on a generated log.

    python benchmarks/recommender/scale.py                       # 5, 10, 25 and 50 million events; writes scale.svg
    python benchmarks/recommender/scale.py --stage read --events 5 10

The log is made by a seed, in files of a million events: users have a taste each, sessions a subject, items Zipf's law.
Each size runs in a process of its own with all settings fixed beforehand and no reranker; memory is the most that the
process had resident (ru_maxrss).
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
    """Writes ``events`` events in files of a million. The first files of a longer log are not those of a shorter one:
    users are drawn from as many as the length asks for.
    """
    users = max(events // EVENTS_PER_USER, 1)
    for number, first in enumerate(range(0, events, MILLION)):
        chunk = _chunk(np.random.default_rng([seed, number]), min(MILLION, events - first), users, items)
        path = folder / f"part-{number:05}.{written_as}"
        if written_as == "csv":
            chunk.write_csv(path)
        else:
            chunk.write_parquet(path)


def _chunk(random: np.random.Generator, events: int, users: int, items: int) -> pl.DataFrame:
    lengths = random.geometric(0.2, events)  # five events a session on average
    session = np.repeat(np.arange(events), lengths)[:events]
    sessions = int(session[-1]) + 1
    user = (users * random.random(sessions) ** 1.5).astype(np.int64)  # some come more often
    taste = np.where(random.random(sessions) < 0.7, user % TASTES, random.integers(0, TASTES, sessions))
    item = (_zipf(random, events, items) + taste[session] * (items // TASTES)) % items
    gaps = random.integers(2, 90, events)
    begins = np.flatnonzero(np.insert(session[1:] != session[:-1], 0, True))
    since = np.cumsum(gaps)
    start = START + random.integers(0, DAYS * 86_400, sessions)
    moment = start[session] + since - since[begins][session]
    return pl.DataFrame({"user": user[session], "item": item, "TIMESTAMP": moment}).select(
        pl.format("u{}", pl.col("user").cast(pl.String).str.zfill(8)).alias("USER_ID"),
        pl.format("p{}", pl.col("item").cast(pl.String).str.zfill(6)).alias("ITEM_ID"),
        "TIMESTAMP",
        pl.Series("EVENT_TYPE", np.array(TYPES)[random.choice(len(TYPES), events, p=SHARES)]),
    )


def _zipf(random: np.random.Generator, events: int, items: int) -> NDArray[np.int64]:
    """Ranks from 0, the k-th drawn in proportion to 1/k."""
    shares = np.cumsum(1 / np.arange(1, items + 1))
    ranks: NDArray[np.int64] = np.searchsorted(shares, random.random(events) * shares[-1]).astype(np.int64)
    return ranks


def one(folder: Path, stage: str) -> dict[str, float]:
    """Reads the log, or trains on it, in this process."""
    from larder_training.recommender.config.options import RecommenderOptions
    from larder_training.recommender.data.interactions import read_interactions
    from larder_training.recommender.train import train
    from larder_training.reporting.progress import Progress

    began = time.monotonic()
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
                without=("item_knn",),  # the regression is the slower and larger one
            )
            train(options, Progress())
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": round(time.monotonic() - began, 1),
        "processor": round(used.ru_utime + used.ru_stime, 1),
        "gib": round(used.ru_maxrss / 2**20, 2),
    }


def plot(found: dict[int, dict[str, float]], stage: str, path: Path) -> None:
    """Time and memory over the number of events."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(8, 3.2), layout="constrained")
    time_axes, memory_axes = drawing.subplots(1, 2)
    for axes, name, label in (
        (time_axes, "processor", "processor time"),
        (time_axes, "seconds", "by the clock"),
        (memory_axes, "gib", ""),
    ):
        axes.plot(list(found), [one[name] for one in found.values()], marker="o", label=label)
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
    """Prints a table and writes the plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=[5, 10, 25, 50], help="millions")
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--format", choices=["parquet", "csv"], default="parquet")
    parser.add_argument("--stage", choices=["read", "train"], default="train")
    parser.add_argument("--plot", type=Path, help="where the SVG goes [default: scale.svg beside this, for train]")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.one, given.stage)))
        return
    found: dict[int, dict[str, float]] = {}
    print(f"{'million events':>14} {'seconds':>9} {'processor':>9} {'peak GiB':>9}")
    for millions in given.events:
        with tempfile.TemporaryDirectory(prefix="larder-scale-") as folder:
            generate(Path(folder), millions * MILLION, given.items, given.seed, given.format)
            command = [sys.executable, __file__, "--one", folder, "--stage", given.stage]
            ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - this very script
        found[millions] = json.loads(ran.stdout.splitlines()[-1])
        row = found[millions]
        print(f"{millions:>14} {row['seconds']:>9.1f} {row['processor']:>9.1f} {row['gib']:>9.2f}", flush=True)
    path = given.plot or (Path(__file__).with_name("scale.svg") if given.stage == "train" else None)
    if path:
        plot(found, given.stage, path)


if __name__ == "__main__":
    main()
