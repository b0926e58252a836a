"""How unlike everything taught a picture is: the class-conditional distance behind ``unknown``.

The root of the embedding (features at length 1) is compared with the class means by the cosine in a space where the
photos of one class spread equally in all directions: the metric of Mahalanobis scores (Lee et al., 2018, "A Simple
Unified Framework for Detecting Out-of-Distribution Samples"), but of angles, so that a dull picture, which is near to
everything, does not pass for a familiar one. The covariance within the classes is that of probabilistic principal
components (Tipping and Bishop, 1999): its largest axes, and one variance for all others, so that it fits few photos and
takes few weights. The root keeps a few strong features from deciding alone. ``benchmarks/classifier/unknowns.py`` has
the numbers.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from scipy.linalg import eigh
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from larder_training.classifier.rows import let_go, loaded, pieces

AXES: Final = 64
MAX_ROWS: Final = 10_000  # photos that the covariance is learnt from; the means are learnt from all
FOLDS: Final = 4  # that photos are held out by, to see how novel a familiar photo may be
LEAST_LENGTH: Final = 1e-6  # of a picture's way from the middle of everything taught
_SMALL: Final = 1e-12

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Novelty:
    """``novelty`` = 1 - the largest cosine between a picture and a class, both seen from the middle of all photos.

    With r = sign(u) sqrt(abs(u)) at length 1 of the embedding u, ``middle`` m ``[D]``, and the covariance S of r within
    the classes: ``directions`` ``[D, C]`` are ``inverse(S) (mean of class - m)``, as long as makes ``(r - m) @
    directions / length`` that cosine; ``length**2 = |r - m|**2 - |(r - m) @ axes|**2`` with ``axes`` ``[D, K]``.
    0 is the mean of a class, 2 its opposite.
    """

    middle: Floats
    directions: Floats
    axes: Floats

    def score(self, features: Floats) -> Floats:
        """``[N]`` for features ``[N, D]``, as the graph computes it; in pieces, for the roots are twice as large."""
        scores = np.empty(len(features), np.float32)
        for piece in pieces(len(features)):
            away = _roots(features[piece]) - self.middle
            square = (away**2).sum(axis=1) - ((away @ self.axes) ** 2).sum(axis=1)
            length = np.sqrt(np.maximum(square, LEAST_LENGTH**2))
            scores[piece] = 1 - (away @ self.directions).max(axis=1) / length
            let_go(features)
        return scores

    def constants(self) -> dict[str, Floats]:
        """The tensors that ``nodes`` reads."""
        return {
            "novelty.middle": self.middle,
            "novelty.directions": self.directions,
            "novelty.axes": self.axes,
            "novelty.least": np.array(LEAST_LENGTH**2, np.float32),
            "novelty.one": np.array(1, np.float32),
        }

    @staticmethod
    def nodes(opset: int) -> Iterable[onnx.NodeProto]:
        """From ``embedding`` ``[N, D]`` to ``novelty`` ``[N]``, in operators of any ONNX runtime."""
        yield helper.make_node("Abs", ["embedding"], ["novelty.sizes"])
        yield helper.make_node("Sign", ["embedding"], ["novelty.signs"])
        yield helper.make_node("Sqrt", ["novelty.sizes"], ["novelty.roots"])
        yield helper.make_node("Mul", ["novelty.signs", "novelty.roots"], ["novelty.signed_roots"])
        yield helper.make_node("LpNormalization", ["novelty.signed_roots"], ["novelty.unit"], axis=1, p=2)
        yield helper.make_node("Sub", ["novelty.unit", "novelty.middle"], ["novelty.away"])
        yield helper.make_node("MatMul", ["novelty.away", "novelty.axes"], ["novelty.along"])
        yield from _sum_of_squares("novelty.away", "novelty.whole")
        yield from _sum_of_squares("novelty.along", "novelty.part")
        yield helper.make_node("Sub", ["novelty.whole", "novelty.part"], ["novelty.rest"])
        yield helper.make_node("Max", ["novelty.rest", "novelty.least"], ["novelty.square"])  # rounding, and u = m
        yield helper.make_node("Sqrt", ["novelty.square"], ["novelty.length"])
        yield helper.make_node("MatMul", ["novelty.away", "novelty.directions"], ["novelty.all"])
        if opset < 18:  # from then on the axes are an input
            yield helper.make_node("ReduceMax", ["novelty.all"], ["novelty.best"], axes=[1], keepdims=0)
        else:
            axis = numpy_helper.from_array(np.array([1], np.int64), "axis")
            yield helper.make_node("Constant", [], ["novelty.axis"], value=axis)
            yield helper.make_node("ReduceMax", ["novelty.all", "novelty.axis"], ["novelty.best"], keepdims=0)
        yield helper.make_node("Div", ["novelty.best", "novelty.length"], ["novelty.cosine"])
        yield helper.make_node("Sub", ["novelty.one", "novelty.cosine"], ["novelty.signed"])
        yield helper.make_node("Relu", ["novelty.signed"], ["novelty"])  # rounding may leave it a little below 0


def _sum_of_squares(name: str, result: str) -> Iterable[onnx.NodeProto]:
    axis = numpy_helper.from_array(np.array([1], np.int64), "axis")
    yield helper.make_node("Mul", [name, name], [f"{result}.squares"])
    yield helper.make_node("Constant", [], [f"{result}.axis"], value=axis)
    yield helper.make_node("ReduceSum", [f"{result}.squares", f"{result}.axis"], [result], keepdims=0)


def _roots(features: Floats) -> NDArray[np.float64]:
    roots = np.sign(features) * np.sqrt(np.abs(features, dtype=np.float64))  # of the embedding's, a multiple
    unit: NDArray[np.float64] = roots / np.maximum(np.linalg.norm(roots, axis=1, keepdims=True), _SMALL)
    return unit


def _mean_of_roots(features: Floats, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of these rows, in pieces: all roots at once are twice the features' memory."""
    total = np.zeros(features.shape[1])
    for piece in pieces(len(rows)):
        total += _roots(features[rows[piece]]).sum(axis=0)
        let_go(features)
    return total / len(rows)


