"""Folders of images: one sub-folder for each class, below the parts of a split where there is one."""

import mimetypes
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Final

from larder.errors import InvalidRequest
from larder_training.classifier.data.formats.entries import (
    PARTS,
    ListedImage,
    Part,
    distinct_labels,
    part_named,
    part_within,
)
from larder_training.reporting.counts import counted

LISTS: Final = ("metadata.csv", "metadata.jsonl", "_classes.csv", "_annotations.coco.json")  # read with their folder
_SYSTEM: Final = frozenset(
    {"__macosx", "thumbs.db", "desktop.ini", "ehthumbs.db", "@eadir", "$recycle.bin", "lost+found"}
)
LIST_SUFFIXES: Final = frozenset({".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".manifest", ".xml"})
_NAMED: Final = 3  # files that a note names


@dataclass(frozen=True, slots=True)
class Tree:
    """The names in a folder, local or in S3.

    Attributes:
        name: The folder's name in messages.
        files: The files' paths below the folder, with ``/``.
        folders: The folders' paths below it, empty ones too.
    """

    name: str
    files: tuple[str, ...]
    folders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListFile:
    """A list that lies in a folder with its images.

    Attributes:
        path: Its path below the folder.
        part: The part of the split that its folder states.
    """

    path: str
    part: Part | None


@dataclass(frozen=True, slots=True)
class Layout:
    """How a folder is read.

    Attributes:
        entries: The images with their labels, from the names of folders.
        lists: Lists to read instead; then there are no entries.
        notes: Sentences about choices, and about files that are not used.
    """

    entries: tuple[ListedImage, ...] = ()
    lists: tuple[ListFile, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Folder:
    """The part of a tree below one folder; ``files`` are images or files without a known type."""

    files: list[str] = field(default_factory=list)
    folders: dict[str, "_Folder"] = field(default_factory=dict)

    def images(self) -> int:
        return len(self.files) + sum(folder.images() for folder in self.folders.values())

    def with_images(self) -> dict[str, "_Folder"]:
        return {name: folder for name, folder in self.folders.items() if folder.images()}

    def walk(self, start: str) -> Iterable[str]:
        yield from (f"{start}{file}" for file in self.files)
        for name, folder in self.folders.items():
            yield from folder.walk(f"{start}{name}/")


def read_layout(tree: Tree, *, use_lists: bool = True) -> Layout:
    """Finds classes and the split in the names of a folder.

    ``train/``, ``val/`` and ``test/`` (any case; also ``valid``, ``validation``, ``testing``, ``training_set``) with
    class folders are the split; so are lists such as ``metadata.csv`` in them. A single folder around all of this is
    entered. Hidden files and those of operating systems are left out quietly. Without ``use_lists``, lists in the
    folder are files like others.

    Raises:
        InvalidRequest: The folders look like a split but cannot be one.
    """
    root, others = _sorted_out(tree)
    root, prefix = _innermost(tree, root, use_lists=use_lists)
    notes = [f"{tree.name}: the images are read from {prefix}"] if prefix else []
    lists = _lists(tree, prefix)
    if lists and use_lists:
        return Layout(lists=lists, notes=tuple(notes))
    parts = _parts(tree.name, root)
    entries = _of_split(tree, root, parts, prefix, notes) if parts else _of_classes(root, prefix, None)
    _check_other_lists(tree, entries, others)
    notes += _about_files(tree.name, root, others, parts)
    return Layout(tuple(_inner_split(entries, prefix) if not parts else entries), (), tuple(notes))


def _innermost(tree: Tree, root: _Folder, *, use_lists: bool) -> tuple[_Folder, str]:
    """The folder with the classes or parts, and its path: a single folder around them is entered."""
    prefix = ""
    while not root.files and not (use_lists and _lists(tree, prefix)) and len(inner := root.with_images()) == 1:
        name, only = next(iter(inner.items()))
        if not only.with_images() and not _lists(tree, f"{prefix}{name}/"):
            break  # the only class
        root, prefix = only, f"{prefix}{name}/"
    return root, prefix


def _sorted_out(tree: Tree) -> tuple[_Folder, list[str]]:
    """The tree of possible images, and the files that are certainly none."""
    root, others = _Folder(), []
    for path in tree.folders:
        if not _hidden(path):
            _at(root, path.split("/"))
    for path in tree.files:
        if _hidden(path):
            continue
        kind = mimetypes.guess_type(path, strict=False)[0]
        *folders, name = path.split("/")
        suffix = PurePosixPath(path).suffix.lower()
        other = kind is not None and not kind.startswith("image/")
        if other or suffix in LIST_SUFFIXES or (not suffix and not folders):
            others.append(path)
            continue
        _at(root, folders).files.append(name)
    return root, others


def _hidden(path: str) -> bool:
    return any(piece.startswith(".") or piece.casefold() in _SYSTEM for piece in path.split("/"))


def _at(root: _Folder, names: Sequence[str]) -> _Folder:
    for name in names:
        root = root.folders.setdefault(name, _Folder())
    return root


def _lists(tree: Tree, prefix: str) -> tuple[ListFile, ...]:
    """The known lists in a folder, or in all of its folders that are parts of a split."""
    found: list[ListFile] = []
    for path in tree.files:
        folder, _, name = path.removeprefix(prefix).rpartition("/")
        if path.startswith(prefix) and name in LISTS and "/" not in folder:
            part = part_named(folder) if folder else None
            if part or not folder:
                found.append(ListFile(path, part))
    return tuple(found)


def _parts(name: str, root: _Folder) -> dict[Part, list[str]]:
    """The folders of each part of a split; empty if the folders are not a split."""
    folders = root.with_images()
    for named in (part_named, part_within):
        parts = _named_parts(folders, named)
        nested = {folder: _class_folders(folders[folder]) for names in parts.values() for folder in names}
        if len(parts) < 2 or not any(nested.values()):
            continue
        if "train" not in parts:
            raise InvalidRequest(
                f"{name} has {' and '.join(sorted(nested))}, which look like a split, but no train folder: add it, or "
                "give the folder with the class folders."
            )
        trained = {label for folder in parts["train"] for label in nested[folder]}
        unknown = sorted({label for names in nested.values() for label in names} - trained)
        if unknown and named is part_within:
            continue
        if unknown:
            raise InvalidRequest(
                f"{name} looks like a split, but {', '.join(sorted(parts['train']))} lacks the class "
                f"{', '.join(unknown[:5])}, which another part has: add it to each part, or remove it."
            )
        if beside := sorted(set(folders) - set(nested)):
            if named is part_within:
                continue
            raise InvalidRequest(
                f"{name} has {', '.join(beside[:5])} beside {', '.join(sorted(nested))}, which look like a split: move "
                "it elsewhere, or rename the folders if they are classes."
            )
        return parts
    if len(_named_parts(folders, part_named)) >= 2 and all(part_named(folder) for folder in folders):
        raise InvalidRequest(
            f"{name} has the parts {', '.join(sorted(folders))} of a split, but no class folders in them: put the "
            "images of each class into a folder with the class's name, or give a list with the labels."
        )
    return {}


def _named_parts(folders: Iterable[str], named: Callable[[str], Part | None]) -> dict[Part, list[str]]:
    parts: defaultdict[Part, list[str]] = defaultdict(list)
    for folder in sorted(folders):
        part = named(folder)
        if part:
            parts[part].append(folder)
    return dict(parts)


def _class_folders(folder: _Folder) -> dict[str, _Folder]:
    """The classes in a part, by label; a single folder around them is entered: ``train/train/cat``."""
    _, inner = _entered(folder)
    return {label: child for name, child in inner.with_images().items() if (label := _label(name))}


def _entered(folder: _Folder) -> tuple[str, _Folder]:
    inner = folder.with_images()
    if not folder.files and len(inner) == 1:
        name, only = next(iter(inner.items()))
        if len(only.with_images()) > 1:
            return f"{name}/", only
    return "", folder


def _of_split(
    tree: Tree, root: _Folder, parts: dict[Part, list[str]], prefix: str, notes: list[str]
) -> list[ListedImage]:
    entries: list[ListedImage] = []
    for part in PARTS:
        for name in parts.get(part, ()):
            folder = root.folders[name]
            way, inner = _entered(folder)
            entries += _of_classes(inner, f"{prefix}{name}/{way}", part)
            if inner.files:
                where = "have no class folder and are" if len(inner.files) > 1 else "has no class folder and is"
                notes.append(f"{tree.name}: {counted(len(inner.files), 'image')} in {name}/ {where} not used")
    used = {entry.part for entry in entries}
    named = ", ".join(f"{'/, '.join(parts[part])}/ as {part}" for part in PARTS if part in used)
    notes.insert(0, f"{tree.name}: the folders are the split: {named}")
    return entries


def _of_classes(root: _Folder, prefix: str, part: Part | None) -> list[ListedImage]:
    entries: list[ListedImage] = []
    for name, folder in root.folders.items():
        label = _label(name)
        entries += [ListedImage(path, path, (label,), part) for path in folder.walk(f"{prefix}{name}/")]
    return entries


def _label(folder: str) -> str:
    return next(iter(distinct_labels([folder])), folder)


def _inner_split(entries: Sequence[ListedImage], prefix: str) -> list[ListedImage]:
    """``cat/train/1.png``: a split below each class."""
    parts = [
        part_named(pieces[1]) if len(pieces := entry.name.removeprefix(prefix).split("/")) > 2 else None
        for entry in entries
    ]
    if all(parts) and len(set(parts)) > 1 and "train" in parts:
        return [replace(entry, part=part) for entry, part in zip(entries, parts, strict=True)]
    return list(entries)


def _check_other_lists(tree: Tree, entries: Sequence[ListedImage], others: Sequence[str]) -> None:
    """A folder without classes may have a list of another name: it is named."""
    lists = [path for path in others if PurePosixPath(path).suffix.lower() in LIST_SUFFIXES]
    if lists and len({entry.labels for entry in entries}) < 2:
        shown = ", ".join(lists[:_NAMED])
        raise InvalidRequest(f"{tree.name} has no class folders, but {shown}: give that file in place of the folder.")


def _about_files(name: str, root: _Folder, others: Sequence[str], parts: dict[Part, list[str]]) -> list[str]:
    notes = []
    if root.files:
        beside = "part" if parts else "class"
        verb = "lies beside" if len(root.files) == 1 else "lie beside"
        unlabelled = f"{counted(len(root.files), 'file')} without a label"
        notes.append(f"{name}: {unlabelled} {verb} the {beside} folders: {_shown(root.files)}")
    empty = _empty(root, parts)
    if empty:
        notes.append(f"{name}: {counted(len(empty), 'class folder')} without images: {', '.join(empty[:20])}")
    if others:
        verb = "is" if len(others) == 1 else "are"
        notes.append(f"{name}: {counted(len(others), 'file')} of other kinds {verb} not used: {_shown(others)}")
    return notes


def _empty(root: _Folder, parts: dict[Part, list[str]]) -> list[str]:
    within = {f"{name}/": root.folders[name] for names in parts.values() for name in names} if parts else {"": root}
    return sorted(
        f"{start}{name}"
        for start, folder in within.items()
        for name, child in _entered(folder)[1].folders.items()
        if not child.images()
    )


def _shown(names: Sequence[str]) -> str:
    kinds = Counter(PurePosixPath(name).suffix.lower() or "no suffix" for name in names)
    if len(names) <= _NAMED:
        return ", ".join(names)
    return f"{', '.join(names[:_NAMED])}, ... ({', '.join(f'{count} {kind}' for kind, count in kinds.most_common(4))})"
