"""Trains a recommender from a log of events: a linear item-item model, popularity by segment, and their tables.

``train`` (in ``larder_training.recommender.train``) is the library's entry, ``command`` the command line's, and
``evaluate`` (in ``larder_training.recommender.evaluate``) measures any release on later events. Only click is imported
here: the numeric libraries load when a training starts.
"""

from larder_training.recommender.cli import command
from larder_training.recommender.options import RecommenderOptions

__all__ = ["RecommenderOptions", "command"]
