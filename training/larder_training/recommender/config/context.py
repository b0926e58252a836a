"""What every step of a training needs."""

from dataclasses import dataclass

from larder_training.recommender.config.options import RecommenderOptions
from larder_training.reporting.progress import Progress


@dataclass(frozen=True, slots=True)
class TrainingContext:
    """Options and progress of one training.

    Attributes:
        options: Options of the training.
        progress: Receives messages and progress bars.
    """

    options: RecommenderOptions
    progress: Progress

    @property
    def seed(self) -> int:
        """Seed of all random draws."""
        return self.options.seed
