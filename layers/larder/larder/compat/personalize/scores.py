"""Scores as Personalize documents them: the softmax of a model's scores, over the catalogue or a ranked list."""

from collections.abc import Collection, Sequence
from math import exp


def softmax(scores: Sequence[float], over: Collection[float], zeros: int = 0) -> list[float]:
    """``exp(score)`` of each of ``scores``, divided by the sum of ``exp`` over a set of items.

    Args:
        scores: The scores to convert, which are among those of the set.
        over: The scores of the set's items.
        zeros: The number of further items of the set, whose score is 0.
    """
    top = max(over, default=0.0)
    if zeros:
        top = max(top, 0.0)
    total = sum(exp(score - top) for score in over) + zeros * exp(-top)
    return [exp(score - top) / total for score in scores]
