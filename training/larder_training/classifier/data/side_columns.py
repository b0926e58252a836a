"""Side information: chooses and fits the columns of a manifest that the head reads in addition to the image.

Only training images determine the encoding: the values of a category, the mean and standard deviation of a number.
``larder.release.side_columns`` encodes the values, in training and in serving.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from larder.errors import InvalidRequest
from larder.release import side_columns
from larder.release.serving import CategoryColumn, ColumnType, NumberColumn, SideColumn, TextColumn
from larder_training.classifier.data.label_leaks import Value, as_number, find_leaks
from larder_training.classifier.data.scan import Sample
from larder_training.numerics.arrays import Floats
from larder_training.numerics.memmap import allocate
from larder_training.reporting.counts import counted
from larder_training.reporting.progress import Progress

TEXT_BUCKETS: Final = 256  # hash buckets of a text column
MAX_CATEGORIES: Final = 100  # of a column; rarer values count as unknown
MIN_CATEGORY_COUNT: Final = 2  # training images with a value; rarer values count as unknown
COLUMN_DROPOUT: Final = 0.25  # share of the training rows in which a column is left out at random


@dataclass(frozen=True, slots=True)
class FittedColumns:
    """The columns to use, and those that are left out.

    Attributes:
        columns: The columns with their encoding, sorted by name.
        left_out: The reason by column.
    """

    columns: tuple[SideColumn, ...]
    left_out: Mapping[str, str]


def fit_columns(
    samples: Sequence[Sample],
    training: Sequence[Sample],
    requested: Mapping[str, ColumnType | None] | None,
    progress: Progress,
    *,
    groups: str | None = None,
) -> FittedColumns:
    """Chooses the columns and fits their encoding to the training images.

    Args:
        samples: All images; their columns are the available ones.
        training: The images that types, categories, means and standard deviations are fitted to.
        requested: The columns to use, each with its type or None to infer it. None uses every column except those that
            reveal the label (``label_leaks``) and the one that states the groups.
        progress: Reports each column.
        groups: The column that states the groups.

    Raises:
        InvalidRequest: A requested column does not exist.
    """
    names = sorted({name for sample in samples for name in sample.image.side})
    unknown = [name for name in requested or () if name not in names]
    if unknown:
        remedy = f"give --side one of {', '.join(names)}." if names else "it has only path and label."
        raise InvalidRequest(f"The manifest has no column {unknown[0]!r}: {remedy}")
    left_out: dict[str, str] = {}
    fitted: dict[str, SideColumn] = {}
    for name in names if requested is None else sorted(requested):
        column = _fit_column(name, training, None if requested is None else requested[name])
        if isinstance(column, str):
            left_out[name] = column
        elif requested is None and name == groups:
            left_out[name] = "it states the groups."
        else:
            fitted[name] = column
    leaks = _leaks(training, fitted)
    if requested is None:
        left_out |= {name: f"{why}. If requests will have it too, use --side {name}" for name, why in leaks.items()}
    for name, reason in left_out.items():
        progress.say(f"Side column {name} is left out: {reason}")
    used = {name: column for name, column in fitted.items() if name not in left_out}
    for name, column in used.items():
        warning = f"; {leaks[name]}, so requests must have it too" if name in leaks else ""
        progress.say(f"Side column {name}: {_describe(column)}{warning}")
    return FittedColumns(tuple(used.values()), left_out)


def _leaks(training: Sequence[Sample], names: Collection[str]) -> dict[str, str]:
    """How each leaking column reveals the label; of several, with the names of the others."""
    reasons = {}
    for leak in find_leaks(training, names):
        for name in leak.columns:
            others = " and ".join(other for other in leak.columns if other != name)
            reasons[name] = f"with {others}, {leak.reason}" if others else leak.reason
    return reasons


def values_of(columns: Sequence[SideColumn], sample: Sample) -> dict[str, Value]:
    """The values of an image in these columns, as a request sends them: numbers, or strings for other types.

    Raises:
        InvalidRequest: The value of a number column is not a number; the message names the image.
    """
    values: dict[str, Value] = {}
    for column in columns:
        value = sample.image.side.get(column.name)
        if value is None:
            continue
        if isinstance(column, NumberColumn):
            number = as_number(value)
            if number is None:
                raise InvalidRequest(
                    f"{sample.image.name}: {column.name} is {str(value)[:40]!r}, not a number. Correct it, or give "
                    f"--side {column.name}:category."
                )
            values[column.name] = number
        else:
            values[column.name] = str(value)
    return values


def encode(columns: Sequence[SideColumn], samples: Sequence[Sample], without: Collection[str] = ()) -> Floats:
    """The graph's ``side`` input, ``[N, S]``; the columns ``without`` are encoded as missing.

    Raises:
        InvalidRequest: A value does not fit its column; the message names the image.
    """
    rows = allocate(len(samples), side_columns.width(columns))
    for position, sample in enumerate(samples):
        rows[position] = _encode_row(columns, sample, _omit(values_of(columns, sample), without))
    return rows


def encode_training(columns: Sequence[SideColumn], samples: Sequence[Sample], views: int, seed: int) -> Floats:
    """Training rows, ``[N * views, S]``; columns are left out at random, since requests may omit them.

    If there are several views of an image, the first has all its values. The choice depends on the seed, the view's
    number and the file's digest.

    Raises:
        InvalidRequest: A value does not fit its column; the message names the image.
    """
    rows = allocate(len(samples) * views, side_columns.width(columns))
    for position, sample in enumerate(samples):
        values = values_of(columns, sample)
        for view in range(views):
            drawn = np.random.default_rng([seed, view, int(sample.digest[:16], 16)]).random(len(columns))
            dropped = [column.name for column, chance in zip(columns, drawn, strict=True) if chance < COLUMN_DROPOUT]
            remaining = _omit(values, dropped if view or views == 1 else ())
            rows[position * views + view] = _encode_row(columns, sample, remaining)
    return rows


def _omit(values: Mapping[str, Value], names: Collection[str]) -> dict[str, Value]:
    return {name: value for name, value in values.items() if name not in names}


def _encode_row(columns: Sequence[SideColumn], sample: Sample, values: Mapping[str, Value]) -> list[float]:
    try:
        return side_columns.encode(columns, values)
    except InvalidRequest as error:
        raise InvalidRequest(f"{sample.image.name}: {error}") from error


def _fit_column(name: str, training: Sequence[Sample], column_type: ColumnType | None) -> SideColumn | str:
    """The fitted column, or the reason why it is useless."""
    values = [sample.image.side[name] for sample in training if name in sample.image.side]
    if not values:
        return "no training image has a value."
    if len(values) == len(training) and len(set(values)) == 1:
        return "all training images have the same value."
    column_type = column_type or _infer_type(values)
    if column_type == "text":
        return TextColumn(name, TEXT_BUCKETS)
    return _number_column(name, values) if column_type == "number" else _category_column(name, values)


def _number_column(name: str, values: Sequence[Value]) -> SideColumn | str:
    numbers = [number for number in map(as_number, values) if number is not None]
    if not numbers or np.ptp(numbers) == 0:
        return "its values are all the same number, or not numbers."
    return NumberColumn(name, float(np.mean(numbers)), float(np.std(numbers)))


def _category_column(name: str, values: Sequence[Value]) -> SideColumn | str:
    counts = Counter(side_columns.plain(str(value)) for value in values)
    frequent = sorted((-count, value) for value, count in counts.items() if count >= MIN_CATEGORY_COUNT and value)
    if not frequent:
        return (
            f"no value occurs in {MIN_CATEGORY_COUNT} training images or more. To read it as words, use --side "
            f"{name}:text."
        )
    return CategoryColumn(name, tuple(sorted(value for _, value in frequent[:MAX_CATEGORIES])))


def _infer_type(values: Sequence[Value]) -> ColumnType:
    if all(as_number(value) is not None for value in values):
        return "number"
    distinct = len({str(value) for value in values})
    return "category" if distinct <= min(MAX_CATEGORIES, len(values) / 2) else "text"


def _describe(column: SideColumn) -> str:
    if isinstance(column, CategoryColumn):
        return (
            f"a category of {counted(len(column.values), 'value')} (--side {column.name}:text or :number changes that)"
        )
    if isinstance(column, NumberColumn):
        return f"a number, {column.mean:g} on average (--side {column.name}:category changes that)"
    return f"text (--side {column.name}:category changes that)"
