"""One fitted model at one moment: the item-item matrix, further sources of users' rows, what leads from item to
item, what users have to do with items, and popularity.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics.sparse import with_diagonal
from larder_training.numerics.sparse_products import dense_product, row_maxima
from larder_training.numerics.topk import Rows, blocks, dense_rows, hide, in_blocks, multiply_top, top_rows
from larder_training.recommender.data.event_log import Log
from larder_training.recommender.data.interaction_matrix import affinities, event_strengths, presences, seen_pairs
from larder_training.recommender.data.metadata import Column
from larder_training.recommender.ensemble.blend import Blend
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
from larder_training.recommender.models.base import ItemToItem, Material
from larder_training.recommender.models.cold_start import fill_cold
from larder_training.recommender.models.content_knn import ContentNeighbours
from larder_training.recommender.models.item_item import diagonal_of, fit_matrix
from larder_training.recommender.models.popularity import Popular
from larder_training.recommender.reranker.candidates import Scorers
from larder_training.recommender.reranker.features import Context
from larder_training.recommender.reranker.lambdamart import Reranker

MATRIX: Final = "matrix"  # the item-item matrix's name in a blend
USER_SLOTS: Final = 100
HISTORY_SLOTS: Final = 50
NEIGHBOUR_SLOTS: Final = 100
_TOGETHER: Final = 128  # users whose scores are held at once, to find their best
_NO_COLUMNS: Final[Mapping[str, Column]] = MappingProxyType({})
_NO_LABELS: Final[Mapping[str, NDArray[np.int32]]] = MappingProxyType({})
_NO_COMPONENTS: Final[Mapping[str, Component]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Attributes:
    """What is known of items and users beside events: the catalogue's ``columns``, aligned with ``log.items``, and
    int32 ``labels`` ``[users]`` by profile column, each user's category or bin, -1 where it is not known.
    """

    columns: Mapping[str, Column] = field(default_factory=lambda: _NO_COLUMNS)
    labels: Mapping[str, NDArray[np.int32]] = field(default_factory=lambda: _NO_LABELS)


@dataclass(frozen=True, slots=True, eq=False)
class _Personal:
    """Scores by the item-item matrix, summed in float64."""

    affinity: sp.csr_array
    matrix: sp.csr_array

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """``[len(users), items]``."""
        return dense_product(self.affinity[users], self.matrix).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """``affinity`` and ``seen`` are ``[users, items]``, ``linear`` is B ``[items, items]`` with a zero diagonal and
    ``personal`` the same with one, for users' rows, both in the unit of serving; ``present`` is
    ``[users, items]`` at the trend's half-life, its column sums are popularity. ``parts`` are further sources by name,
    ``transitions`` ``[items, items]`` says what follows an item, the 99th percentile of its rows' best entries being 1
    (None: not formula). ``context`` is what a ``reranker`` looks at; with one, it orders the users' rows.
    """

    hyperparameters: Hyperparameters
    context: Context
    affinity: sp.csr_array
    seen: sp.csr_array
    linear: sp.csr_array
    personal: sp.csr_array
    present: sp.csr_array
    components: Mapping[str, Component] = field(default_factory=lambda: _NO_COMPONENTS)
    transitions: sp.csr_array | None = None
    reranker: Reranker | None = None

    @property
    def popularity(self) -> NDArray[np.float64]:
        """``[items]``, the most popular item's being 1."""
        return column_sums(self.present)

    @property
    def hidden(self) -> sp.csr_array | None:
        """Bool ``[users, items]``: what must not be in a user's row; None where he may get again what he had."""
        return None if self.hyperparameters.recommend_seen else self.seen

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """float32 ``[len(users), items]``: the sum of the linear model and the chosen sources, nothing hidden."""
        return Blend(self.blended(), {MATRIX: 1.0, **self.hyperparameters.components}).scores(users)

    def blended(self) -> dict[str, Component]:
        """The item-item matrix, under the name ``MATRIX``, and the components of the blend."""
        matrix = Component(_Personal(self.affinity, self.personal), 1.0)
        return {MATRIX: matrix, **{name: self.components[name] for name in self.hyperparameters.components}}

    def scorers(self) -> Scorers:
        """All that a reranker hears, by name."""
        own = sp.diags_array(np.full(self.linear.shape[0], 1.0), format="csr")
        return {
            "blend": self,
            "linear": ItemToItem(self.linear, self.affinity),
            "own": ItemToItem(own, self.affinity),
            "popular": Popular(self.popularity.astype(np.float32)),
            **{name: part.scorer for name, part in self.components.items()},
        }

    def user_rows(self, users: NDArray[np.int64] | None = None, width: int = USER_SLOTS) -> Rows:
        """The best items of all users, or of ``users``, by all sources, in the reranker's order where there is one;
        without those that a user had, where repeats are not allowed.
        """
        chosen = np.arange(self.affinity.shape[0]) if users is None else users
        rows = self._blended(chosen, width)
        if self.reranker is None:
            return rows
        return self.reranker.rerank(rows, chosen, self.scorers(), self.context, self.hidden)

    def _blended(self, users: NDArray[np.int64], width: int) -> Rows:
        if not self.hyperparameters.components:  # then the product stays sparse
            hidden = None if self.hidden is None else self.hidden[users]
            return multiply_top(self.affinity[users], self.personal, width, hidden)
        parts = [self._dense(users[block], width) for block in blocks(len(users), 2 * self.linear.shape[0])]
        if not parts:
            return Rows.empty(0, width)
        return Rows(np.concatenate([rows.items for rows in parts]), np.concatenate([rows.scores for rows in parts]))

    def _dense(self, users: NDArray[np.int64], width: int) -> Rows:
        scores = self.scores(users)
        if self.hidden is not None:
            hide(scores, self.hidden[users])
        return dense_rows(scores, width)

    def neighbour_rows(self, width: int = NEIGHBOUR_SLOTS) -> Rows:
        """The largest entries of each row of B: an item is not its own neighbour."""
        return top_rows(self.linear, width)

    def transition_rows(self, width: int = NEIGHBOUR_SLOTS) -> Rows | None:
        """The largest entries of each row of ``transitions``, where they are formula."""
        return None if self.transitions is None else top_rows(self.transitions, width)


