"""The report's section on the images: the parts of the split, and the files that are left out."""

from collections import Counter
from typing import Final

from larder_training.classifier.data.formats.entries import PARTS
from larder_training.classifier.data.scan import DatasetScan
from larder_training.classifier.data.splits import DatasetSplit
from larder_training.classifier.reports import audit_page
from larder_training.reporting.counts import counted
from larder_training.reporting.html import Block, Section, facts, paragraph, subheading, table

FILES: Final = 200  # files that are left out, by name


def data_section(scan: DatasetScan, split: DatasetSplit, *, multi_label: bool = False) -> Section:
    """The images of each label by part, how the data were read, and what is left out."""
    head, total, other = (
        ("Label", "All images", "other labels. Decide which are right.")
        if multi_label
        else ("Class", "All", "another label. Decide which is right.")
    )
    counts = {part: Counter(label for sample in split.parts[part] for label in sample.image.classes) for part in PARTS}
    rows = [(label, *(counts[part][label] for part in PARTS)) for label in split.labels]
    if multi_label:
        without = {part: sum(not sample.image.classes for sample in split.parts[part]) for part in PARTS}
        rows.append(("No label", *(without[part] for part in PARTS)))
    rows.append((total, *(len(split.parts[part]) for part in PARTS)))
    left_out = [
        *((image.name, reason) for image, reason in scan.bad),
        *((image.name, f"A copy of this file has {other}") for image in scan.conflicts),
        *(
            (sample.image.name, "An image of its group is in the validation or test part.")
            for sample in split.straddling
        ),
    ]
    counts_of_files = {
        "Bad files": len(scan.bad),
        "Exact copies": len(scan.copies),
        "Conflicting labels": len(scan.conflicts),
        "Near-duplicates": "not looked for" if scan.stated else scan.near_duplicates,
    }
    blocks: list[Block] = [
        paragraph(f"{split.describe()}. Exact copies count once."),
        table((head, *(part.capitalize() for part in PARTS)), rows),
        facts(counts_of_files),
        *audit_page.notes(scan),
    ]
    if left_out:
        blocks += [subheading("Left out"), table(("File", "Reason"), left_out[:FILES])]
    if len(left_out) > FILES:
        blocks.append(paragraph(f"… and {counted(len(left_out) - FILES, 'file')} more."))
    return Section.of("Data", *blocks)
