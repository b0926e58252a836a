"""Bot detection: users who act faster, or longer without a pause, than people can.

The limits are absolute, so that the most active customer of a small log is not taken for a bot. They count moments, the
distinct seconds with an event: an invoice of two hundred lines, or a page that logs ten items at once, is one moment.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from larder_training.recommender.data.event_log import EventLog

HOUR_MOMENTS: Final = 1200  # per clock hour: one every three seconds
DAY_MOMENTS: Final = 5000  # per day (UTC): one every ten seconds for fourteen hours
AWAKE_HOURS: Final = 72  # consecutive clock hours with an event
_HOUR: Final = 3600


def find_bots(log: EventLog) -> NDArray[np.bool_]:
    """Bool ``[users]``: more than 1200 moments in an hour or 5000 in a day, or 72 consecutive hours with one.

    Memory: 1 byte per event, and 24 more per event of users with at least 72 moments.
    """
    moments = np.ones(len(log), bool)
    if len(log):
        moments[1:] = (log.time[1:] != log.time[:-1]) | (log.user[1:] != log.user[:-1])
    active = np.bincount(log.user[moments], minlength=len(log.users)) >= AWAKE_HOURS
    moments &= active[log.user]
    bots = np.zeros(len(log.users), bool)
    if not moments.any():
        return bots
    hours = log.time[moments] // _HOUR
    hours -= hours.min() // 24 * 24
    stride = (int(hours.max()) // 24 + 2) * 24  # one empty day between users
    hours += log.user[moments] * np.int64(stride)
    hour, counts = np.unique(hours, return_counts=True)
    days = np.flatnonzero(np.insert(hour[1:] // 24 != hour[:-1] // 24, 0, True))
    bots[hour[counts > HOUR_MOMENTS] // stride] = True
    bots[hour[days][np.add.reduceat(counts, days) > DAY_MOMENTS] // stride] = True
    awake = hour[AWAKE_HOURS - 1 :][hour[AWAKE_HOURS - 1 :] - hour[: len(hour) - AWAKE_HOURS + 1] == AWAKE_HOURS - 1]
    bots[awake // stride] = True
    return bots
