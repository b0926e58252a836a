"""Predictions of a release's graph for image files, through the same decoding as serving."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from larder.release.serving import ClassifierServing
from larder_training.classifier.data.scan import Sample
from larder_training.classifier.data.side_columns import encode
from larder_training.classifier.features.extract import run_graph
from larder_training.classifier.features.views import plain_views
from larder_training.numerics.arrays import Floats
from larder_training.reporting.progress import Progress


@dataclass(frozen=True, slots=True)
class Predictions:
    """Outputs of a classifier graph, in the order of the images.

    Attributes:
        probabilities: ``[N, C]``, calibrated.
        ood_scores: ``[N]``, the graph's output ``novelty``.
    """

    probabilities: Floats
    ood_scores: Floats

    def not_finite(self, samples: Sequence[Sample]) -> list[Sample]:
        """Those of the images that an output is NaN or infinite for; a request for them is an error."""
        return [sample for sample, finite in zip(samples, self._finite(), strict=True) if not finite]

    def finite(self, samples: Sequence[Sample]) -> tuple[list[Sample], "Predictions"]:
        """The other images, and their predictions."""
        kept = self._finite()
        usable = [sample for sample, finite in zip(samples, kept, strict=True) if finite]
        return usable, Predictions(self.probabilities[kept], self.ood_scores[kept])

    def flagged(self, threshold: float | None) -> float | None:
        """The share of the images above this OOD threshold; None without images or a threshold."""
        if threshold is None or not len(self.ood_scores):
            return None
        return float((self.ood_scores > threshold).mean())

    def _finite(self) -> NDArray[np.bool_]:
        finite: NDArray[np.bool_] = np.isfinite(self.probabilities).all(axis=1) & np.isfinite(self.ood_scores)
        return finite


def predict(
    model: bytes, samples: Sequence[Sample], serving: ClassifierServing, *, title: str, progress: Progress
) -> Predictions:
    """Runs a release's graph over images and the side information of their manifest.

    Args:
        model: The bytes of ``model.onnx``.
        samples: The images; none gives empty predictions.
        serving: How the release is served: image size, labels and side columns.
        title: Title of the progress bar.
        progress: Advances with each image.
    """
    if not samples:
        return Predictions(np.empty((0, len(serving.labels)), np.float32), np.empty(0, np.float32))
    probabilities, ood_scores = run_graph(
        model,
        ("probabilities", "novelty"),
        plain_views(samples, serving.image),
        len(samples),
        side=encode(serving.side, samples) if serving.side else None,
        title=title,
        progress=progress,
    )
    return Predictions(probabilities, ood_scores)
