"""The training set of the head: features of the training images and of their augmented views."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.config.options import AUGMENTATION_NAMES, AugmentationName
from larder_training.classifier.data.labels import label_indices
from larder_training.classifier.data.scan import Sample
from larder_training.classifier.data.splits import DatasetSplit
from larder_training.classifier.features import augmentation
from larder_training.classifier.features.backbone import FeatureGraph
from larder_training.classifier.features.extract import FeatureExtractor
from larder_training.classifier.features.views import View, Views
from larder_training.classifier.heads.training_rows import TrainingRows
from larder_training.classifier.ood.detector import LayerWidths
from larder_training.classifier.selection import augmentation_search
from larder_training.classifier.selection.augmentation_search import AugmentationChoice, AugmentationScore, ViewFeatures
from larder_training.numerics.arrays import Floats

SEARCH_IMAGES: Final = 1_500  # about the most training images that the augmentation is chosen on
SEARCH_FOLDS: Final = 3
LEAST_OF_CLASS: Final = 10  # images of a rare class among them, if it has as many
MANY: Final = 20_000  # training images above which "auto" does not augment: hours of extraction for a small gain


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """The rows that the head is fitted on, and the views of images that they come from.

    Attributes:
        rows: One row per view, image by image.
        views: The images and the views of each.
        augmentation: The augmentation and how it was chosen, for the manifest.
        compared: The scores of the augmentations that were compared; empty without a comparison.
    """

    rows: TrainingRows
    views: Views
    augmentation: Mapping[str, object]
    compared: tuple[AugmentationScore, ...] = ()


def build_training_set(features: FeatureGraph, split: DatasetSplit, context: ClassifierContext) -> TrainingSet:
    """Chooses the augmentation, unless the options state it, and extracts the features of all views."""
    samples = split.parts["train"]
    choice, scores, explanation = _choose_augmentation(features, split, context)
    wanted = choice.views()
    extracted = _extract(features, samples, wanted, "Extracting features", context)
    rows = TrainingRows(
        extracted,
        np.repeat(label_indices(samples, split.labels), len(wanted)),
        np.repeat(groups_of(samples), len(wanted)),
        np.tile(np.arange(len(wanted)) > 0, len(samples)),
        layer_widths=LayerWidths(features.dimensions, extracted.shape[1] - features.dimensions),
    )
    description = {**augmentation.describe(choice.name, choice.copies, flip=choice.flip), **explanation}
    return TrainingSet(rows, Views(samples, features.image_spec, wanted, context.seed), description, tuple(scores))


def _choose_augmentation(
    features: FeatureGraph, split: DatasetSplit, context: ClassifierContext
) -> tuple[AugmentationChoice, Sequence[AugmentationScore], Mapping[str, object]]:
    """The augmentation that the options state; for "auto", the result of cross-validation on training images."""
    options = context.options
    names = AUGMENTATION_NAMES if options.augment == "auto" else (cast("AugmentationName", options.augment),)
    flips = {"auto": (False, True), "yes": (True,), "no": (False,)}[options.flip]
    choices = augmentation_search.candidates(names, flips, options.copies)
    samples = split.parts["train"]
    if len(choices) == 1:
        return choices[0], (), {"chosen_by": "the options"}
    if len(samples) > MANY:
        return choices[0], (), {"chosen_by": f"the number of training images, more than {MANY}"}
    subset = [samples[position] for position in sample_images(samples, options.seed, SEARCH_IMAGES)]
    folds = min(SEARCH_FOLDS, smallest_class(subset))
    if folds < 2:
        return choices[0], (), {"chosen_by": "a class with one training image: none can be held out"}
    views = tuple(dict.fromkeys(view for choice in choices for view in choice.views()))
    extracted = _extract(features, subset, views, "Features of all views", context)
    data = ViewFeatures(
        extracted.reshape(len(subset), len(views), -1), label_indices(subset, split.labels), groups_of(subset), views
    )
    scores = augmentation_search.compare(choices, data, folds=folds, progress=context.progress)
    chosen = augmentation_search.choose_augmentation(scores)
    context.progress.say(
        f"Augmentation {chosen.choice.name}, {'with' if chosen.choice.flip else 'without'} mirrored images: "
        f"cross-validated loss {chosen.loss:.4f} ({scores[0].loss:.4f} without augmentation) on {len(subset)} images"
    )
    return chosen.choice, scores, {"photos": len(subset), "folds": folds, **augmentation_search.explain(scores)}


def _extract(
    features: FeatureGraph, samples: Sequence[Sample], wanted: tuple[View, ...], title: str, context: ClassifierContext
) -> Floats:
    views = Views(samples, features.image_spec, wanted, context.seed)
    return FeatureExtractor.of(features, context)(views, title)


def groups_of(samples: Sequence[Sample]) -> NDArray[np.int64]:
    """``[N]``: the number that near-duplicates share."""
    return np.array([sample.group for sample in samples], np.int64)


def smallest_class(samples: Sequence[Sample]) -> int:
    """The number of distinct images (groups of near-duplicates) of the rarest class."""
    return min(Counter(label for label, _ in {(sample.image.label, sample.group) for sample in samples}).values())


def sample_images(samples: Sequence[Sample], seed: int, size: int) -> list[int]:
    """Positions of all images, or of a stratified sample of about ``size``, drawn by content."""
    if len(samples) <= size:
        return list(range(len(samples)))
    counts = Counter(sample.image.label for sample in samples)
    left = {label: max(LEAST_OF_CLASS, round(size * count / len(samples))) for label, count in counts.items()}
    by_content = sorted(range(len(samples)), key=lambda position: samples[position].digest)
    taken = []
    for position in np.random.default_rng(seed).permutation(by_content).tolist():
        label = samples[position].image.label
        if left[label]:
            left[label] -= 1
            taken.append(position)
    return sorted(taken)
