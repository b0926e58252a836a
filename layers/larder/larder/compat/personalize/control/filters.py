"""Filters: those stored beside the models."""

from larder.compat.parameters import Parameters
from larder.compat.personalize.control.models import (
    ACTIVE,
    PAGING,
    READ,
    WRITE,
    AnyService,
    Document,
    Model,
    check_writable,
    existing,
    recommender,
    recommenders,
    seconds,
    selected,
)
from larder.compat.personalize.filters import filter_arn, filter_named
from larder.compat.personalize.names import GROUPS
from larder.errors import InvalidRequest, NotFound
from larder.registry import Registry
from larder.registry.stored_filters import (
    StoredFilter,
    add_filter,
    check_expression,
    read_filters,
    remove_filter,
    stored_filter,
)
from larder.web.request import Request


def list_filters(request: Request, service: AnyService, values: Document) -> Document:
    """The filters of a dataset group's model, or of all models."""
    sent = Parameters(values, ("datasetGroupArn", *PAGING.parameters))
    filters = {
        f"{model.name}/{name}": _filter(model, name, stored)
        for model in selected(request, service, sent, "datasetGroupArn", GROUPS).values()
        for name, stored in read_filters(service.store, model.name).items()
    }
    names, token = PAGING.page(sent, sorted(filters))
    return {"Filters": [filters[name] for name in names], **token}


def describe_filter(request: Request, service: AnyService, values: Document) -> Document:
    """A filter and its expression."""
    sent = Parameters(values, ("filterArn",))
    model, name = _named(request, service, sent.text("filterArn"), READ)
    stored = stored_filter(read_filters(service.store, model.name), model.name, name)
    return {"filter": {**_filter(model, name, stored), "filterExpression": stored.expression}}


def create_filter(request: Request, service: AnyService, values: Document) -> Document:
    """Store a filter that the live release can answer."""
    sent = Parameters(values, ("name", "datasetGroupArn", "filterExpression", "tags"))
    check_writable(request, service)
    model = recommender(request, service, sent.text("datasetGroupArn"), GROUPS, WRITE)
    name, expression = sent.text("name"), sent.text("filterExpression")
    if sent.values.get("tags"):
        raise InvalidRequest("tags are not supported: leave them out.")
    check_expression(Registry(service.store), model.name, expression)
    add_filter(service.store, model.name, name, expression)
    return {"filterArn": filter_arn(model.name, name)}


def delete_filter(request: Request, service: AnyService, values: Document) -> Document:
    """Remove a filter."""
    sent = Parameters(values, ("filterArn",))
    check_writable(request, service)
    model, name = _named(request, service, sent.text("filterArn"), WRITE)
    remove_filter(service.store, model.name, name)
    return {}


def _named(request: Request, service: AnyService, arn: str, action: str) -> tuple[Model, str]:
    """The model and the name of the filter that an ARN means.

    An ARN without a model means the only model with such a filter, of those with which the caller may do ``action``.
    """
    stated, name = filter_named(arn)
    if stated is not None:
        return existing(request, service, stated, GROUPS, action), name
    request.caller.check(action)
    models = [model for model in recommenders(request, service).values() if request.caller.may(action, model.name)]
    having = [model for model in models if name in read_filters(service.store, model.name)]
    if not having:
        raise NotFound(f"There is no filter {name[:80]!r}: ListFilters lists all filters.")
    if len(having) > 1:
        arns = " or ".join(filter_arn(model.name, name) for model in having[:3])
        raise InvalidRequest(f"{len(having)} models have a filter {name!r}: use {arns}.")
    return having[0], name


def _filter(model: Model, name: str, stored: StoredFilter) -> Document:
    return {
        "name": name,
        "filterArn": filter_arn(model.name, name),
        "datasetGroupArn": model.group,
        "status": ACTIVE,
        "creationDateTime": seconds(stored.created),
        "lastUpdatedDateTime": seconds(stored.updated or stored.created),
    }
