"""A classifier that separates images of production from those of the training: it can if production has new content.

The test of Lopez-Paz and Oquab (Revisiting classifier two-sample tests, ICLR 2017), on the embeddings of the release.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from larder_training.numerics.arrays import Floats

_FOLDS: Final = 5
_REGULARISATION: Final = 1e-3  # LogisticRegression's C: there are often more dimensions than images


@dataclass(frozen=True, slots=True)
class Separation:
    """How well production and training can be separated.

    Attributes:
        auc: ROC AUC of held-out images: 0.5 if they are alike, 1 if they have nothing in common.
        low: Its lower bound.
        scores: ``[N]``, how unlike training each image of production is.
    """

    auc: float
    low: float
    scores: NDArray[np.float64]


def separation(
    training: Floats, production: Floats, weights: NDArray[Any], *, level: float, seed: int = 0
) -> Separation:
    """Cross-validate the classifier.

    Args:
        training: ``[M, D]``, embeddings of training images.
        production: ``[N, D]``, embeddings of distinct images of production.
        weights: ``[M]``, how much each training image counts.
        level: One minus the confidence of the lower bound.
        seed: Of the folds.
    """
    rows = np.concatenate([training, production]).astype(np.float64)
    is_new = np.arange(len(rows)) >= len(training)
    balance = np.concatenate([weights * len(production) / weights.sum(), np.ones(len(production))])
    scores = np.empty(len(rows))
    for fit, held_out in StratifiedKFold(_FOLDS, shuffle=True, random_state=seed).split(rows, is_new):
        classifier = make_pipeline(StandardScaler(), LogisticRegression(C=_REGULARISATION, max_iter=500))
        classifier.fit(rows[fit], is_new[fit], logisticregression__sample_weight=balance[fit])
        scores[held_out] = classifier.decision_function(rows[held_out])
    auc, deviation = weighted_auc(scores[~is_new], weights, scores[is_new])
    return Separation(auc, auc - float(norm.isf(level)) * deviation, scores[is_new])


def weighted_auc(
    negatives: NDArray[np.float64], weights: NDArray[Any], positives: NDArray[np.float64]
) -> tuple[float, float]:
    """The AUC and its standard error (DeLong, DeLong and Clarke-Pearson, Biometrics 1988), with weighted negatives."""
    order = np.argsort(negatives)
    below = np.concatenate([[0.0], np.cumsum(weights[order])]) / weights.sum()
    ranks = [np.searchsorted(negatives[order], positives, side) for side in ("left", "right")]
    of_positives = (below[ranks[0]] + below[ranks[1]]) / 2
    ascending = np.sort(positives)
    above = [1 - np.searchsorted(ascending, negatives, side) / len(positives) for side in ("left", "right")]
    of_negatives = (above[0] + above[1]) / 2
    auc = float(of_positives.mean())
    variance = of_positives.var(ddof=1) / len(positives)
    variance += ((weights * (of_negatives - auc)) ** 2).sum() / weights.sum() ** 2
    return auc, float(np.sqrt(variance))
