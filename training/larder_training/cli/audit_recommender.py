"""``larder audit recommender``: looks through a log of events before anything is learnt from it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from larder.errors import LarderError
from larder_training.cli.train_recommender import reads_log
from larder_training.reporting.progress import Progress

if TYPE_CHECKING:
    from larder_training.recommender.data.audit import LogAudit


@click.command("recommender", short_help="Find robots, gaps, stray clocks and ids that do not meet in a log.")
@reads_log
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write a page with a plot.")
@click.option("--json", "as_json", is_flag=True, help="Print all findings as JSON, and no progress.")
def command(
    *,
    interactions: tuple[Path | str, ...],
    items: tuple[Path | str, ...],
    users: tuple[Path | str, ...],
    report: Path | None,
    as_json: bool,
) -> None:
    """Look through a log of events: rows that cannot be used, robots, stray clocks, days without events, ids that the
    catalogue or the profiles lack, items that nobody saw.

    The files are as `larder train recommender` takes them. Nothing is changed.
    """
    from larder_training.recommender.data.audit import audit_interactions
    from larder_training.recommender.reports.audit_page import page

    try:
        found = audit_interactions(
            interactions, items or None, users or None, now=datetime.now(UTC), progress=Progress(quiet=as_json)
        )
    except LarderError as error:
        raise click.ClickException(str(error)) from error
    if report is not None:
        report.write_bytes(page(found))
    if as_json:
        click.echo(json.dumps(found.document(), ensure_ascii=False, indent=2))
    else:
        _tell(found)


def _tell(found: "LogAudit") -> None:
    for line in found.words():
        click.echo(line)
