"""The report's drawings hold whatever a folder may be called; warnings are errors here."""

import pytest

from larder_training.classifier.reports.page import _confusion

COUNTS = [[3, 1], [0, 4]]


def test_the_confusion_matrix_names_its_classes() -> None:
    drawn, named = _confusion(COUNTS, ("mug", "höher $x$")), _confusion(COUNTS, ("mug", "x" * 60))
    assert "Taken for" in drawn.blocks[1]
    assert "numbered" not in "".join((*drawn.blocks, *named.blocks))


@pytest.mark.parametrize(("one", "other"), [("猫", "狗"), ("mug", "🐈"), ("mug", "שלום")])
def test_classes_that_cannot_be_drawn_are_numbered_and_told(one: str, other: str) -> None:
    blocks = _confusion(COUNTS, (one, other)).blocks
    assert "<svg" in blocks[0]
    assert f"1 {one}, 2 {other}." in blocks[1]
    assert one in blocks[2]
