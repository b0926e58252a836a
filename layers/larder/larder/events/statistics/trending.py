"""Items whose events grow fastest: counts of the last hours against what the hours before lead to expect.

The significance of an item is ``(count - expected) / sqrt(expected)``, as counts that are Poisson distributed have it;
``expected`` is an exponentially weighted mean of the hours before, and a constant that keeps rare items from trending
by one event. SigniTrend (Schubert, Weiler, Kriegel, KDD 2014) finds emerging topics in the same way, with an estimated
variance in place of the Poisson distribution's.
"""

from heapq import nlargest
from math import sqrt
from typing import Final

from larder.events.statistics.document import HOURS, EventStatistics

WINDOW: Final = 2
"""The hours whose events count as now; the running hour is the second."""
_HALF_LIFE: Final = 12.0  # hours
_PRIOR: Final = 2.0  # events that are expected of every item
_SIGNIFICANT: Final = 2.0  # of 1,000 items that do not change, 23 are above it
_HOUR: Final = 3600


def trending(statistics: EventStatistics, now: float, most: int) -> list[tuple[str, float]]:
    """The items that grow fastest, with their significance, the largest first; only those above 2.

    Args:
        statistics: The statistics of the model.
        now: Epoch seconds.
        most: The most items.
    """
    this = int(now // _HOUR)
    first = this - WINDOW + 1
    recent: dict[str, int] = {}
    for hour in range(first, this + 1):
        for item, count in statistics.hours.get(hour, {}).items():
            recent[item] = recent.get(item, 0) + count
    begin = max(min(statistics.hours, default=first), this - HOURS + 1)
    weights = {hour: 0.5 ** ((first - hour) / _HALF_LIFE) for hour in range(begin, first)}
    total = sum(weights.values())
    elapsed = now / _HOUR - first

    def significance(item: str) -> float:
        before = sum(weight * statistics.hours.get(hour, {}).get(item, 0) for hour, weight in weights.items())
        expected = _PRIOR + (elapsed * before / total if total else 0.0)
        return (recent[item] - expected) / sqrt(expected)

    scored = ((item, significance(item)) for item in recent)
    above = [(item, value) for item, value in scored if value > _SIGNIFICANT]
    return nlargest(most, above, key=lambda pair: (pair[1], pair[0]))
