"""The models that next_item.py compares keep the contract of the released ones."""

import pytest
from next_item_models.hidden_markov import HiddenMarkov
from next_item_models.markov import Markov, SecondOrderMarkov
from next_item_models.session_knn import SessionNeighbours
from tests.larder_training.recommender.models.test_models import (
    test_fitting_again_forgets_what_was_fitted_before,
    test_scores_are_finite_float32_of_the_asked_users,
    test_the_same_seed_gives_the_same_bits,
)

from larder_training.recommender.models.base import Learner

__all__ = [
    "test_fitting_again_forgets_what_was_fitted_before",
    "test_scores_are_finite_float32_of_the_asked_users",
    "test_the_same_seed_gives_the_same_bits",
]

LEARNERS: dict[str, Learner] = {
    "Markov": Markov(),
    "Markov, second order": SecondOrderMarkov(),
    "hidden Markov": HiddenMarkov(states=4),
    "session kNN": SessionNeighbours(),
}


@pytest.fixture(params=LEARNERS, name="learner")
def every_learner(request: pytest.FixtureRequest) -> Learner:
    return LEARNERS[request.param]
