"""Finds photos that show the same picture, so that no picture is both learnt from and tested on.

The difference hash (dHash, Neal Krawetz) gives 64 bits that survive scaling, recompression and small changes of
brightness. Two photos are near-duplicates where their hashes differ in at most ``MAX_BITS`` bits *and* their
thumbnails agree: plain or tiny pictures (digits, icons) collide in the hash alone.
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
MAX_DIFFERENCE: Final = 6.0  # root mean square, of 0..255, between thumbnails brought to one brightness
_BANDS: Final = 8  # more than MAX_BITS: two hashes that near agree in at least one whole band
_TILE: Final = 1024  # hashes that are held against as many others at a time
_PAIRS: Final = 2048  # of thumbnails that are compared at a time

Groups = NDArray[np.int64]


def dhash(thumbnail: NDArray[np.uint8]) -> int:
    """64 bits of a thumbnail ``[32, 36, 3]``: whether each of 8 x 8 cells is darker than its right neighbour."""
    grey = thumbnail.astype(np.float64) @ (0.299, 0.587, 0.114)
    cells = grey.reshape(8, 4, 9, 4).mean(axis=(1, 3))
    bits = np.packbits((cells[:, 1:] > cells[:, :-1] + 1e-9).ravel())
    return int.from_bytes(bits.tobytes(), "big")


def downscale(thumbnail: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The 16 x 18 colours, ``[864]``, that a hash's match is confirmed with."""
    small = thumbnail.reshape(16, 2, 18, 2, 3).mean(axis=(1, 3))
    colours: NDArray[np.uint8] = np.rint(small).astype(np.uint8).ravel()
    return colours


def group_near_duplicates(hashes: Sequence[int] | NDArray[np.uint64], thumbnails: NDArray[np.uint8]) -> Groups:
    """Groups near-duplicates, transitively.

    Args:
        hashes: ``[n]`` from ``dhash``.
        thumbnails: ``[n, 864]`` from ``downscale``; may be mapped from a file.

    Returns:
        ``[n]``: the lowest position of each photo's group.
    """
    hashes, groups = np.array(hashes, np.uint64), np.arange(len(hashes))
    found: list[NDArray[np.int64]] = []
    for some, others in _tiles(hashes):
        pairs = _near(hashes, groups, some, others)
        for start in range(0, len(pairs), _PAIRS):
            near = _alike(_apart(pairs[start : start + _PAIRS], groups), thumbnails)
            found += [near] if len(near) else []
            if sum(map(len, found)) >= _PAIRS:
                groups, found = _joined(groups, found), []
    return _joined(groups, found)


def _tiles(hashes: NDArray[np.uint64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Positions ``[m]`` and ``[n]`` that share one of eight bytes (multi-index hashing, Norouzi et al. 2012)."""
    columns = hashes.astype(">u8").view(np.uint8).reshape(-1, _BANDS)
    for band in range(_BANDS):
        order = np.argsort(columns[:, band], kind="stable")
        edges = np.flatnonzero(np.diff(columns[order, band])) + 1
        for bucket in np.split(order, edges):
            for some, others in combinations_with_replacement(range(0, len(bucket), _TILE), 2):
                yield bucket[some : some + _TILE], bucket[others : others + _TILE]


def _near(
    hashes: NDArray[np.uint64], groups: Groups, some: NDArray[np.int64], others: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Pairs ``[k, 2]`` of near hashes; where they are of one group already, as frames of a film soon are, none."""
    if groups[some].min() == groups[others].max() and groups[others].min() == groups[some].max():
        return np.zeros((0, 2), np.int64)
    row, column = np.nonzero(np.bitwise_count(hashes[some][:, None] ^ hashes[others][None, :]) <= MAX_BITS)
    pairs = _apart(np.stack([some[row], others[column]], axis=1), groups)
    return pairs[pairs[:, 0] < pairs[:, 1]] if some[0] == others[0] else pairs


def _apart(pairs: NDArray[np.int64], groups: Groups) -> NDArray[np.int64]:
    apart: NDArray[np.int64] = pairs[groups[pairs[:, 0]] != groups[pairs[:, 1]]]
    return apart


def _joined(groups: Groups, pairs: Sequence[NDArray[np.int64]]) -> Groups:
    """The groups after those of each pair became one."""
    if not pairs:
        return groups
    number = len(groups)
    first, second = groups[np.concatenate(pairs)].T
    graph = csr_array((np.ones(len(first), np.bool_), (first, second)), shape=(number, number))
    _, component = connected_components(graph, directed=False)
    lowest = np.full(number, number)
    np.minimum.at(lowest, component, np.arange(number))
    joined: Groups = lowest[component[groups]]
    return joined


def _alike(pairs: NDArray[np.int64], thumbnails: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Those of the pairs whose thumbnails agree, but for their brightness."""
    difference = thumbnails[pairs[:, 0]].astype(np.float32) - thumbnails[pairs[:, 1]]
    near: NDArray[np.int64] = pairs[difference.std(axis=1) <= MAX_DIFFERENCE]
    return near
