"""Users and items without history, or with 1, 2, 5 or 10 known events, against popularity.

    python examples/complete_journey/convert.py ../shared/data/completejourney /tmp/complete-journey
    python benchmarks/recommender/cold_start.py /tmp/complete-journey

Takes a folder with the interactions.csv, items.csv and users.csv that an example's converter writes. What comes before
the test period (temporal_split) is fitted to; settings are chosen on the validation period before it. Markdown tables:
means, 95 % intervals bootstrapped over users, and differences paired by user.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.progress import Progress
from larder_training.recommender.affinity import affinities, event_strengths, presences, seen_pairs
from larder_training.recommender.baselines import WINDOWS
from larder_training.recommender.baselines import popularity as popular_since
from larder_training.recommender.catalogue import align
from larder_training.recommender.cold_items import fill_cold
from larder_training.recommender.content import ContentNeighbours
from larder_training.recommender.learner import ItemToItem, Material
from larder_training.recommender.linear import LinearModel
from larder_training.recommender.log import DAY, Log
from larder_training.recommender.metrics import Values, bootstrap, by_user, hits
from larder_training.recommender.model import unit, with_diagonal
from larder_training.recommender.options import RecommenderOptions
from larder_training.recommender.outputs import recent_items
from larder_training.recommender.profile_model import ProfileModel
from larder_training.recommender.ranking import rank, without
from larder_training.recommender.segments import segment_rows
from larder_training.recommender.split import known_users, temporal_split
from larder_training.recommender.train import Data, read

KNOWN: Final = (0, 1, 2, 5, 10)
FOLDS: Final = 5
DEPTH: Final = 20
METRICS: Final = ("recall@20", "ndcg@20", "mrr@20")
HALF_LIFE: Final = 90.0  # days, of what users have to do with items
REPEAT: Final = 0.1  # on the diagonal, as in Choices
DECAY: Final = 0.9  # a session's, as in Choices
MAX_USERS: Final = 2000

Scores = NDArray[np.float64]
Results = dict[str, Values]


@dataclass(frozen=True, slots=True, eq=False)
class Period:
    """What is known at ``now``, and what people did then until the period's end."""

    data: Data
    history: Log
    later: Log
    now: int

    @classmethod
    def of(cls, data: Data, now: int, end: int) -> "Period":
        return cls(data, data.log.between(0, now), data.log.between(now, end), now)

    def material(self, log: Log) -> Material:
        """Of a part of the history."""
        affinity = affinities(log, event_strengths(log, {}, self.now, HALF_LIFE))
        return Material(log, self.now, affinity, align(self.data.items, log.items))


def main() -> None:
    """Chooses on the validation period, measures on the test period, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--part", choices=("users", "items", "both"), default="both")
    parser.add_argument("--period", choices=("test", "validation"), default="test")
    options = parser.parse_args()
    folder = options.folder
    files = {name: folder / f"{name}.csv" for name in ("items", "users")}
    data = read(RecommenderOptions(folder / "interactions.csv", "shop", **files), Progress(quiet=True))
    split = temporal_split(data.log)
    validation = Period.of(data, split.validation, split.test)
    test = Period.of(data, split.test, split.end) if options.period == "test" else validation
    if options.part != "items":
        users(validation, test)
    if options.part != "users":
        items(validation, test)


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
SESSION_WEIGHTS: Final = (0.1, 0.3, 1.0, 3.0, 10.0)  # of the clicks, beside a source whose best item has 1


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """``log`` is what other users did; ``users`` are held out, ``recent`` their latest items, newest first."""

    period: Period
    log: Log
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
        return cls(period, log, model, found, recent, truth[found])

    def values(self, name: str, value: float, weight: float, n: int) -> Values:
        """Metrics of a source beside the clicks on each user's latest ``n`` items; all ten are left out of answers."""
        clicks = np.array([DECAY**k for k in range(n)])
        sessions = sp.csr_array(
            (
                np.tile(clicks, len(self.users)),
                np.concatenate([items[:n] for items in self.recent]),
                n * np.arange(len(self.users) + 1),
            ),
            shape=(len(self.users), len(self.log.items)),
        )
        scores = base(self, name, value) + weight * (sessions @ self.model.matrix).toarray()
        scores[np.repeat(np.arange(len(self.users)), max(KNOWN)), np.concatenate(self.recent)] = 0
        return measured(scores, self.truth)


