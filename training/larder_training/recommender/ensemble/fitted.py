"""The fitted ensemble: the item-item matrix, further components, co-visitation and popularity at one moment."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics.parallel import in_blocks
from larder_training.numerics.sparse import with_diagonal
from larder_training.numerics.sparse_products import dense_product, row_maxima
from larder_training.numerics.topk import TopK, blocks, dense_rows, hide, multiply_top, top_rows
from larder_training.recommender.data.columns.kinds import Column
from larder_training.recommender.data.event_log import EventLog
from larder_training.recommender.data.interaction_matrix import (
    event_strengths,
    interaction_matrix,
    presence_matrix,
    seen_pairs,
)
from larder_training.recommender.ensemble.components import (
    CO_VISITATION,
    COMPONENTS,
    Component,
    fit_component,
    sample,
    serving_transitions,
    unit_of,
)
from larder_training.recommender.ensemble.hyperparameters import Hyperparameters
from larder_training.recommender.ensemble.weighted import WeightedEnsemble
from larder_training.recommender.models.base import ItemToItem, TrainingData
from larder_training.recommender.models.cold_start import fill_cold
from larder_training.recommender.models.content_knn import ContentKNN
from larder_training.recommender.models.item_item import diagonal_of, fit_matrix
from larder_training.recommender.models.popularity import PopularityScorer
from larder_training.recommender.reranker.candidates import Scorers
from larder_training.recommender.reranker.features import FeatureContext
from larder_training.recommender.reranker.lambdamart import Reranker

MATRIX: Final = "matrix"  # name of the item-item matrix among the components
USER_SLOTS: Final = 100
HISTORY_SLOTS: Final = 50
NEIGHBOUR_SLOTS: Final = 100
_BLOCK_USERS: Final = 128  # users whose scores are in memory at once when the unit is computed
_NO_COLUMNS: Final[Mapping[str, Column]] = MappingProxyType({})
_NO_LABELS: Final[Mapping[str, NDArray[np.int32]]] = MappingProxyType({})
_NO_COMPONENTS: Final[Mapping[str, Component]] = MappingProxyType({})
_NO_WEIGHTS: Final[Mapping[str, float]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Metadata:
    """Metadata of items and users.

    Attributes:
        columns: Item columns, in the order of ``log.items``.
        labels: int32 ``[users]`` by profile column: category or bin of each user; -1: unknown.
    """

    columns: Mapping[str, Column] = field(default_factory=lambda: _NO_COLUMNS)
    labels: Mapping[str, NDArray[np.int32]] = field(default_factory=lambda: _NO_LABELS)


NO_METADATA: Final = Metadata()


@dataclass(frozen=True, slots=True, eq=False)
class _MatrixScorer:
    """Scores by the item-item matrix, summed in float64.

    Attributes:
        interactions: ``[users, items]``: weighted, decayed events.
        matrix: ``[items, items]``.
    """

    interactions: sp.csr_array
    matrix: sp.csr_array

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """``[len(users), items]``."""
        return dense_product(self.interactions[users], self.matrix).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class FittedEnsemble:
    """An ensemble fitted to all events before one moment. Its matrices are in the unit of the tables.

    Attributes:
        hyperparameters: Hyperparameters of the fit.
        context: Events and metadata, which the reranker computes features from.
        interactions: ``[users, items]``: weighted, decayed events.
        seen: bool ``[users, items]``: pairs with an event.
        matrix: The item-item matrix B, ``[items, items]``, with a zero diagonal.
        matrix_with_diagonal: B with the diagonal that recommends items again, for users' rows.
        presence: ``[users, items]``: strongest event of each pair at the trend's half-life; column sums are popularity.
        components: Further components by name.
        transitions: Co-visitation ``[items, items]``; the 99th percentile of its rows' maxima is 1. None: not served.
        reranker: Orders the users' rows; None: the weighted sum of the components does.
        content_weights: Weight of each block of item metadata (``models.content_knn``); empty if content is not used.
    """

    hyperparameters: Hyperparameters
    context: FeatureContext
    interactions: sp.csr_array
    seen: sp.csr_array
    matrix: sp.csr_array
    matrix_with_diagonal: sp.csr_array
    presence: sp.csr_array
    components: Mapping[str, Component] = field(default_factory=lambda: _NO_COMPONENTS)
    transitions: sp.csr_array | None = None
    reranker: Reranker | None = None
    content_weights: Mapping[str, float] = field(default_factory=lambda: _NO_WEIGHTS)

    @property
    def popularity(self) -> NDArray[np.float64]:
        """``[items]``; 1 for the most popular item."""
        return relative_popularity(self.presence)

    @property
    def hidden(self) -> sp.csr_array | None:
        """Bool ``[users, items]``: items that must not be in a user's row; None if all items may be."""
        return None if self.hyperparameters.recommend_seen else self.seen

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """float32 ``[len(users), items]``: the weighted sum of all components; no item is hidden."""
        return WeightedEnsemble(self.weighted_components(), {MATRIX: 1.0, **self.hyperparameters.components}).scores(
            users
        )

    def weighted_components(self) -> dict[str, Component]:
        """Components that have a weight; the item-item matrix is named ``MATRIX``."""
        matrix = Component(_MatrixScorer(self.interactions, self.matrix_with_diagonal), 1.0)
        return {MATRIX: matrix, **{name: self.components[name] for name in self.hyperparameters.components}}

    def scorers(self) -> Scorers:
        """Scorers by name, whose candidates and scores the reranker uses."""
        identity = sp.diags_array(np.full(self.matrix.shape[0], 1.0), format="csr")
        return {
            "ensemble": self,
            "matrix": ItemToItem(self.matrix, self.interactions),
            "own": ItemToItem(identity, self.interactions),
            "popularity": PopularityScorer(self.popularity.astype(np.float32)),
            **{name: component.scorer for name, component in self.components.items()},
        }

    def user_rows(self, users: NDArray[np.int64] | None = None, width: int = USER_SLOTS) -> TopK:
        """Best items of ``users`` (None: of all), without hidden items, in the reranker's order if there is one."""
        chosen = np.arange(self.interactions.shape[0]) if users is None else users
        rows = self._weighted_rows(chosen, width)
        if self.reranker is None:
            return rows
        return self.reranker.rerank(rows, chosen, self.scorers(), self.context, self.hidden)

    def _weighted_rows(self, users: NDArray[np.int64], width: int) -> TopK:
        if not self.hyperparameters.components:  # the product stays sparse
            hidden = None if self.hidden is None else self.hidden[users]
            return multiply_top(self.interactions[users], self.matrix_with_diagonal, width, hidden)
        parts = [self._dense_rows(users[block], width) for block in blocks(len(users), 2 * self.matrix.shape[0])]
        if not parts:
            return TopK.empty(0, width)
        return TopK(np.concatenate([rows.items for rows in parts]), np.concatenate([rows.scores for rows in parts]))

    def _dense_rows(self, users: NDArray[np.int64], width: int) -> TopK:
        scores = self.scores(users)
        if self.hidden is not None:
            hide(scores, self.hidden[users])
        return dense_rows(scores, width)

    def neighbour_rows(self, width: int = NEIGHBOUR_SLOTS) -> TopK:
        """The largest entries of each row of B; an item is not its own neighbour."""
        return top_rows(self.matrix, width)

    def transition_rows(self, width: int = NEIGHBOUR_SLOTS) -> TopK | None:
        """The largest entries of each row of ``transitions``; None if they are not served."""
        return None if self.transitions is None else top_rows(self.transitions, width)


