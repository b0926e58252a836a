"""Images in memory as inputs: they are written to files and a manifest, which the reader of manifests reads."""

import csv
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeAlias

import narwhals as nw
import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image, ImageOps

from larder.errors import InvalidRequest, RequestError
from larder_training.api.frames import Frame, is_frame, to_polars
from larder_training.classifier.data.formats.columns import choose_columns
from larder_training.classifier.data.formats.entries import SEVERAL
from larder_training.classifier.data.formats.image_places import split_url
from larder_training.io import image_files, s3

# One image: a path or an s3:// URL, the bytes of an encoded image, an array, or a Pillow image. An array is uint8
# [height, width, 3] (RGB), [height, width, 4] (RGBA) or [height, width] (grey).
ImageLike: TypeAlias = str | Path | bytes | NDArray[np.uint8] | Image.Image
Images: TypeAlias = Path | str | Frame | Iterable[ImageLike]

_PNG_MODES: Final = ("1", "L", "LA", "P", "RGB", "RGBA")
_MANIFEST: Final = ".images.csv"
_COLUMNS: Final = ("path", "label")
_FORMS: Final = "give a path, bytes, a Pillow image, or a uint8 array [height, width, 3] with values from 0 to 255"


def encoded(image: ImageLike) -> bytes:
    """An image as the bytes of an encoded file. Arrays and Pillow images become PNG, which is lossless.

    Raises:
        InvalidRequest: The array has another type or shape, the file does not exist, or the object is not an image.
    """
    match image:
        case bytes():
            return image
        case str() if s3.is_remote(image):
            return image_files.fetch(image).read_bytes()
        case str() | Path():
            return _read(Path(image))
        case Image.Image():
            return _png(ImageOps.exif_transpose(image))
    if not hasattr(image, "__array__"):
        raise InvalidRequest(f"an image is of type {type(image).__name__}: {_FORMS}.")
    pixels = np.asarray(image)
    if not _is_image(pixels):
        several = ", or a list of these for several images" if pixels.ndim == 4 else ""
        raise InvalidRequest(f"an image is an array of {pixels.dtype} {list(pixels.shape)}: {_FORMS}{several}.")
    return _png(Image.fromarray(pixels))


@contextmanager
def named(index: int) -> Iterator[None]:
    """Adds the index of an image in a list to an error about it."""
    try:
        yield
    except RequestError as error:
        raise type(error)(f"image {index} (counted from 0): {error}") from error


@contextmanager
def as_source(
    images: Images,
    labels: Iterable[object] | None,
    columns: Mapping[str, str] | None = None,
    *,
    multi_label: bool = False,
) -> Iterator[Path | str]:
    """The input of the reader of manifests: ``images`` if it is a location, otherwise a temporary manifest.

    Args:
        images: A folder or list; a data frame with the columns of a list (``path``, ``label``, optionally ``split`` and
            side columns); or images.
        labels: One label per image, for images only.
        columns: The data frame's names of the columns ``path``, ``label`` and ``split``, if they are unusual.
        multi_label: Whether an image may have several labels: a list of texts, or one text with ``|`` between them.

    Raises:
        InvalidRequest: Labels are missing, superfluous, or not as many as the images; a row has no path or label; or
            an object is not an image.
    """
    if isinstance(images, str | os.PathLike):
        _check_no_labels(labels, "a folder or manifest has labels of its own")
        yield images if isinstance(images, str) and s3.is_remote(images) else Path(images)
        return
    with TemporaryDirectory(prefix="larder-") as folder:
        if is_frame(images):
            _check_no_labels(labels, "the data frame has labels in its column 'label'")
            rows, path = _rows(to_polars(images), columns or {}, multi_label=multi_label)
        elif isinstance(images, Iterable):
            rows, path = list(_written(images, labels, Path(folder), multi_label=multi_label)), "path"
        else:
            raise InvalidRequest(
                f"the images are of type {type(images).__name__}: give a folder, a manifest, a data frame, or a list "
                "of images with labels=."
            )
        yield _manifest(rows, Path(folder), path)


def _is_image(pixels: NDArray[np.generic]) -> bool:
    has_channels = pixels.ndim == 3 and pixels.shape[2] in {3, 4}
    return pixels.dtype == np.uint8 and pixels.size > 0 and (has_channels or pixels.ndim == 2)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"{str(path)!r} cannot be read ({error.strerror}): give the path of an image.") from error


