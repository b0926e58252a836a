"""Measures any release on interactions that it has not seen, through the code that serves it."""

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
from larder_training.io.inputs import Given, opened
from larder_training.numerics.topk import NOTHING
from larder_training.recommender.config.options import Signals
from larder_training.recommender.data.event_log import Log, known_users
from larder_training.recommender.data.feedback import counted, with_signals
from larder_training.recommender.data.interactions import read_interactions
from larder_training.recommender.data.user_sequences import recent_items
from larder_training.recommender.metrics.ranking import DEPTH, bootstrap, by_user, coverage, headline, hits
from larder_training.recommender.splits.tasks import MAX_TEST_USERS, rest_of_session
from larder_training.release.loader import open_tables, open_vocabulary

SEED: Final = 0
_NOT_READING: Final = frozenset(
    {"rows", "used", "below_threshold", "not_in_catalogue", "stray_times", "bots", "bot_users"}
)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A user, the items of his history (newest last), and what he did then: known items' numbers, and all items."""

    user: str
    session: tuple[str, ...]
    truth: tuple[int, ...]
    relevant: int


def evaluate(release_folder: Path, interactions: Given, history: Given | None = None) -> dict[str, Any]:
    """The release's ranking metrics on ``interactions``, with 95 % intervals, against popularity on the same users.

    Each user of ``interactions`` is asked for once, as of before them; every item that he then had to do with
    counts, those that the release does not know as missed; returns, poor ratings and what its training's thresholds
    left out do not.
    Events up to the end of the release's own training data are left out and counted, unless the manifest does not
    tell that end. ``history``: events before ``interactions``. Those that the release has not seen (later than its
    training, or of users whom it has no row for) make each user's session; what is in it may be recommended again
    where the release was made to repeat. ``sessions`` holds what the first half of each user's latest session in
    ``interactions`` says about its second half. Raises InvalidRequest where no interaction is left, and InvalidManifest
    or InvalidTable where the release cannot be read.
    """
    manifest, serving = open_release(release_folder)
    with opened(interactions) as files:
        log, audit = read_interactions(files, order="time" if _has_times(manifest) else "file")
    later = log.where(log.time > trained_until(manifest))
    of_note = later.where(_counted(manifest, later))
    fresh = with_signals(of_note, _signals(manifest, log)).wanted()
    if not len(fresh):
        raise InvalidRequest(
            f"all {len(log)} events of {files.name} were there when the release was trained, are returns, or do not "
            "count by its thresholds: give later ones."
        )
    recommender, items = open_tables(release_folder, serving), open_vocabulary(release_folder, serving)
    asked = _asked(fresh, items, _sessions(history, fresh, release_folder, manifest))
    repeats = repeats_allowed(manifest)
    personal = [Query(user=each.user, session=each.session, include_seen=repeats, n=DEPTH) for each in asked]
    shown = {
        "larder": _lists(recommender, items, personal),
        "popularity": _lists(recommender, items, [Query(n=DEPTH)]).repeat(len(asked), axis=0),
    }
    truth = _truth(asked, len(items))
    relevant = np.array([each.relevant for each in asked], np.int64)
    told = bootstrap({name: by_user(hits(ranking, truth), relevant) for name, ranking in shown.items()}, SEED)
    found = {
        "model": manifest.model,
        "release": manifest.release,
        "users": len(asked),
        "relevant_items": int(relevant.sum()),
        "unknown_items": int(relevant.sum()) - int(truth.nnz),
        "events": {
            "used": len(fresh),
            "already_trained_on": len(log) - len(later),
            "below_threshold": len(later) - len(of_note),
            "against_their_item": len(of_note) - len(fresh),
            **_dropped(audit.document()),
        },
        "metrics": told["larder"],
        "baselines": {"popularity": told["popularity"]},
        "coverage": {name: round(coverage(ranking, len(items)), 6) for name, ranking in shown.items()},
    }
    sessions = _rest_of_sessions(recommender, items, fresh, serving) if _has_times(manifest) else None
    return {**found, **({"sessions": sessions} if sessions else {}), "headline": headline(found)}


def open_release(folder: Path) -> tuple[Manifest, RecommenderServing]:
    """The manifest of a recommender's release folder, and its serving section.

    Raises InvalidRequest where ``folder`` is no release, or one of another kind, and InvalidManifest where its manifest
    is broken.
    """
    manifest = parse(_read(folder / MANIFEST))
    if not isinstance(manifest.serving, RecommenderServing):
        raise InvalidRequest(f"{manifest.model} is a {manifest.kind}: evaluate it with --images, not --interactions.")
    return manifest, manifest.serving


def trained_until(manifest: Manifest) -> int:
    """Epoch seconds of the last event that the release was trained on; -1 where its manifest does not tell."""
    data = manifest.training.get("data")
    last = data.get("last") if isinstance(data, Mapping) else None
    return last if isinstance(last, int) else -1


def _has_times(manifest: Manifest) -> bool:
    """Whether the release was trained on events with times."""
    return manifest.training.get("order", "time") == "time"


def _signals(manifest: Manifest, log: Log) -> Signals:
    """What the release was told of single events, as far as this log has such types."""
    told = manifest.training.get("signals")
    told = told if isinstance(told, Mapping) else {}
    known = set(log.events)
    scales = {name: (float(worst), float(best)) for name, (worst, best) in told.get("scales", {}).items()}
    return Signals(
        tuple(name for name in told.get("returns", ()) if name in known),
        {name: scale for name, scale in scales.items() if name in known},
    )


