"""Reads release folders of this machine."""

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


def read_classifier(folder: Path, otherwise: str) -> tuple[Manifest, ClassifierServing]:
    """The manifest of a classifier's release folder, and its serving section.

    Raises InvalidRequest where ``folder`` is no release, or one of another kind (``otherwise`` says what to do then),
    and InvalidManifest where its manifest is broken.
    """
    try:
        manifest = parse((folder / MANIFEST).read_bytes())
    except OSError as error:
        raise InvalidRequest(f"{folder.name!r} is no release folder: it has no {MANIFEST}. Check the path.") from error
    if not isinstance(manifest.serving, ClassifierServing):
        raise InvalidRequest(f"{folder.name!r} is a {manifest.kind}: {otherwise}")
    return manifest, manifest.serving


def open_tables(folder: Path, serving: RecommenderServing) -> Recommender:
    """The serving code over the tables in a folder of this machine; raises InvalidTable where a file is wrong."""
    from larder.recommender import Recommender  # opens stores: too slow for a command that only reads a manifest

    return Recommender.of(serving, lambda file: MappedFile(folder / file))


def open_vocabulary(folder: Path, serving: RecommenderServing) -> Vocabulary:
    """The items of the tables in a folder of this machine."""
    return Vocabulary.open(MappedFile(folder / serving.items_file))
