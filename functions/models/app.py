"""The model registry over HTTP, read-only: models, releases and their files; and the OpenAPI document of the API."""

from functools import cache
from importlib.resources import files
from typing import Any

from larder.compat import routes as compat
from larder.registry import Registry
from larder.registry.documents import DEFAULT_LISTED, MAX_LISTED, Document, ModelDocuments
from larder.runtime.cold_start import cold_start
from larder.runtime.settings import Settings
from larder.web.bootstrap import Service
from larder.web.callers import Callers
from larder.web.request import Request
from larder.web.resolver import Response
from larder.web.responses import json_response, release_headers
from larder.web.router import PUBLIC, Router

MODEL = "/v1/models/{model}"
RELEASE = f"{MODEL}/releases/{{release}}"
READ = "models:read"

service = Service(Settings.from_environment, lambda store, _: ModelDocuments(Registry(store)))
callers = Callers(service)
router = Router(callers.authenticate)
for route in compat.MODELS:
    router.lazy(route.method, route.path, route.full_target, service, action=route.action)


@router.get("/v1/models", action=READ, parameters=())
def list_models(request: Request) -> Response[str]:
    """Every model that the caller may read."""
    return _respond(service.value.models(lambda name: request.caller.may(READ, name)))


@router.get(MODEL, action=READ, parameters=())
def describe_model(request: Request) -> Response[str]:
    """One model and its live release."""
    return _respond(service.value.describe(request.path_parameter("model")))


@router.get(f"{MODEL}/releases", action=READ, parameters=("n",))
def list_releases(request: Request) -> Response[str]:
    """The newest releases of a model."""
    n = request.integer("n", DEFAULT_LISTED, 1, MAX_LISTED)
    return _respond(service.value.releases(request.path_parameter("model"), n))


@router.get(RELEASE, action=READ, parameters=())
def get_manifest(request: Request) -> Response[str]:
    """The manifest of a release."""
    return _respond(service.value.document(*_release(request)))


@router.get(f"{RELEASE}/structure", action=READ, parameters=())
def get_structure(request: Request) -> Response[str]:
    """The structure of a release's graph or tables."""
    return _respond(service.value.structure(*_release(request)))


@router.get(f"{RELEASE}/files", action=READ, parameters=())
def list_files(request: Request) -> Response[str]:
    """The files of a release."""
    return _respond(service.value.files(*_release(request)))


@router.get(f"{RELEASE}/files/{{name}}", action=READ, parameters=())
def get_file(request: Request) -> Response[bytes]:
    """One file: a redirect if the store can sign a URL, else its bytes."""
    model, release = _release(request)
    name, byte_range = request.path_parameter("name"), request.header("range")
    file = service.value.download(model, release, name, range_header=byte_range)
    headers = {**release_headers(model, release), **file.headers}
    return Response(file.status, content_type=file.content_type, headers=headers, body=file.body)


@router.get("/openapi.json", action=PUBLIC, parameters=())
def get_description(_: Request) -> Response[str]:
    """The OpenAPI document of this API."""
    return Response(200, content_type="application/json", body=description())


@cache
def description() -> str:
    """The OpenAPI document, which is part of the layer."""
    return files("larder").joinpath("openapi.json").read_text("utf-8")


def _release(request: Request) -> tuple[str, str]:
    return request.path_parameter("model"), request.path_parameter("release")


def _respond(document: Document) -> Response[str]:
    model, release = (str(document[name]) if name in document else None for name in ("model", "release"))
    return json_response(document, model=model, release=release)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Lambda's entry point; events are HTTP requests, see larder.web.http_event."""
    return router.handle(event, context)


cold_start.imported()
