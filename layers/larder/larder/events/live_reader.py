"""Read what is known live for an answer, and log the answer: within a deadline, and never at the answer's expense.

A failure, or a store that does not answer in time, leaves the answer to the tables of the release; the metric
``LiveReadFailed`` counts it, and the answer has a warning. A list that could not be logged in time is counted as
``RecommendationLogFailed``. After three failed reads in a row no answer waits for the live store for five seconds; the
metric counts these answers too.
"""

import sys
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Final, TypeVar

from larder.errors import StoreError
from larder.events.base import LiveStore, LogQueue, LogRow, Recent
from larder.events.live_items import LiveItems
from larder.events.opening import open_live_store, open_queue
from larder.events.settings import EventSettings, SettingsCache
from larder.host.release_cache import LoadedRelease
from larder.recommender import Exploration, Live, LiveEvent, Query, Recommendations, Recommender
from larder.recommender.live_events import NEVER
from larder.release.manifest import Manifest
from larder.runtime.circuit import Circuit
from larder.runtime.metrics import count_line
from larder.runtime.settings import Settings
from larder.store import Store

if TYPE_CHECKING:  # imported when an answer first needs statistics
    from larder.events.statistics import StatisticsCache

READ_SECONDS: Final = 0.05
LOG_SECONDS: Final = 0.05
FAILURES: Final = 3
OPEN_SECONDS: Final = 5.0
_WORKERS: Final = 4  # calls that no store answers may wait here; further ones fail by their deadline
_DAY: Final = 86400.0
_NOT_READ: Final = "Recent events could not be read: this answer is by the release alone."

T = TypeVar("T")


class LiveReader:
    """What is known live of the models of a deployment. Thread-safe."""

    def __init__(
        self,
        settings: SettingsCache,
        live: Callable[[], LiveStore],
        queue: Callable[[], LogQueue] | None,
        statistics: "Callable[[], StatisticsCache]",
    ) -> None:
        """Use stores that are opened at the first use; ``queue`` is None where answers are not logged."""
        self._settings = settings
        self._live = cache(live)
        self._items = cache(lambda: LiveItems(self._live()))
        self._queue = queue and cache(queue)
        self._statistics = cache(statistics)
        self._workers = ThreadPoolExecutor(_WORKERS, "live")
        self._reading = Circuit(FAILURES, OPEN_SECONDS)

    @classmethod
    def of(cls, store: Store, settings: Settings) -> "LiveReader":
        """Use what the environment names."""
        live, queue = settings.events_store, settings.events_queue
        cached = SettingsCache(store, settings.refresh_seconds)

        def statistics() -> "StatisticsCache":
            from larder.events.statistics import StatisticsCache

            return StatisticsCache(store, settings.refresh_seconds)

        return cls(cached, lambda: open_live_store(live), (lambda: open_queue(queue)) if queue else None, statistics)

    def preload(self) -> None:
        """Open the stores now, so that no answer waits for it. Never raises: a request counts errors."""
        with suppress(Exception):
            self._live()
            if self._queue is not None:
                self._queue()

    def begin(
        self, query: Query, release: LoadedRelease[Recommender], *, explores: bool = False
    ) -> "LiveAnswer | None":
        """Read what is known for an answer of this release; None for a model that takes no events.

        An answer that ``explores`` has new items if the settings say so.
        """
        manifest, model = release.manifest, release.manifest.model
        try:
            settings = self._settings.get(model)
        except StoreError as error:
            _count("LiveReadFailed", model, type(error).__name__)
            return None
        if not settings.enabled:
            return None
        history = partial(self._read, model, query.user, query.session_id)
        read = self._within(READ_SECONDS, "LiveReadFailed", model, history, self._reading)
        recommender = None
        if read is not None and read.items_version:
            items = partial(self._extended, model, release.value, read.items_version)
            recommender = self._within(READ_SECONDS, "LiveReadFailed", model, items)
        queue = self._queue if settings.logs_recommendations else None

        def send(row: LogRow) -> None:
            if queue is not None:
                self._within(LOG_SECONDS, "RecommendationLogFailed", model, lambda: queue().send([row]))

        id_, recommender = _recommendation_id(manifest), recommender or release.value
        query = replace(query, live=_live(read, settings, manifest))
        if explores and settings.exploration_weight > 0:
            query = self._exploring(query, recommender, settings, model, id_)
        return LiveAnswer(query, recommender, manifest, send, id_)

    def _exploring(
        self, query: Query, recommender: Recommender, settings: EventSettings, model: str, id_: str
    ) -> Query:
        """The query with new items, drawn by the id of the list's first page, which is ``id_`` for that page."""
        seed = (query.page.seed if query.page else "") or id_

        def exploration() -> Exploration:
            known = self._statistics().get(model)
            new = recommender.new_since(time.time() - settings.exploration_days * _DAY)
            return Exploration(settings.exploration_weight, new, seed, known.items, known.click_rate)

        explored = self._within(READ_SECONDS, "LiveReadFailed", model, exploration)
        if explored is None or query.live is None:
            return query
        page = query.page and replace(query.page, seed=seed)
        return replace(query, page=page, live=replace(query.live, exploration=explored))

    def trending(self, model: str) -> Sequence[tuple[str, float]]:
        """The items whose events grow fastest, with their significance, the largest first.

        Raises NotFound for a model that takes no events, StoreError if settings or statistics cannot be read.
        """
        self._settings.taking(model)
        return self._statistics().get(model).trending

    def _read(self, model: str, user: str | None, session: str | None) -> Recent:
        return self._live().read(model, user, session)

    def _extended(self, model: str, recommender: Recommender, version: str) -> Recommender:
        return self._items().extended(model, recommender, version)

    def _within(
        self, seconds: float, metric: str, model: str, work: Callable[[], T], circuit: Circuit | None = None
    ) -> T | None:
        """The result of ``work``; None, and one more of ``metric``, if it fails, takes longer, or is not admitted."""
        if circuit is not None and not circuit.admits():
            _count(metric, model, "CircuitOpen")
            return None
        call = self._workers.submit(work)
        try:
            result = call.result(seconds)
        except Exception as error:  # noqa: BLE001  # whatever a store raises must not cost an answer
            call.cancel()
            if circuit is not None:
                circuit.failed()
            _count(metric, model, type(error).__name__)
            return None
        if circuit is not None:
            circuit.succeeded()
        return result


