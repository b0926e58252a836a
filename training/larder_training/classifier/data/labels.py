"""Labels as integers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from larder_training.classifier.data.scan import Sample


def label_indices(samples: Sequence[Sample], labels: Sequence[str]) -> NDArray[np.int64]:
    """The position of each image's label in ``labels``, int64 ``[N]``."""
    position = {label: index for index, label in enumerate(labels)}
    return np.array([position[sample.image.label] for sample in samples], np.int64)
