"""Users by the number of their known items: profiles and clicks against popularity. Part of cold_start.py."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Final

import numpy as np
import scipy.sparse as sp
from cold_start_tables import HALF_LIFE, KNOWN, METRICS, REPEAT, Period, Scores, measured, report
from numpy.typing import NDArray

from larder_training.recommender.affinity import event_strengths, presences, seen_pairs
from larder_training.recommender.baselines import WINDOWS, popularity
from larder_training.recommender.learner import ItemToItem
from larder_training.recommender.linear import LinearModel
from larder_training.recommender.log import DAY, Log
from larder_training.recommender.metrics import Values
from larder_training.recommender.model import unit, with_diagonal
from larder_training.recommender.outputs import recent_items
from larder_training.recommender.profile_model import ProfileModel
from larder_training.recommender.ranking import without
from larder_training.recommender.segments import segment_rows

FOLDS: Final = 5
DECAY: Final = 0.9  # a session's, as in Choices


def users(validation: Period, test: Period) -> None:
    """Whole users are held out of the fit, a fifth at a time, and shown by their profile and latest items alone."""
    before = [Fold.of(validation, fold) for fold in range(FOLDS)]
    chosen: dict[str, tuple[float, float]] = {}
    for name, (settings, _) in SOURCES.items():
        value = best(settings, partial(mean, before, name, known=(0,), weight=0.0))
        weight = 0.0 if name in BASELINES else best(SESSION_WEIGHTS, partial(mean, before, name, value))
        chosen[name] = (value, weight)
    print("chosen on the validation period, value and weight of the clicks:", chosen)
    after = [Fold.of(test, fold) for fold in range(FOLDS)] if test is not validation else before
    for n in KNOWN:
        told = {name: joined([fold.values(name, value, w, n) for fold in after]) for name, (value, w) in chosen.items()}
        report(f"users with a profile, {n} known items", told)


BASELINES: Final = ("popularity", "recent popularity")
SESSION_WEIGHTS: Final = (0.3, 1.0, 3.0)  # of the clicks, beside a source whose best item has 1


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """``log`` is what other users did, with ``items``; ``users`` are held out, ``recent`` their latest items, newest
    first, and ``truth`` ``[users, all items]`` what they then had. Scores are of ``items`` alone: others have none.
    """

    period: Period
    log: Log
    items: NDArray[np.int64]
    model: ItemToItem
    users: NDArray[np.int64]
    recent: list[NDArray[np.int64]]
    truth: sp.csr_array

    @classmethod
    def of(cls, period: Period, fold: int) -> "Fold":
        """Held-out users have a profile, ten known items at least, and others in the period: these are the truth."""
        history, data = period.history, period.data
        held = np.random.default_rng(0).integers(0, FOLDS, len(history.users)) == fold
        log = history.where(~held[history.user])
        linear = LinearModel().fit(period.material(log))
        user, item, place = recent_items(history, max(KNOWN))
        enough = np.bincount(user, minlength=len(held)) == max(KNOWN)
        latest = sp.csr_array((np.ones(len(user), bool), (user, item)), shape=(len(held), len(history.items)))
        truth = without(seen_pairs(period.later), latest)
        found = np.flatnonzero(held & enough & (data.rows >= 0) & (np.diff(truth.indptr) > 0))
        order = np.lexsort((place, user))
        starts = np.searchsorted(user[order], found)
        recent = [item[order][start : start + max(KNOWN)] for start in starts]
        matrix = with_diagonal(linear.matrix, REPEAT)
        model = ItemToItem((matrix / unit(linear.history, matrix)).tocsr(), linear.history)
        return cls(period, log, np.unique(log.item), model, found, recent, truth[found].tocsr())

    def values(self, name: str, value: float, weight: float, n: int) -> Values:
        """Metrics of a source beside the clicks on each user's latest ``n`` items; all ten are left out of answers."""
        shape = (len(self.users), len(self.log.items))
        ends = np.arange(len(self.users) + 1)
        clicks = np.tile(DECAY ** np.arange(n), len(self.users))
        clicked = np.concatenate([items[:n] for items in self.recent])
        sessions = sp.csr_array((clicks, clicked, n * ends), shape=shape)
        scores = base(self, name, value)
        if n and weight:
            scores = scores + weight * (sessions @ self.model.matrix)[:, self.items].toarray()
        away = sp.csr_array(
            (np.ones(max(KNOWN) * len(self.users)), np.concatenate(self.recent), max(KNOWN) * ends), shape
        )
        shown = scores * (away[:, self.items].toarray() == 0)
        return measured(lambda rows: shown[rows], self.truth, self.items)


