"""Measures the peak memory of a training by the number of images, step by step: CIFAR-10, built-in features.

A training needs its anonymous memory. The system can drop pages of files that it maps or reads at any time. Each size
runs in its own process. If ``--images`` is larger than the data, the images are repeated, with other bytes (a number at
the end of the file), so that they are not left out as copies.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import numpy as np

from larder_training.classifier.config.options import ClassifierOptions, SearchLimits
from larder_training.classifier.train import train
from larder_training.reporting.progress import Advance, Progress, ignore

MIB = 2**20
INTERVAL = 0.005  # seconds between two samples


class Peak(NamedTuple):
    """The peak memory of a step.

    Attributes:
        anonymous: MiB of resident anonymous memory.
        files: MiB of resident file pages.
        seconds: Time of the step.
    """

    anonymous: float = 0.0
    files: float = 0.0
    seconds: float = 0.0


class MemorySampler(Thread):
    """Samples the memory of this process every few milliseconds, and keeps the peak of each step.

    Attributes:
        peaks: Peak by step.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peaks: dict[str, Peak] = {}
        self.start_step("before")

    def start_step(self, title: str) -> None:
        """Counts the following samples to the step ``title``."""
        self._title = title

    def run(self) -> None:
        """Samples until the process ends."""
        last = time.monotonic()
        while True:
            time.sleep(INTERVAL)
            now, title = time.monotonic(), self._title
            peak, (anonymous, files) = self.peaks.get(title, Peak()), resident()
            self.peaks[title] = Peak(max(peak.anonymous, anonymous), max(peak.files, files), peak.seconds + now - last)
            last = now


@dataclass(frozen=True)
class SamplingProgress(Progress):
    """Reports the start and the end of each step to a memory sampler.

    Attributes:
        sampler: The sampler.
    """

    sampler: MemorySampler = field(kw_only=True)

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Advance]:  # noqa: ARG002 - as in the base class
        """One step."""
        self.sampler.start_step(title)
        yield ignore
        self.sampler.start_step(f"after: {title}")


def resident() -> tuple[float, float]:
    """Resident MiB of this process: anonymous memory and file pages."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    anonymous, files = (int(lines[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile"))
    return anonymous, files


def measure(folder: Path, images: int, backbone: str) -> dict[str, object]:
    """Trains on ``images`` images in this process; returns the seconds and the peak of each step."""
    sampler = MemorySampler()
    sampler.start()
    with tempfile.TemporaryDirectory() as temporary:
        manifest = write_manifest(folder, images, Path(temporary))
        options = ClassifierOptions(
            manifest,
            "streaming",
            out=Path(temporary) / "out",
            backbone=backbone,
            augment="none",
            flip="no",
            cache=Path(temporary) / "cache",
            search=SearchLimits(trials=1, hidden=False),
        )
        start = time.monotonic()
        train(options, SamplingProgress(quiet=True, sampler=sampler))
        seconds = time.monotonic() - start
    return {"images": images, "seconds": seconds, "peaks": sampler.peaks}


def write_manifest(folder: Path, images: int, temporary: Path) -> Path:
    """Writes a CSV manifest with the first images of each class in turn; repeated images get other bytes."""
    classes = [sorted(path.glob("*.jpg")) for path in sorted(folder.resolve().iterdir())]
    manifest = temporary / "images.csv"
    with manifest.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label"])
        for number in range(images):
            own = classes[number % len(classes)]
            repetition, position = divmod(number // len(classes), len(own))
            image = own[position]
            if repetition:
                copy = temporary / f"{number}.jpg"
                copy.write_bytes(image.read_bytes() + number.to_bytes(8, "big"))
                writer.writerow([copy, image.parent.name])
            else:
                writer.writerow([image, image.parent.name])
    return manifest


def measure_in_process(folder: Path, images: int, backbone: str) -> dict[str, Any]:
    """The result of ``measure`` in a process of its own; also printed on stderr."""
    command = [sys.executable, __file__, str(folder), "--one", str(images), "--backbone", backbone]
    completed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - this very script
    line = completed.stdout.splitlines()[-1]
    print(line, file=sys.stderr)
    result: dict[str, Any] = json.loads(line)
    result["peaks"] = {title: Peak(*values) for title, values in result["peaks"].items()}
    return result


def print_table(results: list[dict[str, Any]]) -> None:
    """Prints the peak of each step, the highest peak, the time, and the memory per image."""
    titles = list(dict.fromkeys(title for result in results for title in result["peaks"]))
    print("peak anonymous MiB (file pages)".ljust(44), *(f"{result['images']:>16,}" for result in results))
    for title in titles:
        peaks = [result["peaks"].get(title, Peak()) for result in results]
        print(title.ljust(44), *(f"{peak.anonymous:>8.0f} ({peak.files:>5.0f})" for peak in peaks))
    highest = [max(peak.anonymous for peak in result["peaks"].values()) for result in results]
    print("highest".ljust(44), *(f"{peak:>16.0f}" for peak in highest))
    print("seconds".ljust(44), *(f"{result['seconds']:>16.0f}" for result in results))
    if len(results) > 1:
        slope = np.polyfit([result["images"] for result in results], [peak * MIB for peak in highest], 1)[0]
        print(f"anonymous bytes per image: {slope:.0f}")


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="CIFAR-10's train folder, unpacked")
    parser.add_argument("--images", type=int, nargs="+", default=[5_000, 10_000, 20_000], help="sizes to measure")
    parser.add_argument("--backbone", default="none", help="name or ONNX file; default: the built-in features")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)  # measure this size in this process
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.folder, arguments.one, arguments.backbone)))
    else:
        print_table([measure_in_process(arguments.folder, images, arguments.backbone) for images in arguments.images])


if __name__ == "__main__":
    main()
