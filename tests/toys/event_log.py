"""Event logs of a few rows, for tests that compute by hand."""

from collections.abc import Sequence

import numpy as np

from larder_training.recommender.data.event_log import EventLog


def event_log(rows: Sequence[tuple[str, str, int, str]], more_items: Sequence[str] = ()) -> EventLog:
    """A log of rows ``(user, item, time, event type)``; ``more_items`` are items without events."""
    rows = sorted(rows, key=lambda row: (row[2], row[0], row[1], row[3]))
    users, events = sorted({row[0] for row in rows}), sorted({row[3] for row in rows})
    items = sorted({*(row[1] for row in rows), *more_items})
    return EventLog(
        users,
        items,
        events,
        np.array([users.index(row[0]) for row in rows], np.int32),
        np.array([items.index(row[1]) for row in rows], np.int32),
        np.array([events.index(row[3]) for row in rows], np.int16),
        np.array([row[2] for row in rows], np.int64),
        np.full(len(rows), np.nan, np.float32),
    )
