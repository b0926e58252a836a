"""Reads and writes the documents of training jobs. Each write is a create or a compare-and-swap, and safe to repeat."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final

from larder.errors import Conflict, InvalidState, MissingObject, NotFound
from larder.jobs.job import FORMAT, JobRequest, JobStatus, parse_request, parse_status
from larder.registry.registry import now
from larder.release.keys import JOB_REQUEST, JOB_STATUS, JOB_STOP, is_job, job_key, jobs_prefix
from larder.store import Store

_ATTEMPTS: Final = 20  # a runner and a caller who stops the job write the status


def create_job(store: Store, request: JobRequest) -> JobRequest:
    """Write a request, which starts the job; returns it, or the same one that was there before.

    Two requests are the same if they differ in ``created`` and ``by`` only: a caller that repeats a request does not
    start a second training. Raises InvalidState if the name belongs to another request.
    """
    key = job_key(request.model, request.job, JOB_REQUEST)
    try:
        store.put(key, request.dump(), create=True)
    except Conflict:
        known = parse_request(store.get(key).data, key)
        if replace(request, created=known.created, by=known.by) != known:
            raise InvalidState(f"Training job {request.job} has another request: choose another name.") from None
        return known
    return request


def read_request(store: Store, model: str, job: str) -> JobRequest:
    """The request of a job; raises NotFound if there is none."""
    key = job_key(model, job, JOB_REQUEST)
    try:
        return parse_request(store.get(key).data, key)
    except MissingObject as error:
        listing = f"GET /v1/models/{model}/training-jobs"
        raise NotFound(f"{model!r} has no training job {job!r}: use a name that {listing} lists.") from error


def read_status(store: Store, model: str, job: str) -> JobStatus:
    """The status of a job; ``pending`` if no runner has written one, whether there is such a job or not."""
    return _status(store, job_key(model, job, JOB_STATUS))[0]


def change_status(store: Store, model: str, job: str, change: Callable[[JobStatus], JobStatus]) -> JobStatus:
    """Change the status by compare-and-swap, and return it as it is then.

    ``change`` gets the status and returns another one; it may be called again if another writer came first. A status
    that is final stays as it is. Raises Conflict if it keeps changing.
    """
    key = job_key(model, job, JOB_STATUS)
    for _ in range(_ATTEMPTS):
        old, etag = _status(store, key)
        new = old if old.has_ended else change(old)
        if new == old:
            return old
        with suppress(Conflict):
            store.put(key, new.dump(), etag=etag, create=etag is None)
            return new
    raise Conflict(f"The status of training job {job} keeps changing: try again.")


def request_stop(store: Store, model: str, job: str, by: str | None) -> JobStatus:
    """Ask to stop a job; returns its status. A job that no runner has taken is ``stopped`` at once.

    Raises NotFound if there is no such job. A job that has ended stays as it is.
    """
    read_request(store, model, job)
    document = {"format": FORMAT, "requested": now(), "by": by}
    with suppress(Conflict):
        store.put(job_key(model, job, JOB_STOP), (json.dumps(document, indent=2) + "\n").encode(), create=True)

    def stop(status: JobStatus) -> JobStatus:
        if status.state == "pending":
            return replace(status, state="stopped", reason="It was stopped before it began.", ended=now())
        return replace(status, state="stopping")

    return change_status(store, model, job, stop)


def is_stop_requested(store: Store, model: str, job: str) -> bool:
    """Whether a caller asked to stop the job."""
    try:
        store.size(job_key(model, job, JOB_STOP))
    except MissingObject:
        return False
    return True


def list_jobs(store: Store, model: str) -> list[str]:
    """The names of the jobs of a model, newest first; reads one listing."""
    return sorted((name for name in store.folders(jobs_prefix(model)) if is_job(name)), reverse=True)


def _status(store: Store, key: str) -> tuple[JobStatus, str | None]:
    """The status in the object ``key`` and its ETag; ``pending`` and None if there is none."""
    try:
        blob = store.get(key)
    except MissingObject:
        return JobStatus(), None
    return parse_status(blob.data, key), blob.etag