def fit(
    log: EventLog,
    now: int,
    params: Hyperparameters,
    metadata: Metadata = NO_METADATA,
    advance: Callable[[int], None] = lambda _: None,
    seed: int = 0,
) -> FittedEnsemble:
    """Fits everything except a reranker.

    Args:
        log: Events, all before ``now``.
        now: Epoch seconds.
        params: Hyperparameters.
        metadata: Metadata of items and users.
        advance: Receives the number of items done since its last call.
        seed: Seed of random draws.
    """
    interactions = interactions_of(log, now, params)
    matrix = fit_matrix(interactions, params.matrix, advance)
    data = TrainingData(log, now, interactions, metadata.columns, seed)
    content_weights = _NO_WEIGHTS
    if params.content:
        content = ContentKNN().fit(data)
        matrix, content_weights = add_content(matrix, content.matrix, log, params), content.block_weights
    components = {name: fit_component(name, data, params.component_settings) for name in required_components(params)}
    context = FeatureContext(log, now, metadata.columns, metadata.labels)
    fitted = assemble(context, params, interactions, matrix, components)
    return replace(fitted, content_weights=content_weights)


def add_content(matrix: sp.csr_array, content: sp.csr_array, log: EventLog, params: Hyperparameters) -> sp.csr_array:
    """B with content neighbours in the rows of items with few or no events."""
    return fill_cold(matrix, content, np.bincount(log.item, minlength=len(log.items)), params.content)


