"""A reranker's candidates: what each of several scorers would put forward for each user, and what all of them say."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics.blas import single_threaded_blas
from larder_training.numerics.topk import best, in_blocks
from larder_training.recommender.models.base import Scorer

Scorers = Mapping[str, Scorer]
_DENSE: Final = 2**22  # scores of all scorers in a block of users: 16 MiB a thread


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Pairs of a user and an item: users in the order asked for, items ascending within each.

    ``users`` int64 ``[users]`` are those asked for; ``row`` int64 ``[pairs]`` is each pair's place among them and
    ``item`` int64 ``[pairs]`` its item. ``scores`` float32 ``[pairs, scorers]`` is what each scorer of ``names`` gives,
    NaN where that is 0: nothing known.
    """

    users: NDArray[np.int64]
    row: NDArray[np.int64]
    item: NDArray[np.int64]
    names: tuple[str, ...]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.item)

    @property
    def user(self) -> NDArray[np.int64]:
        """``[pairs]``: each pair's user, as the log numbers him."""
        return self.users[self.row]

    def take(self, chosen: NDArray[np.bool_]) -> "Candidates":
        """Some of the pairs, of the same users."""
        return replace(self, row=self.row[chosen], item=self.item[chosen], scores=self.scores[chosen])

    def labels(self, truth: sp.csr_array) -> NDArray[np.float32]:
        """``[pairs]``: 1 where the pair is in ``truth`` (bool ``[users asked for, items]``), else 0."""
        rows, items = truth.tocoo().coords
        width = truth.shape[1]
        wanted = rows.astype(np.int64) * width + items
        return np.isin(self.row * width + self.item, wanted).astype(np.float32)


def candidates(scorers: Scorers, users: NDArray[np.int64], n: int, hidden: sp.csr_array | None = None) -> Candidates:
    """The union of each scorer's ``n`` best items (with a score above 0) for each of ``users``, on all cores.

    ``hidden`` bool ``[users of the log, items]``: pairs that are no candidates. Of equal scores the first comes in.

    Memory: ``4 * scorers + 16`` bytes for each pair, and blocks of scores.
    """
    names = tuple(scorers)
    if not len(users):
        none = np.zeros(0, np.int64)
        return Candidates(users, none, none, names, np.zeros((0, len(names)), np.float32))
    items = int(next(iter(scorers.values())).scores(users[:1]).shape[1])
    found: dict[int, tuple[NDArray[np.int64], NDArray[np.float32]]] = {}

    def fill(start: int, end: int) -> None:
        pairs, scores = _block(scorers, users[start:end], n, hidden)
        found[start] = pairs + start * items, scores

    with single_threaded_blas():
        in_blocks(len(users), max(1, _DENSE // (items * len(names))), fill)
    pairs, scores = (np.concatenate(each) for each in zip(*(found[start] for start in sorted(found)), strict=True))
    return Candidates(users, pairs // items, pairs % items, names, scores)


def _block(
    scorers: Scorers, users: NDArray[np.int64], n: int, hidden: sp.csr_array | None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The candidates of a few users, ``row * items + item`` ascending, and their scores."""
    away = None if hidden is None else hidden[users].toarray()
    scores, listed = [], []
    for scorer in scorers.values():
        dense = scorer.scores(users)
        if away is not None:
            dense = np.where(away, np.float32(0), dense)
        scores.append(dense.ravel())
        listed += [row * dense.shape[1] + best(values, n).astype(np.int64) for row, values in enumerate(dense)]
    pairs = np.unique(np.concatenate(listed))
    given = np.stack([each[pairs] for each in scores], axis=1)
    given[given == 0] = np.nan
    return pairs, given
