"""Shared by the peers that classify images: the pixels, the session and the best label."""

import os
from io import BytesIO
from pathlib import Path

import numpy as np
import onnxruntime as ort
from PIL import Image, ImageOps

SIDE = 224
BORDER = 0.0625  # cut on each side: the central 0.875 remains, as in training


def session() -> ort.InferenceSession:
    """The graph in ``MODEL_PATH``, with one thread, since the worker has one core."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(os.environ["MODEL_PATH"], options, providers=["CPUExecutionProvider"])


def labels() -> list[str]:
    """The class names, in the graph's order."""
    return Path(os.environ["LABELS_PATH"]).read_text(encoding="utf-8").splitlines()


def decoded(data: bytes) -> np.ndarray:
    """The pixels of an encoded image, uint8 ``[1, 224, 224, 3]``."""
    return fitted(Image.open(BytesIO(data)))


def fitted(image: Image.Image) -> np.ndarray:
    """The pixels of an opened image, uint8 ``[1, 224, 224, 3]``: crop and resize in one step."""
    fit = ImageOps.fit(image.convert("RGB"), (SIDE, SIDE), Image.Resampling.BILINEAR, bleed=BORDER)
    return np.asarray(fit)[None]


def best(probabilities: np.ndarray, names: list[str]) -> dict[str, object]:
    """The best label and its probability."""
    index = int(probabilities.argmax())
    return {"name": names[index], "confidence": float(probabilities[index])}
