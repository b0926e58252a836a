"""Estimates how well OOD scores detect classes that are not in the training data: each class is held out in turn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from larder_training.classifier.config.options import ClassifierOptions
from larder_training.classifier.data.formats.entries import Part
from larder_training.classifier.fitting.export import EVALUATED, ExportedClassifier
from larder_training.classifier.fitting.predictions import Predictions
from larder_training.classifier.heads.training_rows import TrainingRows
from larder_training.classifier.metrics.calibration import ood_threshold
from larder_training.classifier.metrics.classification import ood_auroc
from larder_training.classifier.ood import detector
from larder_training.classifier.ood.detector import LayerWidths
from larder_training.numerics.arrays import Floats
from larder_training.numerics.memmap import load_rows
from larder_training.reporting.html import Section, figure, paragraph, table
from larder_training.reporting.plots import COLOURS, INK, drawing_of, legend_above
from larder_training.reporting.values import number, percent

CLASSES: Final = 20  # held out at most; of more, the seed draws these
LEAST_CLASSES: Final = 3  # one to hold out, two to fit
FOLDS: Final = 5  # one of them has the in-distribution images
MAX_ROWS: Final = 5_000  # training images that the estimate uses


@dataclass(frozen=True, slots=True)
class HeldOutClasses:
    """OOD detection of held-out classes, by label.

    Attributes:
        auroc: How well the OOD score separates the held-out class from held-out images of the other classes.
        flagged: Share of the held-out class above a threshold with the false alarms of the release.
        ood_scores: ``[N]``, of all images of held-out classes.
    """

    auroc: Mapping[str, float]
    flagged: Mapping[str, float]
    ood_scores: Floats

    def describe(self) -> dict[str, object]:
        """For the manifest's ``evaluation``."""
        return {
            "how": "each class held out in turn; in-distribution images out of fold; training images as served",
            "auroc": float(np.mean(list(self.auroc.values()))),
            "worst_auroc": min(self.auroc.values()),
            "flagged": float(np.mean(list(self.flagged.values()))),
            "by_label": {label: {"auroc": self.auroc[label], "flagged": self.flagged[label]} for label in self.auroc},
        }


def estimate(rows: TrainingRows, labels: Sequence[str], *, rate: float, seed: int) -> HeldOutClasses | None:
    """Holds each class out in turn.

    Args:
        rows: What the head is fitted on; augmented views are not used.
        labels: The names of ``rows.labels``.
        rate: The rate of false alarms, as in ``calibration.ood_threshold``.
        seed: Draws classes and images if there are too many.

    Returns:
        None with fewer than three classes, or if a class is too small to hold images out.
    """
    plain = np.flatnonzero(~rows.augmented)
    plain = np.sort(np.random.default_rng(seed).permutation(plain)[:MAX_ROWS])
    features, truth, groups = load_rows(rows.features, plain), rows.labels[plain], rows.groups[plain]
    sizes = [len(np.unique(groups[truth == label])) for label in range(len(labels))]
    folds = min(FOLDS, *sizes)
    if len(labels) < LEAST_CLASSES or folds < 2:
        return None
    # Unshuffled, so that the folds follow from the groups alone.
    _, fold = next(iter(StratifiedGroupKFold(folds).split(features, truth, groups)))
    held_out = np.isin(np.arange(len(truth)), fold)
    auroc, flagged, scores = {}, {}, []
    for label in sorted(np.random.default_rng(seed).permutation(len(labels))[:CLASSES].tolist()):
        known, unknown = hold_out(features, truth, held_out, [label], rows.layer_widths)
        auroc[labels[label]] = ood_auroc(known, unknown)
        flagged[labels[label]] = float((unknown > ood_threshold(known, rate)).mean())
        scores.append(unknown)
    return HeldOutClasses(auroc, flagged, np.concatenate(scores))


