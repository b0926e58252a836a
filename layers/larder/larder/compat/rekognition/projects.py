"""Custom Labels' projects and project versions, read-only: they are models and their releases."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from larder.compat.paging import Paging
from larder.compat.parameters import Parameters
from larder.compat.rekognition.names import (
    Version,
    check_exists,
    project_arn,
    project_model,
    release_named,
    version_arn,
    version_of,
)
from larder.compat.stored_images import Bucket
from larder.errors import InvalidManifest, NotFound
from larder.registry import Registry
from larder.registry.documents import documents_of
from larder.registry.search.query import ReleaseQuery
from larder.release.keys import file_key
from larder.store import Store
from larder.web.request import Request

if TYPE_CHECKING:
    from larder.classifier.graph import Classifier
    from larder.web.model_service import ModelService

READ: Final = "models:read"
_PAGING: Final = Paging("MaxResults", "NextToken", "InvalidPaginationTokenException")
_MOST_NAMES: Final = 10
_CUSTOM_LABELS: Final = "CUSTOM_LABELS"
_ALL: Final = 100_000  # releases of a model
_SUMMARY: Final = "metrics.json"  # in the form of Custom Labels' evaluation summary
_RUNNING: Final = "RUNNING"
_STOPPED: Final = "STOPPED"
_STATUS: Final = {"live": _RUNNING, "canary": _RUNNING, "rejected": "FAILED", "damaged": "FAILED"}

Document = Mapping[str, object]


def describe_projects(request: Request, service: "ModelService[Classifier]", values: Document) -> Document:
    """The classifiers that the caller may read, by name."""
    parameters = Parameters(values, ("NextToken", "MaxResults", "ProjectNames", "Features"))
    names = parameters.texts("ProjectNames", _MOST_NAMES)
    features = parameters.texts("Features", 2)
    request.caller.check(READ)
    models = _classifiers(service.store, lambda model: request.caller.may(READ, model))
    if names:
        wanted = {service.model_of(name) for name in names}
        models = [model for model in models if model in wanted]
    if features and _CUSTOM_LABELS not in features:
        models = []
    shown, token = _PAGING.page(parameters, models)
    registry = Registry(service.store)
    return {"ProjectDescriptions": [_project(registry, model) for model in shown], **token}


def describe_project_versions(request: Request, service: "ModelService[Classifier]", values: Document) -> Document:
    """The releases of a classifier, newest first.

    A name in VersionNames that does not have the form of a release's name, as AWS has named it, is the live release.
    """
    parameters = Parameters(values, ("ProjectArn", "VersionNames", "NextToken", "MaxResults"))
    model = project_model(parameters.text("ProjectArn"), service.model_of)
    names = parameters.texts("VersionNames", _MOST_NAMES)
    releases = _releases(request, service.store, model)
    listed = {str(entry["release"]): entry for entry in releases}
    if names:
        live = next((entry for entry in releases if entry["state"] == "live"), None)
        known = {name: listed.get(name) if release_named(name) else live for name in names}
        listed = {name: entry for name, entry in known.items() if entry is not None}
    shown, token = _PAGING.page(parameters, sorted(listed, reverse=True), descending=True)
    descriptions = [_version(service.store, model, name, listed[name]) for name in shown]
    return {"ProjectVersionDescriptions": descriptions, **token}


def start_project_version(request: Request, service: "ModelService[Classifier]", values: Document) -> Document:
    """RUNNING, at once: a release is loaded when a request needs it, so that nothing has to be started."""
    parameters = Parameters(values, ("ProjectVersionArn", "MinInferenceUnits", "MaxInferenceUnits"))
    _existing(request, service, parameters)
    return {"Status": _RUNNING}


def stop_project_version(request: Request, service: "ModelService[Classifier]", values: Document) -> Document:
    """STOPPED, at once, without an effect: an idle model costs nothing, and others may be using it."""
    _existing(request, service, Parameters(values, ("ProjectVersionArn",)))
    return {"Status": _STOPPED}


def _existing(request: Request, service: "ModelService[Classifier]", parameters: Parameters) -> Version:
    """The version that a request names; raises NotFound if it does not exist."""
    name = parameters.text("ProjectVersionArn")
    version = version_of(name, service.model_of)
    releases = _releases(request, service.store, version.model)
    if version.release and all(entry["release"] != version.release for entry in releases):
        raise NotFound(f"{version.model!r} has no release {version.release!r}: DescribeProjectVersions lists them.")
    return version


def _releases(request: Request, store: Store, model: str) -> Sequence[Document]:
    """The releases of a classifier that the caller may read; raises Forbidden, else NotFound."""
    request.caller.check(READ, model)
    check_exists(model)
    entries: Sequence[Document] = documents_of(store).releases(model, ReleaseQuery(_ALL))["releases"]  # type: ignore[assignment]  # of objects
    if any(entry["kind"] == "recommender" for entry in entries):
        raise NotFound(f"Model {model!r} is a recommender: use a model that DescribeProjects lists.")
    return entries


def _classifiers(store: Store, visible: Callable[[str], bool]) -> list[str]:
    models: Sequence[Document] = documents_of(store).models(visible)["models"]  # type: ignore[assignment]  # of objects
    return sorted(str(entry["model"]) for entry in models if entry["kind"] == "classifier")


def _project(registry: Registry, model: str) -> Document:
    """A model; the date is that of its oldest release."""
    created = _seconds_of_name(min(registry.releases(model), default=""))
    return {
        "ProjectArn": project_arn(model),
        **({"CreationTimestamp": created} if created else {}),
        "Status": "CREATED",
        "Datasets": [],
        "Feature": _CUSTOM_LABELS,
    }


def _version(store: Store, model: str, name: str, entry: Document) -> Document:
    release, created = str(entry["release"]), _seconds(entry["created"])
    reason = entry["reason"]
    return {
        "ProjectVersionArn": version_arn(model, name),
        "Status": _STATUS.get(str(entry["state"]), _STOPPED),
        **({"CreationTimestamp": created, "TrainingEndTimestamp": created} if created else {}),
        **({"StatusMessage": reason} if reason else {}),
        **_evaluation(store, model, release),
        "Feature": _CUSTOM_LABELS,
    }


def _evaluation(store: Store, model: str, release: str) -> Document:
    """The mean F1 of the labels on the test part, and where the whole summary is; empty for a release without them."""
    try:
        manifest = documents_of(store).document(model, release)
    except (InvalidManifest, NotFound):
        return {}
    test = manifest["evaluation"].get("test")  # type: ignore[attr-defined]  # an object, by the manifest's format
    f1 = test.get("macro_f1") if isinstance(test, dict) else None
    if not isinstance(f1, int | float):
        return {}
    bucket = Bucket.of(store)
    summary = {"Bucket": bucket.name, "Name": f"{bucket.prefix}{file_key(model, release, _SUMMARY)}"}
    has_summary = _SUMMARY in manifest["files"]  # type: ignore[operator]  # an object, by the manifest's format
    return {"EvaluationResult": {"F1Score": f1, **({"Summary": {"S3Object": summary}} if has_summary else {})}}


def _seconds(created: object) -> float | None:
    return None if created is None else datetime.fromisoformat(str(created)).timestamp()


def _seconds_of_name(release: str) -> float | None:
    """When a release was made, by its name; None if the name does not say."""
    if not release_named(release):
        return None
    return datetime.strptime(release.partition("-")[0], "%Y%m%dt%H%M%Sz").replace(tzinfo=UTC).timestamp()
