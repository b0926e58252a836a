"""Evaluates a release on new interactions, by the serving code."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder.errors import InvalidRequest
from larder.recommender import MAX_CLICKS, Query, Recommender
from larder.release.keys import MANIFEST
from larder.release.manifest import Manifest, parse
from larder.release.serving import RecommenderServing
from larder.tables import KeyedTable, MappedFile
from larder.tables.vocabulary import Vocabulary
from larder_training.io.inputs import InputSource, open_input
from larder_training.numerics.topk import NOTHING
from larder_training.recommender.config.log_format import USUAL, LogFormat
from larder_training.recommender.config.options import Feedback
from larder_training.recommender.data.event_log import EventLog, known_users
from larder_training.recommender.data.feedback import counted, with_feedback
from larder_training.recommender.data.interactions import read_interactions
from larder_training.recommender.data.user_sequences import recent_items
from larder_training.recommender.metrics.ranking import DEPTH, bootstrap, by_user, coverage, headline, hits
from larder_training.recommender.splits.tasks import MAX_TEST_USERS, rest_of_session
from larder_training.release.loader import open_tables, open_vocabulary

SEED: Final = 0
# Audit counts that are not about reading the file.
_OTHER_COUNTS: Final = frozenset(
    {"rows", "used", "below_threshold", "not_in_catalogue", "stray_times", "bots", "bot_users"}
)


@dataclass(frozen=True, slots=True)
class _TestUser:
    """A user of the interactions.

    Attributes:
        user: Id.
        session: Item ids of the user's history, newest last.
        truth: Relevant items that the release knows, as its items table numbers them, ascending.
        relevant: Number of relevant items, known to the release or not.
    """

    user: str
    session: tuple[str, ...]
    truth: tuple[int, ...]
    relevant: int


def evaluate(
    release_folder: Path,
    interactions: InputSource,
    history: InputSource | None = None,
    log_format: LogFormat = USUAL,
) -> dict[str, Any]:
    """Ranking metrics of a release on ``interactions``, with 95 % intervals, and of popularity on the same users.

    The release is asked once per user of ``interactions``, as of before them. All items that the user then interacted
    with are relevant; items that the release does not know count as missed. Not relevant are returns, low ratings, and
    events that the training's thresholds leave out. Events up to the end of the release's training data are left out
    and counted, unless the manifest does not state that end.

    The key ``sessions`` has the metrics for the second half of each user's latest session, given its first half.

    Args:
        release_folder: Folder of the release.
        interactions: Events to evaluate on.
        history: Events before ``interactions``. Those that the release was not trained on (later events, or users
            without a row) become the users' sessions. Their items may be recommended again if the release recommends
            items that users had before.
        log_format: How both logs are written.

    Returns:
        A JSON-ready document.

    Raises:
        InvalidRequest: No interaction is left, or the folder is not a recommender's release.
        InvalidManifest: The manifest cannot be read.
        InvalidTable: A table cannot be read.
    """
    manifest, serving = open_release(release_folder)
    events = _new_events(interactions, manifest, log_format)
    recommender, items = open_tables(release_folder, serving), open_vocabulary(release_folder, serving)
    earlier = None if history is None else read_interactions(history, log_format=log_format)[0]
    users = _test_users(events.log, items, _sessions(earlier, events.log, release_folder, manifest, serving))
    document = {
        "model": manifest.model,
        "release": manifest.release,
        **_metrics(recommender, items, users, repeats=repeats_allowed(manifest)),
        "events": events.counts,
    }
    sessions = _rest_of_sessions(recommender, items, events.log, serving) if _has_times(manifest) else None
    return {**document, **({"sessions": sessions} if sessions else {}), "headline": headline(document)}


@dataclass(frozen=True, slots=True, eq=False)
class _NewEvents:
    """Events that a release is evaluated on.

    Attributes:
        log: The events.
        counts: Number of these events, and of events that are left out, by reason.
    """

    log: EventLog
    counts: dict[str, int]


def _new_events(interactions: InputSource, manifest: Manifest, log_format: LogFormat) -> _NewEvents:
    """Reads the events that the release was not trained on, and that make their item relevant."""
    with open_input(interactions) as files:
        log, audit = read_interactions(files, order="time" if _has_times(manifest) else "file", log_format=log_format)
    later = log.where(log.time > trained_until(manifest))
    above_threshold = later.where(_counted(manifest, later))
    relevant = with_feedback(above_threshold, _signals(manifest, log)).wanted()
    if not len(relevant):
        raise InvalidRequest(
            f"none of the {len(log)} events of {files.name} can be evaluated: the release was trained on them, or they "
            "are returns, or below its thresholds. Give later events."
        )
    counts = {
        "used": len(relevant),
        "already_trained_on": len(log) - len(later),
        "below_threshold": len(later) - len(above_threshold),
        "against_their_item": len(above_threshold) - len(relevant),
        **_dropped(audit.document()),
    }
    return _NewEvents(relevant, counts)


def _metrics(
    recommender: Recommender, items: Vocabulary, users: Sequence[_TestUser], *, repeats: bool
) -> dict[str, Any]:
    """Metrics of the release and of popularity, and their coverage. ``repeats``: whether seen items may be returned."""
    queries = [Query(user=user.user, session=user.session, include_seen=repeats, n=DEPTH) for user in users]
    lists = {
        "larder": _lists(recommender, items, queries),
        "popularity": _lists(recommender, items, [Query(n=DEPTH)]).repeat(len(users), axis=0),
    }
    truth = _truth(users, len(items))
    relevant = np.array([user.relevant for user in users], np.int64)
    metrics = bootstrap({name: by_user(hits(ranking, truth), relevant) for name, ranking in lists.items()}, SEED)
    return {
        "users": len(users),
        "relevant_items": int(relevant.sum()),
        "unknown_items": int(relevant.sum()) - int(truth.nnz),
        "metrics": metrics["larder"],
        "baselines": {"popularity": metrics["popularity"]},
        "coverage": {name: round(coverage(ranking, len(items)), 6) for name, ranking in lists.items()},
    }


def open_release(folder: Path) -> tuple[Manifest, RecommenderServing]:
    """Manifest of a recommender's release, and its ``serving`` section.

    Raises InvalidRequest if ``folder`` is not a recommender's release or was trained by Larder before it stated
    ``training.hyperparameters``, and InvalidManifest if its manifest is invalid.
    """
    manifest = parse(_read(folder / MANIFEST))
    if not isinstance(manifest.serving, RecommenderServing):
        raise InvalidRequest(f"{manifest.model} is a {manifest.kind}: evaluate it with --images, not --interactions.")
    if "choices" in manifest.training:  # the same values under other names; to skip them would evaluate other events
        raise InvalidRequest(
            f"{manifest.release} was trained by an earlier version of Larder, which recorded its hyperparameters under "
            "other names: train it again with this version to evaluate it. It still serves."
        )
    return manifest, manifest.serving


def trained_until(manifest: Manifest) -> int:
    """Epoch seconds of the last event that the release was trained on; -1 if the manifest does not state it."""
    data = manifest.training.get("data")
    last = data.get("last") if isinstance(data, Mapping) else None
    return last if isinstance(last, int) else -1


def _has_times(manifest: Manifest) -> bool:
    """Whether the release was trained on events with times."""
    return manifest.training.get("order", "time") == "time"


def _signals(manifest: Manifest, log: EventLog) -> Feedback:
    """The release's settings of returns and ratings, for the event types that this log has."""
    section = manifest.training.get("signals")
    feedback = section if isinstance(section, Mapping) else {}
    known = set(log.events)
    scales = {name: (float(worst), float(best)) for name, (worst, best) in feedback.get("scales", {}).items()}
    return Feedback(
        tuple(name for name in feedback.get("returns", ()) if name in known),
        {name: scale for name, scale in scales.items() if name in known},
    )


