"""Chooses how far training photos are changed, and whether they are mirrored, by cross-validation.

Every choice is judged on the training part alone, on photos as they are served and that its fold did not learn from.
What is fitted is a softmax regression on the strongest principal components, with its L2 strength chosen anew for each
choice: quick, and near enough to the head to rank choices. The head is then searched for with the choice that won.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from larder_training.classifier.config.options import AUGMENTATION_NAMES, AugmentationName
from larder_training.classifier.features.views import View
from larder_training.classifier.heads.softmax_regression import SoftmaxRegression, fit_softmax_regression, zero_head
from larder_training.classifier.metrics import calibration
from larder_training.classifier.selection.comparison import CandidateScore, compare_to_best
from larder_training.numerics.arrays import Floats
from larder_training.reporting.html import Section, paragraph, table
from larder_training.reporting.progress import Progress

COMPONENTS: Final = 192
STRENGTHS: Final = (1.0, 0.316, 0.1, 0.0316, 0.01, 0.00316, 0.001)  # of L2, strong first
PATIENCE: Final = 2  # weaker strengths tried after the best one so far
LEAST_LIKELIHOOD: Final = 1e-9  # one photo that is wrong beyond doubt must not decide alone

Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class AugmentationChoice:
    """A strength, the number of its copies, and whether mirrored views are learnt from."""

    name: AugmentationName
    copies: int
    flip: bool

    def views(self) -> tuple[View, ...]:
        """The views of a photo: as it is served, its mirror image, its copies (every second one mirrored)."""
        plain = (View(), View(mirrored=True)) if self.flip else (View(),)
        if self.name == "none":
            return plain
        return (*plain, *(View(self.name, copy, self.flip and copy % 2 == 1) for copy in range(self.copies)))


@dataclass(frozen=True, slots=True)
class AugmentationScore(CandidateScore):
    """How a choice stands, with its best L2 strength."""

    choice: AugmentationChoice
    l2: float

    def describe(self) -> dict[str, object]:
        """JSON-ready."""
        return {"augment": self.choice.name, "flip": self.choice.flip, "l2": self.l2, **self.numbers()}


@dataclass(frozen=True, slots=True)
class Examples:
    """``features`` ``[P, V, D]`` of P photos and V views, the first as served; ``labels``, ``groups`` ``[P]``."""

    features: Floats
    labels: Labels
    groups: NDArray[np.int64]
    views: Sequence[View]


def candidates(names: Sequence[AugmentationName], flips: Sequence[bool], copies: int) -> list[AugmentationChoice]:
    """The choices to be compared, the one that changes least first."""
    return [
        AugmentationChoice(name, copies, flip)
        for name in AUGMENTATION_NAMES
        if name in names
        for flip in (False, True)
        if flip in flips
    ]


def compare(
    choices: Sequence[AugmentationChoice], examples: Examples, *, folds: int, progress: Progress
) -> list[AugmentationScore]:
    """Cross-validates every choice on the same folds.

    Args:
        choices: what to compare; ``examples.views`` has the views of each.
        examples: features of training photos.
        folds: of the cross-validation, at least 2; no group is in two of them.
        progress: told of each choice.
    """
    with threadpool_limits(1, user_api="blas"):  # a sum's order, and so its last bits, depends on the threads
        reduced = principal(examples)
        cuts = list(StratifiedGroupKFold(folds).split(reduced.labels, reduced.labels, reduced.groups))
        found: list[tuple[float, Floats, Floats]] = []
        with progress.task("Choosing the augmentation", len(choices)) as advance:
            for choice in choices:
                found.append(cross_validate(choice, reduced, cuts))
                advance(1)
    scores = compare_to_best([(losses, right) for _, losses, right in found])
    return [
        AugmentationScore(*score, choice, l2) for choice, (l2, _, _), score in zip(choices, found, scores, strict=True)
    ]


def choose(judged: Sequence[AugmentationScore]) -> AugmentationScore:
    """The first, so the one that changes least, whose loss is within one standard error of the best's."""
    return next(one for one in judged if one.worse <= one.standard_error)


def explain(judged: Sequence[AugmentationScore], chosen: AugmentationScore) -> Mapping[str, object]:
    """For the manifest: the rule, and every choice that was compared."""
    return {
        "rule": "the least change within one standard error of the best",
        "loss": "cross-validated cross-entropy on training photos, after one temperature",
        "compared": [{**one.describe(), "chosen": one is chosen} for one in judged],
    }