def _counted(manifest: Manifest, log: Log) -> NDArray[np.bool_]:
    """Which events the release's training would have counted, by their types' weights and thresholds."""
    params, thresholds = (manifest.training.get(name) for name in ("hyperparameters", "event_thresholds"))
    weights = params.get("event_weights") if isinstance(params, Mapping) else None
    return counted(log, *(each if isinstance(each, Mapping) else {} for each in (weights, thresholds)))


def repeats_allowed(manifest: Manifest) -> bool:
    """Whether the release was made to recommend again what a user had; True where its manifest does not tell."""
    params = manifest.training.get("hyperparameters")
    return not isinstance(params, Mapping) or params.get("recommend_seen") is not False


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidRequest(
            f"{path} cannot be read ({error.strerror}): give the folder that `larder train` printed."
        ) from error


def _sessions(history: Given | None, fresh: Log, release: Path, manifest: Manifest) -> Mapping[str, tuple[str, ...]]:
    """Each user's last items of the history before the interactions begin, newest last; what the release's own row of
    the user was made from is left out.
    """
    serving = manifest.serving
    if history is None or not isinstance(serving, RecommenderServing):
        return {}
    log, _ = read_interactions(history)
    earlier = log.between(int(log.time[0]), int(fresh.time[0]))
    earlier = earlier.where(_counted(manifest, earlier))
    earlier = earlier.where((earlier.time > trained_until(manifest)) | ~_with_row(log, release, serving)[earlier.user])
    sessions: dict[str, list[str]] = defaultdict(list)
    user, item, _ = recent_items(earlier, serving.session_length)
    for each, one in zip(user[::-1], item[::-1], strict=True):
        sessions[log.users[each]].append(log.items[one])
    return {name: tuple(found) for name, found in sessions.items()}


def _with_row(log: Log, release: Path, serving: RecommenderServing) -> NDArray[np.bool_]:
    """Bool ``[users]``: whom the release has a row for."""
    if serving.users is None:
        return np.zeros(len(log.users), bool)
    users = KeyedTable.open(MappedFile(release / serving.users.file), serving.users)
    return np.array([users.lookup(user) is not None for user in log.users])


def _asked(log: Log, items: Vocabulary, sessions: Mapping[str, tuple[str, ...]]) -> list[_Asked]:
    numbers = [items.number(item) for item in log.items]
    pairs = np.unique(log.user.astype(np.int64) * len(log.items) + log.item)
    found: dict[int, list[int]] = defaultdict(list)
    for user, item in zip(*np.divmod(pairs, len(log.items)), strict=True):
        found[int(user)].append(int(item))
    asked = []
    for user in np.flatnonzero(known_users(log)):
        known = [numbers[item] for item in found[int(user)]]
        truth = tuple(sorted(number for number in known if number is not None))
        name = log.users[int(user)]
        asked.append(_Asked(name, sessions.get(name, ()), truth, len(known)))
    return asked


def _rest_of_sessions(
    recommender: Recommender, items: Vocabulary, log: Log, serving: RecommenderServing
) -> dict[str, Any] | None:
    """What the release foretells of sessions, given their first halves, against its answers without them; what was
    clicked already counts, and is shown, where the release was made for people who come back. None without sessions.
    """
    again = serving.shows_seen
    task = rest_of_session(log, min(serving.session_length, MAX_CLICKS), again=again).sample(SEED, MAX_TEST_USERS)
    if not len(task.users):
        return None
    asked = [
        Query(user=log.users[user], session=[log.items[item] for item in reversed(session)], n=DEPTH)
        for user, session in zip(task.users, task.sessions, strict=True)
    ]
    deaf = [replace(query, session=(), exclude=() if again else query.session) for query in asked]
    shown = {
        "larder": _lists(recommender, items, asked),
        "without_the_session": _lists(recommender, items, deaf),
    }
    numbers = [items.number(item) for item in log.items]
    known = [place for place, number in enumerate(numbers) if number is not None]
    columns = [number for number in numbers if number is not None]
    renumber = sp.csr_array((np.ones(len(known), np.int8), (known, columns)), shape=(len(numbers), len(items)))
    truth = (task.truth.astype(np.int8) @ renumber).astype(bool)
    told = bootstrap({name: by_user(hits(ranking, truth), task.relevant) for name, ranking in shown.items()}, SEED)
    return {
        "users": len(task.users),
        "metrics": told["larder"],
        "baselines": {"without_the_session": told["without_the_session"]},
    }


def _lists(recommender: Recommender, items: Vocabulary, queries: Sequence[Query]) -> NDArray[np.int64]:
    """Int64 ``[queries, DEPTH]``: what the release answers."""
    lists = np.full((len(queries), DEPTH), NOTHING, np.int64)
    for row, query in enumerate(queries):
        numbers = (items.number(item) for item in recommender.recommend(query).ids())
        found = [number for number in numbers if number is not None]
        lists[row, : len(found)] = found
    return lists


def _truth(asked: Sequence[_Asked], items: int) -> sp.csr_array:
    ends = np.concatenate(([0], np.cumsum([len(each.truth) for each in asked]))).astype(np.int64)
    columns = np.array([item for each in asked for item in each.truth], np.int64)
    return sp.csr_array((np.ones(len(columns), bool), columns, ends), shape=(len(asked), items))


def _dropped(audit: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in audit.items() if name not in _NOT_READING}
