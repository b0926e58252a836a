"""Candidate generation for the reranker: the best items of each scorer, with the scores of all scorers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics.blas import single_threaded_blas
from larder_training.numerics.parallel import in_blocks
from larder_training.numerics.topk import best
from larder_training.recommender.models.base import Scorer

Scorers = Mapping[str, Scorer]
_DENSE: Final = 2**22  # scores of all scorers for a block of users: 16 MiB per thread


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Pairs of a user and an item, in the order of ``users``; items ascend within each user.

    Attributes:
        users: int64 ``[users]``.
        row: int64 ``[pairs]``: index in ``users`` of each pair's user.
        item: int64 ``[pairs]``: item of each pair.
        names: Names of the scorers.
        scores: float32 ``[pairs, scorers]``; NaN for a score of 0, which means that the scorer knows nothing.
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
        """``[pairs]``: user of each pair, as the log numbers users."""
        return self.users[self.row]

    def take(self, mask: NDArray[np.bool_]) -> "Candidates":
        """The pairs of ``mask``, bool ``[pairs]``; ``users`` stay the same."""
        return replace(self, row=self.row[mask], item=self.item[mask], scores=self.scores[mask])

    def labels(self, truth: sp.csr_array) -> NDArray[np.float32]:
        """``[pairs]``: 1 for pairs in ``truth`` (bool ``[users, items]``), else 0."""
        rows, items = truth.tocoo().coords
        width = truth.shape[1]
        relevant = rows.astype(np.int64) * width + items
        return np.isin(self.row * width + self.item, relevant).astype(np.float32)


def generate_candidates(
    scorers: Scorers, users: NDArray[np.int64], n: int, hidden: sp.csr_array | None = None
) -> Candidates:
    """The union of each scorer's ``n`` best items for each of ``users``, on all cores.

    Only items with a score above 0 are candidates; of equal scores, the first item is. Memory is
    ``4 * scorers + 16`` bytes per pair, and blocks of scores.

    Args:
        scorers: Scorers by name.
        users: int64 ``[users]``, as the log numbers users.
        n: Items of each scorer.
        hidden: bool ``[users of the log, items]``: pairs that are not candidates; None: no pair is hidden.
    """
    names = tuple(scorers)
    if not len(users):
        empty = np.zeros(0, np.int64)
        return Candidates(users, empty, empty, names, np.zeros((0, len(names)), np.float32))
    items = int(next(iter(scorers.values())).scores(users[:1]).shape[1])
    parts: dict[int, tuple[NDArray[np.int64], NDArray[np.float32]]] = {}  # by first user of the block

    def fill(start: int, end: int) -> None:
        pairs, scores = _block(scorers, users[start:end], n, hidden)
        parts[start] = pairs + start * items, scores

    with single_threaded_blas():  # before the threads: scorers enter it too, and the first to leave would lift it
        in_blocks(len(users), max(1, _DENSE // (items * len(names))), fill)
    ordered = [parts[start] for start in sorted(parts)]
    pairs = np.concatenate([block for block, _ in ordered])
    scores = np.concatenate([block for _, block in ordered])
    return Candidates(users, pairs // items, pairs % items, names, scores)


def _block(
    scorers: Scorers, users: NDArray[np.int64], n: int, hidden: sp.csr_array | None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Candidates of a block of users, ``row * items + item`` ascending, and their scores."""
    mask = None if hidden is None else hidden[users].toarray()
    scores, best_pairs = [], []
    for scorer in scorers.values():
        dense = scorer.scores(users)
        if mask is not None:
            dense = np.where(mask, np.float32(0), dense)
        scores.append(dense.ravel())
        best_pairs += [row * dense.shape[1] + best(values, n).astype(np.int64) for row, values in enumerate(dense)]
    pairs = np.unique(np.concatenate(best_pairs))
    pair_scores = np.stack([values[pairs] for values in scores], axis=1)
    pair_scores[pair_scores == 0] = np.nan
    return pairs, pair_scores
