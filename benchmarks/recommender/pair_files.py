"""Files of LightGCN's form, one line a user, ``user item item ...``, and what is held out of them."""

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics.sparse import place_within
from larder_training.recommender.data.event_log import Log
from larder_training.recommender.models.base import Material
from larder_training.recommender.models.interaction_matrix import seen_pairs

_COMMON: Final = 5  # pairs of an item, for it to tell whether a split is drawn at random

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


def read_split(train: Path, test: Path, share: float | None, seed: int) -> Split:
    """The files' split, or one inside the training file."""
    pairs = read(train)
    asked = read(test) if share is None else None
    shape = tuple(int(max(part[axis].max() for part in (pairs, asked) if part)) + 1 for axis in (0, 1))
    if asked is None:
        away = held_out(*pairs, share or 0, seed)
        pairs, asked = (pairs[0][~away], pairs[1][~away]), (pairs[0][away], pairs[1][away])
    print(f"{shape[0]:,} users, {shape[1]:,} items, {len(pairs[0]):,} pairs to learn from, {len(asked[0]):,} asked for")
    print(f"items' shares in what is asked vary {dispersion(pairs, asked, shape[1]):.2f} times as in a random draw")
    return Split.of(pairs, asked, (shape[0], shape[1]), seed)


def read(path: Path) -> Pairs:
    """Users and items of all pairs; a user without items has none."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        rows = [np.array(line.split(), np.int64) for line in lines]
    users = np.concatenate([np.repeat(row[:1], len(row) - 1) for row in rows])
    return users, np.concatenate([row[1:] for row in rows])


def held_out(users: NDArray[np.int64], items: NDArray[np.int64], share: float, seed: int) -> NDArray[np.bool_]:
    """A share of each user's pairs (rounded): the last of his line. Where the lines are sorted by item, their order
    tells no time, and the share is drawn by ``seed``.
    """
    counts = np.bincount(users)
    rank = place_within(users)
    drawn = bool((np.diff(items)[np.diff(users) == 0] > 0).all())
    order = np.lexsort((np.random.default_rng(seed).random(len(users)) if drawn else -rank, users))
    away = np.zeros(len(users), bool)
    away[order] = rank < np.floor(counts * share + 0.5)[users[order]]
    print("held out: " + ("drawn, since the lines are sorted by item" if drawn else "the last of each line"))
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


def dispersion(train: Pairs, test: Pairs, items: int) -> float:
    """The variance of items' shares in the test over that of a random draw (Pearson's chi-squared per item): about 1
    where the split is one.
    """
    learnt, asked = (np.bincount(pairs[1], minlength=items) for pairs in (train, test))
    both = learnt + asked
    share = asked.sum() / both.sum()
    common = both >= _COMMON
    apart = (asked - both * share)[common] ** 2 / (both * share * (1 - share))[common]
    return float(apart.mean())
