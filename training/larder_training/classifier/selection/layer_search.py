"""Chooses what is read of a backbone, where nobody stated it: how much of the photo, and which layers.

Judged as the augmentation is (``strength``): by cross-validation inside the training part, on photos as served.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from larder_training.classifier.config.context import TrainingContext
from larder_training.classifier.data.labels import label_indices
from larder_training.classifier.data.scan import Sample
from larder_training.classifier.data.splits import DatasetSplit
from larder_training.classifier.features.backbone import DEFAULT_CROP_NOTE, FeatureGraph
from larder_training.classifier.features.extract import FeatureExtractor
from larder_training.classifier.features.intermediate_layers import with_intermediate_layers
from larder_training.classifier.features.views import PLAIN, plain_views
from larder_training.classifier.selection import augmentation_search
from larder_training.classifier.selection.comparison import CandidateScore, compare_to_best
from larder_training.classifier.selection.training_set import CHOICE_FOLDS, groups_of, sample_images, smallest_class
from larder_training.numerics.arrays import Floats
from larder_training.reporting.html import Section, paragraph, table

WHOLE: Final = 1.0  # of the short side
_RULE: Final = "the fewest layers within one standard error of the best, and of these the least loss"


@dataclass(frozen=True, slots=True)
class LayerScore(CandidateScore):
    """How features stand."""

    features: FeatureGraph

    @property
    def layers(self) -> str:
        """Which layers are read, in words."""
        middle = self.features.description.get("middle_layers")
        return f"last, means of {', '.join(map(str, middle))}" if isinstance(middle, list) else "last"

    def describe(self) -> dict[str, object]:
        """JSON-ready."""
        return {"layers": self.layers, "crop": self.features.image_spec.crop, **self.numbers()}


@dataclass(frozen=True, slots=True)
class LayerChoice:
    """The features that were chosen, and what they were compared with (empty: there was no choice)."""

    features: FeatureGraph
    compared: tuple[LayerScore, ...] = ()

    def describe(self) -> dict[str, object]:
        """For the manifest."""
        if not self.compared:
            return {}
        rows = [{**one.describe(), "chosen": one.features is self.features} for one in self.compared]
        return {"rule": _RULE, "loss": "cross-entropy of held-out training photos", "compared": rows}

    def jsonl(self) -> bytes:
        """The first lines of ``trials.jsonl``: one a reading that was compared, with the ``stage`` "reading"."""
        lines = (
            {"stage": "reading", **one.describe(), "chosen": one.features is self.features} for one in self.compared
        )
        return "".join(f"{json.dumps(line, sort_keys=True)}\n" for line in lines).encode()

    def sections(self) -> list[Section]:
        """The report's section, where readings were compared."""
        if not self.compared:
            return []
        rows = [
            (
                one.layers + (" (chosen)" if one.features is self.features else ""),
                f"{one.features.image_spec.crop:.3g}",
                *one.cells(),
            )
            for one in self.compared
        ]
        told = (
            "Which layers of the backbone the head reads, and how much of a photo's short side the backbone sees, "
            f"judged on training photos that were held out. Taken was {_RULE}. --output and --resize-short state it."
        )
        head = ("Layers", "Of the short side", "Loss", "Worse than the best", "Held-out photos right")
        return [Section.of("What is read of the backbone", paragraph(told), table(head, rows))]


def candidates(features: FeatureGraph) -> list[FeatureGraph]:
    """What may be read: the last layer, then middle ones too; as much of the photo as is usual, then all."""
    wide = with_intermediate_layers(features) if "layers" in features.undecided else None
    crops = [features.image_spec.crop]
    if "crop" in features.undecided and features.image_spec.crop < WHOLE:
        crops.append(WHOLE)
    layers = [features] if wide is None else [features, wide]
    return [_cropped(one, crop) for one, crop in product(layers, crops)]


def _cropped(features: FeatureGraph, crop: float) -> FeatureGraph:
    if crop == features.image_spec.crop:
        return features
    assumed = [told for told in features.assumed if told != DEFAULT_CROP_NOTE]
    return replace(
        features,
        image_spec=replace(features.image_spec, crop=crop),
        description={**features.description, "assumed": assumed},
        assumed=tuple(assumed),
    )


def choose(features: FeatureGraph, parts: DatasetSplit, context: TrainingContext) -> LayerChoice:
    """Compares the candidates on training photos (``learn.CHOICE_PHOTOS`` at most) and takes one by the rule."""
    possible = candidates(features)
    photos = parts.parts["train"]
    some = [photos[position] for position in sample_images(photos, context.seed)]
    folds = min(CHOICE_FOLDS, smallest_class(some))
    if len(possible) == 1 or folds < 2:
        return LayerChoice(features)
    judged = _compare(possible, some, label_indices(some, parts.labels), folds, context)
    as_good = (one for one in judged if one.worse <= one.standard_error)
    chosen = min(as_good, key=lambda one: (len(one.features.outputs), one.loss))  # of crops, neither is simpler
    context.progress.say(
        f"Read of the backbone: layers {chosen.layers}; {chosen.features.image_spec.crop:.3g} of the short side: "
        f"cross-validated loss {chosen.loss:.4f} (the usual: {judged[0].loss:.4f}) on {len(some)} photos"
    )
    return LayerChoice(chosen.features, tuple(judged))


def _compare(
    possible: Sequence[FeatureGraph],
    photos: Sequence[Sample],
    labels: augmentation_search.Labels,
    folds: int,
    context: TrainingContext,
) -> list[LayerScore]:
    groups = groups_of(photos)
    cuts = list(StratifiedGroupKFold(folds).split(labels, labels, groups))
    rows = _rows(possible, photos, context)
    found = []
    unchanged = augmentation_search.AugmentationChoice("none", 0, flip=False)
    with (
        threadpool_limits(1, user_api="blas"),
        context.progress.task("Choosing what to read", len(possible)) as advance,
    ):
        for features in possible:
            width = None if len(features.outputs) > 1 else features.dimensions
            own = rows[features.image_spec.crop][:, None, :width]
            examples = augmentation_search.principal(augmentation_search.Examples(own, labels, groups, (PLAIN,)))
            found.append(augmentation_search.cross_validate(unchanged, examples, cuts))
            advance(1)
    scores = compare_to_best([(losses, right) for _, losses, right in found])
    return [LayerScore(*score, features) for features, score in zip(possible, scores, strict=True)]


def _rows(
    possible: Sequence[FeatureGraph], photos: Sequence[Sample], context: TrainingContext
) -> Mapping[float, Floats]:
    """For each crop, the rows of the features that read most: the others' are the first columns of the same run."""
    widest = {features.image_spec.crop: features for features in possible}
    return {
        crop: FeatureExtractor.of(features, context)(
            plain_views(photos, features.image_spec), f"Features of {crop:.3g} of the short side"
        )
        for crop, features in widest.items()
    }
