"""The report's plots can draw any class name, warnings are errors here; and what it says of the features."""

import pytest

from larder_training.classifier.reports.features_section import features_section
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


def test_the_built_in_features_of_a_parent_are_not_called_a_backbone() -> None:
    parent = "".join(features_section({"builtin": "hog-colour", "from_parent": "20260102T030405Z"}).blocks)
    assert "The built-in features" in parent
    assert "SHA-256" in "".join(features_section({"sha256": "ab"}).blocks)
