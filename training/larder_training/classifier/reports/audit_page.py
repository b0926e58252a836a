"""The audit's sections of ``report.html``, and the page of ``larder audit``."""

import io
from collections.abc import Container, Iterable
from pathlib import Path
from typing import Final

from PIL import Image

from larder.classifier.image_decoding import decode
from larder.release.serving import ImageSpec
from larder_training.classifier.audit.audit import ImageAudit, untrainable_classes
from larder_training.classifier.audit.label_errors import LabelError
from larder_training.classifier.data.grouping import MIN_GROUPS
from larder_training.classifier.data.scan import DatasetScan
from larder_training.reporting.counts import counted
from larder_training.reporting.html import (
    Block,
    Section,
    bullets,
    facts,
    image_grid,
    paragraph,
    render,
    subheading,
    table,
)
from larder_training.reporting.title import TitleBlock
from larder_training.reporting.values import percent, times

SHOWN: Final = 48  # likely label errors with their image; the table below lists more
NAMED: Final = 500  # rows of a table
GROUPS: Final = 12  # groups of near-duplicates with their images
_THUMBNAIL: Final = ImageSpec(128, 128, background=(128, 128, 128))


def sections(audit: ImageAudit, *, with_notes: bool = False) -> list[Section]:
    """The sections about the data; ``with_notes``: with those of the reader, which a report has elsewhere."""
    return [_overview(audit, with_notes=with_notes), _label_errors(audit), *_near_duplicates(audit), *_alike(audit)]


def page(audit: ImageAudit) -> bytes:
    """The page of ``larder audit``, HTML. It has no time and no path, so the same data gives the same bytes."""
    scan = audit.scan
    images = f"{counted(len(scan.samples), 'image')}, {counted(len(audit.classes), 'class', 'classes')}"
    about = {"Fingerprint": scan.fingerprint()}
    title = TitleBlock("Audit", "Labelled images", images, audit.trust() or "", about, [*doubts(audit), *leaks(audit)])
    return render(title, [*sections(audit, with_notes=True), _left_out(audit)]).encode()


def doubts(audit: ImageAudit, left_out: str = "Left out") -> list[str]:
    """What is wrong with the data, in sentences for the top of a page; ``left_out``: its section on such files."""
    scan, found = audit.scan, []
    if scan.bad:
        verb = "is" if len(scan.bad) == 1 else "are"
        found.append(f"{counted(len(scan.bad), 'file')} cannot be used and {verb} left out: see “{left_out}”.")
    if scan.conflicts:
        verb = "is" if len(scan.conflicts) == 1 else "are"
        files = counted(len(scan.conflicts), "file")
        found.append(f"{files} {verb} left out, because a copy has another label: see “{left_out}”.")
    if groups := audit.conflicting_groups:
        verb = "has" if len(groups) == 1 else "have"
        found.append(
            f"{counted(len(groups), 'group')} of near-duplicates {verb} several labels: see “Near-duplicates”."
        )
    if errors := len(audit.label_errors):
        verb = "looks" if errors == 1 else "look"
        found.append(f"{counted(errors, 'label')} {verb} wrong: see “Likely label errors”.")
    return found


def leaks(audit: ImageAudit, columns: Container[str] | None = None) -> list[str]:
    """Which columns reveal the label, in sentences; of these columns only, if they are given."""
    sentences = [
        leak.describe() for leak in audit.leaks if columns is None or any(name in columns for name in leak.columns)
    ]
    return [f"{sentence[0].upper()}{sentence[1:]}." for sentence in sentences]


def notes(scan: DatasetScan) -> list[Block]:
    """What the reader of the data chose and found: encoding, columns, split, boxes."""
    sentences = [f"{note.rstrip('.')}." for note in scan.notes]
    return [subheading("How the data were read"), bullets(sentences)] if sentences else []


def _overview(audit: ImageAudit, *, with_notes: bool = False) -> Section:
    scan, imbalance = audit.scan, audit.imbalance
    tiles = {
        "Images": len(scan.samples),
        "Likely label errors": len(audit.label_errors),
        "Bad files": len(scan.bad),
        "Exact copies": len(scan.copies),
        "Conflicting labels": len(scan.conflicts),
        "Near-duplicates": "not looked for" if scan.stated else scan.near_duplicates,
        "Largest class to smallest": None if imbalance is None else times(imbalance),
    }
    rows = [(row.label, row.images, row.different, row.label_errors) for row in audit.classes]
    blocks = [facts(tiles), table(("Class", "Images", "Distinct images", "Likely label errors"), rows)]
    if audit.leaks:
        leaks = [(", ".join(leak.columns), f"{leak.how[0].upper()}{leak.how[1:]}.") for leak in audit.leaks]
        blocks.append(paragraph("Columns that reveal the label, so a training leaves them out:"))
        blocks.append(table(("Columns", "Reason"), leaks))
    if untrainable := untrainable_classes(audit):
        names = ", ".join(row.label for row in untrainable)
        blocks.append(paragraph(f"Too few to train on (at least {MIN_GROUPS} distinct images): {names}. Add images."))
    if small := [row.label for row in audit.small_classes if row not in untrainable]:
        blocks.append(paragraph(f"Few images, so the results for these classes vary: {', '.join(small)}. Add images."))
    blocks += notes(scan) if with_notes else []
    return Section.of("Audit", *blocks)


