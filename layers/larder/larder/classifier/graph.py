"""The classifier: one ONNX graph from pixels to calibrated probabilities, an embedding and an OOD score."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]  # ships no types
from numpy.typing import NDArray

from larder.classifier import image_decoding
from larder.errors import InvalidModel
from larder.host import ReleaseFiles
from larder.release import side_columns
from larder.release.serving import ClassifierServing

INPUT: Final = "image"
SIDE: Final = "side"
OUTPUTS: Final = ("probabilities", "embedding", "novelty")

Floats = NDArray[np.float32]
# name -> (type, shape); a dimension is None if any (or a symbolic) one is accepted
_Signature = dict[str, tuple[str, tuple[int | None, ...]]]


@dataclass(frozen=True, slots=True)
class Label:
    """One label of a response.

    Attributes:
        name: The label.
        confidence: Its calibrated probability, 0 to 1.
    """

    name: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of one image.

    Attributes:
        labels: The labels above their thresholds, best first.
        unknown: Whether the image is out of distribution: unlike the training images.
        decode_seconds: The time to decode the image.
        inference_seconds: The time to run the graph.
    """

    labels: tuple[Label, ...]
    unknown: bool
    decode_seconds: float = field(default=0.0, repr=False, compare=False)
    inference_seconds: float = field(default=0.0, repr=False, compare=False)

    @property
    def first(self) -> str | None:
        """The name of the best label; None without one."""
        return self.labels[0].name if self.labels else None


class Classifier:
    """A loaded graph. Thread-safe.

    Attributes:
        serving: The serving section of the manifest.
        nbytes: Estimate of the memory that the graph takes, in bytes.
    """

    def __init__(
        self,
        model: Path | bytes,
        serving: ClassifierServing,
        *,
        max_pixels: int = image_decoding.MAX_PIXELS,
        threads: int = 1,
    ) -> None:
        """Load a graph.

        Args:
            model: The path or the bytes of an ONNX file.
            serving: The serving section of the manifest.
            max_pixels: The limit of :func:`larder.classifier.image_decoding.decode`.
            threads: How many threads share one run: the process's vCPUs.

        Raises:
            InvalidModel: the graph does not load, or its inputs or outputs differ from the manifest.
        """
        self.serving = serving
        self._max_pixels = max_pixels
        size = len(model) if isinstance(model, bytes) else model.stat().st_size
        # Measured on MobileNetV2: the weights twice (as read, and packed for the kernels) and 8 MiB of working memory.
        self.nbytes: int = 2 * size + 8 * 2**20
        self._session = _load(model, threads)
        self._thresholds = np.array(serving.thresholds, np.float64)
        _check_signature(self._session, serving)

    @classmethod
    def open(
        cls, files: ReleaseFiles, *, max_pixels: int = image_decoding.MAX_PIXELS, threads: int = 1
    ) -> "Classifier":
        """Load the graph of a release; raises InvalidModel, or what ``files.fetch`` raises."""
        serving = files.manifest.serving
        if not isinstance(serving, ClassifierServing):
            raise InvalidModel(f"Release {files.manifest.release} is not a classifier: load it as a recommender.")
        files.fetch([serving.file])
        return cls(files.path(serving.file), serving, max_pixels=max_pixels, threads=threads)

    def run(self, images: image_decoding.Pixels, side: Floats | None = None) -> tuple[Floats, Floats, Floats]:
        """Run a batch of decoded images.

        Args:
            images: uint8 ``[N, height, width, 3]``, RGB, from :func:`larder.classifier.image_decoding.decode`.
            side: float32 ``[N, S]``, rows of :func:`larder.release.side_columns.encode`; ignored if the release takes
                no side information. None stands for missing values in every column.

        Returns:
            Probabilities float32 ``[N, C]``, embeddings float32 ``[N, D]`` and OOD scores float32 ``[N]``.
        """
        inputs: dict[str, object] = {INPUT: images}
        if self.serving.side:
            inputs[SIDE] = self._missing_side(len(images)) if side is None else side
        probabilities, embeddings, ood_scores = self._session.run(OUTPUTS, inputs)
        return probabilities, embeddings, ood_scores

    def decode(self, data: bytes) -> image_decoding.Pixels:
        """The pixels of an encoded image, uint8 ``[height, width, 3]``; raises RequestError as ``image_decoding``."""
        return image_decoding.decode(data, self.serving.image, max_pixels=self._max_pixels)

    def side_rows(self, sides: Sequence[Mapping[str, object]]) -> Floats:
        """Side information by column, one mapping for each image, as float32 ``[N, S]``.

        A missing column takes its default. Raises RequestError as :func:`larder.release.side_columns.encode`.
        """
        return np.array([side_columns.encode(self.serving.side, side) for side in sides], np.float32)

    def predict(self, images: image_decoding.Pixels, rows: Floats) -> tuple[Floats, Floats, Floats]:
        """As ``run``; raises InvalidModel if the graph returned NaN or infinity."""
        outputs = self.run(images, rows)
        if not all(np.isfinite(output).all() for output in outputs):
            raise InvalidModel(
                "The graph returned NaN or infinity for this image, as some do for plain ones: send another image. If "
                "this happens with every image, promote the previous release, and train a new one."
            )
        return outputs

    def is_unknown(self, ood_score: float) -> bool:
        """Whether an image with this score is out of distribution; False if the release has no detection of it."""
        threshold = self.serving.novelty_threshold
        return threshold is not None and ood_score > threshold

    def classify(
        self,
        data: bytes,
        *,
        side: Mapping[str, object] | None = None,
        max_labels: int | None = None,
        min_confidence: float | None = None,
    ) -> Labels:
        """Classify one encoded image.

        Args:
            data: A JPEG, PNG, WebP, GIF, HEIC or AVIF file.
            side: Side information by column; a missing column takes its default.
            max_labels: The maximum number of labels; None for all.
            min_confidence: One threshold for all labels, in place of those of the manifest; 0 returns every label.

        Raises:
            RequestError: as :func:`larder.classifier.image_decoding.decode` for the image, and as
                :func:`larder.release.side_columns.encode` for ``side``.
            InvalidModel: the graph returned NaN or infinity.
        """
        row = self.side_rows([side or {}])
        begun = time.perf_counter()
        pixels = self.decode(data)[None]
        decoded = time.perf_counter()
        probabilities, _, ood_scores = self.predict(pixels, row)
        inferred = time.perf_counter()
        scores = probabilities[0].astype(np.float64)
        thresholds = self._thresholds if min_confidence is None else min_confidence
        order = np.argsort(-scores, kind="stable")
        shown = order[(scores >= thresholds)[order]][:max_labels]
        return Labels(
            tuple(Label(self.serving.labels[index], round(float(scores[index]), 6)) for index in shown),
            unknown=self.is_unknown(float(ood_scores[0])),
            decode_seconds=decoded - begun,
            inference_seconds=inferred - decoded,
        )

    def _missing_side(self, images: int) -> Floats:
        return np.tile(np.array(side_columns.encode(self.serving.side, {}), np.float32), (images, 1))

    def close(self) -> None:
        """Do nothing: the graph is freed with the last reference to it."""


