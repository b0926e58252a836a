"""A head with one hidden layer: ReLU units between features and labels, trained by mini-batches.

Adam is Kingma and Ba (2015) with decoupled weight decay (Loshchilov and Hutter, "Decoupled Weight Decay
Regularization", 2019); SGD has Nesterov's momentum (Sutskever et al., 2013). Features and units are dropped at random
while it learns (Srivastava et al., 2014). Every draw comes from the seed, so the same call gives the same weights.

Rows that fit into memory are shuffled as one. Of others, short runs from all over the file are read into a pool that is
shuffled: neighbours, which are often of one class, are then hardly ever in one batch, and the file is read in order.
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
RUN: Final = 16  # neighbouring rows that are read together, where rows do not fit into memory
POOL: Final = 64 * BATCH  # rows that are then shuffled among each other
MAX_EPOCHS: Final = 40
PATIENCE: Final = 4  # epochs without a better loss on the held-out rows
RATE_DECAY: Final = 0.93  # of the learning rate, each epoch
FEATURE_DROPOUT: Final = 0.2  # share of the features; the units' share is the network's own setting
MOMENTUM: Final = 0.9
BETAS: Final = (0.9, 0.999)
EPSILON: Final = 1e-8

Labels = NDArray[np.int64]
Parameters = tuple[Floats, Floats, Floats, Floats]


@dataclass(frozen=True, slots=True)
class MLP:
    """``logits = relu(features @ hidden_weights + hidden_bias) @ weights + bias``.

    ``hidden_weights`` ``[D, H]``, ``hidden_bias`` ``[H]``, ``weights`` ``[H, C]``, ``bias`` ``[C]``.
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
    """How a network learns: ``decay`` pulls the weights towards where they began if that is a parent, else to 0."""

    units: int
    optimiser: Optimiser
    rate: float
    dropout: float
    decay: float
    seed: int


@dataclass(frozen=True, slots=True)
class Rows:
    """Standardised features ``[N, D]``, in memory or streamed, labels ``[N]`` and weights ``[N]`` (of mean 1)."""

    features: FeatureRows
    labels: Labels
    weights: Floats

    def taken(self, rows: NDArray[np.int64]) -> "Rows":
        """The rows of these numbers, in memory."""
        return Rows(self.features[rows], self.labels[rows], self.weights[rows])

    def loss(self, network: MLP) -> float:
        """The weighted mean cross-entropy."""
        logits = network.logits(self.features[:])
        likelihood = log_softmax(logits, axis=1)[np.arange(len(self.labels)), self.labels]
        return -float(np.average(likelihood, weights=self.weights))


def initial_mlp(dimensions: int, classes: int, units: int, seed: int) -> MLP:
    """A network that has learnt nothing: He's initialisation (2015) before the units, 0 after them."""
    random = np.random.default_rng([seed, 1])
    hidden = random.normal(0, np.sqrt(2 / dimensions), (dimensions, units)).astype(np.float32)
    return MLP(
        hidden,
        np.zeros(units, np.float32),
        np.zeros((units, classes), np.float32),
        np.zeros(classes, np.float32),
    )


def fit_mlp(
    rows: Rows, classes: int, config: MLPConfig, *, epochs: int, parent: MLP | None, watch: Rows | None = None
) -> tuple[MLP, int]:
    """Trains for at most ``epochs`` passes over ``rows``.

    With ``watch`` (held-out rows) it stops when their loss has not fallen for ``PATIENCE`` epochs, and returns the
    network and the number of epochs at their least loss; else those after the last epoch.
    """
    network = parent or initial_mlp(rows.features.shape[1], classes, config.units, config.seed)
    step = _Step(config, network, pulled=parent is not None)
    random = np.random.default_rng([config.seed, 2])
    best, best_loss, best_epoch = network, np.inf, 0
    for epoch in range(1, epochs + 1):
        rate = config.rate * RATE_DECAY ** (epoch - 1)
        for batch in _batches(rows, random):
            step.take(batch, rate, random)
        if watch is None:
            continue
        loss = watch.loss(step.network())
        if loss < best_loss:
            best, best_loss, best_epoch = step.network(), loss, epoch
        elif epoch - best_epoch >= PATIENCE:
            break
    return (step.network(), epochs) if watch is None else (best, best_epoch)


