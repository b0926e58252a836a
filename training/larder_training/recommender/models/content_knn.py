"""Content kNN: items with similar metadata, whether they have events or not.

Each column becomes blocks of features of unit length. A category is one feature per value, and a cell may have several
(``a|b``); a number is interpolated between two quantiles of the column; a text is its words, and its character n-grams
of three to five letters, so that ``mugs`` is near ``mug``. Features are weighted by inverse document frequency (Spärck
Jones, 1972). The weights of the blocks are fitted to the items with events: non-negative least squares of the items'
similarity by users on the similarities by block.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder.release.serving import CREATED
from larder_training.numerics.parallel import in_blocks
from larder_training.numerics.topk import CELLS, TopK, top_rows
from larder_training.recommender.data.columns.kinds import Column
from larder_training.recommender.data.columns.profiles import LabelPairs
from larder_training.recommender.models.base import ItemToItem, TrainingData

Matrix = sp.csr_array
_WORD: Final = r"(?u)\b\w+\b"  # words of one letter too, such as a size
_BINS: Final = 10  # quantiles of a number column
_MAX_SHARE: Final = 0.2  # a more frequent value does not distinguish items, and would make all items neighbours
_MANY_VALUES: Final = 1000  # a category with more of them, such as names of artists, is also compared as text
_MAX_ITEMS: Final = 1000  # a value of at most so many items is kept in any case
_MAX_TERMS: Final = 200_000  # most frequent words or n-grams of a column
_ANCHORS: Final = 1000  # items whose pairs the weights are fitted to
_PAIRS: Final = 200_000


@dataclass(frozen=True, slots=True)
class ContentKNN:
    """The estimator.

    Attributes:
        width: Nearest items with events that each item keeps.
        ridge: Of the fit of the blocks' weights, in units of their mean variance.
    """

    width: int = 50
    ridge: float = 0.01

    def fit(self, data: TrainingData, advance: Callable[[int], None] = lambda _: None) -> "ContentNeighbours":
        """Fits the weights of the blocks and finds neighbours; the matrix is empty without item metadata.

        It is symmetric, with a zero diagonal and entries from 0 to 1: the cosine of i and j if one is among the
        ``width`` nearest items with events of the other.
        """
        blocks = content_blocks(data.columns)
        items = data.interactions.shape[1]
        if not blocks:
            advance(items)
            return ContentNeighbours(sp.csr_array((items, items), dtype=np.float64), data.interactions)
        weights = fit_block_weights(list(blocks.values()), data.interactions, self.ridge, data.seed)
        vectors = combine(list(blocks.values()), weights)
        counts = np.bincount(data.log.item, minlength=items)
        near = nearest_known(vectors, counts, self.width)
        advance(items)
        by_block = dict(zip(blocks, weights.tolist(), strict=True))
        return ContentNeighbours(near.maximum(near.T).tocsr(), data.interactions, by_block)


@dataclass(frozen=True, slots=True, eq=False)
class ContentNeighbours(ItemToItem):
    """Items with similar metadata.

    Attributes:
        block_weights: The fitted weight of each block of features, by its name (``TITLE words``).
    """

    block_weights: Mapping[str, float] = field(default_factory=dict)


def content_blocks(columns: Mapping[str, Column]) -> dict[str, Matrix]:
    """Float64 ``[items, features]`` per block, named by column and kind (``TITLE words``).

    Rows have length 1, or are empty if an item has no value. Columns without a feature that distinguishes items are
    omitted, and so is the time of creation.
    """
    blocks: dict[str, Matrix] = {}
    for name, (kind, values) in sorted(columns.items()):
        if name == CREATED:
            continue
        if kind == "number":
            blocks[f"{name} bins"] = _bins(values)
            blocks[f"{name} values"] = _values(values)
        elif kind == "categories":
            pairs = LabelPairs.of(values)
            blocks[f"{name} values"] = _indicators(pairs.rows, pairs.codes, len(values))
        elif kind == "category":
            blocks[f"{name} values"] = _values(values)
        if kind != "number":
            blocks[f"{name} words"] = _terms(values, token_pattern=_WORD)
        if kind == "text" or (kind != "number" and len(set(values)) > _MANY_VALUES):
            blocks[f"{name} letters"] = _terms(values, analyzer="char_wb", ngram_range=(3, 5))
    return {name: block for name, block in blocks.items() if block.nnz}


def combine(blocks: list[Matrix], weights: NDArray[np.float64]) -> Matrix:
    """Unit vectors whose cosine is the weighted mean of the blocks' cosines (over the blocks both items have)."""
    used = [block * np.sqrt(weight) for block, weight in zip(blocks, weights, strict=True) if weight > 0]
    return _unit_rows(sp.hstack(used or blocks, format="csr"))


def fit_block_weights(blocks: list[Matrix], interactions: Matrix, ridge: float, seed: int) -> NDArray[np.float64]:
    """``[blocks]``, none below 0: weights of the blocks' cosines in a regression on the items' similarity by users.

    The target of a pair is the cosine of its columns of ``interactions``; ``ridge`` is in units of the blocks' mean
    variance. The weights are equal if no two items share a user, or if no block has a positive weight.
    """
    from scipy.optimize import nnls

    columns = _unit_rows(interactions.T.tocsr())
    left, right = _pairs(columns, seed)
    equal = np.full(len(blocks), 1 / len(blocks))
    if not left.size:
        return equal
    alike = np.stack([_cosines(block, left, right) for block in blocks], axis=1)
    target = _cosines(columns, left, right)
    alike -= alike.mean(axis=0)
    covariance = alike.T @ alike
    added = np.sqrt(max(ridge * np.trace(covariance) / len(blocks), np.finfo(np.float64).tiny)) * np.eye(len(blocks))
    weights, _ = nnls(np.concatenate((alike, added)), np.concatenate((target - target.mean(), np.zeros(len(blocks)))))
    return np.asarray(weights, np.float64) if weights.any() else equal


