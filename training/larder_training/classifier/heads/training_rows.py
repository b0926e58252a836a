"""The rows that a head is fitted on."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from larder_training.classifier.ood.detector import LayerWidths
from larder_training.numerics.arrays import Floats
from larder_training.numerics.memmap import gather_rows


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """Features with their labels, one row per view of an image.

    Attributes:
        features: ``[N, D]``, not standardised; may be mapped from a file.
        labels: ``[N]``, each of 0..C-1 present.
        groups: ``[N]``; near-duplicates and all views of an image share a number and stay in one fold.
        augmented: ``[N]``, true for augmented views: used to fit, never to evaluate.
        emphasis: ``[D]``, factors of the standardised features; regularisation shrinks those above 1 less. None: all 1.
        layer_widths: The columns that the OOD detector reads. None: all.
    """

    features: Floats
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    augmented: NDArray[np.bool_]
    emphasis: Floats | None = None
    layer_widths: LayerWidths | None = None

    @property
    def classes(self) -> int:
        """The number of classes, C."""
        return int(self.labels.max()) + 1

    @property
    def dimensions(self) -> int:
        """The number of columns, D."""
        return int(self.features.shape[1])

    def subset(self, positions: NDArray[np.int64]) -> "TrainingRows":
        """The rows at these positions, in memory."""
        return replace(
            self,
            features=self.features[positions],
            labels=self.labels[positions],
            groups=self.groups[positions],
            augmented=self.augmented[positions],
        )

    def without_augmented(self) -> "TrainingRows":
        """The rows of images as they are served; large features stay in a file."""
        if not self.augmented.any():
            return self
        positions = np.flatnonzero(~self.augmented)
        return replace(
            self,
            features=gather_rows(self.features, positions),
            labels=self.labels[positions],
            groups=self.groups[positions],
            augmented=self.augmented[positions],
        )
