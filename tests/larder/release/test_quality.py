"""The quality that a manifest states."""

from dataclasses import replace
from typing import Any

import pytest
from tests.toys.measured import measured_classifier, measured_recommender

from larder.release.manifest import Manifest
from larder.release.quality import quality


def test_a_classifier_is_shown_beside_its_most_frequent_label(classifier_manifest: Manifest) -> None:
    found = quality(measured_classifier(classifier_manifest, 0.9, 0.04))
    assert found is not None
    assert found.text() == "accuracy 90.0 % (86.0 % to 94.0 %) on 200 test images; best baseline: always 'cat', 75.0 %"
    assert found.document()["interval_95"] == pytest.approx([0.86, 0.94])


def test_a_recommender_is_shown_beside_its_best_baseline_not_the_weakest(recommender_manifest: Manifest) -> None:
    found = quality(measured_recommender(recommender_manifest, 0.3, 0.02))
    assert found is not None
    assert found.text() == (
        "recall@20 0.3000 (0.2800 to 0.3200) on 900 test users, 1.50 times the best baseline (own items again, 0.2000)"
    )


@pytest.mark.parametrize("evaluation", [{}, {"test": {}}, {"test": {"accuracy": "high"}}, {"test": None}])
def test_a_manifest_without_numbers_has_no_quality(classifier_manifest: Manifest, evaluation: dict[str, Any]) -> None:
    assert quality(replace(classifier_manifest, evaluation=evaluation)) is None


def test_a_metric_may_be_named(recommender_manifest: Manifest) -> None:
    manifest = measured_recommender(recommender_manifest, 0.3, 0.02)
    found = quality(manifest, "recall@20")
    assert found is not None
    assert found.metric == "recall@20"
    assert quality(manifest, "ndcg@5") is None
