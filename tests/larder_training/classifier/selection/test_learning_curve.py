"""The learning curve on blobs whose overlap decides whether more images help."""

import re

import numpy as np
import pytest

from larder_training.classifier.config.context import ClassifierContext
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
from larder_training.reporting.title import TitleBlock

TRIAL = HeadTrial(1, HeadConfig(l2=0.01), 0.5, 0.1, 0.9, (0.5,), 1.0)


def blobs(images: int, distance: float, *, dimensions: int = 20, copies: int = 0) -> TrainingRows:
    """Two classes of normal features whose means differ by ``distance`` in each dimension."""
    random = np.random.default_rng(3)
    labels = np.repeat(np.arange(images) % 2, 1 + copies)
    features = random.normal(size=(len(labels), dimensions)) + distance * labels[:, None]
    groups = np.repeat(np.arange(images), 1 + copies)
    augmented = np.tile(np.arange(1 + copies) > 0, images)
    return TrainingRows(features.astype(np.float32), labels, groups, augmented)


def context(seed: int) -> ClassifierContext:
    return ClassifierContext(ClassifierOptions("images", "test", seed=seed))


def curve(rows: TrainingRows, seed: int = 0) -> LearningCurve:
    result = learning_curve(rows, TRIAL, context(seed))
    assert result is not None
    return result


def test_hard_classes_of_many_dimensions_gain_from_more_images() -> None:
    result = curve(blobs(300, 0.25, dimensions=60))
    assert result.accuracy[-1] > result.accuracy[0] + 0.05
    assert result.gain > 0.01
    assert result.verdict().startswith("More images would help.")


def test_easy_classes_do_not() -> None:
    result = curve(blobs(600, 2.0))
    assert result.accuracy[-1] > 0.99
    assert result.verdict().startswith("More images of the same kind would hardly help")


def test_a_curve_from_few_images_is_inconclusive() -> None:
    result = curve(blobs(24, 0.5))
    assert result.verdict().startswith("24 images are too few")


def test_each_image_is_held_out_once_and_shares_grow_to_all_training_images() -> None:
    result = curve(blobs(90, 0.4))
    assert result.held_out == 90
    assert result.images == (6, 12, 24, 42, 60)
    assert len(result.accuracy) == len(result.errors) == len(SHARES)
    for rate, error in zip(result.accuracy, result.errors, strict=True):
        assert error == pytest.approx(np.sqrt(rate * (1 - rate) / 90))


def test_augmented_views_are_neither_fitted_nor_evaluated() -> None:
    rows = blobs(90, 0.4, copies=2)
    plain = rows.subset(np.flatnonzero(~rows.augmented))
    assert curve(rows).held_out == 90
    assert curve(rows).images == curve(plain).images


def test_the_gain_is_a_paired_difference_per_doubling() -> None:
    before = np.array([True] * 80 + [False] * 20)
    after = np.array([True] * 85 + [False] * 15)  # five more, none lost
    result = LearningCurve.of([10, 20, 40, 70, 100], [before, before, before, after, after])
    assert result.gain == pytest.approx(0.05 / np.log2(2.5))
    assert result.gain_error == pytest.approx(np.sqrt(0.05 * 0.95 / 100) / np.log2(2.5))


def test_shares_are_nested_and_keep_groups_and_classes() -> None:
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


def test_the_section_depends_on_the_seed_alone() -> None:
    rows = blobs(60, 0.3)
    pages = [render(TitleBlock("a", "b"), [curve_section(curve(rows, seed))]) for seed in (0, 0, 1)]
    assert pages[0] == pages[1] != pages[2]
    assert re.search(r"<h2 id=[^>]*>Would more images help\?</h2>", pages[0])


def test_a_class_of_one_image_gives_no_curve() -> None:
    rows = blobs(20, 1.0)
    rows.labels[:] = 0
    rows.labels[0] = 1
    assert learning_curve(rows, TRIAL, context(0)) is None
    assert "too few images" in render(TitleBlock("a", "b"), [curve_section(None)])