def _label_errors(audit: ImageAudit) -> Section:
    checked, preferred = counted(audit.checked_labels, "image"), "another label"
    if audit.multi_label:
        checked = counted(audit.checked_labels, "pair of an image and a label", "pairs of an image and a label")
        preferred = "the opposite"
    text = (
        f"{len(audit.label_errors):,} of {checked}. Models that were not fitted on the image give its label less than "
        "a quarter of the confidence that images of this label usually get, and prefer "
        f"{preferred}. Some of these images are only hard: look at them, then relabel, move or delete what is wrong. "
        "All of them stay in the data."
    )
    shown = [(thumbnail(error.sample.image.path), _caption(error)) for error in audit.label_errors[:SHOWN]]
    blocks: list[Block] = [paragraph(text), image_grid(shown)]
    if rest := audit.label_errors[SHOWN : SHOWN + NAMED]:
        rows = [(error.sample.image.name, error.stated, percent(error.confidence), error.proposed) for error in rest]
        blocks.append(table(("File", "Label", "Confidence", "More likely"), rows))
    blocks += _more(len(audit.label_errors) - SHOWN - NAMED)
    return Section.of("Likely label errors", *blocks)


def _caption(error: LabelError) -> str:
    return f"{error.sample.image.name}: {error.stated} {percent(error.confidence)}, more likely {error.proposed}"


def _near_duplicates(audit: ImageAudit) -> Iterable[Section]:
    """Groups with several labels first, because one of the labels must be wrong; none if the user states groups."""
    if stated := audit.scan.stated:
        return [Section.of("Groups", paragraph(f"{stated.describe(len(audit.scan.samples))}."))]
    conflicting = audit.conflicting_groups
    first = set(conflicting)
    ordered = [*conflicting, *(group for group in audit.near_duplicate_groups if group not in first)]
    text = "Each group stays in one part of the split, so that no test image has a near-duplicate in the training part."
    if conflicting:
        number = len(conflicting)
        verb = "has" if number == 1 else "have"
        text = f"{number:,} of the groups {verb} several labels, shown first: decide which is right. {text}"
    blocks = [paragraph(f"{counted(len(ordered), 'group')} of nearly identical images. {text}")]
    for group in ordered[:GROUPS]:
        blocks.append(
            image_grid(
                (thumbnail(sample.image.path), f"{sample.image.name}: {sample.image.label}") for sample in group[:6]
            )
        )
        blocks += _more(len(group) - 6)
    blocks += _more(len(ordered) - GROUPS)
    return [Section.of("Near-duplicates", *blocks)]


def _alike(audit: ImageAudit) -> Iterable[Section]:
    """Images that look alike but do not count as copies: a few of each set, those of different labels first."""
    if not audit.scan.alike:
        return []
    blocks: list[Block] = []
    for sentence, samples in zip(audit.scan.describe_alike(), audit.scan.alike, strict=True):
        first = {sample.image.label: sample for sample in reversed(samples)}
        shown = [*first.values(), *(sample for sample in samples if first[sample.image.label] is not sample)][:6]
        blocks.append(paragraph(f"{sentence}."))
        blocks.append(
            image_grid((thumbnail(sample.image.path), f"{sample.image.name}: {sample.image.label}") for sample in shown)
        )
    return [Section.of("Images that look alike", *blocks)]


def _left_out(audit: ImageAudit) -> Section:
    scan = audit.scan
    rows = [
        *((image.name, reason) for image, reason in scan.bad),
        *((image.name, "A copy of this file has another label. Decide which is right.") for image in scan.conflicts),
        *((image.name, "A copy of another file of this class.") for image in scan.copies),
    ]
    return Section.of("Left out", table(("File", "Reason"), rows[:NAMED]), *_more(len(rows) - NAMED))


def _more(count: int) -> Iterable[Block]:
    return [paragraph(f"… and {count:,} more.")] if count > 0 else []


def thumbnail(path: Path) -> bytes:
    """A JPEG of the image, at most 128 pixels wide and high."""
    buffer = io.BytesIO()
    Image.fromarray(decode(path.read_bytes(), _THUMBNAIL)).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
