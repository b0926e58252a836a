"""Opens every photo once: which files are bad, which are the same, which nearly so."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

import numpy as np
from numpy.typing import NDArray

from larder.classifier.image_decoding import decode
from larder.errors import MissingObject, RequestError
from larder_training.classifier.data.manifests import Photo
from larder_training.classifier.data.near_duplicates import COLOURS, THUMBNAIL, dhash, group, shrink
from larder_training.io import image_files
from larder_training.numerics.memmap import PIECE, gathered, let_go, room
from larder_training.numerics.parallel import in_order
from larder_training.reporting.progress import Progress

FETCHES: Final = 16  # at a time: a fetch waits for the network, not for a core


@dataclass(frozen=True, slots=True)
class Checked:
    """A photo that decodes. ``digest`` is the SHA-256 of its file; photos of one ``group`` nearly show the same."""

    photo: Photo
    digest: str
    group: int


@dataclass(frozen=True, slots=True)
class Scan:
    """What became of every file: kept in ``photos``, or told in one of the lists (names and, for bad, reasons)."""

    photos: tuple[Checked, ...]
    bad: tuple[tuple[Photo, str], ...]
    copies: tuple[Photo, ...]
    conflicts: tuple[Photo, ...]

    @property
    def near_duplicates(self) -> int:
        """How many photos share their group with an earlier one."""
        return len(self.photos) - len({checked.group for checked in self.photos})

    def fingerprint(self) -> str:
        """SHA-256 over the sorted lines ``<file digest> <label>``: the data, whatever the files are called."""
        lines = sorted(f"{checked.digest} {checked.photo.label}\n" for checked in self.photos)
        return sha256("".join(lines).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Look:
    digest: str
    hash: int
    thumbnail: NDArray[np.uint8]


Seen = tuple[Photo, str]  # with the digest of its file


def scan(photos: Sequence[Photo], progress: Progress) -> Scan:
    """Reads and decodes every file once, in threads, and sorts them as ``Scan`` says.

    Of exact copies with one label the first by name is kept. Copies with different labels are all left out: nobody
    can tell which label is meant. Photos in S3 are fetched first; one that is not there is a bad file, and a store
    that fails ends it all (StoreError), for photos must not go missing by chance.
    """
    photos, missing = _fetched(photos, progress)
    bad: list[tuple[Photo, str]] = list(missing)
    seen: list[Seen] = []
    hashes, thumbnails = np.empty(len(photos), np.uint64), room(len(photos), COLOURS, np.uint8)
    with progress.task("Checking photos", len(photos)) as advance:
        for photo, look in zip(photos, in_order(_look, photos), strict=True):
            if isinstance(look, str):
                bad.append((photo, look))
            else:
                hashes[len(seen)], thumbnails[len(seen)] = look.hash, look.thumbnail
                seen.append((photo, look.digest))
                if len(seen) % PIECE == 0:
                    let_go(thumbnails)
            advance(1)
    kept, copies, conflicts = _same(seen)
    groups = group(hashes[kept], gathered(thumbnails, kept))
    taken = (seen[position] for position in kept.tolist())
    checked = tuple(
        Checked(photo, digest, found) for (photo, digest), found in zip(taken, groups.tolist(), strict=True)
    )
    return Scan(checked, tuple(bad), tuple(copies), tuple(conflicts))


def _fetched(photos: Sequence[Photo], progress: Progress) -> tuple[list[Photo], list[tuple[Photo, str]]]:
    """The photos with the paths of their local copies, and those that cannot be had."""
    absent = [photo for photo in photos if photo.origin is not None]
    if not absent:
        return list(photos), []
    there, missing = [photo for photo in photos if photo.origin is None], []
    with progress.task("Fetching photos", len(absent)) as advance:
        for photo, found in zip(absent, in_order(_fetch, absent, FETCHES), strict=True):
            if isinstance(found, str):
                missing.append((photo, found))
            else:
                there.append(found)
            advance(1)
    return sorted(there, key=lambda photo: (photo.name, photo.label)), missing


def _fetch(photo: Photo) -> Photo | str:
    try:
        return replace(photo, path=image_files.fetch(photo.origin or ""))
    except (MissingObject, RequestError) as error:
        return str(error)


def _look(photo: Photo) -> _Look | str:
    try:
        data = photo.path.read_bytes()
        thumbnail = decode(data, THUMBNAIL)
    except RequestError as error:
        return str(error)
    except OSError as error:
        return f"It cannot be read ({error.strerror}). Check the path and the permissions."
    return _Look(sha256(data).hexdigest(), dhash(thumbnail), shrink(thumbnail))


def _same(seen: Sequence[Seen]) -> tuple[NDArray[np.int64], list[Photo], list[Photo]]:
    """The positions of what is kept, and the photos that are not."""
    labels: dict[str, str] = {}
    torn = {digest for photo, digest in seen if labels.setdefault(digest, photo.label) != photo.label}
    first: dict[str, int] = {}
    kept, copies, conflicts = [], [], []
    for position, (photo, digest) in enumerate(seen):
        if digest in torn:
            conflicts.append(photo)
        elif first.setdefault(digest, position) != position:
            copies.append(photo)
        else:
            kept.append(position)
    return np.array(kept, np.int64), copies, conflicts
