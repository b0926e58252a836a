"""The head: softmax regression, or one hidden layer, on standardised features; which one is searched for."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from larder_training.classifier.config.options import Limits
from larder_training.classifier.heads.config import FittedHead, LabelledFeatures, ParentHead, fit_config
from larder_training.classifier.heads.mlp import MLP
from larder_training.classifier.heads.scaler import Scaler, standardised
from larder_training.classifier.heads.search import Examples, search
from larder_training.classifier.heads.softmax_regression import SoftmaxRegression
from larder_training.classifier.heads.trials import Search
from larder_training.classifier.ood import detector
from larder_training.classifier.ood.detector import LayerWidths, Novelty
from larder_training.numerics.arrays import Floats
from larder_training.numerics.memmap import gathered
from larder_training.reporting.progress import Progress

Labels = NDArray[np.int64]


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


def fit(  # noqa: PLR0913 - what is learnt from, and what the options say, each by its name
    features: Floats,
    labels: Labels,
    groups: NDArray[np.int64],
    changed: NDArray[np.bool_],
    *,
    folds: int,
    progress: Progress,
    limits: Limits | None = None,
    parent: ParentHead | None = None,
    seed: int = 0,
    emphasis: Floats | None = None,
    layer_widths: LayerWidths | None = None,
) -> Head:
    """Searches for the head and fits the one that was chosen to all rows.

    Args:
        features: ``[N, D]``.
        labels: ``[N]``, each of 0..C-1 present.
        groups: ``[N]``; rows of one group (near-duplicates, and changed copies of a photo) stay in one fold.
        changed: ``[N]``, true for augmented copies: learnt from, never judged on.
        folds: at most so many; fewer where a class has fewer groups.
        progress: told of each trial.
        limits: what the search may try.
        parent: a head to start from.
        seed: decides a hidden layer's start and batches.
        emphasis: ``[D]``, what standardised features are multiplied by: regularisation then spares those over 1.
        layer_widths: the columns that the OOD detector reads (None: all of them).
    """
    standard = Scaler.of(features, emphasis)
    examples = Examples(standardised(features, standard), labels, groups, changed)
    with threadpool_limits(1, user_api="blas"):  # a sum's order, and so its last bits, depends on the threads
        start = ParentHead(_on_standard(parent.head, standard), parent.config) if parent else None
        found = search(examples, limits or Limits(), folds=folds, seed=seed, parent=start, progress=progress)
        progress.say(found.explain())
        fitted, _ = fit_config(
            found.chosen.config,
            LabelledFeatures(examples.features, labels, examples.classes),
            parent=start.head if start else None,
            seed=seed,
            epochs=found.chosen.epochs,
        )
    weights, bias, hidden = _plain(fitted, standard)
    known, apart = fit_ood_detector(features, labels, groups, changed, layer_widths)
    return Head(weights, bias, known, apart, found, hidden)


def refit_head(
    head: Head, features: Floats, labels: Labels, *, parent: ParentHead | None, seed: int, emphasis: Floats | None
) -> Head:
    """The same recipe learnt from other rows; novelty and search stay what they are. Arguments as of ``fit``."""
    standard, chosen = Scaler.of(features, emphasis), head.search.chosen
    fitted, _ = fit_config(
        chosen.config,
        LabelledFeatures(standardised(features, standard), labels, len(head.bias)),
        parent=_on_standard(parent.head, standard) if parent else None,
        seed=seed,
        epochs=chosen.epochs,
    )
    weights, bias, hidden = _plain(fitted, standard)
    return replace(head, weights=weights, bias=bias, hidden=hidden)


def fit_ood_detector(
    features: Floats,
    labels: Labels,
    groups: NDArray[np.int64],
    changed: NDArray[np.bool_],
    layer_widths: LayerWidths | None,
) -> tuple[Novelty, Floats]:
    """What the photos as they are served taught, and their own novelty, held out in turn."""
    if changed.any():
        features = gathered(features, np.flatnonzero(~changed))
    return detector.learn(features, labels[~changed], groups[~changed], layer_widths)


def _plain(fitted: FittedHead, standard: Scaler) -> tuple[Floats, Floats, tuple[Floats, Floats] | None]:
    """Weights, bias and hidden layer for features that are not standardised."""
    if isinstance(fitted, MLP):
        return fitted.weights, fitted.bias, standard.fold_in(fitted.hidden_weights, fitted.hidden_bias)
    return *standard.fold_in(fitted.weights, fitted.bias), None


def _on_standard(head: FittedHead, standard: Scaler) -> FittedHead:
    if isinstance(head, MLP):
        return MLP(*standard.unfold(head.hidden_weights, head.hidden_bias), head.weights, head.bias)
    return SoftmaxRegression(*standard.unfold(head.weights, head.bias))
