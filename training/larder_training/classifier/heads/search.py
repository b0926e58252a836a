"""Looks for the head: which recipes are tried, in which order, and how each is judged by cross-validation.

The order is fixed, and what is tried next depends on the losses so far alone. So the same number of trials is the same
search, whatever stopped it: ``--trials`` or ``--minutes``.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import repeat
from os import cpu_count
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.model_selection import StratifiedGroupKFold

from larder_training.classifier.config.context import TrainingContext
from larder_training.classifier.config.options import Limits
from larder_training.classifier.heads.config import (
    FittedHead,
    HeadConfig,
    LabelledFeatures,
    ParentHead,
    Weighting,
    fit_config,
    row_weights,
)
from larder_training.classifier.heads.scaler import FeatureRows, Scaler, StreamedFeatures, standardised
from larder_training.classifier.heads.softmax_regression import SoftmaxRegression
from larder_training.classifier.heads.training_rows import TrainingRows
from larder_training.classifier.heads.trials import Search, Trial
from larder_training.classifier.metrics import calibration
from larder_training.numerics.arrays import Floats

# lambda of: mean cross-entropy + lambda / 2 * ||W||^2. Strong first, so that each fit starts from a simpler one.
STRENGTHS: Final = (1.0, 0.316, 0.1, 0.0316, 0.01, 0.00316, 0.001, 0.000316, 0.0001)
SPARSE: Final = (0.00316, 0.001)  # of L1
ELASTIC: Final = ((0.01, 0.001), (0.00316, 0.000316))  # of L2 and of L1
HIDDEN: Final = (
    HeadConfig(l2=0.01, units=128, optimiser="adam", rate=0.001, dropout=0.5),
    HeadConfig(l2=0.01, units=256, optimiser="adam", rate=0.001, dropout=0.5),
    HeadConfig(l2=0.001, units=128, optimiser="sgd", rate=0.03, dropout=0.5),
)
PATIENCE: Final = 2  # weaker strengths tried after the best one so far
MAX_ROWS: Final = 12_000  # the recipe is chosen on about so many rows at most; the head itself learns from all
IMBALANCE: Final = 2.0  # largest class to smallest, from which on class weights are tried and each class counts alike
HIDDEN_GROUPS: Final = 5  # of the smallest class: fewer leave nothing to stop early by
LEAST_LIKELIHOOD: Final = 1e-9  # one photo that is wrong beyond doubt must not decide alone

Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class StandardisedRows:
    """``TrainingRows`` with standardised features, in memory or streamed.

    Attributes:
        features: ``[N, D]``, standardised.
        labels: ``[N]``.
        groups: ``[N]``; a group stays in one fold.
        augmented: ``[N]``, true for rows that are used to fit and never to evaluate.
    """

    features: FeatureRows
    labels: Labels
    groups: NDArray[np.int64]
    augmented: NDArray[np.bool_]

    @classmethod
    def of(cls, rows: TrainingRows, scaler: Scaler) -> "StandardisedRows":
        """All rows, standardised by ``scaler``."""
        return cls(standardised(rows.features, scaler), rows.labels, rows.groups, rows.augmented)

    @property
    def classes(self) -> int:
        """The number of classes, C."""
        return int(self.labels.max()) + 1

    def fewest_groups(self) -> int:
        """Of the class that has the fewest."""
        return fewest_groups(self.labels, self.groups)

    def imbalance(self) -> float:
        """Rows of the largest class to rows of the smallest."""
        counts = np.bincount(self.labels, minlength=self.classes)
        return float(counts.max() / max(counts.min(), 1))

    def subsample(self) -> "StandardisedRows":
        """All rows, or those of ``sample``, in memory."""
        if len(self.labels) <= MAX_ROWS and not isinstance(self.features, StreamedFeatures):
            return self
        return self.subset(sample(self.labels, self.groups))

    def subset(self, positions: NDArray[np.int64]) -> "StandardisedRows":
        """The rows at these positions, in memory."""
        return StandardisedRows(
            self.features[positions], self.labels[positions], self.groups[positions], self.augmented[positions]
        )


def fewest_groups(labels: Labels, groups: NDArray[np.int64]) -> int:
    """Of the class that has the fewest."""
    return min(len(np.unique(groups[labels == label])) for label in range(int(labels.max()) + 1))


def sample(labels: Labels, groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers of all rows, or of whole groups in a fixed shuffle up to about ``MAX_ROWS``, every class kept."""
    if len(labels) <= MAX_ROWS:
        return np.arange(len(labels))
    names, positions = np.unique(groups, return_inverse=True)
    rank = np.random.default_rng(0).permutation(len(names))[positions]
    taken = rank < MAX_ROWS * len(names) / len(labels)
    for label in range(int(labels.max()) + 1):  # a rare class keeps enough groups to be cut into folds
        own = np.unique(rank[labels == label])[:20]
        taken |= np.isin(rank, own)
    return np.flatnonzero(taken)


