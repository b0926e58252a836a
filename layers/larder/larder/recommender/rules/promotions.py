"""Promotions: items that get places in a response independent of their score.

Amazon Personalize places promoted items at random; here they are spread evenly, so that responses are deterministic.
"""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def place_count(percent: int, n: int) -> int:
    """The number of places that are ``percent`` of ``n``, rounded down, but at least one."""
    return max(1, n * percent // 100)


def interleave(groups: Sequence[Sequence[T]]) -> list[T]:
    """All groups in one list, each spread evenly over it in its own order.

    The j-th of a group of m is at the fraction ``(j + 1/2) / m`` of the list; of equal ones the earlier group is first.
    """
    groups = [group for group in groups if group]
    if len(groups) == 1:
        return list(groups[0])
    positions = [
        ((index + 0.5) / len(group), order, index) for order, group in enumerate(groups) for index in range(len(group))
    ]
    return [groups[order][index] for _, order, index in sorted(positions)]
