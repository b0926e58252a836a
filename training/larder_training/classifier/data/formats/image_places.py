"""Finds the files of a list's images: beside the list, or where exports and competitions put them."""

import os
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import SplitResult, urlsplit

from larder.errors import InvalidRequest
from larder_training.classifier.data.formats.entries import ListedImage, part_named, part_within

IMAGE_SUFFIXES: Final = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".heif", ".avif")
)
_NAMED: Final = 3  # files that a message names


def split_url(name: str) -> SplitResult:
    """The parts of a URL; a name that looks like one but has no valid host, such as ``//[a.png``, is a path."""
    try:
        return urlsplit(name)
    except ValueError:
        return SplitResult("", "", name, "", "")


class ImagePlaces:
    """The folders in which the images of one list may lie.

    A name is looked up next to the list, in ``images/`` and one folder up. A name without a folder is then looked up in
    the other folders beside the list: those of the list's part of a split (``train.csv``: ``train/``,
    ``train_images/``), those of any part, and the rest. A name without a suffix stands for the image with this stem.
    """

    def __init__(self, source: Path) -> None:
        """Reads nothing yet.

        Args:
            source: The list.
        """
        self._folder = source.parent
        self._part = part_named(source.stem) or part_within(source.stem)
        self._index: dict[Path, dict[str, list[Path]]] = {}
        self._inner: list[tuple[Path, ...]] | None = None

    def find(self, entry: ListedImage) -> Path:
        """The file of an entry; the place next to the list if there is none.

        Raises:
            InvalidRequest: Several images have the name, or the stem if the name has no suffix.
        """
        names = _spelled(entry)
        for path in (start / name for name in names for start in self._starts()):
            try:
                if path.is_file():
                    return path
            except (OSError, ValueError):  # a name that no file can have
                continue
        found = (self._indexed(PurePosixPath(name)) for name in names)
        return next((path for path in found if path is not None), self._folder / entry.name)

    def _starts(self) -> tuple[Path, ...]:
        return (self._folder, self._folder / "images", self._folder.parent, self._folder.parent / "images")

    def _indexed(self, name: PurePosixPath) -> Path | None:
        """The one image of this name, or of this stem, in the first place that has any."""
        groups: list[tuple[Path, ...]] = [(start / name.parent,) for start in self._starts()]
        if name.parent == PurePosixPath():
            groups += self._inner_folders()
        for folders in groups:
            found = [path for folder in folders for path in self._index_of(folder).get(name.name, ())]
            if len(found) > 1:
                shown = ", ".join(_beside(path, self._folder) for path in found[:_NAMED])
                raise InvalidRequest(
                    f"{str(name)[:80]!r} fits {len(found)} images: {shown}. Write the path with its folder and suffix."
                )
            if found:
                return found[0]
        return None

    def _index_of(self, folder: Path) -> dict[str, list[Path]]:
        """The images of a folder by their names, and by their stems."""
        if folder not in self._index:
            index = self._index[folder] = {}
            for name in _names(folder, folders=False):
                stem, suffix = os.path.splitext(name)  # noqa: PTH122  of names, of which there are many
                if suffix.lower() in IMAGE_SUFFIXES:
                    for key in (name, stem):
                        index.setdefault(key, []).append(folder / name)
        return self._index[folder]

    def _inner_folders(self) -> list[tuple[Path, ...]]:
        """The folders beside the list, the likely ones first; each with a folder of its own name in it, if it has it.

        Archives of competitions contain ``train/train/``.
        """
        if self._inner is None:
            names = _names(self._folder, folders=True)
            of_list = [name for name in names if self._part and _part(name) == self._part]
            of_parts = [name for name in names if _part(name) and name not in of_list]
            others = [name for name in names if name not in of_list and name not in of_parts]
            self._inner = [
                tuple(folder for name in group for folder in (self._folder / name, self._folder / name / name))
                for group in (of_list, of_parts, others)
            ]
        return self._inner


def _spelled(entry: ListedImage) -> list[str]:
    """The names of an entry; Windows writes paths with backslashes."""
    names = (entry.name, *entry.other_names)
    return list(dict.fromkeys(way for name in names for way in (name, name.replace("\\", "/"))))


def _names(folder: Path, *, folders: bool) -> list[str]:
    """The names of the folders or of the files in a folder, sorted, without hidden ones; none if it does not exist."""
    try:
        with os.scandir(folder) as inside:
            return sorted(item.name for item in inside if item.is_dir() == folders and not item.name.startswith("."))
    except (OSError, ValueError):
        return []


def _part(name: str) -> str | None:
    return part_named(name) or part_within(name)


def _beside(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name
