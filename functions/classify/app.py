"""Every way to ask for labels: the bytes of a picture, base64 in JSON, or the key of a picture in the store.

JSON may tell what is known beside the picture, where the model was trained with that.
"""

import os
from functools import cache
from typing import Any

from larder.host import ModelHost, ReleaseFiles, preload, renew_after_restore
from larder.runtime.cold_start import cold_start
from larder.runtime.settings import Settings
from larder.store import Store, open_store


@cache
def bundle() -> "tuple[Store, ModelHost[Classifier]]":
    """What the environment names: opened once, kept for all requests."""
    with cold_start.measured("store"):
        given = Settings.from_environment(os.environ)
        store = open_store(given.store)

    def open_release(files: ReleaseFiles) -> "Classifier":
        from larder.classifier.graph import Classifier  # while a thread preloads, this is being imported below

        return Classifier.open(files, max_pixels=given.max_pixels, threads=given.vcpus)

    host = ModelHost(
        store,
        "classifier",
        open_release,
        cache_dir=given.cache_dir,
        max_bytes=given.cache_bytes,
        refresh_seconds=given.refresh_seconds,
    )
    return store, host


preloaded = preload(os.environ, lambda: bundle()[1])
renew_after_restore(os.environ, lambda: bundle()[1])

# While the store sends the model:
from larder.classifier.graph import Classifier  # noqa: E402
from larder.classifier.request import FIELDS, OPTIONS, ClassificationRequest  # noqa: E402
from larder.web import router  # noqa: E402
from larder.web.resolver import Response  # noqa: E402

app = router.router()


@app.get("/health")
def health() -> Response[str]:
    """Tells a load balancer that this function starts and knows its store."""
    bundle()
    return router.reply({"status": "ok"})


@app.post("/v1/models/<model>/classify")
def classify(model: str) -> Response[str]:
    """Labels one picture."""
    store, host = bundle()
    request = _request()
    name, release = router.path_parameter(app, "model", model), router.requested_release(app)
    served = host.get(name, release=release, key=router.caller_key(app))
    picture = request.picture(store)
    labels = served.value.classify(
        picture, side=request.side, max_labels=request.max_labels, min_confidence=request.min_confidence
    )
    found = [{"name": label.name, "confidence": label.confidence} for label in labels.labels]
    document = {"model": name, "release": served.manifest.release, "labels": found, "unknown": labels.unknown}
    return router.reply(document, manifest=served.manifest)


def _request() -> ClassificationRequest:
    query, media_type = router.query(app), router.content_type(app)
    router.allow_only(query, OPTIONS, "parameter")
    if media_type != "application/json":
        return ClassificationRequest.from_body(media_type, router.body(app), query)
    document = router.json_body(app)
    router.allow_only(document, FIELDS, "field")
    return ClassificationRequest.from_json(document, query)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Lambda's entry point; events are those of an API Gateway HTTP API, format 2.0."""
    return router.logged(app, event, context)


preloaded()
cold_start.imported()
