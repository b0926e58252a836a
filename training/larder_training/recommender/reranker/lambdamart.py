"""A reranker: boosted trees that put the candidates of all scorers into one order, by their scores and by features.

LambdaMART (Burges, "From RankNet to LambdaRank to LambdaMART: An Overview", MSR-TR-2010-82) by LightGBM. It is taught
at earlier cut-offs, with scorers fitted to what came before each and with what people did after it, and is applied when
users' rows are written: no request meets it, the tables only hold another order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder.tables import EMPTY
from larder_training.numerics.sparse import place_within
from larder_training.numerics.topk import Rows
from larder_training.recommender.reranker.candidates import Candidates, Scorers, candidates
from larder_training.recommender.reranker.features import FeatureContext, features
from larder_training.recommender.splits.tasks import Task

PROFILE: Final = "profile"  # features whose name begins so are categories
_HELD_OUT: Final = 5  # every fifth user decides when to stop
_PATIENCE: Final = 15
_USERS: Final = 500  # whose candidates are held at once: at 400 candidates and 50 features, 40 MB


@dataclass(frozen=True, slots=True, eq=False)
class RankingGroups:
    """What a reranker learns from: float32 ``rows`` ``[pairs, features]`` of ``names``, int64 ``users`` ``[pairs]``
    (whose candidate each is; a user's stand together) and float32 ``labels`` ``[pairs]``, 1 for what he then did.
    """

    rows: NDArray[np.float32]
    names: tuple[str, ...]
    users: NDArray[np.int64]
    labels: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LambdaMART:
    """``candidates`` are taken from each scorer; of those that a user did nothing with, about ``negatives`` are learnt
    from. ``truncation`` is how deep in the list the order counts.

    The same training_sets and settings give the same trees, on any number of threads.
    """

    candidates: int = 150
    negatives: int = 100
    trees: int = 150
    leaves: int = 31
    learning_rate: float = 0.1
    smallest_leaf: int = 50
    feature_share: float = 0.7
    l2: float = 5.0
    truncation: int = 30
    threads: int = 2
    seed: int = 0

    def ranking_groups(
        self, scorers: Scorers, context: FeatureContext, task: Task, hidden: sp.csr_array | None = None
    ) -> RankingGroups:
        """One cut-off's: ``scorers`` and ``context`` know what came before it, ``task`` what came after.

        Users of whose items none is a candidate fit nothing and are left out. Memory: 4 bytes a feature of each pair
        (at 400 candidates and 50 features, 80 KB a user), so ask for some thousands of users (``Task.sample``).
        """
        pairs = candidates(scorers, task.users, self.candidates, hidden)
        labels = pairs.labels(task.truth)
        useful = np.bincount(pairs.row, labels, minlength=len(task.users))[pairs.row] > 0
        kept = useful & ((labels > 0) | self._drawn(pairs.row, labels))
        pairs = pairs.take(kept)
        rows, names = features(pairs, context)
        return RankingGroups(rows, names, pairs.user, labels[kept])

    def _drawn(self, row: NDArray[np.int64], labels: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which pairs are drawn, so that about ``negatives`` of each row's without a label are."""
        without = np.bincount(row, labels <= 0)
        return np.random.default_rng(self.seed).random(len(row)) * without[row] < self.negatives

    def fit(self, training_sets: Sequence[RankingGroups]) -> "Reranker":
        """Learns the order of each user's candidates, from one cut-off's ranking_groups or from several.

        Stops where NDCG@20 of every fifth user, who teaches nothing, has not risen for 15 trees, and keeps the best.
        """
        import lightgbm

        names = training_sets[0].names
        rows = np.concatenate([ranking_groups.rows for ranking_groups in training_sets])
        labels = np.concatenate([ranking_groups.labels for ranking_groups in training_sets])
        held_out = (
            np.concatenate([ranking_groups.users for ranking_groups in training_sets]) % _HELD_OUT == _HELD_OUT - 1
        )

        def dataset(chosen: NDArray[np.bool_], reference: Any = None) -> Any:  # noqa: ANN401  # LightGBM has no types
            return lightgbm.Dataset(
                rows[chosen],
                labels[chosen],
                group=_sizes(training_sets, chosen),
                reference=reference,
                categorical_feature=[place for place, name in enumerate(names) if name.startswith(PROFILE)],
                params=self._parameters(),
            )

        taught = dataset(~held_out)
        watched = [dataset(held_out, taught)] if held_out.any() else []
        stop: list[Callable[..., Any]] = [lightgbm.early_stopping(_PATIENCE, verbose=False)] if watched else []
        found = lightgbm.train(self._parameters(), taught, self.trees, valid_sets=watched, callbacks=stop)
        return Reranker(found.model_to_string(num_iteration=found.best_iteration or -1), names, self)

    def _parameters(self) -> dict[str, object]:
        return {
            "objective": "lambdarank",
            "metric": "ndcg",
            "eval_at": [20],
            "lambdarank_truncation_level": self.truncation,
            "num_leaves": self.leaves,
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": self.smallest_leaf,
            "feature_fraction": self.feature_share,
            "lambda_l2": self.l2,
            "deterministic": True,
            "force_row_wise": True,  # measuring which way is faster would choose the bits
            "num_threads": self.threads,
            "seed": self.seed,
            "verbosity": -1,
        }


def _sizes(training_sets: Sequence[RankingGroups], chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many chosen pairs each user of each ranking_groups has, those without any left out."""
    starts = np.cumsum([0, *(len(ranking_groups.users) for ranking_groups in training_sets)])
    users = np.concatenate([ranking_groups.users for ranking_groups in training_sets])
    new = np.append(True, np.diff(users) != 0)[: len(users)]
    new[starts[:-1][starts[:-1] < len(users)]] = True  # the same user at another cut-off is another list
    return np.unique(np.cumsum(new)[chosen], return_counts=True)[1]


@dataclass(frozen=True, eq=False)
class Reranker:
    """``trees`` are LightGBM's own text of the model; ``names`` the features that it reads."""

    trees: str
    names: tuple[str, ...]
    settings: LambdaMART

    @cached_property
    def _booster(self) -> Any:  # noqa: ANN401  # LightGBM has no types
        import lightgbm

        return lightgbm.Booster(model_str=self.trees)

    def importance(self) -> dict[str, float]:
        """Each feature's share of what all splits gained, the largest first."""
        gain = self._booster.feature_importance("gain")
        shares = gain / max(float(gain.sum()), 1e-30)
        return {self.names[place]: float(shares[place]) for place in np.argsort(-shares, kind="stable")}

    def order(self, pairs: Candidates, context: FeatureContext) -> NDArray[np.float64]:
        """float64 ``[pairs]``: the larger, the earlier in its user's list; the unit means nothing."""
        rows, names = features(pairs, context)
        if names != self.names:
            raise ValueError(f"the reranker was taught {self.names}, not {names}: give it the same scorers and columns")
        found: NDArray[np.float64] = self._booster.predict(rows, num_threads=self.settings.threads)
        return found

    def rerank(
        self,
        rows: Rows,
        users: NDArray[np.int64],
        scorers: Scorers,
        context: FeatureContext,
        hidden: sp.csr_array | None = None,
    ) -> Rows:
        """Other items in the slots of ``rows``: the candidates of all ``scorers``, best first.

        Args:
            rows: a row for each of ``users``, as the blend made it.
            users: int64 ``[rows]``, as the log numbers them.
            scorers: fitted to all events before ``context.now``; the same names as when the reranker was taught.
            context: of the same moment.
            hidden: bool ``[users of the log, items]``: what must not be recommended.

        Each row has as many items as before, and its slots keep their scores, so that a row still adds up with those
        of the session and of the segment; slots that were equal become the next smaller float16, as equal scores are
        formula in the items' order. Users in blocks of 500: memory does not grow with their number.
        """
        items, scores = np.full_like(rows.items, EMPTY), np.zeros_like(rows.scores)
        for start in range(0, len(users), _USERS):
            block = slice(start, start + _USERS)
            pairs = candidates(scorers, users[block], self.settings.candidates, hidden)
            items[block], used = _best_first(pairs, self.order(pairs, context), (rows.items[block] != EMPTY))
            scores[block] = np.where(used, descending(rows.scores[block]), 0)
        return Rows(items, scores)


def _best_first(
    pairs: Candidates, order: NDArray[np.float64], used: NDArray[np.bool_]
) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """The first candidates of each user in ``used``'s slots, and which of these are filled."""
    by_row = np.lexsort((pairs.item, -order, pairs.row))
    row, item = pairs.row[by_row], pairs.item[by_row]
    place = place_within(row)
    kept = place < used.sum(axis=1)[row]
    found = np.full(used.shape, EMPTY, np.uint32)
    found[row[kept], place[kept]] = item[kept]
    return found, found != EMPTY


def descending(scores: NDArray[np.float16]) -> NDArray[np.float16]:
    """float16 ``[rows, slots]``, none below 0, descending: the same, but that equal neighbours are one step apart.

    Scores above 0 keep their order as 16-bit integers, in which one step is the next float.
    """
    steps = np.arange(scores.shape[1])
    bits = scores.view(np.uint16).astype(np.int64)
    strict = np.minimum.accumulate(bits + steps, axis=1) - steps
    lowest = (bits > 0).sum(axis=1, keepdims=True) - steps  # so that the last one used is above 0 too
    return np.where(bits > 0, np.maximum(strict, lowest), 0).astype(np.uint16).view(np.float16)