@lru_cache(maxsize=FOLDS)
def base(fold: Fold, name: str, value: float) -> Scores:
    """``[users, fold's items]``: a source's scores, each user's best item having 1."""
    scores = SOURCES[name][1](fold, value)[:, fold.items]
    scaled: Scores = scores / np.maximum(scores.max(axis=1, keepdims=True), 1e-30)
    return scaled


def popular(fold: Fold, _: float) -> Scores:
    """By different users, ever."""
    return np.repeat(popularity(fold.log)[None], len(fold.users), axis=0)


def recently_popular(fold: Fold, days: float) -> Scores:
    """By different users, over these days."""
    return np.repeat(popularity(fold.log, fold.period.now - int(days) * DAY)[None], len(fold.users), axis=0)


def everybody(fold: Fold, _: float) -> Scores:
    """The mean of all users' rows."""
    mean_history = np.asarray(fold.model.history.sum(axis=0))[None]
    return np.repeat(np.asarray(mean_history @ fold.model.matrix), len(fold.users), axis=0)


def by_segment(fold: Fold, prior: float, model: sp.csr_array | None = None) -> Scores:
    """The popular items of the most specific segment; by ``model`` where there is one."""
    data, material = fold.period.data, fold.period.material(fold.log)
    segments = data.segments(fold.log)
    present = presences(fold.log, event_strengths(fold.log, {}, fold.period.now, HALF_LIFE))
    rows = segment_rows(present if model is None else material.affinity, segments, prior, model=model)
    found: Scores = rows.matrix(len(fold.log.items))[segments.of_profile[data.rows[fold.users]]].toarray()
    return found


def by_segment_and_model(fold: Fold, prior: float) -> Scores:
    """What the linear model foretells the most specific segment's users."""
    return by_segment(fold, prior, fold.model.matrix)


def by_profile(fold: Fold, ridge: float) -> Scores:
    """Ridge regression on the profile."""
    data = fold.period.data
    if data.profiles is None:
        raise SystemExit("There are no profiles: give users.csv columns beside USER_ID.")
    scorer = ProfileModel(ridge).fit(fold.period.material(fold.log), data.profiles, data.rows, fold.model)
    return scorer.scores_of_profiles(data.rows[fold.users]).astype(np.float64)


SOURCES: Final[Mapping[str, tuple[Sequence[float], Callable[[Fold, float], Scores]]]] = {
    "profile model": ((30.0, 100.0, 300.0, 1000.0, 3000.0), by_profile),
    "segments of the linear model": ((30.0, 100.0, 300.0, 1000.0), by_segment_and_model),
    "segments": ((30.0, 100.0, 300.0, 1000.0, 10_000.0), by_segment),
    "everybody by the linear model": ((0.0,), everybody),
    "popularity": ((0.0,), popular),
    "recent popularity": (tuple(map(float, WINDOWS)), recently_popular),
}


def mean(folds: list[Fold], name: str, value: float, weight: float, known: Sequence[int] = (1, 5)) -> float:
    """NDCG@20 over all folds' users, and over these numbers of known items."""
    each = [fold.values(name, value, weight, n)["ndcg@20"] for fold in folds for n in known]
    return float(np.concatenate(each).mean())


def best(settings: Sequence[float], metric: Callable[[float], float]) -> float:
    """The setting with the largest metric; the first of equal ones."""
    return settings[int(np.argmax([metric(each) for each in settings]))]


def joined(parts: list[Values]) -> Values:
    """The users of all parts."""
    return {metric: np.concatenate([part[metric] for part in parts]) for metric in METRICS}
