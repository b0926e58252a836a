"""Starts a training job: fills in what a caller omits, checks everything at once, and writes the request."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, cast

from larder.errors import InvalidRequest, InvalidState, MissingObject, NotFound
from larder.jobs import hyperparameters
from larder.jobs.channels import ANY_MAIN, MAIN, check_channels
from larder.jobs.documents import create_job, list_jobs, read_request, read_status
from larder.jobs.job import JobRequest, JobStatus, Trigger, job_name
from larder.registry.registry import Registry
from larder.release.json_fields import FieldReader
from larder.release.keys import check_job, check_model, check_release
from larder.release.manifest import KINDS, Kind
from larder.store import Store

MOST_UNFINISHED: Final = 10
"""How many jobs of a model may wait or run: a loop by mistake must not start a hundred trainings."""
_MOST_BYTES: Final = 100_000  # of a request; SageMaker takes hyperparameters of 250,000 characters
_LOOKED_AT: Final = 50  # the newest jobs, in which the one of the live release is looked for
_CONNECTIONS: Final = 8
_MODEL_CHANNEL: Final = "model"


@dataclass(frozen=True, slots=True)
class WantedJob:
    """What a caller asks of a training job. What is omitted comes from the job of the live release.

    Attributes:
        kind: The kind of the model; None: that of its releases or jobs.
        hyperparameters: Hyperparameters by name; None as a value is the default of the schema.
        channels: The URI of each channel; None as a value leaves the channel out.
        parent: The release to compare with and to go on from; None: the live one when the job starts.
        job: The name of the job, with which a caller may repeat the request; None: a new one.
    """

    kind: Kind | None = None
    hyperparameters: Mapping[str, object] = field(default_factory=dict)
    channels: Mapping[str, str | None] = field(default_factory=dict)
    parent: str | None = None
    job: str | None = None


def read_wanted_job(document: Mapping[str, object]) -> WantedJob:
    """Reads the body of a request; raises InvalidRequest with each invalid or unknown field."""
    fields = FieldReader(document)
    channels = fields.mapping("channels") if fields.has("channels") else {}
    for name, uri in channels.items():
        if not (uri is None or isinstance(uri, str)):
            fields.note(f"channels.{name[:60]}", "must be the URI of its data, or null")
    wanted = WantedJob(
        kind=cast("Kind", fields.choice("kind", KINDS)) if fields.has("kind") else None,
        hyperparameters=fields.mapping("hyperparameters") if fields.has("hyperparameters") else {},
        channels=cast("Mapping[str, str | None]", channels),
        parent=fields.text("parent") if fields.has("parent") else None,
        job=fields.text("job") if fields.has("job") else None,
    )
    fields.finish()
    if fields.problems:
        raise InvalidRequest(f"The request is invalid: {'; '.join(fields.problems)}.")
    return wanted


def start_job(
    store: Store, model: str, wanted: WantedJob, *, by: str | None = None, trigger: Trigger = "request"
) -> JobRequest:
    """Write the request of a job, which starts it; returns the request.

    A request with the name of a job that was started with the same values returns that job.

    Raises:
        InvalidRequest: A value is wrong, unknown or missing; the message lists every problem.
        InvalidState: The name belongs to another job, or too many jobs of the model have not ended.
    """
    check_model(model)
    if wanted.job is not None and (known := _known(store, model, wanted, check_job(wanted.job))):
        return known
    return create_job(store, planned_job(store, model, wanted, by=by, trigger=trigger))


def planned_job(
    store: Store, model: str, wanted: WantedJob, *, by: str | None = None, trigger: Trigger = "request"
) -> JobRequest:
    """The request that ``start_job`` would write; raises as that does."""
    names = list_jobs(store, model)[:_LOOKED_AT]
    with ThreadPoolExecutor(_CONNECTIONS) as threads:
        statuses = dict(zip(names, threads.map(lambda name: read_status(store, model, name), names), strict=True))
    basis = _basis(store, model, statuses)
    kind = _kind(store, model, wanted, basis)
    now = datetime.now(UTC)
    request = JobRequest(
        model=model,
        job=wanted.job or job_name(now),
        kind=kind,
        created=f"{now:%Y-%m-%dT%H:%M:%SZ}",
        by=by,
        trigger=trigger,
        hyperparameters=_merged(basis.hyperparameters if basis else {}, wanted.hyperparameters),
        channels=_channels(kind, basis.channels if basis else {}, wanted.channels),
        parent=wanted.parent,
    )
    request = _checked(store, request)
    if sum(not status.has_ended for status in statuses.values()) >= MOST_UNFINISHED:
        raise InvalidState(
            f"{MOST_UNFINISHED} training jobs of {model} wait or run: wait until one ends, or stop one by "
            f"POST /v1/models/{model}/training-jobs/{{job}}/stop."
        )
    return request


def _basis(store: Store, model: str, statuses: Mapping[str, JobStatus]) -> JobRequest | None:
    """The job that made the live release, or else the newest one that made a release."""
    version = Registry(store).pointer(model)
    made = [(name, status.release) for name, status in statuses.items() if status.release]
    if not made:
        return None
    live = None if version is None else version.pointer.stable
    return read_request(store, model, next((name for name, release in made if release == live), made[0][0]))


def _known(store: Store, model: str, wanted: WantedJob, job: str) -> JobRequest | None:
    """The job of this name, if it was started with these values; None if there is none of this name."""
    try:
        known = read_request(store, model, job)
    except NotFound:
        return None
    try:
        _, values = hyperparameters.read({**wanted.hyperparameters, "kind": known.kind, "model": model})
        given = {name: uri for name, uri in wanted.channels.items() if uri is not None}
        same = (
            wanted.kind in (None, known.kind)
            and wanted.parent in (None, known.parent)
            and {**known.hyperparameters, **values, "model": model} == {**known.hyperparameters, "model": model}
            and {**known.channels, **given} == known.channels
        )
    except InvalidRequest:
        same = False
    if not same:
        raise InvalidState(f"Training job {job} was started with other values: choose another name.")
    return known


def _kind(store: Store, model: str, wanted: WantedJob, basis: JobRequest | None) -> Kind:
    known = basis.kind if basis else _kind_of_releases(store, model)
    if known is None and wanted.kind is None:
        raise InvalidRequest(f"Model {model!r} has no release yet: give its kind, one of {', '.join(KINDS)}.")
    if known is not None and wanted.kind not in (None, known):
        raise InvalidRequest(f"kind is {wanted.kind!r}, but {model} is a {known}: train another model.")
    return cast("Kind", wanted.kind or known)


def _kind_of_releases(store: Store, model: str) -> Kind | None:
    registry = Registry(store)
    version = registry.pointer(model)
    complete = [name for name, files in registry.releases(model).items() if files.complete]
    names = [version.pointer.stable] if version else sorted(complete, reverse=True)[:1]
    manifests = (registry.readable_manifest(model, name) for name in names)
    return next((manifest.kind for manifest in manifests if manifest), None)


def _merged(basis: Mapping[str, object], given: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in {**basis, **given}.items() if value is not None}


def _channels(kind: Kind, basis: Mapping[str, str], given: Mapping[str, str | None]) -> dict[str, str]:
    """The channels; a main channel that is given under either of its names replaces the other name."""
    main = {MAIN[kind], ANY_MAIN}
    is_replaced = any(given.get(name) for name in main)
    kept = {name: uri for name, uri in basis.items() if not (is_replaced and name in main)}
    return {name: uri for name, uri in {**kept, **given}.items() if uri is not None}


def _checked(store: Store, request: JobRequest) -> JobRequest:
    """The request with its hyperparameters in the types of the schema; raises InvalidRequest with every problem."""
    problems = list(_own_problems(store, request))
    values: dict[str, object] = {}
    try:
        _, values = hyperparameters.read({**request.hyperparameters, "kind": request.kind, "model": request.model})
    except InvalidRequest as error:
        problems.append(str(error))
    try:
        check_channels(request.model, request.kind, request.channels)
    except InvalidRequest as error:
        problems.append(str(error))
    if len(request.dump()) > _MOST_BYTES:
        problems.append(f"The request has more than {_MOST_BYTES} bytes: give shorter hyperparameters.")
    if problems:
        raise InvalidRequest(" ".join(problems))
    values.pop("model")
    return replace(request, hyperparameters=values)


def _own_problems(store: Store, request: JobRequest) -> Iterator[str]:
    for name in ("kind", "model"):
        if name in request.hyperparameters:
            yield f"Hyperparameter {name!r} is given: leave it out, the request states it elsewhere."
    if request.parent is None:
        return
    if _MODEL_CHANNEL in request.channels:
        yield f"There are a parent and a channel {_MODEL_CHANNEL!r}: give one of them."
    try:
        manifest = Registry(store).manifest(request.model, check_release(request.parent))
    except (InvalidRequest, MissingObject):
        listing = f"GET /v1/models/{request.model}/releases"
        yield f"{request.parent[:80]!r} is not a release of {request.model}: give a parent that {listing} lists."
    else:
        if manifest.kind != request.kind:
            yield f"{request.parent} is a {manifest.kind}: give a parent of the same kind."
