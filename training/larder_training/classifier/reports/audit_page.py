"""The audit's part of ``report.html``, and the audit's own page."""

import io
from collections.abc import Iterable
from typing import Final

from PIL import Image

from larder.classifier.image_decoding import decode
from larder.release.serving import ImageSpec
from larder_training.classifier.audit.audit import ImageAudit, untrainable_classes
from larder_training.classifier.data.scan import Sample
from larder_training.classifier.data.splits import MIN_GROUPS
from larder_training.reporting.html import Block, Section, facts, paragraph, pictures, render, table

PICTURES: Final = 48  # suspects shown; the table below names more
NAMED: Final = 500  # rows of a table
GROUPS: Final = 12  # groups of near-duplicates shown
_THUMBNAIL: Final = ImageSpec(128, 128, background=(128, 128, 128))


def sections(found: ImageAudit) -> list[Section]:
    """What the report says of the photos, before any number of the model."""
    return [_overview(found), _suspects(found), _doubles(found)]


def page(found: ImageAudit) -> bytes:
    """The whole document of ``larder audit``. It holds no time and no path."""
    return render("Audit of labelled photos", [*sections(found), _unusable(found)]).encode()


def _overview(found: ImageAudit) -> Section:
    scan, uneven = found.scan, found.imbalance
    tiles = {
        "Photos": len(scan.samples),
        "Labels that look wrong": len(found.label_errors),
        "Bad files": len(scan.bad),
        "Exact copies": len(scan.copies),
        "Conflicting labels": len(scan.conflicts),
        "Near-duplicates": scan.near_duplicates,
        "Largest class over smallest": "-" if uneven is None else f"{uneven:.1f}",
    }
    rows = [(one.label, one.images, one.different, one.label_errors) for one in found.classes]
    blocks = [facts(tiles), table(("Class", "Photos", "Different pictures", "Labels that look wrong"), rows)]
    if refused := untrainable_classes(found):
        names = ", ".join(one.label for one in refused)
        blocks.append(paragraph(f"Too few to train on (at least {MIN_GROUPS} different photos): {names}. Add photos."))
    if tiny := [one.label for one in found.small_classes if one not in refused]:
        blocks.append(paragraph(f"Few photos, so that results for them say little: {', '.join(tiny)}. Add photos."))
    return Section.of("Audit", *blocks)


def _suspects(found: ImageAudit) -> Section:
    told = (
        f"{len(found.label_errors)} of {found.checked_labels} images. Models that were not fitted on the image give "
        "its label less than a quarter of the confidence that images of this label usually get, and prefer another "
        "label. Some of these images are only hard: look at them, then relabel, move or delete what is wrong. None of "
        "them was left out."
    )
    shown = [
        (
            _jpeg(one.sample),
            f"{one.sample.image.name}: {one.sample.image.label} {one.confidence:.1%}, rather {one.proposed}",
        )
        for one in found.label_errors[:PICTURES]
    ]
    blocks: list[Block] = [paragraph(told), pictures(shown)]
    if rest := found.label_errors[PICTURES : PICTURES + NAMED]:
        rows = [(one.sample.image.name, one.sample.image.label, f"{one.confidence:.1%}", one.proposed) for one in rest]
        blocks.append(table(("File", "Label", "Confidence", "Rather"), rows))
    blocks += _more(len(found.label_errors) - PICTURES - NAMED)
    return Section.of("Labels that look wrong", *blocks)


def _doubles(found: ImageAudit) -> Section:
    """Groups with several labels first: one of the labels must be wrong."""
    torn = set(found.conflicting_groups)
    ordered = [*found.conflicting_groups, *(members for members in found.near_duplicate_groups if members not in torn)]
    told = "These stay together in one part of the split, so that nothing is tested on what was learnt."
    if torn:
        told = f"{len(torn)} of the groups have several labels, shown first: decide which is right. {told}"
    blocks = [paragraph(f"{len(ordered)} groups of photos that show nearly the same. {told}")]
    for members in ordered[:GROUPS]:
        blocks.append(pictures((_jpeg(one), f"{one.image.name}: {one.image.label}") for one in members[:6]))
        blocks += _more(len(members) - 6)
    blocks += _more(len(ordered) - GROUPS)
    return Section.of("Near-duplicates", *blocks)


def _unusable(found: ImageAudit) -> Section:
    scan = found.scan
    rows = [
        *((photo.name, reason) for photo, reason in scan.bad),
        *((photo.name, "A copy of this file has another label. Decide which is right.") for photo in scan.conflicts),
        *((photo.name, "A copy of another file of this class.") for photo in scan.copies),
    ]
    return Section.of("Left out", table(("File", "Why"), rows[:NAMED]), *_more(len(rows) - NAMED))


def _more(count: int) -> Iterable[Block]:
    return [paragraph(f"... and {count} more.")] if count > 0 else []


def _jpeg(checked: Sample) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(decode(checked.image.path.read_bytes(), _THUMBNAIL)).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
