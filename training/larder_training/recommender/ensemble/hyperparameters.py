"""Hyperparameters of a recommender and their start values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

import numpy as np

from larder_training.recommender.config.options import RecommenderOptions
from larder_training.recommender.data.event_log import EventLog
from larder_training.recommender.ensemble.components import (
    DEFAULT_SETTINGS,
    PURE_SVD,
    RERANKER_COMPONENTS,
    USER_EASE,
    WITHOUT_TIMES,
    ComponentSettings,
)
from larder_training.recommender.models.ease import EASEConfig
from larder_training.recommender.models.item_item import ItemItemConfig

MAX_USER_EASE_USERS: Final = 30_000  # user EASE takes milliseconds of processor time per user, in each fit
# For interactions without times, tuned on the last 15 % of Gowalla's training lines.
_RIDGE: Final = 8.0
_DROPOUT: Final = 0.65
_WEIGHTS: Final[Mapping[str, float]] = MappingProxyType({PURE_SVD: 1.33, USER_EASE: 1.19})
_SEGMENT_WEIGHT: Final = 0.001  # popularity orders the items that no component scores
_EQUAL: Final[Mapping[str, float]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """Hyperparameters of a recommender. The search starts from the defaults, and keeps them if the log is too small.

    Attributes:
        event_weights: Weight per event type; 1 for a type without one.
        half_life_days: Age at which an event counts half in the interaction matrix; None: age does not count.
        matrix: Estimator of the item-item matrix B, with its settings.
        recommend_seen: Whether items that a user had before may be recommended.
        diagonal_weight: Weight of B's diagonal, which recommends items again; used with ``recommend_seen``.
        trend_half_life_days: Half-life of popularity; None: age does not count.
        components: Weight by component (``ensemble.components``); the item-item matrix has weight 1.
        component_settings: Settings of PureSVD and user EASE.
        prior_users: Additive smoothing: users of the overall distribution that are added to each segment.
        user_weight: Weight of the user's row in the serving formula.
        session_weight: Weight of the session's neighbours.
        segment_weight: Weight of the segment's popularity.
        session_decay: Factor per step back in the session.
        session_length: Items of a session that count, the newest.
        transition_weight: Weight of co-visitation from the session's items; 0: none.
        transition_decay: Factor of co-visitation per step back in the session.
        revisit_weight: Weight of the session's own items; above 0, they may be recommended again.
        revisit_decay: Factor of the session's own items per step back in the session.
        reranker: Whether a reranker (boosted trees) orders the users' rows.
        reranker_components: Components whose scores are features of the reranker, in addition to ``components``.
        content: Share of content neighbours in the rows of items with few or no events (``models.cold_start``);
            0: none.
    """

    event_weights: Mapping[str, float] = field(default_factory=lambda: _EQUAL)
    half_life_days: float | None = 90.0
    matrix: ItemItemConfig = field(default_factory=EASEConfig)
    recommend_seen: bool = True
    diagonal_weight: float = 0.1
    trend_half_life_days: float | None = 30.0
    components: Mapping[str, float] = field(default_factory=lambda: _EQUAL)
    component_settings: ComponentSettings = DEFAULT_SETTINGS
    prior_users: float = 100.0
    user_weight: float = 1.0
    session_weight: float = 0.5
    segment_weight: float = 0.05
    session_decay: float = 0.9
    session_length: int = 20
    transition_weight: float = 0.0
    transition_decay: float = 0.5
    revisit_weight: float = 0.0
    revisit_decay: float = 0.8
    reranker: bool = False
    reranker_components: tuple[str, ...] = RERANKER_COMPONENTS
    content: float = 0.0


def start(options: RecommenderOptions, span_days: float) -> Hyperparameters:
    """Start of the search: the options' values, else the defaults. Half-lives depend on ``span_days``, the days
    before validation.
    """
    return Hyperparameters(
        event_weights=options.strengths,
        half_life_days=options.half_life_days or max(span_days / 4, 1e-3),
        matrix=EASEConfig(width=options.width),
        recommend_seen=options.repeats != "never",
        diagonal_weight=0.0 if options.repeats == "never" else Hyperparameters().diagonal_weight,
        trend_half_life_days=max(span_days / 8, 1e-3),
        reranker_components=tuple(name for name in RERANKER_COMPONENTS if name not in options.without),
    )


def start_without_times(params: Hyperparameters, without: Sequence[str], users: int) -> Hyperparameters:
    """Start of the search for interactions without times: EASE, PureSVD and user EASE, with the settings that are best
    on the last items of Gowalla's users (benchmarks/recommender), and no half-lives.

    Components in ``without`` are left out, and so is user EASE with more than ``MAX_USER_EASE_USERS`` users.
    """
    left_out = {*without, *([USER_EASE] if users > MAX_USER_EASE_USERS else [])}
    matrix = params.matrix
    if isinstance(matrix, EASEConfig):
        matrix = replace(matrix, ridge=_RIDGE, dropout=_DROPOUT)
    return replace(
        params,
        half_life_days=None,
        trend_half_life_days=None,
        matrix=matrix,
        components={name: weight for name, weight in _WEIGHTS.items() if name not in left_out},
        component_settings=WITHOUT_TIMES,
        segment_weight=_SEGMENT_WEIGHT,
    )


def rarity(log: EventLog) -> dict[str, float]:
    """Weight per event type: the square root of the most frequent type's count divided by the type's own count."""
    counts = np.bincount(log.event, minlength=len(log.events))
    return {
        name: round(float(np.sqrt(counts.max() / count)), 3)
        for name, count in zip(log.events, counts.tolist(), strict=True)
        if count
    }
