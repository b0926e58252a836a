"""Times for interactions without TIMESTAMP: each event's position in its user's history.

The k-th of a user's n events happens at the share ``(k + 1/2) / n`` of ``SPAN``. One cutoff for all users then divides
each user's history in the same proportion, so that the splits, tasks and metrics of logs with times apply unchanged.
"""

from dataclasses import replace
from typing import Final, Literal

import numpy as np

from larder_training.numerics.sparse import place_within
from larder_training.recommender.data.event_log import EventLog

SPAN: Final = 1_000_000  # seconds; below the month from which a log is cut at midnight


def place_in_histories(log: EventLog, order: Literal["file", "random"], seed: int) -> EventLog:
    """Sets the time of each event.

    Args:
        log: Events in the order of the file.
        order: ``file``: each user's events are in order, the oldest first; ``random``: their order is drawn.
        seed: Of the draw, which does not depend on the file's order.
    """
    if order == "random":
        log = log.take(np.lexsort((log.value, log.event, log.item, log.user)))
        log = log.take(np.random.default_rng(seed).permutation(len(log)))
    log = log.take(np.argsort(log.user, kind="stable"))
    counts = np.bincount(log.user, minlength=len(log.users))
    place = place_within(log.user.astype(np.int64))
    return replace(log, time=((place + 0.5) / counts[log.user] * SPAN).astype(np.int64))
