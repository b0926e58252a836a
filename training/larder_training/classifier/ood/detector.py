"""Out-of-distribution (OOD) detection: how far the features of an image are from every class.

The score is one minus the largest cosine between the image and a class mean, in a space where the images of one class
spread equally in all directions. This is the metric of Mahalanobis scores (Lee et al., 2018, "A Simple Unified
Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks"), applied to angles: a featureless image
is near to every mean, and its distance alone would make it look in-distribution. The features enter as the signed
square roots of the embedding (features at length 1), which limits the influence of a few strong features. The
covariance within the classes is that of probabilistic principal components (Tipping and Bishop, 1999): its largest
axes, and one variance for all others. This needs few images to fit and few weights to store.

If the backbone's intermediate layers are used, a second distance is added: that of their means to the nearest class,
in units of each column's deviation. The last layer describes what an image shows and finds a class for anything; the
intermediate layers describe edges and textures, and notice unusual ones (Lee et al. sum over layers too).
``benchmarks/classifier/unknowns.py`` measures both.
"""

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from sklearn.model_selection import StratifiedGroupKFold

from larder_training.numerics.arrays import Floats
from larder_training.numerics.blas import single_threaded_blas
from larder_training.numerics.memmap import chunks, release_pages

AXES: Final = 64
MAX_ROWS: Final = 10_000  # rows for the covariance; the means use all rows
FOLDS: Final = 4  # of the cross-validation that scores in-distribution images
LEAST_LENGTH: Final = 1e-6  # lower limit of an image's distance to the centre, against division by 0
LAYER_SHARE: Final = 0.3  # weight of the layer distance, with both distances in units of their interquartile range
LEAST_DEVIATION: Final = 0.1  # of a column, as a share of the median: a nearly constant column must not decide alone
_SMALL: Final = 1e-12

Labels = NDArray[np.int64]


def _empty() -> Floats:
    return np.empty(0, np.float32)


@dataclass(frozen=True, slots=True)
class LayerWidths:
    """The columns that the detector reads.

    Attributes:
        last: Number of columns of the backbone's last layer, which come first.
        middle: Number of columns of its intermediate layers, which follow.
    """

    last: int
    middle: int = 0


