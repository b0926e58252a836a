"""A JSON line of the log that is a CloudWatch metric too, in CloudWatch's embedded metric format."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

NAMESPACE: Final = "Larder"


class Measured(NamedTuple):
    """The values of one metric.

    Attributes:
        unit: A unit of CloudWatch, such as ``Milliseconds``; ``None`` for a number without one.
        values: At most 100.
    """

    unit: str
    values: Sequence[float]


def metric_line(metrics: Mapping[str, Measured], model: str | None, level: str = "INFO", **facts: object) -> str:
    """The line with the values of ``metrics`` for ``model``, or for no model; ``facts`` are further fields of it."""
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [[] if model is None else ["model"]],
        "Metrics": [{"Name": name, "Unit": measured.unit} for name, measured in metrics.items()],
    }
    return _line(level, facts, model, {name: list(measured.values) for name, measured in metrics.items()}, directive)


def count_line(metric: str, model: str, **facts: str) -> str:
    """The line that counts one ``metric``, over all models and for ``model``; ``facts`` are further fields of it."""
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [[], ["model"]],
        "Metrics": [{"Name": metric, "Unit": "Count"}],
    }
    return _line("WARNING", facts, model, {metric: 1}, directive)


def _line(
    level: str,
    facts: Mapping[str, object],
    model: str | None,
    values: Mapping[str, object],
    directive: Mapping[str, object],
) -> str:
    embedded = {"Timestamp": int(1000 * time.time()), "CloudWatchMetrics": [directive]}
    return json.dumps({"level": level, **facts, "model": model, **values, "_aws": embedded})
