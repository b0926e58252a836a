"""Chooses the strength of augmentation, and whether images are mirrored, by cross-validation.

All candidates are compared on the training part, on images as they are served, out of fold. The model is a softmax
regression on the first principal components, with its own L2 strength for each candidate: fast, and close enough to the
head to rank candidates. The head is then searched for with the chosen augmentation.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.model_selection import StratifiedGroupKFold

from larder_training.classifier.config.options import AUGMENTATION_NAMES, AugmentationName
from larder_training.classifier.features.views import PLAIN, View
from larder_training.classifier.heads.softmax_regression import SoftmaxRegression, fit_softmax_regression, zero_head
from larder_training.classifier.metrics import calibration
from larder_training.classifier.selection.comparison import CandidateScore, compare_to_best, trial_lines
from larder_training.numerics.arrays import Floats
from larder_training.numerics.blas import single_threaded_blas
from larder_training.reporting.html import Section, paragraph, table
from larder_training.reporting.progress import Progress

COMPONENTS: Final = 192
STRENGTHS: Final = (1.0, 0.316, 0.1, 0.0316, 0.01, 0.00316, 0.001)  # of L2, strong first
PATIENCE: Final = 2  # weaker strengths that are tried after the best one so far
LEAST_LIKELIHOOD: Final = 1e-9  # limits the loss of a single image

Labels = NDArray[np.int64]
Folds = Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]


@dataclass(frozen=True, slots=True)
class AugmentationChoice:
    """A kind of augmentation.

    Attributes:
        name: The strength.
        copies: Augmented copies of each image; none if ``name`` is "none".
        flip: Whether the head is also fitted on mirrored images.
    """

    name: AugmentationName
    copies: int
    flip: bool

    def views(self) -> tuple[View, ...]:
        """The views of an image: as it is served, mirrored, and its copies, of which every second is mirrored."""
        plain = (View(), View(mirrored=True)) if self.flip else (View(),)
        if self.name == "none":
            return plain
        return (*plain, *(View(self.name, copy, self.flip and copy % 2 == 1) for copy in range(self.copies)))


@dataclass(frozen=True, slots=True)
class AugmentationScore(CandidateScore):
    """The score of an augmentation.

    Attributes:
        choice: The augmentation.
        l2: The L2 strength with the lowest loss for it.
    """

    choice: AugmentationChoice
    l2: float

    def describe(self) -> dict[str, object]:
        """JSON-ready."""
        return {"augment": self.choice.name, "flip": self.choice.flip, "l2": self.l2, **self.numbers()}


@dataclass(frozen=True, slots=True)
class ViewFeatures:
    """Features of several views of the same images.

    Attributes:
        features: ``[N, V, D]`` of N images and V views; the first view is the image as it is served.
        labels: ``[N]``.
        groups: ``[N]``; a group stays in one fold.
        views: The V views.
    """

    features: Floats
    labels: Labels
    groups: NDArray[np.int64]
    views: Sequence[View]


def candidates(names: Sequence[AugmentationName], flips: Sequence[bool], copies: int) -> list[AugmentationChoice]:
    """The augmentations to compare, the weakest first."""
    return [
        AugmentationChoice(name, copies, flip)
        for name in AUGMENTATION_NAMES
        if name in names
        for flip in (False, True)
        if flip in flips
    ]


def compare(
    choices: Sequence[AugmentationChoice], data: ViewFeatures, *, folds: int, progress: Progress
) -> list[AugmentationScore]:
    """Cross-validates every augmentation on the same folds.

    Args:
        choices: What to compare; ``data.views`` has the views of each.
        data: Features of training images.
        folds: Folds of the cross-validation, at least 2.
        progress: Advances with each augmentation.
    """
    with single_threaded_blas():
        reduced = principal_components(data)
        splits = list(StratifiedGroupKFold(folds).split(reduced.labels, reduced.labels, reduced.groups))
        results: list[tuple[float, Floats, Floats]] = []
        with progress.task("Choosing the augmentation", len(choices)) as advance:
            for choice in choices:
                results.append(cross_validate(choice, reduced, splits))
                advance(1, f"least cross-validated loss {min(float(losses.mean()) for _, losses, _ in results):.4f}")
    scores = compare_to_best([(losses, right) for _, losses, right in results])
    return [
        AugmentationScore(*score, choice, l2)
        for choice, (l2, _, _), score in zip(choices, results, scores, strict=True)
    ]


def choose_augmentation(scores: Sequence[AugmentationScore]) -> AugmentationScore:
    """The weakest augmentation within one standard error of the best."""
    return next(score for score in scores if score.worse <= score.standard_error)


def explain(scores: Sequence[AugmentationScore]) -> Mapping[str, object]:
    """For the manifest: the rule, and the score of every augmentation."""
    return {
        "rule": "the least change within one standard error of the best",
        "loss": "cross-validated cross-entropy on training images, after one temperature",
        "compared": _rows(scores),
    }


def jsonl(scores: Sequence[AugmentationScore]) -> bytes:
    """Lines of ``trials.jsonl``, one per augmentation, with the ``stage`` "augmentation"."""
    return trial_lines("augmentation", _rows(scores))


def _rows(scores: Sequence[AugmentationScore]) -> list[Mapping[str, object]]:
    chosen = choose_augmentation(scores) if scores else None
    return [{**score.describe(), "chosen": score is chosen} for score in scores]


def sections(scores: Sequence[AugmentationScore]) -> list[Section]:
    """The report's section with the score of each augmentation; none without a comparison."""
    if not scores:
        return []
    chosen = choose_augmentation(scores)
    rows = [
        (
            score.choice.name + (" (chosen)" if score is chosen else ""),
            score.choice.flip,
            *score.cells(),
        )
        for score in scores
    ]
    text = (
        "The head is also fitted on augmented copies of the images (crop, scale, rotation, light, colour) if that "
        "lowers the loss on held-out training images. The weakest augmentation within one standard error of the best "
        "was chosen."
    )
    head = ("Augmentation", "Mirrored too", "Loss", "Difference to the best", "Held-out accuracy")
    return [Section.of("Augmentation", paragraph(text), table(head, rows))]


