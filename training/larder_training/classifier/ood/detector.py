"""How unlike everything taught a picture is: the distances behind ``unknown``.

The root of the embedding (features at length 1) is compared with the class means by the cosine in a space where the
photos of one class spread equally in all directions: the metric of Mahalanobis scores (Lee et al., 2018, "A Simple
Unified Framework for Detecting Out-of-Distribution Samples"), but of angles, so that a dull picture, which is near to
everything, does not pass for a familiar one. The covariance within the classes is that of probabilistic principal
components (Tipping and Bishop, 1999): its largest axes, and one variance for all others, so that it fits few photos and
takes few weights. The root keeps a few strong features from deciding alone.

Where the backbone's middle layers are read, a second distance is added: how far their means lie from the nearest
class's, each counted in its own deviation. The last layer knows what a picture shows and names a class for anything;
the middle ones see edges and textures that were never taught (Lee et al. sum over layers too).
``benchmarks/classifier/unknowns.py`` has the numbers.
"""

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from larder_training.numerics.arrays import Floats
from larder_training.numerics.memmap import chunks, release_pages

AXES: Final = 64
MAX_ROWS: Final = 10_000  # photos that the covariance is learnt from; the means are learnt from all
FOLDS: Final = 4  # that photos are held out by, to see how novel a familiar photo may be
LEAST_LENGTH: Final = 1e-6  # of a picture's way from the middle of everything taught
LAYER_SHARE: Final = 0.3  # of the second distance in the sum, both counted in interquartile ranges of held-out photos
LEAST_DEVIATION: Final = 0.1  # share of the median deviation: what hardly varies must not decide alone
_SMALL: Final = 1e-12

Labels = NDArray[np.int64]


def _none() -> Floats:
    return np.empty(0, np.float32)


@dataclass(frozen=True, slots=True)
class LayerWidths:
    """Which columns novelty looks at: ``last`` of the backbone's last layer first, then ``middle`` means of others."""

    last: int
    middle: int = 0


