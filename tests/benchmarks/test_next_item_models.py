"""The models of next_item.py follow the contract of the released models."""

import pytest
from next_item_models.hidden_markov import HiddenMarkov
from next_item_models.markov import Markov, SecondOrderMarkov
from next_item_models.session_knn import SessionKNN
from tests.larder_training.recommender.models.test_models import (
    test_a_second_fit_does_not_depend_on_the_first,
    test_scores_are_finite_float32_of_the_given_users,
    test_the_same_seed_gives_the_same_bits,
)

from larder_training.recommender.models.base import Estimator

__all__ = [
    "test_a_second_fit_does_not_depend_on_the_first",
    "test_scores_are_finite_float32_of_the_given_users",
    "test_the_same_seed_gives_the_same_bits",
]

ESTIMATORS: dict[str, Estimator] = {
    "Markov": Markov(),
    "Markov, second order": SecondOrderMarkov(),
    "hidden Markov": HiddenMarkov(states=4),
    "session kNN": SessionKNN(),
}


@pytest.fixture(params=ESTIMATORS, name="estimator")
def every_estimator(request: pytest.FixtureRequest) -> Estimator:
    return ESTIMATORS[request.param]
