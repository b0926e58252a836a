"""Trains a recommender from an event log: item-item models, popularity by segment, and their serving tables."""

from larder_training.recommender.config.options import RecommenderOptions

__all__ = ["RecommenderOptions"]