NO_ATTRIBUTES: Final = Attributes()


def fit(
    log: Log,
    now: int,
    params: Hyperparameters,
    attributes: Attributes = NO_ATTRIBUTES,
    advance: Callable[[int], None] = lambda _: None,
    seed: int = 0,
) -> Fitted:
    """Fits to all of ``log``, which must end before ``now`` (epoch seconds), all but a reranker."""
    affinity = affinity_of(log, now, params)
    linear = fit_matrix(affinity, params.matrix, advance)
    material = Material(log, now, affinity, attributes.columns, seed)
    if params.content:
        linear = fill(linear, ContentNeighbours().fit(material).matrix, log, params)
    components = {name: fit_component(name, material, params.component_settings) for name in needed(params)}
    return assemble(log, now, params, affinity, linear, attributes, components)


def fill(linear: sp.csr_array, content: sp.csr_array, log: Log, params: Hyperparameters) -> sp.csr_array:
    """B with what the content neighbours of an item say, where its own events say little."""
    return fill_cold(linear, content, np.bincount(log.item, minlength=len(log.items)), params.content)


def needed(params: Hyperparameters) -> list[str]:
    """The learners of further sources that a model with these hyperparameters rests on."""
    wanted = {
        *params.components,
        *([CO_VISITATION] if params.transition_weight else []),
        *(params.reranker_components if params.reranker else ()),
    }
    return [name for name in COMPONENTS if name in wanted]


def affinity_of(log: Log, now: int, params: Hyperparameters) -> sp.csr_array:
    """The matrix that B is learnt from, and that multiplies it."""
    return affinities(log, event_strengths(log, params.event_weights, now, params.half_life_days))


def assemble(
    log: Log,
    now: int,
    params: Hyperparameters,
    affinity: sp.csr_array,
    linear: sp.csr_array,
    attributes: Attributes,
    components: Mapping[str, Component],
) -> Fitted:
    """All but what is learnt, which is the slow part and depends on few of the hyperparameters."""
    own = diagonal_of(affinity, params.matrix) * (params.diagonal_weight if params.recommend_seen else 0.0)
    one = unit(affinity, with_diagonal(linear, own))
    linear = (linear / one).tocsr()
    return Fitted(
        hyperparameters=params,
        context=Context(log, now, attributes.columns, attributes.labels),
        affinity=affinity,
        seen=seen_pairs(log),
        linear=linear,
        personal=with_diagonal(linear, own / one),
        present=present_at(log, now, params),
        components=components,
        transitions=serving_transitions(components[CO_VISITATION]) if params.transition_weight else None,
    )


def present_at(log: Log, now: int, params: Hyperparameters) -> sp.csr_array:
    """``[users, items]``: each pair's strongest event at the trend's half-life."""
    return presences(log, event_strengths(log, params.event_weights, now, params.trend_half_life_days))


def popularity(log: Log, now: int, params: Hyperparameters) -> NDArray[np.float64]:
    """``[items]``: how popular items are at ``now``, the most popular one's being 1."""
    return column_sums(present_at(log, now, params))


def column_sums(present: sp.csr_array) -> NDArray[np.float64]:
    """Sums over users, divided by the largest."""
    return scaled(np.asarray(present.sum(axis=0), np.float64).ravel())


def unit(affinity: sp.csr_array, linear: sp.csr_array) -> float:
    """The 99th percentile of users' best scores (of a thousand or two, evenly spaced): what the tables call 1."""
    asked = affinity[sample(np.flatnonzero(np.diff(affinity.indptr)))]
    tops = np.zeros(asked.shape[0])

    def fill(start: int, end: int) -> None:
        tops[start:end] = row_maxima(asked[start:end], linear).astype(np.float16)

    in_blocks(len(tops), _TOGETHER, fill)
    return unit_of(tops) or 1.0  # nothing co-occurs, so there is nothing to scale


def scaled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divided by the largest."""
    top = values.max(initial=0.0)
    return values / top if top > 0 else values
