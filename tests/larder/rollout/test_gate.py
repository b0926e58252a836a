"""When a release counts as worse than the live one, and what a policy makes of it."""

from dataclasses import replace

import pytest
from tests.toys.measured import OLD, measured_classifier, measured_recommender

from larder.errors import InvalidRequest, ReleaseError, StoreError
from larder.registry.gate import check_gate
from larder.registry.policy import DEFAULT_POLICY, RolloutPolicy, changed_policy, read_policy, write_policy
from larder.release.comparison import compare
from larder.release.keys import policy_key
from larder.release.manifest import Manifest
from larder.release.serving import ClassifierServing
from larder.store import Store


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
    live = measured_classifier(classifier_manifest, 0.9, 0.03, release=OLD)
    comparison = compare(measured_classifier(classifier_manifest, accuracy, 0.03, data=data), live)
    assert (comparison.worse(), how in comparison.how) == (worse, True)
    assert comparison.difference == pytest.approx(accuracy - 0.9)


def test_classifiers_of_other_labels_are_not_compared(classifier_manifest: Manifest) -> None:
    live = measured_classifier(classifier_manifest, 0.9, 0.01, release=OLD)
    assert isinstance(classifier_manifest.serving, ClassifierServing)
    birds = replace(classifier_manifest, serving=replace(classifier_manifest.serving, labels=("cat", "bird")))
    comparison = compare(measured_classifier(birds, 0.1, 0.01), live)
    assert (comparison.worse(), comparison.difference) == (False, None)
    assert "other labels" in comparison.how


@pytest.mark.parametrize(("high", "worse"), [(-0.001, True), (0.001, False)])
def test_a_paired_comparison_with_the_live_release_decides(
    recommender_manifest: Manifest, high: float, worse: bool
) -> None:
    # GIVEN a new release whose metrics look better, on another period, but whose training compared both
    difference = {"mean": -0.01, "interval": [-0.02, high]}
    before = {"release": OLD, "baselines": {"release_before": {"recall@20": {"difference": difference}}}}
    new = measured_recommender(recommender_manifest, 0.4, 0.01, release_before=before)
    live = measured_recommender(recommender_manifest, 0.3, 0.01, release=OLD)
    comparison = compare(new, live)
    assert (comparison.worse(), comparison.difference) == (worse, -0.01)
    assert "same users" in comparison.how
    # THEN with another live release the metrics decide
    assert not compare(new, replace(live, release="20260101t000000z-22222222")).worse()


@pytest.mark.parametrize(("lost", "worse"), [(20, True), (6, False)])
def test_a_parent_is_compared_image_by_image(classifier_manifest: Manifest, lost: int, worse: bool) -> None:
    new = measured_classifier(classifier_manifest, 0.9, 0.05)
    parent = {"release": OLD, "photos": 200, "only_parent_right": lost, "only_new_right": 2, "parent_accuracy": 0.9}
    new = replace(new, evaluation={**new.evaluation, "parent": parent})
    assert compare(new, measured_classifier(classifier_manifest, 0.9, 0.05, release=OLD)).worse() is worse
    # A parent that was trained on other data may have been trained on some of these images.
    other = measured_classifier(classifier_manifest, 0.9, 0.05, release=OLD, data="b")
    assert "rough" in compare(new, other).how


def test_a_release_without_numbers_is_not_compared(classifier_manifest: Manifest) -> None:
    measured = measured_classifier(classifier_manifest, 0.9, 0.01)
    bare = replace(classifier_manifest, evaluation={})
    assert not compare(bare, measured).worse()
    assert compare(measured, bare).how == "Not compared: the live release states no quality."
    assert compare(measured, measured, "macro_f1").how == "Not compared: the new release states no macro_f1."


