"""Predictions of a release's graph for images in files, through serving's own decoding."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from larder.release.serving import ClassifierServing
from larder_training.classifier.data.scan import Checked
from larder_training.classifier.data.side_columns import encode
from larder_training.classifier.features.extract import extract
from larder_training.classifier.features.views import plain
from larder_training.numerics.arrays import Floats
from larder_training.reporting.progress import Progress


@dataclass(frozen=True, slots=True)
class Answers:
    """What a graph says of photos: ``probabilities`` ``[N, C]`` and ``novelty`` ``[N]``, in the photos' order."""

    probabilities: Floats
    novelty: Floats


def ask(
    model: bytes, photos: Sequence[Checked], serving: ClassifierServing, *, title: str, progress: Progress
) -> Answers:
    """Runs a release's graph over photos that decode, and what their manifest says of them."""
    if not photos:
        return Answers(np.empty((0, len(serving.labels)), np.float32), np.empty(0, np.float32))
    probabilities, novelty = extract(
        model,
        ("probabilities", "novelty"),
        plain(photos, serving.image),
        len(photos),
        side=encode(serving.side, photos) if serving.side else None,
        title=title,
        progress=progress,
    )
    return Answers(probabilities, novelty)
