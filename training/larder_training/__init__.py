"""Trains classifiers and recommenders from Python, evaluates them, and answers with them.

Two lines train an image classifier and ask it. ``images/`` has one sub-folder per class::

    release = train_classifier("images/")
    release.predict("cat.jpg")

Two lines train a recommender and ask it. ``interactions.csv`` has the columns USER_ID, ITEM_ID and TIMESTAMP::

    release = train_recommender("interactions.csv")
    release.recommend("ann")

Data may also be in memory: images as arrays or Pillow images with their labels, interactions as a data frame of polars,
pandas, PyArrow or another library. The commands ``larder train``, ``evaluate``, ``audit`` and ``publish`` do the same.

Importing this package is fast: each name imports its module when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from larder.classifier.graph import Label, Labels
    from larder.recommender import Reason, Recommendation
    from larder.rollout import Outcome
    from larder_training.api.auditing import AuditFindings, audit
    from larder_training.api.evaluation import evaluate
    from larder_training.api.release import Release
    from larder_training.api.report import Report
    from larder_training.api.training import train_classifier, train_recommender
    from larder_training.classifier.config.options import ClassifierOptions, SearchLimits
    from larder_training.classifier.config.preprocessing import Preprocessing
    from larder_training.recommender.config.options import RecommenderOptions

__all__ = [
    "AuditFindings",
    "ClassifierOptions",
    "Label",
    "Labels",
    "Outcome",
    "Preprocessing",
    "Reason",
    "Recommendation",
    "RecommenderOptions",
    "Release",
    "Report",
    "SearchLimits",
    "audit",
    "evaluate",
    "train_classifier",
    "train_recommender",
]

_MODULES: Final = {
    "AuditFindings": "larder_training.api.auditing",
    "ClassifierOptions": "larder_training.classifier.config.options",
    "Label": "larder.classifier.graph",
    "Labels": "larder.classifier.graph",
    "Outcome": "larder.rollout",
    "Preprocessing": "larder_training.classifier.config.preprocessing",
    "Reason": "larder.recommender",
    "Recommendation": "larder.recommender",
    "RecommenderOptions": "larder_training.recommender.config.options",
    "Release": "larder_training.api.release",
    "Report": "larder_training.api.report",
    "SearchLimits": "larder_training.classifier.config.options",
    "audit": "larder_training.api.auditing",
    "evaluate": "larder_training.api.evaluation",
    "train_classifier": "larder_training.api.training",
    "train_recommender": "larder_training.api.training",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value  # the next access does not come here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
