"""Whether the learning curve says what is so: on blobs whose overlap decides what more photos can bring."""

import re

import numpy as np
import pytest

from larder_training.classifier.config.context import TrainingContext
from larder_training.classifier.config.options import ClassifierOptions
from larder_training.classifier.heads.config import HeadConfig
from larder_training.classifier.heads.training_rows import TrainingRows
from larder_training.classifier.heads.trials import HeadTrial
from larder_training.classifier.selection.learning_curve import (
    SHARES,
    LearningCurve,
    _share,
    curve_section,
    learning_curve,
)
from larder_training.reporting.html import render

TRIAL = HeadTrial(1, HeadConfig(l2=0.01), 0.5, 0.1, 0.9, (0.5,), 1.0)


def material(photos: int, apart: float, *, dimensions: int = 20, copies: int = 0) -> TrainingRows:
    """Two classes of normal features whose means differ by ``apart`` in each dimension."""
    random = np.random.default_rng(3)
    labels = np.repeat(np.arange(photos) % 2, 1 + copies)
    features = random.normal(size=(len(labels), dimensions)) + apart * labels[:, None]
    groups = np.repeat(np.arange(photos), 1 + copies)
    changed = np.tile(np.arange(1 + copies) > 0, photos)
    return TrainingRows(features.astype(np.float32), labels, groups, changed)


def context(seed: int) -> TrainingContext:
    return TrainingContext(ClassifierOptions("images", "test", seed=seed))


def curve(given: TrainingRows, seed: int = 0) -> LearningCurve:
    found = learning_curve(given, TRIAL, context(seed))
    assert found is not None
    return found


def test_hard_classes_of_many_dimensions_would_gain_from_more_photos() -> None:
    found = curve(material(300, 0.25, dimensions=60))
    assert found.accuracy[-1] > found.accuracy[0] + 0.05
    assert found.gain > 0.01
    assert found.verdict().startswith("More photos would help.")


def test_easy_classes_would_not() -> None:
    found = curve(material(600, 2.0))
    assert found.accuracy[-1] > 0.99
    assert found.verdict().startswith("More photos of the same kind would hardly help")


def test_few_photos_say_that_they_cannot_tell() -> None:
    found = curve(material(24, 0.5))
    assert found.verdict().startswith("Whether more photos would help cannot be told from 24 photos")


def test_each_photo_is_judged_once_and_shares_grow_to_all_that_is_not_held_out() -> None:
    found = curve(material(90, 0.4))
    assert found.judged == 90
    assert found.photos == (6, 12, 24, 42, 60)
    assert len(found.accuracy) == len(found.errors) == len(SHARES)
    for rate, error in zip(found.accuracy, found.errors, strict=True):
        assert error == pytest.approx(np.sqrt(rate * (1 - rate) / 90))


def test_changed_copies_neither_teach_nor_judge() -> None:
    given = material(90, 0.4, copies=2)
    kept = ~given.augmented
    plain = given.subset(np.flatnonzero(kept))
    assert curve(given).judged == 90
    assert curve(given).photos == curve(plain).photos


def test_the_gain_is_a_paired_difference_per_doubling() -> None:
    before = np.array([True] * 80 + [False] * 20)
    after = np.array([True] * 85 + [False] * 15)  # five more, none lost
    found = LearningCurve.of([10, 20, 40, 70, 100], [before, before, before, after, after])
    assert found.gain == pytest.approx(0.05 / np.log2(2.5))
    assert found.doubt == pytest.approx(np.sqrt(0.05 * 0.95 / 100) / np.log2(2.5))


def test_shares_hold_each_other_keep_groups_whole_and_keep_every_class() -> None:
    random = np.random.default_rng(0)
    groups = random.integers(0, 40, 200)
    labels = (groups % 7 == 0).astype(np.int64)
    before: set[int] = set()
    for share in SHARES:
        taken = _share(labels, groups, share, seed=5)
        assert before <= set(taken)
        assert set(labels[taken]) == {0, 1}
        left = np.setdiff1d(np.arange(200), taken)
        assert not set(groups[taken]) & set(groups[left])
        before = set(taken)
    assert len(before) == 200


def test_the_same_material_draws_the_same_section_and_another_seed_another() -> None:
    given = material(60, 0.3)
    pages = [render("x", [curve_section(curve(given, seed))]) for seed in (0, 0, 1)]
    assert pages[0] == pages[1] != pages[2]
    assert re.search(r"<h2>Would more photos help\?</h2>", pages[0])


def test_a_class_of_one_photo_gives_no_curve_and_the_report_says_so() -> None:
    given = material(20, 1.0)
    given.labels[:] = 0
    given.labels[0] = 1
    assert learning_curve(given, TRIAL, context(0)) is None
    assert "too few photos" in render("x", [curve_section(None)])
