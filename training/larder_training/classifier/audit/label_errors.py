"""Finds label errors: images whose label is probably wrong, by the predictions of models not fitted on them.

This follows confident learning (Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty in
Dataset Labels"). Every image gets calibrated probabilities out of fold. Its self-confidence, the probability of its own
label, is compared with the mean self-confidence of that label. An image is a likely label error if another class is
more probable and its self-confidence is below a quarter of the mean. The number of label errors thus depends on the
data: it is small if the labels agree, and in a class that is hard as a whole an image must differ more.

The paper's rule (another class reaches the mean self-confidence of *that* class) finds 75 to 87 % of flipped labels,
and this one all of them: with good features the means are near 1, too high for an image that is only more probable.
"""

import warnings
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from larder_training.classifier.data.scan import Sample
from larder_training.classifier.metrics.calibration import fit_temperature
from larder_training.numerics.arrays import Floats
from larder_training.numerics.blas import single_threaded_blas
from larder_training.numerics.memmap import chunks, load_rows, release_pages
from larder_training.numerics.parallel import map_in_order
from larder_training.reporting.progress import Progress

Labels = NDArray[np.int64]

FOLDS: Final = 5
CONFIDENCE_SHARE: Final = 0.25  # of the class's mean self-confidence; chosen on flips of photos10/train, seeds 0 to 2
# lambda in: mean cross-entropy + lambda / 2 * ||W||^2. Strong, so that wrong labels are not memorised: on flips of
# photos10/train, values down to 0.03 find as many or fewer of them in longer lists, with good and with poor features.
PENALTY: Final = 1.0
MAX_ROWS: Final = 8_000  # that the model of a fold is fitted on, about; every image is predicted
MAX_ITERATIONS: Final = 100
_MISSING_CLASS: Final = -30.0  # logit of a class that is not in the training rows of a fold


@dataclass(frozen=True, slots=True)
class LabelError:
    """An image whose label is probably wrong.

    Attributes:
        sample: The image.
        confidence: Probability of its label, from a model that is not fitted on it.
        proposed: The most probable label.
        proposed_confidence: Probability of ``proposed``.
        label: Of multi-label data: the label in question, which ``proposed`` adds or, with "not", takes away. None: the
            image's only one.
    """

    sample: Sample
    confidence: float
    proposed: str
    proposed_confidence: float
    label: str | None = None

    @property
    def stated(self) -> str:
        """What the data say: the image's label; of multi-label data, the label in question, or "not" and the label."""
        if self.label is None:
            return self.sample.image.label
        return self.label if self.label in self.sample.image.classes else f"not {self.label}"


@dataclass(frozen=True, slots=True)
class LabelCheck:
    """Out-of-fold predictions, and the label errors that follow from them.

    Attributes:
        probabilities: ``[N, C]``, calibrated and out of fold.
        means: ``[C]``, the mean self-confidence of each class.
        label_errors: Positions of the likely label errors, the lowest self-confidence first.
    """

    probabilities: Floats
    means: Floats
    label_errors: tuple[int, ...]


def find_label_errors(
    features: Floats, labels: Labels, groups: NDArray[np.int64], *, seed: int, progress: Progress
) -> LabelCheck:
    """Checks every label by a model that is fitted on other images.

    Args:
        features: ``[N, D]``, of images as they are served; read in chunks, so it may be memory-mapped.
        labels: ``[N]``, from 0 to C-1 with C >= 2, each in at least two groups.
        groups: ``[N]``; images of one group (near-duplicates) stay in one fold.
        seed: Random seed of the folds.
        progress: Advances with each fold.
    """
    folds = assign_folds(labels, groups, seed)
    with single_threaded_blas():
        logits = _out_of_fold(features, labels, folds, seed, progress)
    sample = _sample(np.arange(len(labels)), labels, seed)
    scale = np.float32(fit_temperature(logits[sample], labels[sample]))
    probabilities = logits  # in place: memory grows by 4 bytes per image and class only
    for piece in chunks(len(labels)):
        probabilities[piece] = softmax(logits[piece] / scale, axis=1)
    own = probabilities[np.arange(len(labels)), labels]
    means = np.array([own[labels == label].mean() for label in range(logits.shape[1])], np.float32)
    errors = np.flatnonzero((probabilities.argmax(axis=1) != labels) & (own < CONFIDENCE_SHARE * means[labels]))
    ranked = errors[np.argsort(own[errors], kind="stable")]
    return LabelCheck(probabilities, means, tuple(int(position) for position in ranked))


def assign_folds(labels: Labels, groups: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """``[N]``: the fold of each image. Groups of a class are assigned in turn, so that even two are in two folds."""
    names, first, member = np.unique(groups, return_index=True, return_inverse=True)
    fold_of = np.zeros(len(names), np.int64)
    random = np.random.default_rng(seed)
    start = 0
    for label in range(int(labels.max()) + 1):
        own = np.flatnonzero(labels[first] == label)
        fold_of[random.permutation(own)] = (start + np.arange(len(own))) % FOLDS
        start += len(own)
    folds: NDArray[np.int64] = fold_of[member]
    return folds


def _out_of_fold(features: Floats, labels: Labels, folds: NDArray[np.int64], seed: int, progress: Progress) -> Floats:
    """Logits ``[N, C]``, each row from a model that is fitted without the fold of that row."""
    logits = np.zeros((len(labels), int(labels.max()) + 1), np.float32)
    used = [int(fold) for fold in np.unique(folds)]

    def predict(fold: int) -> Floats:
        train = _sample(np.flatnonzero(folds != fold), labels, seed)
        return _predict(features, labels, train, np.flatnonzero(folds == fold))

    with warnings.catch_warnings(), progress.task("Looking for label errors", len(used)) as advance:
        warnings.simplefilter("ignore", ConvergenceWarning)  # a fit that has almost converged predicts as well
        for fold, fold_logits in zip(used, map_in_order(predict, used), strict=True):
            logits[folds == fold] = fold_logits
            advance(1)
    return logits


def _sample(rows: NDArray[np.int64], labels: Labels, seed: int) -> NDArray[np.int64]:
    """All rows, or a reproducible sample of about ``MAX_ROWS`` with every class."""
    if len(rows) <= MAX_ROWS:
        return rows
    shuffled = np.random.default_rng(seed).permutation(rows)
    kept = [shuffled[:MAX_ROWS], *(shuffled[labels[shuffled] == label][:20] for label in np.unique(labels))]
    return np.unique(np.concatenate(kept))


def _predict(features: Floats, labels: Labels, train: NDArray[np.int64], held_out: NDArray[np.int64]) -> Floats:
    """Logits of the ``held_out`` rows from a model that is fitted on the ``train`` rows."""
    rows = load_rows(features, train)
    centre, spread = rows.mean(axis=0), rows.std(axis=0)
    scale = 1 / np.maximum(spread, max(0.1 * float(np.median(spread)), 1e-6))
    rows -= centre
    rows *= scale
    model = LogisticRegression(C=1 / (PENALTY * len(train)), max_iter=MAX_ITERATIONS, tol=1e-4)
    model.fit(rows, labels[train])
    logits = np.full((len(held_out), int(labels.max()) + 1), _MISSING_CLASS, np.float32)
    for piece in chunks(len(held_out)):
        values = (features[held_out[piece]] - centre) * scale
        release_pages(features)
        scores = model.decision_function(values)
        if scores.ndim == 1:  # two classes: scikit-learn models the second against the first
            scores = np.stack([-scores / 2, scores / 2], axis=1)
        logits[piece, model.classes_] = scores
    return logits
