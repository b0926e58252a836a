"""Chooses between the default backbone and the built-in features, if the options name neither.

Both are compared as in ``layer_search``: by cross-validation on a sample of the training images, as they are served.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from sklearn.model_selection import StratifiedGroupKFold

from larder_training.classifier.backbones.locate import locate_backbone
from larder_training.classifier.backbones.zoo import BUILT_IN, DEFAULT
from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.config.preprocessing import Preprocessing, read_spec
from larder_training.classifier.data.labels import label_indices
from larder_training.classifier.data.scan import Sample
from larder_training.classifier.features import backbone, hog
from larder_training.classifier.features.backbone import FeatureGraph
from larder_training.classifier.features.extract import FeatureExtractor
from larder_training.classifier.features.views import plain_views
from larder_training.classifier.onnx.graph import optimise
from larder_training.classifier.selection.augmentation_search import cross_validate_plain
from larder_training.classifier.selection.comparison import CandidateScore, compare_to_best, trial_lines
from larder_training.classifier.selection.preprocessing_check import check_preprocessing
from larder_training.classifier.selection.training_set import SEARCH_FOLDS, groups_of, sample_images, smallest_class
from larder_training.numerics.blas import single_threaded_blas
from larder_training.reporting.html import Section, paragraph, table

IMAGES: Final = 300  # about as many are compared; a backbone takes about 10 ms for each
_RULE: Final = (
    f"{DEFAULT}, unless the loss of the built-in features is lower by more than one standard error of the difference"
)


@dataclass(frozen=True, slots=True)
class BackboneScore(CandidateScore):
    """The score of one kind of features.

    Attributes:
        name: The backbone's name; "none" for the built-in features.
    """

    name: str


@dataclass(frozen=True, slots=True)
class BackboneChoice:
    """The chosen features.

    Attributes:
        features: The feature graph of the backbone, or of the built-in features.
        name: The backbone's name as ``--backbone`` takes it; "none" for the built-in features.
        compared: The scores of both; empty where the options name one.
    """

    features: FeatureGraph
    name: str
    compared: tuple[BackboneScore, ...] = ()

    def describe(self) -> dict[str, object]:
        """For the manifest."""
        return {"rule": _RULE, "loss": "cross-entropy of held-out training images", "compared": self._rows()}

    def jsonl(self) -> bytes:
        """Lines of ``trials.jsonl``, one per candidate, with the ``stage`` "backbone"."""
        return trial_lines("backbone", self._rows())

    def _rows(self) -> list[dict[str, object]]:
        return [
            {"backbone": score.name, **score.numbers(), "chosen": score.name == self.name} for score in self.compared
        ]

    def sections(self) -> list[Section]:
        """The report's section with both scores; none without a comparison."""
        if not self.compared:
            return []
        titles = {DEFAULT: f"{DEFAULT}, pretrained", BUILT_IN: "built-in features"}
        rows = [
            (titles[score.name] + (" (chosen)" if score.name == self.name else ""), *score.cells())
            for score in self.compared
        ]
        text = (
            "The default backbone and the built-in features (shapes and colours), compared on held-out training "
            f"images. The rule: {_RULE}. Name one with --backbone."
        )
        head = ("Features", "Loss", "Difference to the best", "Held-out accuracy")
        return [Section.of("Backbone", paragraph(text), table(head, rows))]


