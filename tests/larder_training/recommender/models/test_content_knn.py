import numpy as np
import pytest
import scipy.sparse as sp
from tests.larder_training.recommender.models.test_models import NEVER_SEEN, toy, training_data

from larder_training.recommender.data.columns.kinds import Column
from larder_training.recommender.data.interaction_matrix import interaction_matrix
from larder_training.recommender.models.base import TrainingData
from larder_training.recommender.models.content_knn import (
    ContentKNN,
    combine,
    content_blocks,
    fit_block_weights,
    nearest_known,
)

TITLES: Column = ("text", ["red mug", "red mugs", "blue cup", "blue cup", None, "tea"])


def test_columns_become_blocks_of_unit_rows_by_type() -> None:
    columns: dict[str, Column] = {
        "TITLE": TITLES,
        "BRAND": ("category", ["x", "y", "x", "z", None, "y"]),
        "PRICE": ("number", [1.0, 2.0, 3.0, 4.0, None, 6.0]),
        "CREATION_TIMESTAMP": ("number", [1.0] * 6),
    }
    blocks = content_blocks(columns)
    assert sorted(blocks) == ["BRAND values", "BRAND words", "PRICE bins", "TITLE letters", "TITLE words"]
    for block in blocks.values():
        length = sp.linalg.norm(block, axis=1)
        assert length[length > 0] == pytest.approx(1.0)
        assert length[4] == 0
    assert (blocks["BRAND values"] @ blocks["BRAND values"].T)[[0], [2]] == pytest.approx(1.0)


def test_near_numbers_have_similar_bins() -> None:
    bins = content_blocks({"PRICE": ("number", [float(n) for n in range(100)])})["PRICE bins"]
    alike = (bins @ bins.T).toarray()
    assert alike[50, 51] > alike[50, 55] > alike[50, 80] == 0


def test_letter_n_grams_match_parts_of_words() -> None:
    blocks = content_blocks({"TITLE": TITLES})
    words, letters = ((block @ block.T).toarray() for block in (blocks["TITLE words"], blocks["TITLE letters"]))
    assert words[2, 3] == pytest.approx(1.0)
    mugs = content_blocks({"TITLE": ("text", ["tall mug", "mugs", "cup", "cups", "lid"])})
    assert "TITLE words" not in mugs  # no word is shared
    assert (mugs["TITLE letters"] @ mugs["TITLE letters"].T).toarray()[0, 1] > 0
    assert letters[0, 2] == 0


@pytest.mark.parametrize(
    "column", [("text", [None, "!", ""]), ("category", ["a", "b", "c"]), ("number", [None, None, None])]
)
def test_a_column_that_does_not_distinguish_items_is_omitted(column: Column) -> None:
    assert content_blocks({"COLUMN": column}) == {}


def test_the_weight_goes_to_the_column_that_explains_tastes() -> None:
    """GIVEN two tastes, a column with the taste and a random one THEN the first has almost all weight."""
    log = toy(users=60)
    taste: Column = ("category", [*["low"] * 6, *["high"] * 6, None])
    chance: Column = ("category", [*["odd", "even"] * 6, None])
    blocks = [_one_hot(column) for column in (taste, chance)]
    weights = fit_block_weights(blocks, interaction_matrix(log, np.ones(len(log))), ridge=0.01, seed=0)
    assert weights[0] > 10 * weights[1] >= 0


def test_without_common_users_all_weights_are_equal() -> None:
    blocks = [sp.csr_array(np.eye(3)), sp.csr_array(np.eye(3))]
    assert fit_block_weights(blocks, sp.csr_array((2, 3)), ridge=0.01, seed=0).tolist() == [0.5, 0.5]


def test_the_cosine_of_two_blocks_is_their_weighted_mean() -> None:
    same, other = sp.csr_array([[1.0, 0.0], [1.0, 0.0]]), sp.csr_array([[1.0, 0.0], [0.0, 1.0]])
    vectors = combine([same, other], np.array([3.0, 1.0]))
    assert (vectors @ vectors.T).toarray()[0, 1] == pytest.approx(0.75)


def test_neighbours_have_events_and_ties_are_ordered_by_events() -> None:
    vectors = sp.csr_array(np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]))
    near = nearest_known(vectors, np.array([0, 2, 5, 9, 1]), width=1).toarray()
    assert np.argwhere(near).tolist() == [[0, 2], [1, 2], [2, 1], [4, 2]]


def test_an_item_without_events_is_scored_by_its_metadata() -> None:
    """GIVEN two tastes, and an item of one of them without events THEN users of that taste score it higher."""
    log = toy(users=60)
    data = training_data(log)
    taste: Column = ("category", [*["low"] * 6, *["high"] * 7])
    scorer = ContentKNN(width=4).fit(TrainingData(log, log.end, data.interactions, {"TASTE": taste}))
    scores = scorer.scores(np.arange(60))[:, log.items.index(NEVER_SEEN)]
    assert scores[1::2].min() > scores[::2].max()
    assert (scorer.matrix - scorer.matrix.T).nnz == 0
    assert not scorer.matrix.diagonal().any()


def _one_hot(column: Column) -> sp.csr_array:
    values = sorted({str(value) for value in column[1] if value is not None})
    return sp.csr_array(np.array([[float(value == category) for category in values] for value in column[1]]))


def test_each_of_several_values_is_a_feature() -> None:
    cells = ["a|b", "b|c", "c", None]
    blocks = content_blocks({"TAGS": ("categories", cells)})

    alike = (blocks["TAGS values"] @ blocks["TAGS values"].T).toarray()
    assert alike[0, 1] > 0
    assert alike[0, 2] == 0
    assert alike[1, 2] > 0
