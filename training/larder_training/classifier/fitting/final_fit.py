"""The final fit: the chosen head on the training and validation images together.

The head is fitted on the features of the graph that is released, so that it absorbs the error of int8. Calibration
needs predictions for images that a head was not fitted on, so they are made out of fold: the images are cut into
folds, and each fold is predicted by a head that is fitted on the others with the same hyperparameters (Stone, 1974,
"Cross-Validatory Choice and Assessment of Statistical Predictions"). Near-duplicates stay in one fold.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from os import cpu_count
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.model_selection import StratifiedGroupKFold

from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.data.labels import label_indices
from larder_training.classifier.data.scan import Sample
from larder_training.classifier.data.splits import DatasetSplit
from larder_training.classifier.features.backbone import FeatureGraph
from larder_training.classifier.features.extract import FeatureExtractor
from larder_training.classifier.features.views import Views, plain_views
from larder_training.classifier.fitting.warm_start import ParentRelease
from larder_training.classifier.heads.config import ParentHead
from larder_training.classifier.heads.head import Head, fit_ood_detector, refit_head
from larder_training.classifier.heads.search import LEAST_LIKELIHOOD, MAX_ROWS, fewest_groups
from larder_training.classifier.heads.training_rows import TrainingRows
from larder_training.classifier.metrics import calibration
from larder_training.classifier.selection.side_ablation import FusionChoice
from larder_training.classifier.selection.training_set import groups_of
from larder_training.numerics.arrays import Floats
from larder_training.numerics.blas import single_threaded_blas
from larder_training.numerics.memmap import chunks, release_pages

FOLDS: Final = 10  # at most: each fold's head then sees nearly as many images as the released one

Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FinalFitInputs:
    """The choices of a training, and the images that the final fit uses.

    Attributes:
        context: Options and progress.
        features: The float feature graph.
        split: The images by part.
        fusion: The chosen head, with its training set and the columns in addition to the features.
        parent: The release that the training starts from, if any.
    """

    context: ClassifierContext
    features: FeatureGraph
    split: DatasetSplit
    fusion: FusionChoice
    parent: ParentRelease | None

    @property
    def samples(self) -> tuple[Sample, ...]:
        """The training images, then the validation images."""
        return (*self.split.parts["train"], *self.split.parts["validation"])

    @property
    def refits(self) -> bool:
        """Whether the head is fitted on validation images too.

        It is not for more than ``search.MAX_ROWS`` rows: the validation part is then large enough to calibrate with,
        and more images for the head add little.
        """
        return len(self.samples) * len(self.fusion.training_set.views.per_image) <= MAX_ROWS

    def served_inputs(self, model: onnx.ModelProto, samples: Sequence[Sample]) -> Floats:
        """The head's inputs ``[N, D]`` for images as they are served, by this feature graph."""
        return self.joined(self._extract(model, plain_views(samples, self.features.image_spec)), samples)

    def joined(self, features: Floats, samples: Sequence[Sample]) -> Floats:
        """Features of images as they are served, with the additional columns appended."""
        additional, views = self.fusion.additional, plain_views(samples, self.features.image_spec)
        return additional.append(features, additional.values(views, self.context)) if additional else features

    def view_features(self, model: onnx.ModelProto) -> Floats:
        """Features of all views of all ``samples``; those of the training images are reused for the float graph."""
        training_set = self.fusion.training_set
        views = training_set.views
        if model is not self.features.model:
            return self._extract(model, replace(views, samples=self.samples))
        validation = self._extract(model, replace(views, samples=self.split.parts["validation"]))
        return np.concatenate([training_set.rows.features[:, : validation.shape[1]], validation])

    def training_rows(self, features: Floats) -> TrainingRows:
        """The rows to fit: the features of all views, with the additional columns appended."""
        additional, samples, views = self.fusion.additional, self.samples, self.fusion.training_set.views
        rows = features
        if additional:
            values = [
                additional.values(replace(views, samples=self.split.parts[part]), self.context, training=True)
                for part in ("train", "validation")
            ]
            rows = additional.append(features, np.concatenate(values))
        per_image = len(views.per_image)
        return replace(
            self.fusion.training_set.rows,
            features=rows,
            labels=np.repeat(label_indices(samples, self.split.labels), per_image),
            groups=np.repeat(groups_of(samples), per_image),
            augmented=np.tile(np.arange(per_image) > 0, len(samples)),
        )

    def parent_head(self, dimensions: int) -> ParentHead | None:
        """The parent's head, if there is one for this number of columns."""
        return self.parent.parent_head(len(self.split.labels), dimensions) if self.parent else None

    def _extract(self, model: onnx.ModelProto, views: Views) -> Floats:
        extract = FeatureExtractor.of(self.features, self.context, model)
        return extract(views, "Features of the training and validation images")


