"""Runs a graph over photos, streaming: what grows with their number is the result alone.

A graph sees one image at a time: on a CPU a batch is no faster, and a row then depends on its own image alone, so that
rows from the cache are the very rows that would come out again.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Final

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession  # type: ignore[import-untyped]  # ships no types

from larder_training.classifier.features.cache import FeatureCache, Rows, origin
from larder_training.classifier.features.views import Views, plain
from larder_training.classifier.onnx.graph import session
from larder_training.numerics.arrays import Floats
from larder_training.numerics.memmap import PIECE, let_go, room
from larder_training.numerics.parallel import in_order
from larder_training.reporting.progress import Progress

__all__ = ["embed", "extract", "plain"]

PHOTOS: Final = 8  # a piece of work for one core

Pixels = NDArray[np.uint8]
Load = Callable[[int], Pixels]


def embed(
    model: bytes,
    views: Views,
    *,
    outputs: Sequence[str] = ("features",),
    optimise: bool = False,
    cache: FeatureCache | None = None,
    title: str,
    progress: Progress,
) -> Floats:
    """Runs a feature graph over every view of every photo, on every core.

    Args:
        model: an ONNX graph ``image`` uint8 ``[N, H, W, 3]`` -> each of ``outputs`` float32 ``[N, D]``.
        views: the photos, and what is shown of each.
        outputs: the tensors that are wanted, laid one behind the other.
        optimise: as ``graph.session`` takes it.
        cache: where rows are looked up first and kept for the next time, at once: a training that is stopped goes on
            from there.
        title: of the progress.
        progress: told of each photo.

    Returns:
        ``[photos * views, D]``, D of all outputs together; row ``i * len(views.wanted) + k`` is photo i's view k.
    """
    running = session(model, optimise=optimise)
    widths = {found.name: int(found.shape[1]) for found in running.get_outputs() if found.name in outputs}
    width = sum(widths[output] for output in outputs)
    each, count = len(views.wanted), len(views.photos)
    result = room(count * each, width)
    about = origin(model, ",".join(outputs), views.image, optimised=optimise)
    with cache.rows(about, width) if cache else nullcontext() as rows, progress.task(title, count) as advance:

        def run(start: int) -> list[Floats]:
            positions = range(start, min(start + PHOTOS, count))
            return [_rows(views, position, rows, running, outputs) for position in positions]

        starts = range(0, count, PHOTOS)
        for start, photos in zip(starts, in_order(run, starts), strict=True):
            for position, found in enumerate(photos, start):
                result[position * each : (position + 1) * each] = found
            if start % PIECE == 0:
                let_go(result)
            advance(len(photos))
    let_go(result)
    return result


def _rows(
    views: Views, position: int, cached: Rows | None, running: InferenceSession, outputs: Sequence[str]
) -> Floats:
    """The rows of one photo's views: found in the cache, or computed and kept there."""
    keys = views.keys(position) if cached is not None else []
    found: list[Floats | None] = [None] * len(views.wanted) if cached is None else cached.read(keys)
    fresh = [number for number, row in enumerate(found) if row is None]
    if fresh:
        images = views.load(position, fresh)
        made: list[Floats] = [
            np.concatenate(running.run(outputs, {"image": image[None]}), axis=1)[0] for image in images
        ]
        if cached is not None:
            cached.append([keys[number] for number in fresh], made)
        for number, row in zip(fresh, made, strict=True):
            found[number] = row
    return np.stack([row for row in found if row is not None])


def extract(
    model: bytes,
    outputs: Sequence[str],
    load: Load,
    count: int,
    *,
    side: Floats | None = None,
    optimise: bool = False,
    title: str,
    progress: Progress,
) -> list[Floats]:
    """Runs ``outputs`` of a graph over ``count`` photos, on every core.

    ``load(i)`` gives photo i's one image, ``[1, H, W, 3]``; row i of each result, ``[count, ...]``, belongs to it, and
    so does row i of ``side``, for a graph that takes side information.
    """
    running = session(model, optimise=optimise)

    def fed(position: int) -> dict[str, NDArray[np.generic]]:
        beside = {} if side is None else {"side": side[position : position + 1]}
        return {"image": load(position), **beside}

    def run(start: int) -> list[list[Floats]]:
        positions = range(start, min(start + PHOTOS, count))
        return [running.run(list(outputs), fed(position)) for position in positions]

    results: list[Floats] = []
    with progress.task(title, count) as advance:
        starts = range(0, count, PHOTOS)
        for start, photos in zip(starts, in_order(run, starts), strict=True):
            if not results:
                results = [np.empty((count, *part.shape[1:]), np.float32) for part in photos[0]]
            for position, found in enumerate(photos, start):
                for result, part in zip(results, found, strict=True):
                    result[position] = part[0]
            advance(len(photos))
    return results
