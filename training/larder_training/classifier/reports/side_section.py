"""The report's section on side information and colour statistics."""

from collections.abc import Mapping
from typing import cast

from larder_training.classifier.selection.side_ablation import FusionChoice
from larder_training.reporting.html import Section, paragraph, table
from larder_training.reporting.values import number, percent


def side_section(fusion: FusionChoice) -> tuple[Section, ...]:
    """The gain of additional columns, and the cost of missing values; no section without additional columns."""
    if not fusion.explanation:
        return ()
    accuracy = cast("Mapping[str, Mapping[str, float]]", fusion.explanation["accuracy"])
    missing = cast("Mapping[str, Mapping[str, float]]", fusion.explanation["accuracy_where_missing"])
    head = ("Inputs", "Validation accuracy", "Validation cross-entropy", "Test accuracy")
    rows = [
        (name, percent(row["validation"]), number(row["validation_cross_entropy"]), percent(row["test"]))
        for name, row in accuracy.items()
    ]
    blocks = [
        paragraph(f"Released with: {fusion.explanation['kept']}. {fusion.explanation['why']}"),
        table(head, rows),
        paragraph("Accuracies before quantization. The choice uses the validation images, never the test images."),
    ]
    if missing:
        rows_missing = [(name, percent(row["validation"]), percent(row["test"])) for name, row in missing.items()]
        blocks.append(table(("If a request lacks", "Validation accuracy", "Test accuracy"), rows_missing))
    return (Section.of("Side information", *blocks),)
