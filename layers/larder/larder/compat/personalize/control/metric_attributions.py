"""Metric attributions: a recommender whose settings of live events have metrics has one."""

from dataclasses import replace
from typing import Final

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
from larder.events.settings import AttributionMetric, EventSettings, change_settings, read_settings
from larder.web.request import Request

ATTRIBUTIONS: Final = "metric-attribution"
_EXPRESSIONS: Final = {"SAMPLECOUNT()": "COUNT", "SUM(Interactions.EVENT_VALUE)": "SUM"}
_SENT: Final = {own: sent for sent, own in _EXPRESSIONS.items()}
_MAX_METRICS: Final = 10
# Clients must send a role. It is not used, and so not kept: that of a description is a placeholder.
_NO_ROLE: Final = "arn:aws:iam::000000000000:role/none"


def list_metric_attributions(request: Request, service: AnyService, values: Document) -> Document:
    """The models that have metrics, or that of a dataset group if it does."""
    sent = Parameters(values, ("datasetGroupArn", *PAGING.parameters))
    models = selected(request, service, sent, "datasetGroupArn", GROUPS)
    measured = [name for name in models if read_settings(service.store, name)[0].metrics]
    names, token = PAGING.page(sent, measured)
    return {"metricAttributions": [_attribution(models[name]) for name in names], **token}


def describe_metric_attribution(request: Request, service: AnyService, values: Document) -> Document:
    """A model that has metrics."""
    sent = Parameters(values, ("metricAttributionArn",))
    model, _ = _existing(request, service, sent)
    details = {"datasetGroupArn": model.group, "metricsOutputConfig": {"roleArn": _NO_ROLE}}
    return {"metricAttribution": {**_attribution(model), **details}}


def list_metric_attribution_metrics(request: Request, service: AnyService, values: Document) -> Document:
    """The metrics of a model."""
    sent = Parameters(values, ("metricAttributionArn", *PAGING.parameters))
    _, settings = _existing(request, service, sent)
    metrics = {metric.name: metric for metric in settings.metrics}
    names, token = PAGING.page(sent, sorted(metrics))
    return {"metrics": [_document(metrics[name]) for name in names], **token}


def create_metric_attribution(request: Request, service: AnyService, values: Document) -> Document:
    """Give a model metrics. The name of the attribution is the model's."""
    sent = Parameters(values, ("name", "datasetGroupArn", "metrics", "metricsOutputConfig"))
    check_writable(request, service)
    model = recommender(request, service, sent.text("datasetGroupArn"), GROUPS, WRITE)
    check_new_name(sent)
    metrics = _metrics(sent, "metrics")
    if not metrics:
        raise sent.wrong("metrics", "1 to 10 metrics")
    _check_output(sent)

    def measured(settings: EventSettings) -> EventSettings:
        if settings.metrics:
            raise AwsError(
                "ResourceAlreadyExistsException",
                f"Model {model.name!r} has metrics: change them by UpdateMetricAttribution of {_arn(model)}.",
            )
        return replace(settings, metrics=metrics)

    change_settings(service.store, model.name, measured)
    return {"metricAttributionArn": _arn(model)}


def update_metric_attribution(request: Request, service: AnyService, values: Document) -> Document:
    """Add metrics to a model's, and remove some by their names."""
    sent = Parameters(values, ("metricAttributionArn", "addMetrics", "removeMetrics", "metricsOutputConfig"))
    check_writable(request, service)
    model, _ = _existing(request, service, sent, WRITE)
    added, removed = _metrics(sent, "addMetrics"), set(sent.texts("removeMetrics", _MAX_METRICS))
    _check_output(sent)

    def updated(settings: EventSettings) -> EventSettings:
        missing = removed - {metric.name for metric in settings.metrics}
        if missing:
            raise NotFound(
                f"The attribution has no metric {min(missing)[:80]!r}: ListMetricAttributionMetrics has all."
            )
        metrics = (*(metric for metric in settings.metrics if metric.name not in removed), *added)
        if not metrics:
            raise InvalidRequest("No metric would be left: use DeleteMetricAttribution.")
        return replace(settings, metrics=metrics)

    change_settings(service.store, model.name, updated)
    return {"metricAttributionArn": _arn(model)}


def delete_metric_attribution(request: Request, service: AnyService, values: Document) -> Document:
    """Remove the metrics of a model; what was counted stays."""
    sent = Parameters(values, ("metricAttributionArn",))
    check_writable(request, service)
    model, _ = _existing(request, service, sent, WRITE)
    change_settings(service.store, model.name, lambda settings: replace(settings, metrics=()))
    return {}


def _existing(
    request: Request, service: AnyService, sent: Parameters, action: str = READ
) -> tuple[Model, EventSettings]:
    model = recommender(request, service, sent.text("metricAttributionArn"), ATTRIBUTIONS, action)
    settings = read_settings(service.store, model.name)[0]
    if not settings.metrics:
        raise NotFound(f"Model {model.name!r} has no metrics: CreateMetricAttribution gives it some.")
    return model, settings


def _metrics(sent: Parameters, name: str) -> tuple[AttributionMetric, ...]:
    return tuple(map(_metric, sent.children(name, ("metricName", "eventType", "expression"), _MAX_METRICS)))


def _metric(sent: Parameters) -> AttributionMetric:
    expression = _EXPRESSIONS.get(sent.text("expression").replace(" ", ""))
    if expression is None:
        raise sent.wrong("expression", " or ".join(_EXPRESSIONS))
    return AttributionMetric(sent.text("metricName"), sent.text("eventType"), expression)


def _check_output(sent: Parameters) -> None:
    if "s3DataDestination" in sent.child("metricsOutputConfig", ("roleArn", "s3DataDestination")):
        raise InvalidRequest(
            "metricsOutputConfig.s3DataDestination is not supported: leave it out, and read "
            "GET /v1/models/{model}/attribution."
        )


def _document(metric: AttributionMetric) -> Document:
    return {"metricName": metric.name, "eventType": metric.event_type, "expression": _SENT[metric.expression]}


def _arn(model: Model) -> str:
    return personalize_arn(f"{ATTRIBUTIONS}/{model.name}")


def _attribution(model: Model) -> Document:
    return {"name": model.name, "metricAttributionArn": _arn(model), "status": ACTIVE}