@dataclass(frozen=True, slots=True)
class OODDetector:
    """Fitted parameters of the OOD score.

    Let r be the signed square roots of the embedding, at length 1, and S the covariance of r within the classes. The
    score is ``1 - max((r - centre) @ directions / length)`` with ``length**2 = |r - centre|**2 - |(r - centre) @
    axes|**2``: 0 at the mean of a class, 2 opposite to it. With intermediate layers v, ``layer_weight`` times the
    smallest ``|(v - layer_centre) * layer_scale - layer_means|`` over the classes is added.

    Attributes:
        centre: ``[D]``, the mean of the class means of r.
        directions: ``[D, C]``, ``inverse(S) (class mean - centre)``, scaled so that the formula gives a cosine.
        axes: ``[D, K]``, the largest axes of S, scaled.
        layer_centre: ``[M]``, the mean of the class means of v; empty without intermediate layers.
        layer_scale: ``[M]``.
        layer_means: ``[M, C]``, the scaled class means.
        layer_weight: Weight of the layer distance.
    """

    centre: Floats
    directions: Floats
    axes: Floats
    layer_centre: Floats = field(default_factory=_empty)
    layer_scale: Floats = field(default_factory=_empty)
    layer_means: Floats = field(default_factory=_empty)
    layer_weight: float = 0.0

    def score(self, features: Floats) -> Floats:
        """OOD scores ``[N]`` of rows whose first D + M columns are those of the fit; the graph computes the same."""
        return self.combine(*self.distances(features, np.arange(len(features))))

    def combine(self, class_distances: Floats, layer_distances: Floats) -> Floats:
        """``[N]``: the weighted sum of the two distances."""
        return class_distances + np.float32(self.layer_weight) * layer_distances

    def distances(self, features: Floats, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """The class distances and layer distances ``[N]`` of these rows, computed in chunks to save memory."""
        class_distances, layer_distances = np.empty(len(rows), np.float32), np.zeros(len(rows), np.float32)
        first, end = len(self.centre), len(self.centre) + len(self.layer_centre)
        for chunk in chunks(len(rows)):
            columns = features[rows[chunk], :end]
            release_pages(features)
            offset = _roots(columns[:, :first]) - self.centre
            square = (offset**2).sum(axis=1) - ((offset @ self.axes) ** 2).sum(axis=1)
            length = np.sqrt(np.maximum(square, LEAST_LENGTH**2))
            class_distances[chunk] = 1 - (offset @ self.directions).max(axis=1) / length
            if len(self.layer_centre):
                scaled = (columns[:, first:] - self.layer_centre) * self.layer_scale
                nearest = (2 * scaled @ self.layer_means - (self.layer_means**2).sum(axis=0)).max(axis=1)
                layer_distances[chunk] = np.sqrt(np.maximum((scaled**2).sum(axis=1) - nearest, 0))
        return class_distances, layer_distances


def _roots(features: Floats) -> NDArray[np.float64]:
    roots = np.sign(features) * np.sqrt(np.abs(features, dtype=np.float64))  # a multiple of those of the embedding
    unit: NDArray[np.float64] = roots / np.maximum(np.linalg.norm(roots, axis=1, keepdims=True), _SMALL)
    return unit


def _mean_of_roots(features: Floats, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Computed in chunks: all roots at once would take twice the memory of the features."""
    total = np.zeros(features.shape[1])
    for chunk in chunks(len(rows)):
        total += _roots(features[rows[chunk]]).sum(axis=0)
        release_pages(features)
    return total / len(rows)


def fit_with_held_out_scores(
    features: Floats, labels: Labels, groups: NDArray[np.int64], layer_widths: LayerWidths | None = None
) -> tuple[OODDetector, Floats]:
    """Fits a detector, and scores the same images out of fold.

    Args:
        features: ``[N, D + M]`` or wider, of images as they are served, without augmented copies.
        labels: ``[N]``, with each of 0..C-1 present.
        groups: ``[N]``; images of one group stay in one fold.
        layer_widths: The columns to read. None: all, as the last layer's.

    Returns:
        The detector, and scores ``[min(N, MAX_ROWS)]`` by detectors of the other folds. If a class has one group only,
        the scores are empty and the layer distance has weight 0.
    """
    detector = fit_detector(features, labels, layer_widths=layer_widths)
    class_distances, layer_distances = _held_out_distances(features, labels, groups, layer_widths)
    detector = replace(detector, layer_weight=layer_distance_weight(class_distances, layer_distances))
    return detector, detector.combine(class_distances, layer_distances)


def layer_distance_weight(class_distances: Floats, layer_distances: Floats) -> float:
    """The weight of the layer distance, from the distances ``[N]`` of held-out images; 0 without layer distances."""
    if not len(layer_distances) or not layer_distances.any():
        return 0.0
    return LAYER_SHARE * _interquartile_range(class_distances) / max(_interquartile_range(layer_distances), _SMALL)


def _interquartile_range(scores: Floats) -> float:
    """A measure of spread that a few outliers do not change, unlike the standard deviation."""
    low, high = np.quantile(scores, (0.25, 0.75))
    return float(high - low)


def fit_detector(
    features: Floats, labels: Labels, *, layer_widths: LayerWidths | None = None, rows: NDArray[np.int64] | None = None
) -> OODDetector:
    """Fits a detector to some rows, without copying them; ``layer_weight`` is 0.

    Args:
        features: ``[N, D + M]`` or wider.
        labels: ``[N]``; among the rows, each of 0..C-1 is present.
        layer_widths: The columns to read. None: all, as the last layer's.
        rows: Positions in ``features``. None: all.
    """
    layer_widths = layer_widths or LayerWidths(features.shape[1])
    rows = np.arange(len(labels)) if rows is None else rows
    last = features[:, : layer_widths.last]
    means = np.stack([_mean_of_roots(last, rows[labels[rows] == label]) for label in range(labels[rows].max() + 1)])
    centre = means.mean(axis=0)
    sample = np.sort(rows[np.random.default_rng(0).permutation(len(rows))[:MAX_ROWS]])
    axes, variances, rest = _principal_axes(last, labels, sample, means)
    offset = means - centre
    # inverse(S) = (1 - axes (1 - rest / variances) axes') / rest, and rest itself cancels in a cosine.
    shares = 1 - rest / variances
    directions = offset - (offset @ axes * shares) @ axes.T
    lengths = np.sqrt(np.maximum((offset * directions).sum(axis=1, keepdims=True), LEAST_LENGTH**2))
    layers = (
        _fit_layers(features[:, layer_widths.last : layer_widths.last + layer_widths.middle], labels, rows)
        if layer_widths.middle
        else ()
    )
    return OODDetector(
        centre.astype(np.float32),
        np.ascontiguousarray((directions / lengths).T, np.float32),
        np.ascontiguousarray(axes * np.sqrt(shares), np.float32),
        *layers,
    )


def _fit_layers(values: Floats, labels: Labels, rows: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
    """``layer_centre``, ``layer_scale`` and ``layer_means`` of these rows.

    The scale divides by the standard deviation within the classes, and by ``sqrt(M)``.
    """
    counts = np.bincount(labels[rows])
    sums, squares = np.zeros((len(counts), values.shape[1])), np.zeros(values.shape[1])
    for chunk in chunks(len(rows)):
        chunk_values = values[rows[chunk]].astype(np.float64)
        release_pages(values)
        np.add.at(sums, labels[rows[chunk]], chunk_values)
        squares += (chunk_values**2).sum(axis=0)
    means = sums / counts[:, None]
    deviation = np.sqrt(np.maximum(squares - counts @ means**2, 0) / len(rows))
    least = max(LEAST_DEVIATION * float(np.median(deviation)), _SMALL)
    scale = 1 / (np.maximum(deviation, least) * np.sqrt(len(deviation)))
    centre = means.mean(axis=0)
    scaled_means = ((means - centre) * scale).T
    return centre.astype(np.float32), scale.astype(np.float32), np.ascontiguousarray(scaled_means, np.float32)


def _held_out_distances(
    features: Floats, labels: Labels, groups: NDArray[np.int64], layer_widths: LayerWidths | None
) -> tuple[Floats, Floats]:
    """Both distances of each image, from a detector of the other folds; empty if a class has one group only."""
    rows = np.sort(np.random.default_rng(0).permutation(len(labels))[:MAX_ROWS])
    _, classes = np.unique(labels[rows], return_inverse=True)
    folds = min(FOLDS, *(len(np.unique(groups[rows[classes == label]])) for label in range(classes.max() + 1)))
    class_distances, layer_distances = np.empty(len(rows), np.float32), np.empty(len(rows), np.float32)
    if folds < 2:
        return class_distances[:0], layer_distances[:0]
    fold_labels = np.empty_like(labels)
    # Unshuffled, so that the folds depend on the groups only.
    for train, held_out in StratifiedGroupKFold(folds).split(rows, classes, groups[rows]):
        _, fold_classes = np.unique(classes[train], return_inverse=True)  # large groups may leave a class out
        fold_labels[rows[train]] = fold_classes
        detector = fit_detector(features, fold_labels, layer_widths=layer_widths, rows=rows[train])
        class_distances[held_out], layer_distances[held_out] = detector.distances(features, rows[held_out])
    return class_distances, layer_distances


def _principal_axes(
    features: Floats, labels: Labels, rows: NDArray[np.int64], means: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Principal axes of the roots about their class means: axes ``[D, K]``, variances ``[K]``, the others' variance."""
    count, size = len(rows), features.shape[1]
    axis_count = max(0, min(AXES, size // 2, (count - len(means)) // 2))
    # With few rows, the Gram matrix of the rows has the same eigenvalues and is smaller (Turk and Pentland, 1991).
    few = count < size
    residuals = np.empty((count if few else 0, size))
    products = np.zeros((count, count) if few else (size, size))
    with single_threaded_blas():
        for chunk in chunks(count):
            chunk_rows = rows[chunk]
            offset = _roots(features[chunk_rows]) - means[labels[chunk_rows]]
            release_pages(features)
            if few:
                residuals[chunk] = offset
            else:
                products += offset.T @ offset
        if few:
            products = residuals @ residuals.T
        total = float(np.trace(products)) / count
        if not axis_count:
            return np.zeros((size, 0)), np.zeros(0), max(total / size, _SMALL)
        sums, vectors = eigh(products, subset_by_index=[len(products) - axis_count, len(products) - 1])
        axes = residuals.T @ vectors / np.sqrt(np.maximum(sums, _SMALL)) if few else vectors
    variances = sums / count
    rest = max((total - float(variances.sum())) / (size - axis_count), _SMALL)
    return axes, np.maximum(variances, rest), rest
