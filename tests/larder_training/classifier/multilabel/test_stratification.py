import numpy as np
import pytest

from larder_training.classifier.multilabel.prototypes import LEAST_GROUPS, disjoint_classes
from larder_training.classifier.multilabel.stratification import iterative_stratification


def test_labels_of_every_frequency_are_shared_out_by_the_shares() -> None:
    random = np.random.default_rng(1)
    truth = random.random((600, 5)) < np.array([0.5, 0.3, 0.1, 0.05, 0.02])
    parts = iterative_stratification(truth, np.arange(600), [0.7, 0.15, 0.15])
    for label in range(5):
        counts = np.bincount(parts[truth[:, label]], minlength=3)
        assert counts == pytest.approx(truth[:, label].sum() * np.array([0.7, 0.15, 0.15]), abs=3)
        assert counts.min() > 0
    assert np.bincount(parts) == pytest.approx([420, 90, 90], abs=8)


def test_a_group_is_in_one_part_and_a_label_of_five_groups_in_each() -> None:
    truth = np.zeros((90, 2), np.bool_)
    truth[:30, 0] = truth[25:40, 1] = True
    groups = np.arange(90) // 3  # label 1 is in groups 8 to 13
    parts = iterative_stratification(truth, groups, [0.7, 0.15, 0.15])
    assert all(len(set(parts[groups == group].tolist())) == 1 for group in range(30))
    assert all(set(parts[truth[:, label]].tolist()) == {0, 1, 2} for label in range(2))


def test_a_label_that_always_comes_with_another_is_in_every_part() -> None:
    truth = np.zeros((40, 3), np.bool_)
    truth[:20, 0] = truth[:5, 1] = truth[2:7, 2] = True
    parts = iterative_stratification(truth, np.arange(40), [0.7, 0.15, 0.15])
    assert all(set(parts[truth[:, label]].tolist()) == {0, 1, 2} for label in range(3))


def test_the_order_decides_between_equal_images_and_images_without_a_label_are_shared_out_too() -> None:
    truth, groups = np.zeros((20, 2), np.bool_), np.arange(20)
    truth[:10, 0] = True
    forwards = iterative_stratification(truth, groups, [0.5, 0.5])
    backwards = iterative_stratification(truth, groups, [0.5, 0.5], list(range(19, -1, -1)))
    assert np.bincount(forwards[10:]).tolist() == np.bincount(backwards[10:]).tolist() == [5, 5]
    assert forwards.tolist() != backwards.tolist()
    assert forwards.tolist() == iterative_stratification(truth, groups, [0.5, 0.5]).tolist()


def test_disjoint_classes_are_the_rarest_labels_with_enough_groups() -> None:
    truth = np.zeros((40, 3), np.bool_)
    truth[:30, 0] = truth[:10, 1] = truth[:2, 2] = True  # label 2 has two groups only
    classes = disjoint_classes(truth, np.arange(40))
    assert len(set(classes[:10])) == len(set(classes[10:30])) == len(set(classes[30:])) == 1
    assert len({classes[0], classes[10], classes[30]}) == 3
    assert min(np.bincount(classes)) >= LEAST_GROUPS
    few = disjoint_classes(truth[:31], np.arange(31))  # one image without a label does not make a class
    assert few[30] == few[10]
