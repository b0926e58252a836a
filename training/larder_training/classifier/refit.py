"""The last fit. With nothing left to choose, the head learns from the training and the validation photos together.

What calibrates it must come from photos that a head has not learnt from. So the photos are cut into folds, the same
recipe learns from all folds but one, and is asked about that one (Stone, 1974, "Cross-Validatory Choice and Assessment
of Statistical Predictions"): each photo judges, none judges a head that saw it or a near-duplicate of it.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from os import cpu_count
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from larder_training.classifier.ablation import Choice
from larder_training.classifier.backbone import Features
from larder_training.classifier.evaluate import numbers
from larder_training.classifier.graph import Floats
from larder_training.classifier.head import Head, familiar, relearn
from larder_training.classifier.learn import Material, more
from larder_training.classifier.options import ClassifierOptions
from larder_training.classifier.parent import ParentRelease
from larder_training.classifier.rows import let_go, pieces
from larder_training.classifier.scan import Checked
from larder_training.classifier.search import MAX_ROWS, fewest_groups
from larder_training.classifier.split import Split
from larder_training.progress import Progress

FOLDS: Final = 10  # at most: each head then learns from nearly as many photos as the released one

Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A head, and the photos that it has not learnt from: their positions ``[n]`` in ``Taught.photos``."""

    head: Head
    photos: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Taught:
    """The head that is released, and what calibrates it.

    ``photos`` are judged, each once, by the ``folds``; ``truth`` ``[n]`` are their labels. ``refitted`` says whether
    the released head learnt from them too.
    """

    head: Head
    photos: tuple[Checked, ...]
    truth: Labels
    folds: tuple[HeldOut, ...]
    refitted: bool

    def logits(self, rows: Floats) -> Floats:
        """``[n, C]`` for what a head reads of the photos, ``[n, D]``: each by the head that has not learnt from it."""
        found = np.empty((len(rows), len(self.head.bias)), np.float32)
        for fold in self.folds:
            for piece in pieces(len(fold.photos)):
                photos = fold.photos[piece]
                found[photos] = fold.head.logits(rows[photos])
                let_go(rows)
        return found

    def describe(self) -> Mapping[str, object]:
        """For the manifest."""
        learnt = "train and validation" if self.refitted else "train"
        how = f"out of fold, {len(self.folds)} folds" if self.refitted else "the validation part"
        return {"learnt_from": learnt, "calibrated_by": how, "photos": len(self.truth)}


def refit(
    options: ClassifierOptions,
    features: Features,
    parts: Split,
    choice: Choice,
    parent: ParentRelease | None,
    progress: Progress,
) -> Taught:
    """Learns the chosen head from all photos but the test part's, and once for each fold without it.

    Of more than ``search.MAX_ROWS`` rows the validation part is large enough to calibrate by, and further photos add
    little: there the head stays as it is.
    """
    validation = parts.parts["validation"]
    photos = (*parts.parts["train"], *validation)
    views = len(choice.material.views.wanted)
    if len(photos) * views > MAX_ROWS:
        truth = numbers(validation, parts.labels)
        return Taught(choice.head, validation, truth, (HeldOut(choice.head, np.arange(len(truth))),), refitted=False)
    rows = _everything(options, features, parts, choice, progress)
    labels, groups = rows.labels[::views], rows.groups[::views]
    folds = min(FOLDS, fewest_groups(labels, groups))
    inherited = parent.inherited(len(parts.labels), rows.features.shape[1]) if parent else None

    def learn(taken: NDArray[np.int64]) -> Head:
        return relearn(
            choice.head,
            rows.features[taken],
            rows.labels[taken],
            parent=inherited,
            seed=options.seed,
            emphasis=rows.emphasis,
        )

    def without(judged: NDArray[np.int64]) -> HeldOut:
        return HeldOut(learn(np.flatnonzero(~np.isin(np.arange(len(rows.labels)) // views, judged))), judged)

    # Unshuffled: the folds then follow from the groups alone.
    cuts = [judged for _, judged in StratifiedGroupKFold(folds).split(labels, labels, groups)]
    with (
        threadpool_limits(1, user_api="blas"),  # a sum's order, and so its last bits, depends on the threads
        progress.task("Learning from all photos, and without each fold", folds + 1) as advance,
        ThreadPoolExecutor(cpu_count()) as pool,
    ):
        held = []
        last = pool.submit(learn, np.arange(len(rows.labels)))
        for made in pool.map(without, cuts):
            held.append(made)
            advance(1)
        head = last.result()
        advance(1)
    known, apart = familiar(rows.features, rows.labels, rows.groups, rows.changed, rows.looks)
    return Taught(replace(head, novelty=known, held_out=apart), photos, labels, tuple(held), refitted=True)


def _everything(
    options: ClassifierOptions, features: Features, parts: Split, choice: Choice, progress: Progress
) -> Material:
    """The rows that the head was chosen on, and behind them the validation photos' in the same views."""
    first = choice.material
    added = more(options, features, first, parts, progress)
    if choice.beside:
        values = choice.beside.values(added.views, options.feature_cache(), progress, lessons=True)
        added = replace(added, features=choice.beside.onto(added.features, values))
    return replace(
        first,
        features=np.concatenate([first.features, added.features]),
        labels=np.concatenate([first.labels, added.labels]),
        groups=np.concatenate([first.groups, added.groups]),
        changed=np.concatenate([first.changed, added.changed]),
        views=replace(first.views, photos=(*first.views.photos, *added.views.photos)),
    )
