"""Finds photos whose label is probably wrong, by asking models that have not seen them.

After confident learning (Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset
Labels"): every photo gets calibrated probabilities from a model that learnt without it, and its confidence in its own
label is held against the mean that the photos of this label get. A photo is a suspect where another class is
likelier and its self-confidence is under a quarter of that mean. So the list's length follows from the data: short
where the labels agree, and in a class that is hard as a whole a photo must stand out further.

The paper's own rule (another class at or above *that* class's mean) finds 75 to 87 % of flipped labels where this
one finds all: means near 1, as good features give them, are out of reach for a photo that is merely likelier.
"""

import warnings
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from larder_training.classifier.metrics.calibration import fit_temperature
from larder_training.numerics.arrays import Floats
from larder_training.numerics.memmap import chunks, load_rows, release_pages
from larder_training.numerics.parallel import map_in_order
from larder_training.reporting.progress import Progress

Labels = NDArray[np.int64]

FOLDS: Final = 5
CONFIDENCE_SHARE: Final = 0.25  # of the class's mean self-confidence; chosen on flips of photos10/train, seeds 0 to 2
# lambda of: mean cross-entropy + lambda / 2 * ||W||^2. Strong, so that wrong labels are not learnt by heart; on flips
# of photos10/train, weaker ones down to 0.03 find as many or fewer on longer lists, with good features and with poor.
PENALTY: Final = 1.0
MAX_ROWS: Final = 8_000  # a fold's model learns from about so many photos at most; every photo is judged
MAX_ITERATIONS: Final = 100
_NEVER_SEEN: Final = -30.0  # the logit of a class that a fold's model was not taught


@dataclass(frozen=True, slots=True)
class LabelCheck:
    """What models that had not seen the photos think of them.

    ``probabilities`` ``[N, C]`` are calibrated and out of fold, ``means`` ``[C]`` each class's mean self-confidence,
    ``suspects`` the positions of the photos whose label looks wrong, the least self-confident first.
    """

    probabilities: Floats
    means: Floats
    label_errors: tuple[int, ...]


def find_label_errors(
    features: Floats, labels: Labels, groups: NDArray[np.int64], *, seed: int, progress: Progress
) -> LabelCheck:
    """Judges every photo by models of the others.

    Args:
        features: ``[N, D]`` of the photos as they are served; read in pieces, so it may be mapped from a file.
        labels: ``[N]``, from 0 to C-1 with C >= 2, each of at least two groups.
        groups: ``[N]``; photos of one group (near-duplicates) stay in one fold.
        seed: decides the folds.
        progress: told of each fold.
    """
    folds = assign_folds(labels, groups, seed)
    with threadpool_limits(1, user_api="blas"):  # a sum's order, and so its last bits, depends on the threads
        logits = _out_of_fold(features, labels, folds, seed, progress)
    some = _some(np.arange(len(labels)), labels, seed)
    scale = np.float32(fit_temperature(logits[some], labels[some]))
    probabilities = logits  # in their place: what grows with the photos is 4 bytes a class
    for piece in chunks(len(labels)):
        probabilities[piece] = softmax(logits[piece] / scale, axis=1)
    own = probabilities[np.arange(len(labels)), labels]
    means = np.array([own[labels == label].mean() for label in range(logits.shape[1])], np.float32)
    found = np.flatnonzero((probabilities.argmax(axis=1) != labels) & (own < CONFIDENCE_SHARE * means[labels]))
    ranked = found[np.argsort(own[found], kind="stable")]
    return LabelCheck(probabilities, means, tuple(int(position) for position in ranked))


def assign_folds(labels: Labels, groups: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """``[N]``: each photo's fold. A class's groups go round in turn, so that even two groups come into two folds."""
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
    """Logits ``[N, C]``, each row from a model that learnt without that row's fold."""
    logits = np.zeros((len(labels), int(labels.max()) + 1), np.float32)
    used = [int(fold) for fold in np.unique(folds)]

    def ask(fold: int) -> Floats:
        learn = _some(np.flatnonzero(folds != fold), labels, seed)
        return _judged(features, labels, learn, np.flatnonzero(folds == fold))

    with warnings.catch_warnings(), progress.task("Looking for wrong labels", len(used)) as advance:
        warnings.simplefilter("ignore", ConvergenceWarning)  # a fit that is nearly done judges as well
        for fold, answers in zip(used, map_in_order(ask, used), strict=True):
            logits[folds == fold] = answers
            advance(1)
    return logits


def _some(rows: NDArray[np.int64], labels: Labels, seed: int) -> NDArray[np.int64]:
    """All rows, or a fixed draw of about ``MAX_ROWS``, every class kept."""
    if len(rows) <= MAX_ROWS:
        return rows
    shuffled = np.random.default_rng(seed).permutation(rows)
    kept = [shuffled[:MAX_ROWS], *(shuffled[labels[shuffled] == label][:20] for label in np.unique(labels))]
    return np.unique(np.concatenate(kept))


def _judged(features: Floats, labels: Labels, learn: NDArray[np.int64], judge: NDArray[np.int64]) -> Floats:
    """Logits of the rows ``judge`` from a model of the rows ``learn``."""
    rows = load_rows(features, learn)
    centre, spread = rows.mean(axis=0), rows.std(axis=0)
    scale = 1 / np.maximum(spread, max(0.1 * float(np.median(spread)), 1e-6))
    rows -= centre
    rows *= scale
    model = LogisticRegression(C=1 / (PENALTY * len(learn)), max_iter=MAX_ITERATIONS, tol=1e-4)
    model.fit(rows, labels[learn])
    logits = np.full((len(judge), int(labels.max()) + 1), _NEVER_SEEN, np.float32)
    for piece in chunks(len(judge)):
        some = (features[judge[piece]] - centre) * scale
        release_pages(features)
        scores = model.decision_function(some)
        if scores.ndim == 1:  # two classes: scikit-learn models the second against the first
            scores = np.stack([-scores / 2, scores / 2], axis=1)
        logits[piece, model.classes_] = scores
    return logits
