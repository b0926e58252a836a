"""Measures any release on interactions that it has not seen, through the code that serves it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder.errors import InvalidRequest
from larder.manifest import Manifest, parse
from larder.names import MANIFEST
from larder.recommender import Query, Recommender
from larder.serving import RecommenderServing
from larder.tables import KeyedTable, MappedFile
from larder.vocabulary import Vocabulary
from larder_training.recommender.files import Given, opened
from larder_training.recommender.interactions import read_interactions
from larder_training.recommender.log import Log
from larder_training.recommender.metrics import DEPTH, bootstrap, by_user, coverage, headline, hits
from larder_training.recommender.options import Signals
from larder_training.recommender.outputs import recent_items
from larder_training.recommender.probes import open_tables, open_vocabulary
from larder_training.recommender.ranking import NOTHING
from larder_training.recommender.signals import with_signals
from larder_training.recommender.split import known_users

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
    counts, those that the release does not know as missed; returns and poor ratings do not, as in its training.
    Events up to the end of the release's own training data are left out and counted, unless the manifest does not
    tell that end. ``history``: events before ``interactions``. Those that the release has not seen (later than its
    training, or of users whom it has no row for) make each user's session; what is in it may be recommended again
    where the release was made to repeat. Raises InvalidRequest where no interaction is left, and InvalidManifest or
    InvalidTable where the release cannot be read.
    """
    manifest, serving = open_release(release_folder)
    with opened(interactions) as files:
        log, audit = read_interactions(files)
    later = log.where(log.time > trained_until(manifest))
    fresh = with_signals(later, _signals(manifest, log)).wanted()
    if not len(fresh):
        raise InvalidRequest(
            f"all {len(log)} events of {files.name} were there when the release was trained, or are returns: "
            "give later ones."
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
            "against_their_item": len(later) - len(fresh),
            **_dropped(audit.document()),
        },
        "metrics": told["larder"],
        "baselines": {"popularity": told["popularity"]},
        "coverage": {name: round(coverage(ranking, len(items)), 6) for name, ranking in shown.items()},
    }
    return {**found, "headline": headline(found)}


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


def repeats_allowed(manifest: Manifest) -> bool:
    """Whether the release was made to recommend again what a user had; True where its manifest does not tell."""
    choices = manifest.training.get("choices")
    return not isinstance(choices, Mapping) or choices.get("repeats") is not False


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
