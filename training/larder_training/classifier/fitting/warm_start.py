"""Customised training: begins from an earlier release's labels, feature graph, head and settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from larder.errors import InvalidManifest, InvalidRequest
from larder.release.keys import MANIFEST
from larder.release.manifest import Manifest, parse
from larder.release.serving import ClassifierServing
from larder_training.classifier.config.options import ClassifierOptions
from larder_training.classifier.config.preprocessing import Preprocessing
from larder_training.classifier.data.labels import label_indices
from larder_training.classifier.data.splits import DatasetSplit
from larder_training.classifier.features.backbone import FeatureGraph
from larder_training.classifier.fitting.predictions import predict
from larder_training.classifier.heads.config import FittedHead, HeadConfig, ParentHead
from larder_training.classifier.heads.mlp import MLP
from larder_training.classifier.heads.softmax_regression import SoftmaxRegression
from larder_training.classifier.onnx.graph import MIDDLE, canonical, prune
from larder_training.numerics.arrays import Floats
from larder_training.reporting.progress import Progress

_DEFAULT = HeadConfig(l2=0.01)  # of a release that does not say how its head was fitted


@dataclass(frozen=True, slots=True)
class ParentRelease:
    """A classifier release to start from. ``head`` reads plain features; its temperature is taken out again."""

    manifest: Manifest
    serving: ClassifierServing
    model: bytes
    features: FeatureGraph
    head: FittedHead
    config: HeadConfig

    def ordered(self, parts: DatasetSplit) -> DatasetSplit:
        """The split with the parent's labels first, in their order, and new ones appended.

        Raises InvalidRequest where a label of the parent has no photo.
        """
        missing = [label for label in self.serving.labels if label not in parts.labels]
        if missing:
            raise InvalidRequest(
                f"The parent knows {', '.join(missing[:5])}, and the photos show none of it. Add photos of every label "
                "of the parent, or train without --parent."
            )
        new = tuple(label for label in parts.labels if label not in self.serving.labels)
        return replace(parts, labels=(*self.serving.labels, *new))

    def parent_head(self, classes: int, dimensions: int) -> ParentHead | None:
        """The head, with labels that know nothing appended; None where the features are others than the parent's."""
        head = self.head
        first = head.hidden_weights if isinstance(head, MLP) else head.weights
        if len(first) != dimensions:
            return None
        new = classes - len(self.serving.labels)
        weights = np.pad(head.weights, ((0, 0), (0, new)))
        bias = np.pad(head.bias, (0, new))
        return ParentHead(replace(head, weights=weights, bias=bias), self.config)

    def describe(self) -> dict[str, object]:
        """For the manifest."""
        return {"model": self.manifest.model, "release": self.manifest.release, "labels": len(self.serving.labels)}

    def compare(self, parts: DatasetSplit, probabilities: Floats, progress: Progress) -> dict[str, object]:
        """Both releases on the test photos whose label the parent knows, for the manifest's ``evaluation``.

        ``probabilities`` are the new release's on the whole test part. Unless photos, seed and shares are those of the
        parent's own training, it may have learnt from some of these photos.
        """
        known = [i for i, checked in enumerate(parts.parts["test"]) if checked.image.label in self.serving.labels]
        photos = [parts.parts["test"][i] for i in known]
        truth = label_indices(photos, parts.labels)
        answers = predict(self.model, photos, self.serving, title="Evaluating the parent", progress=progress)
        theirs, ours = answers.probabilities.argmax(axis=1) == truth, probabilities[known].argmax(axis=1) == truth
        return {
            **self.describe(),
            "photos": len(photos),
            "parent_accuracy": float(theirs.mean()),
            "accuracy": float(ours.mean()),
            "only_parent_right": int((theirs & ~ours).sum()),
            "only_new_right": int((ours & ~theirs).sum()),
            "note": "Where the data or the seed differ, the parent may have learnt from some of these photos.",
        }


def find_release(named: Path, releases: Path) -> Path:
    """The release folder that ``named`` is, or the newest under ``releases`` of the model with that name."""
    if (named / MANIFEST).is_file():
        return named
    found = []
    for path in releases.glob(f"*/{MANIFEST}"):
        manifest = None if path.parent.name.startswith(".") else _read(path)
        if manifest and manifest.model == str(named):
            found.append((manifest.created, manifest.release, path.parent))
    if not found:
        raise InvalidRequest(
            f"{str(named)!r} is no release folder and no model with a release beside the new one: name the folder "
            "that the training wrote."
        )
    return max(found)[-1]


