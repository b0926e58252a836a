"""The event log in memory: ids as integers, sorted by time, 26 bytes per event."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

DAY: Final = 86_400
BLOCK: Final = 4_000_000  # events that are sorted at once
PAUSE: Final = 1800  # seconds without an event after which a session ends


@dataclass(frozen=True, slots=True, eq=False)
class EventLog:
    """Events sorted by time, then user, item and type. All arrays are ``[events]``.

    Attributes:
        users: Ids of users, sorted.
        items: Ids of items, sorted; some may have no event.
        events: Event types, sorted.
        user: Index in ``users``.
        item: Index in ``items``.
        event: Index in ``events``.
        time: Epoch seconds.
        value: EVENT_VALUE; NaN: none.
        factor: Factor of the event's strength, negative for negative feedback; None: 1 for each event.
        dwell: Duration in seconds; NaN: unknown. See ``larder_training.recommender.data.feedback``.
    """

    users: Sequence[str]
    items: Sequence[str]
    events: Sequence[str]
    user: NDArray[np.int32]
    item: NDArray[np.int32]
    event: NDArray[np.int16]
    time: NDArray[np.int64]
    value: NDArray[np.float32]
    factor: NDArray[np.float32] | None = None
    dwell: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.time)

    @property
    def end(self) -> int:
        """One second after the last event: the cutoff of a model that is fitted to the whole log."""
        return int(self.time[-1]) + 1

    def between(self, start: int, end: int) -> "EventLog":
        """The events with ``start <= time < end``, as views."""
        low, high = np.searchsorted(self.time, [start, end])
        return self._rows(slice(int(low), int(high)))

    def where(self, mask: NDArray[np.bool_]) -> "EventLog":
        """The events that ``mask`` selects; this object if it selects all."""
        return self if mask.all() else self._rows(mask)

    def wanted(self) -> "EventLog":
        """The events with positive feedback: no returns and no poor ratings."""
        return self if self.factor is None else self.where(self.factor > 0)

    def blocks(self, events: int = BLOCK) -> Iterator[NDArray[np.int64]]:
        """Row numbers of the log in blocks of whole users, so that sorting pairs needs memory for one block only.

        A block has at most ``events`` events, or one user with more. Rows stay in the order of time.
        """
        if len(self) <= events:
            yield np.arange(len(self))
            return
        ends = np.cumsum(np.bincount(self.user, minlength=len(self.users)))
        user = 0
        while user < len(ends):
            begun = int(ends[user - 1]) if user else 0
            stop = max(int(np.searchsorted(ends, begun + events, side="right")), user + 1)
            yield np.flatnonzero((self.user >= user) & (self.user < stop))
            user = stop

    def take(self, order: NDArray[np.int64]) -> "EventLog":
        """The events at these row numbers, which must keep the log's order."""
        return self._rows(order)

    def _rows(self, rows: slice | NDArray[np.bool_] | NDArray[np.int64]) -> "EventLog":
        return replace(
            self,
            user=self.user[rows],
            item=self.item[rows],
            event=self.event[rows],
            time=self.time[rows],
            value=self.value[rows],
            factor=None if self.factor is None else self.factor[rows],
            dwell=None if self.dwell is None else self.dwell[rows],
        )


def known_users(log: EventLog) -> NDArray[np.bool_]:
    """Bool ``[users]``: whether a user has an event in this log."""
    known = np.zeros(len(log.users), bool)
    known[log.user] = True
    return known
