"""Runs ONNX graphs over many images; only the result is held in memory.

A graph gets one image at a time. On a CPU, batches are not faster, and a row then depends on its own image only, so
that cached rows are bitwise equal to computed ones.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime import InferenceSession  # type: ignore[import-untyped]  # ships no types

from larder.errors import InvalidModel
from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.data.scan import Sample
from larder_training.classifier.features.backbone import FeatureGraph
from larder_training.classifier.features.cache import CachedFeatures, FeatureCache, describe_source, feature_cache
from larder_training.classifier.features.views import Views
from larder_training.classifier.onnx.finite import propagate_not_finite
from larder_training.classifier.onnx.graph import session, to_bytes
from larder_training.numerics.arrays import Floats
from larder_training.numerics.memmap import CHUNK_ROWS, allocate, release_pages
from larder_training.numerics.parallel import map_in_order
from larder_training.reporting.counts import counted
from larder_training.reporting.progress import Progress

IMAGES_PER_TASK: Final = 8  # of one thread


class NotFinite(InvalidModel):
    """A graph made NaN or infinity of some images.

    Attributes:
        samples: These images.
    """

    def __init__(self, samples: Sequence[Sample], count: int) -> None:
        self.samples = tuple(samples)
        super().__init__(
            f"The backbone makes NaN or infinity of {len(samples):,} of {counted(count, 'image')}, such as "
            f"{samples[0].image.name}. Check the preprocessing, leave these images out, or export it again."
        )


Pixels = NDArray[np.uint8]
Load = Callable[[int], Pixels]


@dataclass(frozen=True, slots=True)
class FeatureExtractor:
    """Runs a feature graph over views of images, on every core, with a cache of the rows.

    Attributes:
        model: an ONNX graph ``image`` uint8 ``[N, H, W, 3]`` -> each of ``outputs`` float32 ``[N, D]``.
        outputs: the tensors to read; their columns are concatenated in this order.
        optimise: whether onnxruntime rearranges the graph for this machine (``graph.session``).
        cache: where rows are looked up first. New rows are written at once, so a training that was stopped resumes
            from them. None computes every row.
        progress: advances with each image.
    """

    model: bytes
    outputs: tuple[str, ...] = ("features",)
    optimise: bool = False
    cache: FeatureCache | None = None
    progress: Progress = field(default_factory=lambda: Progress(quiet=True))

    @classmethod
    def of(
        cls, features: FeatureGraph, context: ClassifierContext, model: onnx.ModelProto | None = None
    ) -> "FeatureExtractor":
        """The extractor of a float feature graph, with the cache and the progress of a training.

        Args:
            features: The float graph.
            context: Options and progress.
            model: A variant of its graph to run, such as in int8. None: itself.
        """
        model = features.model if model is None else model
        return cls(
            to_bytes(propagate_not_finite(model)),
            features.outputs,
            optimise=model is features.model,
            cache=feature_cache(context.options),
            progress=context.progress,
        )

    def __call__(self, views: Views, title: str) -> Floats:
        """Extracts the features of every view of every image.

        Args:
            views: the images, and the views of each.
            title: of the progress bar.

        Returns:
            float32 ``[images * views, D]``, D of all outputs together; row ``i * len(views.per_image) + k`` is view k
            of image i. A large array is a temporary file mapped into memory (``memmap.allocate``).

        Raises:
            NotFinite: Some rows are NaN or infinite.
        """
        running = session(self.model, optimise=self.optimise)
        widths = {value.name: int(value.shape[1]) for value in running.get_outputs() if value.name in self.outputs}
        width = sum(widths[output] for output in self.outputs)
        per_image, count = len(views.per_image), len(views.samples)
        result, not_finite = allocate(count * per_image, width), []
        about = describe_source(self.model, ",".join(self.outputs), views.image_spec, optimised=self.optimise)
        with (
            self.cache.rows(about, width) if self.cache else nullcontext() as cached,
            self.progress.task(title, count) as advance,
        ):

            def run(start: int) -> list[Floats]:
                positions = range(start, min(start + IMAGES_PER_TASK, count))
                return [_features_of(views, position, cached, running, self.outputs) for position in positions]

            starts = range(0, count, IMAGES_PER_TASK)
            for start, batch in zip(starts, map_in_order(run, starts), strict=True):
                for position, rows in enumerate(batch, start):
                    result[position * per_image : (position + 1) * per_image] = rows
                    if not np.isfinite(rows).all():
                        not_finite.append(views.samples[position])
                if start % CHUNK_ROWS == 0:
                    release_pages(result)
                advance(len(batch))
        release_pages(result)
        if not_finite:
            raise NotFinite(not_finite, count)
        return result


def _features_of(
    views: Views, position: int, cached: CachedFeatures | None, running: InferenceSession, outputs: Sequence[str]
) -> Floats:
    """The rows of one image's views, from the cache or computed and added to it."""
    keys = views.keys(position) if cached is not None else []
    rows: list[Floats | None] = [None] * len(views.per_image) if cached is None else cached.read(keys)
    missing = [number for number, row in enumerate(rows) if row is None]
    if missing:
        images = views.load(position, missing)
        computed: list[Floats] = [
            np.concatenate(running.run(outputs, {"image": image[None]}), axis=1)[0] for image in images
        ]
        if cached is not None:
            cached.append([keys[number] for number in missing], computed)
        for number, row in zip(missing, computed, strict=True):
            rows[number] = row
    return np.stack([row for row in rows if row is not None])


def run_graph(
    model: bytes,
    outputs: Sequence[str],
    load: Load,
    count: int,
    *,
    side: Floats | None = None,
    title: str,
    progress: Progress,
) -> list[Floats]:
    """Runs a graph over ``count`` images, on all cores.

    Args:
        model: The bytes of the graph.
        outputs: Names of the outputs to compute.
        load: Returns image i as ``[1, H, W, 3]``.
        count: Number of images.
        side: ``[count, S]``, the side information of a graph that has this input.
        title: Title of the progress bar.
        progress: Advances with each image.

    Returns:
        One array ``[count, ...]`` per output.
    """
    running = session(model)

    def inputs_of(position: int) -> dict[str, NDArray[np.generic]]:
        side_input = {} if side is None else {"side": side[position : position + 1]}
        return {"image": load(position), **side_input}

    def run(start: int) -> list[list[Floats]]:
        positions = range(start, min(start + IMAGES_PER_TASK, count))
        return [running.run(list(outputs), inputs_of(position)) for position in positions]

    results: list[Floats] = []
    with progress.task(title, count) as advance:
        starts = range(0, count, IMAGES_PER_TASK)
        for start, batch in zip(starts, map_in_order(run, starts), strict=True):
            if not results:
                results = [np.empty((count, *part.shape[1:]), np.float32) for part in batch[0]]
            for position, rows in enumerate(batch, start):
                for result, part in zip(results, rows, strict=True):
                    result[position] = part[0]
            advance(len(batch))
    return results
