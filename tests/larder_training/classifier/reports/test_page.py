"""The report's plots can draw any class name; warnings are errors here."""

import pytest

from larder_training.classifier.reports.page import _confusion

COUNTS = [[3, 1], [0, 4]]


def test_the_confusion_matrix_names_its_classes() -> None:
    drawn, named = _confusion(COUNTS, ("mug", "höher $x$")), _confusion(COUNTS, ("mug", "x" * 60))
    assert "Predicted" in drawn.blocks[1]
    assert "numbered" not in "".join((*drawn.blocks, *named.blocks))


@pytest.mark.parametrize(("first", "second"), [("猫", "狗"), ("mug", "🐈"), ("mug", "שלום")])
def test_classes_that_cannot_be_drawn_are_numbered(first: str, second: str) -> None:
    blocks = _confusion(COUNTS, (first, second)).blocks
    assert "<svg" in blocks[0]
    assert f"1 {first}, 2 {second}." in blocks[1]
    assert first in blocks[2]
