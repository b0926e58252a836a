"""Fits the head of a multi-label classifier and builds the graph that is released.

As for one label for each image, the head is fitted on the training and validation images together, on the features of
the graph that is released, and predictions out of fold calibrate it. With more than ``MAX_ROWS`` images, it is fitted
on the training images, and the validation images calibrate it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx
from scipy.special import expit

from larder.release.serving import ClassifierServing
from larder.rollout.onnx_checks import check_graph
from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.data.formats.entries import Part
from larder_training.classifier.data.labels import label_matrix
from larder_training.classifier.data.scan import Sample
from larder_training.classifier.data.splits import DatasetSplit
from larder_training.classifier.features.backbone import FeatureGraph
from larder_training.classifier.features.extract import FeatureExtractor
from larder_training.classifier.features.views import plain_views
from larder_training.classifier.fitting.assemble import with_head
from larder_training.classifier.fitting.export import EVALUATED, MODEL, agreement
from larder_training.classifier.fitting.predictions import Predictions, predict
from larder_training.classifier.fitting.quantize import quantize
from larder_training.classifier.heads.scaler import Scaler, standardise
from larder_training.classifier.heads.search import MAX_ROWS
from larder_training.classifier.heads.trials import HeadSearch
from larder_training.classifier.metrics.calibration import ood_threshold
from larder_training.classifier.multilabel.calibration import fit_platt_scaling, fit_thresholds
from larder_training.classifier.multilabel.logistic_regression import (
    Truth,
    binary_cross_entropy,
    fit_logistic_regressions,
)
from larder_training.classifier.multilabel.prototypes import disjoint_classes
from larder_training.classifier.multilabel.search import MultiLabelRows, fit_folds, out_of_fold, search
from larder_training.classifier.onnx.finite import propagate_not_finite
from larder_training.classifier.onnx.graph import optimise, to_bytes
from larder_training.classifier.ood import detector
from larder_training.classifier.ood.detector import OODDetector
from larder_training.classifier.selection.training_set import groups_of
from larder_training.numerics.arrays import Floats
from larder_training.numerics.blas import single_threaded_blas

FOLDS: Final = 10  # of the predictions that calibrate


@dataclass(frozen=True, slots=True)
class FittedLabels:
    """A calibrated head on the features of one graph.

    Attributes:
        weights: ``[D, C]``, for features that are not standardised, with the calibration folded in.
        bias: ``[C]``.
        truth: ``[n, C]``, the labels of the images that calibrate.
        logits: ``[n, C]``, their calibrated logits from heads that are not fitted on them.
        features: ``[N, D]``, of the images that the head is fitted on.
        folds: The number of folds of ``logits``; 0: of the validation part.
    """

    weights: Floats
    bias: Floats
    truth: Truth
    logits: Floats
    features: Floats
    folds: int

    def correct(self) -> int:
        """The number of images whose labels are all right at a probability of 0.5."""
        return int(((self.logits > 0) == self.truth).all(axis=1).sum())

    def probabilities(self) -> Floats:
        """``[n, C]``: those of ``logits``."""
        probabilities: Floats = expit(self.logits.astype(np.float64)).astype(np.float32)
        return probabilities

    def losses(self) -> Floats:
        """``[n]``: the mean cross-entropy of each image's labels."""
        losses: Floats = binary_cross_entropy(self.logits, self.truth).mean(axis=1)
        return losses


@dataclass(frozen=True, slots=True)
class MultiLabelModel:
    """The released graph, how it is served, and its predictions.

    Attributes:
        graph: The graph of ``model.onnx``.
        model: Its bytes.
        float_model: The same in float32 if ``graph`` is int8, else None.
        serving: The ``serving`` section of the manifest.
        fit: The head.
        search: How its regularisation was chosen.
        truth: ``[N, C]`` by evaluated part.
        predictions: By evaluated part; "validation" are the images that calibrate.
        comparison: float32 and the release, JSON-ready.
        detector: The OOD detector.
    """

    graph: onnx.ModelProto
    model: bytes
    float_model: bytes | None
    serving: ClassifierServing
    fit: FittedLabels
    search: HeadSearch
    truth: Mapping[Part, Truth]
    predictions: Mapping[Part, Predictions]
    comparison: Mapping[str, object]
    detector: OODDetector


