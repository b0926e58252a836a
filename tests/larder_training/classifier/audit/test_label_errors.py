import numpy as np
import pytest
from numpy.typing import NDArray

from larder_training.classifier.audit.label_errors import FOLDS, LabelCheck, assign_folds, find_label_errors
from larder_training.reporting.progress import Progress

QUIET = Progress(quiet=True)
CLASSES, EACH, WIDTH = 5, 60, 24

Made = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]


def clusters(noise: float, seed: int = 0, classes: int = CLASSES) -> Made:
    """Features of ``EACH`` photos a class around its own centre, their labels, and a group for each."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), EACH)
    centres = random.normal(0, 1, (classes, WIDTH))
    features = centres[labels] + random.normal(0, noise, (len(labels), WIDTH))
    return features.astype(np.float32), labels, np.arange(len(labels))


def flipped(labels: NDArray[np.int64], share: float, seed: int = 1) -> tuple[NDArray[np.int64], set[int]]:
    random = np.random.default_rng(seed)
    taken = random.choice(len(labels), round(share * len(labels)), replace=False)
    changed = labels.copy()
    classes = labels.max() + 1
    changed[taken] = (labels[taken] + random.integers(1, classes, len(taken))) % classes
    return changed, {int(position) for position in taken}


def judge(made: Made, seed: int = 0) -> LabelCheck:
    return find_label_errors(*made, seed=seed, progress=QUIET)


@pytest.mark.parametrize("noise", [0.5, 1.0])
def test_flipped_labels_are_found_in_a_short_list(noise: float) -> None:
    features, labels, groups = clusters(noise)
    wrong, flips = flipped(labels, 0.05)
    found = judge((features, wrong, groups))
    assert len(flips & set(found.label_errors)) >= 0.9 * len(flips)
    assert len(found.label_errors) <= 2 * len(flips)
    assert all(found.probabilities[i].argmax() == labels[i] for i in flips & set(found.label_errors))


def test_right_labels_of_classes_that_are_easy_give_an_empty_list() -> None:
    assert judge(clusters(0.5)).label_errors == ()


def test_the_least_confident_come_first() -> None:
    features, labels, groups = clusters(1.0)
    wrong, _ = flipped(labels, 0.1)
    found = judge((features, wrong, groups))
    own = found.probabilities[np.arange(len(wrong)), wrong][list(found.label_errors)]
    assert (np.diff(own) >= 0).all()
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-5)


def test_a_class_that_is_hard_as_a_whole_is_not_listed_as_a_whole() -> None:
    # GIVEN two classes that nobody can tell apart
    features, labels, groups = clusters(0.5)
    features[labels == 1] = clusters(0.5, seed=3)[0][labels == 0] - clusters(0.5, seed=3)[0][labels == 0].mean(axis=0)
    features[labels == 1] += features[labels == 0].mean(axis=0)
    found = judge((features, labels, groups))
    # THEN half of them are mistaken for the other, and few stand out
    mistaken = (found.probabilities.argmax(axis=1) != labels).sum()
    assert mistaken > EACH // 2
    assert len(found.label_errors) < mistaken / 4


def test_a_wrong_label_is_found_beside_its_near_duplicates_with_the_same_wrong_label() -> None:
    # GIVEN every third photo of a class three times, wrongly labelled: its copies would vouch for it in another fold
    features, labels, groups = clusters(0.5)
    wrong, flips = flipped(labels, 0.05)
    again = np.repeat(sorted(flips), 3)
    made = (
        np.concatenate([features, features[again]]),
        np.concatenate([wrong, wrong[again]]),
        np.concatenate([groups, groups[again]]),
    )
    assert set(judge(made).label_errors) >= flips


def test_groups_are_never_torn_and_classes_are_spread() -> None:
    labels = np.repeat(np.arange(3), [40, 6, 2])
    groups = np.concatenate([np.arange(40) // 2, 100 + np.arange(6) // 3, [200, 201]])
    folds = assign_folds(labels, groups, seed=0)
    for group in np.unique(groups):
        assert len(set(folds[groups == group])) == 1
    assert sorted(set(folds[labels == 0])) == list(range(FOLDS))
    assert len(set(folds[labels == 1])) == 2
    assert len(set(folds[labels == 2])) == 2
    assert (assign_folds(labels, groups, seed=0) == folds).all()


def test_two_classes_and_a_class_of_two_photos_are_judged() -> None:
    features, labels, groups = clusters(0.3, classes=2)
    keep = np.flatnonzero((labels == 0) | (np.arange(len(labels)) >= len(labels) - 2))
    found = judge((features[keep], labels[keep], groups[keep]))
    assert found.probabilities.shape == (EACH + 2, 2)
    wrong = labels[keep].copy()
    wrong[7] = 1
    assert 7 in judge((features[keep], wrong, groups[keep])).label_errors


def test_a_fold_learns_from_a_bounded_draw_and_everyone_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("larder_training.classifier.audit.label_errors.MAX_ROWS", 100)
    features, labels, groups = clusters(0.5)
    wrong, flips = flipped(labels, 0.05)
    assert flips <= set(judge((features, wrong, groups)).label_errors)


def test_the_same_seed_gives_the_same_bits() -> None:
    one, two = judge(clusters(1.0)), judge(clusters(1.0))
    assert one.probabilities.tobytes() == two.probabilities.tobytes()
    assert one.label_errors == two.label_errors
