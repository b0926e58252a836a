"""What the report says of side information and colour statistics: what they are worth, and what their lack costs."""

from collections.abc import Mapping
from typing import cast

from larder_training.classifier.selection.side_ablation import FusionChoice
from larder_training.reporting.html import Section, paragraph, table


def side_section(choice: FusionChoice) -> tuple[Section, ...]:
    """One section, or none where nothing could join the image."""
    if not choice.explanation:
        return ()
    accuracy = cast("Mapping[str, Mapping[str, float]]", choice.explanation["accuracy"])
    missing = cast("Mapping[str, Mapping[str, float]]", choice.explanation["accuracy_where_missing"])
    head = ("Learnt from", "Validation", "Cross-entropy", "Test")
    rows = [
        (name, _percent(row["validation"]), f"{row['validation_cross_entropy']:.4f}", _percent(row["test"]))
        for name, row in accuracy.items()
    ]
    blocks = [
        paragraph(f"Released with: {choice.explanation['kept']}. {choice.explanation['why']}"),
        table(head, rows),
        paragraph("Accuracies before quantisation. Validation photos chose; test photos are only told."),
    ]
    if missing:
        lacking = [(name, _percent(row["validation"]), _percent(row["test"])) for name, row in missing.items()]
        blocks.append(table(("Where a request lacks", "Validation", "Test"), lacking))
    return (Section.of("Beside the image", *blocks),)


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
