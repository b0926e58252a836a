"""Promotions: items that are given places of an answer, whatever their score.

Amazon Personalize places promoted items at random; here they are spread evenly, so that one question has one answer.
"""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def places(percent: int, n: int) -> int:
    """How many of ``n`` places ``percent`` are: rounded down, but one at least."""
    return max(1, n * percent // 100)


def spread(groups: Sequence[Sequence[T]]) -> list[T]:
    """All groups in one list, each spread evenly over it and in its own order.

    The j-th of a group of m stands at ``(j + 1/2) / m`` of the way; where two meet, the earlier group goes first.
    """
    groups = [group for group in groups if group]
    if len(groups) == 1:
        return list(groups[0])
    placed = [
        ((place + 0.5) / len(group), order, place) for order, group in enumerate(groups) for place in range(len(group))
    ]
    return [groups[order][place] for _, order, place in sorted(placed)]
