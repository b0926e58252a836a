"""The metrics of a model's settings: the number of events, or the sum of their values, by who showed the items.

Who showed the item of an event, as Personalize's metric attribution has it in EVENT_ATTRIBUTION_SOURCE, is the release
that answered, if the event names a recommendation; else who the event names.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from larder.events.attribution.document import OTHER, DayAttribution, TypeTotal
from larder.events.attribution.sources import type_of, value_of
from larder.events.base import LogRow
from larder.events.settings import AttributionMetric

_DIGEST: Final = 8  # digits of a recommendation's id that name its release
Totals = Mapping[tuple[AttributionMetric, str], float]


def metric_documents(days: Iterable[DayAttribution], metrics: Sequence[AttributionMetric]) -> list[dict[str, object]]:
    """The metrics as the API answers them: of each, its value for every release and source of the days."""
    totals: dict[str, dict[str, TypeTotal]] = {}
    for day in days:
        for place, earned in day.places.items():
            for name, count in earned.events.items():
                _add(totals.setdefault(place.release, {}), name, TypeTotal(count.events, count.value))
        for source, types in day.sources.items():
            for name, total in types.items():
                _add(totals.setdefault(source, {}), name, total)
    return [
        {
            "name": metric.name,
            "event_type": metric.event_type,
            "expression": metric.expression,
            "values": {
                source: _value(metric, types[metric.event_type.lower()])
                for source, types in sorted(totals.items())
                if metric.event_type.lower() in types
            },
        }
        for metric in metrics
    ]


def _add(types: dict[str, TypeTotal], name: str, total: TypeTotal) -> None:
    types[name] = types.get(name, TypeTotal()).plus(total.events, total.value)


def metric_totals(
    rows: Iterable[LogRow], metrics: Sequence[AttributionMetric], releases: Callable[[], Sequence[str]]
) -> Totals:
    """The metrics of a batch of one model's events, by the release, or ``(other)``.

    Senders choose the names of sources, and each name would be a metric of CloudWatch with a price: all of them are
    ``(other)`` here, as are releases that are neither live, previous nor canary. The API has each.

    Args:
        rows: Events that were not counted before.
        metrics: The metrics of the model.
        releases: The model's releases that are live, previous or canary; called if an event counts.
    """
    totals: dict[tuple[AttributionMetric, str], float] = {}
    names: dict[str, str] | None = None
    for row in rows:
        wanted = [metric for metric in metrics if metric.event_type.lower() == type_of(row.row)]
        recommendation, source = row.row.get("RECOMMENDATION_ID"), row.row.get("EVENT_ATTRIBUTION_SOURCE")
        if row.kind != "events" or not wanted or not (recommendation or source):
            continue
        if names is None:
            names = {release.rpartition("-")[2][:_DIGEST]: release for release in releases()}
        release = names.get(str(recommendation)[:_DIGEST], OTHER)
        for metric in wanted:
            key = metric, release
            totals[key] = totals.get(key, 0.0) + _value(metric, TypeTotal(1, value_of(row.row)))
    return totals


def _value(metric: AttributionMetric, total: TypeTotal) -> float:
    return float(total.events) if metric.expression == "COUNT" else total.value
