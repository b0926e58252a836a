"""Dataset groups, campaigns and recommenders: each model is one of each."""

from collections.abc import Callable
from typing import Final

from larder.compat.aws_errors import AwsError
from larder.compat.parameters import Parameters
from larder.compat.personalize.control.exploration import CONFIG, change_exploration, exploration_config
from larder.compat.personalize.control.models import (
    ACTIVE,
    PAGING,
    WRITE,
    AnyService,
    Document,
    Model,
    check_new_name,
    check_writable,
    existing,
    metrics,
    model_of,
    recommender,
    recommenders,
    releases,
    selected,
    version_arn,
)
from larder.compat.personalize.control.trainings import is_training, no_version, release_of
from larder.compat.personalize.names import CAMPAIGNS, GROUPS, RECIPE, SOLUTIONS, personalize_arn, version_named
from larder.errors import InvalidRequest
from larder.registry import Registry
from larder.registry.changes import promote
from larder.registry.documents import documents_of
from larder.web.request import Request

_ONE: Final = 1  # the least that Personalize allows; nothing is provisioned here


def list_dataset_groups(request: Request, service: AnyService, values: Document) -> Document:
    """The models."""
    return _listed(request, service, Parameters(values, PAGING.parameters), "datasetGroups", _group)


def describe_dataset_group(request: Request, service: AnyService, values: Document) -> Document:
    """A model."""
    sent = Parameters(values, ("datasetGroupArn",))
    return {"datasetGroup": _group(service, recommender(request, service, sent.text("datasetGroupArn"), GROUPS))}


def list_campaigns(request: Request, service: AnyService, values: Document) -> Document:
    """The models, or that of a solution."""
    sent = Parameters(values, ("solutionArn", *PAGING.parameters))
    return _listed(request, service, sent, "campaigns", _campaign, parent=("solutionArn", SOLUTIONS))


def describe_campaign(request: Request, service: AnyService, values: Document) -> Document:
    """A model and its live release."""
    sent = Parameters(values, ("campaignArn",))
    model = recommender(request, service, sent.text("campaignArn"), CAMPAIGNS)
    campaign = {
        **_campaign(service, model),
        **({"solutionVersionArn": version_arn(model.name, model.live)} if model.live else {}),
        "minProvisionedTPS": _ONE,
        "campaignConfig": {"enableMetadataWithRecommendations": True, **exploration_config(service, model)},
    }
    return {"campaign": campaign}


def create_campaign(request: Request, service: AnyService, values: Document) -> Document:
    """Make a version live, as ``update_campaign`` does: every model has its campaign."""
    sent = Parameters(values, ("name", "solutionVersionArn", "minProvisionedTPS", "campaignConfig", "tags"))
    check_writable(request, service)
    check_new_name(sent)
    if sent.values.get("tags"):
        raise InvalidRequest("tags are not supported: leave them out.")
    model, _ = version_named(sent.text("solutionVersionArn"), model_of(service))
    changed = {name: value for name, value in values.items() if name not in ("name", "tags")}
    return update_campaign(request, service, {**changed, "campaignArn": personalize_arn(f"campaign/{model}")})


def update_campaign(request: Request, service: AnyService, values: Document) -> Document:
    """Make a release live that a rollout has checked, as ``POST .../promote`` does, or change the exploration.

    A minimum of requests per second is always met.
    """
    sent = Parameters(values, ("campaignArn", "solutionVersionArn", "minProvisionedTPS", "campaignConfig"))
    check_writable(request, service)
    model = recommender(request, service, sent.text("campaignArn"), CAMPAIGNS, WRITE)
    config = sent.child("campaignConfig", ("enableMetadataWithRecommendations", CONFIG))
    if config.values.get("enableMetadataWithRecommendations", True) is not True:
        raise InvalidRequest("campaignConfig.enableMetadataWithRecommendations is always true: leave it out.")
    change_exploration(service, model, config)
    if "solutionVersionArn" in sent:
        named, version = version_named(sent.text("solutionVersionArn"), model_of(service))
        if named != model.name:
            raise InvalidRequest(f"solutionVersionArn is of model {named[:80]!r}: use a version of {model.name!r}.")
        _promote(request, service, model, version)
    return {"campaignArn": personalize_arn(f"campaign/{model.name}")}


def list_recommenders(request: Request, service: AnyService, values: Document) -> Document:
    """The models, or that of a dataset group."""
    sent = Parameters(values, ("datasetGroupArn", *PAGING.parameters))
    return _listed(request, service, sent, "recommenders", _recommender, parent=("datasetGroupArn", GROUPS))


def describe_recommender(request: Request, service: AnyService, values: Document) -> Document:
    """A model, with the metrics of its live release."""
    sent = Parameters(values, ("recommenderArn",))
    model = recommender(request, service, sent.text("recommenderArn"), CAMPAIGNS)
    evaluation = documents_of(service.store).document(model.name, model.live)["evaluation"] if model.live else {}
    return {"recommender": {**_recommender(service, model), "modelMetrics": metrics(evaluation)}}  # type: ignore[arg-type]  # an object, by the manifest's format


def _listed(
    request: Request,
    service: AnyService,
    sent: Parameters,
    name: str,
    describe: Callable[[AnyService, Model], Document],
    parent: tuple[str, str] | None = None,
) -> Document:
    """A page of the models, or of the one that the parameter ``parent`` (its name, the kinds of resources) names."""
    models = selected(request, service, sent, *parent) if parent else recommenders(request, service)
    names, token = PAGING.page(sent, list(models))
    return {name: [describe(service, models[model]) for model in names], **token}


def _group(_: AnyService, model: Model) -> Document:
    return {"name": model.name, "datasetGroupArn": model.group, "status": ACTIVE, **model.dates}


def _campaign(service: AnyService, model: Model) -> Document:
    arn = personalize_arn(f"campaign/{model.name}")
    return {"name": model.name, "campaignArn": arn, **_status(service, model), **model.dates}


def _recommender(service: AnyService, model: Model) -> Document:
    return {
        "name": model.name,
        "recommenderArn": personalize_arn(f"recommender/{model.name}"),
        "datasetGroupArn": model.group,
        "recipeArn": RECIPE,
        "recommenderConfig": {"enableMetadataWithRecommendations": True, "minRecommendationRequestsPerSecond": _ONE},
        **_status(service, model),
        **model.dates,
    }


def _status(service: AnyService, model: Model) -> Document:
    """Whether the model answers; if not, whether its newest release failed."""
    if model.live:
        return {"status": ACTIVE}
    (newest,) = releases(service, model.name, 1)
    if newest["reason"]:
        return {"status": "CREATE FAILED", "failureReason": newest["reason"]}
    return {"status": "CREATE PENDING"}


def _promote(request: Request, service: AnyService, model: Model, version: str) -> None:
    release = release_of(service.store, model.name, version)
    if release == model.live:
        return
    existing(request, service, model.name, CAMPAIGNS)  # what follows says which releases there are
    if all(entry["release"] != release for entry in releases(service, model.name)):
        if is_training(service.store, model.name, version):
            raise AwsError(
                "ResourceInUseException",
                f"Training {version} has no release to serve: wait until DescribeSolutionVersion says ACTIVE.",
            )
        raise no_version(model.name, release)
    promote(Registry(service.store), model.name, release, by=request.caller.key)
