"""Which photos there are and what they show: class folders, CSV, or Ground Truth's JSON lines, here or in S3."""

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
_OWN: Final = ("path", "label", "split", "")  # the columns of a CSV that are no side information


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """One file and its label. ``name`` is its path as the data state it; ``part`` where they choose one.

    ``side`` is what a manifest says beside that: texts and numbers by column, empty ones left out.
    ``origin`` is the s3:// URL of a photo that lies there; ``scan`` fetches it and sets ``path`` to the copy.
    """

    path: Path
    name: str
    label: str
    part: Part | None = None
    side: Mapping[str, str | float] = field(default_factory=dict, hash=False)
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class _Manifest:
    """A manifest's file, what messages call it, and its URL where it lies in S3."""

    file: Path
    name: str
    url: str | None = None


def read_dataset(source: Path | str, label_attribute: str | None = None) -> list[LabelledImage]:
    """Lists the photos of ``source`` in the order of their names; nothing is opened yet.

    Args:
        source: a folder whose sub-folders are classes; a CSV file with the columns ``path``, ``label`` and, if
            wanted, ``split`` (train, validation or test); or a Ground Truth manifest (``.manifest``, ``.jsonl``,
            ``.json``). Relative paths start at the manifest. Further columns of a CSV, and further fields of a
            line that are texts or numbers, are side information. All may lie in S3: ``s3://bucket/prefix`` is a
            folder, and a manifest, wherever it lies, may name ``s3://`` photos.
        label_attribute: which label attribute of a Ground Truth manifest counts, where it has several.

    Raises:
        InvalidRequest: it is none of these; the message names the line that is wrong.
        StoreError: S3 has no such bucket or manifest, or refuses to tell.
    """
    if s3.is_remote(source):
        name, images = str(source), list(_in_bucket(str(source), label_attribute))
    else:
        name, images = Path(source).name, list(_here(Path(source), label_attribute))
    labels = {image.label for image in images}
    if len(labels) < 2:
        raise InvalidRequest(
            f"{name!r} holds {len(images)} photos of {len(labels)} classes; a classifier needs at least two. "
            "Give a folder with one sub-folder a class, or a manifest that names two labels."
        )
    return sorted(images, key=lambda image: (image.name, image.label))


def _here(source: Path, label_attribute: str | None) -> Iterator[LabelledImage]:
    manifest = _Manifest(source, source.name)
    if source.is_dir():
        return _folders(source)
    if not source.is_file():
        raise InvalidRequest(f"There is no folder or file {source.name!r}. Check the path.")
    if source.suffix.lower() == ".csv":
        return _csv(manifest)
    if source.suffix.lower() in _JSON_LINES:
        return _ground_truth(manifest, label_attribute)
    raise InvalidRequest(f"{source.name!r} is no folder, .csv, .manifest or .jsonl file. Rename or convert it.")


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
                f"{source.name} has the columns {', '.join(sorted(columns)) or 'none'}: its first line must name "
                "path and label (and may name split)."
            )
        for row in rows:
            where = f"{source.name} line {rows.line_num}"
            name, label, part = (str(row.get(column) or "").strip() for column in ("path", "label", "split"))
            if not name or not label:
                raise InvalidRequest(f"{where} has no {'path' if not name else 'label'}. Fill it in.")
            if part and part.lower() not in _PART_NAMES:
                raise InvalidRequest(f"{where}: split is {part!r}; write train, validation, test or nothing.")
            side = {
                column: value.strip()
                for column, value in row.items()
                if isinstance(column, str) and column not in _OWN and isinstance(value, str) and value.strip()
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
        raise InvalidRequest(f"{where} is not JSON ({error}). Write one JSON object a line.") from error
    if not isinstance(entry, dict) or not isinstance(entry.get("source-ref"), str):
        raise InvalidRequest(f"{where} has no text source-ref. Name the image there.")
    attribute = label_attribute or _only_attribute(entry, where)
    metadata = entry.get(attribute + _METADATA)
    label = metadata.get("class-name") if isinstance(metadata, dict) else None
    if not isinstance(label, str) or not label.strip():
        raise InvalidRequest(
            f"{where}: {attribute}{_METADATA} has no class-name. Larder reads Ground Truth's image classification "
            "with one label; label the image so, or choose another attribute with --label-attribute."
        )
    found = _labelled_image(source, cast("str", entry["source-ref"]), label.strip(), where)
    return replace(found, side=_plain_fields(entry))


def _plain_fields(entry: Mapping[str, object]) -> dict[str, str | float]:
    """Texts and numbers of a line but the image and the label attributes (each beside its metadata)."""
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
            f"{where} has {len(names)} label attributes ({', '.join(sorted(names)) or 'none'}); one is needed. "
            "Choose it with --label-attribute."
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
            f"{where} names {name[:80]!r}: local files and s3:// are read. Copy the images beside the manifest and "
            "write paths relative to it."
        )
    return LabelledImage(source.file.parent / name, name, label)
