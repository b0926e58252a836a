"""The minimum for classifying an image under Lambda's runtime client: decode, resize, ``session.run``.

It runs the same graph on the same layer as Larder, and returns the time of these three steps.
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
session = ort.InferenceSession(os.environ["MODEL_PATH"], options, providers=["CPUExecutionProvider"])


def handler(event: dict, context: object) -> dict:  # noqa: ARG001  Lambda passes two
    """Runs the graph on the image in the body; the response is the time in milliseconds."""
    data = base64.b64decode(event["body"])
    begun = time.perf_counter()
    image = Image.open(BytesIO(data)).convert("RGB")
    side = CROP * min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    pixels = np.array(image.resize((224, 224), Image.Resampling.BILINEAR, box))[None]
    session.run(["probabilities", "embedding", "novelty"], {"image": pixels})
    return {"statusCode": 200, "body": str(1000 * (time.perf_counter() - begun))}
