"""Solutions and solution versions: a model, its releases, and the trainings that made none yet."""

from typing import Any, Final

from larder.compat.parameters import Parameters
from larder.compat.personalize.control.models import (
    ACTIVE,
    PAGING,
    AnyService,
    Document,
    Model,
    dates,
    existing,
    metrics,
    model_of,
    recommender,
    releases,
    seconds,
    selected,
    version_arn,
)
from larder.compat.personalize.control.trainings import (
    IN_PROGRESS,
    is_rolling_out,
    no_version,
    release_of,
    training,
    trainings,
)
from larder.compat.personalize.names import GROUPS, RECIPE, SOLUTIONS, version_named
from larder.registry.documents import documents_of
from larder.web.request import Request

_FAILED: Final = "CREATE FAILED"
_HOUR: Final = 3600


def list_solutions(request: Request, service: AnyService, values: Document) -> Document:
    """The models, or that of a dataset group."""
    sent = Parameters(values, ("datasetGroupArn", *PAGING.parameters))
    models = selected(request, service, sent, "datasetGroupArn", GROUPS)
    names, token = PAGING.page(sent, list(models))
    return {"solutions": [_solution(models[name]) for name in names], **token}


def describe_solution(request: Request, service: AnyService, values: Document) -> Document:
    """A model and its newest version."""
    sent = Parameters(values, ("solutionArn",))
    model = recommender(request, service, sent.text("solutionArn"), SOLUTIONS)
    versions = _versions(service, model.name)
    solution = {
        **_solution(model),
        "datasetGroupArn": model.group,
        "performAutoML": False,
        "performAutoTraining": False,
        "latestSolutionVersion": versions[max(versions)],
    }
    return {"solution": solution}


def list_solution_versions(request: Request, service: AnyService, values: Document) -> Document:
    """The releases and trainings of a model, or of all models; newest first."""
    sent = Parameters(values, ("solutionArn", *PAGING.parameters))
    models = selected(request, service, sent, "solutionArn", SOLUTIONS)
    entries = {f"{version}/{name}": entry for name in models for version, entry in _versions(service, name).items()}
    shown, token = PAGING.page(sent, sorted(entries, reverse=True), descending=True)
    return {"solutionVersions": [entries[key] for key in shown], **token}


def describe_solution_version(request: Request, service: AnyService, values: Document) -> Document:
    """A release, also by the ARN of the training that made it, or a training."""
    sent = Parameters(values, ("solutionVersionArn",))
    model, version = _named(request, service, sent)
    release = release_of(service.store, model.name, version)
    entry = next((entry for entry in releases(service, model.name) if entry["release"] == release), None)
    if entry is None:
        if release != version:
            raise no_version(model.name, release)  # the training's release was deleted
        return {"solutionVersion": training(service.store, model, version)}
    manifest = _manifest(service, model.name, release)
    spent = manifest["training"].get("seconds")
    described = {
        **_version(model.name, entry),
        **_of_training(service, model.name, version, entry),
        "solutionArn": model.solution,
        "datasetGroupArn": model.group,
        "recipeArn": RECIPE,
        "performAutoML": False,
        **({"trainingHours": spent / _HOUR} if isinstance(spent, int | float) else {}),
    }
    return {"solutionVersion": described}


def get_solution_metrics(request: Request, service: AnyService, values: Document) -> Document:
    """What a release has measured on its test part."""
    sent = Parameters(values, ("solutionVersionArn",))
    model, version = _named(request, service, sent)
    manifest = _manifest(service, model.name, release_of(service.store, model.name, version))
    return {"solutionVersionArn": version_arn(model.name, version), "metrics": metrics(manifest["evaluation"])}


def _named(request: Request, service: AnyService, sent: Parameters) -> tuple[Model, str]:
    """The model, and the release or training, that the ARN of a solution version means."""
    name, version = version_named(sent.text("solutionVersionArn"), model_of(service))
    return existing(request, service, name, SOLUTIONS), version


def _manifest(service: AnyService, model: str, release: str) -> Any:  # noqa: ANN401  # JSON, by the manifest's format
    return documents_of(service.store).document(model, release)


def _versions(service: AnyService, model: str) -> dict[str, Document]:
    """The releases of a model, and its trainings without one, by name."""
    made = {str(entry["release"]): _version(model, entry) for entry in releases(service, model)}
    return {**trainings(service.store, model), **made}


def _of_training(service: AnyService, model: str, version: str, entry: Document) -> Document:
    """What differs if a client has the ARN of a training: that, and it is ACTIVE when a campaign may have it."""
    release = str(entry["release"])
    if release == version:
        return {}
    waits = entry["state"] == "stored" and is_rolling_out(service.store, model, release)
    return {"solutionVersionArn": version_arn(model, version), **({"status": IN_PROGRESS} if waits else {})}


def _solution(model: Model) -> Document:
    return {"name": model.name, "solutionArn": model.solution, "recipeArn": RECIPE, "status": ACTIVE, **model.dates}


def _version(model: str, entry: Document) -> Document:
    reason = entry["reason"]
    return {
        "solutionVersionArn": version_arn(model, str(entry["release"])),
        "status": _FAILED if entry["state"] in ("rejected", "damaged") else ACTIVE,
        "trainingMode": "FULL",
        "trainingType": "MANUAL",
        **dates(seconds(entry["created"])),
        **({"failureReason": reason} if reason else {}),
    }
