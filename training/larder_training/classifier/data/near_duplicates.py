"""Groups near-duplicate images, so that none of them is in both the training and the test part.

The difference hash (dHash, Neal Krawetz) has 64 bits that do not change with scaling, recompression and small changes
of brightness. Two images are near-duplicates if their hashes differ in at most ``MAX_BITS`` bits *and* their
thumbnails agree apart from a small shift: the hashes of plain or tiny images (digits, icons) collide. ``grouping``
decides by the labels whether such images are copies.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from larder.release.serving import ImageSpec
from larder_training.numerics.arrays import Floats

THUMBNAIL: Final = ImageSpec(36, 32, fit="stretch", resampling="bilinear")
_SHAPE: Final = (16, 18, 3)
COLOURS: Final = 16 * 18 * 3
MAX_BITS: Final = 6
MAX_DIFFERENCE: Final = 6.0  # root mean square difference, of 0..255, between thumbnails of equal brightness
_ALIGNABLE: Final = 3 * MAX_DIFFERENCE  # differences above it do not fall below MAX_DIFFERENCE by a small shift
_ALIGNED: Final = 256  # pairs that are aligned at a time
_DENSE: Final = 0.01  # share of the pairs of a tile above which one matrix product is faster than single pairs
_MAX_ALIGNED: Final = 300_000  # pairs that are aligned: at most about 20 s
_BANDS: Final = 8  # more than MAX_BITS, so that two near hashes agree in at least one whole band
_TILE: Final = 1024  # hashes that are compared with as many others at a time
_PAIRS: Final = 2048  # pairs of thumbnails that are compared at a time

Groups = NDArray[np.int64]
# From rows [m], columns [n], candidates among their pairs [m, n] and thumbnails: the near-duplicates [k, 2].
Confirm = Callable[[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_], NDArray[np.uint8]], NDArray[np.int64]]


def dhash(thumbnail: NDArray[np.uint8]) -> int:
    """Hash of a thumbnail ``[32, 36, 3]``: 64 bits, whether each of 8 x 8 cells is darker than its right neighbour."""
    grey = thumbnail.astype(np.float64) @ (0.299, 0.587, 0.114)
    cells = grey.reshape(8, 4, 9, 4).mean(axis=(1, 3))
    bits = np.packbits((cells[:, 1:] > cells[:, :-1] + 1e-9).ravel())
    return int.from_bytes(bits.tobytes(), "big")


def downscale(thumbnail: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The thumbnail at 16 x 18 pixels, ``[864]``; it confirms that images with near hashes are near-duplicates."""
    small = thumbnail.reshape(16, 2, 18, 2, 3).mean(axis=(1, 3))
    colours: NDArray[np.uint8] = np.rint(small).astype(np.uint8).ravel()
    return colours


def group_near_duplicates(hashes: Sequence[int] | NDArray[np.uint64], thumbnails: NDArray[np.uint8]) -> Groups:
    """Groups near-duplicates, transitively.

    Args:
        hashes: ``[n]``, from ``dhash``.
        thumbnails: ``[n, 864]``, from ``downscale``; may be memory-mapped.

    Returns:
        ``[n]``: for each image, the lowest position in its group.
    """
    hashes, groups = np.array(hashes, np.uint64), np.arange(len(hashes))
    groups = _merge_confirmed(hashes, groups, thumbnails, _near)
    # Aligning is slow, so it comes second, when most images of a video or a fixed camera are in one group.
    return _merge_confirmed(hashes, groups, thumbnails, _Aligned())


def _merge_confirmed(
    hashes: NDArray[np.uint64], groups: Groups, thumbnails: NDArray[np.uint8], confirm: Confirm
) -> Groups:
    """The groups after merging those with a pair of near hashes that ``confirm`` finds."""
    matches: list[NDArray[np.int64]] = []
    for band, rows, columns in _tiles(hashes):
        if groups[rows].min() == groups[columns].max() and groups[columns].min() == groups[rows].max():
            continue  # one group already, as the frames of a video soon are
        candidates = _near_hashes(hashes, groups, band, rows, columns)
        if candidates.any():
            matches.append(confirm(rows, columns, candidates, thumbnails))
        if sum(map(len, matches)) >= _PAIRS:
            groups, matches = merge_groups(groups, matches), []
    return merge_groups(groups, matches)


def _tiles(hashes: NDArray[np.uint64]) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """Positions ``[m]`` and ``[n]`` whose hashes share byte ``band`` (multi-index hashing, Norouzi et al. 2012)."""
    columns = hashes.astype(">u8").view(np.uint8).reshape(-1, _BANDS)
    for band in range(_BANDS):
        order = np.argsort(columns[:, band], kind="stable")
        edges = np.flatnonzero(np.diff(columns[order, band])) + 1
        for bucket in np.split(order, edges):
            for row, column in combinations_with_replacement(range(0, len(bucket), _TILE), 2):
                yield band, bucket[row : row + _TILE], bucket[column : column + _TILE]


