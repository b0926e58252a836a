"""Training jobs as documents of the store: what was asked for, how it goes, and which job runs now.

Every way to start a training writes a request; a runner (``larder up``, or the functions on AWS) takes it, holds the
model's ``current.json`` while it works, and reports in the status and the log. Callers and runners share these
documents and nothing else.

::

    request.json   what was asked for; written once
    status.json    state, progress, metrics, the release; changed by compare-and-swap, final states never
    log.txt        the last megabyte of the output
    stop.json      a caller asked to stop the job; written once
    trials.jsonl   the trials of a search, one JSON object a line
    current.json   which job of the model runs, until when that is valid without another word of its runner
"""

from larder.jobs.current import current_job, hold_current, release_current
from larder.jobs.documents import (
    change_status,
    create_job,
    is_stop_requested,
    list_jobs,
    read_request,
    read_status,
    request_stop,
)
from larder.jobs.job import JobProgress, JobRequest, JobStatus, job_name

__all__ = [
    "JobProgress",
    "JobRequest",
    "JobStatus",
    "change_status",
    "create_job",
    "current_job",
    "hold_current",
    "is_stop_requested",
    "job_name",
    "list_jobs",
    "read_request",
    "read_status",
    "release_current",
    "request_stop",
]
