"""Compares the time of a classification request with the work that no server can avoid, in one process.

The floor opens the JPEG with Pillow (at a fraction of its size if that is large enough), crops and resizes it, and runs
the graph with ``session.run``. The handler answers the event that API Gateway sends for the same image: base64,
routing, headers, the pointer, decoding with its checks, the graph, thresholds, JSON and one log line. The two take
turns on each image. Graphs run on one thread, as on a Lambda function with 1,769 MB. Wall time is what a caller waits
for; the thread's own time does not include other work of the machine.
"""

import argparse
import base64
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]  # ships no types
from PIL import Image

from larder.classifier import image_decoding
from larder.release.manifest import Manifest, parse
from larder.release.pointer import Pointer, dump_pointer
from larder.release.serving import ClassifierServing, ImageSpec

EVENT = Path(__file__).parents[2] / "tests/events/classify/image.json"
WARM_UP = 20  # requests before the measurement
Classify = Callable[[int], object]  # classifies the image at a position


def main() -> None:
    """Prints the median times, and the ratio of each to the floor, as the median over images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("release", type=Path, help="release folder of a classifier")
    parser.add_argument("images", type=Path, help="folder of JPEG files, at any depth")
    parser.add_argument("--rounds", type=int, default=3, help="number of requests per image")
    arguments = parser.parse_args()
    manifest = parse((arguments.release / "manifest.json").read_bytes())
    images = [path.read_bytes() for path in sorted(arguments.images.rglob("*.jpg"))]
    with tempfile.TemporaryDirectory() as folder:
        variants = {
            "floor": floor(arguments.release, manifest, images),
            "handler": handler(arguments.release.resolve(), manifest, images, Path(folder)),
            "larder.classifier.image_decoding and the graph": serving_decoder(arguments.release, manifest, images),
        }
        for clock, times in measure(variants, len(images), arguments.rounds).items():
            for name, seconds in times.items():
                ratio = statistics.median(own / least for own, least in zip(seconds, times["floor"], strict=True))
                print(f"{clock:7} {name:26} {1000 * statistics.median(seconds):7.3f} ms, {ratio:.3f} of the floor")


def measure(variants: dict[str, Classify], count: int, rounds: int) -> dict[str, dict[str, list[float]]]:
    """The best seconds of each image over the rounds, by clock and variant.

    The variant that goes first changes with each image.
    """
    best = {clock: {name: [float("inf")] * count for name in variants} for clock in ("wall", "thread")}
    order = list(variants)
    for position in range(-min(count, WARM_UP), count * rounds):
        image = position % count
        for name in order:
            wall_start, thread_start = time.perf_counter(), time.thread_time()
            variants[name](image)
            elapsed = {"thread": time.thread_time() - thread_start, "wall": time.perf_counter() - wall_start}
            if position >= 0:
                for clock, seconds in elapsed.items():
                    best[clock][name][image] = min(best[clock][name][image], seconds)
        order.append(order.pop(0))
    return best


def open_graph(release: Path, manifest: Manifest) -> tuple[ort.InferenceSession, ImageSpec]:
    """The graph with the service's settings, and the specification of its input images."""
    serving = manifest.serving
    if not isinstance(serving, ClassifierServing):
        sys.exit(f"{release} is not a classifier. Give a classifier's release folder.")
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(release / serving.file, options, providers=["CPUExecutionProvider"]), serving.image


def floor(release: Path, manifest: Manifest, images: list[bytes]) -> Classify:
    """Classifies with Pillow and ONNX Runtime only."""
    session, spec = open_graph(release, manifest)

    def classify(position: int) -> object:
        image = Image.open(BytesIO(images[position]))
        scale = spec.crop * min(image.size) / max(spec.width, spec.height) / 2
        factor = next((factor for factor in (8, 4, 2) if scale >= factor), 1)
        if factor > 1:
            image.draft(None, (image.width // factor, image.height // factor))
        width, height = image.size
        scale = spec.crop * min(width / spec.width, height / spec.height)
        left, top = max(0.0, (width - scale * spec.width) / 2), max(0.0, (height - scale * spec.height) / 2)
        resampling = Image.Resampling[spec.resampling.upper()]
        box = (left, top, width - left, height - top)
        resized = image.convert("RGB").resize((spec.width, spec.height), resampling, box)
        return session.run(None, {"image": np.array(resized)[None]})

    return classify


def serving_decoder(release: Path, manifest: Manifest, images: list[bytes]) -> Classify:
    """Classifies with the serving layer's decoding, which checks the file, and the graph."""
    session, spec = open_graph(release, manifest)
    return lambda position: session.run(None, {"image": image_decoding.decode(images[position], spec)[None]})


def handler(release: Path, manifest: Manifest, images: list[bytes], folder: Path) -> Classify:
    """Classifies with the handler of the classify function, on a store in ``folder`` in which this release is live."""
    releases = folder / "models" / manifest.model / "releases"
    releases.mkdir(parents=True)
    (releases / manifest.release).symlink_to(release)
    (releases.parent / "live.json").write_bytes(dump_pointer(Pointer(manifest.release)))
    os.environ |= {
        "LARDER_STORE": folder.as_uri(),
        "LARDER_CACHE_DIR": str(folder / "cache"),
        "LARDER_CACHE_BYTES": "400000000",
        "LARDER_REFRESH_SECONDS": "30",
        "LARDER_MAX_PIXELS": "50000000",
        "LARDER_AUTHORIZATION": "NONE",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
    }
    from classify import app

    event = json.loads(EVENT.read_text())
    path = f"/v1/models/{manifest.model}/classify"
    event |= {"rawPath": path, "pathParameters": {"model": manifest.model}, "queryStringParameters": {}}
    event["requestContext"]["http"]["path"] = path
    bodies = [base64.b64encode(image).decode() for image in images]
    log = Path(os.devnull).open("w")  # noqa: SIM115 - open until the process ends

    def classify(position: int) -> object:
        request: dict[str, Any] = {**event, "body": bodies[position]}
        with contextlib.redirect_stdout(log):
            response = app.handler(request, None)
        if response["statusCode"] != 200:
            sys.exit(f"The handler answered {response}")
        return response

    return classify


if __name__ == "__main__":
    main()
