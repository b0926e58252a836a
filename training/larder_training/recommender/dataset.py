"""Everything that a training reads: the log, the catalogue, the profiles, and what is wrong with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from larder.errors import InvalidRequest
from larder_training.io.inputs import InputSource, open_input
from larder_training.recommender.config.options import RecommenderOptions
from larder_training.recommender.data.audit import LogSummary, clean, summarize_log
from larder_training.recommender.data.event_log import EventLog, known_users
from larder_training.recommender.data.feedback import check_types, counted, with_feedback
from larder_training.recommender.data.interactions import RowCounts, read_interactions
from larder_training.recommender.data.metadata import (
    Column,
    MetadataTable,
    Profiles,
    align,
    read_metadata,
    user_profiles,
)
from larder_training.recommender.data.reviews import review_texts
from larder_training.recommender.models.segment_popularity import Segments, segment_users
from larder_training.reporting.progress import Progress

REVIEWS: Final = "REVIEWS"  # the column of what was written of an item, for learning alone


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Everything that was read. ``rows`` int64 ``[users]``: each user's row in ``profiles``, -1 without one;
    ``columns`` are the catalogue's, in the order of ``log.items``, and ``described`` these and what was written in
    reviews. ``inputs`` identifies the files.
    """

    log: EventLog
    audit: RowCounts
    items: MetadataTable | None
    users: MetadataTable | None
    profiles: Profiles | None
    rows: NDArray[np.int64]
    columns: Mapping[str, Column]
    described: Mapping[str, Column]
    inputs: Mapping[str, object]
    findings: LogSummary

    def segments(self, history: EventLog) -> Segments:
        """The segments that ``history`` has enough users for."""
        return segment_users(known_users(history), self.profiles, self.rows)

    def segment_of(self, segments: Segments) -> NDArray[np.int64]:
        """``[users]``: each user's most specific segment."""
        found = np.zeros(len(self.rows), np.int64)
        has = self.rows >= 0
        found[has] = segments.of_profile[self.rows[has]]
        return found

    def labels(self) -> dict[str, NDArray[np.int32]]:
        """int32 ``[users]`` by profile column: each user's category or bin, -1 where it is not known."""
        if self.profiles is None:
            return {}
        return {
            name: np.where(self.rows >= 0, each[self.rows], -1).astype(np.int32)
            for name, each in self.profiles.labels.items()
        }


def read_dataset(options: RecommenderOptions, progress: Progress) -> Dataset:
    """Reads and checks all input; raises InvalidRequest where it cannot be trained on."""
    inputs: dict[str, object] = {}
    items = _table(options.items, "ITEM_ID", "items", inputs, progress)
    users = _table(options.users, "USER_ID", "users", inputs, progress)
    with open_input(options.interactions, progress) as files:
        log, audit = read_interactions(files, items.ids if items else None, order=options.order, seed=options.seed)
        reviews = review_texts(files, log.items)
        name, inputs["interactions"] = files.name, files.fingerprint()
    if options.order == "time":  # bots and wrong clocks show in times
        log, audit, _ = clean(log, audit, bots=options.bots == "drop")
    log = with_feedback(log, options.feedback)
    check_types(log, (*options.event_weights, *options.event_thresholds))
    usable = counted(log, options.event_weights, options.event_thresholds)
    absent = 0 if items is None else int(np.isin(log.item, _numbers(log.items, items.ids), invert=True).sum())
    audit = replace(
        audit, not_in_catalogue=absent, below_threshold=len(log) - int(usable.sum()), used=int(usable.sum())
    )
    log = log.where(usable)
    if len(np.unique(log.user)) < 2 or len(np.unique(log.item)) < 2:
        raise InvalidRequest(
            f"{name} has {len(log)} usable events of fewer than two users or two items: "
            "give a log in which users share items."
        )
    progress.say(f"{len(log)} events of {len(log.users)} users and {len(log.items)} items; {audit.dropped()}")
    found = user_profiles(users) if users else None
    place = {user: row for row, user in enumerate(found.users)} if found else {}
    rows = np.array([place.get(user, -1) for user in log.users], np.int64)
    columns = align(items, log.items)
    described = columns if reviews is None else {**columns, REVIEWS: ("text", reviews)}
    return Dataset(log, audit, items, users, found, rows, columns, described, inputs, summarize_log(log, items, users))


def _table(
    given: InputSource | None, key: str, name: str, inputs: dict[str, object], progress: Progress
) -> MetadataTable | None:
    """A metadata input, and in ``inputs`` what identifies it."""
    if given is None:
        return None
    with open_input(given, progress) as files:
        inputs[name] = files.fingerprint()
        return read_metadata(files, key)


def _numbers(known: Sequence[str], ids: Sequence[str]) -> NDArray[np.int64]:
    place = {item: number for number, item in enumerate(known)}
    return np.array([place[item] for item in ids if item in place], np.int64)
