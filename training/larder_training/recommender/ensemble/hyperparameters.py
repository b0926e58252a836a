"""Every hyperparameter of a recommender: where each starts, and how it is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import numpy as np

from larder_training.recommender.config.options import RecommenderOptions
from larder_training.recommender.data.event_log import Log
from larder_training.recommender.ensemble.components import RANKED
from larder_training.recommender.models.ease import Regression
from larder_training.recommender.models.item_item import MatrixLearner

_EQUAL: Final[Mapping[str, float]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Choices:
    """Every hyperparameter. What validation chooses starts from these values, which also stand where a log is too
    small to choose by.

    ``matrix`` is what the item-item matrix B is learnt by, and ``repeat`` multiplies B's diagonal where ``repeats`` is
    allowed: how much having had an item speaks for the item itself.
    ``trend_half_life_days`` is popularity's own half-life, ``prior_users`` the users of everybody's taste that are
    added to each segment's own (few users say little). ``half_life_days`` None: age does not count. ``sources``:
    further learners (``larder_training.recommender.ensemble.components``) and the weight of each beside the matrix's 1.
    ``revisit_weight`` above 0 shows what a session has seen already.
    ``ranker``: users' rows are put into order by boosted trees, which hear the sources ``heard`` and those of
    ``sources``. ``content``: how much the catalogue says of items with few events or none
    (``larder_training.recommender.models.cold_start``), 0 for nothing.
    """

    event_weights: Mapping[str, float] = field(default_factory=lambda: _EQUAL)
    half_life_days: float | None = 90.0
    matrix: MatrixLearner = field(default_factory=Regression)
    repeats: bool = True
    repeat: float = 0.1
    trend_half_life_days: float | None = 30.0
    sources: Mapping[str, float] = field(default_factory=lambda: _EQUAL)
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
    ranker: bool = False
    heard: tuple[str, ...] = RANKED
    content: float = 0.0


def start(options: RecommenderOptions, span_days: float) -> Choices:
    """The choices before any validation: the options', and the usual values, with ages in parts of the log's length."""
    return Choices(
        event_weights=options.strengths,
        half_life_days=options.half_life_days or max(span_days / 4, 1e-3),
        matrix=Regression(width=options.width),
        repeats=options.repeats != "never",
        repeat=0.0 if options.repeats == "never" else Choices().repeat,
        trend_half_life_days=max(span_days / 8, 1e-3),
        heard=tuple(name for name in RANKED if name not in options.without),
    )


def rarity(log: Log) -> dict[str, float]:
    """Weights by how rare a type of event is: the square root of the commonest type's count over this one's."""
    counts = np.bincount(log.event, minlength=len(log.events))
    return {
        name: round(float(np.sqrt(counts.max() / count)), 3)
        for name, count in zip(log.events, counts.tolist(), strict=True)
        if count
    }


def value_of(name: str, choices: Choices) -> object:
    """The value of one choice as it is told in the manifest."""
    if name in ("ridge", "item_exponent"):
        return getattr(choices.matrix, name)
    if name == "repeat":
        return choices.repeat if choices.repeats else "never"
    if name.startswith("sources."):
        return choices.sources[name.removeprefix("sources.")]
    value = getattr(choices, name)
    return dict(value) if isinstance(value, Mapping) else value
