"""What has changed between training and production, by cause: content, labels, unknown images and accuracy."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from tests.larder_training.classifier.drift.conftest import LABELS, images

from larder.errors import InvalidRequest
from larder.release.manifest import Manifest
from larder_training.classifier.drift.compare import compare
from larder_training.classifier.drift.domain_classifier import separation, weighted_auc
from larder_training.classifier.drift.outputs import GraphOutputs

EVEN = np.full(len(LABELS), 1 / len(LABELS))


def test_images_like_those_of_the_training_raise_no_alarm(manifest: Manifest) -> None:
    random = np.random.default_rng(0)
    training, pool = images(random, 800, EVEN), images(random, 300, EVEN)
    assert compare(manifest, training, pool).causes == ()
    # A stream of 2,000 requests of these 300 images: each counts once, however often it came.
    drift = compare(manifest, training, pool.take(random.integers(0, 300, 2000)))
    assert drift.causes == ()
    assert (drift.images, drift.distinct) == (2000, len(drift.rows))
    assert drift.distinct <= 300


def test_other_shares_of_labels_are_not_new_content(manifest: Manifest) -> None:
    random = np.random.default_rng(1)
    doubled = np.array([2, 1, 1, 1]) / 5
    drift = compare(manifest, images(random, 800, EVEN), images(random, 400, doubled))
    assert drift.causes == ("label_shift",)
    assert drift.labels.categories[0].name == LABELS[0]


def test_new_content_is_found_and_its_images_are_named(manifest: Manifest) -> None:
    random = np.random.default_rng(2)
    known, new = images(random, 100, EVEN), images(random, 100, EVEN, moved=2.0, ood=2.0)
    mixed = GraphOutputs(
        *(np.concatenate([getattr(part, name) for part in (known, new)]) for name in GraphOutputs.__slots__)
    )
    drift = compare(manifest, images(random, 800, EVEN), mixed)
    assert set(drift.causes) == {"new_content", "unknown"}
    assert sum(row >= 100 for row in drift.most_unlike(20)) >= 18


def test_probabilities_that_are_less_sure_promise_a_lower_accuracy(manifest: Manifest) -> None:
    random = np.random.default_rng(3)
    drift = compare(manifest, images(random, 800, EVEN), images(random, 300, EVEN, sure=0.8))
    assert drift.causes == ("accuracy",)
    assert drift.accuracy is not None
    assert (drift.accuracy.before, drift.accuracy.after) == pytest.approx((0.96, 0.8))


def test_what_the_manifest_does_not_state_is_not_compared(manifest: Manifest) -> None:
    random = np.random.default_rng(4)
    drift = compare(
        replace(manifest, evaluation={}), images(random, 100, EVEN), images(random, 100, EVEN, sure=0.5, ood=2.0)
    )
    assert (drift.unknown, drift.accuracy, drift.causes) == (None, None, ())


def test_few_distinct_images_are_refused(manifest: Manifest) -> None:
    random = np.random.default_rng(5)
    training, few = images(random, 100, EVEN), images(random, 10, EVEN)
    with pytest.raises(InvalidRequest, match=r"100 distinct images of training and 10 of production: give at least 30"):
        compare(manifest, training, few.take(np.arange(1000) % 10))


def test_the_area_is_that_of_sklearn_and_weights_count_as_copies() -> None:
    random = np.random.default_rng(6)
    training, production = (random.normal(by, 1, (count, 3)).astype(np.float32) for by, count in ((0, 60), (0.4, 50)))
    found = separation(training, production, np.ones(60), level=0.01)
    assert 0.5 < found.auc < 1
    assert found.low < found.auc
    scores = random.normal(size=60), random.normal(0.5, 1, 50)
    copies = random.integers(1, 4, 60)
    plain = np.concatenate([np.repeat(scores[0], copies), scores[1]])
    expected = roc_auc_score(np.arange(len(plain)) >= copies.sum(), plain)
    assert weighted_auc(scores[0], copies.astype(float), scores[1])[0] == pytest.approx(expected)
