"""Disjoint classes for the out-of-distribution score, which measures the distance to the nearest class."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from larder_training.classifier.multilabel.logistic_regression import Truth

LEAST_GROUPS: Final = 3  # of a class, so that its mean is of more than one image, also out of fold


def disjoint_classes(truth: Truth, groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """A class for each image, ``[N]``, from 0: its rarest label, or none.

    An image counts for its rarest label, which describes it best. A label that then has fewer than ``LEAST_GROUPS``
    groups is left out, and its images count for the next one. Images without any label are a class of their own, or of
    the largest class if they are too few.

    Args:
        truth: ``[N, C]``, whether an image has a label.
        groups: ``[N]``.
    """
    rarest_first = np.argsort(truth.sum(axis=0), kind="stable").tolist()
    while True:
        classes = np.full(len(truth), -1, np.int64)
        for label in reversed(rarest_first):
            classes[truth[:, label]] = label
        small = [label for label in rarest_first if _groups(groups, classes == label) < LEAST_GROUPS]
        if not small or len(rarest_first) == 1:
            break
        rarest_first.remove(small[0])
    if 0 < _groups(groups, classes == -1) < LEAST_GROUPS:
        classes[classes == -1] = np.bincount(classes[classes >= 0]).argmax()
    _, numbers = np.unique(classes, return_inverse=True)
    return numbers.astype(np.int64)


def _groups(groups: NDArray[np.int64], chosen: NDArray[np.bool_]) -> int:
    return len(np.unique(groups[chosen]))
