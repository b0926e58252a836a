"""What the head learns from: the features of the training photos and of their chosen views, row by row."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from larder_training.classifier.config.context import TrainingContext
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
from larder_training.classifier.selection.augmentation_search import AugmentationChoice, AugmentationScore
from larder_training.numerics.arrays import Floats

CHOICE_PHOTOS: Final = 1_500  # the augmentation is chosen on about so many training photos at most
CHOICE_FOLDS: Final = 3
LEAST_OF_CLASS: Final = 10  # photos of a rare class that are among them, if there are
MANY: Final = 20_000  # training photos from which on "auto" changes none: extraction would take hours, for little


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


def gather(features: FeatureGraph, parts: DatasetSplit, context: TrainingContext) -> TrainingSet:
    """Chooses the augmentation where the options leave it open, and computes the rows or finds them in the cache."""
    photos = parts.parts["train"]
    choice, judged, told = _choice(features, parts, context)
    wanted = choice.views()
    found = _embed(features, photos, wanted, "Extracting features", context)
    rows = TrainingRows(
        found,
        np.repeat(label_indices(photos, parts.labels), len(wanted)),
        np.repeat(groups_of(photos), len(wanted)),
        np.tile(np.arange(len(wanted)) > 0, len(photos)),
        layer_widths=LayerWidths(features.dimensions, found.shape[1] - features.dimensions),
    )
    described = {**augmentation.describe(choice.name, choice.copies, flip=choice.flip), **told}
    return TrainingSet(rows, Views(photos, features.image_spec, wanted, context.seed), described, tuple(judged))


def _choice(
    features: FeatureGraph, parts: DatasetSplit, context: TrainingContext
) -> tuple[AugmentationChoice, Sequence[AugmentationScore], Mapping[str, object]]:
    """What the options say; where they say "auto", what cross-validation on training photos says."""
    options = context.options
    names = AUGMENTATION_NAMES if options.augment == "auto" else (cast("AugmentationName", options.augment),)
    flips = {"auto": (False, True), "yes": (True,), "no": (False,)}[options.flip]
    choices = augmentation_search.candidates(names, flips, options.copies)
    photos = parts.parts["train"]
    if len(choices) == 1:
        return choices[0], (), {"chosen_by": "the options"}
    if len(photos) > MANY:
        return choices[0], (), {"chosen_by": f"the number of training photos, more than {MANY}"}
    some = [photos[position] for position in sample_images(photos, options.seed)]
    folds = min(CHOICE_FOLDS, smallest_class(some))
    if folds < 2:
        return choices[0], (), {"chosen_by": "a class with one training photo: nothing can be held out"}
    views = tuple(dict.fromkeys(view for choice in choices for view in choice.views()))
    found = _embed(features, some, views, "Features of the views to choose from", context)
    examples = augmentation_search.Examples(
        found.reshape(len(some), len(views), -1), label_indices(some, parts.labels), groups_of(some), views
    )
    judged = augmentation_search.compare(choices, examples, folds=folds, progress=context.progress)
    chosen = augmentation_search.choose(judged)
    context.progress.say(
        f"Augmentation {chosen.choice.name}, {'mirrored too' if chosen.choice.flip else 'never mirrored'}: "
        f"cross-validated loss {chosen.loss:.4f} (nothing changed: {judged[0].loss:.4f}) on {len(some)} photos"
    )
    return chosen.choice, judged, {"photos": len(some), "folds": folds, **augmentation_search.explain(judged, chosen)}


def _embed(
    features: FeatureGraph, photos: Sequence[Sample], wanted: tuple[View, ...], title: str, context: TrainingContext
) -> Floats:
    views = Views(photos, features.image_spec, wanted, context.seed)
    return FeatureExtractor.of(features, context)(views, title)


def groups_of(photos: Sequence[Sample]) -> NDArray[np.int64]:
    """``[N]``: the number that near-duplicates share."""
    return np.array([checked.group for checked in photos], np.int64)


def smallest_class(photos: Sequence[Sample]) -> int:
    """How many different pictures the rarest class has."""
    return min(Counter(label for label, _ in {(checked.image.label, checked.group) for checked in photos}).values())


def sample_images(photos: Sequence[Sample], seed: int) -> list[int]:
    """The positions of all photos, or of each class's share of ``CHOICE_PHOTOS``, drawn by content."""
    if len(photos) <= CHOICE_PHOTOS:
        return list(range(len(photos)))
    sizes = Counter(checked.image.label for checked in photos)
    left = {label: max(LEAST_OF_CLASS, round(CHOICE_PHOTOS * size / len(photos))) for label, size in sizes.items()}
    by_content = sorted(range(len(photos)), key=lambda position: photos[position].digest)
    taken = []
    for position in np.random.default_rng(seed).permutation(by_content).tolist():
        label = photos[position].image.label
        if left[label]:
            left[label] -= 1
            taken.append(position)
    return sorted(taken)