@dataclass(frozen=True, slots=True)
class LiveAnswer:
    """An answer that considers what is known live.

    Attributes:
        query: The query, with what is known live.
        recommender: The release, with the items that were put since.
        manifest: The release's manifest.
        send: Sends a row to the log.
        id: The recommendation's id, by which events can be attributed to it: a UUID whose first eight hexadecimal
            digits are those of the release.
    """

    query: Query
    recommender: Recommender = field(repr=False)
    manifest: Manifest = field(repr=False)
    send: Callable[[LogRow], None] = field(repr=False)
    id: str

    def log(self, answer: Recommendations, filter_text: str | None = None) -> None:
        """Send the list to the log; ``filter_text`` is the filter as the request named it."""
        query = self.query
        columns = {
            "RECOMMENDATION_ID": self.id,
            "RELEASE": self.manifest.release,
            "TIMESTAMP": time.time(),
            "USER_ID": query.user,
            "SESSION_ID": query.session_id,
            "FILTER": filter_text,
            "ITEMS_BEFORE": (query.page.first or None) if query.page else None,  # on earlier pages of the list
        }
        row: dict[str, object] = {name: value for name, value in columns.items() if value is not None}
        row["ITEMS"] = [[item.id, item.because.source if item.because else None] for item in answer.items]
        self.send(LogRow(self.manifest.model, "recommendations", row))


def _recommendation_id(manifest: Manifest) -> str:
    digest = manifest.release.rpartition("-")[2][:8]
    return digest + str(uuid.uuid4())[len(digest) :]


def _live(read: Recent | None, settings: EventSettings, manifest: Manifest) -> Live:
    """What was read, as the recommender takes it; what the release states holds without it."""
    recent = read or Recent()
    events = recent.events[-settings.recent_events :]
    return Live(
        events=[LiveEvent(event.item, event.type, event.time) for event in events],
        profile=recent.profile,
        hidden=frozenset(name.casefold() for name in settings.hidden),
        trained_until=_trained_until(manifest),
        repeats=_recommends_repeats(manifest),
        warning="" if read is not None else _NOT_READ,
    )


def _trained_until(manifest: Manifest) -> float:
    data = manifest.training.get("data")
    last = data.get("last") if isinstance(data, dict) else None
    return float(last) if isinstance(last, int | float) else NEVER


def _recommends_repeats(manifest: Manifest) -> bool:
    parameters = manifest.training.get("hyperparameters")
    return isinstance(parameters, dict) and parameters.get("recommend_seen") is True


def _count(metric: str, model: str, error: str) -> None:
    # The error's type alone: a store's message may name a user.
    sys.stdout.write(count_line(metric, model, error=error) + "\n")
    sys.stdout.flush()
