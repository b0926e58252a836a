"""Options of a classifier's training, checked before any data is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, get_args

from larder.errors import InvalidRequest
from larder.release.keys import check_model
from larder.release.serving import ColumnType
from larder_training.classifier.config.preprocessing import Preprocessing
from larder_training.io.column_names import statements

Boxes = Literal["cut", "ignore"]
BOXES: Final[tuple[Boxes, ...]] = get_args(Boxes)
COLUMNS: Final = ("path", "label", "split")  # roles of columns that can be stated
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
    """Limits of the hyperparameter search.

    Attributes:
        trials: Maximum number of trials.
        minutes: Time limit in minutes; None for no limit. The first trial always runs.
        hidden: Whether to try heads with a hidden layer.
        class_weights: Weights of the classes in the loss: "none", "balanced", or "auto" to try both.

    Raises:
        InvalidRequest: A value is out of range.
    """

    trials: int = 24
    minutes: float | None = None
    hidden: bool = True
    class_weights: ClassWeights = "auto"

    def __post_init__(self) -> None:
        if not 1 <= self.trials <= 1000:
            raise InvalidRequest(f"trials is {self.trials}: give a number from 1 to 1000.")
        if self.minutes is not None and not 0 < self.minutes <= 10_000:
            raise InvalidRequest(f"minutes is {self.minutes}: give a number above 0, or omit it.")
        if self.class_weights not in CLASS_WEIGHTS:
            raise InvalidRequest(f"class_weights is {self.class_weights!r}: give one of {', '.join(CLASS_WEIGHTS)}.")

    def describe(self) -> dict[str, object]:
        """For the manifest. ``minutes`` is omitted: the number of trials shows where it stopped the search."""
        return {"most_trials": self.trials, "hidden": self.hidden, "class_weights": self.class_weights}


@dataclass(frozen=True, slots=True)
class ClassifierOptions:
    """Options of a classifier's training.

    The options, the data and the package versions determine every byte of ``model.onnx``.

    Attributes:
        data: A folder of class folders or a manifest file, on disk or in S3 (``manifests.read_dataset``).
        model: Name of the model.
        out: Folder that the release is written to.
        backbone: Name of a backbone, or path or URL of an ONNX file; "none" for the built-in features. None: "lite0",
            or the built-in features where cross-validation finds them better.
        backbone_spec: JSON file with the backbone's preprocessing.
        preprocessing: Preprocessing that takes precedence over ``backbone_spec``.
        label_attribute: Label attribute of a Ground Truth manifest that has several.
        groups: Which images stay together in the split: a column of the list, a CSV file with the columns ``path`` and
            ``group``, or "none". None: near-duplicates.
        columns: The list's names of the columns ``path``, ``label`` and ``split``, if Larder does not find them.
        boxes: For a list of boxes: "cut" makes an image of each box, "ignore" gives the label of its boxes to the
            image.
        dtype: Data type of the exported model.
        augment: Strength of the augmentation, a name of ``augmentation.STRENGTHS``, "none", or "auto" to choose it by
            cross-validation.
        copies: Number of augmented copies of each training image.
        flip: Whether to train on mirrored images too: "yes", "no", or "auto" to choose by cross-validation.
        validation: Share of the images for validation.
        test: Share of the images for testing.
        folds: Number of cross-validation folds.
        parent: A release folder, or the name of a model with a release in ``out``. The training starts from its labels,
            features, head and settings.
        search: Limits of the search for the head.
        side: Columns of the manifest to use as side information, each with its type or None to infer it. None: all
            columns; ``{}``: no columns.
        colour_statistics: Whether to add colour statistics to the features.
        keep_side: Whether to use side information and colour statistics even if they do not improve validation.
        max_loss: Share of validation images that int8 may lose against float32; one image may always be lost.
        false_alarms: Target share of in-distribution images that are flagged unknown.
        precision: Precision that each label's threshold must reach. None: the thresholds with the best F1.
        multi_label: Whether an image may have several labels, or none: the outputs are sigmoids, one for each label.
        label_separator: What separates the labels of a cell, in addition to ``|``, with ``multi_label``.
        seed: Random seed.
        cache: Folder of the feature cache; None for no cache. It changes no byte of the release.
        cache_bytes: Maximum size of the feature cache.
        created: Time of the release. None: now.

    Raises:
        InvalidRequest: A value is out of range, or two options contradict each other.
    """

    data: Path | str
    model: str
    out: Path = OUT
    backbone: str | None = None
    backbone_spec: Path | None = None
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    label_attribute: str | None = None
    groups: str | None = None
    columns: Mapping[str, str] | None = None
    boxes: Boxes | None = None
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
    multi_label: bool = False
    label_separator: str | None = None
    seed: int = 0
    cache: Path | None = CACHE_FOLDER
    cache_bytes: int = CACHE_BYTES
    created: datetime | None = None

    def __post_init__(self) -> None:
        check_model(self.model)
        if self.dtype not in DTYPES:
            raise InvalidRequest(f"dtype is {self.dtype!r}: give one of {', '.join(DTYPES)}.")
        check_list_options(self.columns, self.boxes)
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
        if self.colour_statistics and self.backbone == "none":
            raise InvalidRequest(
                "The built-in features contain colour statistics: omit --colour-statistics, or name another backbone."
            )
        if self.cache_bytes < 0:
            raise InvalidRequest(f"cache_bytes is {self.cache_bytes}: give 0 or more, or --no-cache.")
        _check_thresholds(self.false_alarms, self.precision)
        if not 2 <= self.folds <= 20:
            raise InvalidRequest(f"folds is {self.folds}: give a number from 2 to 20.")
        if not 0 <= self.seed < 2**63:
            raise InvalidRequest(f"seed is {self.seed}: give a whole number from 0 to 2^63 - 1.")
        _check_multi_label(self)


def check_list_options(columns: Mapping[str, str] | None, boxes: str | None) -> None:
    """Checks the options of a list of images. Raises InvalidRequest for an unknown role or value, or an empty name."""
    for role, column in (columns or {}).items():
        if role not in COLUMNS or not column:
            raise InvalidRequest(f"columns have {role}={column}: give the list's names for {', '.join(COLUMNS)}.")
    if boxes is not None and boxes not in BOXES:
        raise InvalidRequest(f"boxes is {boxes!r}: give one of {', '.join(BOXES)}, or omit it.")


def parse_roles(texts: Sequence[str]) -> dict[str, str]:
    """Parses ``["path=file,label=breed"]`` to the list's names by role. Raises InvalidRequest."""
    roles = statements(texts, example="path=file,label=breed", spelling=str.casefold)
    check_list_options(roles, None)
    return roles


