"""What a request for labels costs over the work that no server can leave out, in one process, photo by photo.

The floor is a bare loop: open the JPEG with Pillow, at a fraction of its size where that is enough, cut and resample,
and ``session.run`` on the graph. The handler answers the event that API Gateway would send for the same photo: base64,
routing, headers, the pointer, decoding with its checks, the graph, thresholds, JSON, one log line. The two take turns.
All run the graph on one thread, as a Lambda of 1,769 MB does. Wall time is what a caller waits for; the thread's own
time does not count what else runs on the machine.
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
Answer = Callable[[int], object]


def main() -> None:
    """Prints the medians, and the ratio of each to the floor: the median over photos."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("release", type=Path, help="a classifier's release folder")
    parser.add_argument("photos", type=Path, help="a folder of JPEGs, at any depth")
    parser.add_argument("--rounds", type=int, default=3, help="how often each photo is asked about")
    given = parser.parse_args()
    manifest = parse((given.release / "manifest.json").read_bytes())
    photos = [path.read_bytes() for path in sorted(given.photos.rglob("*.jpg"))]
    with tempfile.TemporaryDirectory() as folder:
        handled = handler(given.release.resolve(), manifest, photos, Path(folder))
        ways = {"floor": floor(given.release, manifest, photos), "handler": handled}
        ways["larder.classifier.image_decoding and the graph"] = decoded(given.release, manifest, photos)
        for clock, times in measure(ways, len(photos), given.rounds).items():
            for name, taken in times.items():
                ratio = statistics.median(one / two for one, two in zip(taken, times["floor"], strict=True))
                print(f"{clock:7} {name:26} {1000 * statistics.median(taken):7.3f} ms, {ratio:.3f} of the floor")


def measure(ways: dict[str, Answer], count: int, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Seconds by clock and way for each photo, the best of the rounds; who goes first changes from photo to photo."""
    best = {clock: {name: [float("inf")] * count for name in ways} for clock in ("wall", "thread")}
    names = list(ways)
    for position in range(-min(count, 20), count * rounds):  # the first 20 warm up
        photo = position % count
        for name in names:
            begun, worked = time.perf_counter(), time.thread_time()
            ways[name](photo)
            taken = {"thread": time.thread_time() - worked, "wall": time.perf_counter() - begun}
            if position >= 0:
                for clock, seconds in taken.items():
                    best[clock][name][photo] = min(best[clock][name][photo], seconds)
        names.append(names.pop(0))
    return best


def opened(release: Path, manifest: Manifest) -> tuple[ort.InferenceSession, ImageSpec]:
    """The graph with the service's settings, and how photos become its input."""
    serving = manifest.serving
    if not isinstance(serving, ClassifierServing):
        sys.exit(f"{release} is no classifier: name a classifier's release folder.")
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(release / serving.file, options, providers=["CPUExecutionProvider"]), serving.image


def floor(release: Path, manifest: Manifest, photos: list[bytes]) -> Answer:
    """Pillow and onnxruntime, nothing else."""
    session, spec = opened(release, manifest)

    def answer(number: int) -> object:
        picture = Image.open(BytesIO(photos[number]))
        scale = spec.crop * min(picture.size) / max(spec.width, spec.height) / 2
        factor = next((factor for factor in (8, 4, 2) if scale >= factor), 1)
        if factor > 1:
            picture.draft(None, (picture.width // factor, picture.height // factor))
        width, height = picture.size
        scale = spec.crop * min(width / spec.width, height / spec.height)
        left, top = max(0.0, (width - scale * spec.width) / 2), max(0.0, (height - scale * spec.height) / 2)
        resampling = Image.Resampling[spec.resampling.upper()]
        upright = picture.convert("RGB")
        small = upright.resize((spec.width, spec.height), resampling, (left, top, width - left, height - top))
        return session.run(None, {"image": np.array(small)[None]})

    return answer


def decoded(release: Path, manifest: Manifest, photos: list[bytes]) -> Answer:
    """The serving layer's own decoding, which refuses what is no photo, and the graph."""
    session, spec = opened(release, manifest)
    return lambda number: session.run(None, {"image": image_decoding.decode(photos[number], spec)[None]})


def handler(release: Path, manifest: Manifest, photos: list[bytes], folder: Path) -> Answer:
    """The function's handler over a store in a folder, with this release live."""
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
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
    }
    from classify import app

    event = json.loads(EVENT.read_text())
    path = f"/v1/models/{manifest.model}/classify"
    event |= {"rawPath": path, "pathParameters": {"model": manifest.model}, "queryStringParameters": {}}
    event["requestContext"]["http"]["path"] = path
    bodies = [base64.b64encode(photo).decode() for photo in photos]
    log = Path(os.devnull).open("w")  # noqa: SIM115 - open until the process ends

    def answer(number: int) -> object:
        asked: dict[str, Any] = {**event, "body": bodies[number]}
        with contextlib.redirect_stdout(log):
            given = app.handler(asked, None)
        if given["statusCode"] != 200:
            sys.exit(f"The handler answered {given}")
        return given

    return answer


if __name__ == "__main__":
    main()
