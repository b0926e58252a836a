"""Chooses the layers of the backbone that the head reads, and the crop of the image, if the options state neither.

Candidates are compared as in ``augmentation_search``: by cross-validation on the training part, on images as they are
served.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

from sklearn.model_selection import StratifiedGroupKFold

from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.data.labels import label_indices
from larder_training.classifier.data.scan import Sample
from larder_training.classifier.data.splits import DatasetSplit
from larder_training.classifier.features.backbone import DEFAULT_CROP_NOTE, FeatureGraph
from larder_training.classifier.features.extract import FeatureExtractor
from larder_training.classifier.features.intermediate_layers import with_intermediate_layers
from larder_training.classifier.features.views import plain_views
from larder_training.classifier.selection.augmentation_search import Labels, cross_validate_plain
from larder_training.classifier.selection.comparison import CandidateScore, compare_to_best, trial_lines
from larder_training.classifier.selection.training_set import (
    SEARCH_FOLDS,
    SEARCH_IMAGES,
    groups_of,
    sample_images,
    smallest_class,
)
from larder_training.numerics.arrays import Floats
from larder_training.numerics.blas import single_threaded_blas
from larder_training.reporting.html import Section, paragraph, table
from larder_training.reporting.values import percent

WHOLE: Final = 1.0  # of the short side
_RULE: Final = "the fewest layers within one standard error of the best, and of these the least loss"


@dataclass(frozen=True, slots=True)
class LayerScore(CandidateScore):
    """The score of one candidate.

    Attributes:
        features: The feature graph, with its crop and layers.
    """

    features: FeatureGraph

    @property
    def layers(self) -> str:
        """The layers in words."""
        middle = self.features.description.get("middle_layers")
        return f"last, means of {', '.join(map(str, middle))}" if isinstance(middle, list) else "last"

    @property
    def title(self) -> str:
        """The layers in the report."""
        middle = self.features.description.get("middle_layers")
        return f"last, and {len(middle)} in the middle" if isinstance(middle, list) else "last"

    def describe(self) -> dict[str, object]:
        """JSON-ready."""
        return {"layers": self.layers, "crop": self.features.image_spec.crop, **self.numbers()}


@dataclass(frozen=True, slots=True)
class LayerChoice:
    """The chosen features.

    Attributes:
        features: The feature graph that the training uses.
        compared: The scores of all candidates; empty without a comparison.
    """

    features: FeatureGraph
    compared: tuple[LayerScore, ...] = ()

    def describe(self) -> dict[str, object]:
        """For the manifest."""
        if not self.compared:
            return {}
        return {"rule": _RULE, "loss": "cross-entropy of held-out training images", "compared": self._rows()}

    def jsonl(self) -> bytes:
        """Lines of ``trials.jsonl``, one per candidate, with the ``stage`` "reading"."""
        return trial_lines("reading", self._rows())

    def _rows(self) -> list[dict[str, object]]:
        return [{**score.describe(), "chosen": score.features is self.features} for score in self.compared]

    def sections(self) -> list[Section]:
        """The report's section with the score of each candidate; none without a comparison."""
        if not self.compared:
            return []
        rows = [
            (
                score.title + (" (chosen)" if score.features is self.features else ""),
                percent(score.features.image_spec.crop),
                *score.cells(),
            )
            for score in self.compared
        ]
        text = (
            "The layers of the backbone that the head reads, and the share of an image's short side that the backbone "
            f"sees, compared on held-out training images. Chosen: {_RULE}. Set them with --output and --resize-short."
        )
        head = ("Layers", "Share of the short side", "Loss", "Difference to the best", "Held-out accuracy")
        return [Section.of("Layers and crop", paragraph(text), table(head, rows))]


def candidates(features: FeatureGraph) -> list[FeatureGraph]:
    """The last layer, then the last and middle layers; each with the usual crop, then with the whole image."""
    wide = with_intermediate_layers(features) if "layers" in features.undecided else None
    crops = [features.image_spec.crop]
    if "crop" in features.undecided and features.image_spec.crop < WHOLE:
        crops.append(WHOLE)
    layers = [features] if wide is None else [features, wide]
    return [_with_crop(graph, crop) for graph, crop in product(layers, crops)]


def _with_crop(features: FeatureGraph, crop: float) -> FeatureGraph:
    if crop == features.image_spec.crop:
        return features
    assumed = [assumption for assumption in features.assumed if assumption != DEFAULT_CROP_NOTE]
    return replace(
        features,
        image_spec=replace(features.image_spec, crop=crop),
        description={**features.description, "assumed": assumed},
        assumed=tuple(assumed),
    )


def choose_layers(features: FeatureGraph, split: DatasetSplit, context: ClassifierContext) -> LayerChoice:
    """Compares the candidates on a sample of the training images and chooses one by the rule."""
    options = candidates(features)
    samples = split.parts["train"]
    subset = [samples[position] for position in sample_images(samples, context.seed, SEARCH_IMAGES)]
    folds = min(SEARCH_FOLDS, smallest_class(subset))
    if len(options) == 1 or folds < 2:
        return LayerChoice(features)
    scores = _compare(options, subset, label_indices(subset, split.labels), folds, context)
    equal = (score for score in scores if score.worse <= score.standard_error)
    chosen = min(equal, key=lambda score: (len(score.features.outputs), score.loss))  # neither crop is simpler
    context.progress.say(
        f"Layers: {chosen.layers}; {chosen.features.image_spec.crop:.3g} of the short side: cross-validated loss "
        f"{chosen.loss:.4f} ({scores[0].loss:.4f} by default) on {len(subset)} images"
    )
    return LayerChoice(chosen.features, tuple(scores))


def _compare(
    options: Sequence[FeatureGraph],
    samples: Sequence[Sample],
    labels: Labels,
    folds: int,
    context: ClassifierContext,
) -> list[LayerScore]:
    groups = groups_of(samples)
    splits = list(StratifiedGroupKFold(folds).split(labels, labels, groups))
    rows = _rows(options, samples, context)
    results = []
    with (
        single_threaded_blas(),
        context.progress.task("Choosing layers and crop", len(options)) as advance,
    ):
        for features in options:
            width = None if len(features.outputs) > 1 else features.dimensions
            columns = rows[features.image_spec.crop][:, :width]
            results.append(cross_validate_plain(columns, labels, groups, splits))
            advance(1, f"least cross-validated loss {min(float(losses.mean()) for losses, _ in results):.4f}")
    return [LayerScore(*score, features) for features, score in zip(options, compare_to_best(results), strict=True)]


def _rows(
    options: Sequence[FeatureGraph], samples: Sequence[Sample], context: ClassifierContext
) -> Mapping[float, Floats]:
    """For each crop, the features of the candidate with the most layers; those of the others are its first columns."""
    widest = {features.image_spec.crop: features for features in options}
    return {
        crop: FeatureExtractor.of(features, context)(
            plain_views(samples, features.image_spec), f"Features of {crop:.3g} of the short side"
        )
        for crop, features in widest.items()
    }