def _load(model: Path | bytes, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    # Training has optimised the graph; doing it again would double the time to load it.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # On less than one vCPU, a thread that spins takes time from the thread that computes.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 4  # errors are raised; warnings would break the JSON lines of the log
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        reason = str(error).split("\n", maxsplit=1)[0]
        if isinstance(model, Path):
            reason = reason.replace(str(model), "the file")
        raise InvalidModel(f"The ONNX graph does not load: {reason[:200]}. Train and publish it again.") from error


def _check_signature(session: ort.InferenceSession, serving: ClassifierServing) -> None:
    spec = serving.image
    inputs: _Signature = {INPUT: ("tensor(uint8)", (None, spec.height, spec.width, 3))}
    if serving.side:
        inputs[SIDE] = ("tensor(float)", (None, side_columns.width(serving.side)))
    outputs: _Signature = {
        "probabilities": ("tensor(float)", (None, len(serving.labels))),
        "embedding": ("tensor(float)", (None, None)),
        "novelty": ("tensor(float)", (None,)),
    }
    problems = _differences("input", session.get_inputs(), inputs)
    problems += _differences("output", session.get_outputs(), outputs)
    if problems:
        raise InvalidModel(
            f"The ONNX graph differs from its manifest: {'; '.join(problems)}. Train and publish it again."
        )


def _differences(what: str, nodes: list[ort.NodeArg], signature: _Signature) -> list[str]:
    by_name = {node.name: node for node in nodes}
    problems = [f"{what} {name} is unknown" for name in by_name if name not in signature]
    for name, (dtype, shape) in signature.items():
        if name not in by_name:
            problems.append(f"{what} {name} is missing")
            continue
        node = by_name[name]
        same = len(node.shape) == len(shape) and all(
            b is None or a == b for a, b in zip(node.shape, shape, strict=True)
        )
        if node.type != dtype or not same or isinstance(node.shape[0], int):
            expected = ", ".join("any" if length is None else str(length) for length in shape)
            problems.append(f"{what} {name} is {node.type} {node.shape}, not {dtype} [{expected}]")
    return problems
