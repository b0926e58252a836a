"""Standardised features: mean 0, deviation 1. Large features are standardised as they are read, without a copy."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from larder_training.numerics.arrays import Floats
from larder_training.numerics.memmap import chunks, fits_in_memory, release_pages

# Dividing a nearly constant feature by its own deviation would amplify noise and the rounding of int8.
LEAST_DEVIATION: Final = 0.1  # share of the median deviation


@dataclass(frozen=True, slots=True)
class Scaler:
    """``(features - centre) * scale``.

    Attributes:
        centre: ``[D]``.
        scale: ``[D]``.
    """

    centre: Floats
    scale: Floats

    @classmethod
    def fit(cls, features: Floats, emphasis: Floats | None = None) -> "Scaler":
        """To mean 0 and deviation 1, times ``emphasis`` ``[D]``; nearly constant features get a smaller deviation."""
        centre = sum(piece.sum(axis=0, dtype=np.float64) for piece in _by_piece(features)) / len(features)
        squares = sum(((piece - centre) ** 2).sum(axis=0) for piece in _by_piece(features))
        deviation = np.sqrt(squares / len(features))
        least = max(float(np.median(deviation)) * LEAST_DEVIATION, 1e-6)
        scale = (1 if emphasis is None else emphasis) / np.maximum(deviation, least)
        return cls(centre.astype(np.float32), scale.astype(np.float32))

    def transform(self, features: Floats) -> Floats:
        """The standardised features ``[N, D]``, float32, in memory."""
        result = np.empty(features.shape, np.float32)
        for piece in chunks(len(features)):
            np.subtract(features[piece], self.centre, out=result[piece])
            result[piece] *= self.scale
        return result

    def fold_in(self, weights: Floats, bias: Floats) -> tuple[Floats, Floats]:
        """Converts weights and bias for standardised features to weights and bias for plain features."""
        plain = weights.astype(np.float64) * self.scale[:, None]
        return np.ascontiguousarray(plain, np.float32), (bias - self.centre @ plain).astype(np.float32)

    def unfold(self, weights: Floats, bias: Floats) -> tuple[Floats, Floats]:
        """The inverse of ``fold_in``."""
        standard = np.ascontiguousarray(weights / self.scale[:, None], np.float32)
        return standard, (bias + self.centre.astype(np.float64) @ weights).astype(np.float32)


def _by_piece(features: Floats) -> Iterator[Floats]:
    for piece in chunks(len(features)):
        yield features[piece]
        release_pages(features)


@dataclass(frozen=True, slots=True)
class StreamedFeatures:
    """Features that are standardised as they are read; nothing else is held in memory.

    Attributes:
        features: ``[N, D]``, plain, mapped from a file.
        scaler: What standardises them.
    """

    features: Floats
    scaler: Scaler

    @property
    def shape(self) -> tuple[int, ...]:
        """N and D."""
        return self.features.shape

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> Floats:
        """The standardised rows, in memory. Ascending positions read the file in order."""
        if isinstance(rows, slice):
            block = self.scaler.transform(self.features[rows])
            release_pages(self.features)
            return block
        result = np.empty((len(rows), self.shape[1]), np.float32)
        for piece in chunks(len(rows)):
            result[piece] = self.scaler.transform(self.features[rows[piece]])
            release_pages(self.features)
        return result


FeatureRows = Floats | StreamedFeatures


def standardise(features: Floats, scaler: Scaler) -> FeatureRows:
    """A standardised copy if it fits into memory, else features that are standardised as they are read."""
    return scaler.transform(features) if fits_in_memory(*features.shape) else StreamedFeatures(features, scaler)


def slices_of(features: FeatureRows) -> list[slice]:
    """Slices to work on one at a time: all rows of features in memory, or pieces of streamed ones."""
    count = features.shape[0]
    return list(chunks(count)) if isinstance(features, StreamedFeatures) else [slice(0, count)]