def check_separator(separator: str | None, *, multi_label: bool) -> None:
    """Checks ``label_separator``. Raises InvalidRequest if it is empty, or given for data of one label."""
    if separator is not None and not multi_label:
        raise InvalidRequest("label_separator is given, but each image has one label: add --multi-label, or omit it.")
    if separator == "":
        raise InvalidRequest("label_separator is empty: give what stands between two labels, such as ';'.")


def _check_multi_label(options: ClassifierOptions) -> None:
    """Raises InvalidRequest for an option that a head with one output for each label does not have."""
    check_separator(options.label_separator, multi_label=options.multi_label)
    if not options.multi_label:
        return
    refused = {
        "--parent": options.parent is not None,
        "--side": bool(options.side),
        "--keep-side": options.keep_side,
        "--colour-statistics": options.colour_statistics,
        f"--augment {options.augment}": options.augment not in {"auto", "none"},
        "--flip yes": options.flip == "yes",
        "--class-weights balanced": options.search.class_weights == "balanced",
    }
    found = [flag for flag, given in refused.items() if given]
    if found:
        raise InvalidRequest(f"{found[0]} does not work with --multi-label: omit one of the two.")


def _check_thresholds(false_alarms: float, precision: float | None) -> None:
    if not 0.0001 <= false_alarms <= 0.5:
        raise InvalidRequest(f"false_alarms is {false_alarms}: give a share from 0.0001 to 0.5.")
    if precision is not None and not 0.5 <= precision <= 1:
        raise InvalidRequest(f"precision is {precision}: give a share from 0.5 to 1, or omit it.")
