"""The reranker: boosted trees that order the candidates of all scorers by their scores and further features.

LambdaMART (Burges, "From RankNet to LambdaRank to LambdaMART: An Overview", MSR-TR-2010-82), by LightGBM. It is trained
on past cutoffs, with scorers fitted to the events before each and labels from the interactions after it. It is applied
when users' rows are written, so that requests only read tables.
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
from larder_training.numerics.topk import TopK
from larder_training.recommender.reranker.candidates import Candidates, Scorers, generate_candidates
from larder_training.recommender.reranker.features import FeatureContext, features
from larder_training.recommender.splits.tasks import Task

PROFILE: Final = "profile"  # features whose name begins with it are categorical
_VALIDATION: Final = 5  # every fifth user is held out for early stopping
_PATIENCE: Final = 15  # trees without improvement
_BLOCK_USERS: Final = 500  # candidates in memory at once: 40 MB at 400 candidates and 50 features


@dataclass(frozen=True, slots=True, eq=False)
class RankingGroups:
    """Training data of the reranker: one ranking group per user.

    Attributes:
        rows: float32 ``[pairs, features]``.
        names: Names of the features.
        users: int64 ``[pairs]``: user of each pair; pairs of a user are contiguous.
        labels: float32 ``[pairs]``: 1 for items that the user then interacted with, else 0.
    """

    rows: NDArray[np.float32]
    names: tuple[str, ...]
    users: NDArray[np.int64]
    labels: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LambdaMART:
    """Settings of the reranker. The same training data and settings give the same trees, on any number of threads.

    Attributes:
        candidates: Candidates of each scorer.
        negatives: Expected number of negative candidates per user in the training data.
        trees: Maximum number of trees.
        leaves: Leaves of a tree.
        learning_rate: Shrinkage.
        smallest_leaf: Minimum number of pairs in a leaf.
        feature_share: Share of the features that each tree samples.
        l2: L2 regularization.
        truncation: Ranks that the objective counts, from the top.
        threads: Threads of LightGBM.
        seed: Seed of negative sampling and of LightGBM.
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
        """Training data of one cutoff. Users without a relevant candidate are left out.

        Memory is 4 bytes per feature of each pair: 80 KB per user at 400 candidates and 50 features. Sample some
        thousands of users with ``Task.sample``.

        Args:
            scorers: Scorers by name, fitted to the events before the cutoff.
            context: The same events and metadata.
            task: Users and their relevant items after the cutoff.
            hidden: bool ``[users of the log, items]``: pairs that are not candidates; None: no pair is hidden.
        """
        pairs = generate_candidates(scorers, task.users, self.candidates, hidden)
        labels = pairs.labels(task.truth)
        has_relevant = np.bincount(pairs.row, labels, minlength=len(task.users))[pairs.row] > 0
        mask = has_relevant & ((labels > 0) | self._sampled(pairs.row, labels))
        pairs = pairs.take(mask)
        rows, names = features(pairs, context)
        return RankingGroups(rows, names, pairs.user, labels[mask])

    def _sampled(self, row: NDArray[np.int64], labels: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Bool ``[pairs]``: random pairs; about ``negatives`` of each row's negatives are among them."""
        negative_count = np.bincount(row, labels <= 0)
        return np.random.default_rng(self.seed).random(len(row)) * negative_count[row] < self.negatives

    def fit(self, training_sets: Sequence[RankingGroups]) -> "Reranker":
        """Fits to the ranking groups of one or more cutoffs.

        Stops after 15 trees without a better NDCG@20 on every fifth user, who is held out; keeps the best iteration.
        """
        import lightgbm

        names = training_sets[0].names
        rows = np.concatenate([groups.rows for groups in training_sets])
        labels = np.concatenate([groups.labels for groups in training_sets])
        users = np.concatenate([groups.users for groups in training_sets])
        held_out = users % _VALIDATION == _VALIDATION - 1

        def dataset(mask: NDArray[np.bool_], reference: Any = None) -> Any:  # noqa: ANN401  # LightGBM has no types
            return lightgbm.Dataset(
                rows[mask],
                labels[mask],
                group=_group_sizes(training_sets, mask),
                reference=reference,
                categorical_feature=[index for index, name in enumerate(names) if name.startswith(PROFILE)],
                params=self._parameters(),
            )

        training = dataset(~held_out)
        validation = [dataset(held_out, training)] if held_out.any() else []
        callbacks: list[Callable[..., Any]] = [lightgbm.early_stopping(_PATIENCE, verbose=False)] if validation else []
        booster = lightgbm.train(self._parameters(), training, self.trees, valid_sets=validation, callbacks=callbacks)
        return Reranker(booster.model_to_string(num_iteration=booster.best_iteration or -1), names, self)

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
            "force_row_wise": True,  # otherwise LightGBM times both layouts, and the choice changes the last bits
            "num_threads": self.threads,
            "seed": self.seed,
            "verbosity": -1,
        }


