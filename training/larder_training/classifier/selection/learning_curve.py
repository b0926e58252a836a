"""The learning curve: held-out accuracy of the chosen head by the number of training images."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from math import log2
from os import cpu_count
from typing import Final

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.heads.config import LabelledFeatures, fit_config
from larder_training.classifier.heads.scaler import Scaler
from larder_training.classifier.heads.search import StandardisedRows, sample
from larder_training.classifier.heads.training_rows import TrainingRows
from larder_training.classifier.heads.trials import HeadTrial
from larder_training.numerics.blas import single_threaded_blas
from larder_training.numerics.memmap import load_rows
from larder_training.reporting.html import Section, figure, paragraph, table
from larder_training.reporting.plots import drawing_of
from larder_training.reporting.values import Estimate, number, percent

SHARES: Final = (0.1, 0.2, 0.4, 0.7, 1.0)
FOLDS: Final = 3
WORTH: Final = 0.005  # gain of accuracy for twice the images; a smaller one is not worth the work
_FROM: Final = 2  # position of the share that the gain is measured from, up to the last

Correct = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """Cross-validated accuracy by the number of training images.

    Attributes:
        images: Training images for each of ``SHARES``, the mean over the folds.
        accuracy: Held-out accuracy for each share.
        errors: Standard error of each accuracy.
        gain: Gain of accuracy per doubling of the images, from 40 % to all of them.
        gain_error: Standard error of ``gain``, from paired differences on the held-out images.
        held_out: The number of held-out images.
    """

    images: tuple[int, ...]
    accuracy: tuple[float, ...]
    errors: tuple[float, ...]
    gain: float
    gain_error: float
    held_out: int

    @classmethod
    def of(cls, images: Sequence[float], correct: Sequence[Correct]) -> "LearningCurve":
        """The curve of these results.

        Args:
            images: The number of training images of each share.
            correct: For each share, which held-out images get the right label, always in the same order.
        """
        rates = [float(labels.mean()) for labels in correct]
        count = len(correct[0])
        doublings = log2(SHARES[-1] / SHARES[_FROM])
        differences = (correct[-1].astype(np.float64) - correct[_FROM]) / doublings
        return cls(
            tuple(round(count) for count in images),
            tuple(rates),
            tuple(float(np.sqrt(rate * (1 - rate) / count)) for rate in rates),
            float(differences.mean()),
            float(differences.std() / np.sqrt(count)),
            count,
        )

    def verdict(self) -> str:
        """Whether more images would help, in a sentence or two."""
        low, high = (100 * (self.gain + side * 1.96 * self.gain_error) for side in (-1, 1))
        gain = f"{100 * self.gain:+.1f} points of accuracy for twice the images (95 %: {low:+.1f} to {high:+.1f})"
        if low > 0 and self.gain >= WORTH:
            return (
                f"More images would help. So far each doubling brought {gain}; the next will bring somewhat less. "
                "Start with the labels that have the lowest F1."
            )
        if high < 100 * 2 * WORTH:
            return f"More images of the same kind would hardly help: {gain}. Look at the errors instead."
        return (
            f"{self.held_out:,} images are too few to show whether more would help: {gain}. Add some and train again."
        )


def learning_curve(rows: TrainingRows, trial: HeadTrial, context: ClassifierContext) -> LearningCurve | None:
    """Fits the chosen hyperparameters on shares of the training images and evaluates them out of fold.

    Augmented views are left out, so that the curve takes seconds; all its points are a little below the released head.
    Each share has that part of the groups of each class, and contains the smaller shares.

    Args:
        rows: The training set of the head.
        trial: The chosen hyperparameters.
        context: Its seed draws the folds and the shares.

    Returns:
        The curve, or None if a class is too small to hold any images out.
    """
    seed, data = context.seed, _plain(rows)
    folds = min(FOLDS, data.fewest_groups())
    if folds < 2:
        return None
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed % 2**32)
    splits = list(splitter.split(data.labels, data.labels, data.groups))
    jobs = list(product(SHARES, splits))

    def evaluate(job: tuple[float, tuple[NDArray[np.int64], NDArray[np.int64]]]) -> tuple[int, Correct]:
        share, (train, held_out) = job
        taken = train[_share(data.labels[train], data.groups[train], share, seed)]
        subset = LabelledFeatures(data.features[taken], data.labels[taken], data.classes)
        head, _ = fit_config(trial.config, subset, parent=None, seed=seed, epochs=trial.epochs, rough=True)
        predicted = head.logits(data.features[held_out]).argmax(axis=1)
        return len(taken), predicted == data.labels[held_out]

    results = []
    with (
        single_threaded_blas(),
        context.progress.task("Computing the learning curve", len(jobs)) as advance,
        ThreadPoolExecutor(cpu_count()) as pool,
    ):
        for result in pool.map(evaluate, jobs):
            results.append(result)
            advance(1)
    by_share = [results[start : start + folds] for start in range(0, len(jobs), folds)]
    images = [float(np.mean([count for count, _ in fold_results])) for fold_results in by_share]
    correct = [np.concatenate([right for _, right in fold_results]) for fold_results in by_share]
    return LearningCurve.of(images, correct)


def _plain(rows: TrainingRows) -> StandardisedRows:
    """Images as they are served, at most about ``search.MAX_ROWS``, standardised."""
    plain = np.flatnonzero(~rows.augmented)
    taken = plain[sample(rows.labels[plain], rows.groups[plain])]
    features = load_rows(rows.features, taken)
    standardised = Scaler.fit(features).transform(features)
    return StandardisedRows(standardised, rows.labels[taken], rows.groups[taken], rows.augmented[taken])


def _share(labels: NDArray[np.int64], groups: NDArray[np.int64], share: float, seed: int) -> NDArray[np.int64]:
    """Positions of the first ``share`` of each class's groups, at least one, in the same shuffle for all shares."""
    names, positions = np.unique(groups, return_inverse=True)
    rank = np.random.default_rng(seed).permutation(len(names))[positions]
    mask = np.zeros(len(labels), np.bool_)
    for label in np.unique(labels):
        label_ranks = np.unique(rank[labels == label])
        last = label_ranks[max(1, round(share * len(label_ranks))) - 1]
        mask |= (labels == label) & (rank <= last)
    return np.flatnonzero(mask)


def curve_section(curve: LearningCurve | None) -> Section:
    """The report's section: the verdict, the curve and its numbers."""
    title = "Would more images help?"
    if curve is None:
        return Section.of(title, paragraph("A class has too few images to hold any out. Add images."))
    rows = [
        (percent(share), images, Estimate(percent(rate), f"± {number(196 * error)} points"))
        for share, images, rate, error in zip(SHARES, curve.images, curve.accuracy, curve.errors, strict=True)
    ]
    caption = (
        f"Cross-validated on {curve.held_out:,} training images; bars are 95 % intervals. Fitted without augmentation, "
        "so slightly below the released head."
    )
    head = ("Share of the training images", "Images", "Accuracy, 95 % interval")
    return Section.of(title, paragraph(curve.verdict()), figure(_drawing(curve), caption), table(head, rows))


def _drawing(curve: LearningCurve) -> Figure:
    drawing, axes = drawing_of()
    bars = [196 * error for error in curve.errors]
    axes.errorbar(curve.images, [100 * rate for rate in curve.accuracy], yerr=bars, marker="o", capsize=3)
    axes.set_xscale("log")
    axes.set_xticks(curve.images, [f"{count:,}" for count in curve.images])
    axes.minorticks_off()
    axes.set(xlabel="training images", ylabel="held-out accuracy, %")
    axes.grid(alpha=0.3)
    return drawing
