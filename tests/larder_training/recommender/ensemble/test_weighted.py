from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from larder_training.recommender.ensemble.components import Component
from larder_training.recommender.ensemble.weighted import WeightedEnsemble


@dataclass
class Table:
    """A scorer with fixed scores."""

    values: NDArray[np.float32]

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.values[users]


class UnusedScorer:
    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        raise AssertionError(f"scores of {users} were computed")


def table(*rows: list[float]) -> Table:
    return Table(np.array(rows, np.float32))


USERS = np.arange(2)


def test_an_ensemble_is_the_weighted_sum_of_scores_in_their_units() -> None:
    """GIVEN scorers whose best scores are 5 and 20 THEN each is divided by its own best."""
    first, second = table([5, -5], [5, 5]), table([20, 0], [20, 10])
    components = {"a": Component.of(first, USERS), "b": Component.of(second, USERS)}
    assert [component.factor for component in components.values()] == [0.2, 0.05]
    ensemble = WeightedEnsemble(components, {"a": 1.0, "b": 0.5})
    assert ensemble.scores(USERS).tolist() == [[1.5, -1], [1.5, 1.25]]
    assert ensemble.scores(USERS).tolist() == [[1.5, -1], [1.5, 1.25]]  # the scorers' arrays did not change
    assert ensemble.scores(USERS).dtype == np.float32


def test_a_component_without_weight_is_not_computed() -> None:
    ensemble = WeightedEnsemble(
        {"a": Component(table([1, 2]), 1.0), "b": Component(UnusedScorer(), 1.0)}, {"a": 1.0, "b": 0.0}
    )
    assert ensemble.scores(np.array([0])).tolist() == [[1, 2]]


def test_a_component_whose_scores_are_all_0_adds_nothing() -> None:
    assert Component.of(table([0, 0]), np.array([0])).factor == 0.0
    assert Component.of(table([1, 1]), np.array([], np.int64)).factor == 0.0


def test_invalid_weights_are_rejected() -> None:
    components = {"a": Component(table([1, 2]), 1.0)}
    with pytest.raises(ValueError, match="no component is named b: name one of a"):
        WeightedEnsemble(components, {"b": 1.0})
    with pytest.raises(ValueError, match="give one component a weight above 0"):
        WeightedEnsemble(components, {"a": 0.0}).scores(np.array([0]))
