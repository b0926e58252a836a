"""A head with one hidden layer of ReLU units, trained by mini-batches.

Adam is Kingma and Ba (2015) with decoupled weight decay (Loshchilov and Hutter, "Decoupled Weight Decay
Regularization", 2019); SGD has Nesterov momentum (Sutskever et al., 2013). Dropout applies to features and hidden units
(Srivastava et al., 2014). All draws come from the seed, so the same call gives the same weights.

Rows in memory are shuffled as a whole. Of streamed rows, short runs from the whole file fill a pool that is shuffled:
neighbours, which often share a class, rarely meet in one batch, and the file is read in order.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from larder_training.classifier.heads.scaler import FeatureRows, StreamedFeatures
from larder_training.numerics.arrays import Floats

Optimiser = Literal["adam", "sgd"]

BATCH: Final = 128
RUN: Final = 16  # neighbouring rows that are read together from a file
POOL: Final = 64 * BATCH  # rows from a file that are shuffled together
MAX_EPOCHS: Final = 40
PATIENCE: Final = 4  # epochs without a lower loss on the validation rows
RATE_DECAY: Final = 0.93  # of the learning rate, per epoch
FEATURE_DROPOUT: Final = 0.2  # share of the features; that of the units is a hyperparameter
MOMENTUM: Final = 0.9
BETAS: Final = (0.9, 0.999)
EPSILON: Final = 1e-8

Labels = NDArray[np.int64]
Parameters = tuple[Floats, Floats, Floats, Floats]


@dataclass(frozen=True, slots=True)
class MLP:
    """``logits = relu(features @ hidden_weights + hidden_bias) @ weights + bias``.

    Attributes:
        hidden_weights: ``[D, H]``.
        hidden_bias: ``[H]``.
        weights: ``[H, C]``.
        bias: ``[C]``.
    """

    hidden_weights: Floats
    hidden_bias: Floats
    weights: Floats
    bias: Floats

    @property
    def parameters(self) -> Parameters:
        """The four arrays, in the order of the fields."""
        return self.hidden_weights, self.hidden_bias, self.weights, self.bias

    def logits(self, features: Floats) -> Floats:
        """``[N, C]`` for features ``[N, D]``."""
        units = np.maximum(features @ self.hidden_weights + self.hidden_bias, 0)
        logits: Floats = units @ self.weights + self.bias
        return logits


@dataclass(frozen=True, slots=True)
class MLPConfig:
    """Hyperparameters of an MLP.

    Attributes:
        units: Size of the hidden layer, H.
        optimiser: Adam or SGD.
        rate: Learning rate of the first epoch.
        dropout: Share of hidden units that are dropped.
        decay: Weight decay, towards the parent's weights if there is a parent, else towards 0.
        seed: Of the initial weights, the batches and the dropout.
    """

    units: int
    optimiser: Optimiser
    rate: float
    dropout: float
    decay: float
    seed: int


@dataclass(frozen=True, slots=True)
class WeightedRows:
    """Standardised features with labels and row weights.

    Attributes:
        features: ``[N, D]``, in memory or streamed.
        labels: ``[N]``.
        weights: ``[N]``, of mean 1.
    """

    features: FeatureRows
    labels: Labels
    weights: Floats

    def subset(self, positions: NDArray[np.int64]) -> "WeightedRows":
        """The rows at these positions, in memory."""
        return WeightedRows(self.features[positions], self.labels[positions], self.weights[positions])

    def loss(self, network: MLP) -> float:
        """The weighted mean cross-entropy."""
        logits = network.logits(self.features[:])
        likelihood = log_softmax(logits, axis=1)[np.arange(len(self.labels)), self.labels]
        return -float(np.average(likelihood, weights=self.weights))


def initial_mlp(dimensions: int, classes: int, units: int, seed: int) -> MLP:
    """An MLP before training: Kaiming initialisation (2015) of the hidden layer, and 0 for the output layer."""
    random = np.random.default_rng([seed, 1])
    hidden = random.normal(0, np.sqrt(2 / dimensions), (dimensions, units)).astype(np.float32)
    return MLP(
        hidden,
        np.zeros(units, np.float32),
        np.zeros((units, classes), np.float32),
        np.zeros(classes, np.float32),
    )


def fit_mlp(
    rows: WeightedRows,
    classes: int,
    config: MLPConfig,
    *,
    epochs: int,
    parent: MLP | None,
    validation: WeightedRows | None = None,
) -> tuple[MLP, int]:
    """Trains an MLP.

    Args:
        rows: The rows to fit.
        classes: The number of classes, C.
        config: The hyperparameters.
        epochs: Passes over ``rows``, at most.
        parent: Where to start, and what the weight decay pulls towards.
        validation: Rows for early stopping: training ends after ``PATIENCE`` epochs without a lower loss on them.

    Returns:
        The network and the number of epochs at the lowest validation loss; without ``validation``, those of the end.
    """
    network = parent or initial_mlp(rows.features.shape[1], classes, config.units, config.seed)
    optimiser = _MLPOptimiser(config, network, pulled=parent is not None)
    random = np.random.default_rng([config.seed, 2])
    best, best_loss, best_epoch = network, np.inf, 0
    for epoch in range(1, epochs + 1):
        rate = config.rate * RATE_DECAY ** (epoch - 1)
        for batch in _batches(rows, random):
            optimiser.step(batch, rate, random)
        if validation is None:
            continue
        loss = validation.loss(optimiser.network())
        if loss < best_loss:
            best, best_loss, best_epoch = optimiser.network(), loss, epoch
        elif epoch - best_epoch >= PATIENCE:
            break
    return (optimiser.network(), epochs) if validation is None else (best, best_epoch)


def _batches(rows: WeightedRows, random: np.random.Generator) -> Iterator[WeightedRows]:
    for pool in _pools(rows, random) if isinstance(rows.features, StreamedFeatures) else (rows,):
        order = random.permutation(len(pool.labels))
        for start in range(0, len(order), BATCH):
            yield pool.subset(order[start : start + BATCH])


def _pools(rows: WeightedRows, random: np.random.Generator) -> Iterator[WeightedRows]:
    """All rows once, in pools that fit into memory; each pool has runs from the whole file."""
    count = len(rows.labels)
    runs = random.permutation(-(-count // RUN))
    for start in range(0, len(runs), POOL // RUN):
        begins = np.sort(runs[start : start + POOL // RUN]) * RUN
        positions = (begins[:, None] + np.arange(RUN)).ravel()
        yield rows.subset(positions[positions < count])


class _MLPOptimiser:
    """The parameters during training, and the optimiser's moments of the gradient."""

    def __init__(self, config: MLPConfig, network: MLP, *, pulled: bool) -> None:
        self._config = config
        self._values = [value.copy() for value in network.parameters]
        self._centres = [value.copy() if pulled else np.zeros_like(value) for value in network.parameters]
        self._first = [np.zeros_like(value) for value in self._values]
        self._second = [np.zeros_like(value) for value in self._values]
        self._steps = 0

    def network(self) -> MLP:
        """A copy of the current network."""
        hidden_weights, hidden_bias, weights, bias = (value.copy() for value in self._values)
        return MLP(hidden_weights, hidden_bias, weights, bias)

    def step(self, batch: WeightedRows, rate: float, random: np.random.Generator) -> None:
        """One step down the gradient of a mini-batch."""
        gradients = self._gradients(batch.features[:], batch.labels, batch.weights, random)
        self._steps += 1
        for position, gradient in enumerate(gradients):
            value, centre = self._values[position], self._centres[position]
            if value.ndim == 2:  # biases do not decay
                value -= rate * self._config.decay * (value - centre)
            value -= rate * self._direction(position, gradient)

    def _direction(self, position: int, gradient: Floats) -> Floats:
        first, second = self._first[position], self._second[position]
        if self._config.optimiser == "sgd":
            first *= MOMENTUM
            first += gradient
            return gradient + MOMENTUM * first
        first *= BETAS[0]
        first += (1 - BETAS[0]) * gradient
        second *= BETAS[1]
        second += (1 - BETAS[1]) * gradient**2
        scale = np.float32(np.sqrt(1 - BETAS[1] ** self._steps) / (1 - BETAS[0] ** self._steps))
        return (scale * first / (np.sqrt(second) + EPSILON)).astype(np.float32)

    def _gradients(
        self, features: Floats, labels: Labels, weights: Floats, random: np.random.Generator
    ) -> list[Floats]:
        hidden_weights, hidden_bias, out_weights, bias = self._values
        features = features * _dropout_mask(features.shape, FEATURE_DROPOUT, random)
        sums = features @ hidden_weights + hidden_bias
        active = (sums > 0) * _dropout_mask(sums.shape, self._config.dropout, random)
        units = sums * active
        error = np.exp(log_softmax(units @ out_weights + bias, axis=1)).astype(np.float32)
        error[np.arange(len(labels)), labels] -= 1
        error *= (weights / np.float32(len(labels)))[:, None]
        hidden_error = (error @ out_weights.T) * active
        gradients = features.T @ hidden_error, hidden_error.sum(axis=0), units.T @ error, error.sum(axis=0)
        return [np.asarray(gradient, np.float32) for gradient in gradients]


def _dropout_mask(shape: tuple[int, ...], dropped: float, random: np.random.Generator) -> Floats:
    """0 for dropped entries; the others are scaled up so that the expected sum stays the same."""
    mask = random.random(shape, np.float32) >= dropped
    return mask.astype(np.float32) / np.float32(1 - dropped)
