"""The contract of every model, on rectangular, asymmetric toy data. A model joins by a line of ESTIMATORS."""

import numpy as np
import pytest
import scipy.sparse as sp
from tests.toys.event_log import event_log

from larder_training.recommender.data.columns.kinds import Column
from larder_training.recommender.data.event_log import DAY, EventLog
from larder_training.recommender.data.interaction_matrix import interaction_matrix
from larder_training.recommender.models.base import Estimator, Scorer, TrainingData
from larder_training.recommender.models.co_visitation import CoVisitation
from larder_training.recommender.models.content_knn import ContentKNN
from larder_training.recommender.models.ease import EASE
from larder_training.recommender.models.item_knn import ItemKNN
from larder_training.recommender.models.matrix_factorization import AlternatingLeastSquares, BayesianPersonalizedRanking
from larder_training.recommender.models.popularity import Popularity
from larder_training.recommender.models.pure_svd import PureSVD
from larder_training.recommender.models.user_ease import UserEASE

ESTIMATORS: dict[str, Estimator] = {
    "popularity": Popularity(),
    "recent popularity": Popularity(half_life_days=2.0),
    "EASE": EASE(),
    "item kNN": ItemKNN(),
    "ALS": AlternatingLeastSquares(factors=8),
    "BPR": BayesianPersonalizedRanking(factors=8),
    "PureSVD": PureSVD(rank=6),
    "user EASE": UserEASE(),
    "co-visitation": CoVisitation(),
    "content kNN": ContentKNN(),
}

NEVER_SEEN = "zzz"  # an item without events


def toy(seed: int = 0, users: int = 30, items: int = 12) -> EventLog:
    """Two tastes: even users visit the first items in order, odd users the last ones; noise; two event types."""
    random = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        low, high = (0, items // 2) if user % 2 == 0 else (items // 2, items)
        start = int(random.integers(low, high))
        for step in range(int(random.integers(3, 9))):
            item = low + (start - low + step) % (high - low)
            if random.random() < 0.05:
                item = int(random.integers(items))
            event = "pay" if random.random() < 0.3 else "view"
            rows.append((f"u{user:03}", f"i{item:03}", int((user % 7 + 1) * DAY + step * 60), event))
    return event_log(rows, more_items=(NEVER_SEEN,))


def training_data(log: EventLog, seed: int = 0) -> TrainingData:
    """With metadata of the taste, and a number; the item without events has neither."""
    middle = (len(log.items) - 1) // 2
    tastes: Column = ("category", ["low" if item[1:] < f"{middle:03}" else "high" for item in log.items[:-1]] + [None])
    numbers: Column = ("number", [*map(float, range(len(log.items) - 1)), None])
    columns = {"TASTE": tastes, "NUMBER": numbers}
    return TrainingData(log, log.end, interaction_matrix(log, np.ones(len(log))), columns, seed)


def all_scores(scorer: Scorer, log: EventLog) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return scorer.scores(np.arange(len(log.users)))


@pytest.fixture(params=ESTIMATORS, name="estimator")
def every_estimator(request: pytest.FixtureRequest) -> Estimator:
    return ESTIMATORS[request.param]


def test_scores_are_finite_float32_of_the_given_users(estimator: Estimator) -> None:
    log = toy()
    scorer = estimator.fit(training_data(log))
    found = scorer.scores(np.array([4, 1]))
    assert found.shape == (2, len(log.items))
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert np.array_equal(found, all_scores(scorer, log)[[4, 1]])


def test_the_same_seed_gives_the_same_bits(estimator: Estimator) -> None:
    log = toy()
    first, second = (all_scores(estimator.fit(training_data(log, seed=5)), log) for _ in range(2))
    assert first.tobytes() == second.tobytes()


def test_a_second_fit_does_not_depend_on_the_first(estimator: Estimator) -> None:
    log, other = toy(), toy(seed=1, users=41, items=17)
    before = all_scores(estimator.fit(training_data(log)), log)
    estimator.fit(training_data(other))
    assert all_scores(estimator.fit(training_data(log)), log).tobytes() == before.tobytes()


@pytest.mark.parametrize(("users", "items"), [(40, 6), (9, 31)])
def test_there_may_be_more_or_fewer_users_than_items(estimator: Estimator, users: int, items: int) -> None:
    log = toy(users=users, items=items)
    assert all_scores(estimator.fit(training_data(log)), log).shape == (len(log.users), len(log.items))


def test_items_of_a_users_taste_have_higher_scores(estimator: Estimator) -> None:
    log = toy(users=60)
    found = all_scores(estimator.fit(training_data(log)), log)[:, :12]
    taste = np.arange(12) < 6
    own = np.array([found[user, taste if user % 2 == 0 else ~taste].mean() for user in range(60)])
    other = np.array([found[user, ~taste if user % 2 == 0 else taste].mean() for user in range(60)])
    assert own.mean() >= other.mean() - 1e-6  # equal if the model is not personal


def test_one_user_is_enough(estimator: Estimator) -> None:
    log = event_log([("ann", "a", 0, "view"), ("ann", "b", DAY, "view")], more_items=("c",))
    found = all_scores(estimator.fit(training_data(log)), log)
    assert found.shape == (1, 3)
    assert np.isfinite(found).all()


def test_users_without_events_get_finite_scores(estimator: Estimator) -> None:
    log = toy()
    known = log.where(log.user != 3)
    assert np.isfinite(all_scores(estimator.fit(training_data(known)), known)).all()


def test_the_toy_data_is_rectangular() -> None:
    interactions = interaction_matrix(toy(), np.ones(len(toy())))
    assert interactions.shape[0] != interactions.shape[1]
    co_occurrence = sp.csr_array(interactions.T @ interactions)
    assert co_occurrence.shape == (13, 13)
