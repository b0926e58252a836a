"""Whether shares of categories, such as labels or types of events, have changed between two samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2, norm

_Numbers = NDArray[np.float64]
_SMOOTHING: Final = 0.5  # of a count, so that PSI is finite for a category that one sample lacks


@dataclass(frozen=True, slots=True)
class CategoryShift:
    """How the share of one category has changed.

    Attributes:
        name: The category.
        before: Its share in the first sample.
        after: Its share in the second one.
        p_value: Of no change, adjusted for the number of categories (Holm, Scandinavian Journal of Statistics 1979).
    """

    name: str
    before: float
    after: float
    p_value: float


@dataclass(frozen=True, slots=True)
class CountShift:
    """How the shares of all categories have changed.

    Attributes:
        categories: Each category, the most significant change first.
        p_value: Of no change at all, by a chi-square test.
        psi: Population stability index: the sum of ``(after - before) * ln(after / before)``.
    """

    categories: Sequence[CategoryShift]
    p_value: float
    psi: float


def design_effect(repeats: Sequence[int]) -> float:
    """By how much repetitions of the same thing inflate the variance of a share; 1 if nothing is repeated.

    ``repeats`` has how often each thing came. First-order correction of Rao and Scott (JASA 1981) for clusters whose
    members are all alike: counts are divided by it before a test.
    """
    counts = np.asarray(repeats, np.float64)
    return float((counts**2).sum() / counts.sum())


def count_shift(names: Sequence[str], before: ArrayLike, after: ArrayLike, effect: float = 1.0) -> CountShift:
    """Compare the counts of the same categories in two samples.

    Args:
        names: The categories.
        before: Their counts in the first sample.
        after: Their counts in the second one.
        effect: The design effect of the second sample.
    """
    first, second = np.asarray(before, np.float64), np.asarray(after, np.float64) / effect
    sizes = first.sum(), second.sum()
    shares = first / sizes[0], second / sizes[1]
    pooled = (first + second) / sum(sizes)
    spread = np.sqrt(pooled * (1 - pooled) * (1 / sizes[0] + 1 / sizes[1]))
    z = np.divide(shares[1] - shares[0], spread, out=np.zeros_like(spread), where=spread > 0)
    adjusted = _holm(2 * norm.sf(np.abs(z)))
    entries = [
        CategoryShift(name, float(old), float(new), float(p_value))
        for name, old, new, p_value in zip(names, *shares, adjusted, strict=True)
    ]
    return CountShift(
        categories=sorted(entries, key=lambda entry: (entry.p_value, -abs(entry.after - entry.before))),
        p_value=_homogeneity(first, second, pooled),
        psi=_psi(first, second),
    )


def _holm(p_values: _Numbers) -> _Numbers:
    order = np.argsort(p_values)
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def _homogeneity(first: _Numbers, second: _Numbers, pooled: _Numbers) -> float:
    seen = pooled > 0
    statistic = sum(
        (((counts - counts.sum() * pooled) ** 2)[seen] / (counts.sum() * pooled)[seen]).sum()
        for counts in (first, second)
    )
    return float(chi2.sf(statistic, max(int(seen.sum()) - 1, 1)))


def _psi(first: _Numbers, second: _Numbers) -> float:
    shares = [(counts + _SMOOTHING) / (counts + _SMOOTHING).sum() for counts in (first, second)]
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