@lru_cache(maxsize=FOLDS)
def base(fold: Fold, name: str, value: float) -> Scores:
    """``[users, items]``: a source's scores, each user's best item having 1."""
    scores = SOURCES[name][1](fold, value)
    return scores / np.maximum(scores.max(axis=1, keepdims=True), 1e-30)


def popular(fold: Fold, _: float) -> Scores:
    return np.repeat(popular_since(fold.log)[None], len(fold.users), axis=0)


def recently_popular(fold: Fold, days: float) -> Scores:
    return np.repeat(popular_since(fold.log, fold.period.now - int(days) * DAY)[None], len(fold.users), axis=0)


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
    return by_segment(fold, prior, fold.model.matrix)


def by_profile(fold: Fold, ridge: float) -> Scores:
    data = fold.period.data
    if data.profiles is None:
        raise SystemExit("users.csv holds no profiles: give the users' columns.")
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


def mean(folds: list[Fold], name: str, value: float, weight: float, known: Sequence[int] = KNOWN[1:]) -> float:
    """NDCG@20 over all folds' users and numbers of known items."""
    each = [fold.values(name, value, weight, n)["ndcg@20"] for fold in folds for n in known]
    return float(np.concatenate(each).mean())


def items(validation: Period, test: Period) -> None:
    """Items of which few events are known: by nature, or because all others of a random fifth are held back."""
    candidates = [(gamma, enough) for gamma in (0.5, 1.0, 2.0) for enough in (10.0, 20.0, 50.0)]
    shelf = Shelf.of(validation)
    few = {n: shelf.known(n) for n in (0, 5)}
    results = {each: shelf.ndcg(few, *each) for each in candidates}
    gamma, enough = max(candidates, key=lambda each: results[each])
    print(
        "chosen on the validation period: gamma", gamma, "enough", enough, {k: round(v, 4) for k, v in results.items()}
    )
    if test is not validation:
        shelf = Shelf.of(test)
    for n in KNOWN:
        log = shelf.known(n)
        report(f"a fifth of the items, {n} known events", shelf.values(log, shelf.held, gamma, enough))
    history = shelf.period.history
    whole = replace(shelf, content=content_of(shelf.period, history))
    counts = np.bincount(history.item, minlength=len(history.items))
    for n in KNOWN:
        report(f"all items with at most {n} known events", whole.values(history, counts <= n, gamma, enough))
    report("all items (what filling costs the others)", whole.values(history, counts >= 0, gamma, enough))


