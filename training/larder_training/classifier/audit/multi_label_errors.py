"""Likely label errors of multi-label data: each label is checked by itself, as a question of yes or no."""

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import f1_score

from larder_training.classifier.audit.label_errors import LabelError, find_label_errors
from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.data.labels import label_matrix
from larder_training.classifier.data.scan import Sample
from larder_training.classifier.features.backbone import FeatureGraph
from larder_training.classifier.features.extract import FeatureExtractor
from larder_training.classifier.features.views import plain_views


def find_multi_label_errors(
    samples: Sequence[Sample], features: FeatureGraph, context: ClassifierContext
) -> tuple[list[LabelError], int, float | None]:
    """Checks each label by itself, if at least two groups of images have it and two do not.

    Returns:
        The likely errors, the least probable first; the number of pairs of an image and a label that were checked; and
        the micro F1 of the predictions out of fold, or None if no label was checked.
    """
    labels = sorted({label for sample in samples for label in sample.image.classes})
    truth, groups = label_matrix(samples, labels), np.array([sample.group for sample in samples], np.int64)
    checkable = [
        label
        for label in range(len(labels))
        if all(len(np.unique(groups[truth[:, label] == has])) > 1 for has in (False, True))
    ]
    if not checkable:
        return [], 0, None
    extract = FeatureExtractor.of(features, context)
    rows = extract(plain_views(samples, features.image_spec), "Features for the audit")[:, : features.dimensions]
    found: list[LabelError] = []
    predicted = np.zeros_like(truth[:, checkable])
    for column, label in enumerate(checkable):
        answers = truth[:, label].astype(np.int64)
        check = find_label_errors(rows, answers, groups, seed=context.seed, progress=context.progress)
        predicted[:, column] = check.probabilities.argmax(axis=1)
        for position in check.label_errors:
            own = float(check.probabilities[position][answers[position]])
            proposed = f"not {labels[label]}" if answers[position] else labels[label]
            found.append(LabelError(samples[position], round(own, 6), proposed, round(1 - own, 6), labels[label]))
    found.sort(key=lambda error: (error.confidence, error.sample.image.name))  # stable: then by label
    agreement = f1_score(truth[:, checkable], predicted, average="micro", zero_division=0)
    return found, predicted.size, float(agreement)
