"""The test: what the chosen model would have answered at the cut-off, against what people did afterwards."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from larder_training.recommender.data.event_log import DAY, Log
from larder_training.recommender.ensemble.fitted import FittedEnsemble
from larder_training.recommender.evaluation.baselines import had_by, own_again, popularity
from larder_training.recommender.evaluation.compare_release import ask
from larder_training.recommender.evaluation.serving_formula import ServingFormula, fixed, lists, segment_lists
from larder_training.recommender.metrics.by_group import by_history, by_segment, diversity
from larder_training.recommender.metrics.ranking import DEPTH, bootstrap, by_user, coverage, headline, hits, novelty
from larder_training.recommender.models.segment_popularity import Segments, segment_rows
from larder_training.recommender.splits.tasks import MAX_TEST_USERS, Task, next_items, of_event, rest_of_session, unseen

CHAMPION: Final = "release_before"
Lists = NDArray[np.int64]
Document = dict[str, Any]  # Any: a section of the manifest, JSON


@dataclass(frozen=True, slots=True, eq=False)
class OfflineTest:
    """A model fitted to ``history`` (all events before ``now``), and the ``period`` after it.

    ``segment_of`` int64 ``[users]`` is each user's most specific segment, 0 (all users) without a profile; ``window``
    are recent popularity's days, ``seed`` the bootstrap's.
    """

    history: Log
    now: int
    period: Log
    fitted: FittedEnsemble
    segments: Segments
    segment_of: NDArray[np.int64]
    window: int
    seed: int

    def document(self) -> Document:
        """Everything that was measured, as the ``evaluation`` section tells it."""
        known = self._sample(next_items(self.history, self.period))
        session = self._sample(rest_of_session(self.period, self.fitted.hyperparameters.session_length))
        formula = ServingFormula.of(self.fitted, np.union1d(known.users, session.users))
        shown = self._systems(formula, known)
        told = self._told(known, shown)
        return {
            "headline": headline(told),
            "protocol": _PROTOCOL,
            **told,
            "recent_popularity_days": self.window,
            "curve": _curve(shown, self.fitted),
            "diversity": {name: round(diversity(ranking, self.fitted.seen), 6) for name, ranking in shown.items()},
            "by_event": self._by_event(known, shown),
            "by_history": self._parts(by_history(known, self.fitted.seen), known, shown),
            "by_segment": self._parts(by_segment(known, self.segments), known, shown),
            "new_to_the_user": self._discovery(known),
            "sessions": self._sessions(formula, session),
            "new_users": self._new_users(),
        }

    def compare_with(self, release: Path) -> Document:
        """The model and a release that was trained on the events before ``now`` too, on the same users."""
        task = self._sample(next_items(self.history, self.period))
        champion = ask(release, task, self.history)
        ours = lists(ServingFormula.of(self.fitted, task.users), self.fitted.hyperparameters, task, DEPTH)
        shown = {"larder": ours, CHAMPION: champion.lists, "popularity": self._popular(task)}
        return {"release": champion.release, "from": self.now, **_short(self._told(task, shown))}

    def _popular(self, task: Task) -> Lists:
        hidden = None if self.fitted.hyperparameters.recommend_seen else self.fitted.seen
        return fixed(self._ever(), task, DEPTH, hidden)

    def _sample(self, task: Task) -> Task:
        return task.sample(self.seed, MAX_TEST_USERS)

    def _systems(self, formula: ServingFormula, task: Task) -> dict[str, Lists]:
        hidden = None if self.fitted.hyperparameters.recommend_seen else self.fitted.seen
        found = {
            "larder": lists(formula, self.fitted.hyperparameters, task, DEPTH),
            "popularity": self._popular(task),
            "recent_popularity": fixed(self._recent(), task, DEPTH, hidden),
        }
        if hidden is None:
            found["own_items_again"] = own_again(self.fitted.affinity, self._recent(), task, DEPTH)
        return found

    def _ever(self) -> NDArray[np.float64]:
        return had_by(self.fitted.seen)

    def _recent(self) -> NDArray[np.float64]:
        return popularity(self.history, self.now - self.window * DAY)

    def _told(self, task: Task, shown: Mapping[str, Lists]) -> Document:
        """Users, metrics of the first system, baselines with differences and ratios, coverage and novelty."""
        told = bootstrap(
            {name: by_user(hits(ranking, task.truth), task.relevant) for name, ranking in shown.items()}, self.seed
        )
        first, *others = told
        share = self._ever() / max(int(np.count_nonzero(np.diff(self.fitted.seen.indptr))), 1)
        return {
            "users": len(task.users),
            "relevant_items": int(task.relevant.sum()),
            "metrics": told[first],
            "baselines": {name: told[name] for name in others},
            "coverage": {name: round(coverage(ranking, len(share)), 6) for name, ranking in shown.items()},
            "novelty": {name: round(novelty(ranking, share), 6) for name, ranking in shown.items()},
        }

    def _by_event(self, task: Task, shown: Mapping[str, Lists]) -> Document:
        """The same lists against the items of one type of event each."""
        if len(self.period.events) < 2:
            return {}
        found: Document = {}
        for event in self.period.events:
            part = of_event(task, self.period, event)
            rows = np.searchsorted(task.users, part.users)
            found[event] = _short(self._told(part, {name: ranking[rows] for name, ranking in shown.items()}))
        return found

    def _parts(
        self, parts: Iterator[tuple[str, NDArray[np.int64]]], task: Task, shown: Mapping[str, Lists]
    ) -> Document:
        """The same lists for some of the users each."""
        return {
            name: _short(self._told(task.take(rows), {system: ranking[rows] for system, ranking in shown.items()}))
            for name, rows in parts
        }

    def _discovery(self, known: Task) -> Document:
        """Only items that the user never had before: everybody's lists leave out what he had."""
        task, seen = unseen(known, self.history), self.fitted.seen
        params = replace(self.fitted.hyperparameters, recommend_seen=False)
        formula = ServingFormula.of(replace(self.fitted, hyperparameters=params), task.users)
        shown = {
            "larder": lists(formula, params, task, DEPTH, seen),
            "popularity": fixed(self._ever(), task, DEPTH, seen),
            "recent_popularity": fixed(self._recent(), task, DEPTH, seen),
        }
        return _short(self._told(task, shown))

    def _sessions(self, formula: ServingFormula, task: Task) -> Document:
        """The rest of a session, given its first half: what fresh events add."""
        params = self.fitted.hyperparameters
        deaf = replace(params, session_weight=0.0)
        shown = {
            "larder": lists(formula, params, task, DEPTH),
            "without_the_session": lists(formula, deaf, task, DEPTH),
            "recent_popularity": fixed(self._recent(), task, DEPTH),
        }
        return _short(self._told(task, shown))

    def _new_users(self) -> Document:
        """Users without any event before the cut-off: their segment's popular items, by their profile."""
        task = self._sample(next_items(self.history, self.period, known=False))
        rows = segment_rows(self.fitted.presence, self.segments, self.fitted.hyperparameters.prior_users, DEPTH)
        segment = self.segment_of[task.users]
        shown = {
            "larder": segment_lists(rows, segment, DEPTH),
            "popularity": fixed(self._ever(), task, DEPTH),
            "recent_popularity": fixed(self._recent(), task, DEPTH),
        }
        return {"in_a_segment": int((segment > 0).sum()), **_short(self._told(task, shown))}