def load_features(name: str, context: ClassifierContext) -> FeatureGraph:
    """The feature graph of a backbone, given by name, path or URL, or of the built-in features.

    Raises:
        InvalidRequest: The backbone cannot be found or used.
        InvalidModel: The backbone does not run.
    """
    options = context.options
    stated = options.preprocessing
    if name == BUILT_IN:
        image = hog.image_spec(stated.input_size, stated.resampling)
        model = optimise(hog.feature_graph(image.width), "basic")
        return FeatureGraph(model, image, {"builtin": "hog-colour", "features": hog.width()})
    located = locate_backbone(name, context.progress)
    if options.backbone_spec is not None:
        stated = stated.over(read_spec(options.backbone_spec))
    features = backbone.load_backbone(located.path, stated.over(located.preprocessing), dict(located.description))
    if located.known:  # what is not stated is left to the choice of layers and crop on purpose
        file = features.file if stated.mean or stated.std else None
        return replace(features, assumed=(), description={**features.description, "assumed": []}, file=file)
    for assumption in features.assumed:
        context.progress.say(f"Not stated for the backbone, assumed: {assumption}")
    return features


def open_backbone(context: ClassifierContext) -> FeatureGraph:
    """The feature graph that the options name, or that of the default backbone, as ``load_features`` opens it."""
    return load_features(context.options.backbone or DEFAULT, context)


def choose_backbone(features: FeatureGraph, samples: Sequence[Sample], context: ClassifierContext) -> BackboneChoice:
    """The features that the options name; without a name, the better of ``lite0`` and the built-in features.

    Warns if the preprocessing of a named backbone looks wrong.

    Args:
        features: What ``open_backbone`` opened.
        samples: Training images, on a sample of which both are compared.
        context: Options and progress.

    Raises:
        NotFinite: The backbone makes NaN or infinity of an image.
    """
    name, progress = context.options.backbone or DEFAULT, context.progress
    if name == BUILT_IN:
        progress.say(f"No backbone: built-in HOG and colour features at {_side(features)} pixels")
    if not _undecided(context):
        return BackboneChoice(check_preprocessing(features, samples, context), name)
    subset = [samples[position] for position in sample_images(samples, context.seed, IMAGES)]
    folds = min(SEARCH_FOLDS, smallest_class(subset))
    if folds < 2:  # a class with one image, of which none can be held out
        return BackboneChoice(features, name)
    candidates = {name: features, BUILT_IN: load_features(BUILT_IN, context)}
    scores = _compare(candidates, subset, folds, context)
    chosen = choose(scores)
    losses = " and ".join(f"{score.name} {score.loss:.4f}" for score in scores)
    progress.say(f"Backbone {chosen}: cross-validated loss {losses} on {len(subset)} images")
    return BackboneChoice(candidates[chosen], chosen, tuple(scores))


def choose(scores: Sequence[BackboneScore]) -> str:
    """The name of the first, unless another one's loss is lower by more than one standard error of the difference."""
    default, best = scores[0], min(scores, key=lambda score: score.loss)
    return best.name if default.worse > default.standard_error else default.name


def _undecided(context: ClassifierContext) -> bool:
    """Whether the options leave the choice: they name no backbone and state nothing that only a backbone has."""
    options, stated = context.options, context.options.preprocessing
    common = Preprocessing(input_size=stated.input_size, resampling=stated.resampling)
    multiple = stated.input_size is None or stated.input_size % hog.CELLS == 0
    backbone_only = options.backbone_spec is not None or options.colour_statistics or stated != common
    return options.backbone is None and multiple and not backbone_only and not options.multi_label


def _side(features: FeatureGraph) -> str:
    return f"{features.image_spec.width} x {features.image_spec.height}"


def _compare(
    candidates: dict[str, FeatureGraph], samples: Sequence[Sample], folds: int, context: ClassifierContext
) -> list[BackboneScore]:
    labels = label_indices(samples, sorted({sample.image.label for sample in samples}))
    groups = groups_of(samples)
    splits = list(StratifiedGroupKFold(folds).split(labels, labels, groups))
    results = []
    for name, features in candidates.items():
        rows = FeatureExtractor.of(features, context)(
            plain_views(samples, features.image_spec), f"Features of backbone {name}"
        )
        with single_threaded_blas():
            results.append(cross_validate_plain(rows, labels, groups, splits))
    return [BackboneScore(*score, name) for name, score in zip(candidates, compare_to_best(results), strict=True)]
