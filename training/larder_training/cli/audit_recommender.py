"""The command ``larder audit recommender``: checks an event log before training."""

import json
import shlex
from datetime import UTC, datetime
from pathlib import Path

import click

from larder.errors import LarderError
from larder_training.cli.log_options import log_options
from larder_training.reporting.progress import Progress


@click.command("recommender", short_help="Find bots, gaps, wrong clocks and unknown ids in an event log.")
@log_options
@click.option(
    "--report", type=click.Path(dir_okay=False, path_type=Path), help="Write the audit as an HTML page with a plot."
)
@click.option("--json", "as_json", is_flag=True, help="Print the audit as JSON, no progress.")
def command(  # noqa: PLR0913  # click passes one argument per option
    *,
    interactions: tuple[Path | str, ...],
    items: tuple[Path | str, ...],
    users: tuple[Path | str, ...],
    columns: tuple[str, ...],
    schema: tuple[Path, ...],
    time_format: str | None,
    allow_small: bool,
    allow_unmatched_ids: bool,
    types: tuple[str, ...],
    report: Path | None,
    as_json: bool,
) -> None:
    """Check an event log: unusable rows, bots, wrong clocks, days without events, ids without metadata, items without
    events.

    The files are those of `larder train recommender`. They are not changed. If a training would refuse them, the
    command prints its findings and ends with status 1.
    """
    from larder_training.io.column_names import parse_columns
    from larder_training.io.personalize_schema import read_schemas
    from larder_training.recommender.config.log_format import LogFormat
    from larder_training.recommender.config.options import parse_types
    from larder_training.recommender.data.audit import audit_interactions
    from larder_training.recommender.reports.audit_page import page

    try:
        audit = audit_interactions(
            interactions,
            items or None,
            users or None,
            log_format=LogFormat(parse_columns(columns), time_format, read_schemas(schema)),
            allow_small=allow_small,
            allow_unmatched_ids=allow_unmatched_ids,
            types=parse_types("--types", types),
            now=datetime.now(UTC),
            progress=Progress(quiet=as_json),
        )
    except LarderError as error:
        raise click.ClickException(str(error)) from error
    if report is not None:
        report.write_bytes(page(audit))
    if as_json:
        click.echo(json.dumps(audit.document(), ensure_ascii=False, indent=2))
    else:
        for line in audit.words():
            click.echo(line)
        click.echo(f"Report: {report}" if report is not None else "Add --report audit.html for a page with a plot.")
        if not audit.problems:
            given = {
                "interactions": interactions,
                "items": items,
                "users": users,
                "types": types,
                "columns": columns,
                "schema": schema,
                "time-format": () if time_format is None else (time_format,),
            }
            options = [f"--{name} {shlex.quote(str(value))}" for name, values in given.items() for value in values]
            options += ["--allow-small"] * allow_small + ["--allow-unmatched-ids"] * allow_unmatched_ids
            click.echo(f"Next: larder train recommender {' '.join(options)} --model NAME")
    if audit.problems:
        raise click.exceptions.Exit(1)
