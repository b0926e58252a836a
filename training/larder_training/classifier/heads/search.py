"""Searches for the head's hyperparameters by cross-validation.

The order of the trials is fixed, and the next trial depends only on the losses so far. A search that ``--trials`` or
``--minutes`` stops after n trials is therefore the same as any other search of n trials.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import repeat
from os import cpu_count
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.model_selection import StratifiedGroupKFold

from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.config.options import SearchLimits
from larder_training.classifier.heads.config import (
    FittedHead,
    HeadConfig,
    LabelledFeatures,
    ParentHead,
    Weighting,
    fit_config,
    row_weights,
)
from larder_training.classifier.heads.scaler import FeatureRows, Scaler, StreamedFeatures, standardise
from larder_training.classifier.heads.softmax_regression import SoftmaxRegression
from larder_training.classifier.heads.training_rows import TrainingRows
from larder_training.classifier.heads.trials import HeadSearch, HeadTrial
from larder_training.classifier.metrics import calibration
from larder_training.numerics.arrays import Floats

# lambda of: mean cross-entropy + lambda / 2 * ||W||^2. Strong first, so that each fit starts from a simpler one.
STRENGTHS: Final = (1.0, 0.316, 0.1, 0.0316, 0.01, 0.00316, 0.001, 0.000316, 0.0001)
SPARSE: Final = (0.00316, 0.001)  # L1
ELASTIC: Final = ((0.01, 0.001), (0.00316, 0.000316))  # L2 and L1
HIDDEN: Final = (
    HeadConfig(l2=0.01, units=128, optimiser="adam", rate=0.001, dropout=0.5),
    HeadConfig(l2=0.01, units=256, optimiser="adam", rate=0.001, dropout=0.5),
    HeadConfig(l2=0.001, units=128, optimiser="sgd", rate=0.03, dropout=0.5),
)
PATIENCE: Final = 2  # weaker strengths that are tried after the best one so far
MAX_ROWS: Final = 12_000  # about the most rows that trials use; the head itself is fitted on all rows
IMBALANCE: Final = 2.0  # largest class to smallest, from which class weights are tried and the loss is balanced
HIDDEN_GROUPS: Final = 5  # of the smallest class: with fewer, none are left for early stopping
LEAST_LIKELIHOOD: Final = 1e-9  # limits the loss of a single image

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
        return cls(standardise(rows.features, scaler), rows.labels, rows.groups, rows.augmented)

    @property
    def classes(self) -> int:
        """The number of classes, C."""
        return int(self.labels.max()) + 1

    def fewest_groups(self) -> int:
        """The number of groups of the class with the fewest."""
        return fewest_groups(self.labels, self.groups)

    def imbalance(self) -> float:
        """The rows of the largest class divided by those of the smallest."""
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
    """The number of groups of the class with the fewest."""
    return min(len(np.unique(groups[labels == label])) for label in range(int(labels.max()) + 1))


def sample(labels: Labels, groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions of all rows, or of whole groups in a fixed shuffle, about ``MAX_ROWS`` rows, with every class."""
    if len(labels) <= MAX_ROWS:
        return np.arange(len(labels))
    names, positions = np.unique(groups, return_inverse=True)
    rank = np.random.default_rng(0).permutation(len(names))[positions]
    mask = rank < MAX_ROWS * len(names) / len(labels)
    for label in range(int(labels.max()) + 1):  # a rare class keeps enough groups for all folds
        label_ranks = np.unique(rank[labels == label])[:20]
        mask |= np.isin(rank, label_ranks)
    return np.flatnonzero(mask)


