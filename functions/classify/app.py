"""Classify an image: its bytes, base64 in JSON, or the key of an image in the store.

JSON may add side information (columns in addition to the image), if the release was trained with it.
"""

from typing import Any

from larder.host import ReleaseFiles
from larder.runtime.cold_start import cold_start
from larder.runtime.settings import Settings
from larder.web.model_service import ModelService


def _open_release(files: ReleaseFiles, settings: Settings) -> "Classifier":
    from larder.classifier.graph import Classifier  # the thread that preloads may be here before the import below

    return Classifier.open(files, max_pixels=settings.max_pixels, threads=settings.vcpus)


service = ModelService("classifier", _open_release)

with service.preloading():  # the model downloads during these imports
    from larder.classifier.graph import Classifier
    from larder.classifier.request import FIELDS, OPTIONS, ClassificationRequest
    from larder.compat import routes as compat
    from larder.release.routes import CLASSIFY
    from larder.web.request import Request, check_fields
    from larder.web.resolver import Response
    from larder.web.responses import json_response
    from larder.web.router import PUBLIC, Router

router = Router(service.callers.authenticate)
for route in compat.CLASSIFY:
    router.lazy(route.method, route.path, route.full_target, service, action=route.action)


@router.get("/health", action=PUBLIC)
def health(_: Request) -> Response[str]:
    """For a load balancer: the function starts and can open its store."""
    service.open()
    return json_response({"status": "ok"})


@router.post(CLASSIFY, action="classify", parameters=OPTIONS)
def classify(request: Request) -> Response[str]:
    """Classify one image."""
    query = _parse(request)
    model = request.path_parameter("model")
    loaded = service.loaded(request, model)
    result = loaded.value.classify(
        query.image(service.store),
        side=query.side,
        max_labels=query.max_labels,
        min_confidence=query.min_confidence,
    )
    request.note_classified(result)
    release = loaded.manifest.release
    labels = [{"name": label.name, "confidence": label.confidence} for label in result.labels]
    document = {"model": model, "release": release, "labels": labels, "unknown": result.unknown}
    return json_response(document, model=model, release=release)


def _parse(request: Request) -> ClassificationRequest:
    if request.media_type != "application/json":
        return ClassificationRequest.from_body(request.media_type, request.body(), request.query)
    document = request.json()
    check_fields(document, FIELDS)
    return ClassificationRequest.from_json(document, request.query)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Lambda's entry point; events are HTTP requests, see larder.web.http_event."""
    return router.handle(event, context)


cold_start.imported()
