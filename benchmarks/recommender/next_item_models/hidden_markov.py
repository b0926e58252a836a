"""A hidden Markov model of click sequences: hidden intents change, and emit items.

Baum and Welch's algorithm with Rabiner's scaling ("A tutorial on hidden Markov models and selected applications in
speech recognition", Proceedings of the IEEE 77(2), 1989), batched over sequences of similar length. States are
initialised as clusters of items that follow each other. The served table is

    P(next item j | item i) = sum over states s, t of P(s | i) A[s, t] E[t, j].
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics.blas import single_threaded_blas
from larder_training.numerics.sparse import place_within, strongest
from larder_training.recommender.data.user_sequences import UserSequences, weigh_histories
from larder_training.recommender.models.base import ItemToItem, TrainingData
from larder_training.recommender.models.co_visitation import CoVisitation, count_pairs

_BATCH = 4096  # sequences per step: [batch, states]; large enough to make Python's loop over steps cheap
_ROWS = 512  # of the served table, at once


@dataclass(frozen=True, slots=True)
class HiddenMarkov:
    """Settings.

    Attributes:
        states: Number of states.
        rounds: Maximum number of rounds of Baum-Welch.
        tolerance: Least growth of the log-likelihood per event; smaller growth ends the fit.
        longest: Events of a piece; longer sequences are cut.
        width: Entries per row of the table.
        history_decay: Weight of a user's k-th newest event is this to the power k.
    """

    states: int = 32
    rounds: int = 20
    tolerance: float = 1e-3
    longest: int = 50
    width: int = 100
    history_decay: float = 0.5

    def fit(self, data: TrainingData, advance: Callable[[int], None] = lambda _: None) -> ItemToItem:
        """Fits the table; ``advance`` receives the number of rounds done."""
        log = data.log
        with single_threaded_blas():
            table = self._fit(data, advance).table(self.width)
        return ItemToItem(table, weigh_histories(log, self.history_decay))

    def _fit(self, data: TrainingData, advance: Callable[[int], None]) -> "HMM":
        log, items = data.log, len(data.log.items)
        histories = UserSequences.of(log)
        pieces = Pieces.of(log.item[histories.order], histories.starts, self.longest)
        groups = cluster(count_pairs(log, data.now, CoVisitation(backward=1.0)), self.states, data.seed)
        model = begin(pieces, groups, self.states, items)
        previous = -np.inf
        for _ in range(self.rounds):
            model, likelihood = improve(model, pieces)
            advance(1)
            if likelihood - previous < self.tolerance * len(pieces.item):
                break
            previous = likelihood
        return model


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Pieces of sequences, sorted by length, the longest first.

    Attributes:
        item: int64 ``[events]``: items of all sequences.
        start: int64 ``[pieces]``: first event of each piece.
        length: int64 ``[pieces]``: number of events of each piece.
    """

    item: NDArray[np.int64]
    start: NDArray[np.int64]
    length: NDArray[np.int64]

    @classmethod
    def of(cls, item: NDArray[np.integer], starts: NDArray[np.int64], longest: int) -> "Pieces":
        """Cuts sequences ``item[starts[i]:starts[i + 1]]`` into pieces of at most ``longest``."""
        lengths = np.diff(starts)
        pieces = -(-lengths // longest)
        owner = np.repeat(np.arange(len(lengths)), pieces)
        start = starts[owner] + place_within(owner) * longest
        length = np.minimum(starts[owner + 1] - start, longest)
        order = np.argsort(-length, kind="stable")
        return cls(item.astype(np.int64), start[order], length[order])

    def batches(self) -> Iterator["Pieces"]:
        """Batches of at most ``_BATCH`` pieces."""
        for first in range(0, len(self.start), _BATCH):
            rows = slice(first, first + _BATCH)
            yield Pieces(self.item, self.start[rows], self.length[rows])


@dataclass(frozen=True, slots=True, eq=False)
class HMM:
    """A model; rows sum to 1.

    Attributes:
        first: ``[states]``: probabilities of the first state.
        moves: A, ``[states, states]``: transition probabilities.
        emits: E, ``[states, items]``: emission probabilities.
        share: ``[items, states]``: P(state | item) in the training data.
    """

    first: NDArray[np.float64]
    moves: NDArray[np.float64]
    emits: NDArray[np.float64]
    share: NDArray[np.float64]

    def table(self, width: int) -> sp.csr_array:
        """P(next item | item), ``width`` entries a row, zero diagonal; items without events have an empty row.

        Candidates are the ``2 * width`` likeliest items after each state. They have the best items of a mixture, except
        rare ones that are mediocre after every state.
        """
        ahead = self.moves @ self.emits
        likely = np.unique(np.argsort(-ahead, axis=1, kind="stable")[:, : 2 * width])
        column = np.full(len(self.share), -1)
        column[likely] = np.arange(len(likely))
        rows = []
        for start in range(0, len(self.share), _ROWS):
            block = self.share[start : start + _ROWS] @ ahead[:, likely]
            own = column[start : start + _ROWS]
            (rows_with_own,) = np.nonzero(own >= 0)
            block[rows_with_own, own[rows_with_own]] = 0
            rows.append(strongest(sp.csr_array(block), width))
        table = sp.csr_array(sp.vstack(rows, format="csr"))
        return sp.csr_array((table.data, likely[table.indices], table.indptr), shape=(len(column), len(column)))


def improve(model: HMM, pieces: Pieces) -> tuple[HMM, float]:
    """One round of Baum-Welch: the improved model, and the log-likelihood (natural logarithm) of ``model``."""
    states, items = model.emits.shape
    first, moves = np.zeros(states), np.zeros((states, states))
    occupied = np.zeros((items, states))
    likelihood = 0.0
    for batch in pieces.batches():
        expected = _expect(model, batch)
        first += expected.first
        moves += expected.moves
        likelihood += expected.likelihood
        events = np.arange(len(expected.item))
        indicator = sp.csr_array((np.ones(len(events)), (expected.item, events)), shape=(items, len(events)))
        occupied += np.asarray(indicator @ expected.posterior)
    emits = _shares(occupied.T, model.emits)
    return HMM(
        _shares(first[None], model.first[None])[0], _shares(moves, model.moves), emits, _by_item(occupied)
    ), likelihood


@dataclass(frozen=True, slots=True, eq=False)
class _Expectations:
    first: NDArray[np.float64]
    moves: NDArray[np.float64]
    item: NDArray[np.int64]
    posterior: NDArray[np.float64]
    likelihood: float


def _expect(model: HMM, batch: Pieces) -> _Expectations:
    """Forward-backward over a batch, whose pieces are sorted by length: at step t, the first ``active[t]`` continue."""
    steps = int(batch.length[0])
    active = [int(np.searchsorted(-batch.length, -t, side="left")) for t in range(steps)]  # pieces longer than t
    emitted = model.emits.T  # [items, states]
    items: list[NDArray[np.int64]] = []
    forward: list[NDArray[np.float64]] = []
    scale: list[NDArray[np.float64]] = []
    for t in range(steps):
        items.append(batch.item[batch.start[: active[t]] + t])
        ahead = (
            np.broadcast_to(model.first, (active[t], len(model.first)))
            if t == 0
            else forward[-1][: active[t]] @ model.moves
        )
        joint = ahead * emitted[items[t]]
        scale.append(joint.sum(axis=1, keepdims=True))
        forward.append(joint / scale[t])
    moves = np.zeros_like(model.moves)
    posterior = [np.empty(0)] * steps
    backward = np.ones((active[-1], len(model.first)))
    for t in range(steps - 1, -1, -1):
        if t < steps - 1:
            seen = emitted[items[t + 1]] * backward / scale[t + 1]
            moves += forward[t][: active[t + 1]].T @ seen
            backward = np.ones((active[t], len(model.first)))
            backward[: active[t + 1]] = seen @ model.moves.T
        posterior[t] = forward[t] * backward
    likelihood = float(sum(np.log(factors).sum() for factors in scale))
    first = posterior[0].sum(axis=0)
    return _Expectations(first, moves * model.moves, np.concatenate(items), np.concatenate(posterior), likelihood)


def begin(pieces: Pieces, groups: NDArray[np.int64], states: int, items: int) -> HMM:
    """An initial model: state s emits the items of group s by their frequency, and other items by a tenth of it."""
    counts = np.zeros(items)
    for batch in pieces.batches():
        for t in range(int(batch.length[0])):
            counts += np.bincount(batch.item[batch.start[batch.length > t] + t], minlength=items)
    weights = np.full((states, items), 0.1)
    weights[groups, np.arange(items)] = 1.0
    emits = weights * counts
    emits /= np.maximum(emits.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    moves = np.full((states, states), 0.5 / states) + 0.5 * np.eye(states)
    return HMM(np.full(states, 1 / states), moves, emits, _by_item((emits * counts.sum()).T))


def cluster(pairs: sp.csr_array, groups: int, seed: int, rounds: int = 10) -> NDArray[np.int64]:
    """int64 ``[items]``: group of each item, by k-means on normalised random projections of degree-normalised pairs."""
    random = np.random.default_rng(seed)
    degree = np.maximum(np.asarray(pairs.sum(axis=1), np.float64).ravel(), 1e-12)
    scale = sp.diags_array(degree**-0.5)
    normalised = (scale @ pairs.astype(np.float64) @ scale).tocsr()
    positions = normalised @ (normalised @ random.standard_normal((pairs.shape[0], 64)))
    positions /= np.maximum(np.linalg.norm(positions, axis=1, keepdims=True), 1e-12)
    centres = positions[random.choice(len(positions), groups, replace=len(positions) < groups)]
    for _ in range(rounds):
        group: NDArray[np.int64] = (positions @ centres.T).argmax(axis=1)
        member = sp.csr_array((np.ones(len(group)), (group, np.arange(len(group)))), shape=(groups, len(group)))
        sums = member @ positions
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(lengths > 0, sums / np.maximum(lengths, 1e-12), centres)
    return group


def _shares(counts: NDArray[np.float64], default: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows divided by their sums; rows of ``default`` where the sum is 0."""
    total = counts.sum(axis=1, keepdims=True)
    return np.where(total > 0, counts / np.maximum(total, np.finfo(float).tiny), default)


def _by_item(occupied: NDArray[np.float64]) -> NDArray[np.float64]:
    return _shares(occupied, np.zeros_like(occupied))
