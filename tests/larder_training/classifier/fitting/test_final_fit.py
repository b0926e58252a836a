from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from larder_training.classifier.config.context import TrainingContext
from larder_training.classifier.config.options import ClassifierOptions, Limits
from larder_training.classifier.data.manifests import read_dataset
from larder_training.classifier.data.scan import scan
from larder_training.classifier.data.splits import split
from larder_training.classifier.fitting import final_fit as refitting
from larder_training.classifier.fitting.export import _less_likely
from larder_training.classifier.fitting.final_fit import FinalFitInputs, refit, with_ood_detector
from larder_training.classifier.heads.head import refit_head
from larder_training.classifier.selection.side_ablation import choose
from larder_training.classifier.selection.training_set import gather
from larder_training.classifier.train import _fit, choose_features
from larder_training.reporting.progress import Progress

QUIET = Progress(quiet=True)


@pytest.fixture(scope="module")
def settled(options: ClassifierOptions) -> FinalFitInputs:
    """Everything chosen for the generated photos, with one changed copy of each."""
    asked = replace(options, search=Limits(trials=2, hidden=False))
    context = TrainingContext(asked)
    features = choose_features(context)
    parts = split(scan(read_dataset(asked.data), QUIET), validation=0.15, test=0.15, seed=0)
    material = gather(features, parts, context)
    choice = choose(features, parts, material, (), partial(_fit, context, None), context)
    return FinalFitInputs(context, features, parts, choice, None)


def test_each_photo_judges_once_a_head_that_saw_neither_it_nor_its_like(settled: FinalFitInputs) -> None:
    taught = refit(settled, settled.features.model)
    assert taught.photos == (*settled.parts.parts["train"], *settled.parts.parts["validation"])
    assert len(taught.lessons.labels) == 2 * len(taught.photos)
    judged = np.concatenate([fold.photos for fold in taught.folds])
    assert sorted(judged) == list(range(len(taught.photos)))
    groups = np.array([checked.group for checked in taught.photos])
    for fold in taught.folds[:2]:
        others = np.flatnonzero(~np.isin(groups, groups[fold.photos]))
        rows = np.sort(np.concatenate([2 * others, 2 * others + 1]))
        assert len(others) == len(groups) - len(fold.photos)
        with threadpool_limits(1, user_api="blas"):  # as the folds are learnt: the last bits depend on it
            alone = refit_head(settled.choice.head, taught.lessons.subset(rows), parent=None, seed=0)
        np.testing.assert_array_equal(fold.head.weights, alone.weights)


def test_the_released_head_learns_from_validation_photos_too(settled: FinalFitInputs) -> None:
    taught = with_ood_detector(refit(settled, settled.features.model), refit(settled, settled.features.model))
    assert taught.refitted
    assert not np.allclose(taught.head.weights, settled.choice.head.weights)
    assert len(taught.head.held_out) == len(taught.photos)
    seen = taught.head.logits(taught.served)
    assert seen.argmax(axis=1).tolist() == taught.truth.tolist()


def test_of_many_rows_validation_alone_calibrates(settled: FinalFitInputs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refitting, "MAX_ROWS", 10)
    taught = refit(settled, settled.features.model)
    assert taught.photos == settled.parts.parts["validation"]
    assert taught.head is settled.choice.head
    np.testing.assert_array_equal(taught.logits(), taught.head.logits(taught.served))
    known = with_ood_detector(taught, taught).head
    assert len(known.held_out) == len(taught.photos) + len(settled.choice.head.held_out)


def test_chance_and_harm_are_told_apart_by_how_likely_the_labels_are(settled: FinalFitInputs) -> None:
    taught = refit(settled, settled.features.model)
    assert not _less_likely(taught, taught)
    assert _less_likely(replace(taught, served=np.zeros_like(taught.served)), taught)
