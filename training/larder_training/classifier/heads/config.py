"""One way to fit a head: its regularisation, class weights and, where it has one, its hidden layer."""

from dataclasses import asdict, dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from larder_training.classifier.heads.mlp import MAX_EPOCHS, MLP, MLPConfig, Optimiser, Rows, fit_mlp
from larder_training.classifier.heads.scaler import FeatureRows
from larder_training.classifier.heads.softmax_regression import SoftmaxRegression, fit_softmax_regression, zero_head
from larder_training.numerics.arrays import Floats

Weighting = Literal["none", "balanced"]
FittedHead = SoftmaxRegression | MLP
FAMILIES: Final = ("l2", "l1", "elastic", "hidden")


@dataclass(frozen=True, slots=True)
class HeadConfig:
    """``l2`` and ``l1`` are strengths as in ``linear`` (with a hidden layer: ``l2`` is the weight decay).

    ``balanced`` weights make every class count alike while learning. ``units`` is the size of the hidden layer, 0 for
    none; ``optimiser``, ``rate`` and ``dropout`` count for it alone. ``customised`` recipes start from the parent's
    head and pull towards it.
    """

    l2: float = 0.0
    l1: float = 0.0
    weighting: Weighting = "none"
    units: int = 0
    optimiser: Optimiser | None = None
    rate: float = 0.0
    dropout: float = 0.0
    customised: bool = False

    @property
    def family(self) -> str:
        """``hidden``, or the linear head's kind of regularisation."""
        if self.units:
            return "hidden"
        return "elastic" if self.l1 and self.l2 else "l1" if self.l1 else "l2"

    @property
    def complexity(self) -> tuple[float, ...]:
        """Less is simpler: no hidden layer, one strength of regularisation, no class weights, from the parent."""
        return (
            self.units,
            FAMILIES.index(self.family),
            self.weighting != "none",
            not self.customised,
        )

    def describe(self) -> dict[str, object]:
        """What is set, for the manifest and ``trials.jsonl``."""
        unset = {"weighting": "none", "customised": False}
        return {
            "family": self.family,
            **{name: value for name, value in asdict(self).items() if value and value != unset.get(name)},
        }

    def __str__(self) -> str:
        parts = [f"hidden layer of {self.units}, {self.optimiser}" if self.units else f"linear, {self.family}"]
        parts += [f"{name} {value:g}" for name, value in (("L2", self.l2), ("L1", self.l1)) if value]
        if self.weighting != "none":
            parts.append("classes balanced")
        if self.customised:
            parts.append("from the parent")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class ParentHead:
    """The head of a parent release, with its labels in the order of this training.

    Attributes:
        head: reads features; whether standardised or not depends on the caller.
        config: how the parent's head was fitted.
    """

    head: FittedHead
    config: HeadConfig


def row_weights(labels: NDArray[np.int64], classes: int, weighting: Weighting) -> Floats:
    """``[N]`` of mean 1: all 1, or such that each class that occurs weighs the same in sum."""
    if weighting == "none":
        return np.ones(len(labels), np.float32)
    counts = np.bincount(labels, minlength=classes)
    weights: Floats = (len(labels) / np.count_nonzero(counts) / np.maximum(counts, 1)).astype(np.float32)
    return weights[labels]


@dataclass(frozen=True, slots=True)
class LabelledFeatures:
    """Standardised features ``[N, D]``, in memory or streamed, and labels ``[N]`` of 0..classes-1."""

    features: FeatureRows
    labels: NDArray[np.int64]
    classes: int


def fit_config(
    config: HeadConfig,
    lesson: LabelledFeatures,
    *,
    parent: FittedHead | None,
    seed: int,
    start: SoftmaxRegression | None = None,
    stop: NDArray[np.bool_] | None = None,
    epochs: int = MAX_EPOCHS,
    rough: bool = False,
) -> tuple[FittedHead, int]:
    """Fits a head on standardised features; returns it and its number of epochs (0 for a linear one).

    Args:
        config: the hyperparameters.
        lesson: the rows to fit.
        parent: the parent's head for these features and labels; only ``customised`` recipes use it.
        seed: decides a hidden layer's start and batches.
        start: where a linear fit may begin, to be quicker.
        stop: rows that a hidden layer does not learn from, but stops by (early stopping). None: all ``epochs``.
        epochs: passes over the rows at most.
        rough: a linear fit may stop a little earlier, where it is only judged.
    """
    weights = row_weights(lesson.labels, lesson.classes, config.weighting)
    parent = parent if config.customised else None
    if not config.units:
        centre = (
            parent if isinstance(parent, SoftmaxRegression) else zero_head(lesson.features.shape[1], lesson.classes)
        )
        fitted = fit_softmax_regression(
            lesson.features,
            lesson.labels,
            weights,
            l2=config.l2,
            l1=config.l1,
            centre=centre,
            start=start,
            rough=rough,
        )
        return fitted, 0
    optimiser = config.optimiser or "adam"
    mlp = MLPConfig(config.units, optimiser, config.rate, config.dropout, config.l2, seed)
    rows, watch = Rows(lesson.features, lesson.labels, weights), None
    if stop is not None:
        rows, watch = rows.taken(np.flatnonzero(~stop)), rows.taken(np.flatnonzero(stop))
    begun = parent if isinstance(parent, MLP) else None
    return fit_mlp(rows, lesson.classes, mlp, epochs=epochs, parent=begun, watch=watch)