@dataclass(frozen=True, slots=True)
class FoldHead:
    """A head, and the images that it is not fitted on.

    Attributes:
        head: The head of the other folds.
        held_out: ``[n]``, positions in ``FinalFit.samples``.
    """

    head: Head
    held_out: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FinalFit:
    """The head of a release, and the held-out predictions that calibrate it.

    Attributes:
        head: The head that is released.
        samples: The images that calibrate; each is held out by one of ``folds``.
        truth: ``[n]``, their labels.
        inputs: ``[n, D]``, what a head reads of them.
        folds: The heads that predict them.
        rows: What ``head`` was fitted on.
        refitted: Whether ``rows`` hold ``samples`` too.
    """

    head: Head
    samples: tuple[Sample, ...]
    truth: Labels
    inputs: Floats
    folds: tuple[FoldHead, ...]
    rows: TrainingRows
    refitted: bool

    def logits(self) -> Floats:
        """``[n, C]``: the logits of each image from the head that is not fitted on it."""
        logits = np.empty((len(self.truth), len(self.head.bias)), np.float32)
        for fold in self.folds:
            for piece in chunks(len(fold.held_out)):
                positions = fold.held_out[piece]
                logits[positions] = fold.head.logits(self.inputs[positions])
                release_pages(self.inputs)
        return logits

    def temperature(self) -> float:
        """The temperature that calibrates ``logits``."""
        return calibration.fit_temperature(self.logits(), self.truth)

    def correct(self) -> int:
        """The number of images with the right label."""
        return int((self.logits().argmax(axis=1) == self.truth).sum())

    def losses(self) -> Floats:
        """``[n]``: the cross-entropy of each image, with the temperature applied."""
        logits = self.logits()
        likelihood = log_softmax(logits / calibration.fit_temperature(logits, self.truth), axis=1)
        losses: Floats = -np.maximum(likelihood[np.arange(len(logits)), self.truth], np.log(LEAST_LIKELIHOOD))
        return losses

    def describe(self) -> Mapping[str, object]:
        """For the manifest."""
        return {
            "learnt_from": "train and validation" if self.refitted else "train",
            "calibrated_by": f"out of fold, {len(self.folds)} folds" if self.refitted else "the validation part",
        }


def fit_final_head(inputs: FinalFitInputs, model: onnx.ModelProto) -> FinalFit:
    """Fits the chosen head on the training and validation images, with features from ``model``.

    If ``inputs.refits`` is false, the head stays as it is, and predicts the validation images with features from
    ``model``.
    """
    head, training_set = inputs.fusion.head, inputs.fusion.training_set
    if not inputs.refits:
        samples = inputs.split.parts["validation"]
        truth = label_indices(samples, inputs.split.labels)
        fold = FoldHead(head, np.arange(len(truth)))
        served = inputs.served_inputs(model, samples)
        return FinalFit(head, samples, truth, served, (fold,), training_set.rows, refitted=False)
    features, per_image = inputs.view_features(model), len(training_set.views.per_image)
    rows = inputs.training_rows(features)
    head, folds = _fit_all_and_folds(inputs, rows, per_image)
    served = inputs.joined(features[::per_image], inputs.samples)
    return FinalFit(head, inputs.samples, rows.labels[::per_image], served, folds, rows, refitted=True)


def _fit_all_and_folds(inputs: FinalFitInputs, rows: TrainingRows, per_image: int) -> tuple[Head, tuple[FoldHead, ...]]:
    """The head of all rows, ``per_image`` of them for each image, and one head without each fold."""
    parent_head = inputs.parent_head(rows.dimensions)
    labels, groups = rows.labels[::per_image], rows.groups[::per_image]
    # Unshuffled, so that the folds follow from the groups alone.
    splits = StratifiedGroupKFold(min(FOLDS, fewest_groups(labels, groups))).split(labels, labels, groups)
    folds = [held_out for _, held_out in splits]
    image_of_row = np.arange(len(rows.labels)) // per_image

    def fit_without(held_out: NDArray[np.int64]) -> Head:
        taken = np.flatnonzero(~np.isin(image_of_row, held_out))
        return refit_head(inputs.fusion.head, rows.subset(taken), parent=parent_head, seed=inputs.context.seed)

    heads = []
    with (
        single_threaded_blas(),
        inputs.context.progress.task("Fitting on all images, and without each fold", len(folds) + 1) as advance,
        ThreadPoolExecutor(cpu_count()) as pool,
    ):
        for head in pool.map(fit_without, [np.empty(0, np.int64), *folds]):
            heads.append(head)
            advance(1)
    return heads[0], tuple(FoldHead(head, held_out) for head, held_out in zip(heads[1:], folds, strict=True))


def with_ood_detector(fit: FinalFit, float_fit: FinalFit) -> FinalFit:
    """Adds the OOD detector of the fit's own rows, and the OOD scores of held-out images.

    Without a refit, the detector stays the one of ``float_fit``, which reads float features. The scores are then those
    of the validation images and of training images out of fold, the latter shifted by the effect of int8.
    """
    head = fit.head
    if fit.refitted:
        detector, held_out = fit_ood_detector(fit.rows)
        return replace(fit, head=replace(head, ood_detector=detector, held_out_scores=held_out))
    scores, float_scores = (head.ood_detector.score(source.inputs) for source in (fit, float_fit))
    shifted = head.held_out_scores + np.float32(np.median(scores - float_scores))
    return replace(fit, head=replace(head, held_out_scores=np.concatenate([scores, shifted])))
