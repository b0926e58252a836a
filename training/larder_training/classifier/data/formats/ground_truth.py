"""Manifests of SageMaker Ground Truth and Rekognition Custom Labels: JSON lines with ``source-ref``."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from larder.errors import InvalidRequest
from larder_training.classifier.data.formats.entries import (
    Box,
    ImageList,
    ListedImage,
    ListOptions,
    Part,
    Side,
    Unusable,
    distinct_labels,
)
from larder_training.classifier.data.formats.parsed import JsonRow, Parsed

SOURCE: Final = "source-ref"
_METADATA: Final = "-metadata"


def is_manifest(source: Parsed) -> bool:
    """Whether a row has the image as Ground Truth writes it."""
    return any(SOURCE in row.fields for row in source.rows)


def read_manifest(source: Parsed, options: ListOptions) -> ImageList:
    """The entries of a manifest.

    It has the output of a job with one label for an image (``class-name``), with several (``class-map``), or with boxes
    (``annotations``); or, as of Rekognition Custom Labels, one attribute for each label. A line that a job could not
    label is unusable.

    Raises:
        InvalidRequest: There are several label attributes, so that one must be chosen, or not the chosen one.
    """
    attributes = _attributes(source, options.label_attribute)
    entries: list[ListedImage] = []
    unusable: list[Unusable] = []
    for row in source.rows:
        name = row.fields.get(SOURCE)
        if not isinstance(name, str) or not name.strip():
            reason = f"{row.where} has no string {SOURCE}. Give the path or URL of the image there."
            unusable.append(Unusable(row.where, "", reason.removeprefix(f"{row.where} ")))
            continue
        read = _read_row(row, name.strip(), attributes, source.part, multi_label=options.multi_label)
        if isinstance(read, str):
            unusable.append(Unusable(row.where, name.strip(), read))
        else:
            entries.extend(read)
    return ImageList(tuple(entries), tuple(unusable))


def _attributes(source: Parsed, stated: str | None) -> tuple[str, ...]:
    """The label attributes to read: the stated one, the only one, or all of Rekognition's."""
    names = list(dict.fromkeys(name for row in source.rows for name in _label_attributes(row)))
    if stated is not None:
        if stated not in names:
            raise InvalidRequest(
                f"{source.name} has no label attribute {stated!r}: it has {', '.join(sorted(names)) or 'none'}."
            )
        return (stated,)
    if len(names) > 1 and not _one_per_label(source.rows, names):
        first = next(row for row in source.rows if len(_label_attributes(row)) > 1 or row is source.rows[-1])
        listed = ", ".join(sorted(names))
        raise InvalidRequest(
            f"{source.name} {first.where} has {len(names)} label attributes ({listed}); exactly one is needed. Choose "
            "one with --label-attribute."
        )
    return tuple(names)


def _label_attributes(row: JsonRow) -> list[str]:
    return [
        key.removesuffix(_METADATA)
        for key, value in row.fields.items()
        if key.endswith(_METADATA) and isinstance(value, dict)
    ]


def _one_per_label(rows: Sequence[JsonRow], names: Sequence[str]) -> bool:
    """Whether each attribute stands for one label, as in Rekognition's manifests, and no two for the same."""
    classes: defaultdict[str, set[object]] = defaultdict(set)
    for row in rows:
        for name in _label_attributes(row):
            metadata = row.fields[name + _METADATA]
            if isinstance(metadata, dict) and "failure-reason" not in metadata:
                classes[name].add(metadata.get("class-name"))
    single = [next(iter(found)) for found in classes.values() if len(found) == 1]
    return len(single) == len(names) == len(set(single)) and None not in single


def _read_row(
    row: JsonRow, name: str, attributes: Sequence[str], part: Part | None, *, multi_label: bool
) -> list[ListedImage] | str:
    """The entries of a line: one for the image, or one for each box; or why there is none."""
    labels: list[str] = []
    boxes: list[tuple[str, Box]] = []
    answered = False  # whether the job says which labels the image has, if only that it has none
    for attribute in attributes:
        metadata = row.fields.get(attribute + _METADATA)
        if not isinstance(metadata, dict):
            continue
        if "failure-reason" in metadata:
            return (
                f"Ground Truth could not label it: {str(metadata['failure-reason'])[:200].rstrip('.')}. Label it again."
            )
        if isinstance(metadata.get("class-name"), str):
            labels.append(metadata["class-name"])
        elif isinstance(metadata.get("class-map"), dict):
            value, names = row.fields.get(attribute), metadata["class-map"]
            answered = answered or isinstance(value, list) or _has_boxes(value)
            labels += [_class(names, number) for number in value] if isinstance(value, list) else []
            boxes += _boxes(value, names)
        else:
            return f"{attribute}{_METADATA} has no class-name. Label it again, or remove the line."
    found = distinct_labels(labels)
    side = _side_fields(row.fields)
    if found:
        return [ListedImage(row.where, name, found, part, side)]
    if boxes:
        return [ListedImage(row.where, name, (label,), part, side, box) for label, box in boxes]
    if multi_label and answered:
        return [ListedImage(row.where, name, (), part, side)]
    return "It has no label. Label it, or remove the line."


def _class(names: Mapping[str, object], number: object) -> str:
    name = names.get(str(number))
    return name if isinstance(name, str) else ""


def _has_boxes(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("annotations"), list)


def _boxes(value: object, names: Mapping[str, object]) -> list[tuple[str, Box]]:
    boxes: list[tuple[str, Box]] = []
    for box in value.get("annotations", []) if isinstance(value, dict) else []:
        sides = [box.get(side) for side in ("left", "top", "width", "height")] if isinstance(box, dict) else []
        label = distinct_labels([_class(names, box.get("class_id"))]) if sides else ()
        if label and all(isinstance(side, int | float) for side in sides):
            left, top, width, height = (float(str(side)) for side in sides)
            boxes.append((label[0], (left, top, left + width, top + height)))
    return boxes


def _side_fields(fields: Mapping[str, object]) -> Side:
    """The strings and numbers of a line, without the image and the label attributes (those with metadata)."""
    return {
        name: value
        for name, value in fields.items()
        if name not in {SOURCE, "", "class-name"} and f"{name}{_METADATA}" not in fields
        if isinstance(value, str | int | float) and not isinstance(value, bool) and value != ""
    }
