"""Hyperparameters of a head: its regularisation, class weights and, if it has one, its hidden layer."""

from dataclasses import asdict, dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from larder_training.classifier.heads.mlp import MAX_EPOCHS, MLP, MLPConfig, Optimiser, WeightedRows, fit_mlp
from larder_training.classifier.heads.scaler import FeatureRows
from larder_training.classifier.heads.softmax_regression import SoftmaxRegression, fit_softmax_regression, zero_head
from larder_training.numerics.arrays import Floats

Weighting = Literal["none", "balanced"]
FittedHead = SoftmaxRegression | MLP
FAMILIES: Final = ("l2", "l1", "elastic", "hidden")
_OPTIMISERS: Final[dict[Optimiser | None, str]] = {"adam": "Adam", "sgd": "SGD"}


@dataclass(frozen=True, slots=True)
class HeadConfig:
    """Hyperparameters of a head.

    Attributes:
        l2: Strength of L2 regularisation; weight decay with a hidden layer.
        l1: Strength of L1 regularisation.
        weighting: "balanced" gives every class the same total weight.
        units: Size of the hidden layer; 0 for a linear head.
        optimiser: Of the hidden layer.
        rate: Learning rate of the hidden layer.
        dropout: Share of hidden units that are dropped in training.
        customised: Whether the fit starts from the parent's head and is regularised towards it.
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
        """``hidden``, or the kind of regularisation of a linear head."""
        if self.units:
            return "hidden"
        return "elastic" if self.l1 and self.l2 else "l1" if self.l1 else "l2"

    @property
    def complexity(self) -> tuple[float, ...]:
        """Sort key, simplest first: no hidden layer, one kind of regularisation, no class weights, from the parent."""
        return (
            self.units,
            FAMILIES.index(self.family),
            self.weighting != "none",
            not self.customised,
        )

    def describe(self) -> dict[str, object]:
        """The values that are set, for the manifest and ``trials.jsonl``."""
        unset = {"weighting": "none", "customised": False}
        return {
            "family": self.family,
            **{name: value for name, value in asdict(self).items() if value and value != unset.get(name)},
        }

    def __str__(self) -> str:
        parts = [f"hidden layer of {self.units}, {_OPTIMISERS.get(self.optimiser)}" if self.units else "linear"]
        parts += [f"{name} penalty {value:g}" for name, value in (("L2", self.l2), ("L1", self.l1)) if value]
        if self.weighting != "none":
            parts.append("classes balanced")
        if self.customised:
            parts.append("from the parent")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class ParentHead:
    """The head of a parent release, with the labels in the order of this training.

    Attributes:
        head: The fitted head; the caller decides whether it reads standardised features.
        config: The hyperparameters that it was fitted with.
    """

    head: FittedHead
    config: HeadConfig


def row_weights(labels: NDArray[np.int64], classes: int, weighting: Weighting) -> Floats:
    """Row weights ``[N]`` of mean 1: all 1, or the same total for each class that occurs."""
    if weighting == "none":
        return np.ones(len(labels), np.float32)
    counts = np.bincount(labels, minlength=classes)
    weights: Floats = (len(labels) / np.count_nonzero(counts) / np.maximum(counts, 1)).astype(np.float32)
    return weights[labels]


@dataclass(frozen=True, slots=True)
class LabelledFeatures:
    """Standardised features with labels.

    Attributes:
        features: ``[N, D]``, in memory or streamed.
        labels: ``[N]``, of 0..classes-1.
        classes: The number of classes.
    """

    features: FeatureRows
    labels: NDArray[np.int64]
    classes: int


def fit_config(
    config: HeadConfig,
    data: LabelledFeatures,
    *,
    parent: FittedHead | None,
    seed: int,
    start: SoftmaxRegression | None = None,
    stop: NDArray[np.bool_] | None = None,
    epochs: int = MAX_EPOCHS,
    rough: bool = False,
) -> tuple[FittedHead, int]:
    """Fits a head on standardised features.

    Args:
        config: The hyperparameters.
        data: The rows to fit.
        parent: The parent's head for these features and labels; used only if ``config.customised``.
        seed: Of the initial weights and the batches of a hidden layer.
        start: Where a linear fit begins, to save time.
        stop: ``[N]``, the rows that a hidden layer stops early by, and is not fitted on. None: run all ``epochs``.
        epochs: Passes over the rows, at most.
        rough: Whether a linear fit may stop earlier, for fits that are only evaluated.

    Returns:
        The head and its number of epochs, 0 for a linear head.
    """
    weights = row_weights(data.labels, data.classes, config.weighting)
    parent = parent if config.customised else None
    if not config.units:
        centre = parent if isinstance(parent, SoftmaxRegression) else zero_head(data.features.shape[1], data.classes)
        fitted = fit_softmax_regression(
            data.features,
            data.labels,
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
    rows, validation = WeightedRows(data.features, data.labels, weights), None
    if stop is not None:
        rows, validation = rows.subset(np.flatnonzero(~stop)), rows.subset(np.flatnonzero(stop))
    initial = parent if isinstance(parent, MLP) else None
    return fit_mlp(rows, data.classes, mlp, epochs=epochs, parent=initial, validation=validation)
