"""Take events, items and users: first the queue to the log, then the live store, then the answer.

An answer means that both have them. If one of them fails, the request fails, and its sender sends it again: the live
store ignores ids that it has, and the log removes duplicates.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Final
from weakref import WeakKeyDictionary

from larder.errors import NotFound
from larder.events.base import Columns, LiveItem, LiveStore, LogQueue, LogRow, RowKind
from larder.events.event import Event
from larder.events.opening import open_live_store, open_queue
from larder.events.parsing import Batch, Described, Refusal
from larder.events.placing import ContentIndex
from larder.events.settings import EventSettings, SettingsCache, TrackingIds
from larder.recommender import Recommender
from larder.runtime.settings import Settings
from larder.store import Store

ITEM_DAYS: Final = 90
"""How long a live item stays; a release that was trained since then has it."""
_DAY: Final = 86400.0
_LOOK_UP_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch.

    Attributes:
        accepted: The number of entries that were taken.
        duplicates: The number of events that the live store had already.
        refused: The entries that were refused.
    """

    accepted: int
    duplicates: int
    refused: tuple[Refusal, ...]

    @property
    def is_refused(self) -> bool:
        """Whether nothing was taken."""
        return bool(self.refused) and not self.accepted and not self.duplicates

    def document(self, model: str) -> dict[str, object]:
        """The answer as JSON."""
        counts = {"accepted": self.accepted, "duplicates": self.duplicates}
        return {"model": model, **counts, "refused": [asdict(refusal) for refusal in self.refused]}


class Intake:
    """Takes what a deployment's models are sent. Thread-safe.

    Attributes:
        settings: The settings of the models.
        tracking_ids: The models by their tracking ids.
    """

    def __init__(self, store: Store, settings: Settings) -> None:
        """Read nothing yet."""
        self.settings: Final = SettingsCache(store, settings.refresh_seconds)
        self.tracking_ids: Final = TrackingIds(store, self.settings, min(_LOOK_UP_SECONDS, settings.refresh_seconds))
        self._urls: Final = (settings.events_store, settings.events_queue)
        self._indexes: WeakKeyDictionary[Recommender, ContentIndex] = WeakKeyDictionary()

    @cached_property
    def live(self) -> LiveStore:
        """The live store, opened at the first use; raises NotFound for a deployment without one."""
        self._check()
        return open_live_store(self._urls[0])

    @cached_property
    def queue(self) -> LogQueue:
        """The queue to the log, opened at the first use; raises NotFound for a deployment without one."""
        self._check()
        return open_queue(self._urls[1])

    def taking(self, model: str) -> EventSettings:
        """The settings of a model that takes events; raises NotFound for one that does not."""
        self._check()
        return self.settings.taking(model)

    def events(self, model: str, settings: EventSettings, batch: Batch[Event]) -> Taken:
        """Take events of a model with these settings; raises StoreError if it is not certain that all are durable."""
        if not batch.valid:
            return Taken(0, 0, batch.refused)
        self.queue.send([LogRow(model, "events", event.row()) for event in batch.valid])
        new = self.live.add(model, batch.valid, keep=settings.recent_events, seconds=settings.history_days * _DAY)
        return Taken(sum(new), len(new) - sum(new), batch.refused)

    def items(self, model: str, batch: Batch[Described], recommender: Recommender) -> Taken:
        """Take items, and place those that the release does not know; raises as ``events``."""
        now = time.time()
        items = [self._placed(item, recommender, now) for item in batch.valid]
        if items:
            self._send(model, "items", batch.valid, now)
            self.live.put_items(model, items, seconds=ITEM_DAYS * _DAY)
        return Taken(len(items), 0, batch.refused)

    def users(self, model: str, settings: EventSettings, batch: Batch[Described]) -> Taken:
        """Take users' profiles; raises as ``events``."""
        profiles: Mapping[str, Columns] = {user.id: user.columns for user in batch.valid}
        if profiles:
            self._send(model, "users", batch.valid, time.time())
            self.live.put_users(model, profiles, seconds=settings.history_days * _DAY)
        return Taken(len(batch.valid), 0, batch.refused)

    def _send(self, model: str, kind: RowKind, entries: Sequence[Described], now: float) -> None:
        column = "ITEM_ID" if kind == "items" else "USER_ID"
        self.queue.send([LogRow(model, kind, {column: e.id, "TIMESTAMP": now, **e.columns}) for e in entries])

    def _placed(self, item: Described, recommender: Recommender, now: float) -> LiveItem:
        if recommender.items.number(item.id) is not None:
            return LiveItem(item.id, item.columns, now)
        index = self._indexes.get(recommender)
        if index is None:
            index = self._indexes[recommender] = ContentIndex(recommender.items, recommender.content)
        return LiveItem(item.id, item.columns, now, index.neighbours(item.columns))

    def _check(self) -> None:
        if not all(self._urls):
            raise NotFound("This deployment takes no events: deploy it with Events=true.")