def _read(path: Path) -> Manifest | None:
    try:
        return parse(path.read_bytes())
    except (InvalidManifest, OSError):
        return None


def open_parent(options: ClassifierOptions) -> ParentRelease:
    """Reads the release that ``options.parent`` names.

    Raises InvalidRequest where there is no such classifier, where it cannot be started from, and where preprocessing
    is stated without a backbone that it could be for.
    """
    folder = find_release(options.parent or Path(), options.out)
    manifest = parse((folder / MANIFEST).read_bytes())
    serving = manifest.serving
    if not isinstance(serving, ClassifierServing):
        raise InvalidRequest(f"The parent {manifest.release} is a {manifest.kind}. Name a classifier.")
    if serving.side:
        raise InvalidRequest("The parent uses side information, which cannot be carried on. Train without --parent.")
    if options.backbone is None and options.preprocessing != Preprocessing():
        raise InvalidRequest(
            "The preprocessing comes from the parent. Leave out --mean, --std, --resize-short, --input-size, --output "
            "and --resampling, or give a --backbone."
        )
    model = (folder / serving.file).read_bytes()
    graph = onnx.load_from_string(model)
    head, source = _head(graph, serving.temperature)
    training = cast("Mapping[str, Any]", manifest.training)
    evaluation = cast("Mapping[str, Any]", manifest.evaluation)
    dtype = str(evaluation.get("quantisation", {}).get("dtype", "float32"))
    description = {**training.get("backbone", {}), "from_parent": manifest.release}
    dimensions = head.hidden_weights.shape[0] if isinstance(head, MLP) else head.weights.shape[0]
    features = FeatureGraph(_cut(graph, source, dimensions), serving.image, description, (), dtype)
    return ParentRelease(manifest, serving, model, features, head, _recipe(training, head))


def _head(graph: onnx.ModelProto, temperature: float) -> tuple[FittedHead, str]:
    """The head, its temperature taken out, and the name of the tensor that it reads."""
    makers = {name: node for node in graph.graph.node for name in node.output}
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
    node = makers[makers["probabilities"].input[0]]
    weights, bias = (np.asarray(constants[name] * temperature, np.float32) for name in node.input[1:3])
    before = makers.get(node.input[0])
    if before is not None and before.op_type == "Relu":
        before = makers.get(before.input[0])
    if before is None or before.op_type not in {"Gemm", "FusedGemm"} or before.input[1] not in constants:
        return SoftmaxRegression(weights, bias), node.input[0]
    hidden_weights, hidden_bias = (np.asarray(constants[name], np.float32) for name in before.input[1:3])
    return MLP(hidden_weights, hidden_bias, weights, bias), before.input[0]


def _cut(graph: onnx.ModelProto, source: str, dimensions: int) -> onnx.ModelProto:
    """The graph from ``image`` to what the head reads, quantised as the parent's is.

    That is ``features``, which the embedding is made of, and ``middle``, what the head read behind them, if anything.
    """
    made = onnx.ModelProto()
    made.CopyFrom(graph)
    makers = {name: node for node in made.graph.node for name in node.output}
    embedded, joint = str(makers["embedding"].input[0]), makers[source]
    widths = {"features": dimensions}
    if joint.op_type == "Concat" and joint.input[0] == embedded:
        made.graph.node.append(helper.make_node("Concat", joint.input[1:], [MIDDLE], axis=1))
        widths = {"features": _width(graph, "embedding")}
        widths[MIDDLE], source = dimensions - widths["features"], embedded
    for node in made.graph.node:
        node.input[:] = ["features" if name == source else name for name in node.input]
        node.output[:] = ["features" if name == source else name for name in node.output]
    del made.graph.output[:]
    made.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", width]) for name, width in widths.items()
    )
    prune(made)
    return canonical(made)


def _width(graph: onnx.ModelProto, output: str) -> int:
    shapes = {value.name: value.type.tensor_type.shape.dim for value in graph.graph.output}
    return int(shapes[output][1].dim_value)


def _recipe(training: Mapping[str, Any], head: FittedHead) -> HeadConfig:
    told = training.get("head", {}).get("recipe")
    if told is None:
        return _DEFAULT
    known: Sequence[str] = [field.name for field in fields(HeadConfig)]
    config = HeadConfig(**{name: value for name, value in told.items() if name in known})
    units = head.hidden_weights.shape[1] if isinstance(head, MLP) else 0
    return config if config.units == units else _DEFAULT
