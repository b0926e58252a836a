"""The context of a recommender's training."""

from typing import TypeAlias

from larder_training.recommender.config.options import RecommenderOptions
from larder_training.reporting.context import TrainingContext

RecommenderContext: TypeAlias = TrainingContext[RecommenderOptions]
