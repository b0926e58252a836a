"""Chooses the regularisation of the logistic regressions by cross-validation: one strength for all labels.

A strength of its own for each label would be chosen by a handful of images for a rare label.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count

import numpy as np
from numpy.typing import NDArray

from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.heads.config import HeadConfig
from larder_training.classifier.heads.scaler import FeatureRows
from larder_training.classifier.heads.search import (
    LEAST_LIKELIHOOD,
    MAX_ROWS,
    STRENGTHS,
    run_trials,
    strength_path,
    time_limit,
)
from larder_training.classifier.heads.trials import HeadSearch, HeadTrial
from larder_training.classifier.multilabel.logistic_regression import (
    LinearHead,
    Truth,
    binary_cross_entropy,
    fit_logistic_regressions,
)
from larder_training.classifier.multilabel.stratification import iterative_stratification
from larder_training.numerics.arrays import Floats


@dataclass(frozen=True, slots=True)
class MultiLabelRows:
    """Standardised features with their labels.

    Attributes:
        features: ``[N, D]``, in memory or streamed.
        truth: ``[N, C]``, whether an image has a label.
        groups: ``[N]``; a group stays in one fold.
    """

    features: FeatureRows
    truth: Truth
    groups: NDArray[np.int64]

    def folds(self, count: int) -> list[NDArray[np.int64]]:
        """The positions of each fold, of at most ``count`` folds and as many as there are groups."""
        count = min(count, len(np.unique(self.groups)))
        part_of = iterative_stratification(self.truth, self.groups, [1 / count] * count)
        found = [np.flatnonzero(part_of == part) for part in range(count)]
        return [fold for fold in found if len(fold)]

    def sample(self) -> "MultiLabelRows":
        """All rows, or about ``MAX_ROWS`` of them in memory, whole groups."""
        if len(self.truth) <= MAX_ROWS:
            return self
        share = MAX_ROWS / len(self.truth)
        kept = np.flatnonzero(iterative_stratification(self.truth, self.groups, [share, 1 - share]) == 0)
        return MultiLabelRows(self.features[kept], self.truth[kept], self.groups[kept])


def search(rows: MultiLabelRows, context: ClassifierContext) -> HeadSearch:
    """Tries strengths from strong to weak, until two in a row are not better, or the options end it."""
    limits = context.options.search
    until = time_limit(limits)
    rows = rows.sample()
    folds = rows.folds(context.options.folds)
    last: list[LinearHead | None] = [None] * len(folds)
    trials: list[HeadTrial] = []

    def cross_validate(number: int, config: HeadConfig) -> HeadTrial:
        heads = fit_folds(rows, folds, config.l2, last, rough=True)
        last[:] = heads
        return _trial(number, config, rows, folds, heads)

    configs = strength_path(trials, [HeadConfig(l2=l2) for l2 in STRENGTHS])
    most = min(limits.trials, len(STRENGTHS))
    out_of_time = run_trials(trials, configs, cross_validate, context, most=most, until=until)
    return HeadSearch(tuple(trials), len(folds), out_of_time=out_of_time)


def fit_folds(
    rows: MultiLabelRows,
    folds: list[NDArray[np.int64]],
    l2: float,
    start: list[LinearHead | None] | None = None,
    *,
    rough: bool = False,
) -> list[LinearHead]:
    """A head without each fold, fitted on all cores."""

    def fit(number: int) -> LinearHead:
        mask = np.ones(len(rows.truth), np.bool_)
        mask[folds[number]] = False
        taken = np.flatnonzero(mask)
        return fit_logistic_regressions(
            rows.features[taken], rows.truth[taken], l2=l2, start=start[number] if start else None, rough=rough
        )

    with ThreadPoolExecutor(cpu_count()) as pool:
        return list(pool.map(fit, range(len(folds))))


def out_of_fold(rows: MultiLabelRows, folds: list[NDArray[np.int64]], heads: list[LinearHead]) -> Floats:
    """``[N, C]``: the logits of each row from the head that is not fitted on it."""
    logits = np.zeros(rows.truth.shape, np.float32)
    for fold, head in zip(folds, heads, strict=True):
        logits[fold] = head.logits(rows.features[fold])
    return logits


def _trial(
    number: int, config: HeadConfig, rows: MultiLabelRows, folds: list[NDArray[np.int64]], heads: list[LinearHead]
) -> HeadTrial:
    logits = out_of_fold(rows, folds, heads)
    losses = np.minimum(binary_cross_entropy(logits, rows.truth), -np.log(LEAST_LIKELIHOOD)).mean(axis=1)
    by_fold = [float(losses[fold].mean()) for fold in folds]
    return HeadTrial(
        number,
        config,
        float(losses.mean()),
        float(np.std(by_fold, ddof=1) / np.sqrt(len(by_fold))),
        float(((logits > 0) == rows.truth).mean()),
        tuple(by_fold),
        1.0,
    )
