"""Trainings of solutions: a solution version that is not a release yet is a training job of the model."""

from collections.abc import Mapping
from typing import Final

from larder.compat.aws_errors import AwsError
from larder.compat.parameters import Parameters
from larder.compat.personalize.control.models import (
    WRITE,
    AnyService,
    Document,
    Model,
    check_new_name,
    check_writable,
    dates,
    existing,
    model_of,
    recommender,
    seconds,
    version_arn,
)
from larder.compat.personalize.names import GROUPS, RECIPE, SOLUTIONS, version_named
from larder.errors import InvalidRequest, InvalidState, NotFound
from larder.jobs import JobStatus, read_request, read_status, request_stop
from larder.jobs.listing import describe_jobs
from larder.jobs.start import WantedJob, start_job
from larder.registry import Registry
from larder.registry.rollout_records import read_record
from larder.release.keys import is_job
from larder.store import Store
from larder.web.request import Request

_NEWEST: Final = 100  # jobs that a list looks at; releases are listed without a limit
IN_PROGRESS: Final = "CREATE IN_PROGRESS"
_STATUS: Final[Mapping[str, str]] = {
    "pending": "CREATE PENDING",
    "running": IN_PROGRESS,
    "stopping": "CREATE STOPPING",
    "completed": "ACTIVE",
    "failed": "CREATE FAILED",
    "stopped": "CREATE STOPPED",
    "skipped": "CREATE STOPPED",
}
_RECIPES: Final = frozenset(
    {
        RECIPE,
        *(
            f"arn:aws:personalize:::recipe/aws-{name}"
            for name in (
                "user-personalization",
                "user-personalization-v2",
                "personalized-ranking",
                "personalized-ranking-v2",
                "similar-items",
                "sims",
                "popularity-count",
                "trending-now",
            )
        ),
    }
)


def create_solution(request: Request, service: AnyService, values: Document) -> Document:
    """The solution of a model, which every model has: its ARN, if the request asks for nothing else than it does."""
    allowed = ("name", "datasetGroupArn", "recipeArn", "performAutoML", "performHPO", "performAutoTraining", "tags")
    sent = Parameters(values, (*allowed, "performIncrementalUpdate", "eventType", "solutionConfig"))
    check_writable(request, service)
    model = recommender(request, service, sent.text("datasetGroupArn"), GROUPS, WRITE)
    check_new_name(sent)
    recipe = sent.text("recipeArn", RECIPE)
    if recipe not in _RECIPES:
        raise InvalidRequest(
            f"recipeArn {recipe[:200]!r} is not answered by a model of items for users: use {RECIPE}, or leave it out."
        )
    if sent.values.get("performAutoTraining"):
        raise InvalidRequest(
            f"performAutoTraining is not supported: leave it out, and use larder schedule {model.name}, or PUT "
            f"/v1/models/{model.name}/schedule."
        )
    for name in ("eventType", "solutionConfig", "performIncrementalUpdate", "tags"):
        if sent.values.get(name):
            raise InvalidRequest(
                f"{name} is not supported: leave it out. Hyperparameters are those of the model's last training job, "
                f"and POST /v1/models/{model.name}/training-jobs changes them."
            )
    return {"solutionArn": model.solution}


def create_solution_version(request: Request, service: AnyService, values: Document) -> Document:
    """Start a training job, with the data and hyperparameters of the job that made the live release."""
    sent = Parameters(values, ("name", "solutionArn", "trainingMode", "tags"))
    check_writable(request, service)
    model = recommender(request, service, sent.text("solutionArn"), SOLUTIONS, WRITE)
    if "name" in sent:
        check_new_name(sent)
    if sent.text("trainingMode", "FULL") != "FULL":
        raise sent.wrong("trainingMode", "FULL, or nothing: every training reads all data")
    if sent.values.get("tags"):
        raise InvalidRequest("tags are not supported: leave them out.")
    try:
        job = start_job(service.store, model.name, WantedJob(kind="recommender"), by=request.caller.key)
    except InvalidState as error:  # the limit of unfinished jobs
        raise AwsError("LimitExceededException", str(error)) from error
    except InvalidRequest as error:  # there is no job that made a release
        first = f"POST /v1/models/{model.name}/training-jobs"
        raise InvalidRequest(
            f"{error} A version repeats an earlier training job: start the first by {first}."
        ) from error
    return {"solutionVersionArn": version_arn(model.name, job.job)}


def stop_solution_version_creation(request: Request, service: AnyService, values: Document) -> Document:
    """Ask to stop a training job."""
    sent = Parameters(values, ("solutionVersionArn",))
    check_writable(request, service)
    name, version = version_named(sent.text("solutionVersionArn"), model_of(service))
    model = existing(request, service, name, SOLUTIONS, WRITE)
    if not is_training(service.store, model.name, version):
        raise no_version(model.name, version)
    if read_status(service.store, model.name, version).has_ended:
        raise AwsError(
            "ResourceInUseException", f"Training {version} has ended: DescribeSolutionVersion says how it did."
        )
    request_stop(service.store, model.name, version, request.caller.key)
    return {}


def is_training(store: Store, model: str, version: str) -> bool:
    """Whether a solution version is a training job of a model."""
    if not is_job(version):
        return False
    try:
        read_request(store, model, version)
    except NotFound:
        return False
    return True


def release_of(store: Store, model: str, version: str) -> str:
    """The release that a training made, if the version is one that made a release; else ``version`` itself.

    Training jobs and releases have names of one form, and no release has the name of a job: so a client keeps the ARN
    that CreateSolutionVersion answered with.
    """
    if not is_job(version):
        return version
    return read_status(store, model, version).release or version


def is_rolling_out(store: Store, model: str, release: str) -> bool:
    """Whether the rollout of a release that a training made has yet to end, and with it the training."""
    record = read_record(Registry(store), model, release)
    return record is None or record.state == "running"


def training(store: Store, model: Model, job: str) -> Document:
    """A training job that made no release, as a solution version; raises NotFound."""
    if not is_training(store, model.name, job):
        raise no_version(model.name, job)
    created = read_request(store, model.name, job).created
    return {
        **_version(model.name, job, created, read_status(store, model.name, job)),
        "solutionArn": model.solution,
        "datasetGroupArn": model.group,
        "recipeArn": RECIPE,
        "performAutoML": False,
    }


def trainings(store: Store, model: str) -> dict[str, Document]:
    """The training jobs among the newest 100 that made no release, as solution versions by name."""
    jobs = describe_jobs(store, model, _NEWEST, None)["jobs"]
    return {
        str(job["job"]): _version(model, str(job["job"]), job["created"], JobStatus(job["state"], job["reason"]))
        for job in jobs  # type: ignore[attr-defined]  # a list, by its documentation
        if job["release"] is None
    }


def no_version(model: str, version: str) -> NotFound:
    """The error for a solution version that does not exist."""
    return NotFound(f"Model {model!r} has no release {version[:80]!r}: ListSolutionVersions lists them.")


def _version(model: str, job: str, created: object, status: JobStatus) -> Document:
    return {
        "solutionVersionArn": version_arn(model, job),
        "status": _STATUS[status.state],
        "trainingMode": "FULL",
        "trainingType": "MANUAL",
        **dates(seconds(created)),
        **({"failureReason": status.reason} if status.reason else {}),
    }
