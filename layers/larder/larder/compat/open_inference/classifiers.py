"""A classifier behind the protocol: images in, the outputs of its graph out."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from larder.classifier.graph import INPUT, OUTPUTS, SIDE, Classifier
from larder.classifier.image_decoding import Pixels
from larder.compat.open_inference.messages import InferenceRequest
from larder.compat.open_inference.specification import MAX_BATCH, NEUTRAL, TensorSpec, batch_of, column
from larder.compat.open_inference.tensors import BOOL, BYTES, FP32, UINT8, InferenceTensor
from larder.errors import InvalidRequest, RequestError

PROBABILITIES, EMBEDDING, OOD_SCORE = OUTPUTS
UNKNOWN: Final = "unknown"
_RUN: Final = 8  # images in one run of the graph: more take memory, and no less time for each


class ClassifierModel:
    """A release of a classifier.

    The input ``image`` has files (BYTES, shape [N] or [N,1]; base64 in JSON, which has no bytes), or pixels of the size
    of the graph's input (UINT8, shape [N,height,width,3], RGB). ``side`` has one JSON object for each image. Attributes
    are those of ``InferenceModel``.
    """

    platform = "onnxruntime_onnx"

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        serving = classifier.serving
        image = serving.image
        self._pixels = (image.height, image.width, 3)
        self.properties: Mapping[str, str] = {"pixels": f"UINT8 [-1,{image.height},{image.width},3]"}
        self.inputs: Sequence[TensorSpec] = (TensorSpec(INPUT, BYTES, (1,)),)
        if serving.side:
            self.inputs = (*self.inputs, TensorSpec(SIDE, BYTES, (1,), optional=True))
        self.outputs: Sequence[TensorSpec] = (
            TensorSpec(PROBABILITIES, FP32, (len(serving.labels),)),
            TensorSpec(EMBEDDING, FP32, (-1,)),
            TensorSpec(OOD_SCORE, FP32, (1,)),
            TensorSpec(UNKNOWN, BOOL, (1,)),
        )
        self.classes: Mapping[str, Sequence[str]] = {PROBABILITIES: serving.labels}

    def infer(self, request: InferenceRequest) -> Mapping[str, InferenceTensor]:
        """The graph's outputs, and whether each image is out of distribution."""
        for name in request.parameters:
            if name not in NEUTRAL:
                raise InvalidRequest(f"parameter {name[:60]!r} is not one of a classifier: leave it out.")
        count = batch_of(request, [spec.name for spec in self.inputs])
        if INPUT not in request.inputs:
            raise InvalidRequest(f"The input {INPUT} is missing: send files as BYTES, or pixels as UINT8.")
        sides = self._classifier.side_rows([_side(text) for text in column(request, SIDE, count)])
        images = self._images(request.inputs[INPUT], count)
        parts = [
            self._classifier.predict(images[at : at + _RUN], sides[at : at + _RUN]) for at in range(0, count, _RUN)
        ]
        probabilities, embeddings, ood_scores = (np.concatenate(part) for part in zip(*parts, strict=True))
        unknown = bytes(self._classifier.is_unknown(float(score)) for score in ood_scores)
        return {
            PROBABILITIES: _tensor(PROBABILITIES, probabilities),
            EMBEDDING: _tensor(EMBEDDING, embeddings),
            OOD_SCORE: _tensor(OOD_SCORE, ood_scores[:, None]),
            UNKNOWN: InferenceTensor(UNKNOWN, BOOL, (count, 1), raw=unknown),
        }

    def _images(self, tensor: InferenceTensor, count: int) -> Pixels:
        if tensor.datatype == BYTES and tensor.shape in ((count,), (count, 1)):
            return np.stack([self._decoded(data, row) for row, data in enumerate(tensor.texts)])
        if tensor.datatype == UINT8 and tensor.shape == (count, *self._pixels):
            return np.frombuffer(tensor.raw, np.uint8).reshape(tensor.shape)
        height, width, _ = self._pixels
        raise InvalidRequest(
            f"input {INPUT} has datatype {tensor.datatype} and shape {list(tensor.shape)}: send files as BYTES of "
            f"shape [N,1], or pixels as UINT8 of shape [N,{height},{width},3], with N from 1 to {MAX_BATCH}."
        )

    def _decoded(self, data: bytes, row: int) -> Pixels:
        try:
            return self._classifier.decode(_file(data))
        except RequestError as error:
            raise InvalidRequest(f"image {row + 1}: {error}") from error


def _file(data: bytes) -> bytes:
    """The bytes of a file that may be in base64: each character of it is ASCII, which no image is."""
    if not data.isascii():
        return data
    try:
        return base64.b64decode(b"".join(data.split()), validate=True)
    except ValueError:
        return data  # the decoder of images says what it is


def _side(text: bytes) -> Mapping[str, object]:
    if not text:
        return {}
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise InvalidRequest(f"input {SIDE} has {text[:60]!r}: send a JSON object of columns and values.")
    return values


def _tensor(name: str, values: "np.ndarray[Any, np.dtype[np.float32]]") -> InferenceTensor:
    return InferenceTensor(name, FP32, values.shape, raw=np.ascontiguousarray(values, "<f4").tobytes())
