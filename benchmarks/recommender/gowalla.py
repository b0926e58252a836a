"""Collaborative filtering on files of LightGCN's form, one line a user: ``user item item ...``.

Every item is ranked for every user; those of his training line are left out. The lists that are measured are the rows
that a table would store (float16, 50 a user). Run from the repository's root:

    python benchmarks/recommender/gowalla.py
    python benchmarks/recommender/gowalla.py --train yelp2018/train.txt --test yelp2018/test.txt
    python benchmarks/recommender/gowalla.py --tune
"""

import argparse
import gzip
import resource
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.recommender.affinity import seen_pairs
from larder_training.recommender.blend import Blend, Pools, WeightTrial, choose_weights
from larder_training.recommender.learner import Learner, Material, Scorer
from larder_training.recommender.linear import LinearModel, Regression, single_threaded_blas
from larder_training.recommender.log import Log
from larder_training.recommender.low_rank import LowRank
from larder_training.recommender.metrics import Values, bootstrap, by_user, hits
from larder_training.recommender.popular import Popularity
from larder_training.recommender.ranking import Rows, dense_rows, hide, in_blocks
from larder_training.recommender.user_neighbours import UserNeighbours

SHARED: Final = Path(__file__).parents[3] / "shared" / "data" / "gowalla"
LEARNERS: Final[Mapping[str, Learner]] = {
    "popularity": Popularity(),
    "item neighbours": LinearModel(Regression(ridge=4.0, dropout=0.45, width=300)),
    "user neighbours": UserNeighbours(),
    "low rank": LowRank(),
}
WEIGHTS: Final = {"item neighbours": 0.46, "user neighbours": 0.15, "low rank": 0.39}  # chosen on held-out pairs
WIDTH: Final = 50
BLOCK: Final = 512  # users whose dense scores are held at once, on each core
TUNING_USERS: Final = 4000

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """``train`` is what is learnt from and hidden, ``truth`` what is asked; bool ``[users, items]`` both."""

    material: Material
    train: sp.csr_array
    truth: sp.csr_array

    @classmethod
    def of(cls, train: Pairs, truth: Pairs, shape: tuple[int, int], seed: int) -> "Split":
        """Makes a log without times of the pairs."""
        learnt, asked = log_of(train, shape), log_of(truth, shape)
        seen = seen_pairs(learnt)
        return cls(Material(learnt, 1, seen.astype(np.float64), seed=seed), seen, seen_pairs(asked))


def main() -> None:
    """Prints a table: each method alone, and the blend."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, default=SHARED / "train.txt.gz", help=".txt or .txt.gz")
    parser.add_argument("--test", type=Path, default=SHARED / "test.txt.gz", help="not read with --tune or --holdout")
    parser.add_argument("--holdout", type=float, help="measure on this share of each user's training items instead")
    parser.add_argument("--tune", action="store_true", help="choose the blend's weights on a held-out tenth of --train")
    parser.add_argument("--only", nargs="*", choices=LEARNERS, help="methods; all by default")
    parser.add_argument("--weights", nargs=3, type=float, default=WEIGHTS.values(), metavar=("ITEMS", "USERS", "RANK"))
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    share = given.holdout or (0.1 if given.tune else None)
    split = read_split(given.train, given.test, share, given.seed)
    scorers, seconds = fit({name: LEARNERS[name] for name in given.only or LEARNERS}, split.material)
    if given.tune:
        tune(scorers, split, given.seed)
    else:
        report(scorers, seconds, split, dict(zip(WEIGHTS, given.weights, strict=True)), given.seed)


def read_split(train: Path, test: Path, share: float | None, seed: int) -> Split:
    """The files' split, or one inside the training file."""
    pairs = read(train)
    asked = read(test) if share is None else None
    shape = tuple(int(max(part[axis].max() for part in (pairs, asked) if part)) + 1 for axis in (0, 1))
    if asked is None:
        away = held_out(pairs[0], share or 0, seed)
        pairs, asked = (pairs[0][~away], pairs[1][~away]), (pairs[0][away], pairs[1][away])
    print(f"{shape[0]:,} users, {shape[1]:,} items, {len(pairs[0]):,} pairs to learn from, {len(asked[0]):,} asked for")
    return Split.of(pairs, asked, (shape[0], shape[1]), seed)


def read(path: Path) -> Pairs:
    """Users and items of all pairs; a user without items has none."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        rows = [np.array(line.split(), np.int64) for line in lines]
    users = np.concatenate([np.repeat(row[:1], len(row) - 1) for row in rows])
    return users, np.concatenate([row[1:] for row in rows])


def held_out(users: NDArray[np.int64], share: float, seed: int) -> NDArray[np.bool_]:
    """A share of each user's pairs (rounded), drawn by ``seed``."""
    order = np.lexsort((np.random.default_rng(seed).random(len(users)), users))
    counts = np.bincount(users)
    rank = np.arange(len(users)) - np.repeat(np.cumsum(counts) - counts, counts)
    away = np.zeros(len(users), bool)
    away[order] = rank < np.floor(counts * share + 0.5)[users[order]]
    return away


