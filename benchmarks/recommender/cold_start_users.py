"""Users by number of known items: profiles and clicks compared with popularity. Part of cold_start.py."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import scipy.sparse as sp
from cold_start_tables import HALF_LIFE, KNOWN, METRICS, REPEAT, Period, Scores, metrics_of, report
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
DECAY: Final = 0.9  # of a session, as in Hyperparameters


def users(validation: Period, test: Period) -> None:
    """Users are held out of the fit, a fifth at a time; only their profile and latest items are known."""
    before = [Fold.of(validation, fold) for fold in range(FOLDS)]
    chosen = {name: choose(before, name) for name in SOURCES}
    for name, setting in chosen.items():
        print(f"validation NDCG@20 without known items {mean(before, name, setting, (0,)):.4f}: {name}, {setting}")
    after = [Fold.of(test, fold) for fold in range(FOLDS)] if test is not validation else before
    for n in KNOWN:
        results = {name: joined([fold.values(name, setting, n) for fold in after]) for name, setting in chosen.items()}
        report(f"users with a profile, {n} known items", results)


class Setting(NamedTuple):
    """Settings of a system.

    Attributes:
        prior: Smoothing, in users.
        days: Half-life; of recent popularity, its window.
        clicks: Weight of the clicks, relative to a best score of 1.
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
    """Tunes one setting after the other by NDCG@20 without known items; the weight of clicks with 1 and 5 items."""
    setting = Setting()
    for field in SOURCES[name][0]:
        known = (1, 5) if field == "clicks" else (0,)
        candidates = [setting._replace(**{field: value}) for value in GRID[field]]
        metrics = [mean(folds, name, candidate, known) for candidate in candidates]
        setting = candidates[int(np.argmax(metrics))]
    return setting


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """A fold of held-out users.

    Attributes:
        period: The evaluated period.
        log: Events of the other users.
        items: Items of ``log``; only these have scores.
        model: EASE, fitted to ``log``.
        users: Held-out users.
        recent: Latest items of each held-out user, newest first.
        truth: bool ``[users, all items]``: relevant items.
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
        """Held-out users have a profile, at least ten known items, and new items in the period, which are relevant."""
        history, data = period.history, period.data
        held = np.random.default_rng(0).integers(0, FOLDS, len(history.users)) == fold
        log = history.where(~held[history.user])
        linear = period.linear(log)
        user, item, age = recent_items(history, max(KNOWN))
        enough = np.bincount(user, minlength=len(held)) == max(KNOWN)
        latest = sp.csr_array((np.ones(len(user), bool), (user, item)), shape=(len(held), len(history.items)))
        truth = without(seen_pairs(period.later), latest)
        users = np.flatnonzero(held & enough & (data.rows >= 0) & (np.diff(truth.indptr) > 0))
        order = np.lexsort((age, user))
        starts = np.searchsorted(user[order], users)
        recent = [item[order][start : start + max(KNOWN)] for start in starts]
        matrix = with_diagonal(linear.matrix, np.full(linear.matrix.shape[0], REPEAT))
        model = ItemToItem((matrix / unit(linear.history, matrix)).tocsr(), linear.history)
        return cls(period, log, np.unique(log.item), model, users, recent, truth[users].tocsr())

    @property
    def known(self) -> int:
        """Number of users that the model was fitted to."""
        return len(np.unique(self.log.user))

    def values(self, name: str, setting: Setting, n: int) -> Values:
        """Metrics of a system plus clicks on each user's latest ``n`` items; their latest ten are not recommended."""
        shape = (len(self.users), len(self.log.items))
        ends = np.arange(len(self.users) + 1)
        clicks = np.tile(DECAY ** np.arange(n), len(self.users))
        clicked = np.concatenate([items[:n] for items in self.recent])
        sessions = sp.csr_array((clicks, clicked, n * ends), shape=shape)
        scores = base(self, name, setting._replace(clicks=0.0))
        if n and setting.clicks:
            scores = scores + setting.clicks * (sessions @ self.model.matrix)[:, self.items].toarray()
        latest = sp.csr_array(
            (np.ones(max(KNOWN) * len(self.users)), np.concatenate(self.recent), max(KNOWN) * ends), shape
        )
        visible = scores * (latest[:, self.items].toarray() == 0)
        return metrics_of(lambda rows: visible[rows], self.truth, self.items)


