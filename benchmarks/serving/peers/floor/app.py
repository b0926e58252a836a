"""The least that labelling a photo takes under Lambda's runtime client: decode, resize, ``session.run``.

It runs the same graph on the same layer as Larder and tells how long those three took.
"""

import base64
import os
import time
from io import BytesIO

import numpy as np
import onnxruntime as ort
from PIL import Image

CROP = 0.875

options = ort.SessionOptions()
options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = ort.InferenceSession(os.environ["PHOTO_MODEL"], options, providers=["CPUExecutionProvider"])


def handler(event: dict, context: object) -> dict:  # noqa: ARG001  Lambda gives two
    """Runs the graph on the photo in the body; the answer is the time in milliseconds."""
    photo = base64.b64decode(event["body"])
    begun = time.perf_counter()
    image = Image.open(BytesIO(photo)).convert("RGB")
    side = CROP * min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    pixels = np.array(image.resize((224, 224), Image.Resampling.BILINEAR, box))[None]
    session.run(["probabilities", "embedding", "novelty"], {"image": pixels})
    return {"statusCode": 200, "body": str(1000 * (time.perf_counter() - begun))}