def _near_hashes(
    hashes: NDArray[np.uint64], groups: Groups, band: int, rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """``[m, n]``: pairs of near hashes in different groups, each in the first band that both share only."""
    differing = hashes[rows][:, None] ^ hashes[columns][None, :]
    near: NDArray[np.bool_] = np.bitwise_count(differing) <= MAX_BITS
    for earlier in range(band):
        near &= differing >> np.uint64(8 * (_BANDS - 1 - earlier)) & np.uint64(0xFF) != 0
    near &= groups[rows][:, None] != groups[columns][None, :]
    return np.triu(near, 1) if rows[0] == columns[0] else near


def _differences(
    rows: NDArray[np.int64], columns: NDArray[np.int64], pairs: NDArray[np.bool_], thumbnails: NDArray[np.uint8]
) -> Floats:
    """The differences ``[k]`` of the thumbnails of the pairs ``[m, n]``, apart from their brightness."""
    first, second = np.nonzero(pairs)
    if len(first) < _DENSE * pairs.size:
        differences = [
            (thumbnails[rows[first[part]]].astype(np.float32) - thumbnails[columns[second[part]]]).std(axis=1)
            for part in _pieces(len(first), _PAIRS)
        ]
        return np.concatenate(differences)
    left, right = relative_thumbnails(thumbnails[rows]), relative_thumbnails(thumbnails[columns])
    squares = (left * left).sum(axis=1)[:, None] + (right * right).sum(axis=1) - 2 * (left @ right.T)
    dense: Floats = np.sqrt(np.maximum(squares[first, second], 0))
    return dense


def _pieces(count: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, count, size))


def _near(
    rows: NDArray[np.int64], columns: NDArray[np.int64], pairs: NDArray[np.bool_], thumbnails: NDArray[np.uint8]
) -> NDArray[np.int64]:
    """The pairs ``[k, 2]`` whose thumbnails agree apart from brightness."""
    near = _differences(rows, columns, pairs, thumbnails) <= MAX_DIFFERENCE
    first, second = np.nonzero(pairs)
    return np.stack([rows[first[near]], columns[second[near]]], axis=1)


@dataclass(slots=True)
class _Aligned:
    """Confirms pairs whose thumbnails agree apart from brightness, contrast and a small shift.

    Attributes:
        remaining: Pairs that are still aligned; then none is, so that the time is bounded.
    """

    remaining: int = _MAX_ALIGNED

    def __call__(
        self,
        rows: NDArray[np.int64],
        columns: NDArray[np.int64],
        pairs: NDArray[np.bool_],
        thumbnails: NDArray[np.uint8],
    ) -> NDArray[np.int64]:
        if not self.remaining:
            return np.zeros((0, 2), np.int64)
        alignable = np.flatnonzero(_differences(rows, columns, pairs, thumbnails) <= _ALIGNABLE)[: self.remaining]
        self.remaining -= len(alignable)
        first, second = np.nonzero(pairs)
        chosen = np.stack([rows[first[alignable]], columns[second[alignable]]], axis=1)
        differences = [
            _aligned_difference(*(thumbnails[chosen[part, side]].astype(np.float32) for side in (0, 1)))
            for part in _pieces(len(chosen), _ALIGNED)
        ]
        return chosen[np.concatenate(differences) <= MAX_DIFFERENCE] if differences else chosen


def merge_groups(groups: Groups, pairs: Sequence[NDArray[np.int64]]) -> Groups:
    """The groups after merging those of each pair.

    Args:
        groups: ``[n]``: for each image, the lowest position in its group.
        pairs: Positions ``[k, 2]`` of images that stay together, in any number of arrays.
    """
    if not pairs:
        return groups
    count = len(groups)
    first, second = groups[np.concatenate(pairs)].T
    graph = csr_array((np.ones(len(first), np.bool_), (first, second)), shape=(count, count))
    _, component = connected_components(graph, directed=False)
    lowest = np.full(count, count)
    np.minimum.at(lowest, component, np.arange(count))
    merged: Groups = lowest[component[groups]]
    return merged


def relative_thumbnails(thumbnails: NDArray[np.uint8]) -> Floats:
    """Rows ``[n, 864]`` whose Euclidean distance is the difference that ``MAX_DIFFERENCE`` limits."""
    rows = thumbnails.astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    return rows / np.float32(np.sqrt(COLOURS))


def _aligned_difference(first: Floats, second: Floats) -> Floats:
    """What remains of the difference ``[k]`` after one step of registration (Lucas and Kanade 1981).

    A crop of a few per cent shifts and scales the thumbnail by a fraction of a pixel. To first order this adds the
    image's gradients, also multiplied by the coordinates; the image itself stands for contrast and 1 for brightness.
    """
    mean = ((first + second) / 2).reshape(-1, *_SHAPE)
    down, right = np.gradient(mean, axis=1), np.gradient(mean, axis=2)
    y, x = (np.linspace(-1, 1, size, dtype=np.float32) for size in _SHAPE[:2])
    parts = (np.ones_like(mean), mean, down, right, down * y[:, None, None], right * x[:, None])
    changes = np.stack([part.reshape(len(mean), -1) for part in parts], axis=1)
    difference = (second - first)[:, :, None]
    gram = changes @ changes.transpose(0, 2, 1) + np.eye(len(parts), dtype=np.float32)  # a flat image has no gradients
    weights = np.linalg.solve(gram, changes @ difference)
    remaining: Floats = (difference[:, :, 0] - (weights.transpose(0, 2, 1) @ changes)[:, 0]).std(axis=1)
    return remaining
