"""boto3's clients of the training function. No function on the request path imports this module.

boto3 comes with Lambda's runtime, as for ``larder.rollout.lambda_prober``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import boto3
from botocore.config import Config

_CLIENT: Final = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 4, "mode": "standard"})


class SageMaker(Protocol):
    """The part of boto3's client of SageMaker that is used."""

    def create_training_job(self, **arguments: Any) -> Mapping[str, Any]:  # noqa: ANN401  # boto3 checks them
        """Start a training job."""

    def describe_training_job(self, *, TrainingJobName: str) -> Mapping[str, Any]:  # noqa: N803  # boto3's names
        """How a training job goes."""

    def stop_training_job(self, *, TrainingJobName: str) -> Mapping[str, Any]:  # noqa: N803  # boto3's names
        """Ask a training job to stop."""


class TrainingLogs(Protocol):
    """The part of boto3's client of CloudWatch Logs that is used."""

    def describe_log_streams(self, **arguments: Any) -> Mapping[str, Any]:  # noqa: ANN401  # boto3 checks them
        """The streams of a log group."""

    def get_log_events(self, **arguments: Any) -> Mapping[str, Any]:  # noqa: ANN401  # boto3 checks them
        """Lines of a stream."""


class Scheduler(Protocol):
    """The part of boto3's client of EventBridge Scheduler that is used."""

    def create_schedule(self, **arguments: Any) -> Mapping[str, Any]:  # noqa: ANN401  # boto3 checks them
        """Make a schedule."""

    def update_schedule(self, **arguments: Any) -> Mapping[str, Any]:  # noqa: ANN401  # boto3 checks them
        """Replace a schedule."""

    def delete_schedule(self, *, Name: str, GroupName: str) -> Mapping[str, Any]:  # noqa: N803  # boto3's names
        """Remove a schedule."""


@dataclass(frozen=True, slots=True)
class TrainingServices:
    """The services that a training needs.

    Attributes:
        sagemaker: SageMaker.
        logs: CloudWatch Logs.
        scheduler: EventBridge Scheduler.
    """

    sagemaker: SageMaker
    logs: TrainingLogs
    scheduler: Scheduler


def connect() -> TrainingServices:
    """Connect to the services of this region, with the role of this function."""
    return TrainingServices(*(boto3.client(name, config=_CLIENT) for name in ("sagemaker", "logs", "scheduler")))