def principal_components(data: ViewFeatures) -> ViewFeatures:
    """The features along their first principal components, standardised by the images as they are served."""
    served = data.features[:, 0]
    deviation = served.std(axis=0)
    scale = 1 / np.maximum(deviation, max(0.1 * float(np.median(deviation)), 1e-6))
    centre = served.mean(axis=0)
    standard = ((served - centre) * scale).astype(np.float32)
    _, vectors = np.linalg.eigh(standard.T @ standard)  # ascending
    axes = np.ascontiguousarray(vectors[:, ::-1][:, :COMPONENTS], np.float32)
    images, views, _ = data.features.shape
    reduced = np.empty((images, views, axes.shape[1]), np.float32)
    for view in range(views):
        reduced[:, view] = ((data.features[:, view] - centre) * scale).astype(np.float32) @ axes
    return ViewFeatures(reduced, data.labels, data.groups, data.views)


def cross_validate_plain(
    features: Floats, labels: Labels, groups: NDArray[np.int64], folds: Folds
) -> tuple[Floats, Floats]:
    """Cross-validates features ``[N, D]`` of images as they are served, without augmentation.

    Returns:
        The loss of each held-out image, and whether its label is right.
    """
    data = principal_components(ViewFeatures(features[:, None], labels, groups, (PLAIN,)))
    _, losses, right = cross_validate(AugmentationChoice("none", 0, flip=False), data, folds)
    return losses, right


def cross_validate(choice: AugmentationChoice, data: ViewFeatures, folds: Folds) -> tuple[float, Floats, Floats]:
    """Cross-validates one augmentation.

    Args:
        choice: The augmentation.
        data: As ``principal_components`` returns it.
        folds: The training and the held-out positions of each fold.

    Returns:
        The best L2 strength, and with it the loss of each held-out image and whether its label is right.
    """
    positions = [data.views.index(view) for view in choice.views()]
    labels = data.labels[np.concatenate([held_out for _, held_out in folds])]
    best: tuple[float, Floats, Floats] | None = None
    worse = 0
    with ThreadPoolExecutor(cpu_count()) as pool:
        paths = [_path(data, positions, train, held_out) for train, held_out in folds]
        for l2 in STRENGTHS:
            logits = np.concatenate(list(pool.map(next, paths)))
            temperature = calibration.fit_temperature(logits, labels)
            likelihood = log_softmax(logits / temperature, axis=1)[np.arange(len(labels)), labels]
            losses = -np.maximum(likelihood, np.log(LEAST_LIKELIHOOD)).astype(np.float32)
            if best is None or losses.mean() < best[1].mean():
                best, worse = (l2, losses, (logits.argmax(axis=1) == labels).astype(np.float32)), 0
            elif (worse := worse + 1) == PATIENCE:
                break
    assert best is not None  # noqa: S101 - there is at least one strength
    return best


def _path(data: ViewFeatures, positions: Sequence[int], train: Labels, held_out: Labels) -> Iterator[Floats]:
    """The logits of ``held_out`` for each L2 strength; each fit starts from the previous one."""
    rows = np.ascontiguousarray(data.features[train][:, positions]).reshape(-1, data.features.shape[2])
    labels = np.repeat(data.labels[train], len(positions))
    classes = int(data.labels.max()) + 1
    centre = zero_head(rows.shape[1], classes)
    model: SoftmaxRegression | None = None
    for l2 in STRENGTHS:
        weights = np.ones(len(labels), np.float32)
        model = fit_softmax_regression(rows, labels, weights, l2=l2, l1=0.0, centre=centre, start=model, rough=True)
        yield model.logits(data.features[held_out, 0])
