"""Groups near-duplicate images, so that none of them is in both the training and the test part.

The difference hash (dHash, Neal Krawetz) has 64 bits that do not change with scaling, recompression and small changes
of brightness. Two images are near-duplicates if their hashes differ in at most ``MAX_BITS`` bits *and* their
thumbnails agree: the hashes of plain or tiny images (digits, icons) collide.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from larder.release.serving import ImageSpec

THUMBNAIL: Final = ImageSpec(36, 32, fit="stretch", resampling="bilinear")
COLOURS: Final = 16 * 18 * 3
MAX_BITS: Final = 6
MAX_DIFFERENCE: Final = 6.0  # root mean square difference, of 0..255, between thumbnails of equal brightness
_BANDS: Final = 8  # more than MAX_BITS, so that two near hashes agree in at least one whole band
_TILE: Final = 1024  # hashes that are compared with as many others at a time
_PAIRS: Final = 2048  # pairs of thumbnails that are compared at a time

Groups = NDArray[np.int64]


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
    matches: list[NDArray[np.int64]] = []
    for rows, columns in _tiles(hashes):
        pairs = _near_pairs(hashes, groups, rows, columns)
        for start in range(0, len(pairs), _PAIRS):
            near = _confirmed(_in_different_groups(pairs[start : start + _PAIRS], groups), thumbnails)
            matches += [near] if len(near) else []
            if sum(map(len, matches)) >= _PAIRS:
                groups, matches = _merge(groups, matches), []
    return _merge(groups, matches)


def _tiles(hashes: NDArray[np.uint64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Positions ``[m]`` and ``[n]`` whose hashes share a byte (multi-index hashing, Norouzi et al. 2012)."""
    columns = hashes.astype(">u8").view(np.uint8).reshape(-1, _BANDS)
    for band in range(_BANDS):
        order = np.argsort(columns[:, band], kind="stable")
        edges = np.flatnonzero(np.diff(columns[order, band])) + 1
        for bucket in np.split(order, edges):
            for row, column in combinations_with_replacement(range(0, len(bucket), _TILE), 2):
                yield bucket[row : row + _TILE], bucket[column : column + _TILE]


def _near_pairs(
    hashes: NDArray[np.uint64], groups: Groups, rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Pairs ``[k, 2]`` of near hashes that are not in one group yet."""
    if groups[rows].min() == groups[columns].max() and groups[columns].min() == groups[rows].max():
        return np.zeros((0, 2), np.int64)  # one group already, as the frames of a video soon are
    row, column = np.nonzero(np.bitwise_count(hashes[rows][:, None] ^ hashes[columns][None, :]) <= MAX_BITS)
    pairs = _in_different_groups(np.stack([rows[row], columns[column]], axis=1), groups)
    return pairs[pairs[:, 0] < pairs[:, 1]] if rows[0] == columns[0] else pairs


def _in_different_groups(pairs: NDArray[np.int64], groups: Groups) -> NDArray[np.int64]:
    different: NDArray[np.int64] = pairs[groups[pairs[:, 0]] != groups[pairs[:, 1]]]
    return different


def _merge(groups: Groups, pairs: Sequence[NDArray[np.int64]]) -> Groups:
    """The groups after merging those of each pair."""
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


def _confirmed(pairs: NDArray[np.int64], thumbnails: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The pairs whose thumbnails agree apart from their brightness."""
    difference = thumbnails[pairs[:, 0]].astype(np.float32) - thumbnails[pairs[:, 1]]
    near: NDArray[np.int64] = pairs[difference.std(axis=1) <= MAX_DIFFERENCE]
    return near