def hold_out(
    features: Floats,
    labels: NDArray[np.int64],
    held_out: NDArray[np.bool_],
    held_out_classes: Sequence[int],
    layer_widths: LayerWidths | None = None,
) -> tuple[Floats, Floats]:
    """OOD scores by a detector that is fitted without the held-out rows and without the held-out classes.

    Args:
        features: ``[N, D]``.
        labels: ``[N]``.
        held_out: ``[N]``, true for held-out rows; they set the weight of the distance of the intermediate layers.
        held_out_classes: The labels to hold out.
        layer_widths: As in ``detector.fit_detector``.

    Returns:
        The scores of the held-out rows of the other classes, and of all rows of the held-out classes.
    """
    unknown = np.isin(labels, held_out_classes)
    _, renumbered = np.unique(np.where(unknown, -1, labels), return_inverse=True)
    fitted = detector.fit_detector(
        features, renumbered - 1, layer_widths=layer_widths, rows=np.flatnonzero(~unknown & ~held_out)
    )
    known = fitted.distances(features, np.flatnonzero(~unknown & held_out))
    fitted = replace(fitted, layer_weight=detector.layer_distance_weight(*known))
    return fitted.combine(*known), fitted.combine(*fitted.distances(features, np.flatnonzero(unknown)))


def ood_summary(
    options: ClassifierOptions, exported: ExportedClassifier, held_out_classes: HeldOutClasses | None
) -> dict[str, object]:
    """For the manifest's ``evaluation``: the share of images flagged as unknown, of known and of held-out classes."""
    flagged = known_flagged(exported.predictions, exported.serving.novelty_threshold)
    left_out = None if held_out_classes is None else held_out_classes.describe()
    return {"false_alarms": options.false_alarms, "known_flagged": flagged, "classes_left_out": left_out}


def known_flagged(predictions: Mapping[Part, Predictions], threshold: float | None) -> dict[str, float] | None:
    """The share of images flagged as unknown, by evaluated part that has images; None without a threshold."""
    if threshold is None:
        return None
    shares = {part: predictions[part].flagged(threshold) for part in EVALUATED}
    return {part: share for part, share in shares.items() if share is not None}


def unknown_section(
    options: ClassifierOptions, exported: ExportedClassifier, held_out_classes: HeldOutClasses | None
) -> Section:
    """The report's section: OOD scores of held-out images and of held-out classes, with the threshold."""
    known, threshold = exported.predictions["validation"].ood_scores, exported.serving.novelty_threshold
    drawing, axes = drawing_of()
    unknown = np.empty(0, np.float32) if held_out_classes is None else held_out_classes.ood_scores
    top = float(np.concatenate([known, unknown, [1e-3 if threshold is None else threshold]]).max())
    bins = np.linspace(0, top, 41).tolist()
    for scores, name, colour in ((known, "held-out images", COLOURS[0]), (unknown, "held-out classes", COLOURS[1])):
        if len(scores):
            shares = np.full(len(scores), 1 / len(scores))
            axes.hist(
                scores,
                bins,
                weights=shares,
                histtype="stepfilled",
                label=name,
                facecolor=(colour, 0.3),
                edgecolor=colour,
                linewidth=1.5,
            )
    if threshold is not None:
        axes.axvline(threshold, color=INK, linewidth=1, label="threshold")
    axes.set(xlabel="out-of-distribution score", ylabel="share of images")
    legend_above(axes)
    text = f"The threshold flags {percent(options.false_alarms)} of the images of known classes as unknown."
    chart = figure(drawing, "Left of the threshold the response has labels; right of it, the image is unknown.")
    if held_out_classes is None:
        return Section.of("Unknown", paragraph(f"{text} There are too few classes to hold one out."), chart)
    rows = [
        (label, number(auroc), percent(held_out_classes.flagged[label]))
        for label, auroc in held_out_classes.auroc.items()
    ]
    head = ("Class held out of the training", "AUROC", "Flagged as unknown")
    return Section.of("Unknown", paragraph(text), chart, table(head, rows))
