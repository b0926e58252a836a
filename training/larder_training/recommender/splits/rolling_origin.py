"""Rolling-origin validation: consecutive cutoffs for all users, each with the events before and after it."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from larder_training.recommender.data.event_log import EventLog
from larder_training.recommender.splits.tasks import Task, next_items, rest_of_session
from larder_training.recommender.splits.time_split import TimeSplit

FOLDS: Final = 2
MIN_USERS: Final = 20  # of a fold
MAX_EVENTS: Final = 2_000_000  # for tuning; the released model is fitted to all events
_LEAST_HISTORY: Final = 0.3  # share of the events before the last cutoff that an earlier cutoff needs


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """A cutoff with its tasks.

    Attributes:
        history: Events before ``now``.
        now: The cutoff, in epoch seconds.
        period: Events from ``now`` on.
        known: Task: all items of the period, for users with history.
        sessions: Task: items of the second half of a session that are not in its first half.
        visits: Task: items of the second half of a session.
    """

    history: EventLog
    now: int
    period: EventLog
    known: Task
    sessions: Task
    visits: Task


def make_folds(log: EventLog, split: TimeSplit, session_length: int, seed: int, folds: int = FOLDS) -> list[Fold]:
    """Consecutive validation periods of equal length before ``split.test``, in the order of time.

    See Tashman, "Out-of-sample tests of forecasting accuracy", International Journal of Forecasting, 2000. An earlier
    period is omitted if it has too little history, or too few users with history.
    """
    length = split.test - split.validation
    whole = len(log.between(split.start, split.validation))
    latest_first: list[Fold] = []
    for back in range(folds):
        now, end = split.validation - back * length, split.test - back * length
        history = log.between(split.start, now)
        if back and len(history) < _LEAST_HISTORY * whole:
            break
        fold = _fold(history, now, log.between(now, end), session_length, seed)
        if not back or len(fold.known.users) >= MIN_USERS:
            latest_first.append(fold)
    return latest_first[::-1]


def _fold(history: EventLog, now: int, period: EventLog, session_length: int, seed: int) -> Fold:
    known = next_items(history, period).sample(seed)
    sessions = rest_of_session(period, session_length).sample(seed)
    visits = rest_of_session(period, session_length, again=True).sample(seed)
    return Fold(history, now, period, known, sessions, visits)


def thin(log: EventLog, seed: int, events: int = MAX_EVENTS) -> EventLog:
    """Draws users by ``seed`` so that about ``events`` events remain; a smaller log stays as it is."""
    if len(log) <= events:
        return log
    users = len(log.users)
    chosen = np.random.default_rng(seed).random(users) < events / len(log)
    return log.where(chosen[log.user])
