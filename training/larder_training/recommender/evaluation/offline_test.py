"""The offline test: recommendations of the tuned model at the cutoff, evaluated on the interactions that followed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from larder_training.recommender.data.event_log import DAY, EventLog
from larder_training.recommender.ensemble.fitted import FittedEnsemble
from larder_training.recommender.evaluation.baselines import own_items, popularity, users_per_item
from larder_training.recommender.evaluation.compare_release import champion
from larder_training.recommender.evaluation.serving_formula import (
    ServingFormula,
    recommendations,
    same_for_all,
    segment_lists,
)
from larder_training.recommender.metrics.by_group import by_history, by_segment, diversity
from larder_training.recommender.metrics.ranking import DEPTH, bootstrap, by_user, coverage, headline, hits, novelty
from larder_training.recommender.models.segment_popularity import Segments, segment_rows
from larder_training.recommender.splits.tasks import MAX_TEST_USERS, Task, next_items, of_event, rest_of_session, unseen

CHAMPION: Final = "release_before"
Lists = NDArray[np.int64]
Systems = Mapping[str, Lists]  # recommendations by system; the model first
Document = dict[str, Any]  # Any: a section of the manifest, JSON


@dataclass(frozen=True, slots=True, eq=False)
class OfflineTest:
    """A model, and the test period after the events that it was fitted to.

    Attributes:
        history: Events before ``now``.
        now: Cutoff in epoch seconds.
        period: Events from ``now`` on.
        fitted: Model fitted to ``history``.
        segments: Segments of the users of ``history``.
        segment_of: int64 ``[users]``: most specific segment of each user; 0 (all users) without a profile.
        window: Days of recent popularity.
        seed: Seed of samples and of the bootstrap.
    """

    history: EventLog
    now: int
    period: EventLog
    fitted: FittedEnsemble
    segments: Segments
    segment_of: NDArray[np.int64]
    window: int
    seed: int

    def document(self) -> Document:
        """All metrics: the ``evaluation`` section of the manifest."""
        known = self._sample(next_items(self.history, self.period))
        session = self._sample(rest_of_session(self.period, self.fitted.hyperparameters.session_length))
        formula = ServingFormula.of(self.fitted, np.union1d(known.users, session.users))
        systems = self._systems(formula, known)
        metrics = self._metrics(known, systems)
        return {
            "headline": headline(metrics),
            "protocol": _PROTOCOL,
            **metrics,
            "recent_popularity_days": self.window,
            "curve": _popularity_curve(systems, self.fitted),
            "diversity": {name: round(diversity(lists, self.fitted.seen), 6) for name, lists in systems.items()},
            "by_event": self._by_event(known, systems),
            "by_history": self._by_group(by_history(known, self.fitted.seen), known, systems),
            "by_segment": self._by_group(by_segment(known, self.segments), known, systems),
            "new_to_the_user": self._new_items(known),
            "sessions": self._sessions(formula, session),
            "new_users": self._new_users(),
        }

    def compare_with(self, release: Path) -> Document:
        """Paired comparison with a release that was trained on events before ``now``, on the same users."""
        task = self._sample(next_items(self.history, self.period))
        before = champion(release, task, self.history)
        formula = ServingFormula.of(self.fitted, task.users)
        challenger = recommendations(formula, self.fitted.hyperparameters, task, DEPTH)
        systems = {"larder": challenger, CHAMPION: before.lists, "popularity": self._popularity(task)}
        return {"release": before.release, "from": self.now, **_short(self._metrics(task, systems))}

    def _sample(self, task: Task) -> Task:
        return task.sample(self.seed, MAX_TEST_USERS)

    def _popularity(self, task: Task) -> Lists:
        return same_for_all(users_per_item(self.fitted.seen), task, DEPTH, self.fitted.hidden)

    def _recent_popularity(self) -> NDArray[np.float64]:
        return popularity(self.history, self.now - self.window * DAY)

    def _systems(self, formula: ServingFormula, task: Task) -> dict[str, Lists]:
        hidden = self.fitted.hidden
        systems = {
            "larder": recommendations(formula, self.fitted.hyperparameters, task, DEPTH),
            "popularity": self._popularity(task),
            "recent_popularity": same_for_all(self._recent_popularity(), task, DEPTH, hidden),
        }
        if hidden is None:
            systems["own_items_again"] = own_items(self.fitted.interactions, self._recent_popularity(), task, DEPTH)
        return systems

    def _metrics(self, task: Task, systems: Systems) -> Document:
        """Metrics of the first system; of the others with differences and ratios; coverage and novelty of all."""
        metrics = bootstrap(
            {name: by_user(hits(lists, task.truth), task.relevant) for name, lists in systems.items()}, self.seed
        )
        first, *others = metrics
        users = int(np.count_nonzero(np.diff(self.fitted.seen.indptr)))
        share = users_per_item(self.fitted.seen) / max(users, 1)
        return {
            "users": len(task.users),
            "relevant_items": int(task.relevant.sum()),
            "metrics": metrics[first],
            "baselines": {name: metrics[name] for name in others},
            "coverage": {name: round(coverage(lists, len(share)), 6) for name, lists in systems.items()},
            "novelty": {name: round(novelty(lists, share), 6) for name, lists in systems.items()},
        }

    def _by_event(self, task: Task, systems: Systems) -> Document:
        """The same lists, evaluated on the items of one event type each."""
        if len(self.period.events) < 2:
            return {}
        metrics: Document = {}
        for event in self.period.events:
            part = of_event(task, self.period, event)
            rows = np.searchsorted(task.users, part.users)
            metrics[event] = _short(self._metrics(part, {name: lists[rows] for name, lists in systems.items()}))
        return metrics

    def _by_group(self, groups: Iterator[tuple[str, NDArray[np.int64]]], task: Task, systems: Systems) -> Document:
        """The same lists, evaluated on groups of users: (name, rows of the task)."""
        return {
            name: _short(self._metrics(task.take(rows), {system: lists[rows] for system, lists in systems.items()}))
            for name, rows in groups
        }

    def _new_items(self, known: Task) -> Document:
        """Only items that are new to the user: all systems leave out the user's earlier items."""
        task, seen = unseen(known, self.history), self.fitted.seen
        params = replace(self.fitted.hyperparameters, recommend_seen=False)
        formula = ServingFormula.of(replace(self.fitted, hyperparameters=params), task.users)
        systems = {
            "larder": recommendations(formula, params, task, DEPTH, seen),
            "popularity": same_for_all(users_per_item(seen), task, DEPTH, seen),
            "recent_popularity": same_for_all(self._recent_popularity(), task, DEPTH, seen),
        }
        return _short(self._metrics(task, systems))

    def _sessions(self, formula: ServingFormula, task: Task) -> Document:
        """The second half of a session, given the first: what fresh events contribute."""
        params = self.fitted.hyperparameters
        without_session = replace(params, session_weight=0.0)
        systems = {
            "larder": recommendations(formula, params, task, DEPTH),
            "without_the_session": recommendations(formula, without_session, task, DEPTH),
            "recent_popularity": same_for_all(self._recent_popularity(), task, DEPTH),
        }
        return _short(self._metrics(task, systems))

    def _new_users(self) -> Document:
        """Users without events before the cutoff: popular items of their segment."""
        task = self._sample(next_items(self.history, self.period, known=False))
        rows = segment_rows(self.fitted.presence, self.segments, self.fitted.hyperparameters.prior_users, DEPTH)
        segment = self.segment_of[task.users]
        systems = {
            "larder": segment_lists(rows, segment, DEPTH),
            "popularity": same_for_all(users_per_item(self.fitted.seen), task, DEPTH),
            "recent_popularity": same_for_all(self._recent_popularity(), task, DEPTH),
        }
        return {"in_a_segment": int((segment > 0).sum()), **_short(self._metrics(task, systems))}


