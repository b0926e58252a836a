"""Whether a model takes live events, and what it does with them: ``models/<model>/events.json``.

They belong to the model, not to a release: they change without a training.
"""

import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from threading import Lock
from typing import Final

from larder.errors import InvalidRequest, MissingObject, NotFound, StoreError
from larder.registry.document_cache import DocumentCache
from larder.registry.registry import Registry
from larder.release.json_fields import FieldReader
from larder.release.keys import events_key
from larder.store import Store

FORMAT: Final = 1
_MAX_RECENT: Final = 100
_MAX_DAYS: Final = 3650
_EXPRESSION: Final = r"COUNT|SUM"
_METRIC: Final = r"[A-Za-z][A-Za-z0-9_-]{0,254}"
_MAX_METRICS: Final = 10  # as Personalize's metric attribution has
_MAX_TRACKING_ID: Final = 256  # as PutEvents has


@dataclass(frozen=True, slots=True)
class AttributionMetric:
    """A metric of what recommendations earned, as Personalize's metric attribution has it.

    Attributes:
        name: The name of the metric.
        event_type: The events that count.
        expression: ``COUNT`` for their number, ``SUM`` for the sum of their values.
    """

    name: str
    event_type: str
    expression: str


@dataclass(frozen=True, slots=True)
class EventSettings:
    """The settings of one model's events.

    Attributes:
        enabled: Whether the model takes events, and its answers read them.
        tracking_id: The id by which clients of Personalize name the model when they send events.
        recent_events: How many of a user's newest events an answer considers.
        history_days: How long a user's history lives in the live store after their last event.
        log_days: How long the log keeps events; 0 for ever.
        hidden: Event types after which an item is not recommended to the user again, such as ``purchase``.
        exploration_weight: The share of places, 0 to 1, for new items with few impressions.
        exploration_days: The age in days up to which an item is new.
        logs_recommendations: Whether each answer is logged, so that events can be attributed to it.
        metrics: The metrics of attributed events, in the API and in CloudWatch.
    """

    enabled: bool = True
    tracking_id: str = ""
    recent_events: int = 50
    history_days: int = 30
    log_days: int = 0
    hidden: tuple[str, ...] = ()
    exploration_weight: float = 0.0
    exploration_days: int = 30
    logs_recommendations: bool = True
    metrics: tuple[AttributionMetric, ...] = ()


OFF: Final = EventSettings(enabled=False)
"""The settings of a model that has none."""


