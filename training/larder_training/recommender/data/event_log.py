"""The event log in memory: numbers in place of ids, in the order of time, 26 bytes an event."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

DAY: Final = 86_400
BLOCK: Final = 4_000_000  # events that are sorted at a time
PAUSE: Final = 1800  # seconds without an event that end a session


@dataclass(frozen=True, slots=True, eq=False)
class EventLog:
    """Events, ascending by time (then user, item, type): ``user``, ``item`` and ``event`` are numbers of ``users``,
    ``items`` and ``events`` (each sorted by text), ``time`` is epoch seconds, ``value`` float32 with NaN where no
    EVENT_VALUE was given. All arrays are ``[events]``.

    ``factor`` multiplies each event's strength (below 0: it speaks against its item; None: 1 each), and ``dwell`` is
    how many seconds it lasted, NaN where nobody knows (``larder_training.recommender.data.feedback``).
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
        """One second after the last event: the moment at which a model of the whole log knows everything."""
        return int(self.time[-1]) + 1

    def between(self, start: int, end: int) -> "EventLog":
        """The events with ``start <= time < end``, without copying them."""
        low, high = np.searchsorted(self.time, [start, end])
        return self._rows(slice(int(low), int(high)))

    def where(self, mask: NDArray[np.bool_]) -> "EventLog":
        """The events that ``mask`` picks; this very log where it picks all."""
        return self if mask.all() else self._rows(mask)

    def wanted(self) -> "EventLog":
        """The events that speak for their item: without returns and poor ratings, which nobody is recommended for."""
        return self if self.factor is None else self.where(self.factor > 0)

    def blocks(self, events: int = BLOCK) -> Iterator[NDArray[np.int64]]:
        """The places of the events of some users after others', each user's all in one block and in their order: blocks
        of ``events`` or, where one user has more, of his. What sorts pairs needs memory for a block at a time.
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
        """The events at these places, in their order, which must be ascending by time."""
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
