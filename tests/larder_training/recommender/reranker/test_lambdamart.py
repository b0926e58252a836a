"""The reranker: candidates, features, and an order that is fitted at an earlier cutoff."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from larder.tables import EMPTY
from larder_training.numerics.topk import TopK, top_rows
from larder_training.recommender.data.event_log import DAY, EventLog
from larder_training.recommender.data.interaction_matrix import interaction_matrix, seen_pairs
from larder_training.recommender.metrics.ranking import by_user, hits
from larder_training.recommender.models.base import ItemToItem
from larder_training.recommender.models.popularity import PopularityScorer
from larder_training.recommender.reranker.candidates import Scorers, generate_candidates
from larder_training.recommender.reranker.features import FeatureContext, features
from larder_training.recommender.reranker.lambdamart import LambdaMART, RankingGroups, Reranker, descending
from larder_training.recommender.splits.tasks import Task, next_items

MakeLog = Callable[..., EventLog]
SMALL = LambdaMART(candidates=10, trees=40, leaves=7, smallest_leaf=20, threads=1)
CUT = 30 * DAY


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """A scorer with fixed scores."""

    values: NDArray[np.float32]

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.values[users]


def recency_log(make_log: MakeLog, users: int = 150, items: int = 25, seed: int = 0) -> EventLog:
    """Each user has eight items at random times and, after the cutoff, the latest two again: only recency counts."""
    random = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        own = random.choice(items, 8, replace=False)
        times = np.sort(random.choice(29 * 24, 8, replace=False)) * 3600
        rows += [(f"u{user:03}", f"i{item:02}", int(time), "view") for item, time in zip(own, times, strict=True)]
        rows += [(f"u{user:03}", f"i{item:02}", CUT + DAY, "view") for item in own[-2:]]
    return make_log(rows)


def scorers_of(history: EventLog) -> Scorers:
    """Two scorers that do not use times."""
    interactions = interaction_matrix(history, np.ones(len(history)))
    own = ItemToItem(sp.eye_array(len(history.items), format="csr"), interactions)
    counts = np.asarray(interactions.sum(axis=0), np.float32)
    return {"own": own, "popular": PopularityScorer(counts / counts.max())}


def fit_reranker(log: EventLog, learner: LambdaMART = SMALL) -> tuple[Reranker, Scorers, FeatureContext, Task]:
    history = log.between(0, CUT)
    scorers, context, task = (
        scorers_of(history),
        FeatureContext(history, CUT),
        next_items(history, log.between(CUT, log.end)),
    )
    return learner.fit([learner.ranking_groups(scorers, context, task)]), scorers, context, task


def rows_of(scorers: Scorers, users: NDArray[np.int64], width: int = 8) -> TopK:
    return top_rows(sp.csr_array(scorers["own"].scores(users).astype(np.float64)), width)


def ndcg(rows: TopK, task: Task) -> float:
    lists = np.where(rows.items == EMPTY, -1, rows.items.astype(np.int64))
    return float(by_user(hits(lists, task.truth), task.relevant, (5,))["ndcg@5"].mean())


def test_candidates_are_the_union_of_the_scorers_best() -> None:
    first = Dense(np.array([[0, 3, 2, 1], [5, 0, 0, 0]], np.float32))
    second = Dense(np.array([[4, 0, 1, -1], [0, 0, 0, 0]], np.float32))
    pairs = generate_candidates({"first": first, "second": second}, np.array([1, 0]), 1)
    assert pairs.user.tolist() == [1, 0, 0]
    assert pairs.item.tolist() == [0, 0, 1]
    assert np.array_equal(pairs.scores, [[5, np.nan], [np.nan, 4], [3, np.nan]], equal_nan=True)
    assert pairs.labels(sp.csr_array(np.array([[0, 1, 0, 0], [0, 1, 0, 0]], bool))).tolist() == [0, 0, 1]


def test_hidden_items_are_replaced_by_the_next_best() -> None:
    scorer = Dense(np.array([[3, 2, 1]], np.float32))
    hidden = sp.csr_array(np.array([[True, False, False]]))
    pairs = generate_candidates({"only": scorer}, np.array([0]), 2, hidden)
    assert pairs.item.tolist() == [1, 2]
    assert scorer.values.tolist() == [[3, 2, 1]]


def test_candidates_do_not_depend_on_the_size_of_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    scorers = {"a": Dense(random.normal(size=(50, 9)).astype(np.float32)), "b": Dense(np.ones((50, 9), np.float32))}
    whole = generate_candidates(scorers, np.arange(50), 3)
    monkeypatch.setattr("larder_training.recommender.reranker.candidates._DENSE", 9 * 2 * 7)
    parts = generate_candidates(scorers, np.arange(50), 3)
    assert parts.row.tolist() == whole.row.tolist()
    assert parts.item.tolist() == whole.item.tolist()
    assert parts.scores.tobytes() == whole.scores.tobytes()


def test_no_users_have_no_candidates() -> None:
    assert len(generate_candidates({"only": Dense(np.ones((3, 4), np.float32))}, np.zeros(0, np.int64), 2)) == 0


def test_features_describe_past_events(make_log: MakeLog) -> None:
    # GIVEN a user with events with "a" on days 1 and 3 and with "b" on day 4, and items with a price and a category
    log = make_log(
        [
            ("ann", "a", DAY, "view"),
            ("ann", "a", 3 * DAY, "pay"),
            ("ann", "b", 4 * DAY, "view"),
            ("bob", "c", 0, "view"),
        ]
    )
    columns = {"PRICE": ("number", [10.0, 40.0, None]), "KIND": ("category", ["x", "y", "x"])}
    columns |= {"TAGS": ("categories", ["x|y", "y", None])}
    context = FeatureContext(log, 5 * DAY, columns, {"CITY": np.array([2, -1], np.int32)})  # type: ignore[arg-type]  # literals
    # WHEN
    pairs = generate_candidates({"all": Dense(np.ones((2, 3), np.float32))}, np.array([0, 1]), 3)
    rows, names = features(pairs, context)
    values = {name: rows[:, index] for index, name in enumerate(names)}
    # THEN
    ann = slice(0, 3)  # the user's pairs with a, b and c
    assert values["pair events"][ann].tolist() == [2, 1, 0]
    assert np.array_equal(values["pair last"][ann], [2, 1, np.nan], equal_nan=True)
    assert np.array_equal(values["pair interval"][ann], [2, np.nan, np.nan], equal_nan=True)
    assert np.array_equal(values["pair due"][ann], [1, np.nan, np.nan], equal_nan=True)
    assert values["pair pay"][ann].tolist() == [1, 0, 0]
    assert values["TAGS share"][ann] == pytest.approx([(2 / 3 + 3 / 3) / 2, 1, 0])
    assert np.array_equal(values["TAGS last"][ann], [1, 1, np.nan], equal_nan=True)
    assert values["item users 1/1"].tolist() == [1, 1, 1, 1, 1, 1]
    assert values["item age"].tolist() == [4, 1, 5, 4, 1, 5]
    assert values["user events"].tolist() == [3, 3, 3, 1, 1, 1]
    assert values["KIND share"] == pytest.approx([2 / 3, 1 / 3, 2 / 3, 1, 0, 1])
    assert values["PRICE above the user's mean"][ann][:2] == pytest.approx([-10, 20])
    assert np.array_equal(values["profile CITY"], [2, 2, 2, np.nan, np.nan, np.nan], equal_nan=True)
    assert rows.dtype == np.float32


def test_features_depend_on_events_before_the_cutoff_only(make_log: MakeLog) -> None:
    log = recency_log(make_log, users=20)
    history = log.between(0, CUT)
    scorers, users = scorers_of(history), np.arange(20)
    pairs = generate_candidates(scorers, users, 5)
    other = recency_log(make_log, users=20).between(0, CUT)
    assert (
        features(pairs, FeatureContext(history, CUT))[0].tobytes()
        == features(pairs, FeatureContext(other, CUT))[0].tobytes()
    )


def test_the_reranker_finds_that_recency_counts_and_beats_the_ensemble_on_other_users(make_log: MakeLog) -> None:
    # GIVEN a reranker fitted to some users, and other users who behave alike
    reranker, *_ = fit_reranker(recency_log(make_log))
    _, scorers, context, task = fit_reranker(recency_log(make_log, seed=1))
    ensemble = rows_of(scorers, task.users)
    # WHEN
    reranked = reranker.rerank(ensemble, task.users, scorers, context)
    # THEN
    assert ndcg(ensemble, task) < 0.6
    assert ndcg(reranked, task) > 0.9
    assert next(iter(reranker.importance())) in ("pair last", "pair first")


def test_a_row_keeps_its_scores(make_log: MakeLog) -> None:
    reranker, scorers, context, task = fit_reranker(recency_log(make_log))
    values = np.linspace(1, 0.1, 8).astype(np.float16)
    ensemble = rows_of(scorers, task.users)
    ensemble = TopK(ensemble.items, np.tile(values, (len(task.users), 1)))
    reranked = reranker.rerank(ensemble, task.users, scorers, context)
    assert reranked.scores.tobytes() == ensemble.scores.tobytes()
    assert (reranked.items != EMPTY).all()
    assert all(len(set(row)) == 8 for row in reranked.items.tolist())
    assert reranked.items.tolist() != ensemble.items.tolist()


def test_short_rows_stay_short(make_log: MakeLog) -> None:
    reranker, scorers, context, task = fit_reranker(recency_log(make_log))
    ensemble = rows_of(scorers, task.users, width=8)
    ensemble.items[:, 3:], ensemble.scores[:, 3:] = EMPTY, 0
    reranked = reranker.rerank(ensemble, task.users, scorers, context)
    assert (reranked.items[:, :3] != EMPTY).all()
    assert (reranked.items[:, 3:] == EMPTY).all()
    assert not reranked.scores[:, 3:].any()


def test_hidden_items_never_appear(make_log: MakeLog) -> None:
    reranker, scorers, context, task = fit_reranker(recency_log(make_log))
    hidden = seen_pairs(context.log)
    reranked = reranker.rerank(rows_of(scorers, task.users), task.users, scorers, context, hidden)
    row, slot = np.nonzero(reranked.items != EMPTY)
    assert row.size
    assert not hidden.toarray()[task.users[row], reranked.items[row, slot]].any()


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_seed_gives_the_same_trees_on_any_number_of_threads(make_log: MakeLog, threads: int) -> None:
    log, few_trees = recency_log(make_log, users=80), replace(SMALL, trees=5)
    first, again = fit_reranker(log, few_trees)[0], fit_reranker(log, replace(few_trees, threads=threads))[0]
    trees = [reranker.trees.split("\nparameters:")[0] for reranker in (first, again)]  # parameters have the threads
    assert trees[0] == trees[1]


def test_the_same_user_at_two_cutoffs_is_two_groups(make_log: MakeLog) -> None:
    reranker, scorers, context, task = fit_reranker(recency_log(make_log))
    single = SMALL.ranking_groups(scorers, context, task.take(np.array([5])))
    other = SMALL.ranking_groups(scorers, context, task.take(np.arange(100)))
    assert SMALL.fit([single, replace(single), other]).names == reranker.names


def test_other_features_than_those_of_the_fit_are_rejected(make_log: MakeLog) -> None:
    reranker, scorers, context, task = fit_reranker(recency_log(make_log, users=40))
    pairs = generate_candidates({"own": scorers["own"]}, task.users, 5)
    with pytest.raises(ValueError, match="the same scorers"):
        reranker.order(pairs, context)


def test_without_held_out_users_all_trees_are_grown() -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(200, 2)).astype(np.float32)
    ranking_groups = RankingGroups(
        rows, ("a", "b"), np.repeat(np.arange(4), 50) * 5, (rows[:, 0] > 1).astype(np.float32)
    )
    reranker = replace(SMALL, trees=5).fit([ranking_groups])
    assert reranker.trees.count("Tree=") == 5


def test_equal_scores_become_strictly_descending_and_stay_above_0() -> None:
    half = np.float16
    tiny = np.finfo(half).smallest_subnormal
    scores = np.array([[1, 1, 1, 0.5, 0], [tiny, tiny, tiny, 0, 0], [3, 2, 1, 0.5, 0.25]], half)
    result = descending(scores)
    assert result[0].tolist() == [1, np.nextafter(half(1), half(0)), 1 - 2 * 2**-11, 0.5, 0]
    assert result[1].tolist() == [3 * tiny, 2 * tiny, tiny, 0, 0]
    assert result[2].tolist() == scores[2].tolist()
