"""Session kNN compared with sums by hand."""

import numpy as np
from next_item_models.session_knn import SessionKNN
from tests.larder_training.recommender.models.test_models import training_data
from tests.toys.event_log import event_log


def test_the_nearest_users_vote_by_shared_recent_and_rare_items() -> None:
    # GIVEN three users; ann shares b with bob, a and b with cid
    rows = [
        (user, item, t, "x")
        for user, text in (("ann", "ab"), ("bob", "bc"), ("cid", "abd"))
        for t, item in enumerate(text)
    ]
    rare_a, rare_b = np.log(4 / 3), np.log(4 / 4)
    bob = rare_b / np.sqrt(2)
    cid = (0.5 * rare_a + rare_b) / np.sqrt(3)
    scores = SessionKNN(history_decay=0.5).fit(training_data(event_log(rows))).scores(np.array([0]))
    assert np.allclose(scores[0], [cid, bob + cid, bob, cid])


def test_only_the_nearest_users_vote() -> None:
    rows = [
        (user, item, t, "x")
        for user, text in (("ann", "a"), ("bob", "ab"), ("cid", "acde"), ("dan", "f"))
        for t, item in enumerate(text)
    ]
    scores = SessionKNN(neighbours=1).fit(training_data(event_log(rows))).scores(np.array([0]))[0]
    assert (scores > 0).tolist() == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]  # bob's history is shorter