def search(rows: StandardisedRows, context: TrainingContext, *, parent: ParentHead | None) -> Search:
    """Tries recipes until the plan, the number of trials or the time is used up; at least one is tried."""
    limits = context.options.search
    until = time.monotonic() + 60 * limits.minutes if limits.minutes is not None else np.inf
    folds = min(context.options.folds, rows.fewest_groups())
    rows = rows.subsample()
    weightings = _weightings(limits, rows)
    alike = "balanced" in weightings
    judge = _Judge(rows, folds, context.seed, parent.head if parent else None, "balanced" if alike else "none")
    trials: list[Trial] = []
    hidden = limits.hidden and rows.fewest_groups() >= HIDDEN_GROUPS
    out_of_time = False
    with context.progress.task("Searching for the head", limits.trials) as advance:
        for config in plan(trials, weightings, hidden=hidden, parent=parent.config if parent else None):
            trials.append(judge.trial(len(trials) + 1, config))
            advance(1)
            out_of_time = time.monotonic() > until
            if len(trials) >= limits.trials or out_of_time:
                break
    return Search(tuple(trials), folds, alike, out_of_time)


def _weightings(limits: Limits, rows: StandardisedRows) -> tuple[Weighting, ...]:
    if limits.class_weights == "auto":
        return ("none", "balanced") if rows.imbalance() >= IMBALANCE else ("none",)
    return (limits.class_weights,)


def plan(
    trials: Sequence[Trial], weightings: Sequence[Weighting], *, hidden: bool, parent: HeadConfig | None
) -> Iterator[HeadConfig]:
    """The recipes in their order; ``trials`` grows by each one's result before the next is asked for."""
    first = weightings[0]
    if parent is not None:
        yield replace(parent, customised=True)
        if not parent.units:
            yield from _path(trials, [HeadConfig(l2=l2, weighting=first, customised=True) for l2 in STRENGTHS])
    yield from _path(trials, [HeadConfig(l2=l2, weighting=first) for l2 in STRENGTHS])
    weighting = first
    for other in weightings[1:]:
        best = min(trials, key=lambda trial: trial.loss).config
        at = min(range(len(STRENGTHS)), key=lambda position: abs(np.log(STRENGTHS[position] / best.l2)))
        for l2 in STRENGTHS[max(at - 1, 0) : at + 2]:
            yield HeadConfig(l2=l2, weighting=other)
        weighting = min(trials, key=lambda trial: trial.loss).config.weighting
    if hidden:
        yield replace(HIDDEN[0], weighting=weighting)
    yield from (HeadConfig(l2=l2, l1=l1, weighting=weighting) for l2, l1 in ELASTIC)
    yield from (HeadConfig(l1=l1, weighting=weighting) for l1 in SPARSE)
    if hidden:
        yield from (replace(config, weighting=weighting) for config in HIDDEN[1:])


