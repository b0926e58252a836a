"""The head of a classifier: softmax regression or an MLP on standardised features, chosen by a search."""

from dataclasses import dataclass, replace

import numpy as np

from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.heads.config import FittedHead, LabelledFeatures, ParentHead, fit_config
from larder_training.classifier.heads.mlp import MLP
from larder_training.classifier.heads.scaler import Scaler, standardise
from larder_training.classifier.heads.search import StandardisedRows, search
from larder_training.classifier.heads.softmax_regression import SoftmaxRegression
from larder_training.classifier.heads.training_rows import TrainingRows
from larder_training.classifier.heads.trials import HeadSearch
from larder_training.classifier.ood import detector
from larder_training.classifier.ood.detector import OODDetector
from larder_training.numerics.arrays import Floats
from larder_training.numerics.blas import single_threaded_blas


@dataclass(frozen=True, slots=True)
class Head:
    """A fitted head for features that are not standardised, without a temperature.

    ``logits = features @ weights + bias``; with a hidden layer, ``relu(features @ hidden[0] + hidden[1])`` takes the
    place of the features.

    Attributes:
        weights: ``[D, C]``; ``[H, C]`` with a hidden layer.
        bias: ``[C]``.
        ood_detector: The OOD detector, fitted on images as they are served.
        held_out_scores: ``[N]``, the OOD scores of these images out of fold.
        search: How the hyperparameters were chosen.
        hidden: Weights ``[D, H]`` and bias ``[H]`` of the hidden layer, if there is one.
    """

    weights: Floats
    bias: Floats
    ood_detector: OODDetector
    held_out_scores: Floats
    search: HeadSearch
    hidden: tuple[Floats, Floats] | None = None

    def logits(self, features: Floats) -> Floats:
        """``[N, C]`` for features ``[N, D]``."""
        if self.hidden is not None:
            features = np.maximum(features @ self.hidden[0] + self.hidden[1], 0)
        return features @ self.weights + self.bias


def fit_head(rows: TrainingRows, context: ClassifierContext, *, parent: ParentHead | None = None) -> Head:
    """Searches for the hyperparameters, and fits the chosen head and the OOD detector on all rows.

    Args:
        rows: What to fit.
        context: Its options limit the search. A class with fewer groups than ``folds`` lowers the number of folds.
        parent: A head to start from.
    """
    scaler = Scaler.fit(rows.features, rows.emphasis)
    standard = StandardisedRows.of(rows, scaler)
    with single_threaded_blas():
        start = ParentHead(_unfold(parent.head, scaler), parent.config) if parent else None
        result = search(standard, context, parent=start)
        context.progress.say(result.explain())
        fitted, _ = fit_config(
            result.chosen.config,
            LabelledFeatures(standard.features, rows.labels, rows.classes),
            parent=start.head if start else None,
            seed=context.seed,
            epochs=result.chosen.epochs,
        )
    weights, bias, hidden = _fold_in(fitted, scaler)
    ood_detector, held_out_scores = fit_ood_detector(rows)
    return Head(weights, bias, ood_detector, held_out_scores, result, hidden)


def refit_head(head: Head, rows: TrainingRows, *, parent: ParentHead | None, seed: int) -> Head:
    """Fits the chosen hyperparameters on other rows; the OOD detector and the search stay those of ``head``."""
    scaler, chosen = Scaler.fit(rows.features, rows.emphasis), head.search.chosen
    fitted, _ = fit_config(
        chosen.config,
        LabelledFeatures(standardise(rows.features, scaler), rows.labels, len(head.bias)),
        parent=_unfold(parent.head, scaler) if parent else None,
        seed=seed,
        epochs=chosen.epochs,
    )
    weights, bias, hidden = _fold_in(fitted, scaler)
    return replace(head, weights=weights, bias=bias, hidden=hidden)


def fit_ood_detector(rows: TrainingRows) -> tuple[OODDetector, Floats]:
    """Fits the OOD detector on images as they are served; returns it with their own scores, out of fold."""
    served = rows.without_augmented()
    return detector.fit_with_held_out_scores(served.features, served.labels, served.groups, served.layer_widths)


def _fold_in(fitted: FittedHead, scaler: Scaler) -> tuple[Floats, Floats, tuple[Floats, Floats] | None]:
    """Weights, bias and hidden layer for features that are not standardised."""
    if isinstance(fitted, MLP):
        return fitted.weights, fitted.bias, scaler.fold_in(fitted.hidden_weights, fitted.hidden_bias)
    return *scaler.fold_in(fitted.weights, fitted.bias), None


def _unfold(head: FittedHead, scaler: Scaler) -> FittedHead:
    """The head for standardised features."""
    if isinstance(head, MLP):
        return MLP(*scaler.unfold(head.hidden_weights, head.hidden_bias), head.weights, head.bias)
    return SoftmaxRegression(*scaler.unfold(head.weights, head.bias))
