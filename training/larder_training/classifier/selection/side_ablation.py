"""Whether what stands beside the pictures is worth taking: heads with it and without, judged on validation photos."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from larder.release.serving import SideColumn
from larder_training.classifier.config.context import TrainingContext
from larder_training.classifier.config.options import ClassifierOptions
from larder_training.classifier.data.labels import label_indices
from larder_training.classifier.data.manifests import Part
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
# A few columns among a thousand features would be drawn on little: one strength of regularisation holds for all. Where
# features are good, four times as much is better; where they are noisy, it is worse. So both are tried.
EMPHASIS: Final = 4.0

Fit = Callable[[TrainingRows], Head]


@dataclass(frozen=True, slots=True)
class FusionChoice:
    """The head that is released, what it reads beside the features, the rows that it learnt from, and how that was
    chosen (empty: there was no choice).
    """

    head: Head
    additional: AdditionalColumns
    training_set: TrainingSet
    told: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A head with what it reads; ``likelihoods`` ``[N]`` are those of the validation photos' labels, as logarithms."""

    additional: AdditionalColumns
    head: Head
    likelihoods: Floats


@dataclass(frozen=True, slots=True)
class _Judge:
    """The photos that are judged on, by the float features that the heads learn from."""

    context: TrainingContext
    image: FeatureGraph
    parts: DatasetSplit
    truth: Mapping[Part, NDArray[np.int64]]
    features: Mapping[Part, Floats]

    def logits(self, beside: AdditionalColumns, head: Head, part: Part, without: Sequence[str] = ()) -> Floats:
        features = self.features[part]
        if beside:
            views = plain_views(self.parts.parts[part], self.image.image_spec)
            features = beside.append(features, beside.values(views, self.context, without=without))
        return head.logits(features)

    def accuracy(self, candidate: _Candidate, without: Sequence[str] = ()) -> dict[str, float]:
        return {
            part: float(
                (self.logits(candidate.additional, candidate.head, part, without).argmax(axis=1) == truth).mean()
            )
            for part, truth in self.truth.items()
        }

    def candidate(self, beside: AdditionalColumns, head: Head) -> _Candidate:
        logits, truth = self.logits(beside, head, "validation"), self.truth["validation"]
        scaled = log_softmax(logits / calibration.fit_temperature(logits, truth), axis=1)
        return _Candidate(beside, head, scaled[np.arange(len(truth)), truth])


def choose(
    features: FeatureGraph,
    parts: DatasetSplit,
    material: TrainingSet,
    columns: Sequence[SideColumn],
    fit: Fit,
    context: TrainingContext,
) -> FusionChoice:
    """Fits a head on the images alone and, where there is something beside them, heads with it, and takes the best.

    What joins is kept where it makes the validation photos' labels likelier (temperatures fitted first) by more than
    the standard error of that gain; of several, what gains most. Test photos are only reported on.
    """
    alone, options = fit(material.rows), context.options
    possible = _possible(columns, options, typical_deviation(material.rows.features))
    if not possible:
        return FusionChoice(alone, AdditionalColumns(), material, {})
    judge = _judge(features, parts, context)
    found, joined = {WITHOUT: judge.candidate(AdditionalColumns(), alone)}, {WITHOUT: material}
    for name, beside in possible.items():
        context.progress.say(f"Learning from the image and {name}")
        values = beside.values(material.views, context, training=True)
        rows = replace(material.rows, features=beside.append(material.rows.features, values))
        for title, emphasis in ((name, 1.0), (f"{name}, emphasised", EMPHASIS)):
            joined[title] = replace(material, rows=_emphasised(rows, material.rows.dimensions, emphasis))
            found[title] = judge.candidate(beside, fit(joined[title].rows))
    kept, why, helps = _best(found, always=options.keep_side)
    context.progress.say(f"Released with: {kept}. {why}")
    told = {"kept": kept, "why": why, "helps": helps, **_told(judge, found, found[kept])}
    return FusionChoice(found[kept].head, found[kept].additional, joined[kept], told)


def _possible(columns: Sequence[SideColumn], options: ClassifierOptions, scale: float) -> dict[str, AdditionalColumns]:
    found = {}
    if columns:
        found["side information"] = AdditionalColumns(tuple(columns), colour=False, scale=scale)
    if options.colour_statistics:
        found["colour statistics"] = AdditionalColumns((), colour=True, scale=scale)
    if len(found) == 2:
        found["side information and colour statistics"] = AdditionalColumns(tuple(columns), colour=True, scale=scale)
    return found


def _emphasised(rows: TrainingRows, dimensions: int, emphasis: float) -> TrainingRows:
    """The same rows, of which all but the first ``dimensions`` count ``emphasis`` times as much."""
    factors = np.ones(rows.dimensions, np.float32)
    factors[dimensions:] = emphasis
    return replace(rows, emphasis=factors)


def _judge(features: FeatureGraph, parts: DatasetSplit, context: TrainingContext) -> _Judge:
    truth = {part: label_indices(parts.parts[part], parts.labels) for part in EVALUATED}
    found = {
        part: FeatureExtractor.of(features, context)(
            plain_views(parts.parts[part], features.image_spec), f"Features of the {part} photos"
        )
        for part in EVALUATED
    }
    return _Judge(context, features, parts, truth, found)


def _best(found: Mapping[str, _Candidate], *, always: bool) -> tuple[str, str, bool]:
    """The name of what is released, why, and whether something beside the image helps by more than chance."""
    gains = {name: one.likelihoods - found[WITHOUT].likelihoods for name, one in found.items() if name != WITHOUT}
    if always:
        everything = list(found.values())[-1].additional
        gains = {name: gain for name, gain in gains.items() if found[name].additional == everything}
    best = max(gains, key=lambda name: float(gains[name].mean()))
    gain = float(gains[best].mean())
    error = float(gains[best].std(ddof=1) / np.sqrt(len(gains[best])))
    helps = gain > error
    measured = f"{best}: validation cross-entropy {-gain:+.4f}, standard error {error:.4f}"
    told = f"{'It' if helps else 'Nothing beside the image'} helps by more than chance ({measured})."
    if always:
        return best, f"{told} It was asked for in any case.", helps
    return (best if helps else WITHOUT), told, helps


def _told(judge: _Judge, found: Mapping[str, _Candidate], kept: _Candidate) -> dict[str, object]:
    """JSON-ready: accuracies in float of every candidate, and of what is released where values are missing."""
    rows: dict[str, dict[str, float]] = {}
    for name, candidate in found.items():
        cross_entropy = -float(candidate.likelihoods.mean())
        rows[name] = {**judge.accuracy(candidate), "validation_cross_entropy": cross_entropy}
    names = [column.name for column in kept.additional.columns]
    missing = {name: judge.accuracy(kept, [name]) for name in names}
    if names:
        missing["every column"] = judge.accuracy(kept, names)
    return {"accuracy": rows, "accuracy_where_missing": missing}