def search(rows: StandardisedRows, context: ClassifierContext, *, parent: ParentHead | None) -> HeadSearch:
    """Runs trials until the plan, the number of trials or the time is used up; at least one."""
    limits = context.options.search
    until = time_limit(limits)
    folds = min(context.options.folds, rows.fewest_groups())
    rows = rows.subsample()
    weightings = _weightings(limits, rows)
    balanced = "balanced" in weightings
    cross_validation = _CrossValidation(
        rows, folds, context.seed, parent.head if parent else None, "balanced" if balanced else "none"
    )
    trials: list[HeadTrial] = []
    hidden = limits.hidden and rows.fewest_groups() >= HIDDEN_GROUPS
    configs = plan(trials, weightings, hidden=hidden, parent=parent.config if parent else None)
    out_of_time = run_trials(trials, configs, cross_validation.trial, context, most=limits.trials, until=until)
    return HeadSearch(tuple(trials), folds, balanced, out_of_time)


def time_limit(limits: SearchLimits) -> float:
    """When a search that begins now ends, in seconds of ``time.monotonic``."""
    return time.monotonic() + 60 * limits.minutes if limits.minutes is not None else np.inf


def run_trials(
    trials: list[HeadTrial],
    configs: Iterable[HeadConfig],
    cross_validate: Callable[[int, HeadConfig], HeadTrial],
    context: ClassifierContext,
    *,
    most: int,
    until: float,
) -> bool:
    """Appends to ``trials`` until the configurations, their number or the time is used up; at least one.

    Args:
        trials: Where the results go; ``configs`` may depend on them.
        configs: What to try, in this order.
        cross_validate: Tries a configuration, under this number.
        context: Options and progress.
        most: The number of trials at most.
        until: The ``time_limit``.

    Returns:
        Whether the time is used up.
    """
    minutes, out_of_time = context.options.search.minutes, False
    with context.progress.task("Searching for the head", most) as advance:
        for config in configs:
            trials.append(cross_validate(len(trials) + 1, config))
            left = None if minutes is None else max(until - time.monotonic(), 0)
            advance(1, f"least cross-validated loss {min(trial.loss for trial in trials):.4f}", seconds_left=left)
            out_of_time = time.monotonic() > until
            if len(trials) >= most or out_of_time:
                break
        advance(0, total=len(trials))  # there may be fewer configurations than the limit
    return out_of_time


def _weightings(limits: SearchLimits, rows: StandardisedRows) -> tuple[Weighting, ...]:
    if limits.class_weights == "auto":
        return ("none", "balanced") if rows.imbalance() >= IMBALANCE else ("none",)
    return (limits.class_weights,)


def plan(
    trials: Sequence[HeadTrial], weightings: Sequence[Weighting], *, hidden: bool, parent: HeadConfig | None
) -> Iterator[HeadConfig]:
    """The configurations in their order.

    The caller appends the result of each configuration to ``trials`` before it takes the next.
    """
    first = weightings[0]
    if parent is not None:
        yield replace(parent, customised=True)
        if not parent.units:
            yield from strength_path(trials, [HeadConfig(l2=l2, weighting=first, customised=True) for l2 in STRENGTHS])
    yield from strength_path(trials, [HeadConfig(l2=l2, weighting=first) for l2 in STRENGTHS])
    weighting = first
    for other in weightings[1:]:
        best = min(trials, key=lambda trial: trial.loss).config
        nearest = min(range(len(STRENGTHS)), key=lambda position: abs(np.log(STRENGTHS[position] / best.l2)))
        for l2 in STRENGTHS[max(nearest - 1, 0) : nearest + 2]:
            yield HeadConfig(l2=l2, weighting=other)
        weighting = min(trials, key=lambda trial: trial.loss).config.weighting
    if hidden:
        yield replace(HIDDEN[0], weighting=weighting)
    yield from (HeadConfig(l2=l2, l1=l1, weighting=weighting) for l2, l1 in ELASTIC)
    yield from (HeadConfig(l1=l1, weighting=weighting) for l1 in SPARSE)
    if hidden:
        yield from (replace(config, weighting=weighting) for config in HIDDEN[1:])


def strength_path(trials: Sequence[HeadTrial], configs: Sequence[HeadConfig]) -> Iterator[HeadConfig]:
    """From strong to weak regularisation, until ``PATIENCE`` in a row are not better."""
    begun, worse = len(trials), 0
    for config in configs:
        yield config
        losses = [trial.loss for trial in trials[begun:]]
        worse = 0 if losses[-1] <= min(losses) else worse + 1
        if worse >= PATIENCE:
            return


