"""Trains a recommender from a log of events: a linear item-item model, popularity by segment, and their tables."""

from larder_training.recommender.options import RecommenderOptions
from larder_training.recommender.train import train

__all__ = ["RecommenderOptions", "train"]