def _batches(rows: Rows, random: np.random.Generator) -> Iterator[Rows]:
    for pool in _pools(rows, random) if isinstance(rows.features, StreamedFeatures) else (rows,):
        order = random.permutation(len(pool.labels))
        for start in range(0, len(order), BATCH):
            yield pool.taken(order[start : start + BATCH])


def _pools(rows: Rows, random: np.random.Generator) -> Iterator[Rows]:
    """All rows once, in parts that fit into memory, each of runs that are drawn from everywhere."""
    count = len(rows.labels)
    runs = random.permutation(-(-count // RUN))
    for start in range(0, len(runs), POOL // RUN):
        begins = np.sort(runs[start : start + POOL // RUN]) * RUN
        numbers = (begins[:, None] + np.arange(RUN)).ravel()
        yield rows.taken(numbers[numbers < count])


class _Step:
    """The parameters while they change, and what the optimiser remembers of its gradients."""

    def __init__(self, config: MLPConfig, network: MLP, *, pulled: bool) -> None:
        self._config = config
        self._values = [value.copy() for value in network.parameters]
        self._centres = [value.copy() if pulled else np.zeros_like(value) for value in network.parameters]
        self._first = [np.zeros_like(value) for value in self._values]
        self._second = [np.zeros_like(value) for value in self._values]
        self._taken = 0

    def network(self) -> MLP:
        """A copy of the network as it stands."""
        hidden_weights, hidden_bias, weights, bias = (value.copy() for value in self._values)
        return MLP(hidden_weights, hidden_bias, weights, bias)

    def take(self, batch: Rows, rate: float, random: np.random.Generator) -> None:
        """One step down the gradient of a mini-batch."""
        slopes = self._slopes(batch.features[:], batch.labels, batch.weights, random)
        self._taken += 1
        for position, slope in enumerate(slopes):
            value, centre = self._values[position], self._centres[position]
            if value.ndim == 2:  # biases are free
                value -= rate * self._config.decay * (value - centre)
            value -= rate * self._direction(position, slope)

    def _direction(self, position: int, slope: Floats) -> Floats:
        first, second = self._first[position], self._second[position]
        if self._config.optimiser == "sgd":
            first *= MOMENTUM
            first += slope
            return slope + MOMENTUM * first
        first *= BETAS[0]
        first += (1 - BETAS[0]) * slope
        second *= BETAS[1]
        second += (1 - BETAS[1]) * slope**2
        scale = np.float32(np.sqrt(1 - BETAS[1] ** self._taken) / (1 - BETAS[0] ** self._taken))
        return (scale * first / (np.sqrt(second) + EPSILON)).astype(np.float32)

    def _slopes(self, features: Floats, labels: Labels, weights: Floats, random: np.random.Generator) -> list[Floats]:
        hidden_weights, hidden_bias, out_weights, bias = self._values
        features = features * _kept(features.shape, FEATURE_DROPOUT, random)
        sums = features @ hidden_weights + hidden_bias
        passed = (sums > 0) * _kept(sums.shape, self._config.dropout, random)
        units = sums * passed
        error = np.exp(log_softmax(units @ out_weights + bias, axis=1)).astype(np.float32)
        error[np.arange(len(labels)), labels] -= 1
        error *= (weights / np.float32(len(labels)))[:, None]
        back = (error @ out_weights.T) * passed
        slopes = features.T @ back, back.sum(axis=0), units.T @ error, error.sum(axis=0)
        return [np.asarray(slope, np.float32) for slope in slopes]


def _kept(shape: tuple[int, ...], dropped: float, random: np.random.Generator) -> Floats:
    """0 for what is dropped, and for the rest what keeps the expected sum."""
    kept = random.random(shape, np.float32) >= dropped
    return kept.astype(np.float32) / np.float32(1 - dropped)
