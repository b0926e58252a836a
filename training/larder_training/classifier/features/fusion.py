"""What the head reads beside the image features: colour statistics of the picture, and side information."""

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
    """``colour`` statistics first, then the ``columns`` of side information; all of them times ``scale``.

    ``scale`` is the features' usual deviation: the head's standardisation does not take what joins for noise.
    """

    columns: tuple[SideColumn, ...] = ()
    colour: bool = False
    scale: float = 1.0

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.columns) or self.colour

    def values(
        self,
        views: Views,
        context: ClassifierContext,
        *,
        training: bool = False,
        without: Collection[str] = (),
    ) -> Floats:
        """The numbers beside the features, ``[photos * views, K + S]`` in the order of ``FeatureExtractor``.

        ``lessons`` are rows to learn from (``side.encode_lessons``); else there is one view of each photo, and none has
        a value in the columns ``without``.
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
        """Features ``[N, D]`` and these values as the head reads them: ``[N, D + K + S]``."""
        joined: Floats = allocate(len(features), features.shape[1] + values.shape[1])
        for piece in chunks(len(features)):
            joined[piece, : features.shape[1]] = features[piece]
            joined[piece, features.shape[1] :] = values[piece]
            release_pages(features)
            release_pages(joined)
        return joined

    def describe(self, photos: Sequence[Sample]) -> dict[str, object]:
        """For the manifest: what it is, and a digest of what the training photos' manifest says."""
        said = sorted(f"{checked.digest} {sorted(checked.image.side.items())}\n" for checked in photos)
        return {
            "columns": {column.name: column.type for column in self.columns},
            "colour_statistics": self.colour,
            "scale": self.scale,
            "left_out_by_chance": side_columns.COLUMN_DROPOUT,
            "fingerprint": sha256("".join(said).encode("utf-8", "surrogatepass")).hexdigest(),
        }

    def extend_graph(self, model: onnx.ModelProto, image: ImageSpec) -> onnx.ModelProto:
        """A feature graph that also makes what the head reads where that is more, and takes ``side`` for columns."""
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
