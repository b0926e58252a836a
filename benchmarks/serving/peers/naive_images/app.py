"""The handler of most tutorials: boto3 downloads a float32 graph, numpy normalises, onnxruntime runs it."""

import base64
import json
import os
from io import BytesIO

import boto3
import numpy as np
import onnxruntime as ort
from PIL import Image

MODEL = "/tmp/model.onnx"  # noqa: S108  the only writable folder of a Lambda
SCALE, OFFSET = (np.array(json.loads(os.environ[name]), np.float32) for name in ("IMAGE_SCALE", "IMAGE_OFFSET"))
LABELS = os.environ["IMAGE_LABELS"].split(",")

s3 = boto3.client("s3")
s3.download_file(os.environ["BUCKET"], os.environ["MODEL_KEY"], MODEL)
session = ort.InferenceSession(MODEL, providers=["CPUExecutionProvider"])


def preprocess(image: Image.Image) -> np.ndarray:
    """Resizes the short side to 256 and crops the central 224 x 224; normalised, channels first."""
    width, height = image.size
    scale = 256 / min(width, height)
    image = image.resize((round(width * scale), round(height * scale)), Image.Resampling.BILINEAR)
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    pixels = np.array(image.crop((left, top, left + 224, top + 224)), np.float32)
    return (pixels * SCALE + OFFSET).transpose(2, 0, 1)[None].astype(np.float32)


def handler(event: dict, context: object) -> dict:  # noqa: ARG001  Lambda passes two
    """Classifies the image in the body."""
    image = Image.open(BytesIO(base64.b64decode(event["body"]))).convert("RGB")
    probabilities = session.run(["probabilities"], {"pixels": preprocess(image)})[0][0]
    best = int(np.argmax(probabilities))
    answer = {"name": LABELS[best], "confidence": float(probabilities[best])}
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(answer)}
