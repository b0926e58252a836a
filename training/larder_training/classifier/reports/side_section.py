"""The report's section on side information and colour statistics."""

from collections.abc import Mapping
from typing import cast

from larder_training.classifier.selection.side_ablation import FusionChoice
from larder_training.reporting.html import Block, Section, paragraph, table
from larder_training.reporting.values import number, percent


def side_section(fusion: FusionChoice, left_out: Mapping[str, str]) -> tuple[Section, ...]:
    """The gain of additional columns, the cost of missing values, and the columns that are left out."""
    rows = [(name, f"{reason[0].upper()}{reason[1:].rstrip('.')}.") for name, reason in left_out.items()]
    blocks = [*_gain(fusion), *([table(("Left out", "Reason"), rows)] if rows else [])]
    return (Section.of("Side information", *blocks),) if blocks else ()


def _gain(fusion: FusionChoice) -> list[Block]:
    if not fusion.explanation:
        return []
    accuracy = cast("Mapping[str, Mapping[str, float]]", fusion.explanation["accuracy"])
    missing = cast("Mapping[str, Mapping[str, float]]", fusion.explanation["accuracy_where_missing"])
    head = ("Inputs", "Validation accuracy", "Validation cross-entropy", "Test accuracy")
    rows = [
        (name, percent(row["validation"]), number(row["validation_cross_entropy"]), percent(row["test"]))
        for name, row in accuracy.items()
    ]
    blocks: list[Block] = [
        paragraph(f"Released with: {fusion.explanation['kept']}. {fusion.explanation['why']}"),
        table(head, rows),
        paragraph("Accuracies before quantization. The choice uses the validation images, never the test images."),
    ]
    if missing:
        rows_missing = [(name, percent(row["validation"]), percent(row["test"])) for name, row in missing.items()]
        blocks.append(table(("If a request lacks", "Validation accuracy", "Test accuracy"), rows_missing))
    return blocks