def jsonl(judged: Sequence[AugmentationScore]) -> bytes:
    """The first lines of ``trials.jsonl``: one a choice that was compared, with the ``stage`` "augmentation"."""
    if not judged:
        return b""
    chosen = choose(judged)
    lines = ({"stage": "augmentation", **one.describe(), "chosen": one is chosen} for one in judged)
    return "".join(f"{json.dumps(line, sort_keys=True)}\n" for line in lines).encode()


def sections(judged: Sequence[AugmentationScore]) -> list[Section]:
    """The report's section, where choices were compared: each with its loss, and which one was taken."""
    if not judged:
        return []
    chosen = choose(judged)
    rows = [
        (
            one.choice.name + (" (chosen)" if one is chosen else ""),
            "yes" if one.choice.flip else "no",
            *one.cells(),
        )
        for one in judged
    ]
    told = (
        "The head also learns from changed copies of the photos (crop, scale, turn, light, colour) where that makes "
        "training photos that were held out likelier to be labelled right. The least change within one standard error "
        "of the best was taken."
    )
    head = ("Changes", "Mirrored too", "Loss", "Worse than the best", "Held-out photos right")
    return [Section.of("Augmentation", paragraph(told), table(head, rows))]


def principal(examples: Examples) -> Examples:
    """The features, standardised by the photos as served, along their strongest directions."""
    served = examples.features[:, 0]
    deviation = served.std(axis=0)
    scale = 1 / np.maximum(deviation, max(0.1 * float(np.median(deviation)), 1e-6))
    centre = served.mean(axis=0)
    standard = ((served - centre) * scale).astype(np.float32)
    _, vectors = np.linalg.eigh(standard.T @ standard)  # ascending
    axes = np.ascontiguousarray(vectors[:, ::-1][:, :COMPONENTS], np.float32)
    photos, views, _ = examples.features.shape
    reduced = np.empty((photos, views, axes.shape[1]), np.float32)
    for view in range(views):
        reduced[:, view] = ((examples.features[:, view] - centre) * scale).astype(np.float32) @ axes
    return Examples(reduced, examples.labels, examples.groups, examples.views)


def cross_validate(
    choice: AugmentationChoice, examples: Examples, cuts: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]
) -> tuple[float, Floats, Floats]:
    """The best L2 strength, and with it each photo's loss when held out and whether its label was right.

    ``examples`` as ``principal`` makes them; ``cuts`` are the rows to learn from and to judge on, fold by fold.
    """
    own = [examples.views.index(view) for view in choice.views()]
    judged = np.concatenate([judge for _, judge in cuts])
    labels = examples.labels[judged]
    best: tuple[float, Floats, Floats] | None = None
    worse = 0
    with ThreadPoolExecutor(cpu_count()) as pool:
        paths = [_path(examples, own, learn, judge) for learn, judge in cuts]
        for l2 in STRENGTHS:
            logits = np.concatenate(list(pool.map(next, paths)))
            temperature = calibration.fit_temperature(logits, labels)
            likelihood = log_softmax(logits / temperature, axis=1)[np.arange(len(labels)), labels]
            losses = -np.maximum(likelihood, np.log(LEAST_LIKELIHOOD)).astype(np.float32)
            if best is None or losses.mean() < best[1].mean():
                best, worse = (l2, losses, (logits.argmax(axis=1) == labels).astype(np.float32)), 0
            elif (worse := worse + 1) == PATIENCE:
                break
    assert best is not None  # noqa: S101 - there is at least one strength
    return best


def _path(examples: Examples, own: Sequence[int], learn: Labels, judge: Labels) -> Iterator[Floats]:
    """For each L2 strength in turn, the logits of ``judge``; each fit starts where the last ended."""
    taught = np.ascontiguousarray(examples.features[learn][:, own]).reshape(-1, examples.features.shape[2])
    labels = np.repeat(examples.labels[learn], len(own))
    classes = int(examples.labels.max()) + 1
    centre = zero_head(taught.shape[1], classes)
    model: SoftmaxRegression | None = None
    for l2 in STRENGTHS:
        weights = np.ones(len(labels), np.float32)
        model = fit_softmax_regression(taught, labels, weights, l2=l2, l1=0.0, centre=centre, start=model, rough=True)
        yield model.logits(examples.features[judge, 0])