@dataclass(slots=True)
class _Fold:
    """One fold of the cross-validation.

    Attributes:
        train: Positions of the rows to fit.
        held_out: Positions of the rows to evaluate.
        stop: Marks the rows of ``train`` for early stopping.
        last: The last linear fit of each family, where the next one starts.
    """

    train: NDArray[np.int64]
    held_out: NDArray[np.int64]
    stop: NDArray[np.bool_]
    last: dict[tuple[str, bool], SoftmaxRegression] = field(default_factory=dict)


class _CrossValidation:
    """Cross-validates configurations on the same folds."""

    def __init__(
        self, rows: StandardisedRows, folds: int, seed: int, parent: FittedHead | None, weighting: Weighting
    ) -> None:
        self._rows, self._seed, self._parent = rows, seed, parent
        # Unshuffled, so that the folds follow from the groups alone.
        splits = StratifiedGroupKFold(folds).split(rows.labels, rows.labels, rows.groups)
        self._folds = [self._fold(train, held_out) for train, held_out in splits]
        self._held_out = np.concatenate([fold.held_out for fold in self._folds])
        self._weights = row_weights(rows.labels[self._held_out], rows.classes, weighting)
        sizes = np.cumsum([len(fold.held_out) for fold in self._folds])[:-1]
        self._parts = np.split(np.arange(len(self._held_out)), sizes)

    def _fold(self, train: NDArray[np.int64], held_out: NDArray[np.int64]) -> _Fold:
        labels, groups = self._rows.labels[train], self._rows.groups[train]
        stop = np.zeros(len(train), np.bool_)
        folds = max(min(5, fewest_groups(labels, groups)), 2)
        stop[next(StratifiedGroupKFold(folds).split(labels, labels, groups))[1]] = True
        return _Fold(train, held_out[~self._rows.augmented[held_out]], stop)

    def trial(self, number: int, config: HeadConfig) -> HeadTrial:
        """Fits a configuration on each fold, on all cores, and evaluates it on the held-out images."""
        logits, epochs = self._out_of_fold(config)
        labels = self._rows.labels[self._held_out]
        temperature = calibration.fit_temperature(logits, labels)
        likelihood = log_softmax(logits / temperature, axis=1)[np.arange(len(labels)), labels]
        losses = -np.maximum(likelihood, np.log(LEAST_LIKELIHOOD))
        by_fold = [float(np.average(losses[part], weights=self._weights[part])) for part in self._parts]
        return HeadTrial(
            number,
            config,
            float(np.average(losses, weights=self._weights)),
            float(np.std(by_fold, ddof=1) / np.sqrt(len(by_fold))),
            float((logits.argmax(axis=1) == labels).mean()),
            tuple(by_fold),
            temperature,
            max(1, round(float(np.median(epochs)))) if config.units else 0,
        )

    def _out_of_fold(self, config: HeadConfig) -> tuple[Floats, list[int]]:
        """The logits of all held-out rows, and the epochs of each fold."""
        with ThreadPoolExecutor(cpu_count()) as pool:
            results = list(pool.map(self._logits, self._folds, repeat(config)))
        return np.concatenate([logits for logits, _ in results]), [epochs for _, epochs in results]

    def _logits(self, fold: _Fold, config: HeadConfig) -> tuple[Floats, int]:
        rows, family = self._rows, (config.family, config.customised)
        head, epochs = fit_config(
            config,
            LabelledFeatures(rows.features[fold.train], rows.labels[fold.train], rows.classes),
            parent=self._parent,
            seed=self._seed,
            start=fold.last.get(family),
            stop=fold.stop if config.units else None,
            rough=True,
        )
        if isinstance(head, SoftmaxRegression):
            fold.last[family] = head
        return head.logits(rows.features[fold.held_out]), epochs
