"""Feedback that events express beyond their types: returns, ratings and dwell time.

It becomes two columns of the log: ``factor``, which multiplies an event's strength and is negative for negative
feedback, and ``dwell``, in seconds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from larder.errors import InvalidRequest
from larder_training.recommender.config.options import Feedback
from larder_training.recommender.data.event_log import PAUSE, EventLog

USUAL_DWELL: Final = 30.0  # seconds of a view with factor 1


def with_feedback(log: EventLog, feedback: Feedback) -> EventLog:
    """Sets ``factor`` and ``dwell`` of the log. Raises InvalidRequest if the log has no event of a named type."""
    check_types(log, (*feedback.returns, *feedback.scales, *feedback.dwell))
    factor = event_factors(log, feedback)
    timed = np.isin(log.event, [log.events.index(name) for name in feedback.dwell])
    seconds = np.where(timed, dwell_seconds(log), np.float32(np.nan)) if feedback.dwell else None
    return replace(log, factor=None if (factor == 1).all() else factor, dwell=seconds)


def check_types(log: EventLog, names: Iterable[str]) -> None:
    """Raises InvalidRequest if the log has no event of one of these types."""
    for name in names:
        if name not in log.events:
            known = ", ".join(log.events)
            raise InvalidRequest(f"no event has the type {name!r}. Choose from the types of the log: {known[:500]}.")


def counted(log: EventLog, weights: Mapping[str, float], thresholds: Mapping[str, float]) -> NDArray[np.bool_]:
    """Bool ``[events]``: whether the type's weight is not 0 and EVENT_VALUE reaches the type's threshold.

    Types that the log does not have are ignored.
    """
    mask = np.ones(len(log), bool)
    for code, name in enumerate(log.events):
        if weights.get(name, 1.0) == 0:
            mask &= log.event != code
        if name in thresholds:
            mask &= (log.event != code) | (log.value >= thresholds[name])
    return mask


def event_factors(log: EventLog, feedback: Feedback) -> NDArray[np.float32]:
    """Float32 ``[events]``: -1 for returns, from -1 to 1 for ratings, otherwise 1.

    A return has a type of ``feedback.returns`` or an EVENT_VALUE below 0. A rating is scaled from its worst value (-1)
    to its best (1); a rating without a value has 0.
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
    """Float32 ``[events]``: seconds from each event to the user's next event at a later second.

    NaN if none follows within 30 minutes: the duration is unknown then.
    """
    seconds = np.empty(len(log), np.float32)
    for rows in log.blocks():
        seconds[rows] = _dwell(log.take(rows))
    return seconds


def _dwell(log: EventLog) -> NDArray[np.float32]:
    order = np.argsort(log.user, kind="stable")  # by user, and within each by time
    user, time = log.user[order], log.time[order]
    starts = np.flatnonzero(np.insert((user[1:] != user[:-1]) | (time[1:] != time[:-1]), 0, True))
    moments, owners = time[starts], user[starts]
    gaps = np.full(len(starts), np.nan, np.float32)
    follows = owners[1:] == owners[:-1]
    gaps[:-1][follows] = np.diff(moments)[follows]
    gaps[gaps > PAUSE] = np.nan
    seconds = np.empty(len(log), np.float32)
    seconds[order] = np.repeat(gaps, np.diff(np.append(starts, len(log))))
    return seconds


def dwell_factors(seconds: NDArray[np.float32]) -> NDArray[np.float64]:
    """Factor of an event's strength by its duration: ``log2(1 + seconds / 30)``, 1 if unknown.

    Half a minute has factor 1, two seconds 0.09, half an hour 5.9.
    """
    factors = np.log2(1 + seconds.astype(np.float64) / USUAL_DWELL)
    return np.where(np.isnan(factors), 1.0, factors)