def log_of(pairs: Pairs, shape: tuple[int, int]) -> Log:
    """Events of one type, all at once."""
    count = len(pairs[0])
    names = [[str(number) for number in range(n)] for n in shape]
    return Log(
        names[0],
        names[1],
        ["interaction"],
        pairs[0].astype(np.int32),
        pairs[1].astype(np.int32),
        np.zeros(count, np.int16),
        np.zeros(count, np.int64),
        np.full(count, np.nan, np.float32),
    )


def fit(learners: Mapping[str, Learner], material: Material) -> tuple[dict[str, Scorer], dict[str, float]]:
    """All scorers, and the seconds that each took."""
    scorers, seconds = {}, {}
    for name, learner in learners.items():
        started = time.perf_counter()
        scorers[name] = learner.fit(material)
        seconds[name] = time.perf_counter() - started
        print(f"{name}: fitted in {seconds[name]:.1f} s, peak {peak():.2f} GiB", flush=True)
    return scorers, seconds


def tune(scorers: Mapping[str, Scorer], split: Split, seed: int) -> None:
    """Prints every trial of the blend's weights."""
    users = np.flatnonzero(np.diff(split.truth.indptr))
    if len(users) > TUNING_USERS:
        users = np.sort(np.random.default_rng(seed).choice(users, TUNING_USERS, replace=False))
    personal = {name: scorer for name, scorer in scorers.items() if name != "popularity"}
    blend = Blend.of(personal, {}, users)
    pools = Pools.of(personal, users, split.truth[users], split.train[users])
    weights, trials = choose_weights(pools, blend.spreads)
    for trial in trials:
        print(told(trial))
    print("chosen:", weights)


def told(trial: WeightTrial) -> str:
    """A line of the table of trials."""
    return f"{trial.metric:.5f}  " + ", ".join(f"{name} {weight:.3f}" for name, weight in trial.weights.items())


def report(
    scorers: dict[str, Scorer], seconds: dict[str, float], split: Split, weights: Mapping[str, float], seed: int
) -> None:
    """Ranks everything and prints the table."""
    known = {name: weight for name, weight in weights.items() if name in scorers}
    if len(known) > 1:
        started = time.perf_counter()
        scorers["blend"] = Blend.of(scorers, known, np.arange(split.train.shape[0]))
        seconds["blend"] = sum(seconds[name] for name in known) + time.perf_counter() - started
    users = np.flatnonzero(np.diff(split.truth.indptr))
    truth = split.truth[users]
    values: dict[str, Values] = {}
    ranking: dict[str, float] = {}
    for name, scorer in scorers.items():
        started = time.perf_counter()
        rows = table_rows(scorer, split.train)
        ranking[name] = time.perf_counter() - started
        found = hits(rows.items[users].astype(np.int64), truth)
        values[name] = by_user(found, np.diff(truth.indptr).astype(np.int64), (20,))
    print(f"{'':18} {'recall@20':26} {'NDCG@20':26} {'fit':>8} {f'top {WIDTH}':>8}")
    for name, metrics in bootstrap(values, seed).items():
        cells = [interval(metrics[metric]) for metric in ("recall@20", "ndcg@20")]
        print(f"{name:18} {cells[0]:26} {cells[1]:26} {seconds[name]:>6.1f} s {ranking[name]:>6.1f} s")
    size = 8 + 6 * WIDTH + 8 / 256
    print(f"peak {peak():.2f} GiB; a row of {WIDTH} in the users table: {size:.1f} bytes a user")


def interval(metric: Mapping[str, Any]) -> str:  # Any: JSON
    """Mean and its 95 % interval."""
    low, high = metric["interval"]
    return f"{metric['mean']:.4f} [{low:.4f}, {high:.4f}]"


def table_rows(scorer: Scorer, hidden: sp.csr_array) -> Rows:
    """The best ``WIDTH`` items of all users, without what they had: as ``larder train`` would write them."""
    rows = Rows.empty(hidden.shape[0], WIDTH)

    def fill(start: int, end: int) -> None:
        scores = scorer.scores(np.arange(start, end))
        hide(scores, hidden[start:end])
        found = dense_rows(scores, WIDTH)
        rows.items[start:end], rows.scores[start:end] = found.items, found.scores

    with single_threaded_blas():
        in_blocks(hidden.shape[0], BLOCK, fill)
    return rows


def peak() -> float:
    """GiB that this process has held at most; Linux counts in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
