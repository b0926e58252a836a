"""Standardised features: mean 0, deviation 1. Of many rows no copy is made; they are standardised as they are read."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from larder_training.numerics.arrays import Floats
from larder_training.numerics.memmap import fits, let_go, pieces

# A feature that hardly varies would be blown up by its own deviation, and int8's rounding with it.
LEAST_DEVIATION: Final = 0.1  # share of the median deviation


@dataclass(frozen=True, slots=True)
class Scaler:
    """``(features - centre) * scale``, both ``[D]``."""

    centre: Floats
    scale: Floats

    @classmethod
    def of(cls, features: Floats, emphasis: Floats | None = None) -> "Scaler":
        """To mean 0 and deviation 1 (times ``emphasis``), but for features that hardly vary."""
        centre = sum(piece.sum(axis=0, dtype=np.float64) for piece in _through(features)) / len(features)
        squares = sum(((piece - centre) ** 2).sum(axis=0) for piece in _through(features))
        deviation = np.sqrt(squares / len(features))
        least = max(float(np.median(deviation)) * LEAST_DEVIATION, 1e-6)
        scale = (1 if emphasis is None else emphasis) / np.maximum(deviation, least)
        return cls(centre.astype(np.float32), scale.astype(np.float32))

    def apply(self, features: Floats) -> Floats:
        """``[N, D]``, float32, in memory."""
        changed = np.empty(features.shape, np.float32)
        for piece in pieces(len(features)):
            np.subtract(features[piece], self.centre, out=changed[piece])
            changed[piece] *= self.scale
        return changed

    def fold_in(self, weights: Floats, bias: Floats) -> tuple[Floats, Floats]:
        """Weights and bias for plain features, from those for standard ones."""
        plain = weights.astype(np.float64) * self.scale[:, None]
        return np.ascontiguousarray(plain, np.float32), (bias - self.centre @ plain).astype(np.float32)

    def unfold(self, weights: Floats, bias: Floats) -> tuple[Floats, Floats]:
        """The other way round."""
        standard = np.ascontiguousarray(weights / self.scale[:, None], np.float32)
        return standard, (bias + self.centre.astype(np.float64) @ weights).astype(np.float32)


def _through(features: Floats) -> Iterator[Floats]:
    for piece in pieces(len(features)):
        yield features[piece]
        let_go(features)


@dataclass(frozen=True, slots=True)
class StreamedFeatures:
    """Features ``[N, D]`` of which what is asked for is standardised, and nothing else is held."""

    features: Floats
    standard: Scaler

    @property
    def shape(self) -> tuple[int, ...]:
        """N and D."""
        return self.features.shape

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> Floats:
        """The standardised rows, in memory. Numbers of rows that ascend read the file in order."""
        if isinstance(rows, slice):
            some = self.standard.apply(self.features[rows])
            let_go(self.features)
            return some
        found = np.empty((len(rows), self.shape[1]), np.float32)
        for piece in pieces(len(rows)):
            found[piece] = self.standard.apply(self.features[rows[piece]])
            let_go(self.features)
        return found


FeatureRows = Floats | StreamedFeatures


def standardised(features: Floats, standard: Scaler) -> FeatureRows:
    """A standardised copy of few rows; many are standardised whenever they are read."""
    return standard.apply(features) if fits(*features.shape) else StreamedFeatures(features, standard)


def cuts(lessons: FeatureRows) -> list[slice]:
    """What is worked on at a time: all rows that are in memory, or pieces of those that are not."""
    rows = lessons.shape[0]
    return list(pieces(rows)) if isinstance(lessons, StreamedFeatures) else [slice(0, rows)]
