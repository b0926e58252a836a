from collections.abc import Callable

import numpy as np

from larder_training.recommender.data.event_log import DAY, EventLog
from larder_training.recommender.splits.rolling_origin import make_folds, thin
from larder_training.recommender.splits.time_split import TimeSplit, temporal_split

MakeLog = Callable[..., EventLog]


def steady(make_log: MakeLog, users: int = 40, days: int = 100) -> EventLog:
    """Every user has two events every third day."""
    rows = [
        (f"u{user:02}", f"i{(user + day + k) % 17:02}", day * DAY + user * 100 + k, "view")
        for day in range(0, days, 3)
        for user in range(users)
        for k in range(2)
    ]
    return make_log(rows)


def test_folds_have_earlier_history_and_equal_length(make_log: MakeLog) -> None:
    log = steady(make_log)
    split = temporal_split(log)
    first, second = make_folds(log, split, 20, seed=0)
    length = split.test - split.validation
    assert (first.now, second.now) == (split.validation - length, split.validation)
    for fold in (first, second):
        assert fold.history.time[-1] < fold.now <= fold.period.time[0]
        assert fold.period.time[-1] < fold.now + length
        assert len(fold.known.users) == 40
    assert second.period.time[-1] < split.test


def test_an_earlier_fold_without_enough_history_is_omitted(make_log: MakeLog) -> None:
    log = steady(make_log)
    split = TimeSplit(0, 40 * DAY, 75 * DAY, log.end)
    assert [fold.now for fold in make_folds(log, split, 20, seed=0)] == [40 * DAY]


def test_visits_include_repeated_items_and_sessions_do_not(make_log: MakeLog) -> None:
    rows = [("ann", item, 50 * DAY + place, "view") for place, item in enumerate("abcacd")]
    log = make_log([*rows, ("bob", "d", 0, "view"), ("bob", "a", 99 * DAY, "view")])
    (fold,) = make_folds(log, TimeSplit(0, 40 * DAY, 75 * DAY, log.end), 20, seed=0)
    assert fold.sessions.truth.toarray().tolist() == [[False, False, False, True]]
    assert fold.visits.truth.toarray().tolist() == [[True, False, True, True]]


def test_thinning_keeps_whole_users(make_log: MakeLog) -> None:
    log = steady(make_log)
    assert thin(log, seed=1) is log
    some = thin(log, seed=1, events=len(log) // 2)
    assert 0.2 < len(some) / len(log) < 0.8
    for user in np.unique(some.user):
        assert (some.user == user).sum() == (log.user == user).sum()
    assert np.array_equal(thin(log, seed=1, events=len(log) // 2).time, some.time)
