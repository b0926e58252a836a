"""Peak memory of a whole training by the number of images, step by step: CIFAR-10, built-in features.

Anonymous memory is what a training needs; pages of files that it maps or reads can be dropped at any time.

Each size runs in a process of its own. Where more images are asked for than there are, the same pictures come again
under new bytes (a number behind the picture's end), so that none is left out as a copy.
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
from pathlib import Path
from threading import Thread

import numpy as np

from larder_training.classifier.config.options import ClassifierOptions, SearchLimits
from larder_training.classifier.train import train
from larder_training.reporting.progress import Advance, Progress

MIB = 2**20
LOOK_EVERY = 0.005  # seconds


class Watched(Progress):
    """Notes the peak of each step, and of what comes after it: anonymous memory and mapped files."""

    watch: "Watch"

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Advance]:  # noqa: ARG002 - as the base class has it
        """One step."""
        self.watch.initial_mlp(title)
        yield lambda _units: None
        self.watch.initial_mlp(f"after: {title}")


class Watch(Thread):
    """Looks at this process every few milliseconds; ``peaks`` are MiB (anonymous, of files) and seconds by step."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peaks: dict[str, tuple[float, float, float]] = {}
        self.initial_mlp("before")

    def initial_mlp(self, title: str) -> None:
        """What is seen from now on is this step's."""
        self._title = title

    def run(self) -> None:
        """Until the process ends."""
        last = time.monotonic()
        while True:
            time.sleep(LOOK_EVERY)
            now, title = time.monotonic(), self._title
            old, seen = self.peaks.get(title, (0.0, 0.0, 0.0)), resident()
            self.peaks[title] = (max(old[0], seen[0]), max(old[1], seen[1]), old[2] + now - last)
            last = now


def resident() -> tuple[float, float]:
    """Resident MiB: anonymous, which only swap could take over, and of files, which the system drops at will."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    anonymous, files = (int(lines[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile"))
    return anonymous, files


def one(folder: Path, images: int, backbone: str | None) -> dict[str, object]:
    """Trains on so many images; the peaks by step."""
    progress, watch = Watched(quiet=True), Watch()
    object.__setattr__(progress, "watch", watch)  # the class is frozen
    watch.start()
    with tempfile.TemporaryDirectory(prefix="larder-") as temporary:
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
        began = time.monotonic()
        train(options, progress)
        seconds = time.monotonic() - began
    return {"images": images, "seconds": seconds, "peaks": watch.peaks}


def write_manifest(folder: Path, images: int, temporary: Path) -> Path:
    """A CSV of the first images of each class in turn; repeated pictures get new bytes."""
    classes = [sorted(place.glob("*.jpg")) for place in sorted(folder.iterdir())]
    path = temporary / "images.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label"])
        for number in range(images):
            own = classes[number % len(classes)]
            turn, position = divmod(number // len(classes), len(own))
            picture = own[position]
            if turn:
                again = temporary / f"{number}.jpg"
                again.write_bytes(picture.read_bytes() + number.to_bytes(8, "big"))
                rows.writerow([again, picture.parent.name])
            else:
                rows.writerow([picture, picture.parent.name])
    return path


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="CIFAR-10's train folder, unpacked")
    parser.add_argument("--images", type=int, nargs="+", default=[5_000, 10_000, 20_000])
    parser.add_argument("--backbone", help="an ONNX file in place of the built-in features")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.folder, given.one, given.backbone)))
        return
    found = []
    for images in given.images:
        command = [sys.executable, __file__, str(given.folder), "--one", str(images)]
        command += ["--backbone", given.backbone] if given.backbone else []
        ran = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - this very script
        found.append(json.loads(ran.stdout.splitlines()[-1]))
        print(ran.stdout.splitlines()[-1], file=sys.stderr)
    titles = list(dict.fromkeys(title for run in found for title in run["peaks"]))
    print("peak anonymous MiB (of files)".ljust(44), *(f"{run['images']:>16,}" for run in found))
    for title in titles:
        cells = [run["peaks"].get(title, (0, 0, 0)) for run in found]
        print(title.ljust(44), *(f"{anonymous:>8.0f} ({files:>5.0f})" for anonymous, files, _ in cells))
    tops = [max(anonymous for anonymous, *_ in run["peaks"].values()) for run in found]
    print("highest".ljust(44), *(f"{top:>16.0f}" for top in tops))
    print("seconds".ljust(44), *(f"{run['seconds']:>16.0f}" for run in found))
    if len(found) > 1:
        slope = np.polyfit([run["images"] for run in found], [top * MIB for top in tops], 1)[0]
        print(f"anonymous bytes an image: {slope:.0f}")


if __name__ == "__main__":
    main()
