"""Audits training data, as ``larder audit`` does."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Unpack, overload

from larder.errors import InvalidRequest
from larder_training.api import keywords
from larder_training.api.frames import Table, as_files
from larder_training.api.images import Images, as_source
from larder_training.api.keywords import ImageKeywords
from larder_training.api.report import Report
from larder_training.classifier.config.options import ClassifierOptions
from larder_training.recommender.config.log_format import LogFormat
from larder_training.reporting.progress import Progress

if TYPE_CHECKING:
    from larder_training.classifier.audit.audit import ImageAudit
    from larder_training.classifier.data.scan import DatasetScan


@dataclass(frozen=True, slots=True)
class AuditFindings:
    """The findings of an audit.

    Attributes:
        findings: All findings, as ``larder audit --json`` prints them.
        summary: The main findings in a few lines.
        report: An HTML page with plots or images.
    """

    findings: Mapping[str, Any]
    summary: str
    report: Report

    def __repr__(self) -> str:
        return self.summary

    def _repr_html_(self) -> str:
        return self.report._repr_html_()  # notebooks show an object by this method


@overload
def audit(
    images: Images, labels: Iterable[object] | None = None, *, quiet: bool = False, **options: Unpack[ImageKeywords]
) -> AuditFindings: ...
@overload
def audit(
    *,
    interactions: Table,
    items: Table | None = None,
    users: Table | None = None,
    columns: Mapping[str, str] | None = None,
    time_format: str | None = None,
    quiet: bool = False,
) -> AuditFindings: ...
def audit(
    images: Images | None = None,
    labels: Iterable[object] | None = None,
    *,
    interactions: Table | None = None,
    items: Table | None = None,
    users: Table | None = None,
    time_format: str | None = None,
    quiet: bool = False,
    **options: Unpack[ImageKeywords],
) -> AuditFindings:
    """Finds errors in training data, as ``larder audit`` does. It changes nothing.

    For images, it finds files that cannot be decoded, copies, near-duplicates, small classes, and probable label
    errors. For interactions, it finds bots, wrong timestamps, days without events, and ids that the items or users do
    not have.

    Args:
        images: Labelled images, in the forms of ``train_classifier``.
        labels: One label per image, for a list of images.
        interactions: Interactions, in the forms of ``train_recommender``. Give either these or ``images``.
        items: Items, with ``interactions``.
        users: Users, with ``interactions``.
        time_format: With ``interactions``: format of TIMESTAMP, as of ``datetime.strptime``; None: recognized.
        quiet: Whether to hide the progress.
        **options: With ``images``: the options of ``train_classifier`` for reading images and extracting features, such
            as ``backbone``, ``seed`` and ``cache``. With ``interactions``: ``columns``, as of ``train_recommender``.

    Raises:
        InvalidRequest: The data cannot be read, or both kinds of data are given, or none.
        TypeError: An option is unknown, or not of its type; the message says what to give.
    """
    progress = Progress(quiet=quiet)
    if interactions is None:
        if images is None:
            raise InvalidRequest("there is nothing to audit: give images or interactions=.")
        if items is not None or users is not None or time_format is not None:
            raise InvalidRequest("items and users need interactions=: give it, or omit them. So does time_format.")
        return _images(images, labels, options, progress)
    columns = options.pop("columns", None)
    if images is not None or labels is not None or options:
        raise InvalidRequest("interactions are given: omit images, labels and the options for images.")
    return _interactions(interactions, items, users, LogFormat(columns or {}, time_format), progress)


def audit_images(options: ClassifierOptions, progress: Progress) -> "ImageAudit":
    """Audits the images of ``options``, with the features that a training with these options uses."""
    from larder_training.classifier.audit.audit import audit as audit_scan
    from larder_training.classifier.config.context import ClassifierContext
    from larder_training.classifier.selection.backbone_choice import choose_backbone, open_backbone
    from larder_training.classifier.selection.usable_images import scan_data, with_usable_images

    context = ClassifierContext(options, progress)
    opened = open_backbone(context)  # first, as in a training

    def audit_usable(scan: "DatasetScan") -> "ImageAudit":
        return audit_scan(scan, choose_backbone(opened, scan.samples, context).features, context)

    return with_usable_images(scan_data(context), audit_usable)


def _images(
    images: Images, labels: Iterable[object] | None, options: ImageKeywords, progress: Progress
) -> AuditFindings:
    from larder_training.classifier.reports.audit_page import page

    arguments = keywords.arguments(ClassifierOptions, ImageKeywords, options, "audit")
    multi_label = bool(arguments.get("multi_label"))
    with as_source(images, labels, arguments.get("columns"), multi_label=multi_label) as data:
        result = audit_images(ClassifierOptions(data=data, model="audit", **arguments), progress)
        return AuditFindings(result.printed(), result.describe(), Report(page(result).decode()))


def _interactions(
    interactions: Table, items: Table | None, users: Table | None, log_format: LogFormat, progress: Progress
) -> AuditFindings:
    from larder_training.recommender.data.audit import audit_interactions
    from larder_training.recommender.reports.audit_page import page

    with as_files(interactions=interactions, items=items, users=users) as files:
        result = audit_interactions(
            files["interactions"],
            files["items"],
            files["users"],
            log_format=log_format,
            now=datetime.now(UTC),
            progress=progress,
        )
    return AuditFindings(result.document(), "\n".join(result.words()), Report(page(result).decode()))
