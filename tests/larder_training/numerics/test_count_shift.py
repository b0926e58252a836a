"""Shares of categories in two samples: tested as scipy tests them, corrected for repetitions and several categories."""

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from larder_training.numerics.count_shift import count_shift, design_effect

NAMES = ["cat", "dog", "bird"]


def test_the_test_of_all_categories_is_the_chi_square_test_of_homogeneity() -> None:
    before, after = [40, 30, 30], [80, 30, 10]
    shift = count_shift(NAMES, before, after)
    assert shift.p_value == pytest.approx(chi2_contingency([before, after], correction=False).pvalue)
    assert [entry.name for entry in shift.categories] == ["bird", "cat", "dog"]  # the most significant first
    changed = {entry.name: (entry.before, entry.after) for entry in shift.categories}
    assert changed["cat"] == pytest.approx((0.4, 2 / 3))
    assert shift.psi > 0.25


def test_a_category_that_one_sample_lacks_has_a_finite_index() -> None:
    assert np.isfinite(count_shift(NAMES, [10, 0, 5], [9, 3, 0]).psi)
    assert count_shift(["only"], [10], [20]).categories[0].p_value == 1


def test_repetitions_prove_less_than_distinct_images() -> None:
    assert design_effect([1, 1, 1]) == 1
    assert design_effect([4, 4]) == 4
    before = [500, 500, 500]
    once, repeated = count_shift(NAMES, before, [60, 30, 30]), count_shift(NAMES, before, [240, 120, 120], 4)
    assert repeated.p_value == pytest.approx(once.p_value)
    assert repeated.categories[0].after == pytest.approx(0.5)


def test_without_a_change_few_of_many_samples_are_significant() -> None:
    random = np.random.default_rng(0)
    shares = np.full(10, 0.1)
    names = [str(number) for number in range(10)]
    draws = [count_shift(names, random.multinomial(1500, shares), random.multinomial(500, shares)) for _ in range(1000)]
    alarms = sum(draw.categories[0].p_value < 0.01 for draw in draws)
    assert alarms <= 20  # 10 are expected
