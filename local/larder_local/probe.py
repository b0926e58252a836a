"""A release's golden requests, answered by the code that will serve it: the rollout's last check."""

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from larder.errors import ReleaseError
from larder.host import DiskCache, ReleaseFiles
from larder.manifest import PROBES, Manifest
from larder.store import Store
from larder.tables import Header, MappedFile, Strings, parse_header

# int8 kernels of different CPUs round differently; a graph that is wrong differs by far more.
_TOLERANCE: Final = 0.02


def prober(store: Store) -> Callable[[Manifest], None]:
    """The check that ``larder.rollout.roll_out`` takes; it raises ReleaseError for any answer but the golden one."""

    def probe(manifest: Manifest) -> None:
        with tempfile.TemporaryDirectory(prefix="larder-") as scratch:
            files = ReleaseFiles(store, manifest, DiskCache(Path(scratch), 2**40))
            try:
                (_probe_classifier if manifest.kind == "classifier" else _probe_recommender)(files)
            finally:
                files.close()

    return probe


def _open(files: ReleaseFiles) -> tuple[memoryview, Header, Strings]:
    reader = MappedFile(files.path(PROBES))
    data = memoryview(reader.read(0, reader.size))
    header = parse_header(data, reader.size, PROBES)
    return data, header, Strings(data, header, "request")


def _probe_classifier(files: ReleaseFiles) -> None:
    from larder.classifier import Classifier, Request

    classifier = Classifier.open(files)
    labels = classifier.serving.labels
    data, header, requests = _open(files)
    tensor = header.tensor("probabilities", "F32", (len(requests), len(labels)))
    expected = data[tensor.start : tensor.end].cast("f")
    for number in range(len(requests)):
        data_sent = requests[number]
        json_sent = data_sent.startswith(b"{")  # as no picture begins
        request = Request.from_json(json.loads(data_sent), {}) if json_sent else Request.from_body("", data_sent, {})
        answer = classifier.classify(request.sent or b"", side=request.side, min_confidence=0)
        found = {label.name: label.confidence for label in answer.labels}
        for place, name in enumerate(labels):
            golden = expected[number * len(labels) + place]
            if not abs(found[name] - golden) <= _TOLERANCE:
                raise ReleaseError(
                    f"Probe {number} gives {name!r} {found[name]:.3f} in place of {golden:.3f}: train a new "
                    "release on a machine like the one that serves."
                )


def _probe_recommender(files: ReleaseFiles) -> None:
    from larder.recommender import RECOMMEND, Recommender, read_query

    recommender = Recommender.open(files)
    data, header, requests = _open(files)
    answers = Strings(data, header, "answer")
    try:
        for number, (request, golden) in enumerate(_pairs(requests, answers)):
            found = recommender.recommend(read_query(json.loads(request), RECOMMEND)).ids()
            if found != json.loads(golden):
                raise ReleaseError(
                    f"Probe {number} gives other items than the training wrote down: train a new release."
                )
    finally:
        recommender.close()


def _pairs(requests: Strings, answers: Strings) -> Iterator[tuple[bytes, bytes]]:
    if len(requests) != len(answers):
        raise ReleaseError(f"{PROBES} has {len(requests)} requests and {len(answers)} answers: train a new release.")
    for number in range(len(requests)):
        yield requests[number], answers[number]
