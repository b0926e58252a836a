"""What a single event says beyond its type: that something was sent back, how it was rated, how long it was looked at.

Reading turns these into two columns of the log, so that all that follows stays as it is: ``factor`` multiplies an
event's strength, and is below 0 where the event speaks against its item; ``dwell`` is seconds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from larder.errors import InvalidRequest
from larder_training.recommender.config.options import Feedback
from larder_training.recommender.data.event_log import PAUSE, EventLog

USUAL_DWELL: Final = 30.0  # seconds of a view that count as one


def with_feedback(log: EventLog, feedback: Feedback) -> EventLog:
    """The log with its ``factor`` and ``dwell``; raises InvalidRequest where no event has a type that is named."""
    check_types(log, (*feedback.returns, *feedback.scales, *feedback.dwell))
    factor = event_factors(log, feedback)
    timed = np.isin(log.event, [log.events.index(name) for name in feedback.dwell])
    seconds = np.where(timed, dwell_seconds(log), np.float32(np.nan)) if feedback.dwell else None
    return replace(log, factor=None if (factor == 1).all() else factor, dwell=seconds)


def check_types(log: EventLog, names: Iterable[str]) -> None:
    """Raises InvalidRequest where no event has a type that is named."""
    for name in names:
        if name not in log.events:
            known = ", ".join(log.events)
            raise InvalidRequest(
                f"no event has the type {name!r}: the log's types are {known[:500]}. Name one of them."
            )


def counted(log: EventLog, weights: Mapping[str, float], thresholds: Mapping[str, float]) -> NDArray[np.bool_]:
    """``[events]``: which events count: those of a type whose weight is not 0, from their type's threshold of
    EVENT_VALUE up. Types that the log does not have are passed over.
    """
    found = np.ones(len(log), bool)
    for code, name in enumerate(log.events):
        if weights.get(name, 1.0) == 0:
            found &= log.event != code
        if name in thresholds:
            found &= (log.event != code) | (log.value >= thresholds[name])
    return found


def event_factors(log: EventLog, feedback: Feedback) -> NDArray[np.float32]:
    """``[events]``: -1 for a return (by its type, or by an EVENT_VALUE below 0), a rating's place between the worst
    (-1) and the best (1) of its scale, 0 for a rating without a value; else 1.
    """
    factor = np.where(log.value < 0, np.float32(-1), np.float32(1))  # NaN is not below 0
    for name in feedback.returns:
        factor[log.event == log.events.index(name)] = -1
    for name, (worst, best) in feedback.scales.items():
        rated = log.event == log.events.index(name)
        middle, half = (worst + best) / 2, (best - worst) / 2
        factor[rated] = np.nan_to_num(np.clip((log.value[rated] - middle) / half, -1, 1), nan=0.0)
    return factor


def dwell_seconds(log: EventLog) -> NDArray[np.float32]:
    """``[events]``: from each event to its user's next one at a later second; NaN where none follows within a session's
    pause of 30 minutes, since nobody knows how long he stayed then.
    """
    found = np.empty(len(log), np.float32)
    for rows in log.blocks():
        found[rows] = _dwell(log.take(rows))
    return found


def _dwell(log: EventLog) -> NDArray[np.float32]:
    order = np.argsort(log.user, kind="stable")  # by user, and within each by time
    user, time = log.user[order], log.time[order]
    starts = np.flatnonzero(np.insert((user[1:] != user[:-1]) | (time[1:] != time[:-1]), 0, True))
    moments, owners = time[starts], user[starts]
    gaps = np.full(len(starts), np.nan, np.float32)
    follows = owners[1:] == owners[:-1]
    gaps[:-1][follows] = np.diff(moments)[follows]
    gaps[gaps > PAUSE] = np.nan
    found = np.empty(len(log), np.float32)
    found[order] = np.repeat(gaps, np.diff(np.append(starts, len(log))))
    return found


def dwell_factors(seconds: NDArray[np.float32]) -> NDArray[np.float64]:
    """What a duration multiplies: ``log2(1 + seconds / 30)``, so half a minute 1, two seconds 0.09, half an hour 5.9; 1
    where it is not known.
    """
    factors = np.log2(1 + seconds.astype(np.float64) / USUAL_DWELL)
    return np.where(np.isnan(factors), 1.0, factors)
