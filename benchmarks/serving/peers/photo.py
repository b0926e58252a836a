"""What the peers that label photos share: the pixels, the session and the best label."""

import os
from io import BytesIO
from pathlib import Path

import numpy as np
import onnxruntime as ort
from PIL import Image, ImageOps

SIDE = 224
BORDER = 0.0625  # of each side: what is left is the central 0.875, as the model was trained


def session() -> ort.InferenceSession:
    """The graph that the environment names, with as many threads as the worker has cores: one."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(os.environ["PHOTO_MODEL"], options, providers=["CPUExecutionProvider"])


def labels() -> list[str]:
    """The classes' names, in the graph's order."""
    return Path(os.environ["PHOTO_LABELS"]).read_text(encoding="utf-8").splitlines()


def decoded(photo: bytes) -> np.ndarray:
    """An encoded photo's pixels, uint8 ``[1, 224, 224, 3]``."""
    return fitted(Image.open(BytesIO(photo)))


def fitted(image: Image.Image) -> np.ndarray:
    """An opened photo's pixels, uint8 ``[1, 224, 224, 3]``: crop and resize in one step."""
    fit = ImageOps.fit(image.convert("RGB"), (SIDE, SIDE), Image.Resampling.BILINEAR, bleed=BORDER)
    return np.asarray(fit)[None]


def best(probabilities: np.ndarray, names: list[str]) -> dict[str, object]:
    """The answer: the best label and its probability."""
    number = int(probabilities.argmax())
    return {"name": names[number], "confidence": float(probabilities[number])}
