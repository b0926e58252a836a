"""Label Studio's exports: JSON, JSON-MIN and CSV."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import parse_qs

from larder.errors import InvalidRequest
from larder_training.classifier.data.formats.entries import (
    Box,
    ImageList,
    ListedImage,
    ListOptions,
    Part,
    Unusable,
    entries_of,
)
from larder_training.classifier.data.formats.image_places import IMAGE_SUFFIXES, split_url
from larder_training.classifier.data.formats.parsed import JsonRow, Parsed, header_of

_CHOICES: Final = ("choices", "taxonomy", "labels")  # of whole images
_RECTANGLES: Final = "rectanglelabels"
_SERVICE: Final = frozenset(  # columns that Label Studio adds
    ("id", "annotation_id", "annotator", "created_at", "updated_at", "lead_time", "inner_id", "agreement", "project")
)
_UPLOAD: Final = re.compile(r"^[0-9a-f]{6,8}-(.+)$")  # the prefix of uploaded files

Label = tuple[str, Box | None]  # the box in shares of the image


def is_tasks(source: Parsed) -> bool:
    """Whether the rows are tasks with annotations."""
    return any(isinstance(row.fields.get("data"), dict) and _annotations(row) is not None for row in source.rows)


def is_flat(header: Sequence[str]) -> bool:
    """Whether a header or the keys of a row are those of JSON-MIN and CSV."""
    return "annotation_id" in header and bool({"annotator", "lead_time"} & set(header))


def read_tasks(source: Parsed, options: ListOptions) -> ImageList:
    """The entries of the JSON export. Skipped tasks, and those that annotators disagree on, are unusable."""
    entries: list[ListedImage] = []
    unusable: list[Unusable] = []
    questions = {result["from_name"] for row in source.rows for result in _results(row) if "from_name" in result}
    question = _question(source.name, sorted(map(str, questions)), options)
    for row in source.rows:
        data = row.fields.get("data")
        url = _image_of(data) if isinstance(data, dict) else ""
        answers = [
            sorted(_labels(results, question), key=str)
            for annotation in _annotations(row) or []
            if not annotation.get("was_cancelled") and isinstance(results := annotation.get("result"), list)
        ]
        answers = [answer for answer in answers if answer]
        if not url or not answers:
            unusable.append(Unusable(row.where, url, "It has no label. Label it, or remove it."))
        elif any(_whole(answer) != _whole(answers[0]) for answer in answers):
            given = "; ".join(dict.fromkeys(", ".join(_whole(answer)) for answer in answers))
            unusable.append(Unusable(row.where, url, f"Its annotators disagree ({given}). Decide on one label."))
        else:
            entries += _entries(row.where, url, answers[0], source.part)
    return ImageList(tuple(entries), tuple(unusable))


def read_flat_json(source: Parsed, options: ListOptions) -> ImageList:
    """The entries of JSON-MIN."""
    return _read_flat(source.name, source.rows, source.part, options)


def read_flat_csv(source: Parsed, options: ListOptions) -> ImageList:
    """The entries of the CSV export."""
    table = source.table
    records = [JsonRow(f"line {line}", dict(zip(table.header, cells, strict=False))) for line, cells in table.rows]
    return _read_flat(source.name, records, source.part, options)


def _read_flat(name: str, rows: Sequence[JsonRow], part: Part | None, options: ListOptions) -> ImageList:
    header = header_of(rows)
    image = options.columns.get("path") or _image_column(rows, header)
    label = options.label_attribute or options.columns.get("label")
    if label is None:
        rest = [column for column in header if column not in _SERVICE and column != image]
        label = next((column for column in rest if column == "choice"), None) or _question(name, rest, options)
    entries: list[ListedImage] = []
    unusable: list[Unusable] = []
    for row in rows:
        url, found = str(row.fields.get(image) or "").strip(), list(_flat_labels(row.fields.get(label or "")))
        if url and found:
            entries += _entries(row.where, url, found, part)
        else:
            unusable.append(Unusable(row.where, url, "It has no label. Label it, or remove it."))
    return ImageList(tuple(entries), tuple(unusable))


def _question(name: str, questions: Sequence[str], options: ListOptions) -> str | None:
    """The name of the question whose answers are the labels: the only one, or the stated one."""
    stated = options.label_attribute
    if stated is not None:
        if stated not in questions:
            raise InvalidRequest(f"{name} has no label attribute {stated!r}: it has {', '.join(questions) or 'none'}.")
        return stated
    if len(questions) > 1:
        raise InvalidRequest(
            f"{name} has {len(questions)} questions ({', '.join(questions)}): choose the one whose answers are the "
            "labels with --label-attribute."
        )
    return questions[0] if questions else None


def _annotations(row: JsonRow) -> list[Mapping[str, object]] | None:
    found = row.fields.get("annotations", row.fields.get("completions"))
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else None


def _results(row: JsonRow) -> Iterator[Mapping[str, object]]:
    for annotation in _annotations(row) or []:
        results = annotation.get("result")
        yield from (result for result in results if isinstance(result, dict)) if isinstance(results, list) else ()


def _labels(results: Sequence[object], question: str | None) -> Iterator[Label]:
    for result in results:
        if isinstance(result, dict) and result.get("from_name") in {question, None}:
            value = result.get("value")
            yield from _value_labels(value) if isinstance(value, dict) else ()


def _value_labels(value: Mapping[str, object]) -> Iterator[Label]:
    for kind in _CHOICES:
        names = value.get(kind)
        for name in names if isinstance(names, list) else ():
            yield (" / ".join(map(str, name)) if isinstance(name, list) else str(name)), None  # a path of a taxonomy
    names, sides = value.get(_RECTANGLES), [value.get(side) for side in ("x", "y", "width", "height")]
    if isinstance(names, list) and all(isinstance(side, int | float) for side in sides):
        left, top, width, height = (float(str(side)) / 100 for side in sides)  # in percent
        for name in names:
            yield str(name), (left, top, left + width, top + height)


def _flat_labels(value: object) -> Iterator[Label]:
    """The labels of a cell: a text, ``{"choices": [...]}`` or a list of rectangles, each also as JSON in a text."""
    if isinstance(value, str) and value.strip()[:1] in {"{", "["}:
        with suppress(ValueError):
            value = json.loads(value)
    if isinstance(value, dict):
        yield from _value_labels(value)
    elif isinstance(value, list):
        for item in value:
            yield from _value_labels(item) if isinstance(item, dict) else [(str(item), None)]
    elif isinstance(value, str | int) and str(value).strip():
        yield str(value), None


def _whole(answer: Sequence[Label]) -> list[str]:
    return [label for label, box in answer if box is None]


def _entries(where: str, url: str, answer: Sequence[Label], part: Part | None) -> list[ListedImage]:
    name, others = _file_names(url)
    return entries_of(ListedImage(where, name, (), part, relative=True, other_names=others), answer)


def _image_column(rows: Sequence[JsonRow], header: Sequence[str]) -> str:
    for column in header:
        if any(isinstance(value := row.fields.get(column), str) and _is_image(value) for row in rows):
            return column
    return "image"


def _image_of(data: Mapping[str, object]) -> str:
    texts = [value.strip() for value in data.values() if isinstance(value, str) and value.strip()]
    image = data.get("image")
    if isinstance(image, str) and image.strip():
        return image.strip()
    return next((text for text in texts if _is_image(text)), "")


def _is_image(text: str) -> bool:
    return any(PurePosixPath(path).suffix.lower() in IMAGE_SUFFIXES for path in (split_url(text).path, text))


def _file_names(url: str) -> tuple[str, tuple[str, ...]]:
    """The names under which an image may lie next to the export: Label Studio adds a prefix to uploaded files."""
    if url.startswith(("s3://", "file://")):
        return url, ()
    parts = split_url(url)
    local = parse_qs(parts.query).get("d")
    if local:
        return local[0].lstrip("/"), (local[0].rpartition("/")[2],)
    if not parts.scheme and not url.startswith("/"):
        return url, (url.rpartition("/")[2],)
    file = parts.path.rpartition("/")[2]
    prefixed = _UPLOAD.match(file)
    return file, (prefixed[1],) if prefixed else ()
