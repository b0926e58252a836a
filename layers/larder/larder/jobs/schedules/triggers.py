"""Requests of trainings that no person makes. Each is made once, however often its cause is reported."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

from larder.errors import InvalidState, NotFound
from larder.jobs.documents import read_request
from larder.jobs.job import JobRequest, Trigger, job_name
from larder.jobs.schedules.document import Schedule, read_schedule
from larder.jobs.start import WantedJob, start_job
from larder.registry import Registry
from larder.store import Store


def request_training(store: Store, model: str, trigger: Trigger, cause: str, at: datetime) -> JobRequest | None:
    """Ask for a training as the model's schedule states it; None if the schedule is off.

    Args:
        store: The store of the model.
        model: The model.
        trigger: Why.
        cause: What exactly caused it, such as the planned time: the same cause gives the same job.
        at: When that was, for the job's name.

    Raises:
        InvalidRequest: The schedule states hyperparameters or data that no training can have, or too little.
        InvalidState: Too many jobs of the model have not ended.
    """
    schedule, _ = read_schedule(store, model)
    if not schedule.enabled or (trigger == "drift" and not schedule.on_drift):
        return None
    name = job_name(at, f"{store.url}\n{model}\n{trigger}\n{cause}")
    try:
        return start_job(store, model, wanted_job(schedule, name), trigger=trigger)
    except InvalidState:
        with suppress(NotFound):  # asked for before, when the schedule stated other values
            return read_request(store, model, name)
        raise


def wanted_job(schedule: Schedule, name: str | None = None) -> WantedJob:
    """What a schedule asks of a training job: what it omits comes from the job of the live release."""
    return WantedJob(hyperparameters=schedule.hyperparameters, channels=schedule.channels, job=name)


def request_after_events(store: Store, model: str, arrivals: Mapping[int, int]) -> JobRequest | None:
    """Ask for a training if the schedule's number of new events has come; None if not.

    Args:
        store: The store of the model.
        model: The model.
        arrivals: The number of events that came in a quarter of an hour, by its begin in epoch seconds.

    The events count that came in the quarters of an hour that began after the training of the live release. The
    quarter in which the number was reached names the job, so that every caller asks for the same one. When the number
    comes a second time without another release, for instance because the training failed, another one is asked for.

    Raises as ``request_training`` does.
    """
    schedule, _ = read_schedule(store, model)
    if not schedule.enabled or not schedule.after_events:
        return None
    version = Registry(store).pointer(model)
    if version is None:
        return None  # nothing is known to be trained again
    live = version.pointer.stable
    trained = datetime.fromisoformat(Registry(store).manifest(model, live).created).timestamp()
    count = times = reached = 0
    for quarter in sorted(arrivals):
        if quarter > trained:
            count += arrivals[quarter]
            if count // schedule.after_events > times:
                times, reached = count // schedule.after_events, quarter
    if not times:
        return None
    at = datetime.fromtimestamp(reached, UTC)
    return request_training(store, model, "events", f"{live} {times}", at)
