"""Who is no person: users who act faster, or longer without sleep, than anybody can.

The rules are absolute, so that a small log does not make its keenest customer a robot. What is counted are moments, the
different seconds at which somebody acts: the two hundred lines of a wholesaler's invoice, or a page that logs ten items
at once, are one.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from larder_training.recommender.data.event_log import EventLog

HOUR_MOMENTS: Final = 1200  # more in one clock hour: one each three seconds, without looking at anything
DAY_MOMENTS: Final = 5000  # more in one day UTC: one each ten seconds, for fourteen hours
AWAKE_HOURS: Final = 72  # clock hours in a row, each with an event
_HOUR: Final = 3600


def find_bots(log: EventLog) -> NDArray[np.bool_]:
    """Bool ``[users]``: who has more than 1200 moments in an hour or 5000 in a day, or 72 hours in a row with one.

    Memory: 1 byte an event, and 24 more for each event of users who have at least 72 moments.
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
    stride = (int(hours.max()) // 24 + 2) * 24  # a free day between users
    hours += log.user[moments] * np.int64(stride)
    hour, counts = np.unique(hours, return_counts=True)
    days = np.flatnonzero(np.insert(hour[1:] // 24 != hour[:-1] // 24, 0, True))
    bots[hour[counts > HOUR_MOMENTS] // stride] = True
    bots[hour[days][np.add.reduceat(counts, days) > DAY_MOMENTS] // stride] = True
    awake = hour[AWAKE_HOURS - 1 :][hour[AWAKE_HOURS - 1 :] - hour[: len(hour) - AWAKE_HOURS + 1] == AWAKE_HOURS - 1]
    bots[awake // stride] = True
    return bots
