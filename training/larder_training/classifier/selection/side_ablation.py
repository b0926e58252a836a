"""Chooses whether the head reads side information and colour statistics, by the loss on the validation images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from larder.release.serving import SideColumn
from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.config.options import ClassifierOptions
from larder_training.classifier.data.formats.entries import Part
from larder_training.classifier.data.labels import label_indices
from larder_training.classifier.data.splits import DatasetSplit
from larder_training.classifier.features.backbone import FeatureGraph
from larder_training.classifier.features.extract import FeatureExtractor
from larder_training.classifier.features.fusion import AdditionalColumns, typical_deviation
from larder_training.classifier.features.views import plain_views
from larder_training.classifier.heads.head import Head
from larder_training.classifier.heads.training_rows import TrainingRows
from larder_training.classifier.metrics import calibration
from larder_training.classifier.selection.training_set import TrainingSet
from larder_training.numerics.arrays import Floats

EVALUATED: Final[tuple[Part, ...]] = ("validation", "test")
WITHOUT: Final = "image alone"
# All columns share one strength of regularisation, which would leave a few columns among a thousand features little
# weight. With good features a factor of four is better, with noisy ones it is worse, so both are tried.
EMPHASIS: Final = 4.0

Fit = Callable[[TrainingRows], Head]


@dataclass(frozen=True, slots=True)
class FusionChoice:
    """The head of a training before the final fit.

    Attributes:
        head: The head, fitted on the training part.
        additional: The columns that it reads in addition to the features; may be empty.
        training_set: What it was fitted on.
        explanation: How the columns were chosen, JSON-ready; empty without a comparison.
    """

    head: Head
    additional: AdditionalColumns
    training_set: TrainingSet
    explanation: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A head with the columns that it reads.

    Attributes:
        additional: The additional columns.
        head: The head.
        likelihoods: ``[N]``, log-likelihoods of the validation labels.
    """

    additional: AdditionalColumns
    head: Head
    likelihoods: Floats


@dataclass(frozen=True, slots=True)
class _HeldOutImages:
    """The validation and test images, with their float features.

    Attributes:
        context: Options and progress.
        graph: The feature graph.
        split: The images by part.
        truth: The labels by part.
        features: The features by part.
    """

    context: ClassifierContext
    graph: FeatureGraph
    split: DatasetSplit
    truth: Mapping[Part, NDArray[np.int64]]
    features: Mapping[Part, Floats]

    @classmethod
    def of(cls, graph: FeatureGraph, split: DatasetSplit, context: ClassifierContext) -> "_HeldOutImages":
        """Extracts the features of both parts."""
        truth = {part: label_indices(split.parts[part], split.labels) for part in EVALUATED}
        features = {
            part: FeatureExtractor.of(graph, context)(
                plain_views(split.parts[part], graph.image_spec), f"Features of the {part} images"
            )
            for part in EVALUATED
        }
        return cls(context, graph, split, truth, features)

    def logits(self, additional: AdditionalColumns, head: Head, part: Part, without: Sequence[str] = ()) -> Floats:
        """``[N, C]`` of one part; the columns in ``without`` count as missing."""
        features = self.features[part]
        if additional:
            views = plain_views(self.split.parts[part], self.graph.image_spec)
            features = additional.append(features, additional.values(views, self.context, without=without))
        return head.logits(features)

    def accuracy(self, candidate: _Candidate, without: Sequence[str] = ()) -> dict[str, float]:
        """The accuracy by part; the columns in ``without`` count as missing."""
        return {
            part: float(
                (self.logits(candidate.additional, candidate.head, part, without).argmax(axis=1) == truth).mean()
            )
            for part, truth in self.truth.items()
        }

    def candidate(self, additional: AdditionalColumns, head: Head) -> _Candidate:
        """The head with its log-likelihoods of the validation labels, after one temperature."""
        logits, truth = self.logits(additional, head, "validation"), self.truth["validation"]
        scaled = log_softmax(logits / calibration.fit_temperature(logits, truth), axis=1)
        return _Candidate(additional, head, scaled[np.arange(len(truth)), truth])


