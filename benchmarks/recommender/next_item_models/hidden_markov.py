"""A hidden Markov model of click sequences: an intent that nobody sees moves, and emits items.

Baum and Welch's algorithm with Rabiner's scaling ("A tutorial on hidden Markov models and selected applications in
speech recognition", Proceedings of the IEEE 77(2), 1989), batched over sequences of like length. States begin as
clusters of items that follow each other, so that rounds are spent on refining them. What is served is a table,

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

_BATCH = 4096  # sequences: [batch, states] a step, enough that Python's loop over steps costs nothing
_ROWS = 512  # of the served table at a time


@dataclass(frozen=True, slots=True)
class HiddenMarkov:
    """``states``; at most ``rounds`` of Baum-Welch, fewer once the log-likelihood an event grows by less than
    ``tolerance``; sequences are cut into pieces of ``longest`` events; ``width`` entries a row of the table.
    """

    states: int = 32
    rounds: int = 20
    tolerance: float = 1e-3
    longest: int = 50
    width: int = 100
    history_decay: float = 0.5

    def fit(self, data: TrainingData, advance: Callable[[int], None] = lambda _: None) -> ItemToItem:
        """Learns; ``advance`` is told rounds."""
        log = data.log
        with single_threaded_blas():
            table = self._learn(data, advance).table(self.width)
        return ItemToItem(table, weigh_histories(log, self.history_decay))

    def _learn(self, data: TrainingData, advance: Callable[[int], None]) -> "HMM":
        log, items = data.log, len(data.log.items)
        histories = UserSequences.of(log)
        pieces = Pieces.of(log.item[histories.order], histories.starts, self.longest)
        groups = cluster(count_pairs(log, data.now, CoVisitation(backward=1.0)), self.states, data.seed)
        model = begin(pieces, groups, self.states, items)
        before = -np.inf
        for _ in range(self.rounds):
            model, likelihood = improve(model, pieces)
            advance(1)
            if likelihood - before < self.tolerance * len(pieces.item):
                break
            before = likelihood
        return model


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Pieces of sequences: the i-th is ``item[start[i]:start[i] + length[i]]``; sorted by length, the longest first."""

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
        """At most ``_BATCH`` pieces each."""
        for first in range(0, len(self.start), _BATCH):
            rows = slice(first, first + _BATCH)
            yield Pieces(self.item, self.start[rows], self.length[rows])


@dataclass(frozen=True, slots=True, eq=False)
class HMM:
    """``first`` ``[states]``, ``moves`` (A) ``[states, states]`` and ``emits`` (E) ``[states, items]``: rows sum to 1.
    ``share`` ``[items, states]`` is P(state | item), by the sequences it was last fitted to.
    """

    first: NDArray[np.float64]
    moves: NDArray[np.float64]
    emits: NDArray[np.float64]
    share: NDArray[np.float64]

    def table(self, width: int) -> sp.csr_array:
        """P(next item | item), ``width`` entries a row, zero diagonal; items without events have an empty row.

        Only the ``2 * width`` likeliest items after each state are looked at, not all: a mixture's best are among them,
        but for rare ones that are middling after every state.
        """
        ahead = self.moves @ self.emits
        likely = np.unique(np.argsort(-ahead, axis=1, kind="stable")[:, : 2 * width])
        place = np.full(len(self.share), -1)
        place[likely] = np.arange(len(likely))
        rows = []
        for start in range(0, len(self.share), _ROWS):
            block = self.share[start : start + _ROWS] @ ahead[:, likely]
            own = place[start : start + _ROWS]
            (here,) = np.nonzero(own >= 0)
            block[here, own[here]] = 0
            rows.append(strongest(sp.csr_array(block), width))
        table = sp.csr_array(sp.vstack(rows, format="csr"))
        return sp.csr_array((table.data, likely[table.indices], table.indptr), shape=(len(place), len(place)))


def improve(model: HMM, pieces: Pieces) -> tuple[HMM, float]:
    """One round of Baum-Welch: the better model, and the log-likelihood of the one given (natural logarithm)."""
    states, items = model.emits.shape
    first, moves = np.zeros(states), np.zeros((states, states))
    occupied = np.zeros((items, states))
    likelihood = 0.0
    for batch in pieces.batches():
        found = _expect(model, batch)
        first += found.first
        moves += found.moves
        likelihood += found.likelihood
        events = np.arange(len(found.item))
        chosen = sp.csr_array((np.ones(len(events)), (found.item, events)), shape=(items, len(events)))
        occupied += np.asarray(chosen @ found.posterior)
    emits = _shares(occupied.T, model.emits)
    return HMM(
        _shares(first[None], model.first[None])[0], _shares(moves, model.moves), emits, _by_item(occupied)
    ), likelihood


@dataclass(frozen=True, slots=True, eq=False)
class _Expected:
    first: NDArray[np.float64]
    moves: NDArray[np.float64]
    item: NDArray[np.int64]
    posterior: NDArray[np.float64]
    likelihood: float


def _expect(model: HMM, batch: Pieces) -> _Expected:
    """Forward and backward over a batch whose pieces get shorter: at step t only the first ``active[t]`` go on."""
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
    likelihood = float(sum(np.log(each).sum() for each in scale))
    first = posterior[0].sum(axis=0)
    return _Expected(first, moves * model.moves, np.concatenate(items), np.concatenate(posterior), likelihood)


def begin(pieces: Pieces, groups: NDArray[np.int64], states: int, items: int) -> HMM:
    """A model whose state s mostly emits the items of group s: as often as they come, and a tenth of all others."""
    counts = np.zeros(items)
    for batch in pieces.batches():
        for t in range(int(batch.length[0])):
            counts += np.bincount(batch.item[batch.start[batch.length > t] + t], minlength=items)
    mine = np.full((states, items), 0.1)
    mine[groups, np.arange(items)] = 1.0
    emits = mine * counts
    emits /= np.maximum(emits.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    moves = np.full((states, states), 0.5 / states) + 0.5 * np.eye(states)
    return HMM(np.full(states, 1 / states), moves, emits, _by_item((emits * counts.sum()).T))


def cluster(pairs: sp.csr_array, groups: int, seed: int, rounds: int = 10) -> NDArray[np.int64]:
    """int64 ``[items]``: a group for each item, by k-means on the directions of random projections of its (degree-
    normalised) pairs, smoothed by one step along them.
    """
    random = np.random.default_rng(seed)
    degree = np.maximum(np.asarray(pairs.sum(axis=1), np.float64).ravel(), 1e-12)
    even = sp.diags_array(degree**-0.5)
    near = (even @ pairs.astype(np.float64) @ even).tocsr()
    places = near @ (near @ random.standard_normal((pairs.shape[0], 64)))
    places /= np.maximum(np.linalg.norm(places, axis=1, keepdims=True), 1e-12)
    centres = places[random.choice(len(places), groups, replace=len(places) < groups)]
    for _ in range(rounds):
        found: NDArray[np.int64] = (places @ centres.T).argmax(axis=1)
        member = sp.csr_array((np.ones(len(found)), (found, np.arange(len(found)))), shape=(groups, len(found)))
        sums = member @ places
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(lengths > 0, sums / np.maximum(lengths, 1e-12), centres)
    return found


def _shares(counts: NDArray[np.float64], instead: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows divided by their sums; ``instead``'s row where nothing was counted."""
    total = counts.sum(axis=1, keepdims=True)
    return np.where(total > 0, counts / np.maximum(total, np.finfo(float).tiny), instead)


def _by_item(occupied: NDArray[np.float64]) -> NDArray[np.float64]:
    return _shares(occupied, np.zeros_like(occupied))