def _path(trials: Sequence[Trial], configs: Sequence[HeadConfig]) -> Iterator[HeadConfig]:
    """Strong to weak, until ``PATIENCE`` in a row were no better."""
    begun, worse = len(trials), 0
    for config in configs:
        yield config
        losses = [trial.loss for trial in trials[begun:]]
        worse = 0 if losses[-1] <= min(losses) else worse + 1
        if worse >= PATIENCE:
            return


@dataclass(slots=True)
class _Fold:
    """``learn`` and ``judge`` are row numbers; ``stop`` marks the learnt rows that early stopping watches."""

    learn: NDArray[np.int64]
    judge: NDArray[np.int64]
    stop: NDArray[np.bool_]
    last: dict[tuple[str, bool], SoftmaxRegression] = field(default_factory=dict)  # where the next linear fit begins


class _Judge:
    """Cross-validates recipes on folds that stay the same."""

    def __init__(
        self, rows: StandardisedRows, folds: int, seed: int, parent: FittedHead | None, weighting: Weighting
    ) -> None:
        self._rows, self._seed, self._parent = rows, seed, parent
        # Unshuffled: the folds then follow from the groups alone.
        cuts = StratifiedGroupKFold(folds).split(rows.labels, rows.labels, rows.groups)
        self._folds = [self._fold(learn, judge) for learn, judge in cuts]
        self._judged = np.concatenate([fold.judge for fold in self._folds])
        self._weights = row_weights(rows.labels[self._judged], rows.classes, weighting)
        sizes = np.cumsum([len(fold.judge) for fold in self._folds])[:-1]
        self._parts = np.split(np.arange(len(self._judged)), sizes)

    def _fold(self, learn: NDArray[np.int64], judge: NDArray[np.int64]) -> _Fold:
        labels, groups = self._rows.labels[learn], self._rows.groups[learn]
        stop = np.zeros(len(learn), np.bool_)
        cuts = max(min(5, fewest_groups(labels, groups)), 2)
        watched = next(StratifiedGroupKFold(cuts).split(labels, labels, groups))[1]
        stop[watched] = True
        return _Fold(learn, judge[~self._rows.augmented[judge]], stop)

    def trial(self, number: int, config: HeadConfig) -> Trial:
        """Fits the recipe on each fold, on all cores, and judges it on the photos held out."""
        logits, epochs = self._asked(config)
        labels = self._rows.labels[self._judged]
        temperature = calibration.temperature(logits, labels)
        likelihood = log_softmax(logits / temperature, axis=1)[np.arange(len(labels)), labels]
        losses = -np.maximum(likelihood, np.log(LEAST_LIKELIHOOD))
        by_fold = [float(np.average(losses[part], weights=self._weights[part])) for part in self._parts]
        return Trial(
            number,
            config,
            float(np.average(losses, weights=self._weights)),
            float(np.std(by_fold, ddof=1) / np.sqrt(len(by_fold))),
            float((logits.argmax(axis=1) == labels).mean()),
            tuple(by_fold),
            temperature,
            max(1, round(float(np.median(epochs)))) if config.units else 0,
        )

    def _asked(self, config: HeadConfig) -> tuple[Floats, list[int]]:
        with ThreadPoolExecutor(cpu_count()) as pool:
            found = list(pool.map(self._logits, self._folds, repeat(config)))
        return np.concatenate([part for part, _ in found]), [epochs for _, epochs in found]

    def _logits(self, fold: _Fold, config: HeadConfig) -> tuple[Floats, int]:
        rows, family = self._rows, (config.family, config.customised)
        fitted, epochs = fit_config(
            config,
            LabelledFeatures(rows.features[fold.learn], rows.labels[fold.learn], rows.classes),
            parent=self._parent,
            seed=self._seed,
            start=fold.last.get(family),
            stop=fold.stop if config.units else None,
            rough=True,
        )
        if isinstance(fitted, SoftmaxRegression):
            fold.last[family] = fitted
        return fitted.logits(rows.features[fold.judge]), epochs
