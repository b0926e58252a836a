"""Smoothing of segments is tuned on users who are held out of their segments."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from larder.release.serving import ProfileColumn
from larder_training.recommender.data.columns.profiles import Profiles
from larder_training.recommender.data.event_log import DAY, EventLog, known_users
from larder_training.recommender.ensemble.hyperparameters import Hyperparameters
from larder_training.recommender.models.segment_popularity import segment_users
from larder_training.recommender.splits.rolling_origin import make_folds
from larder_training.recommender.splits.time_split import temporal_split
from larder_training.recommender.tuning.segment_smoothing import SegmentFold, choose_prior
from larder_training.recommender.tuning.trials import SearchBudget, TrialLog

MakeLog = Callable[..., EventLog]
USERS, CITIES, ITEMS = 160, 4, 60


def shop(make_log: MakeLog, taste: Callable[[int], NDArray[np.int64]]) -> EventLog:
    """Every third day, each user has one of the items that ``taste(user)`` returns."""
    random = np.random.default_rng(0)
    rows = [
        (f"u{user:03}", f"i{random.choice(taste(user)):03}", int(day * DAY + user * 60), "view")
        for user in range(USERS)
        for day in range(user % 3, 60, 3)
    ]
    return make_log(rows)


def prior_of(log: EventLog, cities: int = CITIES) -> tuple[float, TrialLog]:
    """The chosen smoothing, and the trials, if a user's city is the user's number modulo ``cities``."""
    city = [f"city {int(user[1:]) % cities}" for user in log.users]
    labels = {"CITY": np.array([int(name[5:]) for name in city], np.int32)}
    profiles = Profiles(log.users, {"CITY": city}, {"CITY": ProfileColumn("category")}, labels)
    rows = np.arange(len(log.users))
    trials, folds = TrialLog(SearchBudget(None, None)), []
    for fold in make_folds(log, temporal_split(log), 10, 0):
        segments = segment_users(known_users(fold.history), profiles, rows)
        folds.append(SegmentFold(fold, segments, segments.of_profile[rows]))
    return choose_prior(folds, Hyperparameters(trend_half_life_days=None), 0, trials).prior_users, trials


def test_users_are_not_evaluated_on_their_own_events(make_log: MakeLog) -> None:
    """GIVEN users who each have one item that no other user has THEN their city does not help without them."""
    _, trials = prior_of(shop(make_log, lambda user: np.array([user])))
    assert [trial.metric for trial in trials.trials] == [0.0] * len(trials.trials)


def test_segments_that_differ_get_less_smoothing(make_log: MakeLog) -> None:
    own = np.random.default_rng(1).integers(0, ITEMS, (CITIES, 3))
    prior, trials = prior_of(shop(make_log, lambda user: own[user % CITIES]))
    assert prior <= 100
    assert [trial.value for trial in trials.trials if trial.kept] == [prior]


def test_without_segments_smoothing_keeps_its_default(make_log: MakeLog) -> None:
    """GIVEN users who each live in a city of their own."""
    prior, trials = prior_of(shop(make_log, lambda _: np.arange(5)), cities=USERS)
    assert prior == Hyperparameters().prior_users
    assert not trials.trials
