"""What DescribeTrainingJob says of a training job, in the words of its status."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

Progress = Literal["running", "trained", "failed", "stopped"]
_LIMITS: Final = ("MaxRuntimeExceeded", "MaxWaitTimeExceeded")


@dataclass(frozen=True, slots=True)
class Description:
    """A training job as SageMaker sees it.

    Attributes:
        state: ``running``, ``trained``, ``failed`` or ``stopped``.
        reason: Why it failed; what SageMaker does now, if it runs; otherwise empty.
        arn: Its ARN.
        seconds: How long ago it was created.
        metrics: The last value of each metric of its log.
        artifact: The URL of ``model.tar.gz``; empty until it has trained.
    """

    state: Progress
    reason: str
    arn: str
    seconds: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    artifact: str = ""


def read_description(answer: Mapping[str, Any], at: datetime | None = None) -> Description:
    """Read the answer of DescribeTrainingJob.

    Args:
        answer: The answer, as boto3 has it.
        at: The time; None: now.
    """
    state, reason = _state(answer)
    metrics = {entry["MetricName"]: float(entry["Value"]) for entry in answer.get("FinalMetricDataList", [])}
    return Description(
        state=state,
        reason=reason,
        arn=answer["TrainingJobArn"],
        seconds=((at or datetime.now(UTC)) - answer["CreationTime"]).total_seconds(),
        metrics=metrics,
        artifact=answer.get("ModelArtifacts", {}).get("S3ModelArtifacts", ""),
    )


def _state(answer: Mapping[str, Any]) -> tuple[Progress, str]:
    status, detail = answer["TrainingJobStatus"], answer.get("SecondaryStatus", "")
    if status == "Completed":
        return "trained", ""
    if status == "Failed":
        return "failed", answer.get("FailureReason") or "SageMaker gives no reason; see the log."
    if status == "Stopped" and detail in _LIMITS:
        what = "ran" if detail == _LIMITS[0] else "waited for capacity and ran"
        return "failed", f"It {what} longer than allowed: allow more hours, a faster instance, or train on less data."
    if status == "Stopped":
        return "stopped", "It was stopped."
    return "running", detail