def _counted(manifest: Manifest, log: EventLog) -> NDArray[np.bool_]:
    """Bool ``[events]``: events that the release's training would use, by weights and thresholds of their types."""
    params, thresholds = (manifest.training.get(name) for name in ("hyperparameters", "event_thresholds"))
    weights = params.get("event_weights") if isinstance(params, Mapping) else None
    return counted(
        log,
        weights if isinstance(weights, Mapping) else {},
        thresholds if isinstance(thresholds, Mapping) else {},
    )


def repeats_allowed(manifest: Manifest) -> bool:
    """Whether the release recommends items that users had before; True if its manifest does not state it."""
    params = manifest.training.get("hyperparameters")
    return not isinstance(params, Mapping) or params.get("recommend_seen") is not False


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidRequest(
            f"{path} cannot be read ({error.strerror}): give the folder that `larder train` printed."
        ) from error


def _sessions(
    log: EventLog | None, fresh: EventLog, release: Path, manifest: Manifest, serving: RecommenderServing
) -> Mapping[str, tuple[str, ...]]:
    """Each user's last items of the history, newest last, without events that the user's row was trained on."""
    if log is None:
        return {}
    earlier = log.between(int(log.time[0]), int(fresh.time[0]))
    earlier = earlier.where(_counted(manifest, earlier))
    in_row = _has_row(log, release, serving)[earlier.user] & (earlier.time <= trained_until(manifest))
    earlier = earlier.where(~in_row)
    sessions: dict[str, list[str]] = defaultdict(list)
    users, items, _ = recent_items(earlier, serving.session_length)
    for user, item in zip(users[::-1], items[::-1], strict=True):
        sessions[log.users[user]].append(log.items[item])
    return {name: tuple(session) for name, session in sessions.items()}


