"""Take events, items and users of recommenders: what users just did changes what they see next. Remove users."""

from functools import cache
from importlib.resources import files
from typing import Any

from larder.compat import routes as compat
from larder.errors import InvalidRequest
from larder.events.intake import Taken
from larder.events.parsing import read_described, read_events
from larder.recommender.field_checks import check_id
from larder.runtime.cold_start import cold_start
from larder.web.event_service import EventService
from larder.web.pages import READABLE, publishable, readable_error
from larder.web.request import Request
from larder.web.resolver import Response
from larder.web.responses import json_response
from larder.web.router import PUBLIC, Router

MODEL = "/v1/models/{model}"
SCRIPT_SECONDS = 3600  # browsers keep the script for so long
USER = "/v1/users/{user+}"  # an encoded slash in an id reaches the function decoded
PRIVACY = "privacy"

service = EventService()
router = Router(publishable(service.callers.authenticate))
for route in compat.EVENTS:
    router.lazy(route.method, route.path, route.full_target, service, action=route.action)


@router.post(f"{MODEL}/events", action="events", parameters=(), errors=readable_error)
def put_events(request: Request) -> Response[str]:
    """Take one event, or a batch of them; from a page too."""
    model = request.path_parameter("model")
    settings = service.intake.taking(model)
    response = _respond(model, service.intake.events(model, settings, read_events(request.json())))
    response.headers.update(READABLE)
    return response


@router.post(f"{MODEL}/items", action="items", parameters=())
def put_items(request: Request) -> Response[str]:
    """Take one item, or a batch of them."""
    model = request.path_parameter("model")
    service.intake.taking(model)
    loaded, serving = service.release(request, model)
    batch = read_described(request.json(), "items", serving.columns)
    return _respond(model, service.intake.items(model, batch, loaded.value))


@router.post(f"{MODEL}/users", action="users", parameters=())
def put_users(request: Request) -> Response[str]:
    """Take the profile of one user, or of a batch of them."""
    model = request.path_parameter("model")
    settings = service.intake.taking(model)
    _, serving = service.release(request, model)
    batch = read_described(request.json(), "users", serving.user_columns)
    return _respond(model, service.intake.users(model, settings, batch))


@router.get("/events.js", action=PUBLIC, parameters=())
def get_script(_: Request) -> Response[str]:
    """The script by which a page sends events."""
    headers = {"cache-control": f"public, max-age={SCRIPT_SECONDS}", **READABLE}
    return Response(200, content_type="text/javascript; charset=utf-8", headers=headers, body=script())


@cache
def script() -> str:
    """The script, which is part of the layer."""
    return files("larder.events").joinpath("snippet.js").read_text("utf-8")


@router.get(USER, action=PRIVACY, parameters=("model",))
def export_user(request: Request) -> Response[str]:
    """What is stored of a user."""
    user = _user(request)
    return json_response(service.users.export(user, service.users_models(request)))


@router.route("DELETE", USER, action=PRIVACY, parameters=("model",))
def remove_user(request: Request) -> Response[str]:
    """Remove a user: from the live store at once, from the log and the releases later, as the receipt says."""
    user = _user(request)
    return json_response(service.users.remove(user, service.users_models(request)), status=202)


@router.get("/v1/deletions/{receipt}", action=PRIVACY, parameters=())
def get_deletion(request: Request) -> Response[str]:
    """The state of a removal."""
    deletion = service.users.deletion(request.path_parameter("receipt"))
    for model in deletion.models:
        request.authorize(model)
    return json_response(service.users.document(deletion))


def _user(request: Request) -> str:
    user = request.path_parameter("user")
    check_id("user", user)
    return user


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
