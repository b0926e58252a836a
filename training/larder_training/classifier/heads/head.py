"""The head: softmax regression, or one hidden layer, on standardised features; which one is searched for."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from larder_training.classifier.config.options import Limits
from larder_training.classifier.heads.config import Fitted, Lesson, Recipe, fit_recipe
from larder_training.classifier.heads.mlp import Network
from larder_training.classifier.heads.scaler import Standard, standardised
from larder_training.classifier.heads.search import Examples, Parent, search
from larder_training.classifier.heads.softmax_regression import Linear
from larder_training.classifier.heads.trials import Search
from larder_training.classifier.onnx.graph import Floats
from larder_training.classifier.ood import detector
from larder_training.classifier.ood.detector import Looks, Novelty
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


@dataclass(frozen=True, slots=True)
class Inherited:
    """A parent release's head on plain features, its labels those of this training in their order, and its recipe."""

    head: Fitted
    recipe: Recipe


def fit(  # noqa: PLR0913 - what is learnt from, and what the options say, each by its name
    features: Floats,
    labels: Labels,
    groups: NDArray[np.int64],
    changed: NDArray[np.bool_],
    *,
    folds: int,
    progress: Progress,
    limits: Limits | None = None,
    parent: Inherited | None = None,
    seed: int = 0,
    emphasis: Floats | None = None,
    looks: Looks | None = None,
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
        looks: the columns that novelty looks at (None: all of them).
    """
    standard = Standard.of(features, emphasis)
    examples = Examples(standardised(features, standard), labels, groups, changed)
    with threadpool_limits(1, user_api="blas"):  # a sum's order, and so its last bits, depends on the threads
        start = Parent(_on_standard(parent.head, standard), parent.recipe) if parent else None
        found = search(examples, limits or Limits(), folds=folds, seed=seed, parent=start, progress=progress)
        progress.say(found.explain())
        fitted, _ = fit_recipe(
            found.chosen.recipe,
            Lesson(examples.features, labels, examples.classes),
            parent=start.head if start else None,
            seed=seed,
            epochs=found.chosen.epochs,
        )
    weights, bias, hidden = _plain(fitted, standard)
    known, apart = familiar(features, labels, groups, changed, looks)
    return Head(weights, bias, known, apart, found, hidden)


def relearn(
    head: Head, features: Floats, labels: Labels, *, parent: Inherited | None, seed: int, emphasis: Floats | None
) -> Head:
    """The same recipe learnt from other rows; novelty and search stay what they are. Arguments as of ``fit``."""
    standard, chosen = Standard.of(features, emphasis), head.search.chosen
    fitted, _ = fit_recipe(
        chosen.recipe,
        Lesson(standardised(features, standard), labels, len(head.bias)),
        parent=_on_standard(parent.head, standard) if parent else None,
        seed=seed,
        epochs=chosen.epochs,
    )
    weights, bias, hidden = _plain(fitted, standard)
    return replace(head, weights=weights, bias=bias, hidden=hidden)


def familiar(
    features: Floats, labels: Labels, groups: NDArray[np.int64], changed: NDArray[np.bool_], looks: Looks | None
) -> tuple[Novelty, Floats]:
    """What the photos as they are served taught, and their own novelty, held out in turn."""
    if changed.any():
        features = gathered(features, np.flatnonzero(~changed))
    return detector.learn(features, labels[~changed], groups[~changed], looks)


def _plain(fitted: Fitted, standard: Standard) -> tuple[Floats, Floats, tuple[Floats, Floats] | None]:
    """Weights, bias and hidden layer for features that are not standardised."""
    if isinstance(fitted, Network):
        return fitted.weights, fitted.bias, standard.take_in(fitted.hidden_weights, fitted.hidden_bias)
    return *standard.take_in(fitted.weights, fitted.bias), None


def _on_standard(head: Fitted, standard: Standard) -> Fitted:
    if isinstance(head, Network):
        return Network(*standard.take_out(head.hidden_weights, head.hidden_bias), head.weights, head.bias)
    return Linear(*standard.take_out(head.weights, head.bias))
