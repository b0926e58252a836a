"""Collaborative filtering on files of LightGCN's form, one line a user: ``user item item ...``.

Every item is ranked for every user; those of his training line are left out. The lists that are measured are the rows
that a table would store (float16, 50 a user). Run from the repository's root:

    python benchmarks/recommender/gowalla.py
    python benchmarks/recommender/gowalla.py --train yelp2018/train.txt --test yelp2018/test.txt
    python benchmarks/recommender/gowalla.py --tune
"""

import argparse
import resource
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import scipy.sparse as sp
from pair_files import Split, read_split

from larder_training.numerics.topk import Rows, dense_rows, hide, in_blocks
from larder_training.recommender.ensemble.blend import Blend, Pools, WeightTrial, choose_weights
from larder_training.recommender.metrics.ranking import Values, bootstrap, by_user, hits
from larder_training.recommender.models.base import Learner, Material, Scorer
from larder_training.recommender.models.ease import LinearModel, Regression, single_threaded_blas
from larder_training.recommender.models.popularity import Popularity
from larder_training.recommender.models.pure_svd import LowRank
from larder_training.recommender.models.user_ease import UserNeighbours

SHARED: Final = Path(__file__).parents[3] / "shared" / "data" / "gowalla"
BLENDED: Final = ("item neighbours", "user neighbours", "low rank")
WIDTH: Final = 50
BLOCK: Final = 512  # users whose dense scores are held at once, on each core
TUNING_USERS: Final = 4000


class Settings(NamedTuple):
    """The blend's learners in the order of ``BLENDED``, and the weight of each."""

    learners: tuple[LinearModel, UserNeighbours, LowRank]
    weights: tuple[float, float, float]


# Each by what was held out of training files to choose it: the last of each user's pairs, or pairs drawn at random.
SETTINGS: Final[Mapping[str, Settings]] = {
    "last": Settings(
        (
            LinearModel(Regression(ridge=8.0, dropout=0.65)),
            UserNeighbours(item_exponent=-0.05),
            LowRank(rank=640, item_exponent=0.45, rescale=0.5),
        ),
        (0.26, 0.37, 0.37),
    ),
    "drawn": Settings(
        (LinearModel(Regression(ridge=4.0, dropout=0.45, width=300)), UserNeighbours(), LowRank()), (0.46, 0.15, 0.39)
    ),
}


def main() -> None:
    """Prints a table: each method alone, and the blend."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, default=SHARED / "train.txt.gz", help=".txt or .txt.gz")
    parser.add_argument("--test", type=Path, default=SHARED / "test.txt.gz", help="not read with --tune or --holdout")
    parser.add_argument("--settings", choices=SETTINGS, default="last", help="which pairs they were chosen on")
    parser.add_argument("--holdout", type=float, help="measure on this share of each user's training items instead")
    parser.add_argument("--tune", action="store_true", help="choose the blend's weights on a held-out part of --train")
    parser.add_argument("--only", nargs="*", choices=("popularity", *BLENDED), help="methods; all by default")
    parser.add_argument("--weights", nargs=3, type=float, metavar=("ITEMS", "USERS", "RANK"))
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    share = given.holdout or (0.1 if given.tune else None)
    split = read_split(given.train, given.test, share, given.seed)
    settings = SETTINGS[given.settings]
    learners: dict[str, Learner] = {"popularity": Popularity(), **dict(zip(BLENDED, settings.learners, strict=True))}
    scorers, seconds = fit({name: learners[name] for name in given.only or learners}, split.material)
    if given.tune:
        tune(scorers, split, given.seed)
    else:
        report(scorers, seconds, split, dict(zip(BLENDED, given.weights or settings.weights, strict=True)), given.seed)


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
