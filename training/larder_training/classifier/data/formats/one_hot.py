"""CSV with one column for each class and 0 or 1 in it, as Roboflow's ``_classes.csv``."""

from typing import Final

from larder_training.classifier.data.formats.columns import (
    check_distinct,
    has_columns,
    image_column,
    image_doubt,
    split_column,
    split_is_certain,
)
from larder_training.classifier.data.formats.entries import (
    ImageList,
    ListedImage,
    ListOptions,
    Unusable,
    distinct_labels,
    part_in_cell,
    part_named,
)
from larder_training.classifier.data.formats.parsed import Parsed
from larder_training.reporting.counts import counted

_YES: Final = frozenset({"1", "1.0", "true", "yes"})
_NO: Final = frozenset({"0", "0.0", "false", "no", ""})


def is_one_hot(source: Parsed, options: ListOptions) -> bool:
    """Whether no column is one of labels, and all but those of image and split, at least two, have 0 or 1."""
    table = source.table
    if has_columns(table.header, options.columns):
        return False
    image, _, classes = _columns(source, options)
    if not image or len(classes) < 2 or not table.rows:
        return False
    return all(
        cell.strip().casefold() in _YES | _NO
        for position, _ in classes
        for _, cells in table.rows
        for cell in cells[position : position + 1]
    )


def read_one_hot(source: Parsed, options: ListOptions) -> ImageList:
    """The entries of a one-hot CSV; a row without a 1 is unusable, unless an image may have no label.

    Raises:
        InvalidRequest: Two columns have one name, or a value of the column ``split`` is unknown.
    """
    header = source.table.header
    check_distinct(source.name, header)
    image, split, classes = _columns(source, options)
    certain = split_is_certain(split, options.columns)
    entries: list[ListedImage] = []
    unusable: list[Unusable] = []
    for line, cells in source.table.rows:
        where = f"line {line}"
        values = dict(zip(header, (cell.strip() for cell in cells), strict=False))
        labels = [label for _, label in classes if values.get(label, "").casefold() in _YES]
        name = values.get(image, "")
        answered = labels or (options.multi_label and any(values.get(label) for _, label in classes))
        if name and answered and len(cells) <= len(header):
            stated = values.get(split, "")
            part = source.part or (
                part_in_cell(f"{source.name} {where}", split, stated) if certain else part_named(stated)
            )
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


def _columns(source: Parsed, options: ListOptions) -> tuple[str, str, list[tuple[int, str]]]:
    """The columns of image and split, empty if there are none, and those of classes with their positions."""
    header = source.table.header
    image = image_column(source.name, header, options.columns) or ""
    split = split_column(source.name, header, options.columns) or ""
    return image, split, [(at, column) for at, column in enumerate(header) if column not in {image, split, ""}]
