"""The softmax of scores."""

import math

import pytest

from larder.compat.personalize.scores import softmax


def test_it_sums_to_one_over_the_catalogue() -> None:
    shares = softmax([1.0, 0.5], [1.0, 0.5, -2.0], zeros=7)
    total = math.exp(1) + math.exp(0.5) + math.exp(-2) + 7
    assert shares == pytest.approx([math.exp(1) / total, math.exp(0.5) / total])


def test_it_sums_to_one_over_a_list() -> None:
    assert sum(softmax([3.0, 0.0, 1.0], [3.0, 0.0, 1.0])) == pytest.approx(1)


@pytest.mark.parametrize("scale", [1e3, -1e3, 1e300])
def test_large_scores_do_not_overflow(scale: float) -> None:
    assert softmax([scale, 0.0], [scale], zeros=1) == pytest.approx([1.0, 0.0] if scale > 0 else [0.0, 1.0])


def test_nothing_is_shared_among_no_items() -> None:
    assert softmax([], []) == []
