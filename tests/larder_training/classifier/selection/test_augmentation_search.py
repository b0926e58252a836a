import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.config.options import ClassifierOptions
from larder_training.classifier.data.manifests import read_dataset
from larder_training.classifier.data.scan import scan_images
from larder_training.classifier.data.splits import split_dataset
from larder_training.classifier.features.backbone import FeatureGraph
from larder_training.classifier.features.hog import feature_graph as builtin_graph
from larder_training.classifier.features.hog import image_spec
from larder_training.classifier.features.views import View
from larder_training.classifier.onnx.graph import optimise
from larder_training.classifier.selection import training_set
from larder_training.classifier.selection.augmentation_search import (
    AugmentationChoice,
    ViewFeatures,
    candidates,
    choose_augmentation,
    compare,
    jsonl,
    sections,
)
from larder_training.classifier.selection.training_set import build_training_set
from larder_training.reporting.html import render
from larder_training.reporting.progress import Progress
from larder_training.reporting.title import TitleBlock

QUIET = Progress(quiet=True)
ALL = candidates(("none", "weak", "medium", "strong"), (False, True), 2)


def synthetic(noise: Mapping[str, float], mirrored: float, images: int = 240) -> ViewFeatures:
    """Three classes along three axes; each image has noise of deviation 1, half of which each view draws again."""
    random = np.random.default_rng(3)
    labels = np.arange(images) % 3
    signal = np.zeros((images, 24))
    signal[np.arange(images), labels] = 2.5
    noise_of_image = random.normal(size=(images, 24))
    views = tuple(dict.fromkeys(view for choice in ALL for view in choice.views()))

    def view_of(view: View) -> NDArray[np.float64]:
        if view == View():
            return signal + noise_of_image
        damage = noise.get(view.strength, 0.0) + (mirrored if view.mirrored else 0.0)
        return np.where(
            random.random(signal.shape) < 0.5, noise_of_image, random.normal(size=signal.shape)
        ) + signal * (1 - damage)

    features = np.stack([view_of(view) for view in views], axis=1).astype(np.float32)
    return ViewFeatures(features, labels, np.arange(images), views)


def test_candidates_are_all_pairs_with_the_weakest_first() -> None:
    assert len(ALL) == 8
    assert ALL[0] == AugmentationChoice("none", 2, flip=False)
    assert [choice.name for choice in ALL[::2]] == ["none", "weak", "medium", "strong"]
    assert ALL[0].views() == (View(),)
    assert ALL[1].views() == (View(), View(mirrored=True))
    assert ALL[5].views() == (View(), View(mirrored=True), View("medium", 0), View("medium", 1, mirrored=True))


def test_augmentation_that_varies_only_the_noise_is_chosen() -> None:
    scores = compare(ALL, synthetic({"strong": 2.0}, mirrored=2.0), folds=3, progress=QUIET)
    chosen = choose_augmentation(scores).choice
    assert chosen.name in {"weak", "medium"}
    assert not chosen.flip
    by_choice = {(score.choice.name, score.choice.flip): score.loss for score in scores}
    assert by_choice["weak", False] < by_choice["none", False] < by_choice["strong", False]
    assert by_choice["none", False] < by_choice["none", True]


def test_no_augmentation_is_chosen_if_all_harm() -> None:
    harm = dict.fromkeys(("weak", "medium", "strong"), 2.0)
    scores = compare(ALL, synthetic(harm, mirrored=2.0), folds=3, progress=QUIET)
    assert choose_augmentation(scores).choice == ALL[0]


def test_a_difference_within_the_standard_error_counts_as_chance() -> None:
    scores = compare(ALL[:2], synthetic({}, mirrored=0.0), folds=3, progress=QUIET)
    best, other = (replace(scores[0], worse=w, standard_error=s) for w, s in ((0.02, 0.03), (0.0, 0.0)))
    assert choose_augmentation([best, other]) is best
    assert choose_augmentation([replace(best, worse=0.04), other]) is other


def test_a_comparison_is_repeatable() -> None:
    data = synthetic({}, mirrored=1.0)
    assert compare(ALL, data, folds=3, progress=QUIET) == compare(ALL, data, folds=3, progress=QUIET)


def test_all_candidates_are_listed() -> None:
    scores = compare(ALL[:3], synthetic({}, mirrored=1.0), folds=3, progress=QUIET)
    lines = [json.loads(line) for line in jsonl(scores).splitlines()]
    assert [(line["stage"], line["augment"], line["flip"]) for line in lines] == [
        ("augmentation", "none", False),
        ("augmentation", "none", True),
        ("augmentation", "weak", False),
    ]
    assert sum(line["chosen"] for line in lines) == 1
    (section,) = sections(scores)
    assert "(chosen)" in render(TitleBlock("a", "b"), [section])
    assert jsonl(()) == b""
    assert sections(()) == []


def built(options: ClassifierOptions) -> training_set.TrainingSet:
    parts = split_dataset(scan_images(read_dataset(options.data), QUIET), validation=0.15, test=0.15, seed=0)
    graph = optimise(builtin_graph(64), "basic")
    return build_training_set(FeatureGraph(graph, image_spec(None, None), {}), parts, ClassifierContext(options))


def test_auto_compares_and_explains(options: ClassifierOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    auto = replace(options, augment="auto", flip="auto")
    monkeypatch.setattr(training_set, "SEARCH_IMAGES", 36)
    built_set = built(auto)
    augmentation = built_set.augmentation
    assert len(built_set.compared) == 8
    assert augmentation["photos"] == 36
    compared = augmentation["compared"]
    assert isinstance(compared, list)
    assert sum(row["chosen"] for row in compared) == 1
    per_image = len(built_set.rows.augmented) // int((~built_set.rows.augmented).sum())
    assert per_image == len(AugmentationChoice(augmentation["strength"], 1, bool(augmentation["flip"])).views())  # type: ignore[arg-type]  # a name
    assert len(built_set.rows.features) == len(built_set.rows.labels) == len(built_set.rows.groups)


def test_a_stated_augmentation_is_not_compared(options: ClassifierOptions) -> None:
    built_set = built(replace(options, augment="weak", flip="yes"))
    assert built_set.compared == ()
    assert built_set.augmentation["chosen_by"] == "the options"
    assert built_set.augmentation["flip"] is True


def test_many_images_are_not_augmented(options: ClassifierOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_set, "MANY", 10)
    built_set = built(replace(options, augment="auto", flip="auto"))
    assert built_set.augmentation["strength"] == "none"
    assert not built_set.rows.augmented.any()


def test_the_cache_changes_no_number(options: ClassifierOptions, tmp_path: Path) -> None:
    uncached = built(replace(options, augment="auto"))
    for _ in range(2):
        cached = built(replace(options, augment="auto", cache=tmp_path))
        np.testing.assert_array_equal(cached.rows.features, uncached.rows.features)
        assert cached.compared == uncached.compared
