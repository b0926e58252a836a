"""The model registry over HTTP: models, releases, their files, changes and filters; and the API's OpenAPI document."""

import time
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from typing import Any

from larder.compat import routes as compat
from larder.errors import InvalidRequest
from larder.events import settings as event_settings
from larder.events.attribution import report
from larder.health import readiness
from larder.registry import Registry, changes, policy, stored_filters
from larder.registry.canaries import canary_document
from larder.registry.documents import MAX_LISTED, Document, documents_of
from larder.registry.search.query import DEFAULT_LISTED, PARAMETERS, read_query
from larder.release.json_fields import FieldReader
from larder.release.pointer import Pointer
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
FILTERS = f"{MODEL}/filters"
FILTER = f"{FILTERS}/{{name}}"
EVENTS = f"{MODEL}/events/settings"
POLICY = f"{MODEL}/policy"
ATTRIBUTION = f"{MODEL}/attribution"
JOBS = f"{MODEL}/training-jobs"
JOB = f"{JOBS}/{{job}}"
DATA = f"{MODEL}/training-data"
READ = "models:read"
WRITE = "models:write"
_FAR = 10**8  # more changes than a pointer ever has

service = Service(Settings.from_environment, lambda store, _: documents_of(store))
callers = Callers(service)
router = Router(callers.authenticate)
for route in compat.MODELS:
    router.lazy(route.method, route.path, route.full_target, service, action=route.action)
for method, path, function, action in (
    ("POST", JOBS, "start", WRITE),
    ("GET", JOBS, "list_newest", READ),
    ("GET", JOB, "describe", READ),
    ("GET", f"{JOB}/logs", "read_output", READ),
    ("GET", f"{JOB}/trials", "list_trials", READ),
    ("POST", f"{JOB}/stop", "stop", WRITE),
    ("POST", DATA, "plan_upload", WRITE),
    ("PUT", f"{DATA}/{{name}}", "upload", WRITE),
    ("GET", "/v1/training-jobs/schema/{kind}", "get_schema", READ),
):
    router.lazy(method, path, f"larder.web.training_jobs:{function}", service, action=action)

for method, function, action in (("GET", "describe", READ), ("PUT", "change", WRITE)):
    router.lazy(method, f"{MODEL}/schedule", f"larder.web.schedules:{function}", service, action=action)


@router.get("/v1/models", action=READ, parameters=("n", "next", "text"))
def list_models(request: Request) -> Response[str]:
    """The models that the caller may read, by name."""
    n = request.integer("n", MAX_LISTED, 1, MAX_LISTED)
    after, text = (request.query.get(name, "") for name in ("next", "text"))
    return _respond(service.value.models(lambda name: request.caller.may(READ, name), n, after, text))


@router.get(MODEL, action=READ, parameters=())
def describe_model(request: Request) -> Response[str]:
    """One model and its live release."""
    return _respond(service.value.describe(request.path_parameter("model")))


@router.get(f"{MODEL}/live", action=READ, parameters=())
def get_live(request: Request) -> Response[str]:
    """Whether a release of a model is live."""
    return _respond(readiness.live(Registry(service.store), request.path_parameter("model")))


@router.get(f"{MODEL}/ready", action=READ, parameters=())
def get_ready(request: Request) -> Response[str]:
    """Whether a model's live release can answer."""
    return _respond(readiness.ready(Registry(service.store), request.path_parameter("model"), time.time()))


@router.get(f"{MODEL}/releases", action=READ, parameters=PARAMETERS)
def list_releases(request: Request) -> Response[str]:
    """A page of a model's releases."""
    query = read_query(request.query, request.integer("n", DEFAULT_LISTED, 1, MAX_LISTED))
    return _respond(service.value.releases(request.path_parameter("model"), query))


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


@router.get(f"{RELEASE}/rollout", action=READ, parameters=())
def get_rollout(request: Request) -> Response[str]:
    """The record of a release's last rollout."""
    return _respond(service.value.rollout(*_release(request)))