def _has_row(log: EventLog, release: Path, serving: RecommenderServing) -> NDArray[np.bool_]:
    """Bool ``[users]``: users that have a row in the release."""
    if serving.users is None:
        return np.zeros(len(log.users), bool)
    table = KeyedTable.open(MappedFile(release / serving.users.file), serving.users)
    return np.array([table.lookup(user) is not None for user in log.users])


def _test_users(log: EventLog, items: Vocabulary, sessions: Mapping[str, tuple[str, ...]]) -> list[_TestUser]:
    numbers = [items.number(item) for item in log.items]
    pairs = np.unique(log.user.astype(np.int64) * len(log.items) + log.item)
    items_of: dict[int, list[int]] = defaultdict(list)
    for user, item in zip(*np.divmod(pairs, len(log.items)), strict=True):
        items_of[int(user)].append(int(item))
    users = []
    for user in np.flatnonzero(known_users(log)):
        relevant = [numbers[item] for item in items_of[int(user)]]
        truth = tuple(sorted(number for number in relevant if number is not None))
        name = log.users[int(user)]
        users.append(_TestUser(name, sessions.get(name, ()), truth, len(relevant)))
    return users


def _rest_of_sessions(
    recommender: Recommender, items: Vocabulary, log: EventLog, serving: RecommenderServing
) -> dict[str, Any] | None:
    """Metrics for the second half of sessions, given the first half, and without it; None without sessions.

    Items of the first half are relevant, and may be recommended, if the release weights a session's own items.
    """
    again = serving.shows_seen
    task = rest_of_session(log, min(serving.session_length, MAX_CLICKS), again=again).sample(SEED, MAX_TEST_USERS)
    if not len(task.users):
        return None
    queries = [
        Query(user=log.users[user], session=[log.items[item] for item in reversed(session)], n=DEPTH)
        for user, session in zip(task.users, task.sessions, strict=True)
    ]
    without_session = [replace(query, session=(), exclude=() if again else query.session) for query in queries]
    lists = {
        "larder": _lists(recommender, items, queries),
        "without_the_session": _lists(recommender, items, without_session),
    }
    numbers = [items.number(item) for item in log.items]
    known = [item for item, number in enumerate(numbers) if number is not None]
    columns = [number for number in numbers if number is not None]
    renumber = sp.csr_array((np.ones(len(known), np.int8), (known, columns)), shape=(len(numbers), len(items)))
    truth = (task.truth.astype(np.int8) @ renumber).astype(bool)
    metrics = bootstrap({name: by_user(hits(ranking, truth), task.relevant) for name, ranking in lists.items()}, SEED)
    return {
        "users": len(task.users),
        "metrics": metrics["larder"],
        "baselines": {"without_the_session": metrics["without_the_session"]},
    }


def _lists(recommender: Recommender, items: Vocabulary, queries: Sequence[Query]) -> NDArray[np.int64]:
    """int64 ``[queries, DEPTH]``: recommendations of the release; -1 at the end of shorter lists."""
    lists = np.full((len(queries), DEPTH), NOTHING, np.int64)
    for row, query in enumerate(queries):
        numbers = (items.number(item) for item in recommender.recommend(query).ids())
        known = [number for number in numbers if number is not None]
        lists[row, : len(known)] = known
    return lists


def _truth(users: Sequence[_TestUser], items: int) -> sp.csr_array:
    """Bool ``[users, items]``: relevant items."""
    ends = np.concatenate(([0], np.cumsum([len(user.truth) for user in users]))).astype(np.int64)
    columns = np.array([item for user in users for item in user.truth], np.int64)
    return sp.csr_array((np.ones(len(columns), bool), columns, ends), shape=(len(users), items))


def _dropped(audit: Mapping[str, int]) -> dict[str, int]:
    """Counts of rows that could not be read."""
    return {name: count for name, count in audit.items() if name not in _OTHER_COUNTS}
