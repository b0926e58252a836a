import numpy as np
import pytest
from numpy.typing import NDArray

from larder_training.classifier.audit.label_errors import FOLDS, LabelCheck, assign_folds, find_label_errors
from larder_training.reporting.progress import Progress

QUIET = Progress(quiet=True)
CLASSES, EACH, WIDTH = 5, 60, 24

Made = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]


def clusters(noise: float, seed: int = 0, classes: int = CLASSES) -> Made:
    """Features of ``EACH`` images per class around its centre, their labels, and one group per image."""
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
def test_flipped_labels_are_found_with_few_false_alarms(noise: float) -> None:
    features, labels, groups = clusters(noise)
    wrong, flips = flipped(labels, 0.05)
    found = judge((features, wrong, groups))
    assert len(flips & set(found.label_errors)) >= 0.9 * len(flips)
    assert len(found.label_errors) <= 2 * len(flips)
    assert all(found.probabilities[i].argmax() == labels[i] for i in flips & set(found.label_errors))


def test_correct_labels_of_easy_classes_give_no_label_errors() -> None:
    assert judge(clusters(0.5)).label_errors == ()


def test_the_least_confident_label_errors_come_first() -> None:
    features, labels, groups = clusters(1.0)
    wrong, _ = flipped(labels, 0.1)
    found = judge((features, wrong, groups))
    own = found.probabilities[np.arange(len(wrong)), wrong][list(found.label_errors)]
    assert (np.diff(own) >= 0).all()
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-5)


def test_few_images_of_a_hard_class_are_label_errors() -> None:
    # GIVEN two classes that cannot be distinguished
    features, labels, groups = clusters(0.5)
    features[labels == 1] = clusters(0.5, seed=3)[0][labels == 0] - clusters(0.5, seed=3)[0][labels == 0].mean(axis=0)
    features[labels == 1] += features[labels == 0].mean(axis=0)
    found = judge((features, labels, groups))
    # THEN half of the images are predicted as the other class, and few are label errors
    mistaken = (found.probabilities.argmax(axis=1) != labels).sum()
    assert mistaken > EACH // 2
    assert len(found.label_errors) < mistaken / 4


def test_a_label_error_is_found_in_a_group_of_near_duplicates() -> None:
    # GIVEN every third image of a class three times with a wrong label; copies in another fold would confirm it
    features, labels, groups = clusters(0.5)
    wrong, flips = flipped(labels, 0.05)
    again = np.repeat(sorted(flips), 3)
    made = (
        np.concatenate([features, features[again]]),
        np.concatenate([wrong, wrong[again]]),
        np.concatenate([groups, groups[again]]),
    )
    assert set(judge(made).label_errors) >= flips


def test_groups_stay_in_one_fold_and_classes_are_in_all_folds() -> None:
    labels = np.repeat(np.arange(3), [40, 6, 2])
    groups = np.concatenate([np.arange(40) // 2, 100 + np.arange(6) // 3, [200, 201]])
    folds = assign_folds(labels, groups, seed=0)
    for group in np.unique(groups):
        assert len(set(folds[groups == group])) == 1
    assert sorted(set(folds[labels == 0])) == list(range(FOLDS))
    assert len(set(folds[labels == 1])) == 2
    assert len(set(folds[labels == 2])) == 2
    assert (assign_folds(labels, groups, seed=0) == folds).all()


def test_two_classes_and_a_class_of_two_images_are_checked() -> None:
    features, labels, groups = clusters(0.3, classes=2)
    keep = np.flatnonzero((labels == 0) | (np.arange(len(labels)) >= len(labels) - 2))
    found = judge((features[keep], labels[keep], groups[keep]))
    assert found.probabilities.shape == (EACH + 2, 2)
    wrong = labels[keep].copy()
    wrong[7] = 1
    assert 7 in judge((features[keep], wrong, groups[keep])).label_errors


def test_a_fold_is_fitted_on_a_bounded_sample_and_every_label_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("larder_training.classifier.audit.label_errors.MAX_ROWS", 100)
    features, labels, groups = clusters(0.5)
    wrong, flips = flipped(labels, 0.05)
    assert flips <= set(judge((features, wrong, groups)).label_errors)


def test_the_same_seed_gives_the_same_bits() -> None:
    one, two = judge(clusters(1.0)), judge(clusters(1.0))
    assert one.probabilities.tobytes() == two.probabilities.tobytes()
    assert one.label_errors == two.label_errors
