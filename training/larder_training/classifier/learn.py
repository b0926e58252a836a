"""What the head learns from: the features of the training photos and of their chosen views, row by row."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from larder_training.classifier import augment
from larder_training.classifier.backbone import Features
from larder_training.classifier.evaluate import numbers
from larder_training.classifier.features import embed
from larder_training.classifier.graph import Floats, to_bytes
from larder_training.classifier.options import ClassifierOptions
from larder_training.classifier.split import Split
from larder_training.classifier.views import View, Views
from larder_training.progress import Progress


@dataclass(frozen=True, slots=True)
class Material:
    """Rows to learn from.

    ``features`` ``[N, D]``, ``labels`` ``[N]``, ``groups`` ``[N]`` (one number for near-duplicates and all views of a
    photo), ``changed`` ``[N]`` (true for every view but the photo as it is served). ``augmentation`` says for the
    manifest which views there are and how they were chosen.
    """

    features: Floats
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    changed: NDArray[np.bool_]
    augmentation: Mapping[str, object]


def gather(options: ClassifierOptions, features: Features, parts: Split, progress: Progress) -> Material:
    """Computes the rows, or finds them in the cache."""
    photos = parts.parts["train"]
    name: augment.Name = "medium" if options.augment == "auto" else options.augment  # type: ignore[assignment]
    wanted = views_of(name, options.copies, flip=options.flip == "yes")
    found = embed(
        to_bytes(features.model),
        Views(photos, features.image, wanted, options.seed),
        optimise=True,
        cache=options.feature_cache(),
        title="Extracting features",
        progress=progress,
    )
    return Material(
        found,
        np.repeat(numbers(photos, parts.labels), len(wanted)),
        np.repeat(np.array([checked.group for checked in photos], np.int64), len(wanted)),
        np.tile(np.arange(len(wanted)) > 0, len(photos)),
        augment.describe(name, options.copies, flip=options.flip == "yes"),
    )


def views_of(name: augment.Name, copies: int, *, flip: bool) -> tuple[View, ...]:
    """The views of a photo: as it is served, its mirror image, its copies (every second one mirrored)."""
    plain = (View(), View(mirrored=True)) if flip else (View(),)
    if name == "none":
        return plain
    return (*plain, *(View(name, copy, mirrored=flip and copy % 2 == 1) for copy in range(copies)))
