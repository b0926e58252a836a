"""The JSON line that a rollout logs, which is a CloudWatch metric too.

The metric, in CloudWatch's embedded metric format, is ``RolloutPromoted`` or ``RolloutRejected`` in the namespace
``Larder``, counted over all models and for each ``model``.
"""

import json
from typing import Final

from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

from larder.rollout.executor import Outcome

NAMESPACE: Final = "Larder"
METRICS: Final = {"promoted": "RolloutPromoted", "rejected": "RolloutRejected"}


def format_record(outcome: Outcome, milliseconds: float, request: str | None) -> str:
    """The line for an outcome; ``kept`` has no metric. ``request`` is Lambda's request id."""
    record = {
        "level": "WARNING" if outcome.state == "rejected" else "INFO",
        "state": outcome.state,
        "release": outcome.release,
        "reason": outcome.reason,
        "live": outcome.pointer.stable if outcome.pointer else None,
        "revision": outcome.pointer.revision if outcome.pointer else None,
        "ms": round(milliseconds, 3),
        "request": request,
    }
    if outcome.state not in METRICS:
        return json.dumps({**record, "model": outcome.model})
    metrics = AmazonCloudWatchEMFProvider(namespace=NAMESPACE)
    metrics.add_dimensions(model=outcome.model)  # in addition to the set without dimensions, which is the default
    metrics.add_metric(METRICS[outcome.state], "Count", 1)
    return json.dumps({**record, **metrics.serialize_metric_set()})
