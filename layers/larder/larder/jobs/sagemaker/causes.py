"""The events that the training function gets: of the state machine, EventBridge and EventBridge Scheduler."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from larder.errors import InvalidRequest
from larder.jobs.sagemaker.timetable import PLANNED
from larder.release.keys import check_job, check_model, job_key, schedule_key

_REQUEST: Final = re.compile(r"models/([^/]+)/training-jobs/([^/]+)/request\.json")
_SCHEDULE: Final = re.compile(r"models/([^/]+)/schedule\.json")
_CHANGES: Final = ("Object Created", "Object Deleted")


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a training is asked for.

    Attributes:
        model: The model.
        text: What exactly caused it: the planned time, or the time of an alarm.
        at: When that was.
    """

    model: str
    text: str
    at: datetime


def requested_job(event: Mapping[str, Any]) -> tuple[str, str]:
    """The model and the job whose request was created; raises InvalidRequest for any other event."""
    match = _REQUEST.fullmatch(_key(event))
    if match is None or job_key(check_model(match[1]), check_job(match[2]), "request.json") != match[0]:
        raise InvalidRequest(f"{_key(event)[:200]!r} is not the request of a training job.")
    return match[1], match[2]


def changed_schedule_of(event: Mapping[str, Any]) -> str | None:
    """The model whose schedule was written or removed; None for any other event."""
    if event.get("detail-type") not in _CHANGES:
        return None
    match = _SCHEDULE.fullmatch(_key(event))
    return match[1] if match and schedule_key(match[1]) == match[0] else None


def planned_cause(event: Mapping[str, Any], at: datetime | None = None) -> Cause:
    """The cause in an event of EventBridge Scheduler.

    Without its planned time (an emulator may leave the placeholder), it is the running minute, so that an event that
    comes twice at once is one cause.
    """
    model, planned = check_model(str(event["model"])), str(event.get("planned", PLANNED))
    time = (at or datetime.now(UTC)).replace(second=0, microsecond=0) if planned == PLANNED else _time(planned)
    return Cause(model, time.isoformat(), time)


def drift_cause(event: Mapping[str, Any], prefix: str) -> Cause | None:
    """The cause in the event of an alarm about drift, whose name is ``prefix`` and the model; None for any other."""
    if event.get("detail-type") != "CloudWatch Alarm State Change":
        return None
    detail = event["detail"]
    name, state = str(detail["alarmName"]), detail["state"]
    if not name.startswith(prefix) or state["value"] != "ALARM":
        return None
    time = _time(str(state["timestamp"]))
    return Cause(check_model(name.removeprefix(prefix)), time.isoformat(), time)


def _key(event: Mapping[str, Any]) -> str:
    try:
        return str(event["detail"]["object"]["key"])
    except (KeyError, TypeError) as error:
        raise InvalidRequest("This is not an event of S3: send EventBridge's.") from error


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequest(f"{text[:60]!r} is not a time in ISO 8601.") from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)
