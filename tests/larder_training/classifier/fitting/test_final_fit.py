from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.config.options import ClassifierOptions, SearchLimits
from larder_training.classifier.data.manifests import read_dataset
from larder_training.classifier.data.scan import scan_images
from larder_training.classifier.data.splits import split_dataset
from larder_training.classifier.fitting import final_fit
from larder_training.classifier.fitting.final_fit import FinalFitInputs, fit_final_head, with_ood_detector
from larder_training.classifier.fitting.quantize import less_likely
from larder_training.classifier.heads.head import refit_head
from larder_training.classifier.selection.backbone_choice import load_features
from larder_training.classifier.selection.side_ablation import choose_fusion
from larder_training.classifier.selection.training_set import build_training_set
from larder_training.classifier.train import _fit
from larder_training.reporting.progress import Progress

QUIET = Progress(quiet=True)


@pytest.fixture(scope="module")
def inputs(options: ClassifierOptions) -> FinalFitInputs:
    """The choices for the generated images, with one augmented copy of each."""
    changed = replace(options, search=SearchLimits(trials=2, hidden=False))
    context = ClassifierContext(changed)
    features = load_features("none", context)
    split = split_dataset(scan_images(read_dataset(changed.data), QUIET), validation=0.15, test=0.15, seed=0)
    training_set = build_training_set(features, split, context)
    fusion = choose_fusion(features, split, training_set, (), partial(_fit, context, None), context)
    return FinalFitInputs(context, features, split, fusion, None)


def test_each_image_is_held_out_once_together_with_its_near_duplicates(inputs: FinalFitInputs) -> None:
    fit = fit_final_head(inputs, inputs.features.model)
    assert fit.samples == (*inputs.split.parts["train"], *inputs.split.parts["validation"])
    assert len(fit.rows.labels) == 2 * len(fit.samples)
    held_out = np.concatenate([fold.held_out for fold in fit.folds])
    assert sorted(held_out) == list(range(len(fit.samples)))
    groups = np.array([sample.group for sample in fit.samples])
    for fold in fit.folds[:2]:
        others = np.flatnonzero(~np.isin(groups, groups[fold.held_out]))
        rows = np.sort(np.concatenate([2 * others, 2 * others + 1]))
        assert len(others) == len(groups) - len(fold.held_out)
        with threadpool_limits(1, user_api="blas"):  # as in the final fit: the last bits depend on it
            alone = refit_head(inputs.fusion.head, fit.rows.subset(rows), parent=None, seed=0)
        np.testing.assert_array_equal(fold.head.weights, alone.weights)


def test_the_released_head_is_fitted_on_validation_images_too(inputs: FinalFitInputs) -> None:
    float_fit = fit_final_head(inputs, inputs.features.model)
    fit = with_ood_detector(float_fit, float_fit)
    assert fit.refitted
    assert not np.allclose(fit.head.weights, inputs.fusion.head.weights)
    assert len(fit.head.held_out_scores) == len(fit.samples)
    logits = fit.head.logits(fit.inputs)
    assert logits.argmax(axis=1).tolist() == fit.truth.tolist()


def test_with_many_rows_the_validation_part_calibrates(inputs: FinalFitInputs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(final_fit, "MAX_ROWS", 10)
    fit = fit_final_head(inputs, inputs.features.model)
    assert fit.samples == inputs.split.parts["validation"]
    assert fit.head is inputs.fusion.head
    np.testing.assert_array_equal(fit.logits(), fit.head.logits(fit.inputs))
    head = with_ood_detector(fit, fit).head
    assert len(head.held_out_scores) == len(fit.samples) + len(inputs.fusion.head.held_out_scores)


def test_harm_is_detected_by_the_likelihood_of_the_labels(inputs: FinalFitInputs) -> None:
    fit = fit_final_head(inputs, inputs.features.model)
    assert not less_likely(fit, fit)
    assert less_likely(replace(fit, inputs=np.zeros_like(fit.inputs)), fit)
