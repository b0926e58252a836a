"""When a model is trained again by itself: at the times of a cron expression, after new events, or when it drifts."""

from larder.jobs.schedules.cron import Cron, parse_cron
from larder.jobs.schedules.document import (
    NO_SCHEDULE,
    Schedule,
    changed_schedule,
    next_time,
    read_schedule,
    write_schedule,
)
from larder.jobs.schedules.triggers import request_after_events, request_training, wanted_job

__all__ = [
    "NO_SCHEDULE",
    "Cron",
    "Schedule",
    "changed_schedule",
    "next_time",
    "parse_cron",
    "read_schedule",
    "request_after_events",
    "request_training",
    "wanted_job",
    "write_schedule",
]