def _png(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image = image if image.mode in _PNG_MODES else image.convert("RGB")
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _check_no_labels(labels: Iterable[object] | None, reason: str) -> None:
    if labels is not None:
        raise InvalidRequest(f"labels are given, but {reason}: omit them.")


def _rows(table: pl.DataFrame, stated: Mapping[str, str], *, multi_label: bool) -> tuple[list[dict[str, object]], str]:
    """The rows of a data frame, and the name of the column with the images."""
    chosen = choose_columns("the data frame", table.columns, stated)
    rows = table.fill_nan(None).rows(named=True)
    for index, row in enumerate(rows):
        where = f"row {index} of the data frame (counted from 0): {chosen.label}"
        row[chosen.label] = _cell(row[chosen.label], where, multi_label=multi_label)
        for column in (chosen.path, chosen.label):
            if _is_missing(row[column]) and not (column == chosen.label and multi_label and row[column] == ""):
                raise InvalidRequest(
                    f"row {index} of the data frame (counted from 0): {column} is {row[column]!r}. Fill it in, or drop "
                    "the row."
                )
    return rows, chosen.path


def _written(
    images: Iterable[ImageLike], labels: Iterable[object] | None, folder: Path, *, multi_label: bool
) -> Iterator[dict[str, object]]:
    """The rows of a manifest; images in memory are written to ``folder``."""
    if labels is None:
        raise InvalidRequest("the images have no labels: give labels=, one for each image.")
    images, names = list(images), _label_names(labels, multi_label=multi_label)
    if len(images) != len(names):
        raise InvalidRequest(f"there are {len(images)} images and {len(names)} labels: give one label for each image.")
    digits = len(str(len(images)))
    for index, (image, label) in enumerate(zip(images, names, strict=True)):
        if isinstance(image, str | Path):
            yield {"path": str(image), "label": label}
            continue
        name = f"{index:0{digits}}"  # keeps the order: the reader sorts by name
        with named(index):
            (folder / name).write_bytes(encoded(image))
        yield {"path": str(folder / name), "label": label}


def _label_names(labels: Iterable[object], *, multi_label: bool) -> list[str]:
    series = nw.from_native(labels, series_only=True, pass_through=True)
    values: Sequence[object] = series.to_list() if isinstance(series, nw.Series) else list(labels)
    names = []
    for index, value in enumerate(values):
        label = _cell(value, f"label {index} (counted from 0)", multi_label=multi_label)
        if _is_missing(label) and not (multi_label and label == ""):
            raise InvalidRequest(f"label {index} (counted from 0) is {label!r}: give a text or a whole number.")
        names.append(str(label))
    return names


def _cell(label: object, where: str, *, multi_label: bool) -> object:
    """A label as a cell of a manifest: several of them with ``|`` between. Raises InvalidRequest for a list of one."""
    if isinstance(label, np.ndarray):
        label = label.tolist()
    if isinstance(label, set | frozenset):
        label = sorted(label)
    if not isinstance(label, list | tuple):
        return label
    if not multi_label:
        raise InvalidRequest(f"{where} is a list: give one label, or multi_label=True for several of them.")
    return SEVERAL.join(str(piece) for piece in label)


def _is_missing(label: object) -> bool:
    # NaN differs from itself; pandas' NA compares to neither true nor false.
    if label is None or type(label).__name__ == "NAType" or label != label:  # noqa: PLR0124
        return True
    return not str(label).strip()


def _manifest(rows: Sequence[Mapping[str, object]], folder: Path, column: str) -> Path:
    """Writes a manifest of ``rows`` to ``folder``; the paths in ``column`` start at the working directory."""
    path = folder / _MANIFEST
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else _COLUMNS)
        writer.writeheader()
        for row in rows:
            writer.writerow({**row, column: _manifest_name(str(row[column]), folder)} if row.get(column) else row)
    return path


def _manifest_name(name: str, folder: Path) -> str:
    """The name in a manifest in ``folder``.

    A relative name stays as it is, because messages and reports show it; a symbolic link in ``folder`` makes it valid.
    """
    if split_url(name).scheme:
        return name
    if Path(name).is_relative_to(folder):
        return str(Path(name).relative_to(folder))
    start = Path(name).parts[0]
    if Path(name).is_absolute() or start == "..":
        return str(Path(name).resolve())
    link = folder / start
    if not link.is_symlink():
        link.symlink_to(Path(start).resolve())
    return name