@lru_cache(maxsize=FOLDS)
def base(fold: Fold, name: str, setting: Setting) -> Scores:
    """``[users, items of the fold]``: scores of a system, divided by each user's best."""
    scores = SOURCES[name][1](fold, setting)[:, fold.items]
    scaled: Scores = scores / np.maximum(scores.max(axis=1, keepdims=True), 1e-30)
    return scaled


def popular(fold: Fold, _: Setting) -> Scores:
    """Number of distinct users."""
    return np.repeat(popularity(fold.log)[None], len(fold.users), axis=0)


def recently_popular(fold: Fold, setting: Setting) -> Scores:
    """Number of distinct users within a window of days."""
    since = fold.period.now - int(setting.days) * DAY
    return np.repeat(popularity(fold.log, since)[None], len(fold.users), axis=0)


def histories(fold: Fold, setting: Setting) -> ItemToItem:
    """Decayed events of the other users, and EASE."""
    strengths = event_strengths(fold.log, {}, fold.period.now, setting.days)
    return ItemToItem(fold.model.matrix, interaction_matrix(fold.log, strengths))


def average_user(fold: Fold, setting: Setting) -> Scores:
    """The mean of all users' rows."""
    model = histories(fold, setting)
    total = np.asarray(model.history.sum(axis=0))[None]
    return np.repeat(np.asarray(total @ model.matrix), len(fold.users), axis=0)


def by_segment(fold: Fold, setting: Setting) -> Scores:
    """Popularity in the most specific segment."""
    strengths = event_strengths(fold.log, {}, fold.period.now, setting.days)
    return of_segments(fold, setting, presence_matrix(fold.log, strengths), None)


def by_segment_and_model(fold: Fold, setting: Setting) -> Scores:
    """EASE's mean prediction for the users of the most specific segment."""
    model = histories(fold, setting)
    return of_segments(fold, setting, model.history, model.matrix)


def of_segments(fold: Fold, setting: Setting, history: sp.csr_array, model: sp.csr_array | None) -> Scores:
    """Rows of a segments table."""
    data = fold.period.data
    segments = data.segments(fold.log)
    rows = segment_rows(history, segments, setting.prior, model=model).matrix(len(fold.log.items))
    scores: Scores = rows[segments.of_profile[data.rows[fold.users]]].toarray()
    return scores


def by_profile(fold: Fold, setting: Setting) -> Scores:
    """Ridge regression on the profile."""
    data = fold.period.data
    if data.profiles is None:
        raise SystemExit("users.csv has no profile columns: add columns to USER_ID.")
    training_data = fold.period.training_data(fold.log)
    scorer = ProfileModel(setting.prior).fit(training_data, data.profiles, data.rows, histories(fold, setting))
    return scorer.scores_of_profiles(data.rows[fold.users]).astype(np.float64)


def by_profile_plus_trend(fold: Fold, setting: Setting) -> Scores:
    """The difference of a profile from all users over a long time, plus the recent mean of all users."""
    trend, long = average_user(fold, setting), average_user(fold, setting._replace(days=HALF_LIFE))
    difference = by_profile(fold, setting._replace(days=HALF_LIFE)) * fold.known - long
    both: Scores = trend / trend.sum(axis=1, keepdims=True) + difference / long.sum(axis=1, keepdims=True)
    return both


SOURCES: Final[Mapping[str, tuple[Sequence[str], Callable[[Fold, Setting], Scores]]]] = {
    "profile model": (("days", "prior", "clicks"), by_profile),
    "profile model plus trend": (("days", "prior", "clicks"), by_profile_plus_trend),
    "segments of the linear model": (("days", "prior", "clicks"), by_segment_and_model),
    "segments": (("days", "prior", "clicks"), by_segment),
    "all users by the linear model": (("days", "clicks"), average_user),
    "popularity": ((), popular),
    "recent popularity": (("days",), recently_popular),
}


def mean(folds: list[Fold], name: str, setting: Setting, known: Sequence[int]) -> float:
    """Mean NDCG@20 over the users of all folds and these numbers of known items."""
    values = [fold.values(name, setting, n)["ndcg@20"] for fold in folds for n in known]
    return float(np.concatenate(values).mean())


def joined(parts: list[Values]) -> Values:
    """Metrics of the users of all parts."""
    return {metric: np.concatenate([part[metric] for part in parts]) for metric in METRICS}
