"""The last fit. With nothing left to choose, the head learns from the training and the validation photos together.

It learns from the features of the very graph that is released, so that what int8 does to them is no surprise to it.
What calibrates it must come from photos that a head has not learnt from: the photos are cut into folds, the same recipe
learns from all folds but one, and is asked about that one (Stone, 1974, "Cross-Validatory Choice and Assessment of
Statistical Predictions"). Each photo judges; none judges a head that saw it or a near-duplicate of it.
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
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from larder_training.classifier.config.context import TrainingContext
from larder_training.classifier.data.labels import label_indices
from larder_training.classifier.data.scan import Checked
from larder_training.classifier.data.splits import Split
from larder_training.classifier.features.backbone import Features
from larder_training.classifier.features.cache import feature_cache
from larder_training.classifier.features.extract import FeatureExtractor
from larder_training.classifier.features.views import Views, plain
from larder_training.classifier.fitting.warm_start import ParentRelease
from larder_training.classifier.heads.config import ParentHead
from larder_training.classifier.heads.head import Head, fit_ood_detector, refit_head
from larder_training.classifier.heads.search import LEAST_LIKELIHOOD, MAX_ROWS, fewest_groups
from larder_training.classifier.heads.training_rows import TrainingRows
from larder_training.classifier.metrics.calibration import temperature
from larder_training.classifier.onnx.graph import to_bytes
from larder_training.classifier.selection.side_ablation import FusionChoice
from larder_training.classifier.selection.training_set import groups_of
from larder_training.numerics.arrays import Floats
from larder_training.numerics.memmap import let_go, pieces

FOLDS: Final = 10  # at most: each head then learns from nearly as many photos as the released one

Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FinalFitInputs:
    """What was chosen, and what it was chosen for: all that the last fit needs."""

    context: TrainingContext
    features: Features
    parts: Split
    choice: FusionChoice
    parent: ParentRelease | None

    @property
    def photos(self) -> tuple[Checked, ...]:
        """Those of the training part, then those of validation."""
        return (*self.parts.parts["train"], *self.parts.parts["validation"])

    @property
    def refits(self) -> bool:
        """Whether the head learns from validation photos too.

        Of more than ``search.MAX_ROWS`` rows it does not: validation is then large enough to calibrate by, and further
        photos add little.
        """
        return len(self.photos) * len(self.choice.material.views.wanted) <= MAX_ROWS

    def served(self, model: onnx.ModelProto, photos: Sequence[Checked]) -> Floats:
        """What a head reads of photos as they are served, ``[n, D]``, by this feature graph."""
        return self.joined(self._embedded(model, plain(photos, self.features.image)), photos)

    def joined(self, image: Floats, photos: Sequence[Checked]) -> Floats:
        """The image's own columns of photos as served, and what joins them."""
        beside, views = self.choice.beside, plain(photos, self.features.image)
        if not beside:
            return image
        return beside.onto(image, beside.values(views, self.context))

    def image(self, model: onnx.ModelProto) -> Floats:
        """The image's own columns of all views of all ``photos``; those that the search learnt from are at hand."""
        views = self.choice.material.views
        if model is not self.features.model:
            return self._embedded(model, replace(views, photos=self.photos))
        added = self._embedded(model, replace(views, photos=self.parts.parts["validation"]))
        return np.concatenate([self.choice.material.rows.features[:, : added.shape[1]], added])

    def lessons(self, image: Floats) -> TrainingRows:
        """The rows to learn from: ``image`` with what joins it."""
        material, beside, photos = self.choice.material, self.choice.beside, self.photos
        views = material.views
        rows = image
        if beside:
            values = [
                beside.values(replace(views, photos=self.parts.parts[part]), self.context, lessons=True)
                for part in ("train", "validation")
            ]
            rows = beside.onto(image, np.concatenate(values))
        each = len(views.wanted)
        return replace(
            material.rows,
            features=rows,
            labels=np.repeat(label_indices(photos, self.parts.labels), each),
            groups=np.repeat(groups_of(photos), each),
            augmented=np.tile(np.arange(each) > 0, len(photos)),
        )

    def parent_head(self, width: int) -> ParentHead | None:
        """The parent's head, where there is one for so many columns."""
        return self.parent.parent_head(len(self.parts.labels), width) if self.parent else None

    def _embedded(self, model: onnx.ModelProto, views: Views) -> Floats:
        extract = FeatureExtractor(
            to_bytes(model),
            self.features.outputs,
            optimise=model is self.features.model,
            cache=feature_cache(self.context.options),
            progress=self.context.progress,
        )
        return extract(views, "Features of the training and validation images")


