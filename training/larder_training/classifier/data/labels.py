"""Labels as integers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from larder_training.classifier.data.scan import Sample


def label_indices(samples: Sequence[Sample], labels: Sequence[str]) -> NDArray[np.int64]:
    """The position of each image's label in ``labels``, int64 ``[N]``."""
    position = {label: index for index, label in enumerate(labels)}
    return np.array([position[sample.image.label] for sample in samples], np.int64)


def label_matrix(samples: Sequence[Sample], labels: Sequence[str]) -> NDArray[np.bool_]:
    """Whether each image has each label, ``[N, C]``; labels that are not among ``labels`` are ignored."""
    position = {label: index for index, label in enumerate(labels)}
    truth = np.zeros((len(samples), len(labels)), np.bool_)
    for row, sample in enumerate(samples):
        for label in sample.image.classes:
            if label in position:
                truth[row, position[label]] = True
    return truth
