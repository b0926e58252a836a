"""The classifier: one ONNX graph from pixels to calibrated probabilities, an embedding, and how strange it looks."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]  # ships no types
from numpy.typing import NDArray

from larder.classifier import image_decoding
from larder.errors import InvalidModel
from larder.host import ReleaseFiles
from larder.release import side_columns as information
from larder.release.serving import ClassifierServing

INPUT: Final = "image"
SIDE: Final = "side"
OUTPUTS: Final = ("probabilities", "embedding", "novelty")

Floats = NDArray[np.float32]
# name -> (type, shape); a dimension is a number, or None where any (or a symbolic) one will do
_Signature = dict[str, tuple[str, tuple[int | None, ...]]]


@dataclass(frozen=True, slots=True)
class Label:
    """One label and its calibrated probability, 0 to 1."""

    name: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Labels:
    """An answer: labels, best first. ``unknown``: the picture is far from everything that the model was taught."""

    labels: tuple[Label, ...]
    unknown: bool


class Classifier:
    """A loaded graph with the manifest's serving section. Safe for several threads at once.

    Raises InvalidModel when the graph does not load, or its inputs and outputs are not what the manifest says.
    """

    def __init__(
        self,
        model: Path | bytes,
        serving: ClassifierServing,
        *,
        max_pixels: int = image_decoding.MAX_PIXELS,
        threads: int = 1,
    ) -> None:
        """``threads`` share one run: as many as the process has vCPUs."""
        self.serving = serving
        self._max_pixels = max_pixels
        size = len(model) if isinstance(model, bytes) else model.stat().st_size
        # Measured on MobileNetV2: the weights twice (as read, and packed for the kernels) and 8 MiB to work in.
        self.nbytes: int = 2 * size + 8 * 2**20
        self._session = _load(model, threads)
        self._thresholds = np.array(serving.thresholds, np.float64)
        _check_signature(self._session, serving)

    @classmethod
    def open(
        cls, files: ReleaseFiles, *, max_pixels: int = image_decoding.MAX_PIXELS, threads: int = 1
    ) -> "Classifier":
        """Loads the graph of a release."""
        serving = files.manifest.serving
        if not isinstance(serving, ClassifierServing):
            raise InvalidModel(f"Release {files.manifest.release} is no classifier's: ask for it under its own kind.")
        files.fetch([serving.file])
        return cls(files.path(serving.file), serving, max_pixels=max_pixels, threads=threads)

    def run(self, images: image_decoding.Pixels, side: Floats | None = None) -> tuple[Floats, Floats, Floats]:
        """Runs a batch of decoded pictures.

        Args:
            images: uint8 ``[N, height, width, 3]``, RGB, as :func:`larder.classifier.image_decoding.decode` gives them.
            side: float32 ``[N, S]``, rows of :func:`larder.release.side_columns.encode`, if the release takes side
                information; None means that no side information is known.

        Returns:
            Probabilities float32 ``[N, C]``, embeddings float32 ``[N, D]`` and novelties float32 ``[N]``.
        """
        inputs: dict[str, object] = {INPUT: images}
        if self.serving.side:
            inputs[SIDE] = self._nothing_known(len(images)) if side is None else side
        probabilities, embedding, novelty = self._session.run(OUTPUTS, inputs)
        return probabilities, embedding, novelty

    def classify(
        self,
        data: bytes,
        *,
        side: Mapping[str, object] | None = None,
        max_labels: int | None = None,
        min_confidence: float | None = None,
    ) -> Labels:
        """Labels one encoded picture.

        Args:
            data: a JPEG, PNG, WebP or GIF file.
            side: what is known beside it, by column; what is missing takes the column's default.
            max_labels: at most this many labels; None for all.
            min_confidence: in place of the thresholds of the manifest; 0 names every label.

        Raises:
            RequestError: whatever :func:`larder.classifier.image_decoding.decode` finds wrong with the picture, or
                :func:`larder.release.side_columns.encode` with ``side``.
            InvalidModel: the graph gave something else than numbers.
        """
        row = np.array([information.encode(self.serving.side, side or {})], np.float32)
        pixels = image_decoding.decode(data, self.serving.image, max_pixels=self._max_pixels)
        probabilities, _, novelty = self.run(pixels[None], row)
        scores = probabilities[0].astype(np.float64)
        if not np.isfinite(scores).all() or not np.isfinite(novelty[0]):
            raise InvalidModel("The graph answered NaN or infinity: roll back to the release before, and train anew.")
        bounds = self._thresholds if min_confidence is None else min_confidence
        order = np.argsort(-scores, kind="stable")
        kept = order[(scores >= bounds)[order]][:max_labels]
        limit = self.serving.novelty_threshold
        return Labels(
            tuple(Label(self.serving.labels[number], round(float(scores[number]), 6)) for number in kept),
            unknown=limit is not None and float(novelty[0]) > limit,
        )

    def _nothing_known(self, pictures: int) -> Floats:
        return np.tile(np.array(information.encode(self.serving.side, {}), np.float32), (pictures, 1))

    def close(self) -> None:
        """Does nothing: the graph's memory goes with the last request that still holds it."""


def _load(model: Path | bytes, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    # Optimised when it was trained: doing it again would cost each cold start as much as loading does.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # A spinning thread burns the time slice that a Lambda of less than one vCPU has for the work itself.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 4  # what is wrong comes as an exception; warnings would break the log's JSON lines
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        reason = (
            str(error).split("\n", maxsplit=1)[0].replace(str(model) if isinstance(model, Path) else "\n", "the file")
        )
        raise InvalidModel(f"The ONNX graph does not load: {reason[:200]}. Train and publish it again.") from error


def _check_signature(session: ort.InferenceSession, serving: ClassifierServing) -> None:
    spec = serving.image
    wanted_inputs: _Signature = {INPUT: ("tensor(uint8)", (None, spec.height, spec.width, 3))}
    if serving.side:
        wanted_inputs[SIDE] = ("tensor(float)", (None, information.width(serving.side)))
    wanted_outputs: _Signature = {
        "probabilities": ("tensor(float)", (None, len(serving.labels))),
        "embedding": ("tensor(float)", (None, None)),
        "novelty": ("tensor(float)", (None,)),
    }
    problems = _differences("input", session.get_inputs(), wanted_inputs)
    problems += _differences("output", session.get_outputs(), wanted_outputs)
    if problems:
        raise InvalidModel(
            f"The ONNX graph is not what its manifest says: {'; '.join(problems)}. Train and publish it again."
        )


def _differences(side: str, nodes: list[ort.NodeArg], wanted: _Signature) -> list[str]:
    found = {node.name: node for node in nodes}
    problems = [f"{side} {name} is unknown" for name in found if name not in wanted]
    for name, (kind, shape) in wanted.items():
        if name not in found:
            problems.append(f"{side} {name} is missing")
            continue
        given = found[name].shape
        fits = len(given) == len(shape) and all(b is None or a == b for a, b in zip(given, shape, strict=True))
        if found[name].type != kind or not fits or isinstance(given[0], int):
            expected = ", ".join("any" if side is None else str(side) for side in shape)
            problems.append(f"{side} {name} is {found[name].type} {given}, not {kind} [{expected}]")
    return problems
