"""The command ``larder audit classifier``: checks labelled images before a training."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from larder.errors import LarderError
from larder_training.classifier.config.options import ClassifierOptions
from larder_training.cli.image_options import image_options, to_options
from larder_training.reporting.progress import Progress

if TYPE_CHECKING:
    from larder_training.classifier.audit.audit import ImageAudit

LINES: Final = 50  # files and label errors printed on a terminal


@click.command("classifier", short_help="Find bad files, copies, small classes and label errors.")
@image_options
@click.option("--seed", type=int, default=0, show_default=True, help="Random seed of the cross-validation folds.")
@click.option(
    "--report", type=click.Path(dir_okay=False, path_type=Path), help="File to write an HTML report with images to."
)
@click.option("--json", "as_json", is_flag=True, help="Print all findings as JSON and hide progress.")
def command(data: Path | str, *, report: Path | None, as_json: bool, **flags: Any) -> None:  # noqa: ANN401 - click passes what it parsed
    """Audit labelled images: bad files, copies, near-duplicates, small classes and label errors.

    DATA has the forms that `larder train classifier` reads. Nothing is changed. The backbone is chosen as in a
    training; with one, the audit finds label errors much better than with the built-in features.
    """
    from larder_training.api.auditing import audit_images
    from larder_training.classifier.reports.audit_page import page

    try:
        audit = audit_images(ClassifierOptions(data, "audit", **to_options(flags)), Progress(quiet=as_json))
    except LarderError as error:
        raise click.ClickException(str(error)) from error
    if report is not None:
        report.write_bytes(page(audit))
    if as_json:
        click.echo(json.dumps(audit.printed(), ensure_ascii=False, indent=2))
        return
    _print_findings(audit)
    if trust := audit.trust():
        click.echo(trust)
    click.echo(f"Report: {report}" if report is not None else "Add --report audit.html to see the images.")
    several = " --multi-label" if flags["multi_label"] else ""
    click.echo(f"Next: larder train classifier {shlex.quote(str(data))} --model NAME{several}")


def _print_findings(audit: "ImageAudit") -> None:
    scan = audit.scan
    click.echo(audit.describe())
    click.echo(scan.describe())
    for note in scan.notes:
        click.echo(note)
    for alike in scan.describe_alike():
        click.echo(alike)
    if scan.stated:
        click.echo(scan.stated.describe(len(scan.samples)))
    for image, reason in scan.bad[:LINES]:
        click.echo(f"{image.name}: {reason}")
    for error in audit.label_errors[:LINES]:
        click.echo(f"{error.sample.image.name}: {error.stated} ({error.confidence:.1%}), rather {error.proposed}")
    if len(audit.label_errors) > LINES:
        click.echo(f"... and {len(audit.label_errors) - LINES} more: use --report or --json to list them all.")
