import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from larder_training.classifier.config.context import TrainingContext
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
    Examples,
    candidates,
    choose,
    compare,
    jsonl,
    sections,
)
from larder_training.classifier.selection.training_set import gather
from larder_training.reporting.html import render
from larder_training.reporting.progress import Progress

QUIET = Progress(quiet=True)
ALL = candidates(("none", "weak", "medium", "strong"), (False, True), 2)


def made_up(noise: Mapping[str, float], mirrored: float, photos: int = 240) -> Examples:
    """Three classes along three axes. A photo hides its class in noise of 1 that all but some of its views redraw."""
    random = np.random.default_rng(3)
    labels = np.arange(photos) % 3
    signal = np.zeros((photos, 24))
    signal[np.arange(photos), labels] = 2.5
    own = random.normal(size=(photos, 24))
    views = tuple(dict.fromkeys(view for choice in ALL for view in choice.views()))

    def seen(view: View) -> NDArray[np.float64]:
        if view == View():
            return signal + own
        spoilt = noise.get(view.strength, 0.0) + (mirrored if view.mirrored else 0.0)
        return np.where(random.random(signal.shape) < 0.5, own, random.normal(size=own.shape)) + signal * (1 - spoilt)

    feature_graph = np.stack([seen(view) for view in views], axis=1).astype(np.float32)
    return Examples(feature_graph, labels, np.arange(photos), views)


def test_the_choices_are_every_pair_with_the_least_change_first() -> None:
    assert len(ALL) == 8
    assert ALL[0] == AugmentationChoice("none", 2, flip=False)
    assert [choice.name for choice in ALL[::2]] == ["none", "weak", "medium", "strong"]
    assert ALL[0].views() == (View(),)
    assert ALL[1].views() == (View(), View(mirrored=True))
    assert ALL[5].views() == (View(), View(mirrored=True), View("medium", 0), View("medium", 1, mirrored=True))


def test_views_that_vary_the_noise_alone_are_chosen() -> None:
    judged = compare(ALL, made_up({"strong": 2.0}, mirrored=2.0), folds=3, progress=QUIET)
    chosen = choose(judged).choice
    assert chosen.name in {"weak", "medium"}
    assert not chosen.flip
    by_choice = {(one.choice.name, one.choice.flip): one.loss for one in judged}
    assert by_choice["weak", False] < by_choice["none", False] < by_choice["strong", False]
    assert by_choice["none", False] < by_choice["none", True]


def test_nothing_is_changed_where_every_change_hurts() -> None:
    spoiling = dict.fromkeys(("weak", "medium", "strong"), 2.0)
    judged = compare(ALL, made_up(spoiling, mirrored=2.0), folds=3, progress=QUIET)
    assert choose(judged).choice == ALL[0]


def test_a_difference_that_may_be_chance_changes_nothing() -> None:
    judged = compare(ALL[:2], made_up({}, mirrored=0.0), folds=3, progress=QUIET)
    best, other = (replace(judged[0], worse=w, standard_error=s) for w, s in ((0.02, 0.03), (0.0, 0.0)))
    assert choose([best, other]) is best
    assert choose([replace(best, worse=0.04), other]) is other


def test_the_same_choices_come_again() -> None:
    examples = made_up({}, mirrored=1.0)
    assert compare(ALL, examples, folds=3, progress=QUIET) == compare(ALL, examples, folds=3, progress=QUIET)


def test_every_choice_is_told() -> None:
    judged = compare(ALL[:3], made_up({}, mirrored=1.0), folds=3, progress=QUIET)
    lines = [json.loads(line) for line in jsonl(judged).splitlines()]
    assert [(line["stage"], line["augment"], line["flip"]) for line in lines] == [
        ("augmentation", "none", False),
        ("augmentation", "none", True),
        ("augmentation", "weak", False),
    ]
    assert sum(line["chosen"] for line in lines) == 1
    (section,) = sections(judged)
    assert "(chosen)" in render("t", [section])
    assert jsonl(()) == b""
    assert sections(()) == []


def gathered(options: ClassifierOptions) -> training_set.TrainingSet:
    parts = split_dataset(scan_images(read_dataset(options.data), QUIET), validation=0.15, test=0.15, seed=0)
    graph = optimise(builtin_graph(64), "basic")
    return gather(FeatureGraph(graph, image_spec(None, None), {}), parts, TrainingContext(options))


def test_auto_compares_and_tells_why(options: ClassifierOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    auto = replace(options, augment="auto", flip="auto")
    monkeypatch.setattr(training_set, "CHOICE_PHOTOS", 36)
    material = gathered(auto)
    told = material.augmentation
    assert len(material.compared) == 8
    assert told["photos"] == 36
    compared = told["compared"]
    assert isinstance(compared, list)
    assert sum(one["chosen"] for one in compared) == 1
    each = len(material.rows.augmented) // int((~material.rows.augmented).sum())
    assert each == len(AugmentationChoice(told["strength"], 1, bool(told["flip"])).views())  # type: ignore[arg-type]  # a name
    assert len(material.rows.features) == len(material.rows.labels) == len(material.rows.groups)


def test_what_the_options_say_is_not_compared(options: ClassifierOptions) -> None:
    material = gathered(replace(options, augment="weak", flip="yes"))
    assert material.compared == ()
    assert material.augmentation["chosen_by"] == "the options"
    assert material.augmentation["flip"] is True


def test_many_photos_are_left_as_they_are(options: ClassifierOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_set, "MANY", 10)
    material = gathered(replace(options, augment="auto", flip="auto"))
    assert material.augmentation["strength"] == "none"
    assert not material.rows.augmented.any()


def test_the_cache_changes_no_number(options: ClassifierOptions, tmp_path: Path) -> None:
    plain = gathered(replace(options, augment="auto"))
    for _ in range(2):
        cached = gathered(replace(options, augment="auto", cache=tmp_path))
        np.testing.assert_array_equal(cached.rows.features, plain.rows.features)
        assert cached.compared == plain.compared
