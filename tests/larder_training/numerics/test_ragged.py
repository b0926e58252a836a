import numpy as np

from larder_training.numerics.ragged import take


def test_the_entries_of_rows_are_taken_in_their_order() -> None:
    rows = np.array([0, 0, 2, 3, 3, 3])  # row 1 is empty

    position, entry = take(rows, np.array([3, 1, 0, 3]), 4)

    assert position.tolist() == [0, 0, 0, 2, 2, 3, 3, 3]
    assert entry.tolist() == [3, 4, 5, 0, 1, 3, 4, 5]
