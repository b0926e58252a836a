#!/usr/bin/env python3
"""Classifies images with the exported model, without Larder: ``python classify.py cat.jpg dog.png``.

For a model with side information, pass the columns of the images as JSON:
``SIDE='{"place": "Berlin"}' python classify.py cat.jpg``.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from colour_profiles import colour_mode, to_srgb  # type: ignore[import-not-found]  # next to this file, as is heif.py
from heif import HeifImageFile  # type: ignore[import-not-found]
from PIL import Image
from side import encode  # type: ignore[import-not-found]

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # or importing it writes a device id and sends usage data
import onnxruntime as ort  # type: ignore[import-untyped]  # ships no types

HERE = Path(__file__).parent
SPEC: dict[str, Any] = json.loads((HERE / "preprocessing.json").read_text(encoding="utf-8"))
LABELS = (HERE / "labels.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "AVIF", "HEIF"]
UPRIGHT = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # EXIF orientation: the PIL.Image.Transpose that undoes it


Image.register_open("HEIF", HeifImageFile, lambda start: start[4:8] == b"ftyp" and start[8:11] != b"avi")


def load() -> ort.InferenceSession:
    """Opens the model without further optimisation, since it is optimised already."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(HERE / "model.onnx", options, providers=["CPUExecutionProvider"])


def pixels(file: Any) -> Any:  # noqa: ANN401 - a path or an open file in, an array out
    """The image in a file as the model's input: uint8 [1, height, width, 3], RGB, upright."""
    with Image.open(file, formats=FORMATS) as image:
        size, crop = (SPEC["width"], SPEC["height"]), SPEC["crop"] if SPEC["fit"] == "crop" else 1.0
        scale = crop * min(image.size) / max(size) / 2
        factor = next((factor for factor in (8, 4, 2) if scale >= factor), 1)
        if image.format in {"JPEG", "MPO"} and factor > 1:  # a large JPEG decodes faster at a fraction of its size
            image.draft(None, (image.width // factor, image.height // factor))
        image.load()
        turn = image.getexif().get(274, 1)
        plain: Image.Image = image
        profile = colour_mode(image)
        if image.has_transparency_data:
            plain = image.convert("RGBA")
        elif image.mode not in {"L", "I;16", "RGB"} and profile != "CMYK":
            plain = image.convert("L" if image.mode == "1" else "RGB")
    target, left, top = size[::-1] if turn in {5, 6, 7, 8} else size, 0.0, 0.0
    if SPEC["fit"] == "crop":
        scale = crop * min(plain.width / target[0], plain.height / target[1])
        left, top = max(0.0, (plain.width - scale * target[0]) / 2), max(0.0, (plain.height - scale * target[1]) / 2)
    box = (left, top, plain.width - left, plain.height - top)
    small = plain.resize(target, Image.Resampling[SPEC["resampling"].upper()], box=box)
    if turn in UPRIGHT:
        small = small.transpose(Image.Transpose(UPRIGHT[turn]))
    if small.mode == "I;16":  # 16 bits of grey: 65535 / 257 = 255
        small = Image.fromarray(np.rint(np.asarray(small) / 257).astype(np.uint8))
    if profile:
        small = to_srgb(small, image.info["icc_profile"], profile)
    if small.mode == "RGBA":
        small = Image.alpha_composite(Image.new("RGBA", small.size, (*SPEC["background"], 255)), small)
    return np.array(small.convert("RGB"))[None]


def classify(model: ort.InferenceSession, file: Any, side: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - a path or a file
    """Labels above their thresholds, best first; ``unknown`` if the image is unlike the training images."""
    inputs = {"image": pixels(file), **encode(SPEC["side"], side)}
    (scores,), (ood_score,) = model.run(["probabilities", "novelty"], inputs)
    if not np.isfinite(scores).all() or not np.isfinite(ood_score):
        raise ValueError("The model makes NaN or infinity of this image, as some do of plain ones: give another image.")
    named = [
        {"name": LABELS[i], "confidence": round(float(scores[i]), 6)}
        for i in np.argsort(-scores, kind="stable")
        if scores[i] >= SPEC["thresholds"][i]
    ]
    limit = SPEC["novelty_threshold"]
    return {"labels": named, "unknown": limit is not None and float(ood_score) > limit}


if __name__ == "__main__":
    running, known = load(), json.loads(os.environ.get("SIDE", "{}"))
    for name in sys.argv[1:]:
        sys.stdout.write(json.dumps({"file": name, **classify(running, name, known)}, ensure_ascii=False) + "\n")