@pytest.mark.parametrize(("margin", "passes"), [(0.0, False), (0.04, False), (0.06, True)])
def test_the_margin_is_what_a_release_may_lose(recommender_manifest: Manifest, margin: float, passes: bool) -> None:
    # GIVEN a paired difference of -0.06 to -0.05
    difference = {"mean": -0.055, "interval": [-0.06, -0.05]}
    before = {"release": OLD, "baselines": {"release_before": {"recall@20": {"difference": difference}}}}
    new = measured_recommender(recommender_manifest, 0.25, 0.01, release_before=before)
    live, policy = measured_recommender(recommender_manifest, 0.3, 0.01, release=OLD), RolloutPolicy(margin=margin)
    if passes:
        assert check_gate(new, live, policy).evidence == "paired"
        return
    with pytest.raises(ReleaseError) as refused:
        check_gate(new, live, policy)
    # THEN the reason has both numbers, the evidence, and what to do
    message = str(refused.value)
    assert "new recall@20 0.2500 (0.2400 to 0.2600) on 900 test users, live recall@20 0.3000" in message
    assert "compared both on the same users" in message
    assert message.endswith(f"larder publish {new.release} --force")
    assert ("by more than the margin 0.04" in message) == (margin > 0)


def test_what_is_not_measurable_is_decided_by_the_policy(classifier_manifest: Manifest) -> None:
    live = measured_classifier(classifier_manifest, 0.9, 0.05, release=OLD)
    unknown, strict = replace(classifier_manifest, evaluation={}), RolloutPolicy(not_measurable="reject")
    elsewhere = measured_classifier(classifier_manifest, 0.9, 0.05, data="b")
    for new in (unknown, elsewhere):
        assert check_gate(new, live, DEFAULT_POLICY).evidence in ("none", "rough")
        with pytest.raises(ReleaseError, match=r"requires a comparison .* on the same data.*--not-measurable promote"):
            check_gate(new, live, strict)
    assert check_gate(measured_classifier(classifier_manifest, 0.9, 0.05), live, strict).evidence == "same test part"


def test_a_policy_is_stored_beside_its_model(store: Store) -> None:
    assert read_policy(store, "shop") == (DEFAULT_POLICY, None)
    policy = changed_policy(DEFAULT_POLICY, {"metric": "ndcg@20", "margin": 0.01})
    write_policy(store, "shop", policy, None)
    read, etag = read_policy(store, "shop")
    assert read == policy == RolloutPolicy("ndcg@20", 0.01)
    write_policy(store, "shop", DEFAULT_POLICY, etag)
    assert read_policy(store, "shop")[0] == DEFAULT_POLICY


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"margin": -0.1}, "margin: is -0.1"),
        ({"margin": "much"}, "margin: must be a number"),
        ({"not_measurable": "ask"}, "not_measurable: is 'ask'; it must be one of promote, reject"),
        ({"metric": "so good"}, "metric: is 'so good'"),
        ({"margins": 1}, "margins"),
        ({"canary": 100}, "canary: is 100; it must be 0 to 99"),
        ({"canary_hours": 1000}, "canary_hours: is 1000"),
        ({"undecided": "wait"}, "undecided: is 'wait'; it must be one of promote, reject"),
        ({"approval": "yes"}, "approval: must be true or false"),
        ({"errors_margin": -0.1}, "errors_margin: is -0.1"),
        ({"latency_margin": -0.1}, "latency_margin: is -0.1"),
        ({"unknown_margin": 2}, "unknown_margin: is 2"),
    ],
)
def test_an_invalid_policy_is_refused(changes: dict[str, object], problem: str) -> None:
    with pytest.raises(InvalidRequest, match=problem):
        changed_policy(DEFAULT_POLICY, changes)


def test_a_policy_from_before_canaries_has_their_defaults(store: Store) -> None:
    store.put(
        policy_key("shop"), b'{"format": 1, "metric": null, "margin": 0.1, "not_measurable": "reject", "keep": 3}'
    )
    assert read_policy(store, "shop")[0] == RolloutPolicy(margin=0.1, not_measurable="reject", keep=3)


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"format": 2}', b'{"format": 1, "margin": -1}'])
def test_a_damaged_policy_fails_with_its_key(store: Store, data: bytes) -> None:
    store.put(policy_key("shop"), data)
    with pytest.raises(StoreError, match=r"models/shop/policy\.json"):
        read_policy(store, "shop")
