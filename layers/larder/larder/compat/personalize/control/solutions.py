"""Solutions and solution versions: a model and its releases."""

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
from larder.compat.personalize.names import GROUPS, RECIPE, SOLUTIONS, version_named
from larder.errors import NotFound
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
    """A model and its newest release."""
    sent = Parameters(values, ("solutionArn",))
    model = recommender(request, service, sent.text("solutionArn"), SOLUTIONS)
    (newest,) = releases(service, model.name, 1)
    solution = {
        **_solution(model),
        "datasetGroupArn": model.group,
        "performAutoML": False,
        "performAutoTraining": False,
        "latestSolutionVersion": _version(model.name, newest),
    }
    return {"solution": solution}


def list_solution_versions(request: Request, service: AnyService, values: Document) -> Document:
    """The releases of a model, or of all models; newest first."""
    sent = Parameters(values, ("solutionArn", *PAGING.parameters))
    models = selected(request, service, sent, "solutionArn", SOLUTIONS)
    entries = {
        f"{entry['release']}/{name}": _version(name, entry) for name in models for entry in releases(service, name)
    }
    shown, token = PAGING.page(sent, sorted(entries, reverse=True), descending=True)
    return {"solutionVersions": [entries[key] for key in shown], **token}


def describe_solution_version(request: Request, service: AnyService, values: Document) -> Document:
    """A release."""
    sent = Parameters(values, ("solutionVersionArn",))
    model, release, manifest = _manifest(request, service, sent)
    entry = next((entry for entry in releases(service, model.name) if entry["release"] == release), None)
    if entry is None:  # removed, while its manifest was still in memory
        raise NotFound(f"Model {model.name!r} has no release {release!r}: ListSolutionVersions lists them.")
    spent = manifest["training"].get("seconds")
    version = {
        **_version(model.name, entry),
        "solutionArn": model.solution,
        "datasetGroupArn": model.group,
        "recipeArn": RECIPE,
        "performAutoML": False,
        **({"trainingHours": spent / _HOUR} if isinstance(spent, int | float) else {}),
    }
    return {"solutionVersion": version}


def get_solution_metrics(request: Request, service: AnyService, values: Document) -> Document:
    """What a release has measured on its test part."""
    sent = Parameters(values, ("solutionVersionArn",))
    model, release, manifest = _manifest(request, service, sent)
    return {"solutionVersionArn": version_arn(model.name, release), "metrics": metrics(manifest["evaluation"])}


def _manifest(request: Request, service: AnyService, sent: Parameters) -> tuple[Model, str, Any]:
    """The model, the release and its manifest that the ARN of a solution version means."""
    name, release = version_named(sent.text("solutionVersionArn"), model_of(service))
    model = existing(request, service, name, SOLUTIONS)
    return model, release, documents_of(service.store).document(name, release)


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
