"""What every step of a training needs: its options and its progress."""

from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from larder_training.reporting.progress import Progress


class Seeded(Protocol):
    """Options with a seed."""

    @property
    def seed(self) -> int:
        """Seed of every random draw."""


Options = TypeVar("Options", bound=Seeded)


@dataclass(frozen=True)  # without slots, which an alias such as TrainingContext[ClassifierOptions] cannot construct
class TrainingContext(Generic[Options]):
    """The options and the progress of one training, passed from step to step.

    Attributes:
        options: All options of the training.
        progress: Reports each step; quiet by default.
    """

    options: Options
    progress: Progress = field(default_factory=lambda: Progress(quiet=True))

    @property
    def seed(self) -> int:
        """Seed of every random draw."""
        return self.options.seed
