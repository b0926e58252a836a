"""User EASE against the closed form of dense EASE on the transposed matrix."""

import numpy as np
import scipy.sparse as sp
from tests.toys.event_log import event_log

from larder_training.recommender.models.base import TrainingData
from larder_training.recommender.models.ease import EASEConfig
from larder_training.recommender.models.user_ease import UserEASE


def test_with_all_other_users_it_is_ease_of_the_transposed_matrix() -> None:
    random = np.random.default_rng(2)
    dense = random.random((20, 70)) * (random.random((20, 70)) < 0.4)
    gram = dense @ dense.T
    assert (gram > 0).all()  # users without common items are omitted here, but have a coefficient in EASE
    inverse = np.linalg.inv(gram + 0.5 * np.diag(gram).mean() * np.eye(20))
    weights = np.eye(20) - inverse / np.diag(inverse)
    expected = (weights.T @ dense) * (dense > 0).sum(axis=0) ** -0.3

    estimator = UserEASE(EASEConfig(ridge=0.5, dropout=0.0, width=19, user_exponent=0.0), item_exponent=-0.3)
    scorer = estimator.fit(TrainingData(event_log([("ann", "a", 0, "view")]), 1, sp.csr_array(dense)))
    np.testing.assert_allclose(scorer.scores(np.arange(20)), expected, atol=1e-5)


def test_a_user_is_recommended_the_items_of_similar_users() -> None:
    """GIVEN two groups with two items each THEN a user with one item is recommended the other of its group."""
    interactions = sp.csr_array(np.array([[1, 1, 0, 0]] * 4 + [[0, 0, 1, 1]] * 4 + [[1, 0, 0, 0]], float))
    scores = (
        UserEASE().fit(TrainingData(event_log([("ann", "a", 0, "view")]), 1, interactions)).scores(np.array([8]))[0]
    )
    assert scores[1] > 0
    assert scores[2] == scores[3] == 0
