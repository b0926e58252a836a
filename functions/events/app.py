"""Take events, items and users of recommenders: what users just did changes what they see next."""

from typing import Any

from larder.errors import InvalidRequest
from larder.events.intake import Intake, Taken
from larder.events.parsing import read_described, read_events
from larder.host import ReleaseFiles
from larder.host.release_cache import LoadedRelease
from larder.recommender import Recommender
from larder.release.serving import RecommenderServing
from larder.runtime.cold_start import cold_start
from larder.runtime.settings import Settings
from larder.web.bootstrap import Service
from larder.web.callers import Callers
from larder.web.model_service import ModelService
from larder.web.request import Request
from larder.web.resolver import Response
from larder.web.responses import json_response
from larder.web.router import Router

MODEL = "/v1/models/{model}"


def _open_release(files: ReleaseFiles, _: Settings) -> Recommender:
    return Recommender.open(files)


service = Service(Settings.from_environment, Intake)
models = ModelService("recommender", _open_release)  # loaded for items and users only, whose columns it has
callers = Callers(service)
router = Router(callers.authenticate)


@router.post(f"{MODEL}/events", action="events", parameters=())
def put_events(request: Request) -> Response[str]:
    """Take one event, or a batch of them."""
    model = request.path_parameter("model")
    settings = service.value.taking(model)
    return _respond(model, service.value.events(model, settings, read_events(request.json())))


@router.post(f"{MODEL}/items", action="events", parameters=())
def put_items(request: Request) -> Response[str]:
    """Take one item, or a batch of them."""
    model = request.path_parameter("model")
    service.value.taking(model)
    loaded, serving = _release(request, model)
    batch = read_described(request.json(), "items", serving.columns)
    return _respond(model, service.value.items(model, batch, loaded.value))


@router.post(f"{MODEL}/users", action="events", parameters=())
def put_users(request: Request) -> Response[str]:
    """Take the profile of one user, or of a batch of them."""
    model = request.path_parameter("model")
    settings = service.value.taking(model)
    _, serving = _release(request, model)
    batch = read_described(request.json(), "users", serving.user_columns)
    return _respond(model, service.value.users(model, settings, batch))


def _release(request: Request, model: str) -> tuple[LoadedRelease[Recommender], RecommenderServing]:
    loaded = models.loaded(request, model)
    serving = loaded.manifest.serving
    if not isinstance(serving, RecommenderServing):
        raise InvalidRequest(f"Model {model!r} is a classifier, which takes no items: use the name of a recommender.")
    return loaded, serving


def _respond(model: str, taken: Taken) -> Response[str]:
    document = taken.document(model)
    if taken.is_refused:
        message = f"Nothing was taken: entry {taken.refused[0].index}: {taken.refused[0].message}"
        document["error"] = {"code": InvalidRequest.code, "message": message}
    return json_response(document, status=400 if taken.is_refused else 200, model=model)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Lambda's entry point; events are HTTP requests, see larder.web.http_event."""
    return router.handle(event, context)


cold_start.imported()