@dataclass(frozen=True, slots=True)
class LabelFitting:
    """What the head is fitted on.

    Attributes:
        context: Options and progress.
        features: The float feature graph.
        split: The images by part.
    """

    context: ClassifierContext
    features: FeatureGraph
    split: DatasetSplit

    @property
    def refits(self) -> bool:
        """Whether the head is fitted on the validation images too."""
        return len(self.split.parts["train"]) + len(self.split.parts["validation"]) <= MAX_ROWS

    @property
    def samples(self) -> tuple[Sample, ...]:
        """The images that the head is fitted on."""
        return (*self.split.parts["train"], *(self.split.parts["validation"] if self.refits else ()))

    def extract(self, model: onnx.ModelProto, samples: tuple[Sample, ...]) -> Floats:
        """The features ``[N, D]`` of images as they are served, by this variant of the feature graph."""
        extract = FeatureExtractor.of(self.features, self.context, model)
        return extract(plain_views(samples, self.features.image_spec), "Extracting features")

    def rows(self, features: Floats, scaler: Scaler, samples: tuple[Sample, ...]) -> MultiLabelRows:
        """Standardised rows."""
        return MultiLabelRows(
            standardise(features, scaler), label_matrix(samples, self.split.labels), groups_of(samples)
        )

    def fit(self, model: onnx.ModelProto, features: Floats, l2: float) -> FittedLabels:
        """Fits and calibrates the head on ``features`` ``[N, D]`` of ``samples``, which ``model`` makes."""
        scaler = Scaler.fit(features)
        rows = self.rows(features, scaler, self.samples)
        with single_threaded_blas():
            head = fit_logistic_regressions(rows.features, rows.truth, l2=l2)
            if self.refits:
                folds = rows.folds(FOLDS)
                truth, logits = rows.truth, out_of_fold(rows, folds, fit_folds(rows, folds, l2))
            else:
                folds, validation = [], self.split.parts["validation"]
                held_out = self.rows(self.extract(model, validation), scaler, validation)
                truth, logits = held_out.truth, head.logits(held_out.features[np.arange(len(validation))])
        scaling = fit_platt_scaling(logits, truth)
        weights, bias = scaling.fold_in(*scaler.fold_in(head.weights, head.bias))
        return FittedLabels(weights, bias, truth, scaling.logits(logits), features, len(folds))


def fit_and_export(context: ClassifierContext, features: FeatureGraph, split: DatasetSplit) -> MultiLabelModel:
    """Chooses the regularisation on the training images, fits, quantizes, calibrates and evaluates."""
    fitting = LabelFitting(context, features, split)
    train = split.parts["train"]
    float_features = fitting.extract(features.model, fitting.samples)
    train_features = float_features[: len(train)]
    with single_threaded_blas():
        found = search(fitting.rows(train_features, Scaler.fit(train_features), train), context)
    context.progress.say(found.explain())
    l2 = found.chosen.config.l2
    float_fit = fitting.fit(features.model, float_features, l2)

    def refit(model: onnx.ModelProto) -> FittedLabels:
        return fitting.fit(model, fitting.extract(model, fitting.samples), l2)

    quantized = quantize(features, float_fit, refit, train, context)
    fit = quantized.fit
    groups = groups_of(fitting.samples)
    classes = disjoint_classes(label_matrix(fitting.samples, split.labels), groups)
    ood_detector, ood_scores = detector.fit_with_held_out_scores(fit.features, classes, groups)
    graph = _assembled(quantized.model, fit, ood_detector)
    model = to_bytes(graph)
    probabilities = fit.probabilities()
    serving = ClassifierServing(
        file=MODEL,
        image=features.image_spec,
        labels=split.labels,
        thresholds=fit_thresholds(probabilities, fit.truth, context.options.precision),
        temperature=1.0,  # the calibration of each label is in the graph
        novelty_threshold=ood_threshold(ood_scores, context.options.false_alarms) if len(ood_scores) else None,
        multi_label=True,
    )
    check_graph(model, serving)  # the rollout makes the same check
    tested = split.parts["test"]
    predictions: Mapping[Part, Predictions] = {
        "validation": Predictions(probabilities, ood_scores),
        "test": predict(model, tested, serving, title="Evaluating on test", progress=context.progress),
    }
    truth: Mapping[Part, Truth] = {"validation": fit.truth, "test": label_matrix(tested, split.labels)}
    comparison = quantized.describe(features)
    test_logits = fitting.extract(features.model, tested) @ float_fit.weights + float_fit.bias
    float_logits: Mapping[Part, Floats] = {"validation": float_fit.logits, "test": test_logits}
    for part in EVALUATED:  # decisions at a probability of 0.5
        labels = predictions[part].probabilities >= 0.5
        comparison[part] = agreement(truth[part], float_logits[part] > 0, labels)
    float_model = None
    if quantized.quantized:
        float_detector = detector.fit_detector(float_fit.features, classes)
        float_model = to_bytes(_assembled(features.model, float_fit, float_detector))
    return MultiLabelModel(graph, model, float_model, serving, fit, found, truth, predictions, comparison, ood_detector)


def _assembled(model: onnx.ModelProto, fit: FittedLabels, ood_detector: OODDetector) -> onnx.ModelProto:
    graph = with_head(propagate_not_finite(model), fit.weights, fit.bias, ood_detector, activation="Sigmoid")
    return optimise(graph, "extended")