_PROTOCOL = (
    "Users with events before the cut-off (at most 10,000, drawn by the seed); every item that one has in the period "
    "after it counts, repeats included; all items of the catalogue are ranked; the lists come from the tables' float16 "
    "rows. Hyperparameters were chosen on the validation period, baselines' too; the model measured here saw nothing "
    "after the cut-off, and the released one was fitted to all events afterwards. Intervals are 95 %, bootstrapped "
    "over users; differences and ratios are paired by user."
)


def _short(told: Document) -> Document:
    """The metrics that people compare; all of them stay in the main task."""
    baselines = {name: _compared(each) for name, each in told["baselines"].items()}
    return {**told, "metrics": _compared(told["metrics"]), "baselines": baselines}


def _compared(metrics: Document) -> Document:
    return {name: value for name, value in metrics.items() if name.endswith("@20") or name.startswith("mrr")}


def _curve(shown: Mapping[str, Lists], fitted: FittedEnsemble) -> Document:
    """Shares of events' users and of recommendations that the most popular items have: ten points of each curve."""
    popular = np.asarray(fitted.seen.sum(axis=0), np.float64).ravel()
    order = np.argsort(-popular, kind="stable")
    curves = {"data": popular}
    for name, ranking in shown.items():
        curves[name] = np.bincount(ranking[ranking >= 0], minlength=len(popular)).astype(np.float64)
    ends = np.unique(np.ceil(len(popular) * np.geomspace(0.001, 1, 16)).astype(np.int64))
    return {
        "items": ends.tolist(),
        **{
            name: np.round(np.cumsum(values[order])[ends - 1] / max(values.sum(), 1), 6).tolist()
            for name, values in curves.items()
        },
    }
