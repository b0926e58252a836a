"""Reads the images of a data set with their labels: class folders or a list, on disk or in S3."""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Final, overload
from urllib.parse import unquote

from larder.errors import InvalidRequest
from larder.release import side_columns
from larder_training.classifier.data.folder_layout import LIST_SUFFIXES, LISTS, Tree, read_layout
from larder_training.classifier.data.formats.detect import read_list
from larder_training.classifier.data.formats.entries import (
    SEVERAL,
    Box,
    Boxes,
    ListedImage,
    ListOptions,
    ListText,
    Part,
)
from larder_training.classifier.data.formats.image_places import ImagePlaces, split_url
from larder_training.classifier.data.similar_labels import merged_labels, similar_labels
from larder_training.io import image_files, s3
from larder_training.io.text_encoding import read_text
from larder_training.reporting.counts import counted

# Of copies, those in a part that is evaluated are kept; images without a part come last.
PART_RANK: Final[Mapping[Part | None, int]] = {"test": 0, "validation": 1, "train": 2, None: 3}
_LISTS: Final = LIST_SUFFIXES | {".txt"}  # in S3
_MANIFEST_BYTES: Final = 2**29  # of a manifest in S3
_FEW: Final = 0.2  # share of images with several labels up to which they are left out, rather than all refused
_MOST: Final = 0.5  # share of unusable entries above which a list is refused
_NAMED: Final = 3  # images that a message names


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image file and its label, as a data set lists them.

    Attributes:
        path: The file. For an image in S3, ``scan`` sets it to the local copy; for a box, to the part cut out.
        name: The path as the data set writes it.
        label: The class; the first one of an image with several labels, empty for an entry without. Of multi-label
            data: all its labels, sorted and joined by ``|``, so that equal labels mean equal sets.
        part: The part of the split, if the data set specifies it.
        side: Side information: strings and numbers by column; empty values are omitted.
        origin: The ``s3://`` URL of an image in S3, else None.
        more_labels: The other labels of an image with several.
        box: The rectangle that the label is about; None: the whole image.
        relative: Whether the box is in shares of the width and height rather than in pixels.
        cut_from: The name of the image that this one is cut out of; None: it is a whole file.
        label_set: The labels of an image of multi-label data, sorted; may be empty. None: the data have one label for
            an image.
    """

    path: Path
    name: str
    label: str
    part: Part | None = None
    side: Mapping[str, str | float] = field(default_factory=dict, hash=False)
    origin: str | None = None
    more_labels: tuple[str, ...] = ()
    box: Box | None = None
    relative: bool = False
    cut_from: str | None = None
    label_set: tuple[str, ...] | None = None

    @property
    def file_name(self) -> str:
        """The name of the file: the image's name, without the box if it is cut out."""
        return self.cut_from or self.name

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels that the list has for the image."""
        return (self.label, *self.more_labels) if self.label_set is None else self.label_set

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that the image counts for: its label, or each label of multi-label data."""
        return (self.label,) if self.label_set is None else self.label_set


