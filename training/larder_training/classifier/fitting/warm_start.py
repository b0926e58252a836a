"""Warm start: a training that begins with the labels, feature graph, head and hyperparameters of a release."""

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

_DEFAULT = HeadConfig(l2=0.01)  # for a release without the hyperparameters of its head


@dataclass(frozen=True, slots=True)
class ParentRelease:
    """A classifier release to start from.

    Attributes:
        manifest: Its manifest.
        serving: The ``serving`` section of the manifest.
        model: The bytes of its graph.
        features: The feature graph, up to the head's inputs.
        head: The head for features that are not standardised, with the temperature taken out.
        config: The hyperparameters of the head.
    """

    manifest: Manifest
    serving: ClassifierServing
    model: bytes
    features: FeatureGraph
    head: FittedHead
    config: HeadConfig

    def ordered(self, split: DatasetSplit) -> DatasetSplit:
        """The split with the parent's labels first, in their order, then the new ones.

        Raises:
            InvalidRequest: A label of the parent has no images.
        """
        missing = [label for label in self.serving.labels if label not in split.labels]
        if missing:
            raise InvalidRequest(
                f"The parent has labels without images in this data: {', '.join(missing[:5])}. Add images of every "
                "label of the parent, or train without --parent."
            )
        new = tuple(label for label in split.labels if label not in self.serving.labels)
        return replace(split, labels=(*self.serving.labels, *new))

    def parent_head(self, classes: int, dimensions: int) -> ParentHead | None:
        """The head, with weights of 0 for new labels; None if the number of features differs from the parent's."""
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

    def compare(self, split: DatasetSplit, probabilities: Floats, progress: Progress) -> dict[str, object]:
        """Compares both releases on the test images with a label of the parent, for the manifest's ``evaluation``.

        Unless data, seed and shares are those of the parent's training, the parent may be fitted on some of these
        images.

        Args:
            split: The images by part.
            probabilities: ``[N, C]``, the new release's for the whole test part.
            progress: Advances with each image.
        """
        known = [i for i, sample in enumerate(split.parts["test"]) if sample.image.label in self.serving.labels]
        samples = [split.parts["test"][i] for i in known]
        truth = label_indices(samples, split.labels)
        predictions = predict(self.model, samples, self.serving, title="Evaluating the parent", progress=progress)
        parent_right = predictions.probabilities.argmax(axis=1) == truth
        right = probabilities[known].argmax(axis=1) == truth
        return {
            **self.describe(),
            "photos": len(samples),
            "parent_accuracy": float(parent_right.mean()),
            "accuracy": float(right.mean()),
            "only_parent_right": int((parent_right & ~right).sum()),
            "only_new_right": int((right & ~parent_right).sum()),
            "note": "If the data or the seed differ, the parent may have been trained on some of these images.",
        }


def find_release(named: Path, releases: Path) -> Path:
    """The release folder ``named``, or the newest release under ``releases`` of the model with this name.

    Raises:
        InvalidRequest: There is neither.
    """
    if (named / MANIFEST).is_file():
        return named
    candidates = []
    for path in releases.glob(f"*/{MANIFEST}"):
        manifest = None if path.parent.name.startswith(".") else _read(path)
        if manifest and manifest.model == str(named):
            candidates.append((manifest.created, manifest.release, path.parent))
    if not candidates:
        raise InvalidRequest(
            f"{str(named)!r} is neither a release folder nor a model with a release in {str(releases)!r}: give the "
            "folder that the training wrote."
        )
    return max(candidates)[-1]


def _read(path: Path) -> Manifest | None:
    try:
        return parse(path.read_bytes())
    except (InvalidManifest, OSError):
        return None


def open_parent(options: ClassifierOptions) -> ParentRelease:
    """Reads the release that ``options.parent`` names.

    Raises:
        InvalidRequest: The name or folder has no classifier release, a training cannot start from the release, or
            preprocessing is stated without a backbone.
    """
    folder = find_release(options.parent or Path(), options.out)
    manifest = parse((folder / MANIFEST).read_bytes())
    serving = manifest.serving
    if not isinstance(serving, ClassifierServing):
        raise InvalidRequest(f"The parent {manifest.release} is a {manifest.kind}. Name a classifier.")
    if serving.side:
        raise InvalidRequest("The parent uses side information, which a parent cannot have. Train without --parent.")
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
    features = FeatureGraph(_feature_graph(graph, source, dimensions), serving.image, description, (), dtype)
    return ParentRelease(manifest, serving, model, features, head, _config(training, head))


def _head(graph: onnx.ModelProto, temperature: float) -> tuple[FittedHead, str]:
    """The head without its temperature, and the name of the tensor that it reads."""
    producers = {name: node for node in graph.graph.node for name in node.output}
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
    node = producers[producers["probabilities"].input[0]]
    weights, bias = (np.asarray(constants[name] * temperature, np.float32) for name in node.input[1:3])
    before = producers.get(node.input[0])
    if before is not None and before.op_type == "Relu":
        before = producers.get(before.input[0])
    if before is None or before.op_type not in {"Gemm", "FusedGemm"} or before.input[1] not in constants:
        return SoftmaxRegression(weights, bias), node.input[0]
    hidden_weights, hidden_bias = (np.asarray(constants[name], np.float32) for name in before.input[1:3])
    return MLP(hidden_weights, hidden_bias, weights, bias), before.input[0]


def _feature_graph(graph: onnx.ModelProto, source: str, dimensions: int) -> onnx.ModelProto:
    """The graph from ``image`` to the head's inputs, quantised as in the parent.

    Its outputs are ``features``, which the embedding is made of, and ``MIDDLE``, the further columns of the head, if
    there are any.
    """
    cut = onnx.ModelProto()
    cut.CopyFrom(graph)
    producers = {name: node for node in cut.graph.node for name in node.output}
    embedded, joint = str(producers["embedding"].input[0]), producers[source]
    widths = {"features": dimensions}
    if joint.op_type == "Concat" and joint.input[0] == embedded:
        cut.graph.node.append(helper.make_node("Concat", joint.input[1:], [MIDDLE], axis=1))
        widths = {"features": _width(graph, "embedding")}
        widths[MIDDLE], source = dimensions - widths["features"], embedded
    for node in cut.graph.node:
        node.input[:] = ["features" if name == source else name for name in node.input]
        node.output[:] = ["features" if name == source else name for name in node.output]
    del cut.graph.output[:]
    cut.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", width]) for name, width in widths.items()
    )
    prune(cut)
    return canonical(cut)


def _width(graph: onnx.ModelProto, output: str) -> int:
    shapes = {value.name: value.type.tensor_type.shape.dim for value in graph.graph.output}
    return int(shapes[output][1].dim_value)


def _config(training: Mapping[str, Any], head: FittedHead) -> HeadConfig:
    """The hyperparameters in the manifest's ``training`` section, or the default if they do not fit the head."""
    stated = training.get("head", {}).get("recipe")
    if stated is None:
        return _DEFAULT
    known: Sequence[str] = [field.name for field in fields(HeadConfig)]
    config = HeadConfig(**{name: value for name, value in stated.items() if name in known})
    units = head.hidden_weights.shape[1] if isinstance(head, MLP) else 0
    return config if config.units == units else _DEFAULT
