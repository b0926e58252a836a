"""The event log in memory: numbers in place of ids, in the order of time, 26 bytes an event."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

DAY: Final = 86_400


@dataclass(frozen=True, slots=True, eq=False)
class Log:
    """Events, ascending by time (then user, item, type): ``user``, ``item`` and ``event`` are numbers of ``users``,
    ``items`` and ``events`` (each sorted by text), ``time`` is epoch seconds, ``value`` float32 with NaN where no
    EVENT_VALUE was given. All arrays are ``[events]``.
    """

    users: Sequence[str]
    items: Sequence[str]
    events: Sequence[str]
    user: NDArray[np.int32]
    item: NDArray[np.int32]
    event: NDArray[np.int16]
    time: NDArray[np.int64]
    value: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.time)

    @property
    def end(self) -> int:
        """One second after the last event: the moment at which a model of the whole log knows everything."""
        return int(self.time[-1]) + 1

    def between(self, start: int, end: int) -> "Log":
        """The events with ``start <= time < end``, without copying them."""
        low, high = np.searchsorted(self.time, [start, end])
        return self._rows(slice(int(low), int(high)))

    def where(self, mask: NDArray[np.bool_]) -> "Log":
        """The events that ``mask`` picks."""
        return self._rows(mask)

    def _rows(self, rows: slice | NDArray[np.bool_]) -> "Log":
        return replace(
            self,
            user=self.user[rows],
            item=self.item[rows],
            event=self.event[rows],
            time=self.time[rows],
            value=self.value[rows],
        )
