"""Golden requests, answered in this process by the serving code: publishing needs no deployed function."""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

from larder.host import DiskCache, ReleaseFiles
from larder.release.manifest import Manifest
from larder.rollout import SendRequest
from larder.store import Store

_Answer: TypeAlias = Callable[[bytes], Mapping[str, Any]]


@contextmanager
def request_sender(store: Store) -> Iterator[SendRequest]:
    """A function that sends golden requests to releases of ``store``.

    The first request to a release opens it; all are closed when the block ends.
    """
    with tempfile.TemporaryDirectory(prefix="larder-") as scratch, ExitStack() as closing:
        cache = DiskCache(Path(scratch), 2**40)
        opened: dict[tuple[str, str], _Answer] = {}

        def send(manifest: Manifest, request: bytes) -> Mapping[str, Any]:
            key = manifest.model, manifest.release
            if key not in opened:
                files = ReleaseFiles(store, manifest, cache)
                closing.callback(files.close)
                opened[key] = (_classifier if manifest.kind == "classifier" else _recommender)(files, closing)
            return opened[key](request)

        yield send


def _classifier(files: ReleaseFiles, _: ExitStack) -> _Answer:
    from larder.classifier.graph import Classifier
    from larder.classifier.request import ClassificationRequest

    classifier = Classifier.open(files)

    def answer(data: bytes) -> Mapping[str, Any]:
        if data.startswith(b"{"):  # no image format starts with this byte
            request = ClassificationRequest.from_json(json.loads(data), {})
        else:
            request = ClassificationRequest.from_body("", data, {})
        classification = classifier.classify(request.sent or b"", side=request.side, min_confidence=0)
        return {"labels": [asdict(label) for label in classification.labels]}

    return answer


def _recommender(files: ReleaseFiles, closing: ExitStack) -> _Answer:
    from larder.recommender import RECOMMEND, Recommender, read_query

    recommender = Recommender.open(files)
    closing.callback(recommender.close)
    return lambda data: recommender.recommend(read_query(json.loads(data), RECOMMEND)).document()
