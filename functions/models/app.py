"""The model repository over HTTP, read side: models, releases, their files; and the API's own description."""

import os
from collections.abc import Callable, Collection
from functools import cache
from importlib.resources import files
from typing import Any

from larder.registry import Registry
from larder.registry.documents import Document, ModelDocuments
from larder.runtime.cold_start import cold_start
from larder.runtime.settings import Settings
from larder.store import open_store
from larder.web import router
from larder.web.resolver import Response

RELEASE = "/v1/models/<model>/releases/<release>"

app = router.router()


@cache
def documents() -> ModelDocuments:
    """The models in the store, which is opened at the first request."""
    with cold_start.measured("store"):
        return ModelDocuments(Registry(open_store(Settings.from_environment(os.environ).store)))


@cache
def description() -> str:
    """The OpenAPI document, which the layer carries."""
    return files("larder").joinpath("openapi.json").read_text("utf-8")


def asked(allowed: Collection[str], /, **routed: str) -> dict[str, str]:
    """The names in the path and the parameters of the query string, which may be ``allowed`` ones only."""
    query = router.query(app)
    router.allow_only(query, allowed, "parameter")
    return {**query, **{name: router.path_parameter(app, name, value) for name, value in routed.items()}}


def route(path: str, answer: Callable[..., Document], *allowed: str) -> None:
    """Answers GET ``path`` with the document that ``answer`` makes of the names and parameters in the request."""

    def handle(**routed: str) -> Response[str]:
        document = answer(documents(), **asked(allowed, **routed))
        told = {router.MODEL_HEADER: document.get("model"), router.RELEASE_HEADER: document.get("release")}
        return router.reply(document, headers={name: str(value) for name, value in told.items() if value})

    app.get(path)(handle)


route("/v1/models", ModelDocuments.models)
route("/v1/models/<model>", ModelDocuments.describe)
route("/v1/models/<model>/releases", ModelDocuments.releases, "n")
route(RELEASE, ModelDocuments.document)
route(f"{RELEASE}/structure", ModelDocuments.structure)
route(f"{RELEASE}/files", ModelDocuments.files)


@app.get(f"{RELEASE}/files/<name>")
def get_file(**routed: str) -> Response[bytes]:
    """One file: by redirection to the store where it can sign a URL, else its bytes."""
    names = asked((), **routed)
    found = documents().download(**names, range_header=app.current_event.headers.get("range"))
    told = {router.MODEL_HEADER: names["model"], router.RELEASE_HEADER: names["release"]}
    return Response(found.status, content_type=found.content_type, headers={**told, **found.headers}, body=found.body)


@app.get("/openapi.json")
def get_description() -> Response[str]:
    """The description of this API."""
    asked(())
    return Response(200, content_type="application/json", body=description())


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Lambda's entry point; events are those of an API Gateway HTTP API, format 2.0."""
    return router.logged(app, event, context)


cold_start.imported()
