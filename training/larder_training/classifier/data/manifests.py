"""Reads the images of a data set with their labels: class folders, CSV or Ground Truth, on disk or in S3."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Final, Literal, cast
from urllib.parse import unquote, urlsplit

from larder.errors import InvalidRequest
from larder_training.io import image_files, s3

Part = Literal["train", "validation", "test"]
PARTS: Final[tuple[Part, ...]] = ("train", "validation", "test")
_PART_NAMES: Final[Mapping[str, Part]] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "val": "validation",
    "test": "test",
}
_METADATA: Final = "-metadata"
_JSON_LINES: Final = frozenset({".manifest", ".jsonl", ".json", ".ndjson"})
_MANIFEST_BYTES: Final = 2**29  # of a manifest in S3
_RESERVED: Final = ("path", "label", "split", "")  # the columns of a CSV that are not side information


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image file and its label, as a data set lists them.

    Attributes:
        path: The file. For an image in S3, ``scan`` sets it to the local copy.
        name: The path as the data set writes it.
        label: The class.
        part: The part of the split, if the data set specifies it.
        side: Side information: strings and numbers by column; empty values are omitted.
        origin: The ``s3://`` URL of an image in S3, else None.
    """

    path: Path
    name: str
    label: str
    part: Part | None = None
    side: Mapping[str, str | float] = field(default_factory=dict, hash=False)
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class _Manifest:
    """A manifest: its file, its name in messages, and its URL if it is in S3."""

    file: Path
    name: str
    url: str | None = None


def read_dataset(source: Path | str, label_attribute: str | None = None) -> list[LabelledImage]:
    """Lists the images of a data set, sorted by name. Image files are not opened.

    Args:
        source: A folder with one sub-folder per class; a CSV file with the columns ``path``, ``label`` and optionally
            ``split`` (train, validation or test); or a Ground Truth manifest (``.manifest``, ``.jsonl``, ``.json``).
            Paths are relative to the manifest. Other columns of a CSV, and other string or number fields of a JSON
            line, are side information. All of these may be in S3: ``s3://bucket/prefix`` is a folder, and any manifest
            may list ``s3://`` images.
        label_attribute: The label attribute to use, if a Ground Truth manifest has several.

    Raises:
        InvalidRequest: The source has another form, or is invalid; the message names the line.
        StoreError: The bucket or manifest does not exist in S3, or access is denied.
    """
    if s3.is_remote(source):
        name, images = str(source), list(_in_bucket(str(source), label_attribute))
    else:
        name, images = Path(source).name, list(_on_disk(Path(source), label_attribute))
    labels = {image.label for image in images}
    if len(labels) < 2:
        raise InvalidRequest(
            f"{name!r} has {len(images)} images of {len(labels)} classes; a classifier needs at least two classes. "
            "Give a folder with one sub-folder per class, or a manifest with two labels."
        )
    return sorted(images, key=lambda image: (image.name, image.label))


def _on_disk(source: Path, label_attribute: str | None) -> Iterator[LabelledImage]:
    manifest = _Manifest(source, source.name)
    if source.is_dir():
        return _folders(source)
    if not source.is_file():
        raise InvalidRequest(f"The folder or file {source.name!r} does not exist. Check the path.")
    if source.suffix.lower() == ".csv":
        return _csv(manifest)
    if source.suffix.lower() in _JSON_LINES:
        return _ground_truth(manifest, label_attribute)
    raise InvalidRequest(f"{source.name!r} is not a folder or a .csv, .manifest or .jsonl file. Rename or convert it.")


def _in_bucket(url: str, label_attribute: str | None) -> Iterator[LabelledImage]:
    kind = PurePosixPath(url).suffix.lower()
    if kind == ".csv" or kind in _JSON_LINES:
        manifest = _Manifest(image_files.fetch(url, max_bytes=_MANIFEST_BYTES), PurePosixPath(url).name, url)
        yield from _csv(manifest) if kind == ".csv" else _ground_truth(manifest, label_attribute)
        return
    for origin, inside in s3.listed(url):
        label, _, rest = inside.partition("/")
        if rest:
            yield LabelledImage(Path(inside), inside, label, origin=origin)


