"""Times pages of a model with many releases, as the models API reads them from a folder.

    python benchmarks/serving/release_pages.py                    100,000 releases: a minute, and 1 GB of small files
    python benchmarks/serving/release_pages.py --releases 2000    a quick look

Each release is a manifest and a file of one byte. Prints the median and the longest of several pages,
in ms, each with a cold cache of manifests: what is read is new to the process, though not to the file system.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from larder.registry.documents import ModelDocuments
from larder.registry.registry import Registry
from larder.registry.search.query import DEFAULT_LISTED, read_query
from larder.release.manifest import FileEntry, Manifest, dump
from larder.release.pointer import Pointer, dump_pointer
from larder.release.serving import ClassifierServing, ImageSpec
from larder.store import open_store

SERVING = ClassifierServing(
    file="model.onnx",
    image=ImageSpec(64, 64),
    labels=("cat", "dog"),
    thresholds=(0.5, 0.5),
    temperature=1.0,
    novelty_threshold=1.0,
)
QUERIES: dict[str, dict[str, str]] = {
    "first page": {},
    "page of 100": {"n": "100"},
    "oldest": {"order": "oldest"},
    "a day": {"from": "2026-01-02", "to": "2026-01-02"},
    "the live one": {"state": "live"},
    "rejected, none of 200": {"state": "rejected"},
    "accuracy above 2, none of 200": {"above": "2"},
}


def write(folder: Path, count: int) -> None:
    """Write the releases, ten seconds apart."""
    for number in range(count):
        created = time.gmtime(1_767_225_600 + 10 * number)
        name = f"{time.strftime('%Y%m%dt%H%M%Sz', created)}-{number:08x}"
        manifest = Manifest(
            model="pets",
            kind="classifier",
            release=name,
            created=time.strftime("%Y-%m-%dT%H:%M:%SZ", created),
            files={"model.onnx": FileEntry(1, "b" * 64)},
            serving=SERVING,
            evaluation={"test": {"accuracy": 0.9, "photos": 10}},
            training={"data": {"parts": {"test": {"cat": 5, "dog": 5}}}},
        )
        release = folder / "models/pets/releases" / name
        release.mkdir(parents=True)
        (release / "manifest.json").write_bytes(dump(manifest))
        (release / "model.onnx").write_bytes(b"x")
    (folder / "models/pets/live.json").write_bytes(dump_pointer(Pointer(name)))


def main() -> None:
    """Write the releases, then ask."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--releases", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), options.releases)
        for name, query in QUERIES.items():
            times, found = zip(*(ask(folder, query) for _ in range(options.repeats)), strict=True)
            print(f"{name:<32} {statistics.median(times):7.0f} {max(times):7.0f} ms  {found[0]} releases")


def ask(folder: str, query: dict[str, str]) -> tuple[float, int]:
    """The time of an answer in ms, and how many releases it has."""
    documents = ModelDocuments(Registry(open_store(Path(folder).as_uri())))
    begin = time.perf_counter()
    page = documents.releases("pets", read_query(query, int(query.get("n", DEFAULT_LISTED))))
    text = json.dumps(page)
    return (time.perf_counter() - begin) * 1000, len(json.loads(text)["releases"])


if __name__ == "__main__":
    main()
