"""Keeps EventBridge Scheduler in step with the schedules of the store: one schedule there for each model with times."""

import json
from typing import Any, Final

from botocore.exceptions import ClientError

from larder.jobs.sagemaker.connections import Scheduler
from larder.jobs.sagemaker.refusals import code
from larder.jobs.schedules import Schedule, parse_cron, read_schedule
from larder.store import Store

PLANNED: Final = "<aws.scheduler.scheduled-time>"
"""What EventBridge Scheduler replaces by the planned time, in ISO 8601."""
_ATTEMPTS: Final = 5
_MAX_AGE_SECONDS: Final = 3600  # a training that is an hour late is as good as one in time
_RETRIES: Final = 5


class Timetable:
    """The schedules of a stack in EventBridge Scheduler."""

    def __init__(self, scheduler: Scheduler, group: str, role: str, function: str) -> None:
        """Define where they are.

        Args:
            scheduler: EventBridge Scheduler.
            group: The stack's group of schedules.
            role: The role with which the scheduler calls the function.
            function: The ARN of the function.
        """
        self._scheduler = scheduler
        self._group = group
        self._role = role
        self._function = function

    def keep_in_step(self, store: Store, model: str) -> str | None:
        """Make the schedule of a model there what its document says; returns its expression, None if it has none.

        It reads the document, not the event that announced it, and again after its change: events come in any order.
        """
        schedule, etag = read_schedule(store, model)
        for _ in range(_ATTEMPTS):
            expression = self._put(model, schedule)
            schedule, newest = read_schedule(store, model)
            if newest == etag:
                break
            etag = newest
        return expression

    def _put(self, model: str, schedule: Schedule) -> str | None:
        if not schedule.enabled or not schedule.cron:
            try:
                self._scheduler.delete_schedule(Name=model, GroupName=self._group)
            except ClientError as error:
                if code(error) != "ResourceNotFoundException":
                    raise
            return None
        arguments = self._arguments(model, schedule)
        try:
            self._scheduler.update_schedule(**arguments)
        except ClientError as error:
            if code(error) != "ResourceNotFoundException":
                raise
            try:
                self._scheduler.create_schedule(**arguments)
            except ClientError as second:
                if code(second) != "ConflictException":  # another call has just made it
                    raise
                self._scheduler.update_schedule(**arguments)
        return str(arguments["ScheduleExpression"])

    def _arguments(self, model: str, schedule: Schedule) -> dict[str, Any]:
        return {
            "Name": model,
            "GroupName": self._group,
            "ScheduleExpression": parse_cron(schedule.cron).eventbridge,
            "ScheduleExpressionTimezone": schedule.time_zone,
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "State": "ENABLED",
            "Description": "Asks for a training of this model; written from its schedule.json.",
            "Target": {
                "Arn": self._function,
                "RoleArn": self._role,
                "Input": json.dumps({"task": "schedule", "model": model, "planned": PLANNED}),
                "RetryPolicy": {
                    "MaximumEventAgeInSeconds": _MAX_AGE_SECONDS,
                    "MaximumRetryAttempts": _RETRIES,
                },
            },
        }
