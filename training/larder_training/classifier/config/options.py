"""What a training can be told, checked before anything is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, get_args

from larder.errors import InvalidRequest
from larder.release.keys import check_model
from larder.release.serving import ColumnType
from larder_training.classifier.config.preprocessing import Preprocessing

ClassWeights = Literal["auto", "none", "balanced"]
CLASS_WEIGHTS: Final = ("auto", "none", "balanced")
Dtype = Literal["int8", "float32"]
DTYPES: Final = ("int8", "float32")
AugmentationName = Literal["none", "weak", "medium", "strong"]
AUGMENTATION_NAMES: Final[tuple[AugmentationName, ...]] = get_args(AugmentationName)
AUGMENT: Final = ("auto", *AUGMENTATION_NAMES)
FLIP: Final = ("auto", "yes", "no")
OUT: Final = Path(".larder/releases")
CACHE_FOLDER: Final = Path(".larder/cache/features")
CACHE_BYTES: Final = 4 * 2**30


@dataclass(frozen=True, slots=True)
class SearchLimits:
    """What a search may try: ``trials`` and ``minutes`` at most, a hidden layer or none, and which class weights."""

    trials: int = 24
    minutes: float | None = None
    hidden: bool = True
    class_weights: ClassWeights = "auto"

    def __post_init__(self) -> None:
        if not 1 <= self.trials <= 1000:
            raise InvalidRequest(f"trials is {self.trials}: give a number from 1 to 1000.")
        if self.minutes is not None and not 0 < self.minutes <= 10_000:
            raise InvalidRequest(f"minutes is {self.minutes}: give a number over 0, or leave it out.")
        if self.class_weights not in CLASS_WEIGHTS:
            raise InvalidRequest(f"class_weights is {self.class_weights!r}: give one of {', '.join(CLASS_WEIGHTS)}.")

    def describe(self) -> dict[str, object]:
        """For the manifest. The minutes are left out: what they stopped is told by the number of trials."""
        return {"most_trials": self.trials, "hidden": self.hidden, "class_weights": self.class_weights}


@dataclass(frozen=True, slots=True)
class ClassifierOptions:
    """Everything that decides what a training makes; with the data and the package versions, it decides each byte.

    ``data`` is a folder of class folders or a manifest file, here or in S3 (``dataset``). ``backbone`` is a path or
    URL of an ONNX file; None takes the built-in features. ``augment`` is how far the ``copies`` of each training
    photo may differ from it (a name of ``augment.STRENGTHS``, "none", or "auto": chosen by cross-validation),
    ``flip`` whether mirrored views are learnt from ("yes", "no" or "auto"). ``cache`` is the folder of the feature
    cache (None: none), of at most ``cache_bytes``; it changes no byte of the release. ``validation`` and ``test``
    are shares of the photos. ``search`` bounds the search for the head. ``parent`` is a release folder, or the name
    of a model with a release in ``out``, whose labels, features, head and settings the training begins from.
    ``side`` names the columns of a manifest that join the pictures, each with its type or None (None: all of them,
    ``{}``: none); ``colour_statistics`` also join them; ``keep_side`` takes both even where they do not help.
    ``max_loss`` is the share of validation photos that int8 may lose against float32; one may always be lost.
    ``false_alarms`` is the share of photos of taught classes that may be called unknown. ``precision`` is what the
    labels' thresholds must reach (None: they give the best F1). ``created`` is the release's time (None: now).
    """

    data: Path | str
    model: str
    out: Path = OUT
    backbone: str | None = None
    backbone_spec: Path | None = None
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    label_attribute: str | None = None
    dtype: Dtype = "int8"
    augment: str = "auto"
    copies: int = 2
    flip: str = "auto"
    validation: float = 0.15
    test: float = 0.15
    folds: int = 5
    parent: Path | None = None
    search: SearchLimits = field(default_factory=SearchLimits)
    side: Mapping[str, ColumnType | None] | None = None
    colour_statistics: bool = False
    keep_side: bool = False
    max_loss: float = 0.003
    false_alarms: float = 0.04
    precision: float | None = None
    seed: int = 0
    cache: Path | None = CACHE_FOLDER
    cache_bytes: int = CACHE_BYTES
    created: datetime | None = None

    def __post_init__(self) -> None:
        check_model(self.model)
        if self.dtype not in DTYPES:
            raise InvalidRequest(f"dtype is {self.dtype!r}: give one of {', '.join(DTYPES)}.")
        if self.augment not in AUGMENT:
            raise InvalidRequest(f"augment is {self.augment!r}: give one of {', '.join(AUGMENT)}.")
        if not 1 <= self.copies <= 50:
            raise InvalidRequest(f"copies is {self.copies}: give a number from 1 to 50, or --augment none.")
        if self.flip not in FLIP:
            raise InvalidRequest(f"flip is {self.flip!r}: give one of {', '.join(FLIP)}.")
        if not (0.02 <= self.validation <= 0.4 and 0.02 <= self.test <= 0.4):
            raise InvalidRequest(
                f"The shares are validation {self.validation} and test {self.test}: give each from 0.02 to 0.4."
            )
        if self.colour_statistics and self.backbone is None:
            raise InvalidRequest(
                "The built-in features hold colour statistics: leave --colour-statistics out, or give --backbone."
            )
        if self.cache_bytes < 0:
            raise InvalidRequest(f"cache_bytes is {self.cache_bytes}: give 0 or more, or --no-cache.")
        _check_answers(self.false_alarms, self.precision)
        if not 2 <= self.folds <= 20:
            raise InvalidRequest(f"folds is {self.folds}: give a number from 2 to 20.")
        if not 0 <= self.seed < 2**63:
            raise InvalidRequest(f"seed is {self.seed}: give a whole number from 0 to 2^63 - 1.")


def _check_answers(false_alarms: float, precision: float | None) -> None:
    if not 0.0001 <= false_alarms <= 0.5:
        raise InvalidRequest(f"false_alarms is {false_alarms}: give a share from 0.0001 to 0.5.")
    if precision is not None and not 0.5 <= precision <= 1:
        raise InvalidRequest(f"precision is {precision}: give a share from 0.5 to 1, or leave it out.")