def fit(features: Floats, labels: Labels) -> Novelty:
    """Learns what is familiar.

    Args:
        features: ``[N, D]``; the plain photos, without changed copies.
        labels: ``[N]``, each of 0..C-1 present.
    """
    means = np.stack([_mean_of_roots(features, np.flatnonzero(labels == label)) for label in range(labels.max() + 1)])
    middle = means.mean(axis=0)
    rows = np.random.default_rng(0).permutation(len(labels))[:MAX_ROWS]
    axes, variances, rest = _spread(features, labels, rows, means)
    away = means - middle
    # inverse(S) = (1 - axes (1 - rest / variances) axes') / rest, and rest itself cancels in a cosine.
    shares = 1 - rest / variances
    directions = away - (away @ axes * shares) @ axes.T
    lengths = np.sqrt(np.maximum((away * directions).sum(axis=1, keepdims=True), LEAST_LENGTH**2))
    return Novelty(
        middle.astype(np.float32),
        np.ascontiguousarray((directions / lengths).T, np.float32),
        np.ascontiguousarray(axes * np.sqrt(shares), np.float32),
    )


def held_out(features: Floats, labels: Labels, groups: NDArray[np.int64]) -> Floats:
    """``[N]``: each photo's novelty to what the other folds taught; empty where a class cannot be cut into two.

    Of more than ``MAX_ROWS`` photos, so many.

    Args:
        features: ``[N, D]``, as for ``fit``.
        labels: ``[N]``.
        groups: ``[N]``; photos of one group stay in one fold.
    """
    rows = np.sort(np.random.default_rng(0).permutation(len(labels))[:MAX_ROWS])
    features, labels, groups = loaded(features, rows), labels[rows], groups[rows]
    _, labels = np.unique(labels, return_inverse=True)
    folds = min(FOLDS, *(len(np.unique(groups[labels == label])) for label in range(labels.max() + 1)))
    scores = np.empty(len(labels), np.float32)
    if folds < 2:
        return scores[:0]
    # Unshuffled: the folds then follow from the groups alone.
    for taught, asked in StratifiedGroupKFold(folds).split(features, labels, groups):
        _, renumbered = np.unique(labels[taught], return_inverse=True)  # large groups may leave a class out
        scores[asked] = fit(features[taught], renumbered.astype(np.int64)).score(features[asked])
    return scores


def _spread(
    features: Floats, labels: Labels, rows: NDArray[np.int64], means: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """The largest axes ``[D, K]`` of the photos about their class means, their variances ``[K]``, the others'."""
    number, size = len(rows), features.shape[1]
    count = max(0, min(AXES, size // 2, (number - len(means)) // 2))
    covariance = np.zeros((size, size))
    with threadpool_limits(1, user_api="blas"):  # a sum's order, and so its last bits, depends on the threads
        for piece in pieces(number):
            some = rows[piece]
            residuals = _roots(features[some]) - means[labels[some]]
            let_go(features)
            covariance += residuals.T @ residuals / number
        whole = float(np.trace(covariance))
        if not count:
            return np.zeros((size, 0)), np.zeros(0), max(whole / size, _SMALL)
        variances, axes = eigh(covariance, subset_by_index=[size - count, size - 1])
    rest = max((whole - float(variances.sum())) / (size - count), _SMALL)
    return axes, np.maximum(variances, rest), rest
