"""CSV with one column for each class and 0 or 1 in it, as Roboflow's ``_classes.csv``."""

from collections.abc import Sequence
from typing import Final

from larder_training.classifier.data.formats.columns import image_column, image_doubt, split_column
from larder_training.classifier.data.formats.delimited import Rows, read_rows
from larder_training.classifier.data.formats.entries import (
    ImageList,
    ListedImage,
    ListOptions,
    Unusable,
    distinct_labels,
    part_named,
)
from larder_training.classifier.data.formats.parsed import Parsed
from larder_training.reporting.counts import counted

_YES: Final = frozenset({"1", "1.0", "true", "yes"})
_NO: Final = frozenset({"0", "0.0", "false", "no", ""})


def is_one_hot(name: str, header: Sequence[str], rows: Rows, options: ListOptions) -> bool:
    """Whether all columns but those of image and split have 0 or 1, and there are at least two."""
    image = image_column(name, header, options.columns)
    classes = _classes(name, header, options)
    if image is None or len(classes) < 2 or not rows:
        return False
    return all(
        cell.strip().casefold() in _YES | _NO
        for position, _ in classes
        for _, cells in rows
        for cell in cells[position : position + 1]
    )


def read_one_hot(source: Parsed, options: ListOptions) -> ImageList:
    """The entries of a one-hot CSV; a row without a 1 is unusable, unless an image may have no label."""
    _, header, rows = read_rows(source.source)
    image = image_column(source.name, header, options.columns) or ""
    split = split_column(source.name, header, options.columns)
    entries: list[ListedImage] = []
    unusable: list[Unusable] = []
    for line, cells in rows:
        where = f"line {line}"
        values = dict(zip(header, (cell.strip() for cell in cells), strict=False))
        classes = [label for _, label in _classes(source.name, header, options)]
        labels = [label for label in classes if values.get(label, "").casefold() in _YES]
        name = values.get(image, "")
        answered = labels or (options.multi_label and any(values.get(label) for label in classes))
        if name and answered and len(cells) <= len(header):
            part = source.part or part_named(values.get(split or "", ""))
            entries.append(ListedImage(where, name, distinct_labels(labels), part))
        elif not name:
            unusable.append(Unusable(where, name, f"{image} is empty. Fill it in."))
        else:
            reason = (
                "No class has a 1"
                if not answered
                else f"The row has {counted(len(cells), 'cell')}, and the header {len(header)}"
            )
            unusable.append(Unusable(where, name, f"{reason}. Correct or remove the row."))
    doubt = image_doubt(source.name, header, image, options.columns)
    return ImageList(tuple(entries), tuple(unusable), doubt=doubt)


def _classes(name: str, header: Sequence[str], options: ListOptions) -> list[tuple[int, str]]:
    """The columns of classes with their positions."""
    others = {image_column(name, header, options.columns), split_column(name, header, options.columns), ""}
    return [(position, column) for position, column in enumerate(header) if column not in others]
