"""The context of a classifier's training. The feature cache follows from its options (``features.cache``)."""

from typing import TypeAlias

from larder_training.classifier.config.options import ClassifierOptions
from larder_training.reporting.context import TrainingContext

ClassifierContext: TypeAlias = TrainingContext[ClassifierOptions]
