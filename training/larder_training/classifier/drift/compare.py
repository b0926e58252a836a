"""Compares the images of production with those of the training, and says what has changed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from larder.errors import InvalidRequest
from larder.release.manifest import Manifest
from larder.release.serving import ClassifierServing
from larder_training.classifier.drift.domain_classifier import Separation, separation
from larder_training.classifier.drift.outputs import GraphOutputs
from larder_training.numerics.count_shift import CountShift, count_shift, design_effect

LEVEL: Final = 0.01
"""The false alarm level of each of the four tests."""
AUC: Final = 0.55
"""New content: the domain classifier is surely better than this."""
DROP: Final = 0.02
"""Accuracy: the estimate is surely lower, and by at least this."""
FEWEST: Final = 30
"""Distinct images without which nothing is measured."""
_SMOOTHING: Final = 1.0  # of a count: a label that one of them lacks
_PART: Final = "validation"  # out of fold, or a part of its own

Cause = Literal["new_content", "label_shift", "unknown", "accuracy"]


@dataclass(frozen=True, slots=True)
class ShareChange:
    """A share in validation and in production.

    Attributes:
        before: In validation, as the manifest states it.
        after: In production.
        p_value: One-sided, of no change for the worse.
    """

    before: float
    after: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Drift:
    """What has changed between training and production.

    Attributes:
        causes: What has surely changed; empty without an alarm.
        images: How many images of production were compared, repetitions included.
        distinct: How many of them are distinct.
        content: How well a classifier separates them from training images with the same labels.
        rows: ``[distinct]``, the row of each distinct image of production, in the order of ``content.scores``.
        labels: How the shares of the labels of the answers have changed.
        unknown: The share of answers ``unknown``: of the training's validation, and of production; None if the manifest
            does not state the first.
        accuracy: The accuracy of the training's validation, and what calibrated probabilities promise for production;
            None as above.
    """

    causes: tuple[Cause, ...]
    images: int
    distinct: int
    content: Separation
    rows: NDArray[np.intp]
    labels: CountShift
    unknown: ShareChange | None
    accuracy: ShareChange | None

    def document(self) -> Mapping[str, object]:
        """JSON-ready."""
        return {
            "alarm": bool(self.causes),
            "causes": list(self.causes),
            "images": self.images,
            "distinct": self.distinct,
            "content": {"auc": self.content.auc, "low": self.content.low, "threshold": AUC},
            "labels": asdict(self.labels),
            "unknown": self.unknown and asdict(self.unknown),
            "estimated_accuracy": self.accuracy and asdict(self.accuracy),
        }

    def most_unlike(self, count: int) -> list[int]:
        """The rows of the images of production that are most unlike training, the first of each image."""
        return [int(row) for row in self.rows[np.argsort(-self.content.scores, kind="stable")[:count]]]


def compare(manifest: Manifest, training: GraphOutputs, production: GraphOutputs) -> Drift:
    """Compare the outputs of one release for images of training and of production.

    An image that came several times counts once for new content; for shares, repetitions widen the interval
    (``design_effect``). For new content, training images are weighted so that both have the same shares of labels:
    a change of these shares alone is ``label_shift``. The head and the OOD score were fitted to the training images,
    so unknown images and accuracy are compared with the validation that the manifest states.

    Raises:
        InvalidRequest: One of them has fewer than 30 distinct images.
    """
    serving = manifest.serving
    assert isinstance(serving, ClassifierServing), "a classifier's outputs"  # noqa: S101  # for the type checker
    training = training.take(training.distinct()[0])
    rows, repeats = production.distinct()
    if min(len(training), len(rows)) < FEWEST:
        raise InvalidRequest(
            f"There are {len(training)} distinct images of training and {len(rows)} of production: give at least "
            f"{FEWEST} of each."
        )
    effect = design_effect(repeats)
    before, after = _label_counts(training), _label_counts(production)
    content = separation(
        training.embeddings, production.embeddings[rows], _label_weights(training, before, after), level=LEVEL
    )
    labels = count_shift(serving.labels, before, after, effect)
    unknown = _unknown(manifest, serving, production, effect)
    accuracy = _accuracy(manifest, production, effect)
    found: dict[Cause, bool] = {
        "new_content": content.low > AUC,
        "label_shift": labels.categories[0].p_value < LEVEL,
        "unknown": unknown is not None and unknown.p_value < LEVEL,
        "accuracy": accuracy is not None and accuracy.p_value < LEVEL and accuracy.before - accuracy.after >= DROP,
    }
    causes = tuple(cause for cause, is_found in found.items() if is_found)
    return Drift(causes, len(production), len(rows), content, rows, labels, unknown, accuracy)


def _label_counts(outputs: GraphOutputs) -> NDArray[np.intp]:
    return np.bincount(outputs.probabilities.argmax(axis=1), minlength=outputs.probabilities.shape[1])


def _label_weights(training: GraphOutputs, before: NDArray[Any], after: NDArray[Any]) -> NDArray[np.float64]:
    """``[M]``, weights that give the training images the shares of labels of production."""
    shares = [(counts + _SMOOTHING) / (counts + _SMOOTHING).sum() for counts in (before, after)]
    weights: NDArray[np.float64] = (shares[1] / shares[0])[training.probabilities.argmax(axis=1)]
    return weights


def _unknown(
    manifest: Manifest, serving: ClassifierServing, production: GraphOutputs, effect: float
) -> ShareChange | None:
    before = _stated(manifest, "unknown", "known_flagged", _PART)
    if serving.novelty_threshold is None or before is None:
        return None
    flags = (production.ood_scores > serving.novelty_threshold).astype(np.float64)
    return _increase(manifest, before, flags, effect)


def _accuracy(manifest: Manifest, production: GraphOutputs, effect: float) -> ShareChange | None:
    """By the mean probability of the first label, which is the expected accuracy where probabilities are calibrated.

    Guillory et al., Predicting with confidence on unseen distributions, ICCV 2021; NannyML calls it CBPE. New content
    breaks the calibration: the estimate is an upper bound then.
    """
    before = _stated(manifest, _PART, "accuracy")
    if before is None:
        return None
    wrong = _increase(manifest, 1 - before, 1.0 - production.probabilities.max(axis=1).astype(np.float64), effect)
    return wrong and ShareChange(before, 1 - wrong.after, wrong.p_value)


def _increase(manifest: Manifest, before: float, values: NDArray[np.float64], effect: float) -> ShareChange | None:
    """Whether the mean of ``values`` is above a share that was measured in validation, by the normal distribution.

    A variance is at least that of one success: a sample without any does not prove that there is none.
    """
    measured = _stated(manifest, _PART, "photos")
    if not measured:
        return None
    size, after = len(values) / effect, float(values.mean())
    variance = max(before * (1 - before), 1 / measured) / measured + max(float(values.var()), 1 / size) / size
    return ShareChange(before, after, float(norm.sf((after - before) / np.sqrt(variance))))


def _stated(manifest: Manifest, *path: str) -> float | None:
    """A number of the manifest's evaluation; None if it is not there."""
    value: object = manifest.evaluation
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return float(value) if isinstance(value, int | float) else None