def parse_settings(data: bytes, model: str) -> EventSettings:
    """The settings of a document; raises StoreError if it breaks the format."""
    key = events_key(model)
    remedy = "remove it and turn events on again: larder events on MODEL"
    try:
        fields = FieldReader(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{key} is not JSON ({error}): {remedy}.") from error
    number = fields.integer("format", low=FORMAT)
    settings = _read(fields)
    fields.finish()
    if number != FORMAT:
        raise StoreError(f"{key} has another format than {FORMAT}: use a newer version of Larder.")
    if fields.problems:
        raise StoreError(f"{key} is not valid ({'; '.join(fields.problems)}): {remedy}.")
    return settings


def _read(fields: FieldReader) -> EventSettings:
    return EventSettings(
        enabled=fields.boolean("enabled"),
        tracking_id=_tracking_id(fields),
        recent_events=fields.integer("recent_events", 1, _MAX_RECENT),
        history_days=fields.integer("history_days", 1, _MAX_DAYS),
        log_days=fields.integer("log_days", 0, _MAX_DAYS),
        hidden=fields.texts("hidden"),
        exploration_weight=fields.number("exploration_weight", 0.0, 1.0),
        exploration_days=fields.integer("exploration_days", 1, _MAX_DAYS),
        logs_recommendations=fields.boolean("logs_recommendations"),
        metrics=_metrics(fields),
    )


def _tracking_id(fields: FieldReader) -> str:
    text = fields.text("tracking_id")
    if len(text) > _MAX_TRACKING_ID:
        fields.note("tracking_id", f"has {len(text)} characters; it may have {_MAX_TRACKING_ID}")
    return text


def _metrics(fields: FieldReader) -> tuple[AttributionMetric, ...]:
    entries = fields.sequence("metrics")
    if len(entries) > _MAX_METRICS:
        fields.note("metrics", f"has {len(entries)} entries; it may have {_MAX_METRICS}")
    metrics = tuple(_metric(entry, fields) for entry in entries[:_MAX_METRICS])
    if len({metric.name for metric in metrics}) < len(metrics):
        fields.note("metrics", "has a name twice; each metric has a name of its own")
    return metrics


def _metric(entry: object, fields: FieldReader) -> AttributionMetric:
    reader = FieldReader(entry, "metrics", fields.problems)
    metric = AttributionMetric(
        reader.text("name", _METRIC), reader.text("event_type"), reader.text("expression", _EXPRESSION)
    )
    reader.finish()
    return metric


def dump_settings(settings: EventSettings) -> bytes:
    """The document; raises InvalidRequest, with each problem, for settings that ``parse_settings`` would refuse."""
    read_changes({}, settings)
    return (json.dumps({"format": FORMAT, **asdict(settings)}, indent=2, ensure_ascii=False) + "\n").encode()


def read_changes(document: Mapping[str, object], settings: EventSettings) -> EventSettings:
    """``settings`` with the fields of a request's JSON; raises InvalidRequest with each invalid or unknown field."""
    fields = FieldReader({**json.loads(json.dumps(asdict(settings))), **document})
    changed = _read(fields)
    fields.finish()
    if fields.problems:
        raise InvalidRequest(f"The settings of events are invalid: {'; '.join(fields.problems)}.")
    return changed


def change_settings(store: Store, model: str, change: Callable[[EventSettings], EventSettings]) -> EventSettings:
    """Change the settings of a recommender, and return them. The first settings get a tracking id.

    Raises NotFound if there is no such model, InvalidRequest for a classifier or invalid settings, and Conflict if
    another writer came first.
    """
    _check_recommender(Registry(store), model)
    settings, etag = read_settings(store, model)
    changed = change(settings)
    if not changed.tracking_id:
        changed = replace(changed, tracking_id=str(uuid.uuid4()))
    write_settings(store, model, changed, etag)
    return changed


def _check_recommender(registry: Registry, model: str) -> None:
    version = registry.pointer(model)
    if version is None:
        raise NotFound(f"Model {model!r} has no live release: publish one first.")
    kind = registry.manifest(model, version.pointer.stable).kind
    if kind != "recommender":
        raise InvalidRequest(f"Model {model!r} is a {kind}, which takes no events: use the name of a recommender.")


def read_settings(store: Store, model: str) -> tuple[EventSettings, str | None]:
    """The settings of a model, ``OFF`` if it has none, and the ETag of their document, None if there is none."""
    try:
        blob = store.get(events_key(model))
    except MissingObject:
        return OFF, None
    return parse_settings(blob.data, model), blob.etag


def write_settings(store: Store, model: str, settings: EventSettings, etag: str | None) -> None:
    """Replace the settings of a model; raises InvalidRequest, or Conflict if another writer came first."""
    store.put(events_key(model), dump_settings(settings), etag=etag, create=etag is None)


class SettingsCache:
    """The settings of the models of a store, read again at most every ``refresh_seconds``. Thread-safe."""

    def __init__(self, store: Store, refresh_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._cache: Final = DocumentCache(store, refresh_seconds, events_key, parse_settings, lambda: OFF, clock=clock)

    def get(self, model: str) -> EventSettings:
        """The settings of a model, ``OFF`` if it has none; raises StoreError if they cannot be read."""
        return self._cache.get(model)

    def taking(self, model: str) -> EventSettings:
        """The settings of a model that takes events; raises NotFound for one that does not."""
        settings = self.get(model)
        if not settings.enabled:
            raise NotFound(f"Model {model!r} takes no events: turn them on by `larder events on {model}`.")
        return settings


class TrackingIds:
    """The models of a store by their tracking ids. Thread-safe.

    All settings are read when an id is not known or has changed, but at most every ``seconds``: a caller who tries ids
    costs little.
    """

    def __init__(
        self, store: Store, settings: SettingsCache, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._settings = settings
        self._seconds = seconds
        self._clock = clock
        self._lock = Lock()
        self._models: dict[str, list[str]] = {}
        self._damage: StoreError | None = None  # of settings that could not be read
        self._fresh_until = -1.0

    def model(self, tracking_id: str, may_use: Callable[[str], bool]) -> str:
        """The model with this tracking id, of those that the caller ``may_use``.

        Raises NotFound if there is none, InvalidRequest if several have it, and StoreError if settings cannot be read.
        """
        models = self._known(tracking_id)
        if not models:
            with self._lock:
                if self._clock() >= self._fresh_until:
                    self._read()
            models = self._known(tracking_id)
        usable = [model for model in models if may_use(model)]
        if len(usable) > 1:
            raise InvalidRequest(
                f"{' and '.join(usable[:3])} have the tracking id {tracking_id[:80]!r}: change it in all but one."
            )
        if usable:
            return usable[0]
        if self._damage is not None:
            raise self._damage
        raise NotFound(
            f"No model for this key has the tracking id {tracking_id[:80]!r}: send the one that `larder events show "
            "MODEL` prints."
        )

    def _known(self, tracking_id: str) -> list[str]:
        models = self._models.get(tracking_id, [])
        return [model for model in models if self._settings.get(model).tracking_id == tracking_id]

    def _read(self) -> None:
        found: dict[str, list[str]] = {}
        self._damage = None
        for model in Registry(self._store).models():
            try:
                found.setdefault(read_settings(self._store, model)[0].tracking_id, []).append(model)
            except StoreError as error:  # the settings of one model must not stop the events of the others
                self._damage = error
        found.pop("", None)
        self._models, self._fresh_until = found, self._clock() + self._seconds
