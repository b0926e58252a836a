"""Runs a graph over photos, streaming: what grows with their number is the result alone."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from larder.errors import InvalidRequest
from larder.image import decode
from larder.serving import ImageSpec
from larder_training.classifier.augment import augment
from larder_training.classifier.graph import Floats, session
from larder_training.classifier.scan import Checked
from larder_training.classifier.streaming import in_order
from larder_training.progress import Progress

BATCH: Final = 8  # images; a larger batch is no faster on a CPU and takes more memory

Pixels = NDArray[np.uint8]
Load = Callable[[int], Pixels]


def plain(photos: Sequence[Checked], spec: ImageSpec) -> Load:
    """Loads photo ``i`` as served: ``[1, H, W, 3]``."""

    def load(position: int) -> Pixels:
        return decode(_read(photos[position]), spec)[None]

    return load


def with_copies(photos: Sequence[Checked], spec: ImageSpec, *, copies: int, flip: bool, seed: int) -> Load:
    """Loads photo ``i`` and its changed copies: ``[1 + copies, H, W, 3]``, as served first."""

    def load(position: int) -> Pixels:
        checked = photos[position]
        data = _read(checked)
        changed = augment(data, spec, copies=copies, flip=flip, seed=seed, digest=checked.digest)
        return np.concatenate([decode(data, spec)[None], changed])

    return load


def _read(checked: Checked) -> bytes:
    try:
        return checked.photo.path.read_bytes()
    except OSError as error:
        raise InvalidRequest(
            f"{checked.photo.name} went away during the training. Put it back and start again."
        ) from error


def extract(
    model: bytes,
    outputs: Sequence[str],
    load: Load,
    count: int,
    *,
    each: int = 1,
    optimise: bool = False,
    title: str,
    progress: Progress,
) -> list[Floats]:
    """Runs ``outputs`` of a graph over ``count`` photos, on every core.

    ``load(i)`` gives photo i's images, ``[each, H, W, 3]``; row ``i * each + k`` of each result, ``[count * each,
    ...]``, belongs to its k-th image. Batches are the same whatever the number of cores, and so are the results.
    """
    running = session(model, optimise=optimise)
    step = max(1, BATCH // each)

    def run(start: int) -> list[Floats]:
        images = np.concatenate([load(position) for position in range(start, min(start + step, count))])
        found: list[Floats] = running.run(list(outputs), {"image": images})
        return found

    results: list[Floats] = []
    with progress.task(title, count) as advance:
        for start, found in zip(range(0, count, step), in_order(run, range(0, count, step)), strict=True):
            if not results:
                results = [np.empty((count * each, *part.shape[1:]), np.float32) for part in found]
            for result, part in zip(results, found, strict=True):
                result[start * each : start * each + len(part)] = part
            advance(min(step, count - start))
    return results
