"""Every way to ask for labels: the bytes of a picture, base64 in JSON, or the key of a picture in the store.

JSON may tell what is known beside the picture, where the model was trained with that.
"""

import os
from functools import cache
from typing import Any

from larder.cold import cold_start
from larder.host import ModelHost, ReleaseFiles, preload, renew_after_restore
from larder.settings import Settings
from larder.store import Store


@cache
def bundle() -> "tuple[Store, ModelHost[Classifier]]":
    """What the environment names: opened once, kept for all requests."""
    with cold_start.measured("store"):
        given = Settings.from_environment(os.environ)
        store = Store.open(given.store)

    def open_release(files: ReleaseFiles) -> "Classifier":
        from larder.classifier import Classifier  # while a thread preloads, this is being imported below

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
from larder import web  # noqa: E402
from larder.classifier import FIELDS, OPTIONS, Classifier, Request  # noqa: E402
from larder.resolver import Response  # noqa: E402

app = web.router()


@app.get("/health")
def health() -> Response[str]:
    """Tells a load balancer that this function starts and knows its store."""
    bundle()
    return web.reply({"status": "ok"})


@app.post("/v1/models/<model>/classify")
def classify(model: str) -> Response[str]:
    """Labels one picture."""
    store, host = bundle()
    request = _request()
    name, release = web.path_parameter(app, "model", model), web.requested_release(app)
    served = host.get(name, release=release, key=web.caller_key(app))
    picture = request.picture(store)
    labels = served.value.classify(
        picture, side=request.side, max_labels=request.max_labels, min_confidence=request.min_confidence
    )
    found = [{"name": label.name, "confidence": label.confidence} for label in labels.labels]
    document = {"model": name, "release": served.manifest.release, "labels": found, "unknown": labels.unknown}
    return web.reply(document, manifest=served.manifest)


def _request() -> Request:
    query, media_type = web.query(app), web.content_type(app)
    web.allow_only(query, OPTIONS, "parameter")
    if media_type != "application/json":
        return Request.from_body(media_type, web.body(app), query)
    document = web.json_body(app)
    web.allow_only(document, FIELDS, "field")
    return Request.from_json(document, query)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Lambda's entry point; events are those of an API Gateway HTTP API, format 2.0."""
    return web.logged(app, event, context)


preloaded()
cold_start.imported()
