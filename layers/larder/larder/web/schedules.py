"""The routes of a model's schedule. The models function loads them at the first request."""

from dataclasses import asdict
from datetime import UTC, datetime

from larder.jobs.schedules import Schedule, changed_schedule, next_time, read_schedule, wanted_job, write_schedule
from larder.jobs.start import planned_job
from larder.registry.documents import Document, ModelDocuments
from larder.runtime.settings import Settings
from larder.web.bootstrap import Service
from larder.web.request import Request
from larder.web.resolver import Response
from larder.web.responses import error_response, json_response

Models = Service[Settings, ModelDocuments]
format_error = error_response


def describe(request: Request, service: Models) -> Response[str]:
    """When a model is trained again."""
    request.check_parameters(())
    model = request.path_parameter("model")
    return _respond(model, read_schedule(service.store, model)[0])


def change(request: Request, service: Models) -> Response[str]:
    """Change when a model is trained again; fields that are not sent stay."""
    request.check_parameters(())
    model = request.path_parameter("model")
    old, etag = read_schedule(service.store, model)
    changed = changed_schedule(old, request.json())
    if changed.enabled:
        planned_job(service.store, model, wanted_job(changed))  # raises for what no training can have
    write_schedule(service.store, model, changed, etag)
    return _respond(model, changed)


def _respond(model: str, schedule: Schedule) -> Response[str]:
    at = next_time(schedule, datetime.now(UTC))
    planned = None if at is None else f"{at:%Y-%m-%dT%H:%M:%SZ}"
    document: Document = {"model": model, **asdict(schedule), "next": planned}
    return json_response(document, model=model)