@dataclass(frozen=True, slots=True, eq=False)
class Shelf:
    """``held`` bool ``[items]`` are those whose events are held back, ``content`` was learnt without these events."""

    period: Period
    held: NDArray[np.bool_]
    content: sp.csr_array

    @classmethod
    def of(cls, period: Period) -> "Shelf":
        held = np.random.default_rng(1).random(len(period.history.items)) < 0.2
        return cls(period, held, content_of(period, period.history.where(~held[period.history.item])))

    def known(self, n: int) -> Log:
        """The history with the latest ``n`` events of each held-back item."""
        log = self.period.history
        newest = np.lexsort((-np.arange(len(log)), log.item))
        place = np.empty(len(log), np.int64)
        place[newest] = np.arange(len(log)) - np.searchsorted(log.item[newest], log.item[newest])
        return log.where(~self.held[log.item] | (place < n))

    def ndcg(self, logs: Mapping[int, Log], gamma: float, enough: float) -> float:
        """The mean over logs of held-back items of which little is known."""
        found = [self.values(log, self.held, gamma, enough, only=True)["content"]["ndcg@20"] for log in logs.values()]
        return float(np.mean([each.mean() for each in found]))

    def values(
        self, log: Log, candidates: NDArray[np.bool_], gamma: float, enough: float, *, only: bool = False
    ) -> Results:
        """Each system's metrics among the ``candidates``, for known users who then had one of them."""
        places = np.flatnonzero(candidates)
        truth = seen_pairs(self.period.later)[:, places]
        users = np.flatnonzero((np.diff(truth.indptr) > 0) & known_users(log))
        random = np.random.default_rng(2)
        users = np.sort(random.permutation(users)[:MAX_USERS])
        linear = linear_of(self.period, log)
        counts = np.bincount(log.item, minlength=len(log.items))
        filled = fill_cold(linear.matrix, self.content, counts, gamma, enough)
        history = linear.history[users]

        def by(matrix: sp.csr_array) -> Scores:
            found: Scores = (history @ matrix[:, places]).toarray()
            return found

        systems: dict[str, Callable[[], Scores]] = {
            "content": lambda: by(with_diagonal(filled, REPEAT)),
            "linear model alone": lambda: by(with_diagonal(linear.matrix, REPEAT)),
            "content neighbours alone": lambda: by(self.content),
            "popularity": lambda: np.repeat(popular_since(log)[None, places], len(users), axis=0),
            "random": lambda: np.zeros((len(users), len(places))),
        }
        ties = 1e-9 * random.random(len(places))  # what scores alike is in an order of chance
        chosen = list(systems)[: 1 if only else None]
        if not only:
            print(f"\n{len(places)} candidates, {truth.nnz} pairs to find")
        return {name: measured(systems[name]() + ties, truth[users]) for name in chosen}


@cache
def linear_of(period: Period, log: Log) -> ItemToItem:
    return LinearModel().fit(period.material(log))


def content_of(period: Period, log: Log) -> sp.csr_array:
    return ContentNeighbours().fit(period.material(log)).matrix


# Both ------------------------------------------------------------------------------------------------------------------


def measured(scores: Scores, truth: sp.csr_array) -> Values:
    lists = rank(lambda rows: scores[rows], len(scores), scores.shape[1], DEPTH)
    found = by_user(hits(lists, truth), np.diff(truth.indptr).astype(np.int64), (DEPTH,))
    return {metric: found[metric] for metric in METRICS}


def best(settings: Sequence[float], metric: Callable[[float], float]) -> float:
    """The setting with the largest metric; the first of equal ones."""
    return settings[int(np.argmax([metric(each) for each in settings]))]


def joined(parts: list[Values]) -> Values:
    return {metric: np.concatenate([part[metric] for part in parts]) for metric in METRICS}


def report(title: str, results: Results) -> None:
    """One table: means with intervals, and how far the first system is ahead in NDCG@20 and recall@20."""
    told = bootstrap(results, seed=0)
    print(f"\n**{title}** ({len(next(iter(results.values()))[METRICS[0]])} users)\n")
    print(f"| | {' | '.join(METRICS)} | first's lead in recall | in NDCG |\n|{' --- |' * (len(METRICS) + 3)}")
    for name, values in told.items():
        cells = [spread(values[metric]) for metric in METRICS]
        leads = [
            spread(values[metric]["difference"]) if "difference" in values[metric] else "" for metric in METRICS[:2]
        ]
        print(f"| {name} | {' | '.join([*cells, *leads])} |", flush=True)


def spread(value: Any) -> str:  # noqa: ANN401  # JSON: a mean and its interval
    low, high = value["interval"]
    return f"{value['mean']:.4f} [{low:.4f}, {high:.4f}]"


if __name__ == "__main__":
    main()
