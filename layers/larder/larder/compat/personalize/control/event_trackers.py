"""Event trackers: a recommender that takes live events has one, whose tracking id is that of its settings."""

from dataclasses import replace
from typing import Final

from larder.compat.aws_arns import ACCOUNT
from larder.compat.aws_errors import AwsError
from larder.compat.parameters import Parameters
from larder.compat.personalize.control.models import (
    ACTIVE,
    PAGING,
    READ,
    WRITE,
    AnyService,
    Document,
    Model,
    check_new_name,
    check_writable,
    recommender,
    selected,
)
from larder.compat.personalize.names import GROUPS, personalize_arn
from larder.errors import InvalidRequest, NotFound
from larder.events.settings import EventSettings, change_settings, read_settings
from larder.web.request import Request

TRACKERS: Final = "event-tracker"


def list_event_trackers(request: Request, service: AnyService, values: Document) -> Document:
    """The models that take events, or that of a dataset group if it does."""
    sent = Parameters(values, ("datasetGroupArn", *PAGING.parameters))
    models = selected(request, service, sent, "datasetGroupArn", GROUPS)
    taking = [name for name in models if read_settings(service.store, name)[0].enabled]
    names, token = PAGING.page(sent, taking)
    return {"eventTrackers": [_tracker(models[name]) for name in names], **token}


def describe_event_tracker(request: Request, service: AnyService, values: Document) -> Document:
    """A model that takes events, and its tracking id."""
    sent = Parameters(values, ("eventTrackerArn",))
    model = recommender(request, service, sent.text("eventTrackerArn"), TRACKERS, READ)
    settings = _existing(model, read_settings(service.store, model.name)[0])
    details = {"accountId": ACCOUNT, "trackingId": settings.tracking_id, "datasetGroupArn": model.group}
    return {"eventTracker": {**_tracker(model), **details}}


def create_event_tracker(request: Request, service: AnyService, values: Document) -> Document:
    """Turn the events of a model on. A tracking id that the model had before stays."""
    sent = Parameters(values, ("name", "datasetGroupArn", "tags"))
    check_writable(request, service)
    model = recommender(request, service, sent.text("datasetGroupArn"), GROUPS, WRITE)
    check_new_name(sent)
    if sent.values.get("tags"):
        raise InvalidRequest("tags are not supported: leave them out.")

    def turned_on(settings: EventSettings) -> EventSettings:
        if settings.enabled:
            raise AwsError(
                "ResourceAlreadyExistsException",
                f"Model {model.name!r} takes events: DescribeEventTracker of {_arn(model)} has its tracking id.",
            )
        return replace(settings, enabled=True)

    settings = change_settings(service.store, model.name, turned_on)
    return {"eventTrackerArn": _arn(model), "trackingId": settings.tracking_id}


def delete_event_tracker(request: Request, service: AnyService, values: Document) -> Document:
    """Turn the events of a model off; the log and the other settings stay."""
    sent = Parameters(values, ("eventTrackerArn",))
    check_writable(request, service)
    model = recommender(request, service, sent.text("eventTrackerArn"), TRACKERS, WRITE)
    change_settings(service.store, model.name, lambda settings: replace(_existing(model, settings), enabled=False))
    return {}


def _existing(model: Model, settings: EventSettings) -> EventSettings:
    if not settings.enabled:
        raise NotFound(f"Model {model.name!r} takes no events: CreateEventTracker turns them on.")
    return settings


def _arn(model: Model) -> str:
    return personalize_arn(f"{TRACKERS}/{model.name}")


def _tracker(model: Model) -> Document:
    return {"name": model.name, "eventTrackerArn": _arn(model), "status": ACTIVE}
