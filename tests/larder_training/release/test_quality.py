"""The quality that a manifest states, and when a release counts as worse than another."""

from dataclasses import replace
from typing import Any

import pytest

from larder.release.manifest import Manifest
from larder.release.serving import ClassifierServing
from larder_training.release.quality import compare, quality

OLD, NEW = "20260101t000000z-00000000", "20260102t000000z-11111111"


def classifier(manifest: Manifest, accuracy: float, half: float, *, release: str = NEW, data: str = "a") -> Manifest:
    """A classifier with this accuracy and half-width of its interval, tested on 200 images of ``data``."""
    return replace(
        manifest,
        release=release,
        evaluation={
            "split": "at random",
            "test": {"photos": 200, "accuracy": accuracy, "accuracy_interval_95": [accuracy - half, accuracy + half]},
        },
        training={"data": {"fingerprint": data, "parts": {"test": {"cat": 150, "dog": 50}}}, "seed": 0, "split": {}},
    )


def recommender(
    manifest: Manifest, recall: float, half: float, *, release: str = NEW, **evaluation: object
) -> Manifest:
    """A recommender with this recall and half-width of its interval."""

    def score(mean: float) -> dict[str, Any]:
        return {"recall@20": {"mean": mean, "interval": [mean - half, mean + half]}}

    return replace(
        manifest,
        release=release,
        evaluation={
            "users": 900,
            "split": {"test": [1, 2]},
            "metrics": score(recall),
            "baselines": {"popularity": score(0.1), "own_items_again": score(0.2)},
            **evaluation,
        },
        training={"data": {"inputs": {"interactions": {"sha256": "b"}}}, "order": "time", "seed": 0},
    )


def test_a_classifier_is_shown_beside_its_most_frequent_label(classifier_manifest: Manifest) -> None:
    found = quality(classifier(classifier_manifest, 0.9, 0.04))
    assert found is not None
    assert found.text() == "accuracy 90.0 % (86.0 % to 94.0 %) on 200 test images; best baseline: always 'cat', 75.0 %"
    assert found.document()["interval_95"] == pytest.approx([0.86, 0.94])


def test_a_recommender_is_shown_beside_its_best_baseline_not_the_weakest(recommender_manifest: Manifest) -> None:
    found = quality(recommender(recommender_manifest, 0.3, 0.02))
    assert found is not None
    assert found.text() == (
        "recall@20 0.3000 (0.2800 to 0.3200) on 900 test users, 1.50 times the best baseline (own items again, 0.2000)"
    )


@pytest.mark.parametrize("evaluation", [{}, {"test": {}}, {"test": {"accuracy": "high"}}, {"test": None}])
def test_a_manifest_without_numbers_has_no_quality(classifier_manifest: Manifest, evaluation: dict[str, Any]) -> None:
    bare = replace(classifier_manifest, evaluation=evaluation)
    assert quality(bare) is None
    assert not compare(bare, classifier(classifier_manifest, 0.9, 0.01)).worse
    assert "the live release states no quality" in compare(classifier(classifier_manifest, 0.9, 0.01), bare).how


@pytest.mark.parametrize(
    ("accuracy", "data", "worse", "how"),
    [
        (0.85, "a", True, "on the same data"),  # below 0.9 by 0.05, and the interval of the difference is +-0.042
        (0.87, "a", False, "on the same data"),
        (0.95, "a", False, "on the same data"),
        (0.85, "b", False, "rough"),  # the intervals overlap
        (0.83, "b", True, "rough"),
    ],
)
def test_worse_beyond_noise(classifier_manifest: Manifest, accuracy: float, data: str, worse: bool, how: str) -> None:
    live = classifier(classifier_manifest, 0.9, 0.03, release=OLD)
    comparison = compare(classifier(classifier_manifest, accuracy, 0.03, data=data), live)
    assert (comparison.worse, how in comparison.how) == (worse, True)
    assert comparison.difference == pytest.approx(accuracy - 0.9)


def test_classifiers_of_other_labels_are_not_compared(classifier_manifest: Manifest) -> None:
    live = classifier(classifier_manifest, 0.9, 0.01, release=OLD)
    assert isinstance(classifier_manifest.serving, ClassifierServing)
    birds = replace(classifier_manifest, serving=replace(classifier_manifest.serving, labels=("cat", "bird")))
    comparison = compare(classifier(birds, 0.1, 0.01), live)
    assert (comparison.worse, comparison.difference) == (False, None)
    assert "other labels" in comparison.how


@pytest.mark.parametrize(("high", "worse"), [(-0.001, True), (0.001, False)])
def test_a_paired_comparison_with_the_live_release_decides(
    recommender_manifest: Manifest, high: float, worse: bool
) -> None:
    # GIVEN a new release whose metrics look better, on another period, but whose training compared both
    difference = {"mean": -0.01, "interval": [-0.02, high]}
    before = {"release": OLD, "baselines": {"release_before": {"recall@20": {"difference": difference}}}}
    new = recommender(recommender_manifest, 0.4, 0.01, release_before=before)
    live = recommender(recommender_manifest, 0.3, 0.01, release=OLD)
    comparison = compare(new, live)
    assert (comparison.worse, comparison.difference) == (worse, -0.01)
    assert "same users" in comparison.how
    # THEN with another live release the metrics decide
    assert not compare(new, replace(live, release="20260101t000000z-22222222")).worse


@pytest.mark.parametrize(("lost", "worse"), [(20, True), (6, False)])
def test_a_parent_is_compared_image_by_image(classifier_manifest: Manifest, lost: int, worse: bool) -> None:
    new = classifier(classifier_manifest, 0.9, 0.05)
    parent = {"release": OLD, "photos": 200, "only_parent_right": lost, "only_new_right": 2, "parent_accuracy": 0.9}
    new = replace(new, evaluation={**new.evaluation, "parent": parent})
    assert compare(new, classifier(classifier_manifest, 0.9, 0.05, release=OLD)).worse is worse
    # A parent that was trained on other data may have been trained on some of these images.
    other = classifier(classifier_manifest, 0.9, 0.05, release=OLD, data="b")
    assert "rough" in compare(new, other).how
