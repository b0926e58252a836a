"""What every step of a training needs: its options and its progress."""

from dataclasses import dataclass, field

from larder_training.classifier.config.options import ClassifierOptions
from larder_training.reporting.progress import Progress


@dataclass(frozen=True, slots=True)
class ClassifierContext:
    """The options and the progress of one training, passed from step to step.

    The feature cache follows from the options (``features.cache.feature_cache``).

    Attributes:
        options: All settings of the training.
        progress: Reports each step; quiet by default.
    """

    options: ClassifierOptions
    progress: Progress = field(default_factory=lambda: Progress(quiet=True))

    @property
    def seed(self) -> int:
        """The seed of every random draw."""
        return self.options.seed
