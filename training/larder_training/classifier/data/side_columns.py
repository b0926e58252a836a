"""Side information: which of a manifest's columns join the pictures, of which type, and as which numbers.

What a value means is decided by the training photos alone: the values of a category, the mean and deviation of a
number. ``larder.release.side_columns`` then encodes, here and in serving.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from larder.errors import InvalidRequest
from larder.release import side_columns
from larder.release.serving import CategoryColumn, ColumnType, NumberColumn, SideColumn, TextColumn
from larder_training.classifier.data.scan import Sample
from larder_training.numerics.arrays import Floats
from larder_training.numerics.memmap import room
from larder_training.reporting.progress import Progress

TEXT_BUCKETS: Final = 256  # of a text column
MAX_CATEGORIES: Final = 100  # of a category; the rarest of more count as unknown
MIN_CATEGORY_COUNT: Final = 2  # a value that fewer training photos have counts as unknown
COLUMN_DROPOUT: Final = 0.25  # share of the training rows in which a column is left out at random

Value = str | float
Wanted = Mapping[str, ColumnType | None]


def fit_columns(
    samples: Sequence[Sample], training: Sequence[Sample], wanted: Wanted | None, progress: Progress
) -> tuple[SideColumn, ...]:
    """Decides the columns, sorted by name, from what the training photos say.

    Args:
        samples: all images; their columns are those that can be wanted.
        training: those that types, values, means and deviations are taken from.
        wanted: the columns to take, with types or None; None takes every column that the manifest has, but leaves one
            out that by itself tells the label, as a copy of it would.
        progress: told what became of each column.

    Raises:
        InvalidRequest: a wanted column that is not there, or a value that is no number where one must be.
    """
    names = sorted({name for sample in samples for name in sample.image.side})
    unknown = [name for name in wanted or () if name not in names]
    if unknown:
        known = f"give --side one of {', '.join(names)}." if names else "it has none beside path and label."
        raise InvalidRequest(f"The manifest has no column {unknown[0]!r}: {known}")
    found = []
    for name in names if wanted is None else sorted(wanted):
        column = _column(name, training, None if wanted is None else wanted[name])
        if isinstance(column, str):
            progress.say(f"Side column {name} is left out: {column}")
        elif wanted is None and _tells_label(name, training):
            progress.say(
                f"Side column {name} is left out: it tells the label by itself. If requests will have it all the same, "
                f"say --side {name}"
            )
        else:
            progress.say(f"Side column {name}: {_described(column)}")
            found.append(column)
    return tuple(found)


def values_of(columns: Sequence[SideColumn], sample: Sample) -> dict[str, Value]:
    """What a photo's manifest says in these columns, as a request would: numbers for numbers, texts for the rest.

    Raises InvalidRequest, naming the photo, where a number is none.
    """
    values: dict[str, Value] = {}
    for column in columns:
        value = sample.image.side.get(column.name)
        if value is None:
            continue
        if isinstance(column, NumberColumn):
            number = _as_number(value)
            if number is None:
                raise InvalidRequest(
                    f"{sample.image.name}: {column.name} is {str(value)[:40]!r}, no number. Mend it, or give "
                    f"--side {column.name}:category."
                )
            values[column.name] = number
        else:
            values[column.name] = str(value)
    return values


def encode(columns: Sequence[SideColumn], samples: Sequence[Sample], without: Collection[str] = ()) -> Floats:
    """The graph's ``side`` input for photos, ``[N, S]``, as if the columns ``without`` had no value.

    Raises as ``values_of`` and ``larder.release.side_columns.encode``.
    """
    rows = room(len(samples), side_columns.width(columns))
    for position, sample in enumerate(samples):
        rows[position] = _row(columns, sample, _left(values_of(columns, sample), without))
    return rows


def encode_training(columns: Sequence[SideColumn], samples: Sequence[Sample], views: int, seed: int) -> Floats:
    """Training rows, ``[N * views, S]``; columns are left out at random (``COLUMN_DROPOUT``), as in requests.

    Of several views of a photo the first has all its values. What is left out follows from the seed, the view's
    number and the file's digest. Raises as ``encode``.
    """
    rows = room(len(samples) * views, side_columns.width(columns))
    for position, sample in enumerate(samples):
        values = values_of(columns, sample)
        for view in range(views):
            drawn = np.random.default_rng([seed, view, int(sample.digest[:16], 16)]).random(len(columns))
            dropped = [column.name for column, chance in zip(columns, drawn, strict=True) if chance < COLUMN_DROPOUT]
            left = _left(values, dropped if view or views == 1 else ())
            rows[position * views + view] = _row(columns, sample, left)
    return rows


def _left(values: Mapping[str, Value], without: Collection[str]) -> dict[str, Value]:
    return {name: value for name, value in values.items() if name not in without}


def _row(columns: Sequence[SideColumn], sample: Sample, values: Mapping[str, Value]) -> list[float]:
    try:
        return side_columns.encode(columns, values)
    except InvalidRequest as error:
        raise InvalidRequest(f"{sample.image.name}: {error}") from error


def _column(name: str, training: Sequence[Sample], kind: ColumnType | None) -> SideColumn | str:
    """The column, or why it is of no use."""
    filled = [sample.image.side[name] for sample in training if name in sample.image.side]
    if not filled:
        return "no training photo has a value."
    if len(filled) == len(training) and len(set(filled)) == 1:
        return "every training photo has the same value."
    kind = kind or _guess(filled)
    if kind == "text":
        return TextColumn(name, TEXT_BUCKETS)
    return _number_column(name, filled) if kind == "number" else _category_column(name, filled)


def _number_column(name: str, filled: Sequence[Value]) -> SideColumn | str:
    numbers = [number for number in map(_as_number, filled) if number is not None]
    if not numbers or np.ptp(numbers) == 0:
        return "its values are one number, or none."
    return NumberColumn(name, float(np.mean(numbers)), float(np.std(numbers)))


def _category_column(name: str, filled: Sequence[Value]) -> SideColumn | str:
    seen = Counter(side_columns.plain(str(value)) for value in filled)
    common = sorted((-count, value) for value, count in seen.items() if count >= MIN_CATEGORY_COUNT and value)[
        :MAX_CATEGORIES
    ]
    if not common:
        return f"no value occurs in {MIN_CATEGORY_COUNT} training images. Use --side {name}:text to read it as words."
    return CategoryColumn(name, tuple(sorted(value for _, value in common)))


def _guess(filled: Sequence[Value]) -> ColumnType:
    if all(_as_number(value) is not None for value in filled):
        return "number"
    distinct = len({str(value) for value in filled})
    return "category" if distinct <= min(MAX_CATEGORIES, len(filled) / 2) else "text"


def _as_number(value: Value) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _tells_label(name: str, training: Sequence[Sample]) -> bool:
    """Whether values that repeat go with one label each, or numbers in their order part the labels cleanly."""
    labels: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for sample in training:
        if name in sample.image.side:
            labels[str(sample.image.side[name])][sample.image.label] += 1
    repeated = [counts for counts in labels.values() if counts.total() > 1]
    if 2 * sum(counts.total() for counts in repeated) > sum(counts.total() for counts in labels.values()):
        return all(len(counts) == 1 for counts in repeated)
    numbers = sorted(
        (number, sample.image.label)
        for sample in training
        if (number := _as_number(sample.image.side.get(name, "none"))) is not None
    )
    changes = sum(one[1] != other[1] for one, other in pairwise(numbers))
    return len(numbers) == len(training) and changes < len({sample.image.label for sample in training})


def _described(column: SideColumn) -> str:
    if isinstance(column, CategoryColumn):
        return f"a category of {len(column.values)} values (--side {column.name}:text or :number would change that)"
    if isinstance(column, NumberColumn):
        return f"a number, {column.mean:g} on average (--side {column.name}:category would change that)"
    return f"text (--side {column.name}:category would change that)"
