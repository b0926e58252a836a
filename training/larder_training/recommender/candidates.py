"""A ranker's candidates: what each of several scorers would put forward for each user, and what all of them say."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.recommender.learner import Scorer
from larder_training.recommender.ranking import best, in_blocks

Sources = Mapping[str, Scorer]
_DENSE: Final = 2**22  # scores of all sources in a block of users: 16 MiB a thread


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Pairs of a user and an item: users in the order asked for, items ascending within each.

    ``users`` int64 ``[users]`` are those asked for; ``row`` int64 ``[pairs]`` is each pair's place among them and
    ``item`` int64 ``[pairs]`` its item. ``scores`` float32 ``[pairs, sources]`` is what each source of ``names`` gives
    (NaN: 0, nothing known), ``ranks`` float32 the item's place in the source's list, 0 the best, NaN beyond its end.
    """

    users: NDArray[np.int64]
    row: NDArray[np.int64]
    item: NDArray[np.int64]
    names: tuple[str, ...]
    scores: NDArray[np.float32]
    ranks: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.item)

    @property
    def user(self) -> NDArray[np.int64]:
        """``[pairs]``: each pair's user, as the log numbers him."""
        return self.users[self.row]

    def take(self, chosen: NDArray[np.bool_]) -> "Candidates":
        """Some of the pairs, of the same users."""
        return replace(
            self, row=self.row[chosen], item=self.item[chosen], scores=self.scores[chosen], ranks=self.ranks[chosen]
        )

    def labels(self, truth: sp.csr_array) -> NDArray[np.float32]:
        """``[pairs]``: 1 where the pair is in ``truth`` (bool ``[users asked for, items]``), else 0."""
        rows, items = truth.tocoo().coords
        width = truth.shape[1]
        wanted = rows.astype(np.int64) * width + items
        return np.isin(self.row * width + self.item, wanted).astype(np.float32)


def candidates(sources: Sources, users: NDArray[np.int64], n: int, hidden: sp.csr_array | None = None) -> Candidates:
    """The union of each source's ``n`` best items (with a score above 0) for each of ``users``, on all cores.

    ``hidden`` bool ``[users of the log, items]``: pairs that are no candidates. Of equal scores the first comes in.

    Memory: ``8 * sources + 16`` bytes for each pair, and blocks of scores.
    """
    found: dict[int, tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]] = {}

    def fill(start: int, end: int) -> None:
        row, item, scores, ranks = _block(sources, users[start:end], n, hidden)
        found[start] = row + start, item, scores, ranks

    in_blocks(len(users), _block_size(sources, users), fill)
    parts = [found[start] for start in sorted(found)]
    names = tuple(sources)
    if not parts:
        none, nothing = np.zeros(0, np.int64), np.zeros((0, len(names)), np.float32)
        return Candidates(users, none, none, names, nothing, nothing)
    row, item, scores, ranks = (np.concatenate(each) for each in zip(*parts, strict=True))
    return Candidates(users, row, item, names, scores, ranks)


def _block_size(sources: Sources, users: NDArray[np.int64]) -> int:
    items = int(next(iter(sources.values())).scores(users[:1]).shape[1])
    return max(1, _DENSE // max(1, items * len(sources)))


def _block(
    sources: Sources, users: NDArray[np.int64], n: int, hidden: sp.csr_array | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """Row, item, scores and ranks of the candidates of a few users."""
    away = None if hidden is None else hidden[users].toarray()
    scores, lists = [], []
    for scorer in sources.values():
        dense = scorer.scores(users)
        if away is not None:
            dense = np.where(away, np.float32(0), dense)
        scores.append(dense)
        lists.append([best(values, n) for values in dense])
    items = scores[0].shape[1]
    codes = [_codes(each, items) for each in lists]
    pairs = np.unique(np.concatenate(codes))
    row, item = pairs // items, pairs % items
    given = np.stack([dense[row, item] for dense in scores], axis=1)
    ranks = np.full(given.shape, np.nan, np.float32)
    for source, (listed, code) in enumerate(zip(lists, codes, strict=True)):
        ranks[np.searchsorted(pairs, code), source] = np.concatenate([np.arange(len(each)) for each in listed])
    given[given == 0] = np.nan
    return row, item, given, ranks


def _codes(lists: list[NDArray[np.intp]], items: int) -> NDArray[np.int64]:
    """Each listed pair as one number, in the order of the lists."""
    return np.concatenate([row * items + listed.astype(np.int64) for row, listed in enumerate(lists)])
