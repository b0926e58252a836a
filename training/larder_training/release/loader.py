"""Reads local release folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from larder.errors import InvalidRequest
from larder.release.keys import MANIFEST
from larder.release.manifest import Manifest, parse
from larder.release.serving import ClassifierServing, RecommenderServing
from larder.tables import MappedFile
from larder.tables.vocabulary import Vocabulary

if TYPE_CHECKING:
    from larder.recommender import Recommender


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a release folder.

    Raises InvalidRequest if ``folder`` is not a release folder, and InvalidManifest if its manifest is invalid.
    """
    try:
        return parse((folder / MANIFEST).read_bytes())
    except OSError as error:
        raise InvalidRequest(
            f"{folder.name!r} is not a release folder, it has no {MANIFEST}: give the path of a trained release."
        ) from error


def read_classifier(folder: Path, otherwise: str) -> tuple[Manifest, ClassifierServing]:
    """Reads the manifest of a classifier's release folder, and its serving section.

    Args:
        folder: The release folder.
        otherwise: What to do if it is a recommender, for the error message.

    Raises:
        InvalidRequest: The folder is not a release, or not of a classifier.
        InvalidManifest: The manifest is invalid.
    """
    manifest = read_manifest(folder)
    if not isinstance(manifest.serving, ClassifierServing):
        raise InvalidRequest(f"{folder.name!r} is a {manifest.kind}: {otherwise}")
    return manifest, manifest.serving


def open_tables(folder: Path, serving: RecommenderServing) -> Recommender:
    """Opens the tables of a folder with the serving code. Raises InvalidTable if a file is invalid."""
    from larder.recommender import Recommender  # opens stores: too slow for a command that only reads a manifest

    return Recommender.of(serving, lambda file: MappedFile(folder / file))


def open_vocabulary(folder: Path, serving: RecommenderServing) -> Vocabulary:
    """Opens the items of the tables in a folder."""
    return Vocabulary.open(MappedFile(folder / serving.items_file))
