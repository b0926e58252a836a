"""Rolling-origin validation: the same moments for everybody, each with what came before it and what came after it."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from larder_training.recommender.data.event_log import EventLog
from larder_training.recommender.splits.tasks import Task, next_items, rest_of_session
from larder_training.recommender.splits.time_split import TimeSplit

FOLDS: Final = 2
MIN_USERS: Final = 20  # with fewer to ask, a fold says nothing
MAX_EVENTS: Final = 2_000_000  # of the users that choices are made with; the model is fitted to everybody's
_LEAST_HISTORY: Final = 0.3  # of the events before the last cut-off that an earlier one must leave


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """``history`` ends before ``now``, and ``period`` begins there.

    ``known`` asks for all items of the period, of users with history; ``sessions`` for the rest of a session that is
    not in its first half; ``visits`` for all the rest, what was there before included.
    """

    history: EventLog
    now: int
    period: EventLog
    known: Task
    sessions: Task
    visits: Task


def make_folds(log: EventLog, split: TimeSplit, session_length: int, seed: int, folds: int = FOLDS) -> list[Fold]:
    """The validation periods before ``split.test``, latest last: each as long as the last one, each right before the
    next (Tashman, "Out-of-sample tests of forecasting accuracy", International Journal of Forecasting, 2000).

    An earlier period is left out where it leaves too little history, or has too few users with some.
    """
    length = split.test - split.validation
    whole = len(log.between(split.start, split.validation))
    made: list[Fold] = []
    for back in range(folds):
        now, end = split.validation - back * length, split.test - back * length
        history = log.between(split.start, now)
        if back and len(history) < _LEAST_HISTORY * whole:
            break
        fold = _fold(history, now, log.between(now, end), session_length, seed)
        if not back or len(fold.known.users) >= MIN_USERS:
            made.append(fold)
    return made[::-1]


def _fold(history: EventLog, now: int, period: EventLog, session_length: int, seed: int) -> Fold:
    known = next_items(history, period).sample(seed)
    sessions = rest_of_session(period, session_length).sample(seed)
    visits = rest_of_session(period, session_length, again=True).sample(seed)
    return Fold(history, now, period, known, sessions, visits)


def thin(log: EventLog, seed: int, events: int = MAX_EVENTS) -> EventLog:
    """The events of some users, drawn by ``seed``, so that there are about ``events`` of them; few logs need it."""
    if len(log) <= events:
        return log
    users = len(log.users)
    chosen = np.random.default_rng(seed).random(users) < events / len(log)
    return log.where(chosen[log.user])
