"""Would more photos help? The chosen head, learnt from growing shares of the photos and judged on held-out ones."""

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
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from larder_training.classifier.config.context import TrainingContext
from larder_training.classifier.heads.config import LabelledFeatures, fit_config
from larder_training.classifier.heads.scaler import Scaler
from larder_training.classifier.heads.search import StandardisedRows, sample
from larder_training.classifier.heads.training_rows import TrainingRows
from larder_training.classifier.heads.trials import HeadTrial
from larder_training.numerics.memmap import loaded
from larder_training.reporting.html import Section, figure, paragraph, table

SHARES: Final = (0.1, 0.2, 0.4, 0.7, 1.0)
FOLDS: Final = 3
WORTH: Final = 0.005  # of accuracy, for twice the photos: a smaller gain is not worth the work
_FROM: Final = 2  # the gain is measured from this share to the last

Right = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """Cross-validated accuracy by how many photos were learnt from.

    ``photos`` (the folds' mean) and ``accuracy``, one a share of ``SHARES``, with the ``errors`` of sampling (one
    standard error). ``gain`` is what a doubling of the photos brought from 40 % to all of them, ``doubt`` its
    standard error: both shares are judged on the same ``judged`` photos, so it is that of paired differences.
    """

    photos: tuple[int, ...]
    accuracy: tuple[float, ...]
    errors: tuple[float, ...]
    gain: float
    doubt: float
    judged: int

    @classmethod
    def of(cls, photos: Sequence[float], right: Sequence[Right]) -> "LearningCurve":
        """``right`` says of each share which of the held-out photos it labels right, all in the same order."""
        rates = [float(found.mean()) for found in right]
        count = len(right[0])
        doublings = log2(SHARES[-1] / SHARES[_FROM])
        apart = (right[-1].astype(np.float64) - right[_FROM]) / doublings
        return cls(
            tuple(round(number) for number in photos),
            tuple(rates),
            tuple(float(np.sqrt(rate * (1 - rate) / count)) for rate in rates),
            float(apart.mean()),
            float(apart.std() / np.sqrt(count)),
            count,
        )

    def verdict(self) -> str:
        """In plain words, for whoever may go and take more photos."""
        low, high = (100 * (self.gain + side * 1.96 * self.doubt) for side in (-1, 1))
        gained = f"{100 * self.gain:+.1f} points of accuracy for twice the photos (95 %: {low:+.1f} to {high:+.1f})"
        if low > 0 and self.gain >= WORTH:
            return (
                f"More photos would help. So far each doubling brought {gained}, and the next will bring somewhat "
                "less. Begin with the labels of the lowest F1."
            )
        if high < 100 * 2 * WORTH:
            return f"More photos of the same kind would hardly help: {gained}. Look at the mistakes instead."
        return (
            f"Whether more photos would help cannot be told from {self.judged} photos: {gained}. Add some and train "
            "again to see."
        )


def learning_curve(rows: TrainingRows, trial: HeadTrial, context: TrainingContext) -> LearningCurve | None:
    """Learns the chosen recipe from shares of the training photos; None where a class is too small to hold any out.

    Changed copies are left out, so that the curve costs
    seconds: all its points lie a little lower than the head itself does. A share holds that part of each class's
    groups, and each share holds the smaller ones.
    """
    seed, examples = context.seed, _plain(rows)
    folds = min(FOLDS, examples.fewest_groups())
    if folds < 2:
        return None
    cut = StratifiedGroupKFold(folds, shuffle=True, random_state=seed % 2**32)
    parts = list(cut.split(examples.labels, examples.labels, examples.groups))
    jobs = list(product(SHARES, parts))

    def judge(job: tuple[float, tuple[NDArray[np.int64], NDArray[np.int64]]]) -> tuple[int, Right]:
        share, (learn, held_out) = job
        taken = learn[_share(examples.labels[learn], examples.groups[learn], share, seed)]
        lesson = LabelledFeatures(examples.features[taken], examples.labels[taken], examples.classes)
        fitted, _ = fit_config(trial.config, lesson, parent=None, seed=seed, epochs=trial.epochs, rough=True)
        found = fitted.logits(examples.features[held_out]).argmax(axis=1)
        return len(taken), found == examples.labels[held_out]

    results = []
    with (
        threadpool_limits(1, user_api="blas"),  # a sum's order depends on the threads, and the report's bytes on it
        context.progress.task("Learning from fewer photos", len(jobs)) as advance,
        ThreadPoolExecutor(cpu_count()) as pool,
    ):
        for result in pool.map(judge, jobs):
            results.append(result)
            advance(1)
    by_share = [results[start : start + folds] for start in range(0, len(jobs), folds)]
    photos = [float(np.mean([count for count, _ in found])) for found in by_share]
    return LearningCurve.of(photos, [np.concatenate([right for _, right in found]) for found in by_share])


def _plain(rows: TrainingRows) -> StandardisedRows:
    """Photos as they are served, a bounded number of them, standardised."""
    plain = np.flatnonzero(~rows.augmented)
    taken = plain[sample(rows.labels[plain], rows.groups[plain])]
    features = loaded(rows.features, taken)
    standard = Scaler.fit(features).transform(features)
    return StandardisedRows(standard, rows.labels[taken], rows.groups[taken], rows.augmented[taken])


def _share(labels: NDArray[np.int64], groups: NDArray[np.int64], share: float, seed: int) -> NDArray[np.int64]:
    """The rows of the first ``share`` of each class's groups, at least one, in a shuffle that all shares have alike."""
    names, positions = np.unique(groups, return_inverse=True)
    rank = np.random.default_rng(seed).permutation(len(names))[positions]
    taken = np.zeros(len(labels), np.bool_)
    for label in np.unique(labels):
        own = np.unique(rank[labels == label])
        last = own[max(1, round(share * len(own))) - 1]
        taken |= (labels == label) & (rank <= last)
    return np.flatnonzero(taken)


def curve_section(curve: LearningCurve | None) -> Section:
    """The report's section: the verdict, the curve, and its numbers."""
    title = "Would more photos help?"
    if curve is None:
        return Section.of(title, paragraph("A class has too few photos to hold any out. Add photos."))
    rows = [
        (f"{share:.0%}", photos, f"{100 * rate:.1f} %", f"± {196 * error:.1f}")
        for share, photos, rate, error in zip(SHARES, curve.photos, curve.accuracy, curve.errors, strict=True)
    ]
    told = (
        f"Cross-validated on {curve.judged} training photos; bars are 95 % intervals. Learnt without changed copies, "
        "so a little below the released head."
    )
    head = ("Share learnt from", "Photos", "Right", "95 %")
    return Section.of(title, paragraph(curve.verdict()), figure(_drawing(curve), told), table(head, rows))


def _drawing(curve: LearningCurve) -> Figure:
    drawing = Figure(figsize=(4.2, 2.9))
    axes = drawing.add_subplot()
    bars = [196 * error for error in curve.errors]
    axes.errorbar(curve.photos, [100 * rate for rate in curve.accuracy], yerr=bars, marker="o", capsize=3)
    axes.set_xscale("log")
    axes.set_xticks(curve.photos, [str(number) for number in curve.photos])
    axes.minorticks_off()
    axes.set(xlabel="photos learnt from", ylabel="held-out photos right, %")
    axes.grid(alpha=0.3)
    return drawing
