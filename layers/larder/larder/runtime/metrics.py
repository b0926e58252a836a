"""JSON lines of the log that are CloudWatch metrics too, in CloudWatch's embedded metric format."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

NAMESPACE: Final = "Larder"
PREDICTIONS: Final = ("classify", "recommend")
"""The actions of the requests that are measured."""
_MILLISECONDS: Final = "Milliseconds"
REQUEST_UNITS: Final[Mapping[str, str]] = {
    "Latency": _MILLISECONDS,
    "ClientErrors": "Count",
    "ServerErrors": "Count",
    "Unknown": "Count",
    "DecodeTime": _MILLISECONDS,
    "InferenceTime": _MILLISECONDS,
    "ColdStart": _MILLISECONDS,
}
"""The unit of each metric of a prediction; docs/reference/metrics.md describes them."""


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
    units = {name: measured.unit for name, measured in metrics.items()}
    values = {name: list(measured.values) for name, measured in metrics.items()}
    return _line(level, facts, model, values, embedded(units, [[] if model is None else ["model"]]))


def count_line(metric: str, model: str, **facts: str) -> str:
    """The line that counts one ``metric``, over all models and for ``model``; ``facts`` are further fields of it."""
    return _line("WARNING", facts, model, {metric: 1}, embedded({metric: "Count"}, [[], ["model"]]))


def embedded(units: Mapping[str, str], dimensions: Sequence[Sequence[str]]) -> dict[str, object]:
    """The field ``_aws`` of a line, by which CloudWatch finds the metrics in it.

    Args:
        units: The unit of each metric, by the name of the field that has its value or values.
        dimensions: Each entry makes one metric of each name; it has the names of the fields that are its dimensions.
    """
    metrics = [{"Name": name, "Unit": unit} for name, unit in units.items()]
    directive = {"Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": metrics}
    return {"Timestamp": int(1000 * time.time()), "CloudWatchMetrics": [directive]}


def request_metrics(
    status: int, milliseconds: float, cold: Mapping[str, float] | None, classified: Mapping[str, float]
) -> dict[str, float]:
    """The values of the metrics of a request, by name.

    Args:
        status: The HTTP status.
        milliseconds: The time in the handler.
        cold: The milliseconds of each phase of the cold start; None unless this is the first request of a process.
        classified: ``Unknown``, ``DecodeTime`` and ``InferenceTime`` of a classified image; empty without one.
    """
    values: dict[str, float] = {"Latency": milliseconds, **classified}
    if status >= 500:
        values["ServerErrors"] = 1
    elif status >= 400:
        values["ClientErrors"] = 1
    if cold is not None:
        values["ColdStart"] = round(cold.get("imports", 0.0) + cold["answer"], 1)
    return values


def with_metrics(record: Mapping[str, object], values: Mapping[str, float]) -> dict[str, object]:
    """``record``, a line of the log, as one that CloudWatch reads the metrics ``values`` from.

    The only dimension is ``model`` of the record, unless it is null. Nothing that a caller may choose freely is one:
    each new value of a dimension is a new metric, which costs money.
    """
    units = {name: REQUEST_UNITS[name] for name in values}
    return {**record, **values, "_aws": embedded(units, [["model"] if record["model"] else []])}


def _line(
    level: str,
    facts: Mapping[str, object],
    model: str | None,
    values: Mapping[str, object],
    directive: Mapping[str, object],
) -> str:
    return json.dumps({"level": level, **facts, "model": model, **values, "_aws": directive})
