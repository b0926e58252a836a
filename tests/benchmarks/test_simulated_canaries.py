"""The simulation of canaries: it uses the formula of the rollout, and finds what it should, in few canaries."""

import numpy as np
import pytest
from canaries import Sums, Traffic, boundary, errors_apart, simulate

from larder.rollout.canary.sequential_test import TUNED_FOR, Aggregate, compare_means
from larder.rollout.canary.sequential_test import boundary as boundary_of_one


def test_the_simulation_has_the_formula_of_the_rollout() -> None:
    rng = np.random.default_rng(0)
    count = rng.integers(100, 5000, (2, 50)).astype(float)
    total = count * rng.uniform(0, 0.1, (2, 50))
    canary, stable = (Sums(count[arm], total[arm], total[arm]) for arm in range(2))
    apart, size = errors_apart(canary, stable)
    half = boundary(size, 0.01)
    for look in range(50):
        one = [Aggregate(int(count[arm, look]), total[arm, look], total[arm, look]) for arm in range(2)]
        found = compare_means(*one, level=0.01)
        assert found is not None
        assert half[look] == pytest.approx(boundary_of_one(float(size[look]), level=0.01, tuned_for=TUNED_FOR))
        expected = found.difference / (found.high - found.difference) * half[look]
        assert apart[look] == pytest.approx(expected)


def test_few_requests_count_for_nothing() -> None:
    few, many = (Sums(np.array([count]), np.array([count / 2]), np.array([count / 2])) for count in (99.0, 1000.0))
    assert errors_apart(few, many)[0] == 0.0


def test_equal_releases_are_seldom_told_apart_and_worse_ones_are_found() -> None:
    rng = np.random.default_rng(0)
    equal = simulate(Traffic(200, hours=6), 0.05, 200, rng)
    assert equal.sequential <= 0.05 < equal.naive
    worse = simulate(Traffic(200, hours=6, errors=(0.01, 0.05)), 0.05, 50, rng)
    assert worse.sequential == 1.0
    assert worse.requests is not None
    assert worse.requests < 1000
    # AND callers whose requests fail alike are drawn with the same rates
    alike = simulate(Traffic(200, hours=1, errors=(0.01, 0.2), alike=0.1), 0.05, 20, rng)
    assert alike.sequential == 1.0