@router.get(f"{RELEASE}/comparison", action=READ, parameters=("base", "metric"))
def compare_release(request: Request) -> Response[str]:
    """A release beside another one, the live one by default."""
    base, metric = (request.query.get(name) for name in ("base", "metric"))
    return _respond(service.value.comparison(*_release(request), base, metric))


@router.get(f"{MODEL}/history", action=READ, parameters=("n", "next"))
def get_history(request: Request) -> Response[str]:
    """Which releases were live, newest first."""
    n = request.integer("n", DEFAULT_LISTED, 1, MAX_LISTED)
    before = request.integer("next", 0, 1, _FAR) if "next" in request.query else None
    return _respond(service.value.history(request.path_parameter("model"), n, before))


@router.post(f"{RELEASE}/promote", action=WRITE, parameters=())
def promote_release(request: Request) -> Response[str]:
    """Make a release live that a rollout has checked."""
    fields = FieldReader(request.json() if request.body() else {})
    force, revision = fields.has("force") and fields.boolean("force"), _revision(fields)
    _finish(fields)
    model, release = _release(request)
    pointer = changes.promote(
        Registry(service.store), model, release, force=force, revision=revision, by=request.caller.key
    )
    return _respond(_pointer(model, pointer))


@router.post(f"{MODEL}/rollback", action=WRITE, parameters=())
def roll_back(request: Request) -> Response[str]:
    """Make the previous release live again."""
    fields = FieldReader(request.json() if request.body() else {})
    revision = _revision(fields)
    _finish(fields)
    model = request.path_parameter("model")
    pointer = changes.roll_back(Registry(service.store), model, revision=revision, by=request.caller.key)
    return _respond(_pointer(model, pointer))


@router.post(f"{RELEASE}/reject", action=WRITE, parameters=())
def reject_release(request: Request) -> Response[str]:
    """Mark a release so that it does not go live."""
    fields = FieldReader(request.json())
    reason = fields.text("reason", r"(?s).{1,500}")
    _finish(fields)
    model, release = _release(request)
    rejection = changes.reject(Registry(service.store), model, release, reason, by=request.caller.key)
    return _respond({"model": model, "release": release, "state": "rejected", "reason": rejection.reason})


@router.route("DELETE", RELEASE, action=WRITE, parameters=())
def delete_release(request: Request) -> Response[str]:
    """Remove a release that the pointer does not name."""
    model, release = _release(request)
    removed = changes.delete_release(Registry(service.store), model, release)
    return _respond({"model": model, "release": release, "files": len(removed.sizes), "bytes": removed.total_bytes})


@router.get(f"{MODEL}/canary", action=READ, parameters=())
def get_canary(request: Request) -> Response[str]:
    """The canary of a model, and how it compares with the live release."""
    return _respond(canary_document(Registry(service.store), request.path_parameter("model")))


@router.get(POLICY, action=READ, parameters=())
def get_policy(request: Request) -> Response[str]:
    """What a model requires of a new release."""
    model = request.path_parameter("model")
    return _respond({"model": model, **asdict(policy.read_policy(service.store, model)[0])})


@router.route("PUT", POLICY, action=WRITE, parameters=())
def put_policy(request: Request) -> Response[str]:
    """Change what a model requires of a new release; fields that are not sent stay."""
    model, document = request.path_parameter("model"), request.json()
    old, etag = policy.read_policy(service.store, model)
    changed = policy.changed_policy(old, document)
    policy.write_policy(service.store, model, changed, etag)
    return _respond({"model": model, **asdict(changed)})


@router.get(FILTERS, action=READ, parameters=())
def list_filters(request: Request) -> Response[str]:
    """The stored filters of a model."""
    model = request.path_parameter("model")
    filters = stored_filters.read_filters(service.store, model)
    return _respond({"model": model, "filters": [_filter(name, filters[name]) for name in sorted(filters)]})


@router.get(FILTER, action=READ, parameters=())
def get_filter(request: Request) -> Response[str]:
    """One stored filter."""
    model, name = _named_filter(request)
    stored = stored_filters.stored_filter(stored_filters.read_filters(service.store, model), model, name)
    return _respond({"model": model, **_filter(name, stored)})


