"""A JSON line of the log that is a CloudWatch metric too, in CloudWatch's embedded metric format."""

import json
import time
from typing import Final

NAMESPACE: Final = "Larder"


def count_line(metric: str, model: str, **facts: str) -> str:
    """The line that counts one ``metric``, over all models and for ``model``; ``facts`` are further fields of it."""
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [[], ["model"]],
        "Metrics": [{"Name": metric, "Unit": "Count"}],
    }
    embedded = {"Timestamp": int(1000 * time.time()), "CloudWatchMetrics": [directive]}
    return json.dumps({"level": "WARNING", **facts, "model": model, metric: 1, "_aws": embedded})
