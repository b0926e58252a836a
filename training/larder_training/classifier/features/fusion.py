"""Columns that the head reads in addition to the features: colour statistics and side information."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from larder.release.serving import ImageSpec, SideColumn
from larder.release.side_columns import width
from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.data import side_columns
from larder_training.classifier.data.scan import Sample
from larder_training.classifier.features import colour
from larder_training.classifier.features.cache import feature_cache
from larder_training.classifier.features.extract import FeatureExtractor
from larder_training.classifier.features.views import Views
from larder_training.classifier.onnx.graph import HEAD_INPUTS, to_bytes
from larder_training.numerics.arrays import Floats
from larder_training.numerics.memmap import allocate, chunks, load_rows, release_pages

_SIDE: Final = "side"


@dataclass(frozen=True, slots=True)
class AdditionalColumns:
    """Colour statistics and side information, in this order.

    Attributes:
        columns: The columns of side information.
        colour: Whether to use colour statistics.
        scale: Factor that puts the columns on the features' scale, so that standardisation does not shrink them.
    """

    columns: tuple[SideColumn, ...] = ()
    colour: bool = False
    scale: float = 1.0

    def __bool__(self) -> bool:
        """Whether there are any columns."""
        return bool(self.columns) or self.colour

    def values(
        self,
        views: Views,
        context: ClassifierContext,
        *,
        training: bool = False,
        without: Collection[str] = (),
    ) -> Floats:
        """The columns ``[samples * views, K + S]``, in the row order of ``FeatureExtractor``.

        Args:
            views: The images, and the views of each.
            context: Options and progress.
            training: Whether these are training rows, whose side information is left out at random.
            without: Columns to treat as missing; not for training rows.
        """
        parts = []
        if self.colour:
            model = to_bytes(colour.colour_graph(views.image_spec))
            title = "Colour statistics"
            cache = feature_cache(context.options)
            extract = FeatureExtractor(model, (colour.COLOUR_OUTPUT,), cache=cache, progress=context.progress)
            parts.append(extract(views, title))
        if self.columns and training:
            parts.append(side_columns.encode_training(self.columns, views.samples, len(views.per_image), views.seed))
        elif self.columns:
            parts.append(side_columns.encode(self.columns, views.samples, without))
        joined = parts[0] if len(parts) == 1 else self.append(*parts)
        joined *= np.float32(self.scale)
        return joined

    def append(self, features: Floats, values: Floats) -> Floats:
        """The head's input ``[N, D + K + S]``: features ``[N, D]``, then these values."""
        joined: Floats = allocate(len(features), features.shape[1] + values.shape[1])
        for chunk in chunks(len(features)):
            joined[chunk, : features.shape[1]] = features[chunk]
            joined[chunk, features.shape[1] :] = values[chunk]
            release_pages(features)
            release_pages(joined)
        return joined

    def describe(self, samples: Sequence[Sample]) -> dict[str, object]:
        """For the manifest: the columns, and a digest of the values of the training images."""
        lines = sorted(f"{sample.digest} {sorted(sample.image.side.items())}\n" for sample in samples)
        return {
            "columns": {column.name: column.type for column in self.columns},
            "colour_statistics": self.colour,
            "scale": self.scale,
            "left_out_by_chance": side_columns.COLUMN_DROPOUT,
            "fingerprint": sha256("".join(lines).encode("utf-8", "surrogatepass")).hexdigest(),
        }

    def extend_graph(self, model: onnx.ModelProto, image: ImageSpec) -> onnx.ModelProto:
        """The feature graph with the head's input as a further tensor, and the input ``side`` for side information."""
        made = onnx.ModelProto()
        made.CopyFrom(model)
        graph, read = made.graph, [output.name for output in model.graph.output]
        if self:
            self._add(graph, image)
            read.append("beside")
        if len(read) > 1:
            graph.node.append(helper.make_node("Concat", read, [HEAD_INPUTS], axis=1))
        return made

    def _add(self, graph: onnx.GraphProto, image: ImageSpec) -> None:
        parts = []
        if self.colour:
            colour.add_colour_statistics(graph, image)
            parts.append(colour.COLOUR_OUTPUT)
        if self.columns:
            graph.input.append(helper.make_tensor_value_info(_SIDE, TensorProto.FLOAT, ["N", width(self.columns)]))
            parts.append(_SIDE)
        graph.initializer.append(numpy_helper.from_array(np.array(self.scale, np.float32), "beside.scale"))
        graph.node.append(helper.make_node("Concat", parts, ["beside.raw"], axis=1))
        graph.node.append(helper.make_node("Mul", ["beside.raw", "beside.scale"], ["beside"]))


def typical_deviation(features: Floats) -> float:
    """The median deviation of features ``[N, D]``, to three digits; 1 where they hardly vary."""
    rows = load_rows(features, np.arange(0, len(features), max(1, len(features) // 4096)))
    deviation = float(np.median(rows.std(axis=0)))
    return float(f"{deviation:.3g}") if deviation > 1e-6 else 1.0
