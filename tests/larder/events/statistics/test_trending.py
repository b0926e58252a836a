"""What grows fastest, by the significance of its last hours."""

import random
from math import exp, sqrt

import pytest

from larder.events.statistics import EventStatistics, trending

HOUR = 500_000
END = (HOUR + 1) * 3600.0 - 0.01  # the running hour is over


def hours(**counts: list[int]) -> EventStatistics:
    """Statistics with the counts of items in the hours before ``END``, oldest first."""
    length = max(map(len, counts.values()))
    return EventStatistics(
        {
            HOUR - length + 1 + k: {item: series[k] for item, series in counts.items() if series[k]}
            for k in range(length)
        }
    )


def test_significance_is_that_of_a_poisson_count() -> None:
    # 10 events an hour, then 40 in two hours: expected are 2 + 2 * 10
    ((item, significance),) = trending(hours(mug=[10] * 10 + [20, 20]), END, 5)

    assert item == "mug"
    assert significance == pytest.approx((40 - 22) / sqrt(22), abs=1e-3)


def test_growth_counts_and_not_popularity() -> None:
    statistics = hours(bestseller=[1000] * 24, rising=[5] * 22 + [30, 30], falling=[50] * 22 + [1, 1])

    assert [item for item, _ in trending(statistics, END, 5)] == ["rising"]


def test_a_few_events_of_a_rare_item_are_no_trend_and_a_burst_is_one() -> None:
    assert trending(hours(rare=[0] * 22 + [2, 2], often=[9] * 24), END, 5) == []
    assert [item for item, _ in trending(hours(new=[0] * 22 + [5, 9], often=[9] * 24), END, 5)] == ["new"]


def test_the_running_hour_counts_for_the_part_that_is_over() -> None:
    # A minute into the hour: 60 events an hour before; the window is an hour and a minute long.
    assert trending(hours(mug=[60] * 23 + [1]), HOUR * 3600.0 + 60, 5) == []
    assert trending(hours(mug=[60] * 23 + [50]), HOUR * 3600.0 + 60, 5) != []


def test_older_hours_count_less() -> None:
    long_ago = hours(mug=[40] * 12 + [10] * 10 + [35, 35], other=[1] * 24)
    just_before = hours(mug=[10] * 10 + [40] * 12 + [35, 35], other=[1] * 24)

    assert [item for item, _ in trending(long_ago, END, 1)] == ["mug"]
    assert trending(just_before, END, 1) == []


def test_items_that_do_not_change_seldom_trend() -> None:
    # GIVEN 1,000 items with the same rate for two days, drawn from the Poisson distribution
    draw = random.Random(0)

    def poisson(mean: float) -> int:
        count, product, limit = 0, draw.random(), exp(-mean)
        while product > limit:
            count, product = count + 1, product * draw.random()
        return count

    statistics = hours(**{f"item-{k}": [poisson(8.0) for _ in range(48)] for k in range(1000)})
    # THEN few of them are found: the constant makes it fewer than the 23 of a normal distribution
    assert len(trending(statistics, END, 1000)) < 23


def test_without_events_nothing_trends() -> None:
    assert trending(EventStatistics(), END, 5) == []
