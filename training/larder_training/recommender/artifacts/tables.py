"""Writes the tables of a release: items, neighbours, users, segments, what filters read, and transitions if used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from larder.release.serving import ContentSpec, ProfileColumn, RecommenderServing, TableSpec
from larder.tables import EMPTY
from larder_training.numerics.topk import TopK
from larder_training.recommender.artifacts.user_data import INTERACTIONS, write_interactions, write_profiles
from larder_training.recommender.data.columns.kinds import Column, served_type
from larder_training.recommender.data.columns.profiles import Profiles
from larder_training.recommender.data.event_log import EventLog
from larder_training.recommender.data.user_sequences import recent_items
from larder_training.recommender.ensemble.fitted import HISTORY_SLOTS, USER_SLOTS, FittedEnsemble
from larder_training.recommender.models.segment_popularity import Segments, segment_rows
from larder_training.release.tables import write_dense, write_keyed, write_vocabulary

ITEMS: Final = "items.safetensors"
NEIGHBOURS: Final = "neighbours.safetensors"
TRANSITIONS: Final = "transitions.safetensors"
USERS: Final = "users.safetensors"
SEGMENTS: Final = "segments.safetensors"
_WEIGHT_DIGITS: Final = 9  # so that a manifest does not differ by the last bits of a sum
FILES: Final = (ITEMS, NEIGHBOURS, USERS, SEGMENTS)  # in every release; ``serving.files`` are all files of one release
_NO_COLUMNS: Final[Mapping[str, Column]] = MappingProxyType({})
_NO_PROFILE: Final[Mapping[str, ProfileColumn]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class NewUsers:
    """Users with a profile but no event.

    Attributes:
        ids: Ids of the users.
        segment_of: int64 ``[users]``: segment of each.
    """

    ids: Sequence[str] = ()
    segment_of: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))


NO_NEW_USERS: Final = NewUsers()


def write_tables(
    folder: Path,
    log: EventLog,
    fitted: FittedEnsemble,
    segments: Segments,
    *,
    columns: Mapping[str, Column] = _NO_COLUMNS,
    profile: Mapping[str, ProfileColumn] = _NO_PROFILE,
    new_users: NewUsers = NO_NEW_USERS,
    history: EventLog | None = None,
    profiles: Profiles | None = None,
) -> RecommenderServing:
    """Writes the tables into ``folder``, and returns the ``serving`` section of the manifest.

    Users with a profile but no event get a row too, with the popular items of their segment: requests may name them
    without their profile. Memory is 900 bytes per user (6 per slot), in addition to the model.

    Args:
        folder: Where to write.
        log: All events.
        fitted: The model.
        segments: Segments of users.
        columns: Item columns, in the order of ``log.items``.
        profile: Profile columns by name.
        new_users: Users with a profile but no event.
        history: All that users did, for filters; None: ``log``.
        profiles: The users' profiles, for filters.
    """
    params = fitted.hyperparameters
    popular = segment_rows(fitted.presence, segments, params.prior_users)
    users = _append_new_users(with_history(fitted.user_rows(), log), popular, new_users.segment_of)
    transitions = fitted.transition_rows()
    served = {name: (served_type(kind), values) for name, (kind, values) in columns.items()}
    write_vocabulary(folder / ITEMS, log.items, served)
    return RecommenderServing(
        items_file=ITEMS,
        items=len(log.items),
        columns={name: kind for name, (kind, _) in served.items()},
        neighbours=_write_rows(folder / NEIGHBOURS, fitted.neighbour_rows()),
        users=write_keyed(folder / USERS, [*log.users, *new_users.ids], users.items, users.scores),
        user_slots=USER_SLOTS,
        segments=write_keyed(folder / SEGMENTS, segments.texts, popular.items, popular.scores),
        segments_by=segments.sets,
        profile={name: profile[name] for name in sorted({name for names in segments.sets for name in names})},
        weights={
            "user": params.user_weight,
            "session": params.session_weight,
            "segment": params.segment_weight,
            **({"transition": params.transition_weight} if transitions else {}),
            **({"revisit": params.revisit_weight} if params.revisit_weight > 0 else {}),
        },
        session_decay=params.session_decay,
        session_length=params.session_length,
        transitions=_write_rows(folder / TRANSITIONS, transitions) if transitions else None,
        transition_decay=params.transition_decay if transitions else 1.0,
        revisit_decay=params.revisit_decay if params.revisit_weight > 0 else 1.0,
        interactions=write_interactions(folder / INTERACTIONS, history or log),
        profiles=write_profiles(folder, profiles) if profiles and profiles.values else None,
        content=_content(fitted, served),
    )


def _content(fitted: FittedEnsemble, columns: Mapping[str, object]) -> ContentSpec | None:
    """How serving places new items: as the training did, except that letters count as words."""
    if not fitted.content_weights:
        return None
    weights: dict[str, dict[str, float]] = {}
    for block, weight in fitted.content_weights.items():
        name, kind = block.rsplit(" ", 1)
        kind = "words" if kind == "letters" else kind
        if name in columns and weight > 0:
            kinds = weights.setdefault(name, {})
            kinds[kind] = round(kinds.get(kind, 0.0) + weight, _WEIGHT_DIGITS)
    largest = float(fitted.matrix.data.max(initial=0.0))  # as models.cold_start weights a neighbour itself
    return ContentSpec(fitted.hyperparameters.content, round(largest, _WEIGHT_DIGITS), weights)


def _write_rows(path: Path, rows: TopK) -> TableSpec:
    """Writes a dense table, as wide as its longest row."""
    width = max(1, int((rows.items != EMPTY).sum(axis=1).max(initial=0)))
    return write_dense(path, rows.items[:, :width], rows.scores[:, :width])


def with_history(recommended: TopK, log: EventLog, slots: int = HISTORY_SLOTS) -> TopK:
    """Rows of the users table: recommendations, then the user's recent items, newest first, with score 0."""
    width = recommended.items.shape[1]
    rows = TopK.empty(len(log.users), width + slots)
    rows.items[:, :width], rows.scores[:, :width] = recommended.items, recommended.scores
    used = (recommended.items != EMPTY).sum(axis=1)
    for block in log.blocks():
        user, item, slot = recent_items(log.take(block), slots)
        rows.items[user, used[user] + slot] = item
    return rows


def _append_new_users(known: TopK, popular: TopK, segment_of: NDArray[np.int64]) -> TopK:
    """Appends the rows of new users: the first items of their segments."""
    if not len(segment_of):
        return known
    width = min(USER_SLOTS, popular.items.shape[1])
    new = TopK.empty(len(segment_of), known.items.shape[1])
    new.items[:, :width] = popular.items[segment_of, :width]
    new.scores[:, :width] = popular.scores[segment_of, :width]
    return TopK(np.concatenate((known.items, new.items)), np.concatenate((known.scores, new.scores)))
