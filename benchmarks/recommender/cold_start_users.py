"""Users by the number of their known items: profiles and clicks against popularity. Part of cold_start.py."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import scipy.sparse as sp
from cold_start_tables import HALF_LIFE, KNOWN, METRICS, REPEAT, Period, Scores, measured, report
from numpy.typing import NDArray
from profile_ridge import ProfileModel

from larder_training.numerics.sparse import with_diagonal
from larder_training.numerics.topk import without
from larder_training.recommender.data.event_log import DAY, EventLog
from larder_training.recommender.data.interaction_matrix import (
    event_strengths,
    interaction_matrix,
    presence_matrix,
    seen_pairs,
)
from larder_training.recommender.data.user_sequences import recent_items
from larder_training.recommender.ensemble.fitted import unit
from larder_training.recommender.evaluation.baselines import popularity
from larder_training.recommender.metrics.ranking import Values
from larder_training.recommender.models.base import ItemToItem
from larder_training.recommender.models.segment_popularity import segment_rows

FOLDS: Final = 5
DECAY: Final = 0.9  # a session's, as in Hyperparameters


def users(validation: Period, test: Period) -> None:
    """Whole users are held out of the fit, a fifth at a time, and shown by their profile and latest items alone."""
    before = [Fold.of(validation, fold) for fold in range(FOLDS)]
    chosen = {name: choose(before, name) for name in SOURCES}
    for name, setting in chosen.items():
        print(f"validation NDCG@20 without known items {mean(before, name, setting, (0,)):.4f}: {name}, {setting}")
    after = [Fold.of(test, fold) for fold in range(FOLDS)] if test is not validation else before
    for n in KNOWN:
        told = {name: joined([fold.values(name, each, n) for fold in after]) for name, each in chosen.items()}
        report(f"users with a profile, {n} known items", told)


class Setting(NamedTuple):
    """``prior`` users, the days by which ages count half (of recent popularity: that count at all), and the weight of
    the clicks beside a source whose best item has 1.
    """

    prior: float = 300.0
    days: float = 90.0
    clicks: float = 0.0


GRID: Final[Mapping[str, Sequence[float]]] = {
    "days": (7.0, 30.0, 90.0),
    "prior": (100.0, 300.0, 1000.0, 3000.0),
    "clicks": (1.0, 3.0, 10.0),
}


def choose(folds: "list[Fold]", name: str) -> Setting:
    """One setting after the other: by NDCG@20 without any known item, and the clicks' weight by that with 1 and 5."""
    setting = Setting()
    for field in SOURCES[name][0]:
        known = (1, 5) if field == "clicks" else (0,)
        tried = [setting._replace(**{field: value}) for value in GRID[field]]
        metrics = [mean(folds, name, each, known) for each in tried]
        setting = tried[int(np.argmax(metrics))]
    return setting


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """``log`` is what other users did, with ``items``; ``users`` are held out, ``recent`` their latest items, newest
    first, and ``truth`` ``[users, all items]`` what they then had. Scores are of ``items`` alone: others have none.
    """

    period: Period
    log: EventLog
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
        linear = period.linear(log)
        user, item, place = recent_items(history, max(KNOWN))
        enough = np.bincount(user, minlength=len(held)) == max(KNOWN)
        latest = sp.csr_array((np.ones(len(user), bool), (user, item)), shape=(len(held), len(history.items)))
        truth = without(seen_pairs(period.later), latest)
        found = np.flatnonzero(held & enough & (data.rows >= 0) & (np.diff(truth.indptr) > 0))
        order = np.lexsort((place, user))
        starts = np.searchsorted(user[order], found)
        recent = [item[order][start : start + max(KNOWN)] for start in starts]
        matrix = with_diagonal(linear.matrix, np.full(linear.matrix.shape[0], REPEAT))
        model = ItemToItem((matrix / unit(linear.history, matrix)).tocsr(), linear.history)
        return cls(period, log, np.unique(log.item), model, found, recent, truth[found].tocsr())

    @property
    def known(self) -> int:
        """How many users the model knows."""
        return len(np.unique(self.log.user))

    def values(self, name: str, setting: Setting, n: int) -> Values:
        """Metrics of a source beside the clicks on each user's latest ``n`` items; all ten are left out of answers."""
        shape = (len(self.users), len(self.log.items))
        ends = np.arange(len(self.users) + 1)
        clicks = np.tile(DECAY ** np.arange(n), len(self.users))
        clicked = np.concatenate([items[:n] for items in self.recent])
        sessions = sp.csr_array((clicks, clicked, n * ends), shape=shape)
        scores = base(self, name, setting._replace(clicks=0.0))
        if n and setting.clicks:
            scores = scores + setting.clicks * (sessions @ self.model.matrix)[:, self.items].toarray()
        away = sp.csr_array(
            (np.ones(max(KNOWN) * len(self.users)), np.concatenate(self.recent), max(KNOWN) * ends), shape
        )
        shown = scores * (away[:, self.items].toarray() == 0)
        return measured(lambda rows: shown[rows], self.truth, self.items)