def nearest_known(vectors: Matrix, counts: NDArray[np.int64], width: int) -> Matrix:
    """``[items, items]``: row i has its cosines with the ``width`` nearest other items with events.

    Equally near items are ordered by their number of events. Memory: 100 MB per core, and 12 bytes per entry.
    """
    items = vectors.shape[0]
    places = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    itself = np.full(items, -1)
    itself[places] = np.arange(places.size)
    known = vectors[places].T.tocsr()
    rows = TopK.empty(items, width)

    def fill(start: int, end: int) -> None:
        product = (vectors[start:end] @ known).tocsr()
        product.data[product.indices == np.repeat(itself[start:end], np.diff(product.indptr))] = 0
        block = top_rows(product, width)
        rows.items[start:end], rows.scores[start:end] = block.items, block.scores

    in_blocks(items, max(1, CELLS // max(places.size, 1)), fill)
    near = rows.matrix(places.size)
    return sp.csr_array((near.data, places[near.indices], near.indptr), shape=(items, items))


def _bins(values: Sequence[object]) -> Matrix:
    """Linear interpolation of each number between the two nearest quantiles."""
    numbers = np.array([np.nan if value is None else value for value in values], np.float64)
    (present,) = np.nonzero(~np.isnan(numbers))
    knots = np.unique(np.quantile(numbers[present], np.linspace(0, 1, _BINS))) if present.size else np.zeros(1)
    place = np.clip(np.searchsorted(knots, numbers[present], side="right") - 1, 0, max(knots.size - 2, 0))
    if knots.size < 2:
        return sp.csr_array((len(values), 1), dtype=np.float64)
    share = (numbers[present] - knots[place]) / (knots[place + 1] - knots[place])
    rows, columns = np.concatenate((present, present)), np.concatenate((place, place + 1))
    matrix = sp.csr_array((np.concatenate((1 - share, share)), (rows, columns)), shape=(len(values), knots.size))
    return _unit_rows(matrix)


def _values(values: Sequence[object]) -> Matrix:
    """One feature per value."""
    codes = {
        value: code for code, value in enumerate(sorted({value for value in values if value is not None}, key=str))
    }
    pairs = [(row, codes[value]) for row, value in enumerate(values) if value is not None]
    rows, columns = np.array(pairs, np.int64).reshape(-1, 2).T
    return _indicators(rows, columns, len(values))


def _indicators(rows: NDArray[np.int64], codes: NDArray[np.int64], items: int) -> Matrix:
    """One feature per code that rows have."""
    shape = (items, int(codes.max(initial=-1)) + 1)
    return _weighted(sp.csr_array((np.ones(rows.size), (rows, codes)), shape=shape))


def _terms(values: Sequence[object], **options: Any) -> Matrix:  # noqa: ANN401  # options of scikit-learn, which has no types
    """Words or n-grams of the texts; repetitions within a text do not count."""
    from sklearn.feature_extraction.text import CountVectorizer

    texts = [value if isinstance(value, str) else "" for value in values]
    counts = CountVectorizer(binary=True, max_features=_MAX_TERMS, dtype=np.float64, **options)
    try:
        return _weighted(sp.csr_array(counts.fit_transform(texts)))
    except ValueError:  # "empty vocabulary": no text has a word
        return sp.csr_array((len(texts), 1), dtype=np.float64)


def _weighted(matrix: Matrix) -> Matrix:
    """Weights features by inverse document frequency and drops those of one item or of too many; unit rows."""
    having = np.bincount(matrix.indices, minlength=matrix.shape[1])
    items = matrix.shape[0]
    keep = (having > 1) & (having < items) & (having <= max(_MAX_SHARE * items, _MAX_ITEMS))
    rarity = np.log(items / having[keep])
    return _unit_rows(matrix[:, keep] @ sp.diags_array(rarity))


def _unit_rows(matrix: Matrix) -> Matrix:
    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    unit = sp.diags_array(1 / np.where(length > 0, length, 1)) @ matrix
    return sp.csr_array(unit)


def _pairs(columns: Matrix, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of items with events: pairs that share a user, and as many random pairs."""
    random = np.random.default_rng(seed)
    (known,) = np.nonzero(np.diff(columns.indptr))
    anchors = random.permutation(known)[:_ANCHORS]
    rows, others = sp.csr_array(columns[anchors] @ columns.T).nonzero()
    drawn = random.choice(rows.size, min(rows.size, _PAIRS // 2), replace=False)
    left = np.concatenate((anchors[rows[drawn]], random.choice(anchors, drawn.size)))
    right = np.concatenate((others[drawn], random.choice(known, drawn.size)))
    different = left != right
    return left[different], right[different]


def _cosines(units: Matrix, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
    """``[pairs]``: cosines of pairs of unit rows."""
    return np.asarray(units[left].multiply(units[right]).sum(axis=1), np.float64).ravel()