def required_components(params: Hyperparameters) -> list[str]:
    """Names of the components that a fit with these hyperparameters needs."""
    names = {
        *params.components,
        *([CO_VISITATION] if params.transition_weight else []),
        *(params.reranker_components if params.reranker else ()),
    }
    return [name for name in COMPONENTS if name in names]


def interactions_of(log: EventLog, now: int, params: Hyperparameters) -> sp.csr_array:
    """``[users, items]``: the matrix that B is fitted to, and that is multiplied by B."""
    return interaction_matrix(log, event_strengths(log, params.event_weights, now, params.half_life_days))


def assemble(
    context: FeatureContext,
    params: Hyperparameters,
    interactions: sp.csr_array,
    matrix: sp.csr_array,
    components: Mapping[str, Component],
) -> FittedEnsemble:
    """Assembles an ensemble from fitted parts, whose fits are slow and depend on few of the hyperparameters.

    Args:
        context: Events and metadata that the parts were fitted to.
        params: Hyperparameters.
        interactions: ``[users, items]``: weighted, decayed events.
        matrix: The item-item matrix B, ``[items, items]``, in any unit.
        components: Further components by name.
    """
    log, now = context.log, context.now
    diagonal = diagonal_of(interactions, params.matrix) * (params.diagonal_weight if params.recommend_seen else 0.0)
    scale = unit(interactions, with_diagonal(matrix, diagonal))
    matrix = (matrix / scale).tocsr()
    return FittedEnsemble(
        hyperparameters=params,
        context=context,
        interactions=interactions,
        seen=seen_pairs(log),
        matrix=matrix,
        matrix_with_diagonal=with_diagonal(matrix, diagonal / scale),
        presence=presence_at(log, now, params),
        components=components,
        transitions=serving_transitions(components[CO_VISITATION]) if params.transition_weight else None,
    )


def presence_at(log: EventLog, now: int, params: Hyperparameters) -> sp.csr_array:
    """``[users, items]``: strongest event of each pair at the trend's half-life."""
    return presence_matrix(log, event_strengths(log, params.event_weights, now, params.trend_half_life_days))


def popularity(log: EventLog, now: int, params: Hyperparameters) -> NDArray[np.float64]:
    """``[items]``: popularity at ``now``; 1 for the most popular item."""
    return relative_popularity(presence_at(log, now, params))


def relative_popularity(presence: sp.csr_array) -> NDArray[np.float64]:
    """``[items]``: sums over users, divided by the largest."""
    sums = np.asarray(presence.sum(axis=0), np.float64).ravel()
    largest = sums.max(initial=0.0)
    return sums / largest if largest > 0 else sums


def unit(interactions: sp.csr_array, matrix: sp.csr_array) -> float:
    """Unit of scores by B: the 99th percentile of the best scores of 1,000 to 2,000 users, evenly spaced."""
    rows = interactions[sample(np.flatnonzero(np.diff(interactions.indptr)))]
    best = np.zeros(rows.shape[0])

    def fill(start: int, end: int) -> None:
        best[start:end] = row_maxima(rows[start:end], matrix).astype(np.float16)

    in_blocks(len(best), _BLOCK_USERS, fill)
    return unit_of(best) or 1.0  # 0 if no items co-occur
