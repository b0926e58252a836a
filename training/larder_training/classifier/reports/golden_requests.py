"""The golden requests of a release: some test images with the probabilities that the release gives them."""

import base64
import io
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from larder.classifier.image_decoding import decode
from larder.release.serving import ClassifierServing, ImageSpec
from larder.release.side_columns import encode
from larder_training.classifier.data import side_columns
from larder_training.classifier.data.scan import Sample
from larder_training.classifier.features import augmentation
from larder_training.classifier.onnx.graph import session
from larder_training.release.tables import write_probes

COUNT: Final = 8  # at least; one per label, up to 16


def golden_requests(model: bytes, serving: ClassifierServing, tested: Sequence[Sample]) -> bytes:
    """``probes.safetensors``: requests with their expected probabilities; the rollout repeats them.

    Requests are PNG files. With side information they are JSON, and the last one has no side values.

    Args:
        model: The bytes of ``model.onnx``.
        serving: How it is served.
        tested: The test images.
    """
    image, columns = serving.image, serving.side
    running = session(model)
    requests, expected = [], []
    samples = _by_label(tested, serving.labels)
    for number, sample in enumerate(samples, 1):
        request = _png(sample.image.path.read_bytes(), image)
        inputs: dict[str, NDArray[np.generic]] = {"image": decode(request, image)[None]}
        if columns:
            values = side_columns.values_of(columns, sample) if number < len(samples) else {}
            inputs["side"] = np.array([encode(columns, values)], np.float32)
            document = {"image": base64.b64encode(request).decode(), "side": values}
            request = json.dumps(document, ensure_ascii=False).encode()
        requests.append(request)
        expected.append(running.run(["probabilities"], inputs)[0][0])
    with tempfile.TemporaryDirectory(prefix="larder-") as folder:
        path = Path(folder) / "probes.safetensors"
        write_probes(path, requests, probabilities=np.stack(expected).astype(np.float32))
        return path.read_bytes()


def _by_label(samples: Sequence[Sample], labels: Sequence[str]) -> list[Sample]:
    """The first image of each label, then the second of each, until there are enough.

    An image of several labels counts for the first of them, and one without labels comes after those with one.
    """
    rank: Counter[str] = Counter()
    ordered = []
    for sample in sorted(samples, key=lambda sample: sample.digest):
        label = sample.image.classes[0] if sample.image.classes else ""
        ordered.append((rank[label], labels.index(label) if label in labels else len(labels), sample))
        rank[label] += 1
    ordered.sort(key=lambda entry: entry[:2])
    return [sample for *_, sample in ordered[: max(COUNT, min(len(labels), 2 * COUNT))]]


def _png(data: bytes, image: ImageSpec) -> bytes:
    """The image at the scale of the graph's input, with the margin that the crop removes."""
    buffer = io.BytesIO()
    Image.fromarray(decode(data, augmentation.with_margin(image))).save(buffer, "PNG", optimize=False, compress_level=9)
    return buffer.getvalue()
