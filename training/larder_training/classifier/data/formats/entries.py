"""What every format of a list gives: entries with labels, lines that cannot be used, and notes for the user."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, Literal

from larder.errors import InvalidRequest
from larder.release import side_columns
from larder_training.reporting.counts import counted

Part = Literal["train", "validation", "test"]
PARTS: Final[tuple[Part, ...]] = ("train", "validation", "test")
Boxes = Literal["cut", "ignore"]  # what to do with the boxes of a list
Side = Mapping[str, str | float]
Box = tuple[
    float, float, float, float
]  # left, top, right, bottom; in pixels, or in shares of the image (ListedImage.relative)

_PART_NAMES: Final[Mapping[str, Part]] = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "validation": "validation",
    "val": "validation",
    "valid": "validation",
    "validate": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "tst": "test",
}
SEVERAL: Final = "|"  # between the labels of a cell
_NO_SIDE: Final[Side] = MappingProxyType({})
_NO_COLUMNS: Final[Mapping[str, str]] = MappingProxyType({})
_WORDS: Final = re.compile(r"[^a-z]+")


@dataclass(frozen=True, slots=True)
class ListOptions:
    """What the user states about a list.

    Attributes:
        label_attribute: The label attribute of a manifest that has several.
        columns: The list's names of the columns ``path``, ``label`` and ``split``.
        multi_label: Whether an image may have several labels, or none.
        separator: What separates the labels of a cell, in addition to ``|``, if an image may have several.
    """

    label_attribute: str | None = None
    columns: Mapping[str, str] = field(default_factory=lambda: _NO_COLUMNS)
    multi_label: bool = False
    separator: str | None = None

    def split(self, cell: str) -> list[str]:
        """The labels of a cell of multi-label data."""
        pieces = cell.split(SEVERAL)
        return [piece for text in pieces for piece in text.split(self.separator)] if self.separator else pieces


@dataclass(frozen=True, slots=True)
class ListText:
    """The text of a list.

    Attributes:
        name: The list's name in messages.
        text: Its text.
        part: The part that all its images belong to, if its folder states one.
    """

    name: str
    text: str
    part: Part | None = None


@dataclass(frozen=True, slots=True)
class ListedImage:
    """One image of a list, or one box of it.

    Attributes:
        where: The place in the list, such as "line 4", for messages.
        name: Path or URL of the image, as the list writes it.
        labels: Its labels, each once, in the list's order; for multi-label data also several, or none.
        part: The part of the split, if stated.
        side: Side information: strings and numbers by column.
        box: The rectangle that the labels are about; None: the whole image.
        relative: Whether the box is in shares of the width and height rather than in pixels.
        other_names: Further names to look for if ``name`` does not exist.
    """

    where: str
    name: str
    labels: tuple[str, ...]
    part: Part | None = None
    side: Side = field(default_factory=lambda: _NO_SIDE, hash=False)
    box: Box | None = None
    relative: bool = False
    other_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unusable:
    """An entry without a usable label or image.

    Attributes:
        where: Its place in the list.
        name: The image's name, as far as it is known; may be empty.
        reason: What is wrong, and what to do.
    """

    where: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class ImageList:
    """A list that was read.

    Attributes:
        entries: The usable entries.
        unusable: The others.
        notes: Sentences about choices that the reader made.
        doubt: What to say if none of the images exists, since it is a guess which column names them; empty: it is none.
    """

    entries: tuple[ListedImage, ...] = ()
    unusable: tuple[Unusable, ...] = ()
    notes: tuple[str, ...] = ()
    doubt: str = ""


def part_named(name: str) -> Part | None:
    """The part of a split that a folder or a cell names, without regard to case: "Val", "validation"."""
    return _PART_NAMES.get(name.strip().casefold())


def part_in_cell(where: str, column: str, text: str) -> Part | None:
    """The part that a cell of the split's column names; None if it is empty.

    Raises:
        InvalidRequest: It names none.
    """
    part = part_named(text)
    if text and part is None:
        raise InvalidRequest(f"{where}: {column} is {text!r}; write train, validation, test or nothing.")
    return part


def part_within(name: str) -> Part | None:
    """The only part that is a word of a longer name, such as ``training_set`` or ``images-val``."""
    found = {part for word in _WORDS.split(name.casefold()) if (part := _PART_NAMES.get(word))}
    return found.pop() if len(found) == 1 else None


def distinct_labels(labels: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    """The labels in the form in which they are compared, each once and none empty."""
    return tuple(dict.fromkeys(plain for label in labels if (plain := side_columns.plain(label))))


def entries_of(image: ListedImage, labels: Iterable[tuple[str, Box | None]]) -> list[ListedImage]:
    """The entries of an image: one with the labels of the whole image, if it has some, and one for each box.

    Args:
        image: What its entries have in common.
        labels: Its labels, each with its box; None: of the whole image. Boxes with an empty label are left out.
    """
    labels = list(labels)
    whole = distinct_labels([label for label, box in labels if box is None])
    boxed = ((distinct_labels([label]), box) for label, box in labels if box is not None)
    return [
        *([replace(image, labels=whole)] if whole else []),
        *(replace(image, labels=label, box=box) for label, box in boxed if label),
    ]


def without_background(name: str, entries: Sequence[ListedImage], unusable: Sequence[Unusable]) -> ImageList:
    """The list, without images that lack an annotation if it has boxes: there, images of background are ordinary.

    Args:
        name: The list's name in messages.
        entries: The usable entries.
        unusable: The others; those with a name lack an annotation.
    """
    if not any(entry.box for entry in entries):
        return ImageList(tuple(entries), tuple(unusable))
    nameless = tuple(row for row in unusable if not row.name)
    empty = len(unusable) - len(nameless)
    notes = (f"{name}: {counted(empty, 'image')} without a box not used.",) if empty else ()
    return ImageList(tuple(entries), nameless, notes)