@dataclass(frozen=True, slots=True)
class ImageDataset(Sequence[LabelledImage]):
    """The images of a data set, sorted by name; as a sequence, the usable ones.

    Attributes:
        images: Images with a label.
        bad: Entries that cannot be used, each with the reason.
        notes: Sentences about what the reader chose and found, for the log and the audit.
    """

    images: tuple[LabelledImage, ...]
    bad: tuple[tuple[LabelledImage, str], ...] = ()
    notes: tuple[str, ...] = ()

    @overload
    def __getitem__(self, index: int) -> LabelledImage: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[LabelledImage, ...]: ...
    def __getitem__(self, index: int | slice) -> LabelledImage | tuple[LabelledImage, ...]:
        return self.images[index]

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a list lies: its file, its name in messages, and its URL if it is in S3."""

    file: Path
    name: str
    url: str | None = None


def read_dataset(
    source: Path | str,
    label_attribute: str | None = None,
    columns: Mapping[str, str] | None = None,
    boxes: Boxes | None = None,
    *,
    multi_label: bool = False,
    label_separator: str | None = None,
) -> ImageDataset:
    """Lists the images of a data set, sorted by name. Image files are not opened.

    Args:
        source: A folder with one sub-folder per class, which may be below ``train/``, ``val/`` and ``test/``; or a
            list: CSV with columns for path, label and optionally split (train, validation or test), a Ground Truth or
            Rekognition manifest, JSON lines, COCO, Label Studio, CVAT, or one column for each class. Paths are relative
            to the list. Other columns are side information. All of these may be in S3: ``s3://bucket/prefix`` is a
            folder, and any list may have ``s3://`` images.
        label_attribute: The label attribute (of Ground Truth) or question (of Label Studio) to use, if there are
            several.
        columns: The list's names of the columns ``path``, ``label`` and ``split``, if they are unusual.
        boxes: For a list of boxes: "cut" makes an image of each box; "ignore" gives the label of its boxes to the whole
            image.
        multi_label: Whether an image may have several labels, or none. The source is then a list.
        label_separator: What separates the labels of a cell in addition to ``|``, with ``multi_label``.

    Raises:
        InvalidRequest: The source has another form, or is invalid; the message names the line.
        StoreError: The bucket or list does not exist in S3, or access is denied.
    """
    options = ListOptions(label_attribute, columns or {}, multi_label, label_separator)
    if s3.is_remote(source):
        dataset, name = _in_bucket(str(source), options, boxes), str(source)
        # The same data in another place give the same notes, and so the same report.
        short = str(source).rstrip("/").rpartition("/")[2]
        dataset = replace(dataset, notes=tuple(note.replace(str(source), short) for note in dataset.notes))
    else:
        dataset, name = _on_disk(Path(source), options, boxes), Path(source).name
    labels = Counter(label for image in dataset.images for label in image.classes)
    if len(labels) < 2:
        number, classes = counted(len(dataset), "image"), counted(len(labels), "class", "classes")
        reasons = [*dataset.notes, *(reason for _, reason in dataset.bad[:1])]
        found = f" ({'; '.join(reasons)[:300]})" if reasons else ""
        raise InvalidRequest(
            f"{name!r} has {number} of {classes}; a classifier needs at least two classes{found}. "
            "Give a folder with one sub-folder per class, or a manifest with two labels."
        )
    return replace(
        dataset,
        images=tuple(sorted(dataset.images, key=lambda image: (image.name, image.label))),
        notes=(*dataset.notes, *similar_labels(labels)),
    )


def _on_disk(source: Path, options: ListOptions, boxes: Boxes | None) -> ImageDataset:
    if source.is_dir():
        return _folder(_local_tree(source), lambda path: _Place(source / path, path), options, boxes)
    if not source.is_file():
        raise InvalidRequest(f"The folder or file {source.name!r} does not exist. Check the path.")
    return _from_lists([(_Place(source, source.name), None)], options, boxes)


def _in_bucket(url: str, options: ListOptions, boxes: Boxes | None) -> ImageDataset:
    if PurePosixPath(url).suffix.lower() in _LISTS:
        place = _Place(image_files.fetch(url, max_bytes=_MANIFEST_BYTES), PurePosixPath(url).name, url)
        return _from_lists([(place, None)], options, boxes)
    origins = {inside: origin for origin, inside in s3.listed(url)}

    def place_of(path: str) -> _Place:
        # An image is downloaded later; its place only has to name it.
        listed = path.rpartition("/")[2] in LISTS
        file = image_files.fetch(origins[path], max_bytes=_MANIFEST_BYTES) if listed else Path(path)
        return _Place(file, path, origins[path])

    return _folder(Tree(url, tuple(origins)), place_of, options, boxes)


def _folder(tree: Tree, place_of: Callable[[str], _Place], options: ListOptions, boxes: Boxes | None) -> ImageDataset:
    """A folder with lists of its images, or else with classes as folders."""
    layout = read_layout(tree)
    notes: tuple[str, ...] = ()
    if layout.lists:
        try:
            dataset = _from_lists([(place_of(item.path), item.part) for item in layout.lists], options, boxes)
            return replace(dataset, notes=(*layout.notes, *dataset.notes))
        except InvalidRequest as error:
            layout = read_layout(tree, use_lists=False)
            if options.multi_label or len({entry.labels for entry in layout.entries}) < 2:
                raise
            notes = (f"The folders are the labels, since the list in them cannot be used: {error}",)
    if options.multi_label:
        raise InvalidRequest(
            f"{tree.name!r} has classes as folders, so each image has one label: give a list of images with their "
            "labels, or omit --multi-label."
        )
    images = []
    for entry in layout.entries:
        place = place_of(entry.name)
        images.append(LabelledImage(place.file, entry.name, entry.labels[0], entry.part, origin=place.url))
    return ImageDataset(tuple(images), notes=(*notes, *layout.notes, *_merged(layout.entries)))


def _local_tree(root: Path) -> Tree:
    """The names below a folder. Links to folders are followed, but never into a folder again."""
    files: list[str] = []
    inner: list[str] = []
    seen: set[str] = set()
    for folder, names, file_names in os.walk(root, followlinks=True):
        if os.path.realpath(folder) in seen:
            names.clear()
            continue
        seen.add(os.path.realpath(folder))
        names.sort()
        start = Path(folder).relative_to(root)
        inner += [(start / name).as_posix() for name in names]
        files += [(start / name).as_posix() for name in sorted(file_names)]
    return Tree(root.name or str(root), tuple(sorted(files)), tuple(sorted(inner)))


def _merged(entries: Iterable[ListedImage]) -> list[str]:
    written: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for entry in entries:
        for piece in entry.name.split("/")[:-1]:
            if side_columns.plain(piece) == entry.labels[0]:
                written[entry.labels[0]][piece] += 1
                break
    return merged_labels(written)


def _from_lists(
    places: Sequence[tuple[_Place, Part | None]], options: ListOptions, boxes: Boxes | None
) -> ImageDataset:
    images: list[tuple[LabelledImage, str]] = []
    bad: list[tuple[LabelledImage, str]] = []
    notes: list[str] = []
    for place, part in places:
        text, encoding = read_text(place.file, place.name)
        described = encoding.describe(place.name)
        found = read_list(ListText(place.name, text, part), options)
        notes += [*([described] if described else []), *found.notes]
        kept, about_boxes = _by_boxes(place.name, found.entries, boxes, options)
        notes += about_boxes
        bad += [
            (LabelledImage(Path(row.name), row.name or place.name, ""), f"{place.name} {row.where}: {row.reason}")
            for row in found.unusable
        ]
        beside, first = ImagePlaces(place.file), len(images)
        for entry in kept:
            try:
                images.append((_labelled_image(place, beside, entry), f"{place.name} {entry.where}"))
            except InvalidRequest as error:
                nameless = LabelledImage(Path(), ascii(entry.name)[1:-1], "")
                bad.append((nameless, f"{place.name} {entry.where}: {error}"))
        _check_exist(found.doubt, images[first:])
    name = places[0][0].name
    _check_most(len(images), bad)
    if options.multi_label:
        return ImageDataset(tuple(_with_label_sets(images)), tuple(bad), tuple(notes))
    several, single = _with_several(images)
    if len(several) > _FEW * (len(several) + len(single)):
        shown = "; ".join(f"{image.name}: {', '.join(image.labels)}" for image, _ in several[:_NAMED])
        total = counted(len(several) + len(single), "image")
        raise InvalidRequest(
            f"{name} has several labels for {len(several)} of {total} ({shown}). A "
            "classifier gives one label to an image: train with --multi-label to give each image all its labels, keep "
            "one label for each, or make one list for each question."
        )
    bad += [
        (image, f"{where}: It has several labels ({', '.join(image.labels)}). Keep one.") for image, where in several
    ]
    return ImageDataset(tuple(single), tuple(bad), tuple(notes))


def _check_most(usable: int, bad: Sequence[tuple[LabelledImage, str]]) -> None:
    """Raises InvalidRequest with the first reason if most entries cannot be used."""
    total = usable + len(bad)
    if bad and len(bad) > _MOST * total:
        raise InvalidRequest(f"{bad[0][1]} {len(bad)} of {counted(total, 'entry', 'entries')} cannot be used.")


def _check_exist(doubt: str, images: Sequence[tuple[LabelledImage, str]]) -> None:
    """Raises InvalidRequest if the column of the images is a guess and none of them exists."""
    if doubt and images and not any(image.origin or image.path.is_file() for image, _ in images):
        raise InvalidRequest(doubt)


def _by_boxes(
    name: str, entries: Sequence[ListedImage], boxes: Boxes | None, options: ListOptions
) -> tuple[list[ListedImage], list[str]]:
    """The entries to use of a list that may have boxes, and a note about the choice."""
    whole = [entry for entry in entries if entry.box is None]
    within = [entry for entry in entries if entry.box is not None]
    if not within:
        return whole, []
    if boxes == "cut":
        left = f"; {counted(len(whole), 'label')} of whole images not used" if whole else ""
        return within, [f"{name}: {counted(len(within), 'box', 'boxes')} cut out{left}"]
    if boxes == "ignore":
        return whole + [replace(entry, box=None) for entry in within], []
    if options.multi_label:
        given = f"{name}: each image gets the labels of its {counted(len(within), 'box', 'boxes')}"
        return whole + [replace(entry, box=None) for entry in within], [f"{given}; --boxes cut trains on the boxes"]
    if whole:
        return whole, [f"{name}: {counted(len(within), 'box', 'boxes')} not used, only the labels of whole images"]
    raise InvalidRequest(
        f"{name} has labels for {counted(len(within), 'box', 'boxes')} and none for whole images: give --boxes cut to "
        "train on what is inside of each box, or --boxes ignore if each image has boxes of one label."
    )


def _with_several(
    images: Sequence[tuple[LabelledImage, str]],
) -> tuple[list[tuple[LabelledImage, str]], list[LabelledImage]]:
    """The images with several labels, in one entry or in several, each with its first place; and the others."""
    labels: defaultdict[tuple[str, Box | None], dict[str, None]] = defaultdict(dict)
    for image, _ in images:
        labels[_identity(image)].update(dict.fromkeys(image.labels))
    several: dict[tuple[str, Box | None], tuple[LabelledImage, str]] = {}
    single = []
    for image, where in images:
        found = tuple(labels[_identity(image)])
        if len(found) == 1:
            single.append(image)
        else:
            several.setdefault(_identity(image), (replace(image, label=found[0], more_labels=found[1:]), where))
    return list(several.values()), single


def _with_label_sets(images: Sequence[tuple[LabelledImage, str]]) -> Iterator[LabelledImage]:
    """Each image once, with the labels of all its entries."""
    sets: defaultdict[tuple[str, Box | None], set[str]] = defaultdict(set)
    first: dict[tuple[str, Box | None], LabelledImage] = {}
    for image, _ in images:
        sets[_identity(image)].update(label for label in image.labels if label)
        known = first.setdefault(_identity(image), image)
        if PART_RANK[image.part] < PART_RANK[known.part]:
            first[_identity(image)] = image
    for identity, image in first.items():
        labels = tuple(sorted(sets[identity]))
        yield replace(image, label=SEVERAL.join(labels), more_labels=(), label_set=labels)


def _identity(image: LabelledImage) -> tuple[str, Box | None]:
    return image.origin or str(image.path), image.box


def _labelled_image(place: _Place, beside: ImagePlaces, entry: ListedImage) -> LabelledImage:
    _check_texts(entry)
    label, *more = entry.labels or ("",)
    image = LabelledImage(
        Path(entry.name), entry.name, label, entry.part, entry.side, None, tuple(more), entry.box, entry.relative
    )
    if s3.is_remote(entry.name) or place.url is not None:
        return replace(image, origin=image_files.beside(place.url or entry.name, entry.name))
    url = split_url(entry.name)
    if url.scheme == "file":
        return replace(image, path=Path(unquote(url.path)))
    if len(url.scheme) > 1 and "://" in entry.name:
        raise InvalidRequest(
            f"{entry.name[:80]!r} is a URL, but only local files and s3:// URLs can be read. Copy the images next to "
            "the list and write paths relative to it."
        )
    return replace(image, path=beside.find(entry))


def _check_texts(entry: ListedImage) -> None:
    """Raises InvalidRequest for texts that no file and no release can have; JSON can write them by escapes."""
    for text in (entry.name, *entry.labels, *(value for value in entry.side.values() if isinstance(value, str))):
        if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
            raise InvalidRequest(f"{text[:80]!a} has a NUL or half of a character. Correct it.")