@router.route("PUT", FILTER, action=WRITE, parameters=())
def put_filter(request: Request) -> Response[str]:
    """Store a filter, or replace one."""
    model, name = _named_filter(request)
    expression = _expression(request)
    stored_filters.check_expression(Registry(service.store), model, expression)
    return _respond(
        {"model": model, **_filter(name, stored_filters.put_filter(service.store, model, name, expression))}
    )


@router.route("DELETE", FILTER, action=WRITE, parameters=())
def delete_filter(request: Request) -> Response[str]:
    """Remove a stored filter."""
    model, name = _named_filter(request)
    return _respond({"model": model, **_filter(name, stored_filters.remove_filter(service.store, model, name))})


@router.get(EVENTS, action=READ, parameters=())
def get_event_settings(request: Request) -> Response[str]:
    """The settings of a model's live events."""
    model = request.path_parameter("model")
    return _respond({"model": model, **asdict(event_settings.read_settings(service.store, model)[0])})


@router.route("PUT", EVENTS, action=WRITE, parameters=())
def put_event_settings(request: Request) -> Response[str]:
    """Change the settings of a model's live events; fields that are not sent stay."""
    model, document = request.path_parameter("model"), request.json()
    changed = event_settings.change_settings(
        service.store, model, lambda settings: event_settings.read_changes(document, settings)
    )
    return _respond({"model": model, **asdict(changed)})


@router.get(ATTRIBUTION, action=READ, parameters=("from", "to", "by"))
def get_attribution(request: Request) -> Response[str]:
    """What a model's recommendations earned over several days."""
    model, by = request.path_parameter("model"), report.check_by(request.query.get("by", "release"))
    first, last = report.check_days(request.query.get("from"), request.query.get("to"))
    days = report.read_attribution(service.store, model, first, last)
    if not days:
        service.value.describe(model)  # raises NotFound for a model that does not exist
    metrics = event_settings.read_settings(service.store, model)[0].metrics
    return _respond({"model": model, "from": first, "to": last, **report.document(days, by, metrics)})


@router.get("/openapi.json", action=PUBLIC, parameters=())
def get_description(_: Request) -> Response[str]:
    """The OpenAPI document of this API."""
    return Response(200, content_type="application/json", body=description())


@cache
def description() -> str:
    """The OpenAPI document, which is part of the layer."""
    return files("larder").joinpath("openapi.json").read_text("utf-8")


def _pointer(model: str, pointer: Pointer) -> Document:
    return {
        "model": model,
        "live": pointer.stable,
        "previous": pointer.previous,
        "canary": pointer.canary,
        "canary_percent": pointer.canary_percent,
        "revision": pointer.revision,
    }


def _revision(fields: FieldReader) -> int | None:
    return fields.integer("revision", 1) if fields.has("revision") else None


def _finish(fields: FieldReader) -> None:
    fields.finish()
    if fields.problems:
        raise InvalidRequest(f"The request is invalid: {'; '.join(fields.problems)}.")


def _release(request: Request) -> tuple[str, str]:
    return request.path_parameter("model"), request.path_parameter("release")


def _named_filter(request: Request) -> tuple[str, str]:
    return request.path_parameter("model"), stored_filters.check_filter_name(request.path_parameter("name"))


def _expression(request: Request) -> str:
    fields = FieldReader(request.json())
    expression = fields.text("expression")
    fields.finish()
    if fields.problems:
        raise InvalidRequest(f"The request is invalid: {'; '.join(fields.problems)}. Send an expression.")
    return expression


def _filter(name: str, stored: stored_filters.StoredFilter) -> Document:
    return {"name": name, **stored.document()}


def _respond(document: Document) -> Response[str]:
    model, release = (str(document[name]) if name in document else None for name in ("model", "release"))
    return json_response(document, model=model, release=release)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Lambda's entry point; events are HTTP requests, see larder.web.http_event."""
    return router.handle(event, context)


cold_start.imported()
