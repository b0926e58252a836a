"""The split by time: one cutoff for all users, so that no model sees events after those it is evaluated on."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np

from larder_training.recommender.data.event_log import DAY, EventLog

VALIDATION: Final = 0.1  # share of the events
TEST: Final = 0.1
_WHOLE_DAYS_FROM: Final = 30 * DAY  # length from which on cutoffs are at midnight UTC, between sessions


@dataclass(frozen=True, slots=True)
class TimeSplit:
    """Cutoffs in epoch seconds.

    Attributes:
        start: Begin of training.
        validation: End of training, begin of validation.
        test: End of validation, begin of test.
        end: End of test.
    """

    start: int
    validation: int
    test: int
    end: int

    def document(self) -> dict[str, object]:
        """The section of the manifest and the report."""
        return {
            "method": "one global cut-off in time; full ranking of the catalogue",
            "train": [_iso(self.start), _iso(self.validation)],
            "validation": [_iso(self.validation), _iso(self.test)],
            "test": [_iso(self.test), _iso(self.end)],
        }


def temporal_split(log: EventLog) -> TimeSplit:
    """Splits after 80 and 90 percent of the events; at midnight UTC if the log has a month or more.

    The log must have three different times, so that each period has an event.
    """
    start, end = int(log.time[0]), log.end
    validation, test = (
        int(log.time[min(int(len(log) * share), len(log) - 1)]) for share in (1 - VALIDATION - TEST, 1 - TEST)
    )
    if end - start >= _WHOLE_DAYS_FROM:
        days = [cut // DAY * DAY for cut in (validation, test)]
        if start < days[0] < days[1]:
            validation, test = days
    if not start < validation < test:  # most events have one time, as in a log of a few days without hours
        moments = np.unique(log.time)
        last = len(moments) - 1
        at_test = int(np.clip(np.searchsorted(moments, test), min(2, last), last))
        at_validation = int(np.clip(np.searchsorted(moments, validation), min(1, last), max(at_test - 1, 0)))
        validation, test = int(moments[at_validation]), int(moments[at_test])
    return TimeSplit(start, validation, test, end)


def _iso(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}"
