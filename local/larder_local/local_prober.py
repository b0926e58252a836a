"""Golden requests, answered in this process by the code that serves: no function need be deployed to publish."""

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
    """What puts golden requests to releases of ``store``: each is opened by its first request, closed at the end."""
    with tempfile.TemporaryDirectory(prefix="larder-") as scratch, ExitStack() as closing:
        cache = DiskCache(Path(scratch), 2**40)
        opened: dict[tuple[str, str], _Answer] = {}

        def ask(manifest: Manifest, request: bytes) -> Mapping[str, Any]:
            release = manifest.model, manifest.release
            if release not in opened:
                files = ReleaseFiles(store, manifest, cache)
                closing.callback(files.close)
                opened[release] = (_classifier if manifest.kind == "classifier" else _recommender)(files, closing)
            return opened[release](request)

        yield ask


def _classifier(files: ReleaseFiles, _: ExitStack) -> _Answer:
    from larder.classifier.graph import Classifier
    from larder.classifier.request import ClassificationRequest

    classifier = Classifier.open(files)

    def answer(data: bytes) -> Mapping[str, Any]:
        if data.startswith(b"{"):  # no image file begins so
            request = ClassificationRequest.from_json(json.loads(data), {})
        else:
            request = ClassificationRequest.from_body("", data, {})
        found = classifier.classify(request.sent or b"", side=request.side, min_confidence=0)
        return {"labels": [asdict(label) for label in found.labels]}

    return answer


def _recommender(files: ReleaseFiles, closing: ExitStack) -> _Answer:
    from larder.recommender import RECOMMEND, Recommender, read_query

    recommender = Recommender.open(files)
    closing.callback(recommender.close)
    return lambda data: {"items": recommender.recommend(read_query(json.loads(data), RECOMMEND)).document()}
