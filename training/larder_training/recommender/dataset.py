"""All inputs of a training: the event log, and the metadata of items and users."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from larder.errors import InvalidRequest
from larder_training.io.inputs import open_input
from larder_training.recommender.config.log_format import LogFormat
from larder_training.recommender.config.options import RecommenderOptions
from larder_training.recommender.data.audit import LogSummary, clean, id_matches, summarize_log
from larder_training.recommender.data.columns.description import table_notices
from larder_training.recommender.data.columns.kinds import Column
from larder_training.recommender.data.columns.profiles import Profiles, user_profiles
from larder_training.recommender.data.event_log import EventLog, known_users
from larder_training.recommender.data.feedback import check_types, counted, with_feedback
from larder_training.recommender.data.interactions import read_interactions
from larder_training.recommender.data.log_checks.requirements import refusals, warnings
from larder_training.recommender.data.log_checks.row_counts import RowCounts
from larder_training.recommender.data.metadata import MetadataTable, align, check_stated, read_metadata
from larder_training.recommender.data.reviews import review_texts
from larder_training.recommender.models.segment_popularity import Segments, segment_users
from larder_training.reporting.progress import Progress

# A column of review texts: models read it, but the release does not contain it. No file has a column of this name.
REVIEWS: Final = "REVIEW_TEXT\x00"


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Inputs of a training, checked and cleaned.

    Attributes:
        log: The events that are used.
        history: All events of these users, those of types that are not used too, for filters.
        counts: Rows read, dropped and used.
        items: Item metadata as read.
        users: User metadata as read.
        profiles: The users' profiles.
        rows: int64 ``[users]``: row of each user in ``profiles``; -1: none.
        columns: Columns of the item metadata, in the order of ``log.items``.
        described: ``columns`` and the review texts.
        inputs: Names, sizes and digests of the files.
        summary: Counts over the log.
        notices: What was found in the files, in sentences.
    """

    log: EventLog
    history: EventLog
    counts: RowCounts
    items: MetadataTable | None
    users: MetadataTable | None
    profiles: Profiles | None
    rows: NDArray[np.int64]
    columns: Mapping[str, Column]
    described: Mapping[str, Column]
    inputs: Mapping[str, object]
    summary: LogSummary
    notices: tuple[str, ...]

    def segments(self, history: EventLog) -> Segments:
        """The segments with enough users in ``history``."""
        return segment_users(known_users(history), self.profiles, self.rows)

    def segment_of(self, segments: Segments) -> NDArray[np.int64]:
        """``[users]``: each user's most specific segment."""
        segment = np.zeros(len(self.rows), np.int64)
        has_profile = self.rows >= 0
        segment[has_profile] = segments.of_profile[self.rows[has_profile]]
        return segment

    def labels(self) -> dict[str, NDArray[np.int32]]:
        """int32 ``[users]`` by profile column: each user's category or bin; -1: unknown."""
        if self.profiles is None:
            return {}
        return {
            name: np.where(self.rows >= 0, labels[self.rows], -1).astype(np.int32)
            for name, labels in self.profiles.labels.items()
        }


def read_dataset(options: RecommenderOptions, progress: Progress) -> Dataset:
    """Reads and checks all inputs. Raises InvalidRequest if a training is not possible with them."""
    inputs: dict[str, object] = {}
    log_format = options.log_format()
    items = _table(options, log_format, "ITEM_ID", inputs, progress)
    users = _table(options, log_format, "USER_ID", inputs, progress)
    check_stated(options.types, (items, users))
    of_tables = _said(table_notices(items, users), progress)
    with open_input(options.interactions, progress) as files:
        log, counts = read_interactions(
            files,
            items.ids if items else None,
            order=options.order,
            seed=options.seed,
            log_format=log_format,
        )
        of_log = _said(counts.notices, progress)  # before a refusal, which they often explain
        reviews = review_texts(files, log.items, log_format)
        name, inputs["interactions"] = files.name, files.fingerprint()
    log, history, counts = _usable(log, counts, items, options)
    if len(np.unique(log.user)) < 2 or len(np.unique(log.item)) < 2:
        raise InvalidRequest(
            f"{name} has {len(log)} usable events of fewer than two users or fewer than two items: give a log with "
            "more users and items."
        )
    progress.say(f"{len(log):,} events of {len(log.users):,} users and {len(log.items):,} items; {counts.dropped()}")
    doubts = _doubts(log, counts, items, users, options)
    for doubt in doubts:
        progress.warn(doubt)
    profiles = user_profiles(users) if users else None
    row_of = {user: row for row, user in enumerate(profiles.users)} if profiles else {}
    rows = np.array([row_of.get(user, -1) for user in log.users], np.int64)
    columns = align(items, log.items)
    described = columns if reviews is None else {**columns, REVIEWS: ("text", reviews)}
    return Dataset(
        log=log,
        history=history,
        counts=counts,
        items=items,
        users=users,
        profiles=profiles,
        rows=rows,
        columns=columns,
        described=described,
        inputs=inputs,
        summary=summarize_log(log, items, users),
        notices=(*of_log, *of_tables, *doubts),
    )


def _said(notices: Sequence[str], progress: Progress) -> Sequence[str]:
    for notice in notices:
        progress.say(notice)
    return notices


def _doubts(
    log: EventLog,
    counts: RowCounts,
    items: MetadataTable | None,
    users: MetadataTable | None,
    options: RecommenderOptions,
) -> list[str]:
    """What to look at. Raises InvalidRequest for what makes a training pointless."""
    matches = id_matches(log, items, users)
    problems = refusals(
        log,
        matches,
        timed=options.order == "time",
        allow_small=options.allow_small,
        allow_unmatched=options.allow_unmatched_ids,
    )
    if problems:
        raise InvalidRequest(" ".join(problems))
    return [*counts.warnings(), *warnings(log, matches, problems)]


def _usable(
    log: EventLog, counts: RowCounts, items: MetadataTable | None, options: RecommenderOptions
) -> tuple[EventLog, EventLog, RowCounts]:
    """The events that the options keep, with their feedback; all events that are not in error; and the counts."""
    if options.order == "time":  # without times, neither bots nor wrong clocks can be recognized
        log, counts, _ = clean(log, counts, bots=options.bots == "drop")
    log = with_feedback(log, options.feedback)
    check_types(log, (*options.event_weights, *options.event_thresholds))
    mask = counted(log, options.event_weights, options.event_thresholds)
    unknown = 0 if items is None else int(np.isin(log.item, _numbers(log.items, items.ids), invert=True).sum())
    used = int(mask.sum())
    return log.where(mask), log, replace(counts, not_in_catalogue=unknown, below_threshold=len(log) - used, used=used)


def _table(
    options: RecommenderOptions, log_format: LogFormat, key: str, inputs: dict[str, object], progress: Progress
) -> MetadataTable | None:
    """Reads the metadata of a key, and adds its fingerprint to ``inputs``."""
    name, source = ("items", options.items) if key == "ITEM_ID" else ("users", options.users)
    if source is None:
        return None
    with open_input(source, progress) as files:
        inputs[name] = files.fingerprint()
        return read_metadata(
            files,
            key,
            types=options.types,
            names=log_format.of_metadata(key),
            time_format=log_format.time_format,
        )


def _numbers(known: Sequence[str], ids: Sequence[str]) -> NDArray[np.int64]:
    number = {item: index for index, item in enumerate(known)}
    return np.array([number[item] for item in ids if item in number], np.int64)
