"""The split: one moment for everybody. What comes later is never used to say what comes before."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from larder_training.recommender.data.event_log import DAY, EventLog

VALIDATION: Final = 0.1  # share of the events
TEST: Final = 0.1
_WHOLE_DAYS_FROM: Final = 30 * DAY  # a log of this length is cut at midnight UTC, so that no session is


@dataclass(frozen=True, slots=True)
class TimeSplit:
    """Epoch seconds: training is ``[start, validation)``, validation ``[validation, test)``, test ``[test, end)``."""

    start: int
    validation: int
    test: int
    end: int

    def document(self) -> dict[str, object]:
        """As it stands in the manifest and the report."""
        return {
            "method": "one global cut-off in time; full ranking of the catalogue",
            "train": [_iso(self.start), _iso(self.validation)],
            "validation": [_iso(self.validation), _iso(self.test)],
            "test": [_iso(self.test), _iso(self.end)],
        }


def temporal_split(log: EventLog) -> TimeSplit:
    """Cuts after 80 and 90 percent of the events, at midnight UTC where the log has a month or more."""
    start, end = int(log.time[0]), log.end
    validation, test = (
        int(log.time[min(int(len(log) * share), len(log) - 1)]) for share in (1 - VALIDATION - TEST, 1 - TEST)
    )
    if end - start >= _WHOLE_DAYS_FROM:
        days = [cut // DAY * DAY for cut in (validation, test)]
        if start < days[0] < days[1]:
            validation, test = days
    return TimeSplit(start, validation, test, end)


def _iso(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}"