@dataclass(frozen=True, slots=True)
class OODDetector:
    """``novelty`` = 1 - the largest cosine between a picture and a class, and the distance of its middle layers.

    With r = sign(u) sqrt(abs(u)) at length 1 of the embedding u, ``middle`` m ``[D]``, and the covariance S of r within
    the classes: ``directions`` ``[D, C]`` are ``inverse(S) (mean of class - m)``, as long as makes
    ``(r - m) @ directions / length`` that cosine; ``length**2 = |r - m|**2 - |(r - m) @ axes|**2`` with ``axes``
    ``[D, K]``. 0 is the mean of a class, 2 its opposite. Added is ``weight`` times the least ``|(v - usual) * scale -
    kind|`` over the ``kinds`` ``[M, C]``, for the middle layers' means v ``[M]``, where there are any.
    """

    middle: Floats
    directions: Floats
    axes: Floats
    usual: Floats = field(default_factory=_none)
    scale: Floats = field(default_factory=_none)
    kinds: Floats = field(default_factory=_none)
    weight: float = 0.0

    def score(self, features: Floats) -> Floats:
        """``[N]`` for rows whose first D + M columns are those that it was learnt from, as the graph computes it."""
        return self.joined(*self.distances(features, np.arange(len(features))))

    def joined(self, by_class: Floats, beside: Floats) -> Floats:
        """``[N]``: the sum of the two distances, by their weight."""
        return by_class + np.float32(self.weight) * beside

    def distances(self, features: Floats, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """The two distances of these rows, each ``[N]``; in pieces, for the roots are twice as large."""
        by_class, beside = np.empty(len(rows), np.float32), np.zeros(len(rows), np.float32)
        first, end = len(self.middle), len(self.middle) + len(self.usual)
        for piece in chunks(len(rows)):
            taken = features[rows[piece], :end]
            release_pages(features)
            away = _roots(taken[:, :first]) - self.middle
            square = (away**2).sum(axis=1) - ((away @ self.axes) ** 2).sum(axis=1)
            length = np.sqrt(np.maximum(square, LEAST_LENGTH**2))
            by_class[piece] = 1 - (away @ self.directions).max(axis=1) / length
            if len(self.usual):
                scaled = (taken[:, first:] - self.usual) * self.scale
                nearest = (2 * scaled @ self.kinds - (self.kinds**2).sum(axis=0)).max(axis=1)
                beside[piece] = np.sqrt(np.maximum((scaled**2).sum(axis=1) - nearest, 0))
        return by_class, beside


def _roots(features: Floats) -> NDArray[np.float64]:
    roots = np.sign(features) * np.sqrt(np.abs(features, dtype=np.float64))  # of the embedding's, a multiple
    unit: NDArray[np.float64] = roots / np.maximum(np.linalg.norm(roots, axis=1, keepdims=True), _SMALL)
    return unit


def _mean_of_roots(features: Floats, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of these rows, in pieces: all roots at once are twice the features' memory."""
    total = np.zeros(features.shape[1])
    for piece in chunks(len(rows)):
        total += _roots(features[rows[piece]]).sum(axis=0)
        release_pages(features)
    return total / len(rows)


def fit_with_held_out_scores(
    features: Floats, labels: Labels, groups: NDArray[np.int64], layer_widths: LayerWidths | None = None
) -> tuple[OODDetector, Floats]:
    """Learns what is familiar, and how novel familiar photos are.

    Args:
        features: ``[N, D + M]`` or wider; the plain photos, without changed copies.
        labels: ``[N]``, each of 0..C-1 present.
        groups: ``[N]``; photos of one group stay in one fold.
        layer_widths: which columns count (None: all, as the last layer's).

    Returns:
        The novelty, and each photo's own to what the other folds taught: ``[N]``, of more than ``MAX_ROWS`` photos so
        many. It is empty, and middle layers do not count, where a class cannot be cut into two.
    """
    made = fit_detector(features, labels, layer_widths=layer_widths)
    by_class, beside = _held_out(features, labels, groups, layer_widths)
    made = replace(made, weight=layer_distance_weight(by_class, beside))
    return made, made.joined(by_class, beside)


def layer_distance_weight(by_class: Floats, beside: Floats) -> float:
    """What the second distance counts, by both distances of photos that were held out; 0 where there is none."""
    if not len(beside) or not beside.any():
        return 0.0
    return LAYER_SHARE * _spans(by_class) / max(_spans(beside), _SMALL)


def _spans(scores: Floats) -> float:
    """The interquartile range: a few odd photos move a deviation."""
    low, high = np.quantile(scores, (0.25, 0.75))
    return float(high - low)


def fit_detector(
    features: Floats, labels: Labels, *, layer_widths: LayerWidths | None = None, rows: NDArray[np.int64] | None = None
) -> OODDetector:
    """Learns what is familiar from these ``rows`` (None: all), without a copy of them; ``weight`` is still 0.

    Args:
        features: ``[N, D + M]``, as for ``fit_with_held_out_scores``.
        labels: ``[N]``; among the rows, each of 0..C-1 is present.
        layer_widths: as for ``fit_with_held_out_scores``.
        rows: positions in ``features``.
    """
    layer_widths = layer_widths or LayerWidths(features.shape[1])
    rows = np.arange(len(labels)) if rows is None else rows
    last = features[:, : layer_widths.last]
    means = np.stack([_mean_of_roots(last, rows[labels[rows] == label]) for label in range(labels[rows].max() + 1)])
    middle = means.mean(axis=0)
    some = np.sort(rows[np.random.default_rng(0).permutation(len(rows))[:MAX_ROWS]])
    axes, variances, rest = _spread(last, labels, some, means)
    away = means - middle
    # inverse(S) = (1 - axes (1 - rest / variances) axes') / rest, and rest itself cancels in a cosine.
    shares = 1 - rest / variances
    directions = away - (away @ axes * shares) @ axes.T
    lengths = np.sqrt(np.maximum((away * directions).sum(axis=1, keepdims=True), LEAST_LENGTH**2))
    beside = (
        _usual(features[:, layer_widths.last : layer_widths.last + layer_widths.middle], labels, rows)
        if layer_widths.middle
        else ()
    )
    return OODDetector(
        middle.astype(np.float32),
        np.ascontiguousarray((directions / lengths).T, np.float32),
        np.ascontiguousarray(axes * np.sqrt(shares), np.float32),
        *beside,
    )


def _usual(values: Floats, labels: Labels, rows: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
    """Of these rows: the middle of the classes' means ``[M]``, what makes a deviation from the own class's mean count
    ``1 / sqrt(M)`` ``[M]``, and each class's mean so scaled, seen from the middle, ``[M, C]``.
    """
    counts = np.bincount(labels[rows])
    sums, squares = np.zeros((len(counts), values.shape[1])), np.zeros(values.shape[1])
    for piece in chunks(len(rows)):
        some = values[rows[piece]].astype(np.float64)
        release_pages(values)
        np.add.at(sums, labels[rows[piece]], some)
        squares += (some**2).sum(axis=0)
    means = sums / counts[:, None]
    deviation = np.sqrt(np.maximum(squares - counts @ means**2, 0) / len(rows))
    least = max(LEAST_DEVIATION * float(np.median(deviation)), _SMALL)
    scale = 1 / (np.maximum(deviation, least) * np.sqrt(len(deviation)))
    usual = means.mean(axis=0)
    kinds = ((means - usual) * scale).T
    return usual.astype(np.float32), scale.astype(np.float32), np.ascontiguousarray(kinds, np.float32)


def _held_out(
    features: Floats, labels: Labels, groups: NDArray[np.int64], layer_widths: LayerWidths | None
) -> tuple[Floats, Floats]:
    """Both distances of each photo to what the other folds taught; empty where a class cannot be cut into two."""
    rows = np.sort(np.random.default_rng(0).permutation(len(labels))[:MAX_ROWS])
    _, numbers = np.unique(labels[rows], return_inverse=True)
    folds = min(FOLDS, *(len(np.unique(groups[rows[numbers == label]])) for label in range(numbers.max() + 1)))
    by_class, beside = np.empty(len(rows), np.float32), np.empty(len(rows), np.float32)
    if folds < 2:
        return by_class[:0], beside[:0]
    renumbered = np.empty_like(labels)
    # Unshuffled: the folds then follow from the groups alone.
    for taught, asked in StratifiedGroupKFold(folds).split(rows, numbers, groups[rows]):
        _, own = np.unique(numbers[taught], return_inverse=True)  # large groups may leave a class out
        renumbered[rows[taught]] = own
        made = fit_detector(features, renumbered, layer_widths=layer_widths, rows=rows[taught])
        by_class[asked], beside[asked] = made.distances(features, rows[asked])
    return by_class, beside


def _spread(
    features: Floats, labels: Labels, rows: NDArray[np.int64], means: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """The largest axes ``[D, K]`` of the photos about their class means, their variances ``[K]``, the others'."""
    number, size = len(rows), features.shape[1]
    count = max(0, min(AXES, size // 2, (number - len(means)) // 2))
    # Of few rows, their products with each other have the same variances as the columns' (Turk and Pentland, 1991).
    few = number < size
    residuals = np.empty((number if few else 0, size))
    products = np.zeros((number, number) if few else (size, size))
    with threadpool_limits(1, user_api="blas"):  # a sum's order, and so its last bits, depends on the threads
        for piece in chunks(number):
            some = rows[piece]
            away = _roots(features[some]) - means[labels[some]]
            release_pages(features)
            if few:
                residuals[piece] = away
            else:
                products += away.T @ away
        if few:
            products = residuals @ residuals.T
        whole = float(np.trace(products)) / number
        if not count:
            return np.zeros((size, 0)), np.zeros(0), max(whole / size, _SMALL)
        sums, vectors = eigh(products, subset_by_index=[len(products) - count, len(products) - 1])
        axes = residuals.T @ vectors / np.sqrt(np.maximum(sums, _SMALL)) if few else vectors
    variances = sums / number
    rest = max((whole - float(variances.sum())) / (size - count), _SMALL)
    return axes, np.maximum(variances, rest), rest
