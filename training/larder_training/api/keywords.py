"""Keyword arguments of the API: the fields of the options classes, including those of nested classes.

``train_classifier(..., trials=10)`` sets ``ClassifierOptions.search.trials``, as ``larder train classifier --trials
10`` does. The typed dictionaries are for editors and type checkers. The options classes document each field; a test
checks that the dictionaries have the same fields.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from difflib import get_close_matches
from numbers import Integral, Real
from pathlib import Path
from types import NoneType
from typing import Any, Final, TypedDict, cast, get_type_hints

from larder.release.serving import ColumnType, Resampling
from larder_training.classifier.config.options import Boxes, ClassWeights, Dtype
from larder_training.recommender.config.options import Bots, ColumnKind, Order, Repeats, Reranker, Scale

PathLike = str | os.PathLike[str]

CLASSIFIER: Final = "classifier"  # default names of models
RECOMMENDER: Final = "recommender"
# Types of fields that hold a number: the types that a value may have, and what to give.
_NUMBERS: Final[Mapping[object, tuple[tuple[type, ...], str]]] = {
    int: ((Integral,), "a whole number"),
    int | None: ((Integral, NoneType), "a whole number or None"),
    float: ((Real,), "a number"),
    float | None: ((Real, NoneType), "a number or None"),
}


class ImageKeywords(TypedDict, total=False):
    """The options for reading images and extracting features: ``ClassifierOptions`` and ``Preprocessing``."""

    label_attribute: str | None
    groups: str | None
    columns: Mapping[str, str] | None
    boxes: Boxes | None
    multi_label: bool
    label_separator: str | None
    backbone: PathLike | None
    backbone_spec: PathLike | None
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    resize_short: int | None
    input_size: int | None
    output: str | None
    resampling: Resampling | None
    seed: int
    cache: PathLike | None
    cache_bytes: int


class ClassifierKeywords(ImageKeywords, total=False):
    """The options of a classifier's training: ``ClassifierOptions`` and the limits of its search."""

    model: str
    out: PathLike
    dtype: Dtype
    augment: str
    copies: int
    flip: str
    validation: float
    test: float
    folds: int
    parent: PathLike | None
    trials: int
    minutes: float | None
    hidden: bool
    class_weights: ClassWeights
    side: Mapping[str, ColumnType | None] | None
    colour_statistics: bool
    keep_side: bool
    max_loss: float
    false_alarms: float
    precision: float | None
    created: datetime | None


class RecommenderKeywords(TypedDict, total=False):
    """The options of a recommender's training: ``RecommenderOptions``."""

    model: str
    out: PathLike
    seed: int
    types: Mapping[str, ColumnKind]
    event_weights: Mapping[str, float]
    event_thresholds: Mapping[str, float]
    event_values: Mapping[str, Scale]
    returns: Sequence[str]
    dwell: Sequence[str]
    bots: Bots
    columns: Mapping[str, str]
    schema: PathLike | Sequence[PathLike]
    time_format: str | None
    allow_small: bool
    allow_unmatched_ids: bool
    order: Order
    half_life_days: float | None
    repeats: Repeats
    reranker: Reranker
    without: Sequence[str]
    width: int
    minutes: float | None
    trials: int | None
    compare_with: PathLike | None
    created: datetime | None
    cache: PathLike | None


def arguments(
    options: type[object],
    accepted: type[ImageKeywords | RecommenderKeywords],
    keywords: Mapping[str, object],
    caller: str,
) -> dict[str, Any]:
    """Arguments of an options class from keywords by their flat names.

    Args:
        options: The options class.
        accepted: The typed dictionary of the keywords that ``caller`` accepts.
        keywords: The keywords.
        caller: The function's name, for messages.

    Raises:
        TypeError: A keyword is unknown, or a value is not a number where one is needed.
        InvalidRequest: A nested class refuses a value.
    """
    owners = keyword_owners(options)
    names = accepted.__annotations__
    for name in keywords:
        if name not in names:
            near = get_close_matches(name, names, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else f"give one of {', '.join(sorted(names))}"
            raise TypeError(f"{caller}() has no option {name!r}; {remedy}")
    nested: dict[str, dict[str, object]] = {}
    values: dict[str, object] = {}
    for name, value in keywords.items():
        owner = owners[name]
        if owner is None:
            values[name] = _convert(options, name, value)
        else:
            nested.setdefault(owner, {})[name] = _convert(_class(options, owner), name, value)
    return values | {owner: _class(options, owner)(**arguments) for owner, arguments in nested.items()}


def keyword_owners(options: type[object]) -> dict[str, str | None]:
    """All field names, also of nested classes. The value is the field of the nested object, or None."""
    owners: dict[str, str | None] = {}
    for field in fields(cast("Any", options)):
        nested: object = field.default_factory
        if is_dataclass(nested):
            owners |= {inner.name: field.name for inner in fields(nested)}
        else:
            owners[field.name] = None
    return owners


def _class(options: type[object], owner: str) -> type[Any]:
    nested: type[Any] = get_type_hints(options)[owner]
    return nested


def _convert(options: type[object], name: str, value: object) -> object:
    """The value with the type of the field: paths are converted, and lists become tuples."""
    hint = get_type_hints(options)[name]
    accepted, noun = _NUMBERS.get(hint, ((object,), ""))
    if not isinstance(value, accepted) or (noun and isinstance(value, bool)):
        raise TypeError(f"{name} is {value!r}: give {noun}")
    if isinstance(value, str | os.PathLike):
        if hint in (Path, Path | None):
            return Path(value)
        return os.fspath(value)
    return tuple(value) if isinstance(value, list) else value
