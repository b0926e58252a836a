from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from larder_training.classifier.config.context import TrainingContext
from larder_training.classifier.config.options import ClassifierOptions, SearchLimits
from larder_training.classifier.data.manifests import read_dataset
from larder_training.classifier.data.scan import scan_images
from larder_training.classifier.data.splits import split_dataset
from larder_training.classifier.fitting import final_fit as refitting
from larder_training.classifier.fitting.final_fit import FinalFitInputs, fit_final_head, with_ood_detector
from larder_training.classifier.fitting.quantize import less_likely
from larder_training.classifier.heads.head import refit_head
from larder_training.classifier.selection.side_ablation import choose_fusion
from larder_training.classifier.selection.training_set import build_training_set
from larder_training.classifier.train import _fit, choose_features
from larder_training.reporting.progress import Progress

QUIET = Progress(quiet=True)


@pytest.fixture(scope="module")
def inputs(options: ClassifierOptions) -> FinalFitInputs:
    """Everything chosen for the generated photos, with one changed copy of each."""
    asked = replace(options, search=SearchLimits(trials=2, hidden=False))
    context = TrainingContext(asked)
    features = choose_features(context)
    parts = split_dataset(scan_images(read_dataset(asked.data), QUIET), validation=0.15, test=0.15, seed=0)
    material = build_training_set(features, parts, context)
    choice = choose_fusion(features, parts, material, (), partial(_fit, context, None), context)
    return FinalFitInputs(context, features, parts, choice, None)


def test_each_photo_judges_once_a_head_that_saw_neither_it_nor_its_like(inputs: FinalFitInputs) -> None:
    fit = fit_final_head(inputs, inputs.features.model)
    assert fit.samples == (*inputs.split.parts["train"], *inputs.split.parts["validation"])
    assert len(fit.rows.labels) == 2 * len(fit.samples)
    judged = np.concatenate([fold.held_out for fold in fit.folds])
    assert sorted(judged) == list(range(len(fit.samples)))
    groups = np.array([checked.group for checked in fit.samples])
    for fold in fit.folds[:2]:
        others = np.flatnonzero(~np.isin(groups, groups[fold.held_out]))
        rows = np.sort(np.concatenate([2 * others, 2 * others + 1]))
        assert len(others) == len(groups) - len(fold.held_out)
        with threadpool_limits(1, user_api="blas"):  # as the folds are learnt: the last bits depend on it
            alone = refit_head(inputs.fusion.head, fit.rows.subset(rows), parent=None, seed=0)
        np.testing.assert_array_equal(fold.head.weights, alone.weights)


def test_the_released_head_learns_from_validation_photos_too(inputs: FinalFitInputs) -> None:
    fit = with_ood_detector(
        fit_final_head(inputs, inputs.features.model), fit_final_head(inputs, inputs.features.model)
    )
    assert fit.refitted
    assert not np.allclose(fit.head.weights, inputs.fusion.head.weights)
    assert len(fit.head.held_out_scores) == len(fit.samples)
    seen = fit.head.logits(fit.inputs)
    assert seen.argmax(axis=1).tolist() == fit.truth.tolist()


def test_of_many_rows_validation_alone_calibrates(inputs: FinalFitInputs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refitting, "MAX_ROWS", 10)
    fit = fit_final_head(inputs, inputs.features.model)
    assert fit.samples == inputs.split.parts["validation"]
    assert fit.head is inputs.fusion.head
    np.testing.assert_array_equal(fit.logits(), fit.head.logits(fit.inputs))
    known = with_ood_detector(fit, fit).head
    assert len(known.held_out_scores) == len(fit.samples) + len(inputs.fusion.head.held_out_scores)


def test_chance_and_harm_are_told_apart_by_how_likely_the_labels_are(inputs: FinalFitInputs) -> None:
    fit = fit_final_head(inputs, inputs.features.model)
    assert not less_likely(fit, fit)
    assert less_likely(replace(fit, inputs=np.zeros_like(fit.inputs)), fit)
