"""Content neighbours: items that are alike by the catalogue's columns, whether anybody has had them or not.

Each column becomes blocks of features of unit length: a category is one feature of its value; a number lies between two
of the column's quantiles and shares itself among them; a text is its words, and its runs of three to five letters, so
that ``mugs`` is near ``mug``. Rare values say more (the inverse document frequency of Spärck Jones, 1972). How much
each block says is learnt from the items that have a history: where a block's likeness goes along with being had by the
same users, it gets weight, and none where it does not (non-negative least squares).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics.topk import CELLS, TopK, in_blocks, top_rows
from larder_training.recommender.data.metadata import CREATED, Column
from larder_training.recommender.models.base import ItemToItem, TrainingData

Matrix = sp.csr_array
_WORD: Final = r"(?u)\b\w+\b"  # of one letter too: a size may be one
_BINS: Final = 10  # quantiles of a number column
_MAX_SHARE: Final = 0.2  # a value that more items have tells nobody apart, and would make all items neighbours
_MAX_ITEMS: Final = 1000  # so many may have a value however few there are
_MAX_TERMS: Final = 200_000  # words, or runs of letters, of one column: the commonest are kept
_ANCHORS: Final = 1000  # items whose pairs the weights are learnt from
_PAIRS: Final = 200_000


@dataclass(frozen=True, slots=True)
class ContentKNN:
    """``width``: the nearest items with a history that each item keeps; ``ridge``: of the learning of weights, in
    units of the blocks' mean square.
    """

    width: int = 50
    ridge: float = 0.01

    def fit(self, data: TrainingData, advance: Callable[[int], None] = lambda _: None) -> ItemToItem:
        """Neighbours times what users have to do with items; no neighbours where there is no catalogue.

        The matrix is symmetric, with a zero diagonal and entries from 0 to 1: the cosine of i and j where either is
        among the ``width`` nearest known items of the other.
        """
        blocks = content_blocks(data.columns)
        items = data.interactions.shape[1]
        if not blocks:
            advance(items)
            return ItemToItem(sp.csr_array((items, items), dtype=np.float64), data.interactions)
        weights = learn_weights(list(blocks.values()), data.interactions, self.ridge, data.seed)
        vectors = combine(list(blocks.values()), weights)
        counts = np.bincount(data.log.item, minlength=items)
        near = nearest_known(vectors, counts, self.width)
        advance(items)
        return ItemToItem(near.maximum(near.T).tocsr(), data.interactions)


def content_blocks(columns: Mapping[str, Column]) -> dict[str, Matrix]:
    """Float64 ``[items, features]`` for each block, rows of length 1 (or empty, where an item has no value); named by
    column and kind, ``TITLE words``. Columns without a feature that tells items apart are left out, and so is the
    time of creation.
    """
    found: dict[str, Matrix] = {}
    for name, (kind, values) in sorted(columns.items()):
        if name == CREATED:
            continue
        if kind == "number":
            found[f"{name} bins"] = _bins(values)
            found[f"{name} values"] = _values(values)
        elif kind == "category":
            found[f"{name} values"] = _values(values)
        if kind != "number":
            found[f"{name} words"] = _terms(values, token_pattern=_WORD)
        if kind == "text":
            found[f"{name} letters"] = _terms(values, analyzer="char_wb", ngram_range=(3, 5))
    return {name: block for name, block in found.items() if block.nnz}


def combine(blocks: list[Matrix], weights: NDArray[np.float64]) -> Matrix:
    """Unit vectors whose cosine is the weighted mean of the blocks' cosines (over the blocks both items have)."""
    used = [block * np.sqrt(weight) for block, weight in zip(blocks, weights, strict=True) if weight > 0]
    return _unit_rows(sp.hstack(used or blocks, format="csr"))


def learn_weights(blocks: list[Matrix], interactions: Matrix, ridge: float, seed: int) -> NDArray[np.float64]:
    """``[blocks]``, none below 0: how much of two known items' co-occurrence each block's cosine tells.

    The target of a pair is the cosine of its columns of ``interactions``; ``ridge`` is in units of the blocks' mean
    variance. Equal weights where no two items share a user, or where no block tells anything.
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
    """``[items, items]``: row i holds its cosines with the ``width`` nearest items that have a count, itself left out.

    Of equally near ones those with more events come first: where a catalogue says no more than a category, all of its
    items are equally near, and the commonest are the best known. Memory: 100 MB a core, and 12 bytes an entry.
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
    """Each number's share of the two quantiles that it lies between."""
    numbers = np.array([np.nan if value is None else value for value in values], np.float64)
    (given,) = np.nonzero(~np.isnan(numbers))
    knots = np.unique(np.quantile(numbers[given], np.linspace(0, 1, _BINS))) if given.size else np.zeros(1)
    place = np.clip(np.searchsorted(knots, numbers[given], side="right") - 1, 0, max(knots.size - 2, 0))
    if knots.size < 2:
        return sp.csr_array((len(values), 1), dtype=np.float64)
    share = (numbers[given] - knots[place]) / (knots[place + 1] - knots[place])
    rows, columns = np.concatenate((given, given)), np.concatenate((place, place + 1))
    matrix = sp.csr_array((np.concatenate((1 - share, share)), (rows, columns)), shape=(len(values), knots.size))
    return _unit_rows(matrix)


def _values(values: Sequence[object]) -> Matrix:
    """One feature for each value that recurs."""
    codes = {
        value: code for code, value in enumerate(sorted({value for value in values if value is not None}, key=str))
    }
    pairs = [(row, codes[value]) for row, value in enumerate(values) if value is not None]
    rows, columns = np.array(pairs, np.int64).reshape(-1, 2).T
    return _weighted(sp.csr_array((np.ones(rows.size), (rows, columns)), shape=(len(values), len(codes))))


def _terms(values: Sequence[object], **how: Any) -> Matrix:  # noqa: ANN401  # scikit-learn's, which has no types
    """Words or runs of letters of a text, each once however often the text has it."""
    from sklearn.feature_extraction.text import CountVectorizer

    texts = [value if isinstance(value, str) else "" for value in values]
    counts = CountVectorizer(binary=True, max_features=_MAX_TERMS, dtype=np.float64, **how)
    try:
        return _weighted(sp.csr_array(counts.fit_transform(texts)))
    except ValueError:  # "empty vocabulary": no text has a word
        return sp.csr_array((len(texts), 1), dtype=np.float64)


def _weighted(matrix: Matrix) -> Matrix:
    """By the logarithm of how rare a feature is, without those that nobody shares or that too many do; unit rows."""
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
    """Pairs of known items: those that share a user, and as many that chance put together. Ascending in the first."""
    random = np.random.default_rng(seed)
    (known,) = np.nonzero(np.diff(columns.indptr))
    anchors = random.permutation(known)[:_ANCHORS]
    rows, others = sp.csr_array(columns[anchors] @ columns.T).nonzero()
    drawn = random.choice(rows.size, min(rows.size, _PAIRS // 2), replace=False)
    left = np.concatenate((anchors[rows[drawn]], random.choice(anchors, drawn.size)))
    right = np.concatenate((others[drawn], random.choice(known, drawn.size)))
    apart = left != right
    return left[apart], right[apart]


def _cosines(units: Matrix, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
    """``[pairs]``, of rows of length 1."""
    return np.asarray(units[left].multiply(units[right]).sum(axis=1), np.float64).ravel()
