"""Runs the schedules of the models of a store on this machine, by APScheduler, as EventBridge Scheduler does on AWS.

It only asks for trainings: what runs them takes the requests from the store, one at a time for each model.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

from larder.errors import LarderError
from larder.jobs.schedules import parse_cron, read_schedule, request_training
from larder.registry import Registry
from larder.store import Store

REFRESH_SECONDS: Final = 10
"""How soon a changed schedule is in force."""
_GRACE_SECONDS: Final = 3600  # a training that is an hour late, after a sleep of this machine, is as good
_log = logging.getLogger("larder")


class Schedules:
    """The schedules of a store, which it reads again every 10 seconds."""

    def __init__(self, store: Store) -> None:
        """Define whose schedules run."""
        self._store = store
        self._scheduler = BackgroundScheduler(timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1})
        self._known: dict[str, tuple[str, str]] = {}

    @contextmanager
    def running(self) -> Iterator[None]:
        """Runs them until the block ends."""
        self._scheduler.add_job(
            self.refresh, "interval", seconds=REFRESH_SECONDS, next_run_time=datetime.now(UTC), id="refresh"
        )
        self._scheduler.start()
        try:
            yield
        finally:
            self._scheduler.shutdown(wait=False)

    def refresh(self) -> None:
        """Take up what was changed, and forget what was switched off."""
        wanted: dict[str, tuple[str, str]] = {}
        try:
            for model in Registry(self._store).models():
                schedule, _ = read_schedule(self._store, model)
                if schedule.enabled and schedule.cron:
                    wanted[model] = (schedule.cron, schedule.time_zone)
        except LarderError as error:
            _log.warning("The schedules are read again: %s", error)
            return
        for model in self._known.keys() - wanted.keys():
            self._scheduler.remove_job(_job(model))
        for model, (cron, zone) in wanted.items():
            if self._known.get(model) != (cron, zone):
                trigger = CronTrigger(**parse_cron(cron).apscheduler, timezone=zone)
                self._scheduler.add_job(
                    self.ask,
                    trigger,
                    args=[model],
                    id=_job(model),
                    replace_existing=True,
                    misfire_grace_time=_GRACE_SECONDS,
                )
        self._known = wanted

    def ask(self, model: str) -> None:
        """Ask for a training of a model, now."""
        minute = datetime.now(UTC).replace(second=0, microsecond=0)
        try:
            request = request_training(self._store, model, "schedule", minute.isoformat(), minute)
        except LarderError as error:
            _log.error("The schedule of %s cannot train it: %s", model, error)
        else:
            if request is not None:
                _log.info("The schedule of %s asked for training job %s.", model, request.job)


def _job(model: str) -> str:
    """The name of a model's schedule in APScheduler; no model has a space in its name."""
    return f"train {model}"
