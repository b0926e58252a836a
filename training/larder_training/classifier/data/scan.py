"""Decodes every image once and reports bad files, exact copies, and which images stay together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from larder.classifier.image_decoding import decode
from larder.errors import MissingObject, RequestError
from larder_training.classifier.data.crops import cut_out
from larder_training.classifier.data.grouping import Grouping, group_copies, join_sources
from larder_training.classifier.data.manifests import PART_RANK, ImageDataset, LabelledImage
from larder_training.classifier.data.near_duplicates import COLOURS, THUMBNAIL, dhash, downscale
from larder_training.classifier.data.stated_groups import StatedGroups
from larder_training.io import image_files
from larder_training.numerics.memmap import CHUNK_ROWS, allocate, gather_rows, release_pages
from larder_training.numerics.parallel import map_in_order
from larder_training.reporting.counts import counted
from larder_training.reporting.progress import Progress

_LISTED: Final = 5  # labels that a message names
_BAD: Final = 20  # bad files that the log names
DOWNLOAD_THREADS: Final = 16  # downloads wait for the network, not for a core


@dataclass(frozen=True, slots=True)
class Sample:
    """A labelled image that decodes.

    Attributes:
        image: The image as its data set lists it.
        digest: SHA-256 of the file, in hexadecimal.
        group: Number of its group, of near-duplicates or as stated; a group of one is its own.
    """

    image: LabelledImage
    digest: str
    group: int


@dataclass(frozen=True, slots=True)
class DatasetScan:
    """The usable samples of a data set, and the files that were left out.

    Attributes:
        samples: Usable images, sorted by name.
        bad: Files that cannot be read or decoded, each with the reason.
        copies: Exact copies of a sample with the same label.
        conflicts: Exact copies of each other with different labels.
        alike: Sets of images that look alike without evidence that they are copies; they do not stay together.
        stated: The groups that the user states; None: groups are near-duplicates.
        notes: Sentences about the data set, as its reader wrote them.
    """

    samples: tuple[Sample, ...]
    bad: tuple[tuple[LabelledImage, str], ...]
    copies: tuple[LabelledImage, ...]
    conflicts: tuple[LabelledImage, ...]
    alike: tuple[tuple[Sample, ...], ...] = ()
    stated: StatedGroups | None = None
    notes: tuple[str, ...] = ()

    @property
    def near_duplicates(self) -> int:
        """Number of samples that are near-duplicates of an earlier one; 0 if the user states the groups."""
        files = {(sample.group, sample.image.file_name) for sample in self.samples}
        return 0 if self.stated else len(files) - len({group for group, _ in files})

    @property
    def together(self) -> str:
        """What stays together in the split."""
        return self.stated.how if self.stated else "near-duplicates together"

    def describe_alike(self) -> list[str]:
        """One sentence for each set of images that look alike, with what to do."""
        return [_describe_alike(samples) for samples in self.alike]

    def without(self, samples: Iterable[Sample], reason: str) -> "DatasetScan":
        """The scan with these samples among the bad files, for this reason."""
        out = [sample.image for sample in samples]
        numbers = set(map(id, out))  # an image with side information has no hash
        kept = tuple(sample for sample in self.samples if id(sample.image) not in numbers)
        return replace(self, samples=kept, bad=(*self.bad, *((image, reason) for image in out)))

    def describe(self) -> str:
        """What was left out, and how many near-duplicates there are, in one line."""
        return (
            f"{counted(len(self.bad), 'bad file')}, {counted(len(self.copies), 'copy', 'copies')}, "
            f"{counted(len(self.conflicts), 'copy', 'copies')} with conflicting labels, "
            f"{counted(self.near_duplicates, 'near-duplicate')}"
        )

    def log(self) -> list[str]:
        """What a training reports about its images before it splits them, a line each."""
        return [
            *self.notes,
            *(f"Bad file {image.name}: {reason}" for image, reason in self.bad[:_BAD]),
            self.describe(),
            *self.describe_alike(),
            *([self.stated.describe(len(self.samples))] if self.stated else []),
        ]

    def fingerprint(self) -> str:
        """SHA-256 over the sorted lines ``<file digest> <label>``; it does not depend on file names."""
        lines = sorted(f"{sample.digest} {sample.image.label}\n" for sample in self.samples)
        return sha256("".join(lines).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _ImageHashes:
    digest: str
    dhash: int
    colours: NDArray[np.uint8]


ImageDigest = tuple[LabelledImage, str]  # an image and the SHA-256 of its file


def scan_images(dataset: ImageDataset, progress: Progress, stated: StatedGroups | None = None) -> DatasetScan:
    """Reads and decodes every file once, on all cores.

    Groups are those that the user states, else near-duplicates; boxes of one image stay together, unless the user
    switches groups off. Of exact copies with one label, one of test is kept before validation before train, then the
    first by name. Exact copies with different labels are all left out, because the right label is unknown. Images in S3
    are downloaded first; a missing object counts as a bad file. Boxes are cut out and become images.

    Raises:
        StoreError: The store failed. The scan stops, so that no image is lost to a temporary failure.
    """
    images, missing = _download_all(dataset.images, progress)
    images, uncut = _cut_all(images, progress)
    bad: list[tuple[LabelledImage, str]] = [*dataset.bad, *missing, *uncut]
    decoded: list[ImageDigest] = []
    hashes, thumbnails = np.empty(len(images), np.uint64), allocate(len(images), COLOURS, np.uint8)
    with progress.task("Checking images", len(images)) as advance:
        for image, result in zip(images, map_in_order(_hash, images), strict=True):
            if isinstance(result, str):
                bad.append((image, result))
            else:
                hashes[len(decoded)], thumbnails[len(decoded)] = result.dhash, result.colours
                decoded.append((image, result.digest))
                if len(decoded) % CHUNK_ROWS == 0:
                    release_pages(thumbnails)
            advance(1)
    kept, copies, conflicts = _exact_copies(decoded)
    remaining = [decoded[position] for position in kept]
    labels = [image.label for image, _ in remaining]
    if stated:
        grouping = _as_stated(stated, remaining)
    else:
        grouping = group_copies(labels, hashes[kept], gather_rows(thumbnails, kept))
    if not (stated and stated.off):
        grouping = join_sources(grouping, labels, [image.cut_from for image, _ in remaining])
    samples = tuple(
        Sample(image, digest, number)
        for (image, digest), number in zip(remaining, grouping.groups.tolist(), strict=True)
    )
    alike = tuple(tuple(samples[position] for position in positions) for positions in grouping.alike)
    return DatasetScan(
        samples, tuple(bad), tuple(copies), tuple(conflicts), alike, stated, (*dataset.notes, *grouping.notes)
    )


def _as_stated(stated: StatedGroups, images: Sequence[ImageDigest]) -> Grouping:
    first: dict[str, int] = {}
    groups = np.arange(len(images))
    for position, (image, _) in enumerate(images):
        if (group := stated.group_of.get(image.file_name)) is not None:
            groups[position] = first.setdefault(group, position)
    return Grouping(groups, ())


def _describe_alike(samples: Sequence[Sample]) -> str:
    labels = sorted({sample.image.label for sample in samples})
    named = ", ".join(labels[:_LISTED]) + (", ..." if len(labels) > _LISTED else "")
    return (
        f"{len(samples)} images of {named} look alike, as images of a fixed camera do (the first is "
        f"{samples[0].image.name}). This does not show that they are copies, so they may be in different parts of the "
        "split. If some belong together (one object, session or video), state it with --groups"
    )


def _download_all(
    images: Sequence[LabelledImage], progress: Progress
) -> tuple[list[LabelledImage], list[tuple[LabelledImage, str]]]:
    """The images with the paths of their local copies, and those that cannot be downloaded, with the reason."""
    urls = list(dict.fromkeys(image.origin for image in images if image.origin is not None))  # boxes share a file
    if not urls:
        return list(images), []
    copies: dict[str, Path | str] = {}
    with progress.task("Downloading images", len(urls)) as advance:
        for url, copy in zip(urls, map_in_order(_download, urls, DOWNLOAD_THREADS), strict=True):
            copies[url] = copy
            advance(1)
    local, missing = [], []
    for image in images:
        copy = image.path if image.origin is None else copies[image.origin]
        if isinstance(copy, str):
            missing.append((image, copy))
        else:
            local.append(replace(image, path=copy))
    return local, missing


def _cut_all(
    images: list[LabelledImage], progress: Progress
) -> tuple[list[LabelledImage], list[tuple[LabelledImage, str]]]:
    """The images with boxes cut out, and those whose box cannot be cut, with the reason."""
    total = sum(image.box is not None for image in images)
    if not total:
        return images, []
    cut, bad = [], []
    files = [list(group) for _, group in groupby(images, key=lambda image: image.path)]
    with progress.task("Cutting out boxes", total) as advance:
        for file, results in zip(files, map_in_order(cut_out, files), strict=True):
            for image, result in zip(file, results, strict=True):
                if isinstance(result, str):
                    bad.append((image, result))
                else:
                    cut.append(result)
                advance(int(image.box is not None))
    return cut, bad


def _download(url: str) -> Path | str:
    try:
        return image_files.fetch(url)
    except (MissingObject, RequestError) as error:
        return str(error)


def _hash(image: LabelledImage) -> _ImageHashes | str:
    try:
        data = image.path.read_bytes()
        thumbnail = decode(data, THUMBNAIL)
    except RequestError as error:
        return str(error)
    except OSError as error:
        return f"The file cannot be read ({error.strerror}). Check the path and the permissions."
    return _ImageHashes(sha256(data).hexdigest(), dhash(thumbnail), downscale(thumbnail))


def _exact_copies(
    decoded: Sequence[ImageDigest],
) -> tuple[NDArray[np.int64], list[LabelledImage], list[LabelledImage]]:
    """The positions of the images to keep, the copies with the same label, and the copies with conflicting labels."""
    labels: dict[str, str] = {}
    conflicting = {digest for image, digest in decoded if labels.setdefault(digest, image.label) != image.label}
    first: dict[str, int] = {}
    for position in sorted(range(len(decoded)), key=lambda position: PART_RANK[decoded[position][0].part]):
        first.setdefault(decoded[position][1], position)
    kept, copies, conflicts = [], [], []
    for position, (image, digest) in enumerate(decoded):
        if digest in conflicting:
            conflicts.append(image)
        elif first[digest] != position:
            copies.append(image)
        else:
            kept.append(position)
    return np.array(kept, np.int64), copies, conflicts