def _folders(root: Path) -> Iterator[LabelledImage]:
    for folder in sorted(root.iterdir()):
        if folder.is_dir() and not folder.name.startswith("."):
            for path in sorted(folder.rglob("*")):
                inside = path.relative_to(root)
                if path.is_file() and not any(part.startswith(".") for part in inside.parts):
                    yield LabelledImage(path, inside.as_posix(), folder.name)


def _csv(source: _Manifest) -> Iterator[LabelledImage]:
    with source.file.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        columns = set(rows.fieldnames or ())
        if not {"path", "label"} <= columns:
            raise InvalidRequest(
                f"{source.name} has the columns {', '.join(sorted(columns)) or 'none'}: its header must have "
                "path and label, and may have split."
            )
        for row in rows:
            where = f"{source.name} line {rows.line_num}"
            name, label, part = (str(row.get(column) or "").strip() for column in ("path", "label", "split"))
            if not name or not label:
                raise InvalidRequest(f"{where}: {'path' if not name else 'label'} is empty. Fill it in.")
            if part and part.lower() not in _PART_NAMES:
                raise InvalidRequest(f"{where}: split is {part!r}; write train, validation, test or nothing.")
            side = {
                column: value.strip()
                for column, value in row.items()
                if isinstance(column, str) and column not in _RESERVED and isinstance(value, str) and value.strip()
            }
            yield replace(_labelled_image(source, name, label, where), part=_PART_NAMES.get(part.lower()), side=side)


def _ground_truth(source: _Manifest, label_attribute: str | None) -> Iterator[LabelledImage]:
    with source.file.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield _entry(source, line, label_attribute, f"{source.name} line {number}")


def _entry(source: _Manifest, line: str, label_attribute: str | None, where: str) -> LabelledImage:
    try:
        entry = json.loads(line)
    except ValueError as error:
        raise InvalidRequest(f"{where} is not JSON ({error}). Write one JSON object per line.") from error
    if not isinstance(entry, dict) or not isinstance(entry.get("source-ref"), str):
        raise InvalidRequest(f"{where} has no string source-ref. Give the path or URL of the image there.")
    attribute = label_attribute or _only_attribute(entry, where)
    metadata = entry.get(attribute + _METADATA)
    label = metadata.get("class-name") if isinstance(metadata, dict) else None
    if not isinstance(label, str) or not label.strip():
        raise InvalidRequest(
            f"{where}: {attribute}{_METADATA} has no class-name. Larder reads Ground Truth's single-label image "
            "classification; use that task type, or choose another attribute with --label-attribute."
        )
    image = _labelled_image(source, cast("str", entry["source-ref"]), label.strip(), where)
    return replace(image, side=_side_fields(entry))


def _side_fields(entry: Mapping[str, object]) -> dict[str, str | float]:
    """The strings and numbers of a line, without the image and the label attributes (those with metadata)."""
    return {
        name: value
        for name, value in entry.items()
        if name not in {"source-ref", "", "class-name"} and f"{name}{_METADATA}" not in entry
        if isinstance(value, str | int | float) and not isinstance(value, bool) and value != ""
    }


def _only_attribute(entry: Mapping[str, object], where: str) -> str:
    names = [
        key.removesuffix(_METADATA)
        for key, value in entry.items()
        if key.endswith(_METADATA) and isinstance(value, dict)
    ]
    if len(names) != 1:
        raise InvalidRequest(
            f"{where} has {len(names)} label attributes ({', '.join(sorted(names)) or 'none'}); exactly one is needed. "
            "Choose one with --label-attribute."
        )
    return names[0]


def _labelled_image(source: _Manifest, name: str, label: str, where: str) -> LabelledImage:
    if s3.is_remote(name) or source.url is not None:
        return LabelledImage(Path(name), name, label, origin=image_files.beside(source.url or name, name))
    url = urlsplit(name)
    if url.scheme == "file":
        return LabelledImage(Path(unquote(url.path)), name, label)
    if len(url.scheme) > 1:
        raise InvalidRequest(
            f"{where} lists {name[:80]!r}, but only local files and s3:// URLs can be read. Copy the images next to "
            "the manifest and write paths relative to it."
        )
    return LabelledImage(source.file.parent / name, name, label)
