"""The head: softmax regression, or one hidden layer, on standardised features; which one is searched for."""

from dataclasses import dataclass, replace

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from larder_training.classifier.config.context import TrainingContext
from larder_training.classifier.heads.config import FittedHead, LabelledFeatures, ParentHead, fit_config
from larder_training.classifier.heads.mlp import MLP
from larder_training.classifier.heads.scaler import Scaler, standardised
from larder_training.classifier.heads.search import StandardisedRows, search
from larder_training.classifier.heads.softmax_regression import SoftmaxRegression
from larder_training.classifier.heads.training_rows import TrainingRows
from larder_training.classifier.heads.trials import Search
from larder_training.classifier.ood import detector
from larder_training.classifier.ood.detector import Novelty
from larder_training.numerics.arrays import Floats


@dataclass(frozen=True, slots=True)
class Head:
    """``logits = features @ weights + bias``: standardisation is inside, temperature is not.

    ``weights`` ``[D, C]``, ``bias`` ``[C]``; ``novelty`` is what the features of the photos taught, ``held_out``
    ``[N]`` their own novelty to what others of them taught. With ``hidden`` (weights ``[D, H]``, bias ``[H]``)
    ``weights`` are ``[H, C]`` and read ``relu(features @ hidden[0] + hidden[1])``. ``search`` is how it was chosen.
    """

    weights: Floats
    bias: Floats
    novelty: Novelty
    held_out: Floats
    search: Search
    hidden: tuple[Floats, Floats] | None = None

    def logits(self, features: Floats) -> Floats:
        """``[N, C]`` for features ``[N, D]``."""
        if self.hidden is not None:
            features = np.maximum(features @ self.hidden[0] + self.hidden[1], 0)
        return features @ self.weights + self.bias


def fit(rows: TrainingRows, context: TrainingContext, *, parent: ParentHead | None = None) -> Head:
    """Searches for the head and fits the one that was chosen to all rows.

    Args:
        rows: What to fit.
        context: Its options limit the search. A class with fewer groups than ``folds`` lowers the number of folds.
        parent: A head to start from.
    """
    scaler = Scaler.of(rows.features, rows.emphasis)
    standard = StandardisedRows.of(rows, scaler)
    with threadpool_limits(1, user_api="blas"):  # a sum's order, and so its last bits, depends on the threads
        start = ParentHead(_on_standard(parent.head, scaler), parent.config) if parent else None
        found = search(standard, context, parent=start)
        context.progress.say(found.explain())
        fitted, _ = fit_config(
            found.chosen.config,
            LabelledFeatures(standard.features, rows.labels, rows.classes),
            parent=start.head if start else None,
            seed=context.seed,
            epochs=found.chosen.epochs,
        )
    weights, bias, hidden = _plain(fitted, scaler)
    known, apart = fit_ood_detector(rows)
    return Head(weights, bias, known, apart, found, hidden)


def refit_head(head: Head, rows: TrainingRows, *, parent: ParentHead | None, seed: int) -> Head:
    """Fits the chosen hyperparameters to other rows; the OOD detector and the search stay those of ``head``."""
    scaler, chosen = Scaler.of(rows.features, rows.emphasis), head.search.chosen
    fitted, _ = fit_config(
        chosen.config,
        LabelledFeatures(standardised(rows.features, scaler), rows.labels, len(head.bias)),
        parent=_on_standard(parent.head, scaler) if parent else None,
        seed=seed,
        epochs=chosen.epochs,
    )
    weights, bias, hidden = _plain(fitted, scaler)
    return replace(head, weights=weights, bias=bias, hidden=hidden)


def fit_ood_detector(rows: TrainingRows) -> tuple[Novelty, Floats]:
    """Fits the OOD detector to images as they are served; returns it with their own scores, out of fold."""
    served = rows.without_augmented()
    return detector.learn(served.features, served.labels, served.groups, served.layer_widths)


def _plain(fitted: FittedHead, scaler: Scaler) -> tuple[Floats, Floats, tuple[Floats, Floats] | None]:
    """Weights, bias and hidden layer for features that are not standardised."""
    if isinstance(fitted, MLP):
        return fitted.weights, fitted.bias, scaler.fold_in(fitted.hidden_weights, fitted.hidden_bias)
    return *scaler.fold_in(fitted.weights, fitted.bias), None


def _on_standard(head: FittedHead, scaler: Scaler) -> FittedHead:
    if isinstance(head, MLP):
        return MLP(*scaler.unfold(head.hidden_weights, head.hidden_bias), head.weights, head.bias)
    return SoftmaxRegression(*scaler.unfold(head.weights, head.bias))
