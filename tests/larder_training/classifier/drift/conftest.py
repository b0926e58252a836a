"""GraphOutputs of a toy classifier: the embeddings of each label are a cluster."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from larder.release.manifest import Manifest
from larder.release.serving import ClassifierServing, ImageSpec
from larder_training.classifier.drift.outputs import GraphOutputs

LABELS = ("cat", "dog", "bird", "daisy")
DIMENSIONS = 16


@pytest.fixture
def manifest() -> Manifest:
    """What a release of the toy states of its validation."""
    return Manifest(
        model="pets",
        kind="classifier",
        release="20260102t030405z-01234567",
        created="2026-01-02T03:04:05Z",
        files={},
        serving=ClassifierServing("model.onnx", ImageSpec(8, 8), LABELS, (0.5,) * 4, 1.0, 1.0),
        evaluation={
            "validation": {"accuracy": 0.96, "photos": 1000},
            "unknown": {"known_flagged": {"validation": 0.05}},
        },
    )


def images(
    random: np.random.Generator,
    count: int,
    shares: NDArray[Any],
    *,
    moved: float = 0.0,
    sure: float = 0.96,
    ood: float = 0.0,
) -> GraphOutputs:
    """GraphOutputs for ``count`` images with these shares of labels.

    Args:
        random: Draws the labels and the noise.
        count: The number of images.
        shares: The share of each label.
        moved: By how much new content moves the embeddings.
        sure: The probability of the first label.
        ood: The OOD score of images, of which the threshold is 1; a twentieth of 0 is above it.
    """
    labels = random.choice(len(LABELS), count, p=shares)
    centres = 3 * np.eye(len(LABELS), DIMENSIONS)
    embeddings = centres[labels] + random.normal(moved, 1, (count, DIMENSIONS))
    probabilities = np.full((count, len(LABELS)), (1 - sure) / (len(LABELS) - 1))
    probabilities[np.arange(count), labels] = sure
    scores = np.where(random.random(count) < 0.05, 1.5, ood)
    return GraphOutputs(*(array.astype(np.float32) for array in (embeddings, probabilities, scores)))
