"""``larder audit classifier``: looks through labelled photos before anything is learnt from them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from larder.errors import LarderError
from larder_training.classifier.config.options import ClassifierOptions
from larder_training.cli.image_options import reads_photos, stated
from larder_training.reporting.progress import Progress

if TYPE_CHECKING:
    from larder_training.classifier.audit.audit import ImageAudit

LINES: Final = 50  # suspects told on a terminal


@click.command("classifier", short_help="Find bad, double, rare and wrongly labelled photos.")
@reads_photos
@click.option("--seed", type=int, default=0, show_default=True, help="Decides who judges whom.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write a page with the pictures.")
@click.option("--json", "as_json", is_flag=True, help="Print all findings as JSON, and no progress.")
def command(data: Path | str, *, report: Path | None, as_json: bool, **flags: Any) -> None:  # noqa: ANN401 - click hands over what it parsed
    """Look through labelled photos: files that do not open, copies, near-duplicates, tiny classes, wrong labels.

    DATA is as `larder train classifier` takes it. Nothing is changed. A backbone finds wrong labels much better than
    the built-in features do.
    """
    from larder_training.api.auditing import audit_images
    from larder_training.classifier.reports.audit_page import page

    try:
        found = audit_images(ClassifierOptions(data, "audit", **stated(flags)), Progress(quiet=as_json))
    except LarderError as error:
        raise click.ClickException(str(error)) from error
    if report is not None:
        report.write_bytes(page(found))
    if as_json:
        click.echo(json.dumps(found.document(), ensure_ascii=False, indent=2))
    else:
        _tell(found)


def _tell(found: "ImageAudit") -> None:
    scan = found.scan
    click.echo(found.describe())
    click.echo(
        f"{len(scan.bad)} bad files, {len(scan.copies)} copies, {len(scan.conflicts)} copies with conflicting labels, "
        f"{scan.near_duplicates} near-duplicates"
    )
    for photo, reason in scan.bad[:LINES]:
        click.echo(f"{photo.name}: {reason}")
    for one in found.label_errors[:LINES]:
        photo = one.sample.image
        click.echo(f"{photo.name}: {photo.label} ({one.confidence:.1%}), rather {one.proposed}")
    if len(found.label_errors) > LINES:
        click.echo(f"... and {len(found.label_errors) - LINES} more: --report or --json tells them.")