def _group_sizes(training_sets: Sequence[RankingGroups], mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Number of pairs of each group within ``mask``, without empty groups."""
    starts = np.cumsum([0, *(len(groups.users) for groups in training_sets)])
    users = np.concatenate([groups.users for groups in training_sets])
    first = np.append(True, np.diff(users) != 0)[: len(users)]
    first[starts[:-1][starts[:-1] < len(users)]] = True  # the same user at another cutoff is another group
    return np.unique(np.cumsum(first)[mask], return_counts=True)[1]


@dataclass(frozen=True, eq=False)
class Reranker:
    """A fitted reranker.

    Attributes:
        trees: The model, as LightGBM's text.
        names: Names of the features.
        settings: Settings of the fit.
    """

    trees: str
    names: tuple[str, ...]
    settings: LambdaMART

    @cached_property
    def _booster(self) -> Any:  # noqa: ANN401  # LightGBM has no types
        import lightgbm

        return lightgbm.Booster(model_str=self.trees)

    def importance(self) -> dict[str, float]:
        """Share of the total gain of all splits by feature, the largest first."""
        gain = self._booster.feature_importance("gain")
        shares = gain / max(float(gain.sum()), 1e-30)
        return {self.names[index]: float(shares[index]) for index in np.argsort(-shares, kind="stable")}

    def order(self, pairs: Candidates, context: FeatureContext) -> NDArray[np.float64]:
        """float64 ``[pairs]``: larger values come first in their user's list; the unit is arbitrary.

        Raises ValueError if the features differ from those of the fit.
        """
        rows, names = features(pairs, context)
        if names != self.names:
            raise ValueError(
                f"the reranker was fitted with features {self.names}, not {names}: give it the same scorers and columns"
            )
        values: NDArray[np.float64] = self._booster.predict(rows, num_threads=self.settings.threads)
        return values

    def rerank(
        self,
        rows: TopK,
        users: NDArray[np.int64],
        scorers: Scorers,
        context: FeatureContext,
        hidden: sp.csr_array | None = None,
    ) -> TopK:
        """Fills the slots of ``rows`` with the candidates of all scorers, in the reranker's order.

        Each row has as many items as before. The slots keep their scores, so that a row still adds up with the rows of
        the session and the segment; equal scores are made to differ by one float16 step, since serving orders items of
        equal score by their number. Users are processed in blocks of 500, so that memory does not grow with them.

        Args:
            rows: Rows of the ensemble, one for each of ``users``.
            users: int64 ``[rows]``, as the log numbers users.
            scorers: Scorers fitted to the events before ``context.now``, with the names of the fit.
            context: Events and metadata of the same moment.
            hidden: bool ``[users of the log, items]``: items that must not be recommended; None: no item is hidden.
        """
        items, scores = np.full_like(rows.items, EMPTY), np.zeros_like(rows.scores)
        for start in range(0, len(users), _BLOCK_USERS):
            block = slice(start, start + _BLOCK_USERS)
            pairs = generate_candidates(scorers, users[block], self.settings.candidates, hidden)
            items[block], used = _best_first(pairs, self.order(pairs, context), (rows.items[block] != EMPTY))
            scores[block] = np.where(used, descending(rows.scores[block]), 0)
        return TopK(items, scores)


def _best_first(
    pairs: Candidates, order: NDArray[np.float64], used: NDArray[np.bool_]
) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """Each user's first candidates in the slots of ``used``, and which of the slots they fill."""
    by_row = np.lexsort((pairs.item, -order, pairs.row))
    row, item = pairs.row[by_row], pairs.item[by_row]
    slot = place_within(row)
    fits = slot < used.sum(axis=1)[row]
    items = np.full(used.shape, EMPTY, np.uint32)
    items[row[fits], slot[fits]] = item[fits]
    return items, items != EMPTY


def descending(scores: NDArray[np.float16]) -> NDArray[np.float16]:
    """Makes equal neighbours of descending scores differ by one float16 step, downwards.

    ``scores`` is float16 ``[rows, slots]``, descending, none below 0; scores of 0 (empty slots) stay 0. Positive
    float16 numbers keep their order as 16-bit integers, where the next float is one step away.
    """
    steps = np.arange(scores.shape[1])
    bits = scores.view(np.uint16).astype(np.int64)
    strict = np.minimum.accumulate(bits + steps, axis=1) - steps
    lowest = (bits > 0).sum(axis=1, keepdims=True) - steps  # the last used slot stays above 0
    return np.where(bits > 0, np.maximum(strict, lowest), 0).astype(np.uint16).view(np.float16)
