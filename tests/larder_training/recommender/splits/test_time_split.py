from collections.abc import Callable

import pytest

from larder_training.recommender.data.event_log import EventLog
from larder_training.recommender.splits.time_split import temporal_split

DAY = 86_400


@pytest.mark.parametrize(
    "events",
    [
        (95, 4, 1),  # most events on the first day
        (1, 1, 98),  # and on the last
        (1, 98, 1),
        (10, 10, 10, 970),
        (50, 50, 50, 50, 50),
    ],
)
def test_every_period_has_events_if_there_are_three_times(
    make_log: Callable[..., EventLog], events: tuple[int, ...]
) -> None:
    rows = [(f"u{n}", "i", (1 + day) * DAY, "view") for day, count in enumerate(events) for n in range(count)]
    log = make_log(rows)
    split = temporal_split(log)
    assert split.start < split.validation < split.test < split.end
    for start, end in ((split.start, split.validation), (split.validation, split.test), (split.test, split.end)):
        assert len(log.between(start, end))
