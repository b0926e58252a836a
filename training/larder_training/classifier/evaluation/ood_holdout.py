"""What a release would make of classes that it was never taught: each class left out in turn plays the stranger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from larder_training.classifier.config.options import ClassifierOptions
from larder_training.classifier.fitting.export import EVALUATED, ExportedClassifier
from larder_training.classifier.heads.training_rows import TrainingRows
from larder_training.classifier.metrics.calibration import ood_threshold
from larder_training.classifier.metrics.classification import ood_auroc
from larder_training.classifier.ood import detector
from larder_training.classifier.ood.detector import LayerWidths
from larder_training.numerics.arrays import Floats
from larder_training.numerics.memmap import loaded
from larder_training.reporting.html import Section, figure, paragraph, table

CLASSES: Final = 20  # left out at most; of more, these are drawn by the seed
LEAST_CLASSES: Final = 3  # one to leave out, two to be taught
FOLDS: Final = 5  # one of them is held out as the familiar photos
MAX_ROWS: Final = 5_000  # training photos that the estimate is made with


@dataclass(frozen=True, slots=True)
class HeldOutClasses:
    """``auroc``: how well novelty ranks a left-out label's photos above held-out photos of the others, by label;
    ``flagged``: the share of them above a threshold set at the same rate of false alarms; ``novelty`` ``[N]`` theirs.
    """

    auroc: Mapping[str, float]
    flagged: Mapping[str, float]
    novelty: Floats

    def describe(self) -> dict[str, object]:
        """For the manifest's ``evaluation``."""
        return {
            "how": "each class left out in turn; familiar photos held out; training photos, plain features",
            "auroc": float(np.mean(list(self.auroc.values()))),
            "worst_auroc": min(self.auroc.values()),
            "flagged": float(np.mean(list(self.flagged.values()))),
            "by_label": {label: {"auroc": self.auroc[label], "flagged": self.flagged[label]} for label in self.auroc},
        }


def estimate(rows: TrainingRows, labels: Sequence[str], *, rate: float, seed: int) -> HeldOutClasses | None:
    """Leaves each class out in turn. None where there are fewer than three classes, or photos to hold out.

    Args:
        rows: what the head is fitted on; augmented views are not used.
        labels: the names of ``rows.labels``.
        rate: of false alarms, as ``calibrate.novelty_threshold`` takes it.
        seed: decides which classes and photos are taken where there are too many.
    """
    plain = np.flatnonzero(~rows.augmented)
    plain = np.sort(np.random.default_rng(seed).permutation(plain)[:MAX_ROWS])
    features, truth, groups = loaded(rows.features, plain), rows.labels[plain], rows.groups[plain]
    sizes = [len(np.unique(groups[truth == label])) for label in range(len(labels))]
    folds = min(FOLDS, *sizes)
    if len(labels) < LEAST_CLASSES or folds < 2:
        return None
    # Unshuffled: the folds then follow from the groups alone.
    _, held = next(iter(StratifiedGroupKFold(folds).split(features, truth, groups)))
    held_out = np.isin(np.arange(len(truth)), held)
    auroc, flagged, scores = {}, {}, []
    for label in sorted(np.random.default_rng(seed).permutation(len(labels))[:CLASSES].tolist()):
        known, strange = leave_out(features, truth, held_out, [label], rows.layer_widths)
        auroc[labels[label]] = ood_auroc(known, strange)
        flagged[labels[label]] = float((strange > ood_threshold(known, rate)).mean())
        scores.append(strange)
    return HeldOutClasses(auroc, flagged, np.concatenate(scores))


def leave_out(
    features: Floats,
    labels: NDArray[np.int64],
    held_out: NDArray[np.bool_],
    held_out_classes: Sequence[int],
    layer_widths: LayerWidths | None = None,
) -> tuple[Floats, Floats]:
    """OOD scores by a detector that is fitted without the held-out rows and without ``held_out_classes``.

    Returns the scores of the held-out rows of the other classes, and of all rows of ``held_out_classes``.
    ``layer_widths`` is as in ``detector.fit_detector``. The held-out rows set the weight of the second distance.
    """
    strange = np.isin(labels, held_out_classes)
    _, renumbered = np.unique(np.where(strange, -1, labels), return_inverse=True)
    made = detector.fit_detector(
        features, renumbered - 1, layer_widths=layer_widths, rows=np.flatnonzero(~strange & ~held_out)
    )
    known = made.distances(features, np.flatnonzero(~strange & held_out))
    made = replace(made, weight=detector.layer_distance_weight(*known))
    return made.joined(*known), made.joined(*made.distances(features, np.flatnonzero(strange)))


def told(
    options: ClassifierOptions, exported: ExportedClassifier, held_out_classes: HeldOutClasses | None
) -> dict[str, object]:
    """For the manifest's ``evaluation``: how often photos of taught classes are called unknown, and others."""
    limit = exported.serving.novelty_threshold
    flagged = (
        {part: float((exported.predictions[part].ood_scores > limit).mean()) for part in EVALUATED} if limit else None
    )
    left_out = None if held_out_classes is None else held_out_classes.describe()
    return {"false_alarms": options.false_alarms, "known_flagged": flagged, "classes_left_out": left_out}


def unknown_section(
    options: ClassifierOptions, exported: ExportedClassifier, held_out_classes: HeldOutClasses | None
) -> Section:
    """The report's section: novelty of photos that were held out and of left-out classes, and the line between them."""
    known, threshold = exported.predictions["validation"].ood_scores, exported.serving.novelty_threshold
    drawing = Figure(figsize=(6, 3.5))
    axes = drawing.add_subplot()
    strange = np.empty(0, np.float32) if held_out_classes is None else held_out_classes.novelty
    top = float(np.concatenate([known, strange, [1e-3 if threshold is None else threshold]]).max())
    bins = np.linspace(0, top, 41).tolist()
    for scores, name in ((known, "photos held out"), (strange, "classes left out")):
        if len(scores):
            shares = np.full(len(scores), 1 / len(scores))
            axes.hist(scores, bins, weights=shares, alpha=0.6, label=name)
    if threshold is not None:
        axes.axvline(threshold, color="black", linewidth=1, label="unknown from here on")
    axes.set(xlabel="novelty", ylabel="share of photos")
    axes.legend(loc="upper right")
    sure = (
        f"The threshold is set so that {100 * options.false_alarms:g} % of photos of taught classes are called unknown."
    )
    shown = figure(drawing, "Left of the line: an answer with labels. Right of it: unknown.")
    if held_out_classes is None:
        return Section.of("Unknown", paragraph(f"{sure} Too few classes to leave one out."), shown)
    rows = [
        (label, f"{auroc:.3f}", f"{100 * held_out_classes.flagged[label]:.0f} %")
        for label, auroc in held_out_classes.auroc.items()
    ]
    head = ("Class left out of the training", "AUROC", "Called unknown")
    return Section.of("Unknown", paragraph(sure), shown, table(head, rows))
