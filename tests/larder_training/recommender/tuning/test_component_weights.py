from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics.topk import hide, top
from larder_training.recommender.ensemble.components import Component
from larder_training.recommender.ensemble.weighted import WeightedEnsemble
from larder_training.recommender.metrics.ranking import by_user, hits
from larder_training.recommender.tuning.component_weights import Pools, choose_weights


@dataclass
class Table:
    """A scorer with fixed scores."""

    values: NDArray[np.float32]

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.values[users]


def table(*rows: list[float]) -> Table:
    return Table(np.array(rows, np.float32))


def units(scorers: Mapping[str, Table]) -> dict[str, Component]:
    """Components with scores in their own unit."""
    return {name: Component(scorer, 1.0) for name, scorer in scorers.items()}


USERS = np.arange(2)


def test_a_pool_has_the_best_items_of_every_scorer_without_hidden_items() -> None:
    """GIVEN depth 2, item 3 hidden from the first user, and a relevant item outside the pool."""
    scorers = {"a": table([4, 3, 2, 9, 0], [1, 2, 3, 4, 5]), "b": table([0, 1, 2, 9, 3], [1, 2, 3, 4, 5])}
    hidden = sp.csr_array(np.array([[0, 0, 0, 1, 0], [0, 0, 0, 0, 0]], bool))
    truth = sp.csr_array(np.array([[1, 0, 0, 0, 1], [1, 0, 0, 0, 0]], bool))
    pools = Pools.of(units(scorers), USERS, truth, hidden, depth=2)
    assert pools.items.tolist() == [[0, 1, 2, 4], [3, 4, -1, -1]]
    assert pools.hits.tolist() == [[True, False, False, True], [False] * 4]
    assert pools.relevant.tolist() == [2, 1]
    assert pools.scores[:, 0].tolist() == [[4, 3, 2, 0], [0, 1, 2, 3]]
    assert pools.values(np.array([1.0, 0.0]), "recall@2", 2).mean() == 0.25


def random_task(
    seed: int = 0, users: int = 200, items: int = 40
) -> tuple[dict[str, Table], NDArray[np.int64], sp.csr_array, sp.csr_array]:
    """Two scorers that each know half of what decides the truth, with noise, and one of pure noise."""
    random = np.random.default_rng(seed)
    parts = random.normal(size=(2, users, items))
    noise = random.normal(size=(3, users, items))
    truth = parts.sum(axis=0) > 2.2
    truth[np.arange(users), random.integers(0, items, users)] = True  # every user has one
    scorers = {
        "left": Table((parts[0] + 0.3 * noise[0]).astype(np.float32)),
        "right": Table((100 * (parts[1] + 0.3 * noise[1])).astype(np.float32)),
        "noise": Table(noise[2].astype(np.float32)),
    }
    return scorers, np.arange(users), sp.csr_array(truth), sp.csr_array(random.random((users, items)) < 0.1)


def test_a_pool_of_all_items_gives_the_full_ranking() -> None:
    scorers, users, truth, hidden = random_task()
    pools = Pools.of(units(scorers), users, truth, hidden, depth=40)
    ensemble = WeightedEnsemble(units(scorers), {"left": 0.5, "right": 0.005})
    scores = ensemble.scores(users)
    hide(scores, hidden)
    values = by_user(hits(top(scores, 20), truth), np.diff(truth.indptr).astype(np.int64), (20,))
    pooled = pools.values(np.array([0.5, 0.005, 0.0]), "ndcg@20", 20).mean()
    assert pooled == pytest.approx(values["ndcg@20"].mean(), abs=1e-9)


def test_weights_beat_every_single_scorer_and_leave_out_noise() -> None:
    scorers, users, truth, hidden = random_task()
    components = {name: Component.of(scorer, users) for name, scorer in scorers.items()}
    pools = Pools.of(components, users, truth, hidden)
    weights, trials = choose_weights([pools])
    assert weights["noise"] < 0.05
    assert weights["left"] == pytest.approx(weights["right"], abs=0.15)
    assert sum(weights.values()) == pytest.approx(1.0, abs=1e-3)
    best = max(trial.metric for trial in trials)
    assert next(trial.metric for trial in trials if dict(trial.weights) == weights) == best
    alone = [pools.values(np.eye(3)[index], "ndcg@20", 20).mean() for index in range(3)]
    assert best > max(alone)
    again = choose_weights([pools])
    assert [(trial.metric, dict(trial.weights)) for trial in again[1]] == [(t.metric, dict(t.weights)) for t in trials]


def test_the_search_begins_at_the_given_weights() -> None:
    scorers, users, truth, hidden = random_task()
    pools = Pools.of(units(scorers), users, truth, hidden)
    _, trials = choose_weights([pools], {"left": 1.0}, "recall@5")
    assert dict(trials[0].weights) == {"left": 1.0, "right": 0.0, "noise": 0.0}
    assert trials[0].metric == pytest.approx(pools.values(np.array([1.0, 0, 0]), "recall@5", 5).mean(), abs=1e-6)
    assert any(trial.weights["right"] > 0 for trial in trials)
