"""Takes the new lines of a training job's log from CloudWatch Logs to the job's ``log.txt``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from larder.jobs.job import JobProgress
from larder.jobs.log import append_log, read_log
from larder.jobs.output import read_progress
from larder.jobs.sagemaker.connections import TrainingLogs
from larder.jobs.sagemaker.refusals import code
from larder.store import Store

GROUP: Final = "/aws/sagemaker/TrainingJobs"
_TAIL_BYTES: Final = 4096
_MOST_PAGES: Final = 8  # of at most 1 MB or 10,000 lines each, in one look


@dataclass(frozen=True, slots=True)
class LogPosition:
    """How far a log was read.

    Attributes:
        token: Where CloudWatch Logs goes on; None: at the beginning.
        offset: How many bytes were written to the job's log until there.
    """

    token: str | None = None
    offset: int = 0

    @classmethod
    def read(cls, document: Mapping[str, Any] | None) -> "LogPosition":
        """The position in the input of a step; the beginning if it has none."""
        return cls(document.get("token"), int(document.get("offset", 0))) if document else cls()


def copy_log(logs: TrainingLogs, name: str, store: Store, model: str, job: str, position: LogPosition) -> LogPosition:
    """Append the lines after ``position`` to the log of a job, and return the new position.

    A step that is repeated from the same position writes no line twice: what is in the log beyond the position's
    offset was written before.
    """
    output, token = _new_lines(logs, name, position.token)
    end = read_log(store, model, job, None, 0).end
    append_log(store, model, job, output[max(0, end - position.offset) :])
    return LogPosition(token, position.offset + len(output))


def last_progress(store: Store, model: str, job: str) -> JobProgress | None:
    """The progress that the newest line with one reports; None if none of the last lines does."""
    lines = read_log(store, model, job, None, _TAIL_BYTES).text.splitlines()
    return next((progress for line in reversed(lines) if (progress := read_progress(line))), None)


def _new_lines(logs: TrainingLogs, name: str, token: str | None) -> tuple[bytes, str | None]:
    output = bytearray()
    try:
        streams = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{name}/")["logStreams"]
        if not streams:
            return b"", token
        stream = min(entry["logStreamName"] for entry in streams)  # one instance has one stream
        for _ in range(_MOST_PAGES):
            after = {"nextToken": token} if token else {}
            page = logs.get_log_events(logGroupName=GROUP, logStreamName=stream, startFromHead=True, **after)
            output += b"".join(event["message"].rstrip("\n").encode() + b"\n" for event in page["events"])
            if page["nextForwardToken"] == token:  # the end, as GetLogEvents says it
                break
            token = page["nextForwardToken"]
    except ClientError as error:
        if code(error) != "ResourceNotFoundException":  # the container has not started yet
            raise
    return bytes(output), token
