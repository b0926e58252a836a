"""Training jobs as the JSON documents of the API."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Final

from larder.errors import MissingObject, NotFound
from larder.jobs.documents import list_jobs, read_request, read_status
from larder.jobs.job import JobRequest, JobStatus
from larder.registry.registry import Registry
from larder.release.keys import JOB_TRIALS, check_job, check_model, job_key
from larder.store import Store

_CONNECTIONS: Final = 8
_SUMMARY: Final = (
    "job",
    "kind",
    "trigger",
    "by",
    "created",
    "state",
    "reason",
    "started",
    "ended",
    "progress",
    "release",
)

Document = Mapping[str, object]


def job_document(request: JobRequest, status: JobStatus) -> Document:
    """What was asked of a job, and how it goes."""
    return {**asdict(request), **status.document()}


def describe_job(store: Store, model: str, job: str) -> Document:
    """One job; raises NotFound."""
    return job_document(read_request(store, model, job), read_status(store, model, job))


def describe_jobs(store: Store, model: str, n: int, after: str | None) -> Document:
    """The newest ``n`` jobs of a model that are older than ``after``, and ``total``, the number of all.

    ``next`` is the ``after`` of the next page; None on the last. Raises NotFound for a model without anything.
    """
    check_model(model)
    names = list_jobs(store, model)
    if not names and not Registry(store).has_files(model):
        raise NotFound(
            f"Model {model!r} does not exist: start a training job, or use a name that GET /v1/models lists."
        )
    older = names if after is None else [name for name in names if name < check_job(after)]
    shown = older[:n]
    with ThreadPoolExecutor(_CONNECTIONS) as threads:
        documents = threads.map(lambda name: describe_job(store, model, name), shown)
        jobs = [{name: document[name] for name in _SUMMARY} for document in documents]
    return {"model": model, "total": len(names), "jobs": jobs, "next": shown[-1] if len(older) > n else None}


def describe_trials(store: Store, model: str, job: str) -> Document:
    """The trials of a job's search, in the order of their evaluation; raises NotFound if there is no such job."""
    read_request(store, model, job)
    try:
        lines = store.get(job_key(model, job, JOB_TRIALS)).data.splitlines()
    except MissingObject:
        lines = []
    return {"model": model, "job": job, "trials": [json.loads(line) for line in lines if line.strip()]}
