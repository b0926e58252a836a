"""The users of everybody's taste beside a segment's own are chosen by people whom the segment does not know."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from larder.release.serving import ProfileColumn
from larder_training.recommender.data.event_log import DAY, Log, known_users
from larder_training.recommender.data.metadata import Profiles
from larder_training.recommender.ensemble.hyperparameters import Hyperparameters
from larder_training.recommender.models.segment_popularity import segment_users
from larder_training.recommender.splits.rolling_origin import make_folds
from larder_training.recommender.splits.time_split import temporal_split
from larder_training.recommender.tuning.segment_smoothing import Case, choose_prior
from larder_training.recommender.tuning.trials import Budget, Trials

MakeLog = Callable[..., Log]
USERS, CITIES, ITEMS = 160, 4, 60


def shop(make_log: MakeLog, taste: Callable[[int], NDArray[np.int64]]) -> Log:
    """Each user has one of the items of his own taste, every third day."""
    random = np.random.default_rng(0)
    rows = [
        (f"u{user:03}", f"i{random.choice(taste(user)):03}", int(day * DAY + user * 60), "view")
        for user in range(USERS)
        for day in range(user % 3, 60, 3)
    ]
    return make_log(rows)


def prior_of(log: Log, cities: int = CITIES) -> tuple[float, Trials]:
    """What is chosen where a user's city is his number modulo four."""
    city = [f"city {int(user[1:]) % cities}" for user in log.users]
    labels = {"CITY": np.array([int(name[5:]) for name in city], np.int32)}
    profiles = Profiles(log.users, {"CITY": city}, {"CITY": ProfileColumn("category")}, labels)
    rows = np.arange(len(log.users))
    trials, cases = Trials(Budget(None, None)), []
    for fold in make_folds(log, temporal_split(log), 10, 0):
        segments = segment_users(known_users(fold.history), profiles, rows)
        cases.append(Case(fold, segments, segments.of_profile[rows]))
    return choose_prior(cases, Hyperparameters(trend_half_life_days=None), 0, trials).prior_users, trials


def test_nobody_is_served_by_what_he_did_himself(make_log: MakeLog) -> None:
    """Everyone keeps to one item that nobody else has, so whoever is left out of his city is told nothing by it."""
    _, trials = prior_of(shop(make_log, lambda user: np.array([user])))
    assert [trial.metric for trial in trials.made] == [0.0] * len(trials.made)


def test_where_cities_differ_their_own_taste_counts(make_log: MakeLog) -> None:
    own = np.random.default_rng(1).integers(0, ITEMS, (CITIES, 3))
    prior, trials = prior_of(shop(make_log, lambda user: own[user % CITIES]))
    assert prior <= 100
    assert [trial.value for trial in trials.made if trial.kept] == [prior]


def test_without_a_segment_nothing_is_chosen(make_log: MakeLog) -> None:
    """Every user has a city of his own."""
    prior, trials = prior_of(shop(make_log, lambda _: np.arange(5)), cities=USERS)
    assert prior == Hyperparameters().prior_users
    assert not trials.made
