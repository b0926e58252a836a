"""Whether a canary's mean differs from the stable release's: an interval that holds however often one looks at it.

A usual 95 % interval holds for one look. A watch that looks each minute, and stops at the first look that shows a
difference, is wrong far more often. The intervals of a *confidence sequence* hold at all looks at once, so a watch may
decide at any of them. This is the asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas,
"Time-uniform central limit theory and asymptotic confidence sequences", Annals of Statistics 52 (2024), theorem 2.2,
with Robbins' normal mixture (Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric, nonasymptotic
confidence sequences", Annals of Statistics 49, 2021).
"""

import math
from dataclasses import dataclass
from typing import Final

MIN_REQUESTS: Final = 100  # of each arm: the theorem is asymptotic, so it says nothing about the first few
TUNED_FOR: Final = 2000  # requests of the canary for which the interval is the narrowest; it holds for any number


@dataclass(frozen=True, slots=True)
class Aggregate:
    """What one arm's requests add up to; aggregates of instances and of minutes add.

    Attributes:
        count: The number of requests.
        total: The sum of their values.
        squares: The sum of the values' squares.
    """

    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    def __add__(self, other: "Aggregate") -> "Aggregate":
        return Aggregate(self.count + other.count, self.total + other.total, self.squares + other.squares)

    @property
    def mean(self) -> float:
        """The mean of the values; 0 without any."""
        return self.total / self.count if self.count else 0.0

    @property
    def variance(self) -> float:
        """The variance of the values, by count - 1; 0 for fewer than two."""
        if self.count < 2:
            return 0.0
        return max(0.0, (self.squares - self.total * self.mean) / (self.count - 1))


@dataclass(frozen=True, slots=True)
class Interval:
    """The difference of two means, canary minus stable, and its bounds at this look.

    Attributes:
        difference: The difference of the means, in units of the values.
        low: Its lower bound.
        high: Its upper bound.
    """

    difference: float
    low: float
    high: float


def compare_means(
    canary: Aggregate,
    stable: Aggregate,
    *,
    level: float,
    tuned_for: float = TUNED_FOR,
    least_variance: float = 0.0,
) -> Interval | None:
    """The interval of the difference of two means; None while an arm has fewer than ``MIN_REQUESTS`` requests.

    The probability that the true difference is ever outside the interval, at any look, is at most ``level``, if the
    requests are independent and each arm has enough of them.

    The variance of the difference is the larger of two estimates: from each arm's own variance, and from the variance
    of both together. The first alone is 0 for an arm without any error yet, and would make a difference certain. That
    of both together counts as at least ``least_variance``.
    """
    if min(canary.count, stable.count) < MIN_REQUESTS:
        return None
    own = canary.variance / canary.count + stable.variance / stable.count
    size = canary.count * stable.count / (canary.count + stable.count)
    pooled = max((canary + stable).variance, least_variance) / size
    half = math.sqrt(max(own, pooled)) * boundary(size, level=level, tuned_for=tuned_for)
    difference = canary.mean - stable.mean
    return Interval(difference, difference - half, difference + half)


def boundary(size: float, *, level: float, tuned_for: float) -> float:
    """How many standard errors the interval reaches to each side; about 2 for one look, 3 and more for all looks.

    Args:
        size: The number of values; for a difference, n0 * n1 / (n0 + n1), which is nearly the smaller arm's number.
        level: The probability that the truth is ever outside.
        tuned_for: The ``size`` at which the interval is the narrowest; rho is the paper's closed form for it.
    """
    log = -2.0 * math.log(level)
    prior = tuned_for / (log + math.log1p(log))  # 1 / rho^2
    return math.sqrt((size + prior) / size * (log + math.log1p(size / prior)))
