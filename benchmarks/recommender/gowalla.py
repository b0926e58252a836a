"""Trains on Gowalla's pairs like ``larder train recommender --order random``, and evaluates on the published test set.

Files are in LightGCN's format, one line per user: ``user item item ...``. All items are ranked for every user, except
those of the user's training line, by the serving code. Run from the repository's root:

    python benchmarks/recommender/gowalla.py
    python benchmarks/recommender/gowalla.py --train yelp2018/train.txt --test yelp2018/test.txt
    python benchmarks/recommender/gowalla.py --train ordered.txt --order file
"""

import argparse
import resource
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from pair_files import dispersion, read, write_interactions

from larder_training.recommender.config.options import RecommenderOptions
from larder_training.recommender.evaluation.evaluate import evaluate
from larder_training.recommender.train import train
from larder_training.reporting.progress import Progress

SHARED: Final = Path(__file__).parents[3] / "shared" / "data" / "gowalla"
METRICS: Final = ("recall@20", "ndcg@20")


def main() -> None:
    """Prints the release's metrics and those of popularity, with 95 % intervals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, default=SHARED / "train.txt.gz", help=".txt or .txt.gz")
    parser.add_argument("--test", type=Path, default=SHARED / "test.txt.gz")
    parser.add_argument("--order", choices=("file", "random"), default="random", help="as in larder train recommender")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    pairs, test = read(arguments.train), read(arguments.test)
    print(
        f"variance of items' shares in the test: {dispersion(pairs, test):.2f} times that of a random split", flush=True
    )
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_interactions(folder / "train.csv", pairs)
        write_interactions(folder / "test.csv", test)
        options = RecommenderOptions(
            folder / "train.csv",
            "pairs",
            out=folder / "releases",
            order=arguments.order,
            repeats="never",
            minutes=None,
            seed=arguments.seed,
        )
        start = time.perf_counter()
        release = train(options, Progress())
        seconds = time.perf_counter() - start
        evaluation = evaluate(release, folder / "test.csv")
    for name, metrics in {"larder": evaluation["metrics"], **evaluation["baselines"]}.items():
        print(f"{name:12}", *(f"{metric} {interval(metrics[metric])}" for metric in METRICS))
    print(f"{evaluation['users']:,} users; trained in {seconds:.0f} s; peak {peak():.2f} GiB")


def interval(metric: Mapping[str, Any]) -> str:  # Any: JSON
    """Mean and its 95 % interval."""
    low, high = metric["interval"]
    return f"{metric['mean']:.4f} [{low:.4f}, {high:.4f}]"


def peak() -> float:
    """Peak memory of this process in GiB; Linux counts in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
