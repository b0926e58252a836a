"""Asks for a training after the number of new events that a model's schedule states."""

from larder.events.statistics import read_statistics
from larder.jobs import JobRequest
from larder.jobs.schedules import read_schedule, request_after_events
from larder.store import Store


def train_after_events(store: Store, model: str) -> JobRequest | None:
    """Ask for a training of a model whose events were just counted; None if it is not due, or has no such schedule.

    Raises InvalidRequest, InvalidState or StoreError if it cannot be asked for.
    """
    schedule, _ = read_schedule(store, model)
    if not schedule.enabled or not schedule.after_events:
        return None
    return request_after_events(store, model, read_statistics(store, model)[0].arrivals)