def choose_fusion(
    features: FeatureGraph,
    split: DatasetSplit,
    training_set: TrainingSet,
    columns: Sequence[SideColumn],
    fit: Fit,
    context: ClassifierContext,
) -> FusionChoice:
    """Fits a head on the images alone and heads with additional columns, and chooses one.

    Additional columns are chosen if they raise the mean log-likelihood of the validation labels by more than its
    standard error, each head with its own temperature; among several, those with the largest gain. The test images
    are only reported.

    Args:
        features: The float feature graph.
        split: The images by part.
        training_set: Rows of the image features.
        columns: The columns of side information.
        fit: Fits a head on rows.
        context: Options and progress.
    """
    alone = fit(training_set.rows)
    options = _options(columns, context.options, typical_deviation(training_set.rows.features))
    if not options:
        return FusionChoice(alone, AdditionalColumns(), training_set, {})
    images = _HeldOutImages.of(features, split, context)
    candidates, training_sets = {WITHOUT: images.candidate(AdditionalColumns(), alone)}, {WITHOUT: training_set}
    for name, additional in options.items():
        context.progress.say(f"Fitting on the image and {name}")
        values = additional.values(training_set.views, context, training=True)
        rows = replace(training_set.rows, features=additional.append(training_set.rows.features, values))
        for title, emphasis in ((name, 1.0), (f"{name}, emphasised", EMPHASIS)):
            emphasised = _emphasised(rows, training_set.rows.dimensions, emphasis)
            training_sets[title] = replace(training_set, rows=emphasised)
            candidates[title] = images.candidate(additional, fit(emphasised))
    name, reason, helps = _best(candidates, always=context.options.keep_side)
    context.progress.say(f"Released with: {name}. {reason}")
    chosen = candidates[name]
    explanation = {"kept": name, "why": reason, "helps": helps, **_accuracies(images, candidates, chosen)}
    return FusionChoice(chosen.head, chosen.additional, training_sets[name], explanation)


def _options(columns: Sequence[SideColumn], options: ClassifierOptions, scale: float) -> dict[str, AdditionalColumns]:
    """The combinations of additional columns, by name."""
    combinations = {}
    if columns:
        combinations["side information"] = AdditionalColumns(tuple(columns), colour=False, scale=scale)
    if options.colour_statistics:
        combinations["colour statistics"] = AdditionalColumns((), colour=True, scale=scale)
    if len(combinations) == 2:
        both = AdditionalColumns(tuple(columns), colour=True, scale=scale)
        combinations["side information and colour statistics"] = both
    return combinations


def _emphasised(rows: TrainingRows, dimensions: int, emphasis: float) -> TrainingRows:
    """The rows with ``emphasis`` on all columns after the first ``dimensions``."""
    factors = np.ones(rows.dimensions, np.float32)
    factors[dimensions:] = emphasis
    return replace(rows, emphasis=factors)


def _best(candidates: Mapping[str, _Candidate], *, always: bool) -> tuple[str, str, bool]:
    """The name of the chosen candidate, the reason, and whether additional columns help by more than chance."""
    baseline = candidates[WITHOUT].likelihoods
    gains = {name: other.likelihoods - baseline for name, other in candidates.items() if name != WITHOUT}
    if always:
        everything = list(candidates.values())[-1].additional
        gains = {name: gain for name, gain in gains.items() if candidates[name].additional == everything}
    best = max(gains, key=lambda name: float(gains[name].mean()))
    gain = float(gains[best].mean())
    error = float(gains[best].std(ddof=1) / np.sqrt(len(gains[best])))
    helps = gain > error
    numbers = f"{best}: validation cross-entropy {-gain:+.4f}, standard error {error:.4f}"
    reason = f"{'It' if helps else 'Nothing in addition to the image'} helps by more than chance ({numbers})."
    if always:
        return best, f"{reason} --keep-side asks for it in any case.", helps
    return (best if helps else WITHOUT), reason, helps


def _accuracies(images: _HeldOutImages, candidates: Mapping[str, _Candidate], chosen: _Candidate) -> dict[str, object]:
    """Accuracy in float32 of every candidate, and of the chosen one if columns are missing; JSON-ready."""
    rows: dict[str, dict[str, float]] = {}
    for name, candidate in candidates.items():
        cross_entropy = -float(candidate.likelihoods.mean())
        rows[name] = {**images.accuracy(candidate), "validation_cross_entropy": cross_entropy}
    names = [column.name for column in chosen.additional.columns]
    missing = {name: images.accuracy(chosen, [name]) for name in names}
    if names:
        missing["every column"] = images.accuracy(chosen, names)
    return {"accuracy": rows, "accuracy_where_missing": missing}