@lru_cache(maxsize=FOLDS)
def base(fold: Fold, name: str, setting: Setting) -> Scores:
    """``[users, fold's items]``: a source's scores, each user's best item having 1."""
    scores = SOURCES[name][1](fold, setting)[:, fold.items]
    scaled: Scores = scores / np.maximum(scores.max(axis=1, keepdims=True), 1e-30)
    return scaled


def popular(fold: Fold, _: Setting) -> Scores:
    """By different users, ever."""
    return np.repeat(popularity(fold.log)[None], len(fold.users), axis=0)


def recently_popular(fold: Fold, setting: Setting) -> Scores:
    """By different users, over these days."""
    since = fold.period.now - int(setting.days) * DAY
    return np.repeat(popularity(fold.log, since)[None], len(fold.users), axis=0)


def histories(fold: Fold, setting: Setting) -> ItemToItem:
    """What other users had, newer events counting more, and the linear model."""
    strengths = event_strengths(fold.log, {}, fold.period.now, setting.days)
    return ItemToItem(fold.model.matrix, interaction_matrix(fold.log, strengths))


def everybody(fold: Fold, setting: Setting) -> Scores:
    """The mean of all users' rows."""
    model = histories(fold, setting)
    total = np.asarray(model.history.sum(axis=0))[None]
    return np.repeat(np.asarray(total @ model.matrix), len(fold.users), axis=0)


def by_segment(fold: Fold, setting: Setting) -> Scores:
    """What the most specific segment's users had."""
    strengths = event_strengths(fold.log, {}, fold.period.now, setting.days)
    return of_segments(fold, setting, presence_matrix(fold.log, strengths), None)


def by_segment_and_model(fold: Fold, setting: Setting) -> Scores:
    """What the linear model foretells the most specific segment's users."""
    model = histories(fold, setting)
    return of_segments(fold, setting, model.history, model.matrix)


def of_segments(fold: Fold, setting: Setting, history: sp.csr_array, model: sp.csr_array | None) -> Scores:
    """The rows of a segments table."""
    data = fold.period.data
    segments = data.segments(fold.log)
    rows = segment_rows(history, segments, setting.prior, model=model).matrix(len(fold.log.items))
    found: Scores = rows[segments.of_profile[data.rows[fold.users]]].toarray()
    return found


def by_profile(fold: Fold, setting: Setting) -> Scores:
    """Ridge regression on the profile."""
    data = fold.period.data
    if data.profiles is None:
        raise SystemExit("There are no profiles: give users.csv columns beside USER_ID.")
    training_data = fold.period.training_data(fold.log)
    scorer = ProfileModel(setting.prior).fit(training_data, data.profiles, data.rows, histories(fold, setting))
    return scorer.scores_of_profiles(data.rows[fold.users]).astype(np.float64)


def by_profile_beside_trend(fold: Fold, setting: Setting) -> Scores:
    """How a profile differs from everybody in the long run, beside what everybody does lately."""
    trend, long = everybody(fold, setting), everybody(fold, setting._replace(days=HALF_LIFE))
    apart = by_profile(fold, setting._replace(days=HALF_LIFE)) * fold.known - long
    both: Scores = trend / trend.sum(axis=1, keepdims=True) + apart / long.sum(axis=1, keepdims=True)
    return both


SOURCES: Final[Mapping[str, tuple[Sequence[str], Callable[[Fold, Setting], Scores]]]] = {
    "profile model": (("days", "prior", "clicks"), by_profile),
    "profile model beside the trend": (("days", "prior", "clicks"), by_profile_beside_trend),
    "segments of the linear model": (("days", "prior", "clicks"), by_segment_and_model),
    "segments": (("days", "prior", "clicks"), by_segment),
    "everybody by the linear model": (("days", "clicks"), everybody),
    "popularity": ((), popular),
    "recent popularity": (("days",), recently_popular),
}


def mean(folds: list[Fold], name: str, setting: Setting, known: Sequence[int]) -> float:
    """NDCG@20 over all folds' users, and over these numbers of known items."""
    each = [fold.values(name, setting, n)["ndcg@20"] for fold in folds for n in known]
    return float(np.concatenate(each).mean())


def joined(parts: list[Values]) -> Values:
    """The users of all parts."""
    return {metric: np.concatenate([part[metric] for part in parts]) for metric in METRICS}
