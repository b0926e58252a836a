"""Write the rows of the queue to the log, and make one file a day of them; count what recommendations earned.

Lambda calls this with messages of SQS, at least once and in any order: they become parts of the log, and a message that
cannot be read fails alone, so that it ends in the dead-letter queue. The daily schedule calls it with
``{"task": "compact"}``.
"""

import json
import time
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit, single_metric
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from larder.errors import InvalidRequest, LarderError, StoreError
from larder.events.attribution.metrics import metric_totals
from larder.events.attribution.update import Attribution, attribute
from larder.events.base import LogRow
from larder.events.log.compaction import Compaction, compact
from larder.events.log.forgetting import forget
from larder.events.log.parts import write_parts
from larder.events.log.rows import parse_message
from larder.events.retraining import train_after_events
from larder.events.settings import read_settings
from larder.events.statistics import count_rows
from larder.registry import Registry
from larder.runtime.cold_start import cold_start
from larder.runtime.metrics import NAMESPACE
from larder.runtime.settings import EventLogSettings
from larder.store import Store
from larder.web.bootstrap import Service


def _itself(store: Store, _: EventLogSettings) -> Store:
    return store


service = Service(EventLogSettings.from_environment, _itself)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401  # Lambda's context has no public type
    """Lambda's entry point. Returns ``batchItemFailures`` for messages, and the counts of a compaction.

    Raises StoreError if rows could not be written: then all messages of the batch come again.
    """
    if "Records" in event:
        return _write(event, context)
    if event.get("task") != "compact":
        raise InvalidRequest('This function takes messages of SQS, or {"task": "compact"}.')
    return _compact(lambda: context.get_remaining_time_in_millis() / 1000)


def _write(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401  # as above
    rows: list[LogRow] = []

    def read(record: SQSRecord) -> None:
        rows.extend(parse_message(record.body))

    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    answer = process_partial_response(event, read, processor, context)
    write_parts(service.store, rows)
    _count(rows)
    return dict(answer)


def _count(rows: list[LogRow]) -> None:
    """Count rows that are in the log. They are safe there, so a failure here is stated and fails no message."""
    try:
        for model, new in count_rows(service.store, rows).items():
            _emit(model, new)
            if any(row.kind == "events" for row in new):
                _train(model)
    except LarderError as error:
        print(json.dumps({"level": "WARNING", "statistics": str(error), "rows": len(rows)}), flush=True)  # noqa: T201  # it is the log


def _train(model: str) -> None:
    """Ask for a training if the schedule's number of events has come. The rows are safe, as above."""
    try:
        request = train_after_events(service.store, model)
    except LarderError as error:
        print(json.dumps({"level": "WARNING", "model": model, "training": str(error)}), flush=True)  # noqa: T201  # it is the log
    else:
        if request is not None:
            print(json.dumps({"level": "INFO", "model": model, "training": request.job}), flush=True)  # noqa: T201  # it is the log


def _emit(model: str, rows: list[LogRow]) -> None:
    """Write the metrics of a model's settings for events that were not counted before, as CloudWatch reads them."""
    metrics = read_settings(service.store, model)[0].metrics
    if not metrics:
        return

    def releases() -> list[str]:
        version = Registry(service.store).pointer(model)
        pointer = version.pointer if version else None
        return [name for name in (pointer.stable, pointer.previous, pointer.canary) if name] if pointer else []

    for (metric, release), value in metric_totals(rows, metrics, releases).items():
        unit = MetricUnit.Count if metric.expression == "COUNT" else MetricUnit.NoUnit
        with single_metric(name=metric.name, unit=unit, value=value, namespace=NAMESPACE) as line:
            line.add_dimension("model", model)
            line.add_dimension("EVENT_ATTRIBUTION_SOURCE", release)


def _compact(seconds_left: Callable[[], float]) -> dict[str, Any]:
    begun = time.perf_counter()
    made = compact(service.store, seconds_left=seconds_left)
    forgotten = 0
    try:
        forgotten = forget(service.store, seconds_left=seconds_left)
    except StoreError as error:
        made.problems.append(f"Users who are to be removed are still in the log: {error}")
    attributed = attribute(service.store, seconds_left=seconds_left)
    record = {**_record(made, attributed), "forgotten": forgotten}
    seconds = round(time.perf_counter() - begun, 3)
    level = "WARNING" if record["problems"] or record["remaining"] else "INFO"
    print(json.dumps({"level": level, "compaction": record, "seconds": seconds}), flush=True)  # noqa: T201  # it is the log
    return record


def _record(made: Compaction, attributed: Attribution) -> dict[str, Any]:
    return {
        "days": len(made.days),
        "rows": sum(day.rows for day in made.days),
        "duplicates": sum(day.duplicates for day in made.days),
        "expired": made.expired,
        "attributed": len(attributed.days),
        "remaining": made.remaining + attributed.remaining,
        "problems": [*made.problems, *attributed.problems],
    }


cold_start.imported()