@dataclass(frozen=True, slots=True)
class FoldHead:
    """A head, and the photos that it has not learnt from: their positions ``[n]`` in ``FinalFit.photos``."""

    head: Head
    photos: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FinalFit:
    """The head that is released, and what calibrates it.

    ``photos`` are judged, each once, by the ``folds``; ``truth`` ``[n]`` are their labels, ``served`` ``[n, D]`` is
    what a head reads of them. ``lessons`` is what the head learnt from, of ``photos`` too where it is ``refitted``.
    """

    head: Head
    photos: tuple[Checked, ...]
    truth: Labels
    served: Floats
    folds: tuple[FoldHead, ...]
    lessons: TrainingRows
    refitted: bool

    def logits(self) -> Floats:
        """``[n, C]``: what is said of each photo by the head that has not learnt from it."""
        found = np.empty((len(self.truth), len(self.head.bias)), np.float32)
        for fold in self.folds:
            for piece in pieces(len(fold.photos)):
                photos = fold.photos[piece]
                found[photos] = fold.head.logits(self.served[photos])
                let_go(self.served)
        return found

    def right(self) -> int:
        """How many photos are labelled right."""
        return int((self.logits().argmax(axis=1) == self.truth).sum())

    def losses(self) -> Floats:
        """``[n]``: the cross-entropy of each photo, after one temperature."""
        logits = self.logits()
        likelihood = log_softmax(logits / temperature(logits, self.truth), axis=1)
        found: Floats = -np.maximum(likelihood[np.arange(len(logits)), self.truth], np.log(LEAST_LIKELIHOOD))
        return found

    def describe(self) -> Mapping[str, object]:
        """For the manifest."""
        learnt = "train and validation" if self.refitted else "train"
        how = f"out of fold, {len(self.folds)} folds" if self.refitted else "the validation part"
        return {"learnt_from": learnt, "calibrated_by": how}


def refit(settled: FinalFitInputs, model: onnx.ModelProto) -> FinalFit:
    """Learns the chosen head from all photos but the test part's, as ``model`` makes their features.

    Where ``settled`` does not refit, the head stays as it is, and validation photos judge it through ``model``.
    """
    head, material = settled.choice.head, settled.choice.material
    if not settled.refits:
        photos = settled.parts.parts["validation"]
        truth = label_indices(photos, settled.parts.labels)
        alone = (FoldHead(head, np.arange(len(truth))),)
        return FinalFit(head, photos, truth, settled.served(model, photos), alone, material.rows, refitted=False)
    image, each = settled.image(model), len(material.views.wanted)
    lessons = settled.lessons(image)
    made, folds = _learn(settled, lessons, each)
    served = settled.joined(image[::each], settled.photos)
    return FinalFit(made, settled.photos, lessons.labels[::each], served, folds, lessons, refitted=True)


def _learn(settled: FinalFitInputs, rows: TrainingRows, each: int) -> tuple[Head, tuple[FoldHead, ...]]:
    """The head of all rows, ``each`` of them a photo's, and one without each fold."""
    parent_head = settled.parent_head(rows.dimensions)
    labels, groups = rows.labels[::each], rows.groups[::each]
    # Unshuffled: the folds then follow from the groups alone.
    folds = StratifiedGroupKFold(min(FOLDS, fewest_groups(labels, groups))).split(labels, labels, groups)
    cuts = [judged for _, judged in folds]
    photo = np.arange(len(rows.labels)) // each

    def learn(judged: NDArray[np.int64]) -> Head:
        taken = np.flatnonzero(~np.isin(photo, judged))
        return refit_head(settled.choice.head, rows.subset(taken), parent=parent_head, seed=settled.context.seed)

    heads = []
    with (
        threadpool_limits(1, user_api="blas"),  # a sum's order, and so its last bits, depends on the threads
        settled.context.progress.task("Learning from all photos, and without each fold", len(cuts) + 1) as advance,
        ThreadPoolExecutor(cpu_count()) as pool,
    ):
        for made in pool.map(learn, [np.empty(0, np.int64), *cuts]):
            heads.append(made)
            advance(1)
    return heads[0], tuple(FoldHead(made, judged) for made, judged in zip(heads[1:], cuts, strict=True))


def with_ood_detector(taught: FinalFit, exact: FinalFit) -> FinalFit:
    """With the novelty that its own lessons teach, and what it makes of photos that were held out.

    Where there was no refit, novelty stays that of the float features, ``exact``: of training photos held out in turn,
    moved by what int8 does to it, and of validation photos.
    """
    head, rows = taught.head, taught.lessons
    if taught.refitted:
        known, apart = fit_ood_detector(rows)
        return replace(taught, head=replace(head, novelty=known, held_out=apart))
    scores, before = (head.novelty.score(one.served) for one in (taught, exact))
    moved = head.held_out + np.float32(np.median(scores - before))
    return replace(taught, head=replace(head, held_out=np.concatenate([scores, moved])))