_PROTOCOL = (
    "Users with events before the cutoff (at most 10,000, sampled by the seed). Relevant are all items that a user "
    "has in the period after it, repeats included. All items of the catalogue are ranked, by the numbers that "
    "the tables hold. Hyperparameters, of baselines too, were tuned on the validation period. The evaluated model was "
    "fitted to the events before the cutoff, and the released model to all events. 95 % intervals are by bootstrap "
    "over users; differences and ratios are paired by user."
)


def _short(metrics: Document) -> Document:
    """Main metrics only; the whole list is reported for the main task."""
    baselines = {name: _main(values) for name, values in metrics["baselines"].items()}
    return {**metrics, "metrics": _main(metrics["metrics"]), "baselines": baselines}


def _main(metrics: Document) -> Document:
    return {name: value for name, value in metrics.items() if name.endswith("@20") or name.startswith("mrr")}


def _popularity_curve(systems: Systems, fitted: FittedEnsemble) -> Document:
    """Cumulative share that the most popular items have of the data, and of each system's recommendations."""
    counts = np.asarray(fitted.seen.sum(axis=0), np.float64).ravel()
    order = np.argsort(-counts, kind="stable")
    curves = {"data": counts}
    for name, lists in systems.items():
        curves[name] = np.bincount(lists[lists >= 0], minlength=len(counts)).astype(np.float64)
    ends = np.unique(np.ceil(len(counts) * np.geomspace(0.001, 1, 16)).astype(np.int64))
    return {
        "items": ends.tolist(),
        **{
            name: np.round(np.cumsum(values[order])[ends - 1] / max(values.sum(), 1), 6).tolist()
            for name, values in curves.items()
        },
    }
