"""The routes of training jobs and of their data. The models function loads them at the first request."""

from typing import Final

from larder.errors import InvalidRequest, NotFound
from larder.jobs import hyperparameters, read_request, request_stop
from larder.jobs.listing import Document, describe_job, describe_jobs, describe_trials, job_document
from larder.jobs.log import MAX_BYTES, read_log
from larder.jobs.start import read_wanted_job, start_job
from larder.jobs.uploads import plan_uploads, put_file, read_files
from larder.registry.documents import MAX_LISTED, ModelDocuments
from larder.registry.search.query import DEFAULT_LISTED
from larder.release.manifest import KINDS
from larder.release.routes import MODEL_HEADER
from larder.runtime.settings import Settings
from larder.web.bootstrap import Service
from larder.web.request import Request
from larder.web.resolver import Response
from larder.web.responses import error_response, json_response

LOG_START: Final = "x-larder-log-start"
LOG_END: Final = "x-larder-log-end"
_DEFAULT_LOG_BYTES: Final = 65536
_FAR: Final = 2**53

Models = Service[Settings, ModelDocuments]
format_error = error_response


def start(request: Request, service: Models) -> Response[str]:
    """Start a training job."""
    request.check_parameters(())
    model = request.path_parameter("model")
    wanted = read_wanted_job(request.json() if request.body() else {})
    started = start_job(service.store, model, wanted, by=request.caller.key)
    return _respond(describe_job(service.store, model, started.job), status=202)


def list_newest(request: Request, service: Models) -> Response[str]:
    """The newest training jobs of a model."""
    request.check_parameters(("n", "next"))
    n = request.integer("n", DEFAULT_LISTED, 1, MAX_LISTED)
    return _respond(describe_jobs(service.store, request.path_parameter("model"), n, request.query.get("next")))


def describe(request: Request, service: Models) -> Response[str]:
    """One training job: what was asked for, and how it goes."""
    request.check_parameters(())
    return _respond(describe_job(service.store, *_job(request)))


def read_output(request: Request, service: Models) -> Response[str]:
    """A part of the log of a training job, as text."""
    request.check_parameters(("from", "bytes"))
    model, job = _job(request)
    start_at = request.integer("from", 0, 0, _FAR) if "from" in request.query else None
    most = request.integer("bytes", _DEFAULT_LOG_BYTES, 16, MAX_BYTES)
    read_request(service.store, model, job)
    part = read_log(service.store, model, job, start_at, most)
    headers = {MODEL_HEADER: model, LOG_START: str(part.start), LOG_END: str(part.end)}
    return Response(200, content_type="text/plain; charset=utf-8", headers=dict(headers), body=part.text)


def list_trials(request: Request, service: Models) -> Response[str]:
    """The trials of the search of a training job."""
    request.check_parameters(())
    return _respond(describe_trials(service.store, *_job(request)))


def stop(request: Request, service: Models) -> Response[str]:
    """Ask to stop a training job."""
    request.check_parameters(())
    model, job = _job(request)
    status = request_stop(service.store, model, job, request.caller.key)
    return _respond(job_document(read_request(service.store, model, job), status))


def get_schema(request: Request, _: Models) -> Response[str]:
    """The JSON schema of the hyperparameters of a kind of model."""
    request.authorize()
    request.check_parameters(())
    wanted = request.path_parameter("kind")
    for kind in KINDS:
        if kind == wanted:
            return json_response(hyperparameters.schema(kind))
    raise NotFound(f"{wanted[:60]!r} is not a kind of model: use one of {', '.join(KINDS)}.")


def plan_upload(request: Request, service: Models) -> Response[str]:
    """Where the files of a data set are to be uploaded."""
    request.check_parameters(())
    name, files = read_files(request.json())
    return _respond(plan_uploads(service.store, request.path_parameter("model"), name, files))


def upload(request: Request, service: Models) -> Response[str]:
    """Store one file of a data set."""
    request.check_parameters(("file",))
    if "file" not in request.query:
        raise InvalidRequest("There is no file: send its path in the data set as the parameter file.")
    model, name = request.path_parameter("model"), request.path_parameter("name")
    return _respond(put_file(service.store, model, name, request.query["file"], request.body()))


def _job(request: Request) -> tuple[str, str]:
    return request.path_parameter("model"), request.path_parameter("job")


def _respond(document: Document, status: int = 200) -> Response[str]:
    return json_response(document, status=status, model=str(document["model"]))
