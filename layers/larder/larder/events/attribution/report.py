"""What recommendations earned over several days: click-through and conversion, each with its interval."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from math import sqrt
from typing import Final, Literal

from larder.errors import InvalidRequest
from larder.events.attribution.document import POSITIONS, DayAttribution, Earned, Place, TypeCount, parse_attribution
from larder.events.attribution.metrics import metric_documents
from larder.events.settings import AttributionMetric
from larder.release.keys import attribution_key, attribution_prefix
from larder.store import Store

By = Literal["release", "source", "position", "filter"]
BY: Final[tuple[By, ...]] = ("release", "source", "position", "filter")
CLICK: Final = "click"
CONVERSION: Final = "purchase"
DEFAULT_DAYS: Final = 28
MAX_DAYS: Final = 92
_READ_AT_ONCE: Final = 16
_Z: Final = 1.959964  # of 95 %


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a share: Wilson's score interval (Wilson, JASA 1927), which holds for rare events too."""
    if not trials:
        return 0.0, 1.0
    share, z = successes / trials, _Z * _Z / trials
    middle, half = share + z / 2, _Z * sqrt(share * (1 - share) / trials + z / (4 * trials))
    low = (middle - half) / (1 + z) if successes else 0.0
    return low, (middle + half) / (1 + z) if successes < trials else 1.0


def last_days(days: int) -> tuple[str, str]:
    """The first and the last of so many days up to today, in UTC."""
    today = datetime.now(UTC).date()
    return (today - timedelta(days - 1)).isoformat(), today.isoformat()


def check_days(first: str | None, last: str | None) -> tuple[str, str]:
    """The days that a request names, both included; raises InvalidRequest.

    Without ``last``, up to today; without ``first``, of 28 days.
    """
    end = _date("to", last) if last else datetime.now(UTC).date()
    begin = _date("from", first) if first else end - timedelta(min(DEFAULT_DAYS - 1, end.toordinal() - 1))
    if not 0 <= (end - begin).days < MAX_DAYS:
        raise InvalidRequest(f"from {begin} to {end} is not 1 to {MAX_DAYS} days: send other days.")
    return begin.isoformat(), end.isoformat()


def _date(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"{name} is {text[:20]!r}: send a day in UTC, such as 2026-11-29.") from None


def read_attribution(store: Store, model: str, first: str, last: str) -> list[DayAttribution]:
    """The days from ``first`` to ``last``, such as ``2026-11-29``, that are counted, in order; raises StoreError."""
    prefix = attribution_prefix(model)
    names = sorted(entry.key.removeprefix(prefix).removesuffix(".json") for entry in store.list(prefix))
    keys = [attribution_key(model, name) for name in names if first <= name <= last]
    with ThreadPoolExecutor(_READ_AT_ONCE) as threads:
        return [parse_attribution(blob.data, key) for key, blob in zip(keys, threads.map(store.get, keys), strict=True)]


def earned_by(days: Iterable[DayAttribution], by: By) -> dict[str, Earned]:
    """What was earned by the names of ``by``: positions in their order, others the most impressions first."""
    totals: dict[str, Earned] = {}
    for day in days:
        for place, earned in day.places.items():
            totals.setdefault(_name(place, by), Earned()).add(earned)
    if by == "position":
        return dict(sorted(totals.items(), key=lambda pair: int(pair[0].rstrip("+"))))
    return dict(sorted(totals.items(), key=lambda pair: (-pair[1].impressions, pair[0])))


def _name(place: Place, by: By) -> str:
    if by == "position":
        return str(place.position) if place.position <= POSITIONS else f"{POSITIONS + 1}+"
    return str(getattr(place, by))


def check_by(text: str) -> By:
    """What to compare; raises InvalidRequest."""
    for by in BY:
        if by == text:
            return by
    raise InvalidRequest(f"by is {text[:20]!r}: send one of {', '.join(BY)}.")


def document(days: Sequence[DayAttribution], by: By, metrics: Sequence[AttributionMetric]) -> dict[str, object]:
    """What was earned as the API answers it."""
    return {
        "by": by,
        "days": len(days),
        "groups": [_group(name, earned) for name, earned in earned_by(days, by).items()],
        "metrics": metric_documents(days, metrics),
    }


def _group(name: str, earned: Earned) -> Mapping[str, object]:
    none = TypeCount()
    return {
        "name": name,
        "impressions": earned.impressions,
        "click_through": _rate(earned.events.get(CLICK, none), earned.impressions),
        "conversion": _rate(earned.events.get(CONVERSION, none), earned.impressions),
        "events": {
            type_: {
                "count": count.events,
                "value": count.value,
                "impressions": count.impressions,
                **_rate(count, earned.impressions),
            }
            for type_, count in sorted(earned.events.items())
        },
    }


def _rate(count: TypeCount, impressions: int) -> dict[str, object]:
    low, high = wilson(count.impressions, impressions)
    rate = count.impressions / impressions if impressions else 0.0
    return {"rate": round(rate, 6), "interval": [round(low, 6), round(high, 6)]}
