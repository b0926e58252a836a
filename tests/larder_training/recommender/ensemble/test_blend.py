from dataclasses import dataclass

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics.topk import hide, top
from larder_training.recommender.ensemble.blend import Blend, Pools, choose_weights, spread
from larder_training.recommender.metrics.ranking import by_user, hits


@dataclass
class Table:
    """A scorer whose scores are written down."""

    values: NDArray[np.float32]

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.values[users]


class Unasked:
    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        raise AssertionError(f"was asked for {users}")


def table(*rows: list[float]) -> Table:
    return Table(np.array(rows, np.float32))


USERS = np.arange(2)


def test_a_blend_is_the_weighted_sum_of_scores_over_their_spreads() -> None:
    """GIVEN scores whose root mean squares are 5 and 10 THEN each is divided by its own."""
    first, second = table([5, -5], [5, 5]), table([0, 0], [20, 0])
    blend = Blend.of({"a": first, "b": second}, {"a": 1.0, "b": 0.5}, USERS)
    assert blend.spreads == {"a": 5.0, "b": 10.0}
    assert blend.scores(USERS).tolist() == [[1, -1], [2, 1]]
    assert blend.scores(USERS).tolist() == [[1, -1], [2, 1]]  # the scorers' own numbers were not touched
    assert blend.scores(USERS).dtype == np.float32


def test_a_scorer_without_weight_is_not_asked() -> None:
    blend = Blend({"a": table([1, 2]), "b": Unasked()}, {"a": 1.0, "b": 0.0}, {"a": 1.0, "b": 1.0})
    assert blend.scores(np.array([0])).tolist() == [[1, 2]]


def test_a_scorer_that_says_nothing_has_a_spread_of_one() -> None:
    assert spread(table([0, 0]), np.array([0])) == 1.0
    assert spread(table([1, 1]), np.array([], np.int64)) == 1.0


def test_weights_that_make_no_blend_are_refused() -> None:
    with pytest.raises(ValueError, match="no scorer is named b: name one of a"):
        Blend.of({"a": table([1, 2])}, {"b": 1.0}, np.array([0]))
    with pytest.raises(ValueError, match="give one scorer a weight above 0"):
        Blend.of({"a": table([1, 2])}, {"a": 0.0}, np.array([0])).scores(np.array([0]))


def test_a_pool_holds_the_best_of_every_scorer_and_nothing_hidden() -> None:
    """GIVEN two best items of each, item 3 hidden from the first user, and truth outside the pool."""
    scorers = {"a": table([4, 3, 2, 9, 0], [1, 2, 3, 4, 5]), "b": table([0, 1, 2, 9, 3], [1, 2, 3, 4, 5])}
    hidden = sp.csr_array(np.array([[0, 0, 0, 1, 0], [0, 0, 0, 0, 0]], bool))
    truth = sp.csr_array(np.array([[1, 0, 0, 0, 1], [1, 0, 0, 0, 0]], bool))
    pools = Pools.of(scorers, USERS, truth, hidden, depth=2)
    assert pools.items.tolist() == [[0, 1, 2, 4], [3, 4, -1, -1]]
    assert pools.found.tolist() == [[True, False, False, True], [False] * 4]
    assert pools.relevant.tolist() == [2, 1]
    assert pools.scores[:, 0].tolist() == [[4, 3, 2, 0], [0, 1, 2, 3]]
    assert pools.metric(np.array([1.0, 0.0]), "recall@2", 2) == 0.25


def random_task(
    seed: int = 0, users: int = 200, items: int = 40
) -> tuple[dict[str, Table], NDArray[np.int64], sp.csr_array, sp.csr_array]:
    """Two scorers that each see half of the truth's reason through noise, and one that sees none of it."""
    random = np.random.default_rng(seed)
    parts = random.normal(size=(2, users, items))
    noise = random.normal(size=(3, users, items))
    truth = parts.sum(axis=0) > 2.2
    truth[np.arange(users), random.integers(0, items, users)] = True  # everybody has one
    scorers = {
        "left": Table((parts[0] + 0.3 * noise[0]).astype(np.float32)),
        "right": Table((100 * (parts[1] + 0.3 * noise[1])).astype(np.float32)),
        "noise": Table(noise[2].astype(np.float32)),
    }
    return scorers, np.arange(users), sp.csr_array(truth), sp.csr_array(random.random((users, items)) < 0.1)


def test_a_pool_of_everything_is_the_full_ranking() -> None:
    scorers, users, truth, hidden = random_task()
    pools = Pools.of(scorers, users, truth, hidden, depth=40)
    blend = Blend(scorers, {"left": 0.5, "right": 0.5}, {"left": 1.0, "right": 100.0, "noise": 1.0})
    scores = blend.scores(users)
    hide(scores, hidden)
    values = by_user(hits(top(scores, 20), truth), np.diff(truth.indptr).astype(np.int64), (20,))
    found = pools.metric(np.array([0.5, 0.005, 0.0]), "ndcg@20", 20)
    assert found == pytest.approx(values["ndcg@20"].mean(), abs=1e-9)


def test_weights_are_chosen_that_beat_every_scorer_alone_and_leave_out_what_says_nothing() -> None:
    scorers, users, truth, hidden = random_task()
    pools = Pools.of(scorers, users, truth, hidden)
    spreads = {name: spread(scorer, users) for name, scorer in scorers.items()}
    weights, trials = choose_weights(pools, spreads)
    assert weights["noise"] < 0.05
    assert weights["left"] == pytest.approx(weights["right"], abs=0.15)
    assert sum(weights.values()) == pytest.approx(1.0, abs=1e-3)
    best = max(trial.metric for trial in trials)
    assert next(trial.metric for trial in trials if dict(trial.weights) == weights) == best
    alone = [pools.metric(np.eye(3)[place], "ndcg@20", 20) for place in range(3)]
    assert best > max(alone)
    again = choose_weights(pools, spreads)
    assert [(trial.metric, dict(trial.weights)) for trial in again[1]] == [(t.metric, dict(t.weights)) for t in trials]


def test_the_search_begins_where_it_is_told_to() -> None:
    scorers, users, truth, hidden = random_task()
    pools = Pools.of(scorers, users, truth, hidden)
    _, trials = choose_weights(pools, {"left": 1.0, "right": 100.0, "noise": 1.0}, {"left": 1.0}, "recall@5")
    assert dict(trials[0].weights) == {"left": 1.0, "right": 0.0, "noise": 0.0}
    assert trials[0].metric == pytest.approx(pools.metric(np.array([1.0, 0, 0]), "recall@5", 5), abs=1e-6)
    assert any(trial.weights["right"] > 0 for trial in trials)
